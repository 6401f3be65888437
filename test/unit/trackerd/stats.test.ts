import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHttpCounts, toUdpCounts } from '#room/trackerd/stats';
import { CounterTable, counter, counterNames } from '#tracker';

test('stats: a refusal counts as one, whatever its reason', () => {
  for (const [via, toCounts] of [
    ['http', toHttpCounts],
    ['udp', toUdpCounts],
  ] as const) {
    for (const reason of ['Policy', 'Full', 'Invalid', 'Failed', 'Limited', 'Overloaded'] as const) {
      const table = new CounterTable(1);
      for (const name of counterNames) if (!name.startsWith(via)) table.row(0)[counter[name]] = 100;
      table.row(0)[counter[`${via}Refused${reason}`]] = 3;
      assert.equal(toCounts(table.sums()).refused, 3, `${via} ${reason}`);
    }
  }
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { offenderFamilies } from '#room/trackerd/own-metrics';
import { policyMetrics } from '#room/trackerd/policy/metrics';
import { replicationMetrics } from '#room/trackerd/replication/metrics';
import { goodKinds, readCounter } from '#room/trackerd/web/counts';
import { collectFamilies } from '#room/trackerd/web/families';
import { formatMetrics } from '#room/trackerd/web/metrics';
import { Accounts, counterNames, Offenders } from '#tracker';
import { factsOf, numbersOf } from '../../support/tracker-facts.ts';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A strict reader of the text format: families in one piece, each with help and type before its samples, no sample twice. */
function parseMetrics(text: string): { samples: Sample[]; types: Map<string, string> } {
  assert.ok(text.endsWith('\n'));
  const samples: Sample[] = [];
  const types = new Map<string, string>();
  const seen = new Set<string>();
  let current = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = '', rest = ''] = comment;
      if (kind === 'HELP') {
        assert.ok(!types.has(name), `${name} begins twice`);
        current = name;
      } else {
        assert.equal(name, current);
        assert.match(rest, /^(counter|gauge)$/);
        types.set(name, rest);
      }
      continue;
    }
    const match = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (-?[0-9.e+-]+|NaN|[+-]Inf)$/.exec(line);
    assert.ok(match !== null, `not a sample: ${line}`);
    const [whole, name = '', labelText = '', value = ''] = match;
    assert.equal(name, current);
    const key = whole.slice(0, whole.lastIndexOf(' '));
    assert.ok(!seen.has(key), `${key} comes twice`);
    seen.add(key);
    const labels = Object.fromEntries(
      [...labelText.matchAll(/([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/g)].map(([, n, v = '']) => [
        n,
        v.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)),
      ]),
    );
    samples.push({ name, labels, value: Number(value.replace('Inf', 'Infinity')) });
  }
  return { samples, types };
}

const machine = { residentBytes: 1e8, heapBytes: 1e7, cpuSec: 1.5, loopLagMs: 20 };

test('metrics can be read back, with every counter of the tracker', () => {
  const { samples, types } = parseMetrics(formatMetrics(collectFamilies(factsOf(), machine)));
  const find = (name: string, labels: Record<string, string> = {}) =>
    samples.find((s) => s.name === `eider_tracker_${name}` && JSON.stringify(s.labels) === JSON.stringify(labels))
      ?.value;
  assert.equal(find('requests_total', { transport: 'udp', kind: 'announce', network: 'ipv4' }), 100);
  assert.equal(find('requests_total', { transport: 'udp', kind: 'refused_full' }), 3);
  assert.equal(find('bytes_total', { transport: 'udp', direction: 'in' }), 9_000);
  assert.equal(find('connections', { transport: 'http' }), 7);
  assert.equal(find('peers', { network: 'ipv6' }), 3);
  assert.equal(find('leechers'), 5);
  assert.equal(find('healthy'), 1);
  assert.equal(find('event_loop_lag_seconds'), 0.02);
  assert.equal(find('info', { version: '1.2.3' }), 1);
  const counted = samples.filter((s) => /_(requests_total|bytes_total|connections)$/.test(s.name));
  assert.equal(counted.length, counterNames.length);
  for (const [name, type] of types) assert.equal(type === 'counter', name.endsWith('_total'), name);
});

test('parts that are there only sometimes, and components of their own', () => {
  const facts = factsOf({
    health: () => ({ state: 'degraded', reasons: ['x'] }),
    replication: () => ({ isConnected: false, lagMs: 1_500, others: ['a', 'b'] }),
    clients: () => [{ prefix: '-a"\\\n', count: 2 }],
    metrics: () => [
      { name: 'users', type: 'gauge', help: 'Users.\nAll.', samples: [{ value: Number.POSITIVE_INFINITY }] },
    ],
  });
  const { samples } = parseMetrics(formatMetrics(collectFamilies(facts, machine)));
  const values = Object.fromEntries(samples.map((s) => [s.name.replace('eider_tracker_', ''), s.value]));
  assert.equal(values['healthy'], 0.5);
  assert.equal(values['replication_connected'], 0);
  assert.equal(values['replication_lag_seconds'], 1.5);
  assert.equal(values['users'], Number.POSITIVE_INFINITY);
  assert.equal(samples.find((s) => s.name.endsWith('clients'))?.labels['prefix'], '-a"\\\n');
});

test('the handbook names every metric', () => {
  const handbook = readFileSync(new URL('../../../../docs/tracker.md', import.meta.url), 'utf8');
  const facts = factsOf({
    replication: () => ({ isConnected: true, lagMs: 0, others: [] }),
    clients: () => [],
    numbers: () => numbersOf({ storeBytes: 1 }),
    metrics: () => [
      ...replicationMetrics(replicationFacts),
      ...policyMetrics({ users, accounts }),
      ...offenderFamilies(new Offenders(1)),
    ],
  });
  for (const { name } of collectFamilies(facts, machine)) {
    assert.match(handbook, new RegExp(`\\| .*\`${name}[\`{].*\\|`), name);
  }
});

test('offenders and accounts are told', () => {
  const offenders = new Offenders(2);
  for (let i = 0; i < 3; i++) offenders.note(Uint8Array.of(192, 0, 2, 1), 0, 4, 'forged');
  offenders.note(Uint8Array.of(192, 0, 2, 2), 0, 4, 'limited');
  const families = [...offenderFamilies(offenders), ...policyMetrics({ users, accounts })];
  const { samples } = parseMetrics(formatMetrics(families));
  const told = samples.map(({ name, labels, value }) => [name.replace('eider_tracker_', ''), labels['kind'], value]);
  const expected = [
    ['offenders', undefined, 2],
    ['offences', 'expired', 0],
    ['offences', 'forged', 3],
    ['offences', 'limited', 1],
    ['users', undefined, 3],
    ['account_sessions', undefined, 0],
    ['account_suspicions_total', undefined, 0],
  ];
  for (const row of expected)
    assert.ok(
      told.some((t) => String(t) === String(row)),
      String(row),
    );
  assert.deepEqual(policyMetrics({ users: undefined, accounts: undefined }), []);
});

const accounts = new Accounts({ sessionTtlMs: 1, seed: [1, 2] });
const users = { size: () => 3 };

/** Of a tracker that has done nothing yet. */
const replicationFacts = {
  state: 'live',
  members: [],
} as unknown as Parameters<typeof replicationMetrics>[0];

test('every counter has a transport, a subject and a kind in words', () => {
  for (const name of counterNames) {
    const { transport, subject, kind } = readCounter(name);
    assert.ok(name.startsWith(transport), name);
    assert.match(kind, /^[a-z]+(_[a-z]+)*$/, name);
    if (subject === 'request' && goodKinds.has(kind)) assert.doesNotMatch(name, /Refused|Bad|Malformed/);
  }
});

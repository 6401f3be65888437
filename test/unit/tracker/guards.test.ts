import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMs, type Millis, parseIp, seededRng } from '#base';
import { AddressLimits, CounterTable, counter, Offenders, OverloadGauge } from '#tracker';

const start = 0 as Millis;
const words = Uint32Array.of(11, 22, 33, 44);

function ip(text: string): Uint8Array {
  return parseIp(text) as Uint8Array;
}

function take(limits: AddressLimits, address: string, now: Millis = start, kind: 'request' | 'unproven' = 'request') {
  const bytes = Uint8Array.from([1, 2, 3, ...ip(address)]);
  const length = bytes.length === 7 ? 4 : 16;
  return kind === 'request' ? limits.takeRequest(now, bytes, 3, length) : limits.takeUnproven(now, bytes, 3, length);
}

test('counters: rows of threads add up', () => {
  const table = new CounterTable(3);
  const rows = [0, 1, 2].map((i) => new CounterTable(table.shared).row(i));
  rows.forEach((row, i) => {
    row[counter.udpConnects]! += i + 1;
    row[counter.wsConnections]! += 2 ** 40;
  });
  assert.equal(table.sum('udpConnects'), 6);
  const { udpConnects, wsConnections, httpBad } = table.sums();
  assert.deepEqual([udpConnects, wsConnections, httpBad], [6, 3 * 2 ** 40, 0]);
});

test('address limits: so many in a window, per address and kind, in all threads', () => {
  const limits = new AddressLimits(words);
  limits.set({ requestsMax: 5, unprovenMax: 2, windowMs: 10_000 });
  const elsewhere = new AddressLimits(limits.shared);
  const taken = [limits, elsewhere, limits, elsewhere, limits, elsewhere].map((l) => take(l, '203.0.113.1'));
  assert.deepEqual(taken, [true, true, true, true, true, false]);
  assert.deepEqual(
    [1, 2, 3].map(() => take(limits, '203.0.113.1', start, 'unproven')),
    [true, true, false],
  );
  assert.equal(take(limits, '203.0.113.2'), true);
  assert.equal(take(limits, '203.0.113.1', 9_999 as Millis), false);
  assert.equal(take(limits, '203.0.113.1', 10_000 as Millis), true);
  assert.equal(limits.retryInSec(4_000 as Millis), 11);
});

test('address limits: a /64 is one address, the next one another', () => {
  const limits = new AddressLimits(words);
  limits.set({ requestsMax: 2 });
  assert.deepEqual(
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '2001:db8:1:2::3', '2001:db8:1:3::1', '2001:db9:1:2::1'].map((a) =>
      take(limits, a),
    ),
    [true, true, false, true, true],
  );
});

test('address limits: local networks are free of them where so wished, and 0 is no limit', () => {
  const limits = new AddressLimits(words);
  limits.set({ requestsMax: 1 });
  const local = ['127.0.0.1', '10.9.8.7', '172.31.0.1', '192.168.1.1', '169.254.3.4', '::1', 'fd00::1', 'fe80::1'];
  for (const address of local) for (let i = 0; i < 3; i++) assert.equal(take(limits, address), true, address);
  const foreign = ['128.0.0.1', '172.32.0.1', '192.169.1.1', '169.253.3.4', '::2', 'fe00::1'];
  for (const address of foreign)
    assert.deepEqual([take(limits, address), take(limits, address)], [true, false], address);
  limits.set({ exemptsLocal: false });
  assert.deepEqual([take(limits, '127.0.0.1'), take(limits, '127.0.0.1')], [true, false]);
  limits.set({ requestsMax: 0 });
  assert.equal(take(limits, '127.0.0.1'), true);
});

test('address limits: a crowd of others costs an address next to nothing', () => {
  const limits = new AddressLimits(words);
  limits.set({ requestsMax: 1_000 });
  const rng = seededRng(8);
  // 600,000 requests of 100,000 addresses.
  const crowd = Array.from({ length: 100_000 }, () => Uint8Array.from([50, ...rng.bytes(3)]));
  for (let round = 0; round < 6; round++) {
    for (const address of crowd) assert.equal(limits.takeRequest(start, address, 0, 4), true);
  }
  let taken = 0;
  while (take(limits, '203.0.113.5')) taken++;
  assert(taken > 900, `${taken} of 1,000`);
});

test('offenders: the worst come out on top, whatever crowd passes by', () => {
  const table = new Offenders(2);
  const other = new Offenders(table.shared, 1);
  const rng = seededRng(9);
  for (let i = 0; i < 20_000; i++) {
    table.note(rng.bytes(4), 0, 4, 'forged');
    if (i % 10 === 0) table.note(ip('203.0.113.66'), 0, 4, 'limited');
    if (i % 12 === 0) other.note(ip('2001:db8::66'), 0, 16, 'expired');
    if (i % 20 === 0) other.note(ip('203.0.113.66'), 0, 4, 'forged');
  }
  const top = table.top(2);
  assert.deepEqual(
    top.map((o) => o.address),
    ['203.0.113.66', '2001:db8::66'],
  );
  const [first, second] = top;
  assert(first !== undefined && first.limited > 1_900 && first.limited <= 2_000 && first.forged === 1_000);
  assert.deepEqual(second, { address: '2001:db8::66', count: 1_667, expired: 1_667, forged: 0, limited: 0, error: 0 });
});

test('overload: neither a burst nor a good moment turns it', () => {
  const gauge = new OverloadGauge({ afterMs: 1_000 });
  const looks: [ms: number, isBehind: boolean, isOverloaded: boolean][] = [
    [0, true, false],
    [900, true, false],
    [950, false, false],
    [1_000, true, false],
    [1_900, true, false],
    [2_000, true, true],
    [2_100, false, true],
    [2_900, true, true],
    [3_000, false, true],
    [4_000, false, false],
  ];
  for (const [ms, isBehind, isOverloaded] of looks) {
    gauge.look(addMs(start, ms), isBehind);
    assert.equal(gauge.isOverloaded, isOverloaded, `at ${ms} ms`);
  }
});

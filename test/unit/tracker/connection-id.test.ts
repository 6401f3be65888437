import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMs, type Millis, parseIp, seededRng, toHex } from '#base';
import { ConnectionIds, type ConnectionIdVerdict, SipHash } from '#tracker';

const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const address4 = parseIp('192.0.2.1') as Uint8Array;
const address6 = parseIp('2001:db8::1') as Uint8Array;
const start = 5_000_000 as Millis;

// First lines of vectors_sip64 in the reference implementation: key 00..0f, input 00, 01, 02, ... of that length.
const sipVectors: [length: number, hash: string][] = [
  [0, '310e0edd47db6f72'],
  [1, 'fd67dc93c539f874'],
  [2, '5a4fa9d909806c0d'],
  [3, '2d7efbd796666785'],
  [4, 'b7877127e09427cf'],
  [5, '8da699cd64557618'],
  [6, 'cee3fe586e46c9cb'],
  [7, '37d1018bf50002ab'],
  [8, '6224939a79f5f593'],
  [15, 'e545be4961ca29a1'],
];
for (const [length, expected] of sipVectors) {
  test(`SipHash-2-4 of ${length} bytes`, () => {
    const out = new Uint8Array(8);
    new SipHash(key).hash(
      Uint8Array.from({ length }, (_, i) => i),
      out,
      0,
    );
    assert.equal(toHex(out), expected);
  });
}

test('an id holds in the next process with the same secret, and no longer than it would have held', () => {
  const id = new Uint8Array(8);
  const lifetimeMs = 120_000;
  const before = new ConnectionIds({ secret: key, lifetimeMs, clockMs: 1_790_000_000_000 });
  before.issue(900_000 as Millis, address4, 0, 4, id, 0);
  const after = new ConnectionIds({ secret: key, lifetimeMs, clockMs: 1_790_000_903_000 });
  assert.equal(after.verify(500 as Millis, address4, 0, 4, id, 0), 'ok');
  assert.equal(after.verify(180_000 as Millis, address4, 0, 4, id, 0), 'expired');
  const elsewhere = new ConnectionIds({ secret: key, lifetimeMs });
  assert.equal(elsewhere.verify(500 as Millis, address4, 0, 4, id, 0), 'forged');
});

/** The ids of one secret, as functions of whole byte strings. */
function ids(lifetimeMs = 120_000, secret = key) {
  const real = new ConnectionIds({ secret, lifetimeMs });
  const lengthOf = (address: Uint8Array) => (address.length === 4 ? 4 : 16);
  // Away from 0, as in a front end's buffers.
  const placed = (bytes: Uint8Array) => Uint8Array.from([9, 9, 9, ...bytes, 9]);
  return {
    issue(now: Millis, address: Uint8Array): Uint8Array {
      const into = new Uint8Array(12).fill(7);
      real.issue(now, placed(address), 3, lengthOf(address), into, 2);
      assert.deepEqual([...into.subarray(0, 2), ...into.subarray(10)], [7, 7, 7, 7]);
      return into.slice(2, 10);
    },
    verify(now: Millis, address: Uint8Array, id: Uint8Array): ConnectionIdVerdict {
      return real.verify(now, placed(address), 3, lengthOf(address), placed(id), 3);
    },
  };
}

test('an id is good for its address and its time', () => {
  for (const address of [address4, address6]) {
    const id = ids().issue(start, address);
    assert.equal(id.length, 8);
    for (const [age, verdict] of [
      [0, 'ok'],
      [60_000, 'ok'],
      [120_000, 'ok'],
      [151_000, 'expired'],
      [3_600_000, 'expired'],
    ] as const) {
      assert.equal(ids().verify(addMs(start, age), address, id), verdict, `after ${age} ms`);
    }
  }
});

test('an id of hours ago is as good as none, also where the bucket counter has gone round', () => {
  const id = ids().issue(start, address4);
  const round = 256 * 30_000;
  assert.equal(ids().verify(addMs(start, round), address4, id), 'forged');
  assert.equal(ids().verify(addMs(start, round + 30_000), address4, id), 'forged');
});

test('an id of another address, another key or the future is forged', () => {
  const id = ids().issue(start, address4);
  assert.equal(ids().verify(start, parseIp('192.0.2.2') as Uint8Array, id), 'forged');
  assert.equal(ids().verify(start, address6, id), 'forged');
  assert.equal(ids(120_000, new Uint8Array(16)).verify(start, address4, id), 'forged');
  assert.equal(ids().verify(start, address4, ids().issue(addMs(start, 300_000), address4)), 'forged');
});

test('any changed bit is noticed, and guessing does not help', () => {
  const id = ids().issue(start, address4);
  for (let bit = 0; bit < 64; bit++) {
    const changed = id.slice();
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.notEqual(ids().verify(start, address4, changed), 'ok', `bit ${bit}`);
  }
  const rng = seededRng(5);
  for (let i = 0; i < 20_000; i++) assert.notEqual(ids().verify(start, address4, rng.bytes(8)), 'ok');
});

test('the lifetime is the operator’s', () => {
  const long = ids(3_600_000);
  const id = long.issue(start, address4);
  assert.equal(long.verify(addMs(start, 3_599_000), address4, id), 'ok');
  assert.equal(long.verify(addMs(start, 3_700_000), address4, id), 'expired');
  const day = ids(86_400_000);
  const dayId = day.issue(start, address6);
  assert.equal(day.verify(addMs(start, 86_300_000), address6, dayId), 'ok');
  assert.equal(day.verify(addMs(start, 87_200_000), address6, dayId), 'expired');
});

test('keys rotate: all who have the secret agree, ids of the last epoch are good as long as their lifetime says', () => {
  const one = ids(3_600_000);
  const other = ids(3_600_000);
  for (let minutes = 0; minutes < 1_000; minutes += 7) {
    const at = addMs(start, minutes * 60_000);
    const id = one.issue(at, address6);
    assert.equal(other.verify(at, address6, id), 'ok');
    assert.equal(other.verify(addMs(at, 55 * 60_000), address6, id), 'ok');
    assert.equal(one.verify(at, address6, id), 'ok');
  }
});

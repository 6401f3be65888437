import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { readU32, writeU32 } from '#base';
import { HashTable } from '#tracker';

type Step = { kind: 'add' | 'remove'; key: number; value: number };

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom('add' as const, 'add' as const, 'remove' as const),
    key: fc.nat(200),
    value: fc.integer({ min: 0, max: 0xffff_ffff }),
  }),
  { maxLength: 800, size: 'max' },
);

/** Keys alike in all but a few bits: what tells them apart must be read. */
function toKey(key: number, keyBytes: number): Uint8Array {
  const bytes = new Uint8Array(keyBytes + 3).fill(0xa5);
  writeU32(bytes, 3 + keyBytes - 4, key);
  return bytes;
}

for (const keyBytes of [16, 20, 24, 32]) {
  test(`a table of ${keyBytes}-byte keys holds what a map would hold`, () => {
    fc.assert(
      fc.property(steps, fc.integer(), (all: Step[], seed) => {
        let table = HashTable.make({ keyBytes, count: 1, seed: [seed, ~seed], isShared: seed % 2 === 0 });
        const map = new Map<number, number>();
        for (const { kind, key, value } of all) {
          const bytes = toKey(key, keyBytes);
          if (kind === 'add') {
            table = table.withRoom();
            assert(table.add(bytes, 3, value) >= 0);
            map.set(key, value);
          } else assert.equal(table.remove(bytes, 3), map.delete(key));
          assert.equal(table.count, map.size);
        }
        const seen = new HashTable(table.data);
        for (let key = 0; key <= 200; key++) {
          const slot = seen.find(toKey(key, keyBytes), 3);
          assert.equal(slot < 0 ? undefined : seen.valueAt(slot), map.get(key));
        }
        const live: number[] = [];
        for (let slot = 0; slot < seen.capacity; slot++)
          if (seen.isLive(slot)) live.push(readU32(seen.keyAt(slot), keyBytes - 4));
        assert.deepEqual(live.sort(), [...map.keys()].sort());
      }),
      { numRuns: 100 },
    );
  });
}

test('a full table takes nothing more, and says so', () => {
  const table = HashTable.make({ keyBytes: 20, count: 10, seed: [1, 2], isShared: false });
  let added = 0;
  while (table.add(toKey(added, 20), 3) >= 0) added++;
  assert(added >= 10);
  assert(table.isFull);
  assert.equal(table.has(toKey(added, 20), 3), false);
  for (let i = 0; i < added; i++) assert(table.has(toKey(i, 20), 3));
  assert(table.add(toKey(0, 20), 3, 9) >= 0, 'what is in it can be changed');
});

test('another thread reads while this one changes: what stays is always there, what never was never is', async () => {
  const table = HashTable.make({ keyBytes: 20, count: 60_000, seed: [7, 8], isShared: true });
  for (let key = 0; key < 1_000; key++) table.add(toKey(key, 20), 3, key);
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ HashTable }) => {
      const table = new HashTable(workerData.table);
      const key = new Uint8Array(23).fill(0xa5);
      const view = new DataView(key.buffer);
      let looks = 0;
      parentPort.postMessage('ready');
      while (Atomics.load(workerData.stop, 0) === 0 || looks < 10_000) {
        view.setUint32(19, looks % 1000);
        const slot = table.find(key, 3);
        if (slot < 0 || table.valueAt(slot) !== looks % 1000) throw new Error('lost ' + looks % 1000);
        view.setUint32(19, 1_000_000_000 + looks);
        if (table.has(key, 3)) throw new Error('found what never was');
        looks++;
      }
      parentPort.postMessage(looks);
    });`;
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const module = new URL('../../../../dist/tracker/index.js', import.meta.url).href;
  const worker = new Worker(source, { eval: true, workerData: { table: table.data, stop, module } });
  const told: unknown[] = [];
  const next = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      worker.once('error', reject);
      worker.once('message', (message) => {
        told.push(message);
        resolve(message);
      });
    });
  await next();
  for (let key = 1_000; key < 50_000; key++) {
    assert(table.add(toKey(key, 20), 3, key) >= 0);
    if (key % 3 !== 0) table.remove(toKey(key, 20), 3);
  }
  const end = next();
  Atomics.store(stop, 0, 1);
  assert(((await end) as number) >= 10_000);
  await worker.terminate();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countProofHashes, type HashRange, isSameHashRange, isSoundHashRange } from '#wire';

const range = (part: Partial<HashRange>): HashRange => ({
  root: new Uint8Array(32),
  baseLayer: 0,
  index: 0,
  length: 2,
  proofLayers: 0,
  ...part,
});

const ranges: [range: Partial<HashRange>, isSound: boolean][] = [
  [{ length: 2 }, true],
  [{ length: 512, index: 1024, proofLayers: 10, baseLayer: 4 }, true],
  [{ length: 0 }, false],
  [{ length: 1 }, false],
  [{ length: 3 }, false],
  [{ length: 1024 }, false],
  [{ length: 2 ** 31 }, false],
  [{ length: 4, index: 2 }, false],
  [{ baseLayer: 41 }, false],
  [{ proofLayers: 0xffff_ffff }, false],
];
for (const [part, isSound] of ranges) {
  test(`hash range ${JSON.stringify(part)} is ${isSound ? 'sound' : 'not sound'}`, () => {
    assert.equal(isSoundHashRange(range(part)), isSound);
  });
}

test('the lowest proof layers are counted and left away', () => {
  // A tree of 8 leaves, its lower half asked for: the uncle is the root of the upper half, two layers up from the leaves.
  assert.equal(countProofHashes(range({ length: 4, proofLayers: 2 })), 1);
  assert.equal(countProofHashes(range({ length: 2, proofLayers: 2 })), 2);
  assert.equal(countProofHashes(range({ length: 8, proofLayers: 2 })), 0);
  assert.equal(countProofHashes(range({ length: 512, proofLayers: 0 })), 0);
});

test('an answer is matched with its request by all five fields', () => {
  const root = new Uint8Array(32);
  root[31] = 1;
  assert.ok(isSameHashRange(range({}), { ...range({}) }));
  for (const other of [{ root }, { baseLayer: 1 }, { index: 2 }, { length: 4 }, { proofLayers: 1 }]) {
    assert.ok(!isSameHashRange(range({}), range(other)));
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concatBytes, toHex } from '#base';
import { BLOCK_LENGTH, FileHashes, HASH_BYTES, hashAt, type LayerRange, leafCount, Merkle, nextPow2 } from '#metainfo';
import { nodeCrypto } from '../../support/node-crypto.ts';

const merkle = new Merkle(nodeCrypto);

/** A file that is known by its leaves only: what is in the blocks makes no difference to the tree. */
interface MadeFile {
  readonly length: number;
  readonly pieceLength: number;
  readonly leaves: Uint8Array;
  readonly root: Uint8Array;
  /** Every level, filled up, from the leaves to the root. */
  readonly levels: readonly Uint8Array[];
}

function makeFile(length: number, pieceLength: number): MadeFile {
  const leaves = Array.from({ length: leafCount(length) }, (_, i) => nodeCrypto.sha256(Uint8Array.of(i & 255, i >> 8)));
  const filled = [...leaves];
  while (filled.length < nextPow2(leaves.length)) filled.push(new Uint8Array(32));
  const levels = [concatBytes(filled)];
  for (let row = filled; row.length > 1; ) {
    row = Array.from({ length: row.length / 2 }, (_, i) =>
      nodeCrypto.sha256(concatBytes([row[2 * i]!, row[2 * i + 1]!])),
    );
    levels.push(concatBytes(row));
  }
  return { length, pieceLength, leaves: concatBytes(leaves), root: levels.at(-1)!, levels };
}

const files = fc
  .tuple(fc.integer({ min: 1, max: 70 }), fc.constantFrom(1, 2, 4, 8))
  .map(([blocks, perPiece]) => makeFile(blocks * BLOCK_LENGTH - 5, perPiece * BLOCK_LENGTH));

function complete(file: MadeFile): FileHashes {
  const hashes = new FileHashes(merkle, file);
  if (!hashes.isComplete) assert.ok(hashes.acceptLayer(merkle.pieceLayer(file.leaves, file.pieceLength)));
  return hashes;
}

/** Ranges of a file's tree, with any proof. */
function* ranges(file: MadeFile): Generator<LayerRange> {
  const height = file.levels.length - 1;
  for (let baseLayer = 0; baseLayer < height; baseLayer++) {
    const width = 2 ** (height - baseLayer);
    for (let length = 2; length <= width; length *= 2) {
      for (let index = 0; index < width; index += length) {
        for (let proofLayers = 0; proofLayers < height - baseLayer; proofLayers++) {
          yield { baseLayer, index, length, proofLayers };
        }
      }
    }
  }
}

function serve(hashes: FileHashes, file: MadeFile, range: LayerRange): Uint8Array {
  const needed = hashes.leavesNeeded(range);
  const perPiece = file.pieceLength / BLOCK_LENGTH;
  const leaves = needed && file.leaves.slice(needed.first * perPiece * HASH_BYTES, needed.end * perPiece * HASH_BYTES);
  return hashes.serve(range, leaves)!;
}

test('what one side serves is the tree of the specification, and the other side accepts it', () => {
  fc.assert(
    fc.property(files, (file) => {
      const server = complete(file);
      const height = file.levels.length - 1;
      for (const range of ranges(file)) {
        const got = serve(server, file, range);
        const expected = Array.from({ length: range.length }, (_, i) =>
          hashAt(file.levels[range.baseLayer]!, range.index + i),
        );
        for (let layer = 1; layer <= range.proofLayers; layer++) {
          // BEP 52: a proof layer is left out where the range holds all of the layer below it.
          if (2 ** layer < range.length) continue;
          const own = Math.floor(range.index / 2 ** layer);
          expected.push(hashAt(file.levels[range.baseLayer + layer]!, own ^ 1));
        }
        assert.equal(toHex(got), toHex(concatBytes(expected)), JSON.stringify(range));
        const reachesRoot =
          range.proofLayers === height - range.baseLayer - 1 || 2 ** (height - range.baseLayer) === range.length;
        if (reachesRoot) assert.ok(new FileHashes(merkle, file).accept(range, got), JSON.stringify(range));
        assert.ok(!server.accept(range, got.slice(32)));
      }
    }),
    { numRuns: 25 },
  );
});

test('one wrong bit is never accepted, and never kept', () => {
  fc.assert(
    fc.property(files, fc.nat(), fc.nat(), (file, pick, bit) => {
      const all = [...ranges(file)];
      const range = all[pick % Math.max(1, all.length)];
      if (range === undefined) return;
      const answer = serve(complete(file), file, range);
      answer[(bit >> 3) % answer.length]! ^= 1 << (bit & 7);
      const fresh = new FileHashes(merkle, file);
      const wasComplete = fresh.isComplete;
      assert.ok(!fresh.accept(range, answer));
      for (let p = 0; p < fresh.pieceCount; p++) assert.equal(fresh.hasPiece(p), wasComplete);
    }),
  );
});

test('piece layers come together from the requests that are planned', () => {
  fc.assert(
    fc.property(files, (file) => {
      const server = complete(file);
      const client = new FileHashes(merkle, file);
      for (let piece = 0; piece < client.pieceCount; piece++) {
        if (client.hasPiece(piece)) continue;
        const range = client.requestFor(piece);
        assert.ok(client.isValidRange(range));
        assert.ok(client.accept(range, serve(server, file, range)));
        assert.ok(client.hasPiece(piece));
      }
      assert.ok(client.isComplete);
      assert.equal(toHex(client.pieceLayer!), toHex(server.pieceLayer!));
    }),
  );
});

test('leaves of a piece prove true against its known hash, without a way to the root', () => {
  const file = makeFile(40 * BLOCK_LENGTH, 8 * BLOCK_LENGTH);
  const range = { baseLayer: 0, index: 8, length: 8, proofLayers: 0 };
  const answer = serve(complete(file), file, range);
  assert.ok(!new FileHashes(merkle, file).accept(range, answer));
  assert.ok(complete(file).accept(range, answer));
});

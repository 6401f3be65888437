import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from '#bencode';
import { FileMap, Geometry, parseInfo } from '#metainfo';
import { nodeCrypto } from '../../support/node-crypto.ts';
import { makeTorrent } from '../../support/torrents.ts';

const KIB = 1024;

function geometryOf(options: Parameters<typeof makeTorrent>[0]): Geometry {
  return new Geometry(makeTorrent(options).torrent.info);
}

/** All that is asked of one piece. */
function shape(g: Geometry, piece: number): { bytes: number; data: number; blocks: number[] } {
  const blocks = Array.from({ length: g.blockCount(piece) }, (_, b) => g.blockBytes(piece, b));
  return { bytes: g.pieceBytes(piece), data: g.dataBytes(piece), blocks };
}

test('v1: one line of bytes, the last piece shorter', () => {
  const g = geometryOf({ files: { a: 40_000, b: 0, c: 30_000 }, pieceLength: 32 * KIB });
  assert.equal(g.pieceCount, 3);
  assert.deepEqual(shape(g, 0), { bytes: 32_768, data: 32_768, blocks: [16_384, 16_384] });
  assert.deepEqual(shape(g, 2), { bytes: 4464, data: 4464, blocks: [4464] });
  assert.deepEqual(g.filePieces(0), { first: 0, end: 2 });
  assert.deepEqual(g.filePieces(1), { first: 1, end: 1 });
  assert.deepEqual(g.filePieces(2), { first: 1, end: 3 });
  assert.equal(g.fileOfPiece(0), -1);
  assert.equal(g.pieceAt(32_768), 1);
  assert.equal(g.pieceStart(2), 65_536);
});

test('v2: pieces end where their file ends', () => {
  const g = geometryOf({ files: { a: 40_000, b: 0, c: 32_768, d: 5 }, format: 'v2', pieceLength: 32 * KIB });
  assert.equal(g.pieceCount, 4);
  assert.deepEqual(shape(g, 0), { bytes: 32_768, data: 32_768, blocks: [16_384, 16_384] });
  assert.deepEqual(shape(g, 1), { bytes: 7232, data: 7232, blocks: [7232] });
  assert.deepEqual(shape(g, 2), { bytes: 32_768, data: 32_768, blocks: [16_384, 16_384] });
  assert.deepEqual(shape(g, 3), { bytes: 5, data: 5, blocks: [5] });
  assert.deepEqual(
    [0, 1, 2, 3].map((p) => g.fileOfPiece(p)),
    [0, 0, 2, 3],
  );
});

test('hybrid: pads are on the wire and never asked for', () => {
  const g = geometryOf({ files: { a: 100, b: 20_000 }, format: 'hybrid', pieceLength: 64 * KIB });
  assert.equal(g.pieceCount, 2);
  assert.deepEqual(shape(g, 0), { bytes: 65_536, data: 100, blocks: [100, 0, 0, 0] });
  assert.deepEqual(shape(g, 1), { bytes: 65_536, data: 20_000, blocks: [16_384, 3616, 0, 0] });
  assert.equal(g.blockSpan(0, 3), 16_384);
  assert.equal(g.fileOfPiece(1), 1);
});

test('v1 with pad files: pads between data in one block stay, those at its end go', () => {
  const info = {
    files: [
      { length: 100, path: ['a'] },
      { attr: 'p', length: 50, path: ['.pad', '50'] },
      { length: 10, path: ['b'] },
      { attr: 'p', length: 40_000 },
    ],
    name: 'x',
    'piece length': 16_384,
    pieces: new Uint8Array(60),
  };
  const g = new Geometry(parseInfo(encode(info), nodeCrypto));
  assert.deepEqual(shape(g, 0), { bytes: 16_384, data: 110, blocks: [160] });
  assert.deepEqual(shape(g, 2), { bytes: 40_160 - 32_768, data: 0, blocks: [0] });
});

test('pieces smaller than a block', () => {
  const g = geometryOf({ files: { '': 10 }, pieceLength: 3 });
  assert.equal(g.pieceCount, 4);
  assert.deepEqual(shape(g, 0), { bytes: 3, data: 3, blocks: [3] });
  assert.deepEqual(shape(g, 3), { bytes: 1, data: 1, blocks: [1] });
});

test('requests are checked against what is served', () => {
  const v1 = geometryOf({ files: { a: 40_000 }, pieceLength: 32 * KIB });
  assert.ok(v1.isValidRequest(0, 0, 16_384));
  assert.ok(v1.isValidRequest(1, 7231, 1));
  for (const [piece, begin, length] of [
    [2, 0, 1],
    [-1, 0, 1],
    [1, 7232, 1],
    [1, 0, 7233],
    [0, 0, 0],
    [0, -1, 2],
    [0, 1.5, 1],
    [Number.NaN, 0, 1],
  ]) {
    assert.ok(!v1.isValidRequest(piece!, begin!, length!), `${piece} ${begin} ${length}`);
  }
  // libtorrent before 2.0.13 asks for whole blocks at the end of a file of a v2-only torrent.
  const v2 = geometryOf({ files: { a: 40_000, b: 5 }, format: 'v2', pieceLength: 32 * KIB });
  assert.ok(v2.isValidRequest(1, 0, 16_384));
  assert.ok(v2.isValidRequest(2, 0, 16_384));
  assert.ok(!v2.isValidRequest(2, 16_384, 16_385));
});

test('file map: spans with pads and gaps', () => {
  const { info } = makeTorrent({ files: { a: 100, b: 0, c: 20_000 }, format: 'v2', pieceLength: 16 * KIB }).torrent;
  const map = new FileMap(info);
  assert.deepEqual(map.spans(0, 16_484), [
    { file: 0, fileOffset: 0, length: 100 },
    { file: -1, fileOffset: 0, length: 16_284 },
    { file: 2, fileOffset: 0, length: 100 },
  ]);
  assert.deepEqual(map.spans(50, 10), [{ file: 0, fileOffset: 50, length: 10 }]);
  assert.deepEqual(map.spans(200, 10), [{ file: -1, fileOffset: 0, length: 10 }]);
  assert.deepEqual(map.spans(0, 0), []);
  // Beyond the end there is nothing but zeros.
  assert.deepEqual(map.spans(info.spaceLength - 1, 3), [
    { file: 2, fileOffset: 19_999, length: 1 },
    { file: -1, fileOffset: 0, length: 2 },
  ]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '#base';
import { FileHashes, Geometry, Merkle, nextPow2, parseInfo, v1PieceHash, v2PieceHash } from '#metainfo';
import { nodeCrypto } from '../../support/node-crypto.ts';
import { makeTorrent } from '../../support/torrents.ts';

const merkle = new Merkle(nodeCrypto);
const KIB = 1024;

test('what a piece must hash to', () => {
  const { torrent, contents } = makeTorrent({
    files: { a: 100, b: 200_000, c: 0, d: 40_000 },
    format: 'hybrid',
    pieceLength: 64 * KIB,
  });
  const g = new Geometry(torrent.info);
  const [a, b, , d] = torrent.info.files;
  assert.deepEqual(v2PieceHash(g, torrent.pieceLayers, 0), { hash: a!.piecesRoot, leaves: 1 });
  assert.equal(toHex(nodeCrypto.sha256(contents[0]!)), toHex(a!.piecesRoot!));
  const layer = torrent.pieceLayers.get(toHex(b!.piecesRoot!))!;
  assert.equal(layer.length, 4 * 32);
  assert.deepEqual(v2PieceHash(g, torrent.pieceLayers, 4), { hash: layer.subarray(96, 128), leaves: 4 });
  assert.deepEqual(v2PieceHash(g, torrent.pieceLayers, 5), { hash: d!.piecesRoot, leaves: 4 });
  assert.equal(v2PieceHash(g, new Map(), 1), undefined);
  const padded = new Uint8Array(64 * KIB);
  padded.set(contents[0]!);
  assert.deepEqual(v1PieceHash(torrent.info, 0), nodeCrypto.sha1(padded));
});

test('v1 torrents have no v2 hashes and the other way round', () => {
  const v1 = makeTorrent({ files: { a: 100 } }).torrent;
  assert.equal(v2PieceHash(new Geometry(v1.info), v1.pieceLayers, 0), undefined);
  const v2 = makeTorrent({ files: { a: 100 }, format: 'v2' }).torrent;
  assert.equal(v1PieceHash(v2.info, 0), undefined);
});

test('an info dictionary alone gives the same content as its torrent', () => {
  const { torrent } = makeTorrent({ files: { a: 100, 'b/c': 200_000 }, format: 'hybrid', pieceLength: 64 * KIB });
  assert.deepEqual(parseInfo(torrent.info.bytes, nodeCrypto), torrent.info);
});

test('ranges that no tree of the file has', () => {
  // 5 leaves: a tree of 8, height 3; pieces of 2 leaves.
  const hashes = new FileHashes(merkle, { root: new Uint8Array(32), length: 5 * 16 * KIB, pieceLength: 32 * KIB });
  const sound = { baseLayer: 0, index: 0, length: 2, proofLayers: 2 };
  assert.ok(hashes.isValidRange(sound));
  for (const change of [
    { length: 0 },
    { length: 1 },
    { length: 3 },
    { length: 16 },
    { index: 1 },
    { index: 8 },
    { index: -2 },
    { baseLayer: 3 },
    { baseLayer: -1 },
    { proofLayers: 3 },
    { proofLayers: -1 },
    { baseLayer: 2, proofLayers: 1 },
    { length: 2 ** 31 },
    { index: 2 ** 32 - 2 },
  ]) {
    assert.ok(!hashes.isValidRange({ ...sound, ...change }), JSON.stringify(change));
    assert.equal(hashes.serve({ ...sound, ...change }, new Uint8Array(160)), undefined);
  }
  assert.equal(hashes.serve(sound, new Uint8Array(160)), undefined, 'the piece layer is not known');
});

test('a file of one block has a tree without layers', () => {
  const hashes = new FileHashes(merkle, { root: new Uint8Array(32).fill(7), length: 10, pieceLength: 16 * KIB });
  assert.ok(hashes.isComplete);
  assert.deepEqual(hashes.pieceHash(0), { hash: new Uint8Array(32).fill(7), leaves: 1 });
  assert.ok(!hashes.isValidRange({ baseLayer: 0, index: 0, length: 2, proofLayers: 0 }));
});

test('powers of two stay exact where shifts do not', () => {
  assert.equal(nextPow2(1), 1);
  assert.equal(nextPow2(3), 4);
  assert.equal(nextPow2(2 ** 40 + 1), 2 ** 41);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '#base';
import { FileHashes, Merkle } from '#metainfo';
import type { HashRange } from '#wire';
import { nodeCrypto } from '../../support/node-crypto.ts';
import { check } from '../../support/protocol-check.ts';
import { Scene, sceneTorrent } from '../../support/scene.ts';

// One file of ten pieces and one of less than a piece; the long one has a piece layer.
const torrent = { files: [10 * 32_768 - 5_000, 20_000], pieceLength: 32_768, format: 'v2' as const };
const made = sceneTorrent(torrent);
const { info, pieceLayers } = made.torrent;
const root = info.files[0]?.piecesRoot as Uint8Array;
const layer = pieceLayers.get(toHex(root)) as Uint8Array;
const v2 = { v2: true, fast: true };
const range = (r: Partial<HashRange>): HashRange => ({
  root,
  baseLayer: 1,
  index: 0,
  length: 16,
  proofLayers: 0,
  ...r,
});
const wants = (scene: Scene, name: string, r: Partial<HashRange>) =>
  scene.peer(name).send({ kind: 'hash-request', ...range(r) });

function tree(): FileHashes {
  const hashes = new FileHashes(new Merkle(nodeCrypto), {
    root,
    length: info.files[0]?.length as number,
    pieceLength: info.pieceLength,
  });
  hashes.acceptLayer(layer);
  return hashes;
}
const truth = (r: HashRange) => tree().serve(r, new Uint8Array()) as Uint8Array;

check('hashes of the piece layer are served with their proof', {
  torrent,
  has: 'all',
  peers: { A: v2 },
  script: [
    '>* have-all',
    (s) => wants(s, 'A', {}),
    (s) => {
      const m = s.peer('A').expect('hashes 1 0 16 0', 'later');
      assert.ok(m.kind === 'hashes');
      assert.deepEqual(Buffer.compare(m.hashes, truth(range({}))), 0);
    },
    (s) => wants(s, 'A', { index: 8, length: 2, proofLayers: 2 }),
    '> hashes 1 8 2 2',
  ],
});

check('leaves are read from disk for those who ask', {
  torrent,
  has: 'all',
  peers: { A: v2 },
  script: [
    '>* have-all',
    (s) => wants(s, 'A', { baseLayer: 0, index: 4, length: 4 }),
    '>* hashes 0 4 4 0',
    (s) => wants(s, 'A', { baseLayer: 0, index: 0, length: 2, proofLayers: 4 }),
    '>* hashes 0 0 2 4',
  ],
});

check('what cannot be served is rejected', {
  torrent,
  has: [0, 1],
  peers: { A: v2 },
  script: [
    '>* bitfield',
    // Another root, no layer, odd shapes, far too much, leaves of a piece that is not here.
    (s) => wants(s, 'A', { root: new Uint8Array(32) }),
    '>* hash-reject 1 0 16 0',
    (s) => wants(s, 'A', { baseLayer: 77 }),
    '> hash-reject 77 0 16',
    (s) => wants(s, 'A', { length: 3 }),
    '> hash-reject 1 0 3',
    (s) => wants(s, 'A', { index: 1, length: 2 }),
    '> hash-reject 1 1 2',
    (s) => wants(s, 'A', { length: 0 }),
    '> hash-reject 1 0 0',
    (s) => wants(s, 'A', { length: 0xffff_ffff, index: 0xffff_ffff }),
    '> hash-reject 1 4294967295',
    (s) => wants(s, 'A', { baseLayer: 0, index: 8, length: 4 }),
    '> hash-reject 0 8 4',
    (s) => wants(s, 'A', { proofLayers: 0xffff_ffff }),
    '> hash-reject',
  ],
  expect: { open: ['A'] },
});

/** A magnet link of v2, whose info dictionary a peer has given: the piece layer is missing. */
function withoutLayers(peers: Record<string, object>): Scene {
  const scene = new Scene({ torrent, lacksLayers: true }).start();
  for (const [name, cast] of Object.entries(peers)) scene.join(name, cast);
  return scene;
}

const asked = (scene: Scene, name: string) => {
  const m = scene.peer(name).expect('hash-request', 'later');
  assert.ok(m.kind === 'hash-request');
  return m;
};

test('a missing layer is asked for, and its pieces are fetched when it is here', () => {
  const scene = withoutLayers({ A: v2 });
  scene.play(['A< have-all', '< unchoke']);
  const request = asked(scene, 'A');
  // Only the short file can be verified without it.
  scene.play(['A! 300 request 0', 'A! 300 request 1']);
  scene.peer('A').send({ ...request, kind: 'hashes', hashes: truth(request) });
  scene.play(['A>* request', 'A= 50']);
  assert.deepEqual(scene.stop(), []);
});

test('hashes that do not lead to the root end the connection, and are asked of others', () => {
  const scene = withoutLayers({ A: v2, B: v2 });
  scene.play(['A< have-all', 'A= 20']);
  const request = asked(scene, 'A');
  const hashes = truth(request);
  hashes[5] = (hashes[5] as number) ^ 1;
  scene.play(['B< have-all']);
  scene.peer('A').send({ ...request, kind: 'hashes', hashes });
  scene.run('1500ms');
  assert.deepEqual(scene.closed, { 'peer/bad-hashes': 1 });
  assert.deepEqual(scene.open, ['B']);
  const again = asked(scene, 'B');
  scene.peer('B').send({ ...again, kind: 'hashes', hashes: truth(again) });
  scene.play(['B< unchoke', 'B>* request']);
  assert.deepEqual(scene.stop(), []);
});

test('who rejects, or does not answer, is not the only one to be asked', () => {
  const scene = withoutLayers({ A: v2, B: v2 });
  scene.play(['A< have-all']);
  const request = asked(scene, 'A');
  scene.play(['B< have-all']);
  scene.peer('A').send({ ...request, kind: 'hash-reject' });
  scene.run('1500ms');
  asked(scene, 'B');
  scene.play(['B= 12000', 'A! 100 hash-request', 'A= 60000', 'A>* hash-request']);
  assert.deepEqual(scene.stop(), []);
});

test('hashes and rejects that nobody asked for change nothing', () => {
  const scene = withoutLayers({ A: v2 });
  const r = range({});
  scene.peer('A').send({ kind: 'hashes', ...r, hashes: new Uint8Array(16 * 32) }, { kind: 'hash-reject', ...r });
  scene.peer('A').send({ kind: 'hashes', ...range({ index: 9, length: 1 }), hashes: new Uint8Array(0) });
  scene.run('100ms');
  assert.deepEqual(scene.open, ['A']);
  assert.deepEqual(scene.stop(), []);
});

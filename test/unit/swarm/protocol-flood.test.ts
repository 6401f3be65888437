import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes } from '#base';
import { encodeExtendedHandshake, encodeMessage, encodeMetadataMessage, encodeRequests } from '#wire';
import { Scene, type SceneOptions, sceneTorrent } from '../../support/scene.ts';

/** Bytes that wait at the client's sockets, and the most there ever were. */
function watchQueues(scene: Scene): { readonly most: number } {
  const seen = { most: 0 };
  scene.world.afterEvent(() => {
    let bytes = 0;
    for (const socket of scene.client.net.sockets) bytes += socket.queuedBytes;
    seen.most = Math.max(seen.most, bytes);
  });
  return seen;
}

/** One peer sends the same bytes again and again and reads nothing. @returns most bytes that ever waited for it, and how it ended */
function flood(options: SceneOptions, cast: object, begin: string[], bytes: Uint8Array, times: number) {
  const scene = new Scene(options).start();
  const peer = scene.join('A', cast);
  scene.play(begin);
  peer.link?.setReading(false);
  const queues = watchQueues(scene);
  for (let i = 0; i < times && peer.ended === undefined; i++) {
    peer.sendBytes(bytes);
    scene.run('100ms');
  }
  return { scene, most: queues.most, closed: scene.closed };
}

const MIB = 1_048_576;
const fast = { fast: true, extensions: true };

test('requests for metadata by one that does not read do not fill the memory', () => {
  const handshake = encodeMessage({
    kind: 'extended',
    id: 0,
    payload: encodeExtendedHandshake({ m: new Map([['ut_metadata', 3]]) }),
  });
  const request = encodeMessage({
    kind: 'extended',
    id: 1,
    payload: encodeMetadataMessage({ kind: 'request', piece: 0 }),
  });
  const many = concatBytes([handshake, ...Array.from({ length: 500 }, () => request)]);
  // An info dictionary of a good 16 KiB.
  const torrent = { files: 900 * 16_384, pieceLength: 16_384 };
  const { most, scene } = flood({ has: 'all', torrent }, fast, [], many, 100);
  assert.ok(most < 8 * MIB, `${most} bytes waited`);
  assert.deepEqual(scene.stop(), []);
});

test('requests that are cancelled at once do not fill the memory', () => {
  const request = encodeRequests(Uint32Array.from([0, 0, 16_384]));
  const cancel = encodeMessage({ kind: 'cancel', piece: 0, begin: 0, length: 16_384 });
  const many = concatBytes(Array.from({ length: 1_900 }, () => [request, cancel]).flat());
  const begin = ['>* allowed-fast', '< interested', '>* unchoke'];
  const torrent = { files: 20 * 65_536 };
  const { most, closed } = flood({ has: 'all', torrent }, fast, begin, many, 3_000);
  assert.ok(most < 8 * MIB, `${most} bytes waited`);
  assert.equal(closed['peer/not-reading'], 1);
});

test('requests for hashes by one that does not read do not fill the memory', () => {
  const torrent = { files: 1_200 * 16_384, pieceLength: 16_384, format: 'v2' as const };
  const root = sceneTorrent(torrent).torrent.info.files[0]?.piecesRoot as Uint8Array;
  const request = encodeMessage({ kind: 'hash-request', root, baseLayer: 0, index: 0, length: 512, proofLayers: 0 });
  const many = concatBytes(Array.from({ length: 300 }, () => request));
  const { most } = flood({ has: 'all', torrent }, { ...fast, v2: true }, [], many, 1_000);
  assert.ok(most < 8 * MIB, `${most} bytes waited`);
});

test('ten thousand requests that cannot be served end the connection', () => {
  const request = encodeRequests(Uint32Array.from(Array.from({ length: 1_000 }, () => [0, 0, 16_384]).flat()));
  const { closed } = flood({ has: [1] }, fast, [], request, 20);
  assert.equal(closed['peer/request-flood'], 1);
});

test('messages without end end the connection', () => {
  const many = concatBytes(Array.from({ length: 5_000 }, () => encodeMessage({ kind: 'interested' })));
  const { closed } = flood({ has: [1] }, {}, [], many, 20);
  assert.equal(closed['peer/message-flood'], 1);
});

// Each run of 256 KiB that is at a socket is a buffer less for everybody else.
const manyRuns = { files: 100 * 262_144, pieceLength: 262_144, isPretended: true };

test('peers that do not read do not use up the buffers of uploads', () => {
  const scene = new Scene({ has: 'all', torrent: manyRuns }).start();
  for (const [i, name] of ['A', 'B', 'C', 'D', 'E', 'F'].entries()) {
    scene.join(name, { fast: true });
    scene.play([`${name}>* have-all`, `${name}< interested`, `${name}>* unchoke`]);
    scene.peer(name).link?.setReading(false);
    for (let n = 0; n < 16; n++) {
      for (let k = 0; k < 100; k++) scene.peer(name).send(`request ${(k + i * 16) % 100} ${n * 16_384}`);
    }
  }
  scene.run('20s');
  scene.join('Z', { fast: true });
  scene.play(['Z>* have-all', 'Z< interested', 'Z>* unchoke']);
  // More than there are buffers, so that some must be read anew.
  for (let piece = 0; piece < 100; piece++) scene.play([`Z< request ${piece} 0`, `Z>* piece ${piece} 0`]);
  assert.deepEqual(scene.stop(), []);
});

test('a peer that asks and never reads is let go', () => {
  const scene = new Scene({ has: 'all', torrent: manyRuns }).start();
  scene.join('A', { fast: true });
  scene.play(['>* have-all', '< interested', '>* unchoke']);
  scene.peer('A').link?.setReading(false);
  for (let piece = 0; piece < 100; piece++) {
    for (let n = 0; n < 16; n++) scene.peer('A').send(`request ${piece} ${n * 16_384}`);
  }
  const alive = () => scene.peer('A').send('keep-alive');
  for (let minute = 0; minute < 5; minute++) {
    alive();
    scene.run('60s');
  }
  assert.deepEqual(scene.closed, { 'peer/not-reading': 1 });
  assert.deepEqual(scene.stop(), []);
});

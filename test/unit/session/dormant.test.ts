import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError } from '#base';
import { sessionLimits as limits } from '#session';
import type { SocketEvents } from '#sim';
import { encodeHandshake, HandshakeDecoder } from '#wire';
import { Scene } from '../../support/scene.ts';

/** A client whose torrent was complete in an earlier run. */
function sleeper(options: ConstructorParameters<typeof Scene>[0] = {}): Scene {
  const scene = new Scene({ has: 'all', ...options, client: { isKept: true, ...options.client } });
  scene.client.start();
  // It has been awake before, and has left its record.
  scene.client.ask((session, id, now) => session.wake(now, id));
  scene.until(() => scene.snapshot.phase === 'seeding', '10s');
  scene.until(() => scene.snapshot.phase === 'dormant', '10m');
  scene.run('1s');
  scene.calls.length = 0;
  scene.client.events.length = 0;
  return scene;
}

test('a complete torrent sleeps: nothing is opened, and what is known is shown', () => {
  const scene = sleeper();
  const { phase, restReason, isComplete, progress, name, totalBytes } = scene.snapshot;
  assert.deepEqual([phase, restReason, isComplete, progress], ['dormant', 'idle', true, 1]);
  assert.equal(name, scene.torrent.torrent.info.name);
  assert.equal(totalBytes, scene.torrent.torrent.info.totalLength);
  assert.deepEqual(scene.calls, []);
  assert.equal(scene.client.session.torrent(1 as never)?.content, undefined);
  assert.deepEqual(scene.stop(), []);
  assert.deepEqual(scene.calls, ['event stopped']);
});

/** Says whom it wants, in a handshake that never ends. @returns what it is answered */
function knock(scene: Scene): Uint8Array {
  let answer = new Uint8Array(0);
  const raw: SocketEvents = {
    onConnected: (socket) => socket.write(hello.slice(0, 48)),
    onBytes: (_, bytes) => {
      answer = bytes.slice();
    },
    onWritten: () => {},
    onClosed: () => {},
  };
  const flags = { extensions: true, fast: true, dht: false, v2: false };
  const hello = encodeHandshake({ infoHash: scene.torrent.swarmKey, peerId: new Uint8Array(20).fill(7), flags });
  scene.net.addHost().dial(scene.client.address, raw);
  scene.run('1s');
  return answer;
}

test('a handshake is answered as soon as it says whom it wants, and that alone wakes nobody', () => {
  const scene = sleeper();
  assert.deepEqual(new HandshakeDecoder().push(knock(scene))?.handshake.infoHash, scene.torrent.swarmKey);
  assert.equal(scene.snapshot.phase, 'dormant');
});

test('one that could not be opened when it was woken answers nobody', () => {
  const scene = sleeper();
  scene.client.disk.faults.openError = new BtError('disk/io', { path: 'a', what: 'input/output error' });
  scene.join('A', { fast: true });
  scene.until(() => scene.snapshot.phase === 'error', '1s');
  assert.equal(knock(scene).length, 0);
});

test('who connects is greeted when it is known what is here, as by a seed that was awake', () => {
  const scene = sleeper();
  scene.join('A', { fast: true });
  scene.play(['A> have-all', 'A< interested', 'A> unchoke', 'A< request 2 0', 'A> piece 2 0']);
  assert.deepEqual(
    scene.calls.filter((c) => c.startsWith('event')),
    ['event waking', 'event ready'],
  );
  assert.equal(scene.events('waking')[0]?.reason, 'a peer');
});

test('what a peer says before the torrent is awake is heard', () => {
  const scene = sleeper();
  scene.client.disk.speed = { latencyMs: 300, reorderMs: 0, bytesPerSec: 1e9 };
  scene.join('A', { fast: true });
  scene.play(['A< have-none', 'A< interested']);
  scene.run('100ms');
  assert.equal(scene.snapshot.phase, 'waking');
  scene.play(['A>* have-all', 'A> unchoke', 'A< request 0 0', 'A> piece 0 0']);
});

test('after some time without peers everything is closed, and it can be had again', () => {
  const scene = sleeper();
  scene.join('A', { fast: true });
  scene.play(['A> have-all', 'A-']);
  scene.run(`${limits.sleepMs - 2_000}ms`);
  assert.equal(scene.snapshot.phase, 'seeding');
  scene.run('4s');
  assert.equal(scene.snapshot.phase, 'dormant');
  assert.deepEqual(scene.client.host.leaks(), []);
  scene.join('B', { fast: true });
  scene.play(['B> have-all', 'B< interested', 'B> unchoke', 'B< request 1 0', 'B> piece 1 0']);
  assert.equal(scene.calls.filter((c) => c === 'openStore').length, 2);
  assert.ok(!scene.calls.includes('recheck'));
  assert.equal(scene.snapshot.uploaded, 16_384);
});

test('a peer that comes while the files are being closed is served when they are open again', () => {
  const scene = sleeper();
  scene.join('A', { fast: true });
  scene.play(['A> have-all', 'A-']);
  scene.client.disk.speed = { latencyMs: 500, reorderMs: 0, bytesPerSec: 1e9 };
  scene.until(() => scene.snapshot.phase === 'dormant', '10m');
  assert.ok(scene.client.host.leaks().some((leak) => leak.includes('1 stores are open')));
  scene.join('B', { fast: true });
  scene.until(() => scene.snapshot.phase === 'waking', '1s');
  scene.play(['B>* have-all']);
  scene.play(['B< interested', 'B> unchoke', 'B< request 1 0']);
  scene.run('2s');
  scene.play(['B>* piece 1 0']);
  assert.deepEqual(scene.stop(), []);
});

test('uploads of all its waking hours are counted together', () => {
  const scene = sleeper();
  for (const name of ['A', 'B']) {
    scene.join(name, { fast: true });
    scene.play([`${name}> have-all`, `${name}< interested`, `${name}> unchoke`, `${name}< request 1 0`]);
    scene.play([`${name}> piece 1 0`, `${name}-`]);
    scene.until(() => scene.snapshot.phase === 'dormant', '10m');
  }
  assert.equal(scene.snapshot.uploaded, 2 * 16_384);
});

test('without its torrent file it asks peers for the metadata, as with a magnet link', () => {
  const scene = new Scene({ has: 'all', client: { isKept: true } });
  scene.client.start();
  scene.client.disk.torrentFiles.clear();
  scene.join('A', { fast: true });
  scene.play(['A> have-none']);
  assert.equal(scene.snapshot.phase, 'fetching-metadata');
});

test('another torrent’s file under its name is not believed', () => {
  const scene = new Scene({ has: 'all', client: { isKept: true } });
  const other = new Scene({ torrent: { seed: 99 } }).torrent;
  scene.client.start();
  for (const hash of scene.client.disk.torrentFiles.keys()) scene.client.disk.torrentFiles.set(hash, other.bytes);
  scene.join('A', { fast: true });
  scene.run('1s');
  assert.equal(scene.snapshot.phase, 'fetching-metadata');
});

test('a sleeper is stopped without being woken', () => {
  const scene = sleeper();
  assert.deepEqual(scene.stop(), []);
  assert.ok(!scene.calls.includes('openStore'));
});

test('seeds beyond the limit are not woken', () => {
  const scene = sleeper();
  const { gate } = scene.client.host;
  const allow = (seeds: number) => gate.enter((_, now) => scene.client.session.setActiveLimits(now, { seeds }));
  allow(0);
  const peer = scene.join('A', { fast: true });
  scene.run('1s');
  assert.equal(scene.snapshot.phase, 'dormant');
  assert.equal(peer.link?.isOpen, false);
  allow(1);
  scene.join('B', { fast: true });
  scene.play(['B> have-all']);
  assert.equal(scene.snapshot.phase, 'seeding');
  allow(0);
  scene.run('1s');
  assert.equal(scene.snapshot.phase, 'dormant');
  assert.equal(scene.snapshot.restReason, 'active-seeds');
});

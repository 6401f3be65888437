import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, concatBytes } from '#base';
import { sessionLimits as limits } from '#session';
import type { Socket, SocketEvents } from '#sim';
import { encodeHandshake, encodeMessage, HandshakeDecoder } from '#wire';
import { Scene } from '../../support/scene.ts';
import { serve, withSeed } from '../../support/scene-seed.ts';

const flags = { extensions: false, fast: false, dht: false, v2: false };
const peerId = new Uint8Array(20).fill(7);

/** A bare connection: what it says is bytes. */
class Raw implements SocketEvents {
  readonly received: Uint8Array[] = [];
  ended: string | undefined;
  socket: Socket | undefined;
  readonly #hello: Uint8Array | undefined;

  constructor(hello?: Uint8Array) {
    this.#hello = hello;
  }
  onConnected(socket: Socket): void {
    if (this.#hello !== undefined) socket.write(this.#hello.slice());
  }
  onBytes(_: Socket, bytes: Uint8Array): void {
    this.received.push(bytes.slice());
  }
  onWritten(): void {}
  onClosed(_: Socket, reason: { code: string }): void {
    this.ended = reason.code;
  }
  say(bytes: Uint8Array): void {
    this.socket?.write(bytes.slice());
  }
  get bytes(): Uint8Array {
    return concatBytes(this.received);
  }
}

function dial(scene: Scene, hello?: Uint8Array): Raw {
  const raw = new Raw(hello);
  raw.socket = scene.net.addHost().dial(scene.client.address, raw);
  return raw;
}

const hello = (scene: Scene, infoHash = scene.torrent.swarmKey, id = peerId) =>
  encodeHandshake({ infoHash, peerId: id, flags });

test('a connection that says nothing is let go after fifteen seconds', () => {
  const scene = new Scene().start();
  const raw = dial(scene);
  scene.run('14s');
  assert.equal(raw.ended, undefined);
  scene.run('2s');
  assert.equal(raw.ended, 'net/closed');
  assert.deepEqual(scene.closed, { 'peer/handshake-timeout': 1 });
  assert.deepEqual(scene.stop(), []);
});

test('a handshake that comes byte by byte is answered as soon as the info-hash is known', () => {
  const scene = new Scene({ has: 'all' }).start();
  const raw = dial(scene);
  scene.run('50ms');
  const bytes = hello(scene);
  for (let i = 0; i < 48; i++) {
    assert.equal(raw.bytes.length, 0);
    raw.say(bytes.subarray(i, i + 1));
    scene.run('10ms');
  }
  const answer = new HandshakeDecoder().push(raw.bytes);
  assert.deepEqual(answer?.handshake.infoHash, scene.torrent.swarmKey);
  raw.say(bytes.subarray(48));
  scene.run('10ms');
  // The bitfield follows once the peer id is here.
  assert.equal(raw.bytes.length, 68 + 6);
  assert.deepEqual(scene.stop(), []);
});

test('a slow handshake does not buy more time by each byte', () => {
  const scene = new Scene().start();
  const raw = dial(scene);
  const bytes = hello(scene);
  for (let i = 0; i < 20 && raw.ended === undefined; i++) {
    scene.run('1s');
    if (raw.ended === undefined) raw.say(bytes.subarray(i, i + 1));
  }
  assert.deepEqual(scene.closed, { 'peer/handshake-timeout': 1 });
});

test('an unknown info-hash ends the connection, without an answer', () => {
  const scene = new Scene().start();
  const raw = dial(scene, hello(scene, new Uint8Array(20).fill(9)));
  scene.run('50ms');
  assert.equal(raw.ended, 'net/closed');
  assert.equal(raw.bytes.length, 0);
  assert.deepEqual(scene.closed, { 'peer/unknown-info-hash': 1 });
});

test('what is no handshake ends the connection at its first wrong byte', () => {
  const scene = new Scene().start();
  dial(scene, new TextEncoder().encode('GET / HTTP/1.1\r\n'));
  scene.run('50ms');
  assert.deepEqual(scene.closed, { 'peer/bad-handshake': 1 });
});

test('messages in the same chunk as the handshake are heard', () => {
  const scene = new Scene().start();
  const raw = dial(
    scene,
    concatBytes([hello(scene), encodeMessage({ kind: 'have', piece: 3 }), encodeMessage({ kind: 'unchoke' })]),
  );
  scene.run('50ms');
  // interested, and requests for the four blocks
  assert.equal(raw.bytes.length, 68 + 5 + 4 * 17);
  raw.socket?.close();
  scene.run('50ms');
  assert.deepEqual(scene.stop(), []);
});

test('garbage in the same chunk as the handshake ends the connection', () => {
  const scene = new Scene().start();
  dial(scene, concatBytes([hello(scene), Uint8Array.of(0xff, 0xff, 0xff, 0xff, 4, 0, 0)]));
  scene.run('50ms');
  assert.deepEqual(scene.closed, { 'peer/bad-message': 1 });
  assert.deepEqual(scene.stop(), []);
});

test('who meets itself remembers the address', () => {
  const scene = new Scene();
  scene.client.start();
  scene.run('100ms');
  scene.client.ask((session, id, now) => session.addPeers(now, id, [scene.client.address]));
  scene.run('1s');
  assert.equal(scene.closed['peer/self'], 2);
  assert.equal(scene.snapshot.peersKnown, 0);
  scene.client.ask((session, id, now) => session.addPeers(now, id, [scene.client.address]));
  scene.run('60s');
  assert.equal(scene.closed['peer/self'], 2);
  assert.deepEqual(scene.stop(), []);
});

/** The client dials somebody who answers with these bytes. */
function dialled(answer: (scene: Scene) => Uint8Array | undefined): Scene {
  const scene = new Scene();
  scene.client.start();
  scene.run('100ms');
  const host = scene.net.addHost();
  const raw = new Raw();
  host.listen(6881, (socket) => {
    raw.socket = socket;
    const bytes = answer(scene);
    if (bytes !== undefined) scene.world.after(1, 'test.answer', () => raw.say(bytes));
    return raw;
  });
  scene.client.ask((session, id, now) => session.addPeers(now, id, [{ host: host.name, port: 6881 }]));
  return scene;
}

test('a dialled peer that answers for another torrent is let go', () => {
  const scene = dialled((s) => hello(s, new Uint8Array(20).fill(9)));
  scene.run('500ms');
  assert.deepEqual(scene.closed, { 'peer/wrong-info-hash': 1 });
  assert.deepEqual(scene.stop(), []);
});

test('a dialled peer that does not answer is let go fifteen seconds after it was reached', () => {
  const scene = dialled(() => undefined);
  scene.run('14s');
  assert.deepEqual(scene.closed, {});
  scene.run('2s');
  assert.deepEqual(scene.closed, { 'peer/handshake-timeout': 1 });
  assert.deepEqual(scene.stop(), []);
});

test('silent connections by the thousand do not keep an honest one out', () => {
  const scene = new Scene().start();
  for (let i = 0; i < 1_000; i++) {
    dial(scene);
    if (i % 50 === 0) scene.run('50ms');
  }
  scene.run('50ms');
  assert.ok(scene.client.host.connCount <= limits.incomingPendingMax, `${scene.client.host.connCount}`);
  const raw = dial(scene, hello(scene));
  scene.run('50ms');
  assert.equal(raw.ended, undefined);
  assert.equal(raw.bytes.length, 68);
  assert.deepEqual(scene.stop(), []);
});

test('a crowd from one host does not push out those who come from elsewhere and take their time', () => {
  const scene = new Scene().start();
  const slow = dial(scene);
  scene.run('50ms');
  const host = scene.net.addHost();
  for (let i = 0; i < 600; i++) {
    const raw = new Raw();
    raw.socket = host.dial(scene.client.address, raw);
    if (i % 50 === 0) scene.run('50ms');
  }
  scene.run('50ms');
  slow.say(hello(scene));
  scene.run('50ms');
  assert.equal(slow.bytes.length, 68);
  assert.deepEqual(scene.stop(), []);
});

test('in a full session one that is of no use makes way, whichever torrent it is of', () => {
  const scene = new Scene({ client: { connsMax: 4 } }).start();
  const names = ['A', 'B', 'C', 'D'];
  for (const name of names) scene.join(name);
  // A has given something, long ago.
  scene.play(['A< bitfield 80', 'A> interested', 'A< unchoke', 'A> request 0 0', 'A< piece 0 0', 'A= 50', 'A< choke']);
  scene.run('50s');
  assert.equal(dial(scene, hello(scene)).bytes.length, 0);
  scene.run('15s');
  const raw = dial(scene, hello(scene));
  scene.run('50ms');
  assert.equal(raw.bytes.length, 68);
  assert.deepEqual(scene.open, ['A', 'C', 'D']);
  let refused: ReadonlyMap<string, number> = new Map();
  scene.client.ask((session) => {
    refused = session.refused;
  });
  assert.equal(refused.get('session/full'), 1);
  assert.deepEqual(scene.stop(), []);
});

test('one block does not buy a place for ever', () => {
  const scene = new Scene({ client: { connsMax: 1 } }).start();
  scene.join('A');
  scene.play(['A< bitfield 80', 'A> interested', 'A< unchoke', 'A> request 0 0', 'A< piece 0 0', 'A= 50', 'A< choke']);
  for (let minute = 0; minute < 5; minute++) {
    scene.run('59s');
    scene.play(['A< keep-alive']);
  }
  assert.deepEqual(scene.open, ['A']);
  scene.run('10s');
  const raw = dial(scene, hello(scene));
  scene.run('50ms');
  assert.equal(raw.bytes.length, 68);
  assert.deepEqual(scene.closed, { 'session/no-use': 1 });
  assert.deepEqual(scene.stop(), []);
});

test('silent connections do not take the places of a small session', () => {
  const scene = new Scene({ client: { connsMax: 5 } }).start();
  for (let i = 0; i < 5; i++) dial(scene);
  scene.run('50ms');
  const raw = dial(scene, hello(scene));
  scene.run('50ms');
  assert.equal(raw.bytes.length, 68);
  assert.equal(scene.closed['session/too-many-handshakes'], 1);
  assert.deepEqual(scene.stop(), []);
});

test('one host does not take all places for connections', () => {
  const scene = new Scene().start();
  const host = scene.net.addHost();
  const raws = Array.from({ length: 20 }, (_, i) => {
    const raw = new Raw(hello(scene, scene.torrent.swarmKey, new Uint8Array(20).fill(i)));
    raw.socket = host.dial(scene.client.address, raw);
    return raw;
  });
  scene.run('100ms');
  assert.equal(raws.filter((raw) => raw.ended === undefined).length, 4);
  assert.deepEqual(scene.closed, { 'peer/host-full': 16 });
  assert.deepEqual(scene.stop(), []);
});

test('a torrent takes as many connections as it may, also when they come at once', () => {
  const scene = new Scene().start();
  for (let i = 0; i < 150; i++) dial(scene, hello(scene, scene.torrent.swarmKey, new Uint8Array(20).fill(i)));
  scene.run('200ms');
  assert.ok(scene.snapshot.peersConnected <= 80, `${scene.snapshot.peersConnected}`);
  assert.deepEqual(scene.stop(), []);
});

test('connections that exchange nothing make way for newcomers, once they have had their time', () => {
  const scene = new Scene().start();
  // As many as may come in; the other sixteen places are for those whom the client dials.
  const idlers = Array.from({ length: 64 }, () => dial(scene, hello(scene)));
  scene.run('1s');
  const tooSoon = dial(scene, hello(scene));
  scene.run('1s');
  assert.equal(tooSoon.bytes.length, 0, 'all places are taken');
  scene.run('60s');
  const late = dial(scene, hello(scene));
  scene.run('1s');
  assert.ok(late.bytes.length >= 68, 'answered');
  assert.equal(late.ended, undefined);
  assert.equal(scene.closed['session/no-use'], 1);
  assert.equal(idlers.filter((raw) => raw.ended !== undefined).length, 1);
  assert.deepEqual(scene.stop(), []);
});

test('the session takes as many connections as it may', () => {
  const scene = new Scene({ client: { connsMax: 5 } }).start();
  for (let i = 0; i < 10; i++) dial(scene, hello(scene, scene.torrent.swarmKey, new Uint8Array(20).fill(i)));
  scene.run('200ms');
  assert.equal(scene.snapshot.peersConnected, 5);
  assert.deepEqual(scene.stop(), []);
});

test('handshakes on their way end when the torrent stops', () => {
  const scene = dialled(() => undefined);
  dial(scene);
  scene.run('100ms');
  assert.deepEqual(scene.stop(), []);
  assert.equal(scene.closed['session/stopped'], 2);
});

test('connections that come through after the torrent has failed are closed', () => {
  const scene = withSeed();
  // Answers when the torrent is gone.
  const host = scene.net.addHost();
  const late = new Raw();
  host.listen(6881, (socket) => {
    late.socket = socket;
    scene.world.after(3_000, 'test.answer', () => late.say(hello(scene)));
    return late;
  });
  scene.client.ask((session, id, now) => session.addPeers(now, id, [{ host: host.name, port: 6881 }]));
  // A link where a file has to be is no trouble that passes.
  scene.client.disk.faults.writeError = new BtError('disk/unsafe-path', { path: 'x', what: 'it is a symbolic link' });
  serve(scene, ['A'], () => scene.snapshot.phase === 'error');
  scene.run('10s');
  assert.equal(scene.snapshot.peersConnected, 0);
  assert.ok(late.ended !== undefined);
  assert.deepEqual(scene.stop(), []);
});

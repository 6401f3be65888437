import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hello } from '../../support/extension-lines.ts';
import { check } from '../../support/protocol-check.ts';
import { Scene } from '../../support/scene.ts';
import { isDone, joinSeed, serve, withSeed } from '../../support/scene-seed.ts';

check('who says nothing for four minutes is let go', {
  script: ['= 239000', (s) => assert.deepEqual(s.open, ['A']), '= 3000'],
  expect: { closed: { 'peer/idle': 1 }, open: [] },
});

check('a keep-alive a minute keeps a connection', {
  script: Array.from({ length: 6 }, () => ['< keep-alive', '= 60000']).flat(),
  expect: { open: ['A'] },
});

test('we send a keep-alive before two minutes of silence are over', () => {
  const scene = new Scene().start();
  let keepAlives = 0;
  const peer = scene.join('A');
  const original = peer.onMessage.bind(peer);
  peer.onMessage = (link, message) => {
    if (message.kind === 'keep-alive') keepAlives++;
    original(link, message);
  };
  scene.run('119s');
  assert.equal(keepAlives, 1);
  scene.run('119s');
  assert.equal(keepAlives, 2);
  assert.deepEqual(scene.stop(), []);
});

test('a peer that is connected to us already is not kept twice, and both ends keep the same connection', () => {
  for (const theirsIsLower of [true, false]) {
    const scene = new Scene({ has: [0] });
    scene.client.start();
    scene.run('100ms');
    const peerId = new Uint8Array(20).fill(theirsIsLower ? 0 : 255);
    const ours = scene.cast('A', { extensions: true, peerId });
    ours.listen(6881);
    scene.client.ask((session, id, now) => session.addPeers(now, id, [scene.addressOf('A')]));
    scene.run('100ms');
    assert.deepEqual(scene.open, ['A']);
    // The same peer dials us from another port.
    scene.join('B', { extensions: true, peerId, hostOf: 'A' });
    scene.play([`B< ${hello({ port: 6881 })}`, 'B= 100']);
    assert.deepEqual(scene.open, [theirsIsLower ? 'B' : 'A']);
    assert.deepEqual(scene.closed, { 'session/duplicate': 1 });
    assert.deepEqual(scene.stop(), []);
  }
});

test('nobody can take the place of another peer by its id', () => {
  for (const fill of [0, 255]) {
    const scene = new Scene({ has: [0] }).start();
    const peerId = new Uint8Array(20).fill(fill);
    scene.join('A', { extensions: true, peerId });
    scene.play([`A< ${hello({ port: 7001 })}`]);
    scene.join('B', { extensions: true });
    scene.play([`B< ${hello({ port: 7001 })}`]);
    scene.join('C', { extensions: true, peerId, hostOf: 'B' });
    scene.play([`C< ${hello({ port: 7001 })}`, 'C= 100']);
    assert.ok(scene.open.includes('A'), `${scene.open}`);
    assert.deepEqual(scene.stop(), []);
  }
});

test('a magnet link becomes a download, and a seed in the end', () => {
  const scene = new Scene({ client: { isMagnet: true } });
  scene.client.start();
  scene.run('100ms');
  scene.join('A', { extensions: true, fast: true });
  const { bytes } = scene.torrent.torrent.info;
  scene.play([`A< have-all`, 'A< unchoke', `A< ${hello({ metadataSize: bytes.length })}`]);
  scene.until(() => scene.peer('A').received.some((m) => m.kind === 'extended' && m.id === 7), '1s');
  scene.peer('A').send({
    kind: 'extended',
    id: 1,
    payload: concat(`d8:msg_typei1e5:piecei0e10:total_sizei${bytes.length}ee`, bytes),
  });
  serve(scene, ['A'], isDone(scene));
  assert.deepEqual(
    scene.client.events.map((e) => e.event.type).filter((type) => type !== 'piece'),
    ['metadata', 'ready', 'done'],
  );
  assert.deepEqual(scene.stop(), []);
  // The folder remembers it all: started again from the link it needs nobody.
  assert.equal(scene.client.disk.image(scene.torrent.torrent.info).resume?.final, true);
});

test('a stop in any phase is clean', () => {
  for (const phase of ['start', 'metadata', 'checking', 'downloading', 'commit', 'seeding'] as const) {
    const scene = new Scene({
      seed: 4,
      client: { isMagnet: phase === 'metadata' },
      ...(phase === 'checking' || phase === 'seeding' ? { has: 'all' as const } : {}),
    });
    if (phase === 'start' || phase === 'checking') {
      scene.client.disk.speed = { latencyMs: 500, reorderMs: 0, bytesPerSec: 1e9 };
      scene.client.start();
      scene.run(phase === 'start' ? '100ms' : '700ms');
    } else scene.start();
    if (phase === 'downloading' || phase === 'commit') {
      joinSeed(scene, 'A');
      if (phase === 'commit') scene.client.disk.speed = { latencyMs: 2_000, reorderMs: 0, bytesPerSec: 1e9 };
      serve(scene, ['A'], () => (phase === 'commit' ? scene.calls.includes('commit') : scene.have.length > 2));
    }
    assert.deepEqual(scene.stop(), [], phase);
    assert.equal(scene.calls.at(-1), 'event stopped', phase);
    assert.equal(scene.calls.filter((call) => call === 'event stopped').length, 1);
  }
});

test('pieces that a reader waits for come first, in its order', () => {
  const scene = withSeed({ torrent: { files: 40 * 65_536 }, has: [0, 1, 2, 3, 4] });
  scene.run('50ms');
  scene.peer('A').play(['< choke']);
  scene.run('50ms');
  const begun = new Set<number>();
  for (const m of scene.peer('A').received.splice(0)) {
    if (m.kind !== 'request') continue;
    scene.play([`A< reject ${m.piece} ${m.begin}`]);
    begun.add(m.piece);
  }
  const [x, y, z] = [33, 7, 21, 12, 30].filter((piece) => !begun.has(piece)) as [number, number, number];
  scene.client.ask((session, id, now) => session.setUrgent(now, id, [x, y, 3, z, 1_000_000]));
  scene.run('50ms');
  scene.peer('A').clear();
  scene.play(['A< unchoke']);
  serve(scene, ['A'], () => scene.have.length >= 9);
  const order = scene.events('piece').map((event) => event.piece);
  // What was begun before comes to its end first.
  const [a, b, c] = [order.indexOf(x), order.indexOf(y), order.indexOf(z)] as [number, number, number];
  assert.ok(a >= 0 && b > a && c > b && c <= 5, `${order}`);
  assert.deepEqual(scene.stop(), []);
});

function concat(text: string, bytes: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(text);
  const out = new Uint8Array(head.length + bytes.length);
  out.set(head);
  out.set(bytes, head.length);
  return out;
}

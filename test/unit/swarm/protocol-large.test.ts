import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scene } from '../../support/scene.ts';
import { isDone, joinSeed, serve, withSeed } from '../../support/scene-seed.ts';

// Pieces of 8 MiB go to disk in segments of 1 MiB before they can be verified.
const MIB = 1_048_576;
const large = { files: 18 * MIB + 5_000, pieceLength: 8 * MIB, isPretended: true };

test('a large piece goes to disk in segments', () => {
  const scene = withSeed({ torrent: large });
  serve(scene, ['A'], isDone(scene));
  assert.deepEqual(scene.have, [0, 1, 2]);
  assert.equal(scene.snapshot.wasted, 0);
  // All but the last segment of each piece, which goes with the commit.
  assert.equal(scene.calls.filter((call) => call === 'storeSegment').length, 7 + 7 + 2);
  assert.deepEqual(scene.stop(), []);
});

for (const pieceBytesMax of [1, 2 * MIB, 4 * MIB]) {
  test(`large pieces come in with ${pieceBytesMax} bytes of buffers`, () => {
    const scene = withSeed({ torrent: large, client: { pieceBytesMax } });
    joinSeed(scene, 'B');
    serve(scene, ['A', 'B'], isDone(scene), 600_000);
    assert.equal(scene.snapshot.wasted, 0);
    assert.deepEqual(scene.stop(), []);
  });
}

test('a segment that cannot be stored begins the piece anew and blames nobody', () => {
  const scene = withSeed({ torrent: large });
  serve(scene, ['A'], () => scene.calls.filter((call) => call === 'storeSegment').length >= 3);
  scene.client.disk.faults.writeErrorRate = 1;
  serve(scene, ['A'], () => scene.snapshot.waitingFor !== undefined);
  scene.client.disk.faults.writeErrorRate = 0;
  serve(scene, ['A'], isDone(scene), 600_000);
  assert.deepEqual(scene.banned, []);
  assert.deepEqual(scene.open, []);
  assert.deepEqual(scene.stop(), []);
});

test('a full disk in the middle of a large piece is waited for', () => {
  const scene = withSeed({ torrent: large });
  scene.client.disk.capacityBytes = 10 * MIB;
  serve(scene, ['A'], () => scene.snapshot.waitingFor !== undefined);
  scene.run('30s');
  scene.client.disk.capacityBytes = Number.POSITIVE_INFINITY;
  serve(scene, ['A'], isDone(scene), 600_000);
  assert.deepEqual(scene.stop(), []);
});

test('a bad block in a stored segment is found, and its sender with it', () => {
  const scene = new Scene({ torrent: large, seed: 2 }).start();
  scene.join('A', { fast: true });
  scene.play(['A< bitfield 80', 'A< unchoke']);
  let isFirst = true;
  const until = scene.world.now + 60_000;
  while (scene.open.includes('A') && scene.world.now < until) {
    for (const m of scene.peer('A').received.splice(0)) {
      if (m.kind !== 'request') continue;
      scene.play([`A${isFirst ? ' bad' : '< piece'} ${m.piece} ${m.begin} ${m.length}`]);
      isFirst = false;
    }
    scene.run('20ms');
  }
  assert.deepEqual(scene.banned, ['A']);
  assert.deepEqual(scene.have, []);
  joinSeed(scene, 'B');
  serve(scene, ['B'], isDone(scene));
  assert.deepEqual(scene.stop(), []);
});

test('a torrent is stopped, and started again, in the middle of a large piece', () => {
  const scene = withSeed({ torrent: large });
  serve(scene, ['A'], () => scene.calls.filter((call) => call === 'storeSegment').length >= 10);
  assert.deepEqual(scene.stop(), []);
  const before = scene.events('piece').map((event) => event.piece);
  scene.client.start();
  scene.run('1s');
  assert.deepEqual(scene.have, before.sort());
  joinSeed(scene, 'B');
  serve(scene, ['B'], isDone(scene));
  assert.deepEqual(scene.stop(), []);
});

test('the pads of a hybrid torrent of large pieces are made, not fetched', () => {
  const scene = withSeed({
    torrent: { files: [9 * MIB + 1, 2 * MIB], pieceLength: 8 * MIB, format: 'hybrid', isPretended: true },
  });
  serve(scene, ['A'], isDone(scene));
  assert.equal(scene.snapshot.downloaded, 11 * MIB + 1);
  assert.deepEqual(scene.stop(), []);
});

// A piece begun by a peer that left, while the budget is used up by it: others must get on, and the piece itself too.
test('buffers of a large piece that nobody gives go to others, and the piece is begun again later', () => {
  const scene = new Scene({ torrent: large, client: { pieceBytesMax: MIB } }).start();
  scene.join('A');
  scene.play(['A< bitfield 80', 'A> interested', 'A< unchoke', 'A> request 0 0', 'A< piece 0 0', 'A= 20', 'A-']);
  joinSeed(scene, 'B');
  scene.play(['B< choke', 'B= 40000', 'B< unchoke']);
  serve(scene, ['B'], isDone(scene), 600_000);
  assert.deepEqual(scene.stop(), []);
});

test('a late block does not take the buffers of its own piece', () => {
  const scene = new Scene({ torrent: large, client: { pieceBytesMax: 2 * MIB } }).start();
  for (const name of ['A', 'B', 'C']) scene.join(name);
  scene.play(['A< bitfield 80', 'A> interested', 'A< unchoke', 'A= 20']);
  // All of the first segment but block 1, so that the pipe grows into the second segment.
  for (let i = 0; i < 40; i++) {
    for (const m of scene.peer('A').received.splice(0)) {
      if (m.kind === 'request' && m.begin !== 16_384 && m.begin < MIB) scene.play([`A< piece ${m.piece} ${m.begin}`]);
    }
    scene.run('20ms');
  }
  scene.play([
    'A< choke',
    'A= 31000',
    // Somebody needs the buffers: the piece is given up.
    'B< bitfield 40',
    'B> interested',
    'B< unchoke',
    'B> request 1 0',
    'B< piece 1 0',
    // It is begun again, and left at once.
    'C< bitfield 80',
    'C> interested',
    'C< unchoke',
    'C> request 0 0',
    'C= 10',
    'C-',
    'B-',
    'A= 31000',
    // No buffer is free; the only piece that could give one is this block's own.
    `A< piece 0 ${MIB}`,
    'A= 100',
  ]);
  joinSeed(scene, 'D');
  serve(scene, ['D'], isDone(scene), 600_000);
  assert.deepEqual(scene.stop(), []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeExtendedHandshake } from '#wire';
import { hello, metadataIn, metadataOut, metadataPiece } from '../../support/extension-lines.ts';
import { check } from '../../support/protocol-check.ts';
import { Scene, sceneTorrent } from '../../support/scene.ts';

// 900 hashes: an info dictionary of two pieces. The content itself is never hashed.
const torrent = { files: 900 * 16_384, pieceLength: 16_384, isPretended: true };
const info = sceneTorrent(torrent).torrent.info.bytes;
const magnet = { torrent, client: { isMagnet: true } };
const ext = { extensions: true };
const sized = (metadataSize: number) => `< ${hello({ metadataSize })}`;
const asks = (piece: number) => `> ${metadataOut({ kind: 'request', piece })}`;
const gives = (piece: number, bytes = info) => `< ${metadataPiece(bytes, piece)}`;
const rejects = (piece: number) => `< ${metadataIn({ kind: 'reject', piece })}`;
const phase = (name: string) => (s: Scene) => assert.equal(s.snapshot.phase, name);
const fetched = phase('downloading');

function spoiled(): Uint8Array {
  const bytes = info.slice();
  bytes[17_000] = (bytes[17_000] as number) ^ 1;
  return bytes;
}

check('the info dictionary comes in pieces, and then the content is asked for', {
  ...magnet,
  peers: { A: ext },
  script: [
    '> extended 0',
    sized(info.length),
    asks(0),
    asks(1),
    gives(1),
    phase('fetching-metadata'),
    gives(0),
    '> extended 0',
    fetched,
    '< have 3',
    '> interested',
    '< unchoke',
    '> request 3 0',
  ],
});

check('who has got the dictionary says so to those who were there before', {
  ...magnet,
  peers: { A: ext, B: ext },
  script: [
    'A> extended 0',
    `A${sized(info.length)}`,
    'B> extended 0',
    `A${asks(0)}`,
    `A${asks(1)}`,
    `A${gives(0)}`,
    `A${gives(1)}`,
    (s) => {
      const message = s.peer('B').expect('extended 0');
      assert.ok(message.kind === 'extended');
      assert.equal(decodeExtendedHandshake(message.payload).metadataSize, info.length);
    },
  ],
});

check('what a peer said it has before the dictionary came is remembered', {
  ...magnet,
  peers: { A: { ...ext, fast: true } },
  script: [
    '> extended 0',
    '> have-none',
    '< have-all',
    '< unchoke',
    sized(info.length),
    asks(0),
    asks(1),
    gives(0),
    gives(1),
    '> extended 0',
    '> interested',
    '> request',
  ],
  expect: { open: ['A'] },
});

check('what it said before turns out to be nonsense', {
  ...magnet,
  peers: { A: ext, B: ext },
  script: [
    'A> extended 0',
    'A< have 900',
    'B> extended 0',
    `B${sized(info.length)}`,
    `B${asks(0)}`,
    `B${asks(1)}`,
    `B${gives(0)}`,
    `B${gives(1)}`,
    '= 100',
  ],
  expect: { closed: { 'peer/bad-bitfield': 1 }, open: ['B'] },
});

check('the only author of a dictionary with the wrong hash is banned', {
  ...magnet,
  peers: { A: ext },
  script: [
    '> extended 0',
    sized(info.length),
    asks(0),
    asks(1),
    gives(0),
    gives(1, spoiled()),
    '= 100',
    phase('fetching-metadata'),
  ],
  expect: { closed: { 'peer/bad-metadata': 1 }, open: [], banned: ['A'] },
});

/** Lets every peer answer requests for the dictionary, `liars` with a wrong one, until it is complete. */
function answer(scene: Scene, right: Uint8Array, liars: Readonly<Record<string, Uint8Array>> = {}): void {
  for (let i = 0; i < 300 && scene.snapshot.phase !== 'downloading'; i++) {
    answerOnce(scene, right, liars);
    scene.run('100ms');
  }
}

function answerOnce(scene: Scene, right: Uint8Array, liars: Readonly<Record<string, Uint8Array>> = {}): void {
  for (const name of scene.open) {
    for (const m of scene.peer(name).received.splice(0)) {
      if (m.kind !== 'extended' || m.id !== 7) continue;
      const piece = Number(/piecei(\d+)e/.exec(new TextDecoder().decode(m.payload))?.[1]);
      scene.play([`${name}${gives(piece, liars[name] ?? right)}`]);
    }
  }
}

test('of several authors of a wrong dictionary the liar is found out, and the honest ones stay', () => {
  const large = { ...torrent, files: 4_500 * 16_384 };
  const right = sceneTorrent(large).torrent.info.bytes;
  const wrong = right.slice();
  wrong.fill(0, 20_000, 20_010);
  const scene = new Scene({ torrent: large, client: { isMagnet: true } }).start();
  for (const name of ['A', 'B', 'C']) {
    scene.join(name, ext);
    scene.play([`${name}${sized(right.length)}`]);
  }
  answer(scene, right, { A: wrong });
  assert.equal(scene.snapshot.phase, 'downloading');
  assert.deepEqual(scene.closed, { 'peer/bad-metadata': 1 });
  assert.deepEqual(scene.open, ['B', 'C']);
  assert.deepEqual(scene.stop(), []);
});

check('a liar about the size wastes nobody’s time but his own', {
  ...magnet,
  peers: { A: ext, B: ext, C: ext },
  script: [
    `A${sized(info.length + 1)}`,
    `B${sized(16_777_216)}`,
    `C${sized(info.length)}`,
    'C> extended 0',
    `C${asks(0)}`,
    `C${asks(1)}`,
    `C${gives(0)}`,
    `C${gives(1)}`,
    '= 100',
    fetched,
  ],
  expect: { open: ['A', 'B', 'C'] },
});

check('a dictionary larger than any is not asked for', {
  ...magnet,
  peers: { A: ext },
  script: ['> extended 0', sized(33_554_433), '! 15000 extended'],
});

check('a piece of the wrong length ends the connection', {
  ...magnet,
  peers: { A: ext },
  script: ['> extended 0', sized(info.length), asks(0), asks(1), gives(1, info.subarray(0, info.length - 1)), '= 100'],
  expect: { closed: { 'peer/bad-message': 1 } },
});

check('pieces that were not asked for are not taken', {
  ...magnet,
  peers: { A: ext, B: ext },
  script: [
    `A${sized(info.length)}`,
    'A>* extended 7',
    `B${gives(0, spoiled())}`,
    `B${gives(1, spoiled())}`,
    `A${gives(0)}`,
    `A${gives(1)}`,
    '= 100',
    fetched,
  ],
  expect: { open: ['A', 'B'] },
});

check('who rejects is not asked again at once', {
  ...magnet,
  peers: { A: ext },
  script: [
    '> extended 0',
    sized(info.length),
    asks(0),
    asks(1),
    rejects(0),
    '! 3000',
    rejects(1),
    '! 3000',
    '= 12000',
    '>* extended 7',
    gives(0),
  ],
});

check('who does not answer does not keep the others from answering', {
  ...magnet,
  peers: { A: ext, B: ext },
  script: [
    'A> extended 0',
    'B> extended 0',
    `A${sized(info.length)}`,
    `A${asks(0)}`,
    `A${asks(1)}`,
    `B${sized(info.length)}`,
    '= 11500',
    `B${asks(0)}`,
    `B${asks(1)}`,
    `B${gives(0)}`,
    `B${gives(1)}`,
    '= 100',
    fetched,
  ],
});

test('a peer that claims one size after the other does not keep the right one from being fetched', () => {
  const scene = new Scene(magnet).start();
  scene.join('A', ext);
  scene.join('B', ext);
  scene.play([`B${sized(info.length)}`]);
  let size = 1_000_000;
  for (let i = 0; i < 100 && scene.snapshot.phase !== 'downloading'; i++) {
    // Faster than the honest peer can answer.
    for (let n = 0; n < 10; n++) scene.play([`A${sized(size++)}`, '= 10']);
    answerOnce(scene, info);
  }
  assert.equal(scene.snapshot.phase, 'downloading');
  assert.deepEqual(scene.stop(), []);
});

check('the dictionary is served, and what lies outside of it is rejected', {
  torrent,
  has: [0],
  peers: { A: ext },
  script: [
    '> extended 0',
    '> bitfield',
    `< ${metadataIn({ kind: 'request', piece: 0 })}`,
    '! 100',
    `< ${hello()}`,
    `< ${metadataIn({ kind: 'request', piece: 0 })}`,
    `> ${metadataPiece(info, 0).replace('extended 1', 'extended 7')}`,
    `< ${metadataIn({ kind: 'request', piece: 1 })}`,
    `> ${metadataPiece(info, 1).replace('extended 1', 'extended 7')}`,
    `< ${metadataIn({ kind: 'request', piece: 2 })}`,
    `> ${metadataOut({ kind: 'reject', piece: 2 })}`,
    `< ${metadataIn({ kind: 'request', piece: Number.MAX_SAFE_INTEGER })}`,
    `> ${metadataOut({ kind: 'reject', piece: Number.MAX_SAFE_INTEGER })}`,
    `< ${metadataIn({ kind: 'unknown', type: 9 })}`,
    '! 100',
  ],
  expect: { open: ['A'] },
});

check('who has no dictionary yet rejects requests for it', {
  ...magnet,
  peers: { A: ext },
  script: [
    '> extended 0',
    `< ${hello()}`,
    `< ${metadataIn({ kind: 'request', piece: 0 })}`,
    `> ${metadataOut({ kind: 'reject', piece: 0 })}`,
  ],
});

check('an extension message that is no dictionary ends the connection', {
  peers: { A: ext },
  script: ['> extended 0', '< extended 1 69316'.concat('5'), '= 100'],
  expect: { closed: { 'peer/bad-message': 1 } },
});

check('ids that were never offered are not heard', {
  peers: { A: ext },
  script: ['> extended 0', '< extended 77 6465', '< extended 5 00', '! 100'],
  expect: { open: ['A'] },
});

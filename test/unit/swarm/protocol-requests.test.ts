import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBlock } from '#sim';
import { check } from '../../support/protocol-check.ts';
import { Scene, type SceneOptions } from '../../support/scene.ts';

const seed = { has: 'all' as const };
const fast = { A: { fast: true } };
const open = ['> bitfield', '< interested', '> unchoke'];
const fastOpen = ['> have-all', '< interested', '>* unchoke'];

check('what was asked for comes', {
  ...seed,
  script: [...open, '< request 0 0', '> piece 0 0 16384', '< request 6 0 6784', '> piece 6 0 6784'],
  expect: { snapshot: { uploaded: 16_384 + 6_784 } },
});

check('a choked peer that asks gets nothing', {
  ...seed,
  script: ['> bitfield', '< request 0 0', '! 500', '< interested', '> unchoke', '! 500'],
});

check('a choked peer that asks gets a reject where it understands one', {
  ...seed,
  peers: fast,
  script: ['> have-all', '< request 0 0', '> reject 0 0 16384', '< interested', '> unchoke', '! 300'],
});

check('what we do not have is rejected, or passed over', {
  has: [1],
  peers: { A: { fast: true }, B: {} },
  script: [
    'A> bitfield 40',
    'A< interested',
    'A>* unchoke',
    'A< request 0 0',
    'A> reject 0 0 16384',
    'A< request 1 0',
    'A> piece 1 0',
    'B> bitfield 40',
    'B< interested',
    'B> unchoke',
    'B< request 0 0',
    'B! 200',
    'B< request 1 0',
    'B> piece 1 0',
  ],
});

const bad = (name: string, request: string) =>
  check(name, {
    ...seed,
    script: [...open, `< ${request}`, '= 50'],
    expect: { closed: { 'peer/bad-request': 1 }, open: [] },
  });
bad('a request beyond the end of its piece ends the connection', 'request 0 65536 1');
bad('a request across the end of its piece ends the connection', 'request 0 49153 16384');
bad('a request beyond the last byte ends the connection', 'request 6 0 6785');
bad('a request for a piece that is none ends the connection', 'request 7 0 16384');
bad('a request for far too much ends the connection', 'request 0 0 131073');
bad('a request for nothing ends the connection', 'request 0 0 0');
bad('a request whose numbers overflow ends the connection', 'request 4294967295 4294967295 4294967295');

/** The bytes of every block that comes back. */
function bytesAre(name: string, options: SceneOptions, requests: readonly [number, number, number][]): void {
  test(name, () => {
    const scene = new Scene({ has: 'all', ...options }).start();
    scene.join('A', { v2: options.torrent?.format !== undefined });
    scene.play(['>* bitfield', '< interested', '> unchoke']);
    for (const [piece, begin, length] of requests) {
      scene.play([`< request ${piece} ${begin} ${length}`]);
      const message = scene.peer('A').expect(`piece ${piece} ${begin} ${length}`);
      assert.ok(message.kind === 'piece');
      const expected = new Uint8Array(length);
      const here = Math.max(0, Math.min(length, scene.torrent.geometry.pieceBytes(piece) - begin));
      if (here > 0) expected.set(readBlock(scene.torrent, piece, begin, here));
      assert.deepEqual(Buffer.compare(message.bytes, expected), 0, `${piece} ${begin} ${length}`);
    }
    assert.deepEqual(scene.stop(), []);
  });
}

bytesAre('requests of odd length and place are answered to the byte', {}, [
  [0, 0, 1],
  [0, 1, 16_384],
  [0, 16_383, 2],
  [3, 5_000, 40_000],
  [0, 0, 65_536],
  [6, 6_783, 1],
  [6, 0, 6_784],
]);

const large = { torrent: { files: 1_500_000, pieceLength: 1_048_576 } };
bytesAre('requests across the border of what is read at once are answered to the byte', large, [
  [0, 262_143, 2],
  [0, 262_144 - 16_384, 32_768],
  [0, 200_000, 131_072],
  [0, 1_048_575, 1],
  [1, 400_000, 51_424],
  [1, 262_144, 16_384],
]);

// A v2 piece is as long as its file's bytes in it; libtorrent before 2.0.13 asks for whole blocks all the same.
const v2 = { torrent: { files: [20_000, 1_100_000], pieceLength: 1_048_576, format: 'v2' as const } };
bytesAre('beyond the end of a v2 file zeros are served', v2, [
  [0, 16_384, 16_384],
  [0, 0, 32_768],
  [2, 49_152, 16_384],
  [0, 32_768, 16_384],
  [0, 524_288, 16_384],
  [0, 1_048_575, 1],
  [0, 0, 131_072],
  [2, 262_144, 16_384],
]);

const hybrid = { torrent: { files: [20_000, 70_000], pieceLength: 65_536, format: 'hybrid' as const } };
bytesAre('pad bytes of a hybrid torrent are served as zeros', hybrid, [
  [0, 16_384, 16_384],
  [0, 32_768, 16_384],
  [0, 0, 65_536],
  [2, 0, 4_464],
]);

check('pad bytes are never asked for', {
  ...hybrid,
  peers: { A: { v2: true } },
  script: [
    '< bitfield 80',
    '> interested',
    '< unchoke',
    '> request 0 0 16384',
    '> request 0 16384 3616',
    '! 500',
    '< piece 0 0',
    '< piece 0 16384 3616',
    '> have 0',
  ],
  expect: { have: [0], snapshot: { wasted: 0 } },
});

check('a cancelled request is not answered; with the fast extension a reject answers it', {
  ...seed,
  client: { uploadLimit: 16_384 },
  peers: { A: { fast: true }, B: {} },
  script: [
    'A> have-all',
    'A< interested',
    'A>* unchoke',
    'A< request 0 0',
    'A< request 0 16384',
    'A< request 0 32768',
    'A< cancel 0 32768',
    'A>* reject 0 32768 16384',
    'A>* piece 0 16384',
    'A! 3000',
    'B> bitfield',
    'B< interested',
    'B>* unchoke',
    'B< request 1 0',
    'B< request 1 16384',
    'B< request 1 32768',
    'B< cancel 1 32768',
    'B>* piece 1 16384',
    'B! 3000 piece',
  ],
});

check('cancels of what was never asked for change nothing', {
  ...seed,
  peers: fast,
  script: [...fastOpen, '< cancel 0 0', '< cancel 9 9 9', '! 200', '< request 0 0', '> piece 0 0'],
});

test('a choke voids what waits; with the fast extension each of it is rejected', () => {
  for (const fastPeers of [true, false]) {
    // Two slots, next to no bandwidth, and three who want them.
    const scene = new Scene({ ...seed, client: { uploadLimit: 1 } }).start();
    const names = ['A', 'B', 'C'];
    for (const name of names) {
      scene.join(name, { fast: fastPeers });
      scene.play([`${name}< interested`]);
    }
    scene.run('100ms');
    const has = (name: string, kind: string) => scene.peer(name).received.some((m) => m.kind === kind);
    const chosen = names.filter((name) => has(name, 'unchoke'));
    assert.ok(chosen.length >= 2);
    for (const name of chosen) scene.play([0, 1, 2].map((piece) => `${name}< request ${piece} 0`));
    scene.until(() => chosen.some((name) => has(name, 'choke')), '3m', 'a choke');
    scene.run('100ms');
    const choked = chosen.find((name) => has(name, 'choke')) as string;
    const { received } = scene.peer(choked);
    const after = received.slice(received.findIndex((m) => m.kind === 'choke') + 1);
    const rejects = after.flatMap((m) => (m.kind === 'reject' ? [m.piece] : []));
    const served = received.filter((m) => m.kind === 'piece').length;
    assert.equal(rejects.length, fastPeers ? 3 - served : 0);
    scene.peer(choked).clear();
    scene.play([`${choked}! 5000 piece`]);
    assert.deepEqual(scene.stop(), []);
  }
});

check('a peer with more than it may have waiting gets rejects for the rest', {
  ...seed,
  client: { uploadLimit: 1 },
  peers: fast,
  script: [
    ...fastOpen,
    (s) => {
      for (let i = 0; i < 2_101; i++) s.peer('A').send(`request 0 ${(i % 4) * 16_384}`);
    },
    '= 500',
    (s) => assert.equal(s.peer('A').received.filter((m) => m.kind === 'reject').length, 101),
  ],
  expect: { open: ['A'] },
});

test('a peer is not dropped for requests that crossed our chokes, however many in a long time', () => {
  const scene = new Scene({ has: [0, 1] }).start();
  scene.join('A', { fast: true });
  scene.play(['> bitfield', '< interested', '>* unchoke']);
  for (let round = 0; round < 30; round++) {
    for (let i = 0; i < 500; i++) scene.peer('A').send('request 3 0');
    scene.play(['= 1000', '< request 0 0', '>* piece 0 0', '= 10']);
  }
  assert.deepEqual(scene.open, ['A']);
  assert.deepEqual(scene.stop(), []);
});

// Twenty pieces and more: then choked newcomers may fetch two at once.
const manyPieces = { has: 'all' as const, torrent: { files: 30 * 16_384, pieceLength: 16_384 } };
test('pieces that a newcomer may fetch while choked are served, and no others', () => {
  const scene = new Scene(manyPieces).start();
  scene.join('A', { fast: true });
  scene.run('100ms');
  const granted = scene.peer('A').received.flatMap((m) => (m.kind === 'allowed-fast' ? [m.piece] : []));
  assert.equal(granted.length, 2);
  scene.peer('A').clear();
  const other = [...Array(30).keys()].find((piece) => !granted.includes(piece));
  scene.play([
    ...granted.flatMap((piece) => [`A< request ${piece} 0`, `A> piece ${piece} 0`]),
    `A< request ${other} 0`,
    `A> reject ${other} 0`,
  ]);
  assert.deepEqual(scene.stop(), []);
});

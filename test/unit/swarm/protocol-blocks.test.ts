import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from '../../support/protocol-check.ts';
import { Scene } from '../../support/scene.ts';

const begins = [0, 16_384, 32_768, 49_152];
const asked = (piece = 0) => begins.map((begin) => `> request ${piece} ${begin}`);
const sent = (piece = 0) => begins.map((begin) => `< piece ${piece} ${begin}`);
const piece0 = ['< bitfield 80', '> interested', '< unchoke', ...asked()];
const by = (name: string, lines: readonly string[]) => lines.map((line) => `${name}${line}`);

check('a block that comes twice counts once', {
  script: [...piece0, '< piece 0 0', '< piece 0 0', ...sent().slice(1), '> have 0'],
  expect: { have: [0], snapshot: { downloaded: 65_536, wasted: 16_384 } },
});

check('blocks that nobody asked for are thrown away, up to a mebibyte', {
  script: [
    '< bitfield fe',
    ...Array.from({ length: 16 }, () => sent(3)).flat(),
    '= 50',
    (s) => assert.deepEqual(s.open, ['A']),
    '< piece 3 0',
    '= 50',
  ],
  expect: { have: [], closed: { 'peer/unasked-data': 1 }, snapshot: { downloaded: 0, wasted: 64 * 16_384 } },
});

check('blocks that are none are thrown away', {
  script: [
    ...piece0,
    '< piece 0 1 16383',
    '< piece 0 16384 100',
    '< piece 6 0 6000',
    (s) => {
      s.peer('A').sendBlock(7, 0, new Uint8Array(16_384));
      s.peer('A').sendBlock(0xffff_ffff, 0xffff_ffff, new Uint8Array(1));
      s.peer('A').sendBlock(0, 0, new Uint8Array(0));
    },
    ...sent(),
    '> have 0',
  ],
  expect: { have: [0], open: ['A'] },
});

check('a block longer than any that is asked for ends the connection', {
  script: [...piece0, (s) => s.peer('A').sendBlock(0, 0, new Uint8Array(16_385)), '= 50'],
  expect: { closed: { 'peer/bad-message': 1 } },
});

check('a message longer than its kind allows ends the connection', {
  script: [(s) => s.peer('A').sendBytes(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 9)), '= 50'],
  expect: { closed: { 'peer/bad-message': 1 } },
});

check('whoever sent a whole bad piece is banned', {
  script: [...piece0, ' bad 0 0', ...sent().slice(1), '= 100'],
  expect: { have: [], banned: ['A'], closed: { 'peer/bad-data': 1 }, snapshot: { badPieces: 1 } },
});

check('who sent the bad block is banned once the good one is here, and who shared the piece is not', {
  peers: { A: {}, B: {} },
  script: [
    ...by('A', ['< bitfield 80', '> interested', '< unchoke', ...asked()]),
    ' bad 0 0',
    '< piece 0 16384',
    // The rest comes from the other one.
    '< choke',
    '= 10',
    ...by('B', ['< bitfield 80', '> interested', '< unchoke', ...asked().slice(2), ...sent().slice(2)]),
    'B= 50',
    (s) => assert.equal(s.snapshot.badPieces, 1),
    (s) => assert.deepEqual(s.banned, []),
    ...by('B', [...asked(), ...sent(), '> have 0']),
  ],
  expect: { have: [0], banned: ['A'], open: ['B'], closed: { 'peer/bad-data': 1 } },
});

check('a banned peer is turned away when it comes again', {
  script: [...piece0, ' bad 0 0', ...sent().slice(1), '= 100', '+', '= 100'],
  expect: { banned: ['A'], closed: { 'peer/bad-data': 1, 'peer/banned': 1 }, open: [] },
});

test('a piece that failed twice is asked of one peer alone', () => {
  const scene = new Scene().start();
  for (const name of ['A', 'B', 'C']) scene.join(name);
  scene.play([
    ...by('A', ['< bitfield 80', '> interested']),
    ...by('B', ['< bitfield 80', '> interested']),
    ...by('C', ['< bitfield 80', '> interested']),
  ]);
  // Twice a piece of two authors goes bad: nobody is guilty beyond doubt (each time another block is bad).
  for (const [block] of [[0], [1]] as [number][]) {
    scene.play([
      'A< unchoke',
      ...by('A', asked()),
      ...[0, 1].map((b) => `A${b === block ? ' bad' : '< piece'} 0 ${begins[b]}`),
      'A< choke',
      'A= 10',
      'B< unchoke',
      ...by('B', [...asked().slice(2), ...sent().slice(2)]),
      'B< choke',
      'B= 50',
    ]);
    scene.peer('A').clear();
    scene.peer('B').clear();
    if (scene.banned.length > 0) break;
  }
  // The second version of a block from A differs from its first: that is proof enough.
  assert.deepEqual(scene.banned, ['A']);
  scene.play(['B< unchoke', 'C< unchoke', ...by('B', asked()), 'C! 1000 request', ...by('B', sent()), 'C> have 0']);
  assert.deepEqual(scene.have, [0]);
  assert.deepEqual(scene.open, ['B', 'C']);
  assert.deepEqual(scene.stop(), []);
});

test('a piece on parole goes to another peer when its one stalls, chokes, rejects or no longer has it', () => {
  for (const trouble of ['< choke', '= 25000', 'reject', '-']) {
    const scene = new Scene({ seed: 3 }).start();
    for (const name of ['A', 'B', 'C']) scene.join(name, { fast: true });
    scene.play([
      'A> have-none',
      'B> have-none',
      'C> have-none',
      ...by('A', ['< bitfield 80', '> interested']),
      ...by('B', ['< bitfield 80', '> interested']),
    ]);
    for (let n = 0; n < 2; n++) {
      scene.play([
        'A< unchoke',
        ...by('A', asked()),
        // The same bad block both times: no contradiction.
        'A bad 0 0',
        'A< piece 0 16384',
        'A< choke',
        'A< reject 0 32768',
        'A< reject 0 49152',
        'A= 10',
        'B< unchoke',
        ...by('B', [...asked().slice(2), ...sent().slice(2)]),
        'B< choke',
        'B= 50',
      ]);
      scene.peer('A').clear();
      scene.peer('B').clear();
    }
    assert.deepEqual(scene.banned, []);
    scene.play(['B< unchoke', ...by('B', asked())]);
    scene.play(['C< bitfield 80', 'C> interested', 'C< unchoke', 'C! 500 request']);
    if (trouble === 'reject') scene.play(begins.map((begin) => `B< reject 0 ${begin}`));
    else scene.play([`B${trouble}`]);
    if (trouble === '< choke') scene.play(begins.map((begin) => `B< reject 0 ${begin}`));
    scene.play([...by('C', [...asked(), ...sent(), '> have 0'])]);
    assert.deepEqual(scene.have, [0], trouble);
    assert.deepEqual(scene.banned, ['A'], trouble);
    assert.deepEqual(scene.stop(), []);
  }
});

check('at the end late blocks are asked of a second peer, and what comes first cancels the other', {
  has: [1, 2, 3, 4, 5, 6],
  peers: { A: {}, B: {} },
  script: [
    ...by('A', ['> bitfield', ...piece0]),
    ...by('B', ['> bitfield', '< bitfield 80', '> interested', '< unchoke', '! 500']),
    // One at a time, and no more than are soon here.
    '= 3500',
    (s) => assert.equal(s.peer('B').received.length, 3),
    (s) => answerAll(s, 'B'),
    'B= 1000',
    (s) => answerAll(s, 'B'),
    'B= 100',
    ...by('A', ['> cancel 0', '> cancel 0', '> cancel 0', '> cancel 0']),
    // What was on its way is no offence.
    ...by('A', sent()),
  ],
  expect: { have: [0, 1, 2, 3, 4, 5, 6], snapshot: { wasted: 65_536, duplicated: 65_536 } },
});

check('bytes of a second copy are not mixed with those of the first', {
  has: [1, 2, 3, 4, 5, 6],
  peers: { A: {}, B: {} },
  script: [
    ...by('A', ['> bitfield', ...piece0]),
    ...by('B', ['> bitfield', '< bitfield 80', '> interested', '< unchoke']),
    'A= 1900',
    ...by('A', [' half 0 0']),
    'B= 1000',
    ...by('B', ['>* request 0 49152']),
    'B bad 0 0',
    'B= 10',
    // The rest of the first copy.
    (s) => s.peer('A').sendBytes(halfOfFirst(s)),
    ...by('A', sent().slice(1)),
    'B= 50',
  ],
  expect: { have: [0, 1, 2, 3, 4, 5, 6] },
});

/** Sends each block that the peer has been asked for. */
function answerAll(scene: Scene, name: string): void {
  for (const m of scene.peer(name).received.splice(0)) {
    if (m.kind === 'request') scene.play([`${name}< piece ${m.piece} ${m.begin}`]);
  }
}

function halfOfFirst(scene: Scene): Uint8Array {
  const bytes = new Uint8Array(16_384);
  scene.torrent.content.read(0, bytes);
  return bytes.slice(8_192);
}

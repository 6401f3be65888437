import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes } from '#base';
import { encodeMessage, writeBlockHeader } from '#wire';
import { hello, pexIn } from '../../support/extension-lines.ts';
import { check } from '../../support/protocol-check.ts';
import { Scene } from '../../support/scene.ts';

const all = '< bitfield fe';
const asked = ['> request 0 0', '> request 0 16384', '> request 0 32768', '> request 0 49152'];

/** Headers of blocks without any bytes. */
function emptyBlocks(count: number): Uint8Array {
  const header = new Uint8Array(13);
  writeBlockHeader(header, 0, 0, 0, 0);
  return concatBytes(Array.from({ length: count }, () => header));
}

test('those who take requests and stay silent keep nothing from one who would send', () => {
  const scene = new Scene().start();
  for (const name of ['A', 'B', 'D']) {
    scene.join(name);
    scene.play([`${name}${all}`, `${name}> interested`, `${name}< unchoke`]);
  }
  scene.run('2s');
  scene.join('C');
  scene.play([`C${all}`, 'C> interested', 'C< unchoke']);
  const wanted = new Set<string>();
  for (let piece = 0; piece < 7; piece++) {
    for (let begin = 0; begin < scene.torrent.torrent.info.pieceLength; begin += 16_384) {
      if (piece * 65_536 + begin < 400_000) wanted.add(`${piece} ${begin}`);
    }
  }
  // Far sooner than the silent ones are snubbed.
  for (let ms = 0; ms < 18_000 && wanted.size > 0; ms += 100) {
    scene.run('100ms');
    for (const message of scene.peer('C').received.splice(0)) {
      if (message.kind !== 'request') continue;
      scene.play([`C< piece ${message.piece} ${message.begin} ${message.length}`]);
      wanted.delete(`${message.piece} ${message.begin}`);
    }
  }
  assert.deepEqual([...wanted], [], 'C was asked for everything');
  scene.until(() => scene.snapshot.isComplete, '1s');
  assert.deepEqual(scene.stop(), []);
});

test('a piece that a silent peer keeps is asked of another, though there are pieces that nobody has', () => {
  const scene = new Scene().start();
  scene.join('A');
  scene.play(['A< bitfield 80', 'A> interested', 'A< unchoke', ...asked.map((line) => `A${line}`)]);
  scene.join('B');
  scene.play(['B< bitfield 80', 'B> interested', 'B< unchoke', 'B! 3000 request']);
  scene.run('4s');
  scene.play(['B>* request 0']);
  assert.deepEqual(scene.stop(), []);
});

test('empty blocks are no answer: who sends nothing else is snubbed and let go', () => {
  const scene = new Scene().start();
  scene.join('A');
  scene.play([all, '> interested', '< unchoke']);
  for (let s = 0; s < 90 && scene.open.length > 0; s += 5) {
    scene.peer('A').sendBytes(emptyBlocks(3));
    scene.run('5s');
  }
  assert.deepEqual(scene.closed, { 'peer/stalled': 1 });
  assert.deepEqual(scene.stop(), []);
});

test('empty blocks without end end the connection', () => {
  const scene = new Scene().start();
  scene.join('A');
  scene.play([all, '> interested']);
  for (let i = 0; i < 100 && scene.open.length > 0; i++) {
    scene.peer('A').sendBytes(emptyBlocks(1_000));
    scene.run('100ms');
  }
  assert.deepEqual(scene.closed, { 'peer/unasked-data': 1 });
});

test('blocks without end before the metadata is known end the connection', () => {
  const scene = new Scene({ client: { isMagnet: true } }).start();
  scene.join('A', { extensions: true });
  for (let i = 0; i < 100 && scene.open.length > 0; i++) {
    for (let k = 0; k < 4; k++) scene.play(['< piece 0 0']);
    scene.run('100ms');
  }
  assert.deepEqual(scene.closed, { 'peer/unasked-data': 1 });
});

test('requests without end before the metadata is known end the connection', () => {
  const scene = new Scene({ client: { isMagnet: true } }).start();
  scene.join('A', { extensions: true });
  const request = encodeMessage({ kind: 'request', piece: 0, begin: 0, length: 16_384 });
  scene.peer('A').sendBytes(concatBytes(Array.from({ length: 25_000 }, () => request)));
  scene.run('100ms');
  assert.deepEqual(scene.closed, { 'peer/message-flood': 1 });
});

check('what nobody asked for earns nothing', {
  script: [all, '> interested', '< piece 3 0', '= 100'],
  expect: { snapshot: { downRate: 0, wasted: 16_384 } },
});

test('requests for single bytes by one that does not read leave few writes behind', () => {
  const scene = new Scene({ has: 'all' }).start();
  scene.join('A', { fast: true });
  scene.play(['>* have-all', '< interested', '>* unchoke']);
  scene.peer('A').link?.setReading(false);
  for (let round = 0; round < 20; round++) {
    const requests = Array.from({ length: 1_900 }, (_, i) =>
      encodeMessage({ kind: 'request', piece: 0, begin: i, length: 1 }),
    );
    scene.peer('A').sendBytes(concatBytes(requests));
    scene.run('500ms');
  }
  let views = 0;
  scene.client.ask((session) => {
    views = session.runs.lentViews;
  });
  assert.ok(views <= 256, `${views} writes wait`);
  assert.deepEqual(scene.stop(), []);
});

test('a flood of requests is one, though a few of them are served', () => {
  const scene = new Scene({ has: [1] }).start();
  scene.join('A', { fast: true });
  scene.play(['< interested', '>* unchoke']);
  const bad = encodeMessage({ kind: 'request', piece: 0, begin: 0, length: 16_384 });
  const good = encodeMessage({ kind: 'request', piece: 1, begin: 0, length: 16_384 });
  for (let round = 0; round < 50 && scene.open.length > 0; round++) {
    scene.peer('A').sendBytes(concatBytes([...Array.from({ length: 5_000 }, () => bad), good]));
    scene.run('100ms');
  }
  assert.deepEqual(scene.closed, { 'peer/message-flood': 1 });
});

check('a stranger does not make us knock at doors of our own machine and network', {
  peers: { A: { extensions: true } },
  script: [
    `< ${hello({ m: new Map([['ut_pex', 8]]) })}`,
    `< ${pexIn([
      { host: '127.0.0.1', port: 22 },
      { host: '10.1.2.3', port: 80 },
      { host: '192.168.1.1', port: 80 },
      { host: '169.254.169.254', port: 80 },
      { host: 'fd00::1', port: 80 },
      { host: '::1', port: 80 },
      { host: '60.0.0.1', port: 80 },
    ])}`,
    '= 50',
    (s) => assert.equal(s.snapshot.peersKnown, 1),
  ],
});

test('a piece on parole is not kept by one who sends a block now and then', () => {
  const begins = [0, 16_384, 32_768, 49_152];
  const requests = (piece: number) => begins.map((begin) => `> request ${piece} ${begin}`);
  const by = (name: string, lines: readonly string[]) => lines.map((line) => `${name}${line}`);
  const scene = new Scene({ seed: 3 }).start();
  for (const name of ['A', 'B']) scene.join(name, { fast: true });
  for (const name of ['A', 'B']) {
    scene.play(by(name, ['> have-none', '< bitfield 80', '> interested']));
  }
  for (let n = 0; n < 2; n++) {
    scene.play([
      ...by('A', ['< unchoke', ...requests(0), ' bad 0 0', '< piece 0 16384', '< choke']),
      ...by('A', ['< reject 0 32768', '< reject 0 49152', '= 10']),
      ...by('B', ['< unchoke', ...requests(0).slice(2), '< piece 0 32768', '< piece 0 49152', '< choke', '= 50']),
    ]);
    scene.peer('A').clear();
    scene.peer('B').clear();
  }
  scene.play([...by('A', ['< unchoke', ...requests(0)])]);
  scene.play([...by('B', ['< have 1', '< unchoke', ...requests(1)])]);
  for (const [i, begin] of begins.entries()) {
    scene.run('4s');
    scene.play([`B< piece 1 ${begin}`]);
    if (i === 1) scene.play([`A< piece 0 0`]);
  }
  scene.play([...by('A', ['= 3500', '>* cancel 0 16384'])]);
  scene.play(by('B', [...requests(0).map((line) => line.replace('>', '>*')), ...begins.map((b) => `< piece 0 ${b}`)]));
  scene.run('100ms');
  assert.deepEqual(scene.have, [0, 1]);
  assert.deepEqual(scene.banned, ['A']);
  assert.deepEqual(scene.stop(), []);
});

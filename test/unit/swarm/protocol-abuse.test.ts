import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes } from '#base';
import { encodeMessage, writeBlockHeader } from '#wire';
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

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeBlockHeader } from '#wire';
import { check } from '../../support/protocol-check.ts';
import { Scene } from '../../support/scene.ts';

const asked = ['> request 0 0', '> request 0 16384', '> request 0 32768', '> request 0 49152'];
const piece0 = ['< bitfield 80', '> interested', '< unchoke', ...asked];
const cancels = ['> cancel 0 0', '> cancel 0 16384', '> cancel 0 32768', '> cancel 0 49152'];

check('a peer that sends nothing for 20 s is snubbed: its blocks are free, it gets one request at a time', {
  script: [...piece0, '! 19000', '= 2500', ...cancels, '> request 0 0', '! 500'],
});

check('what a snubbed peer was asked for is asked of others', {
  peers: { A: {}, B: {} },
  script: [
    'B< bitfield 80',
    'B> interested',
    'A< bitfield 80',
    'A> interested',
    'A< unchoke',
    ...asked.map((line) => `A${line}`),
    '= 21500',
    'A> cancel 0 0',
    'B< unchoke',
    ...asked.slice(1).map((line) => `B${line}`),
  ],
});

check('what is owed for five seconds is asked of one who has nothing else to do', {
  peers: { A: {}, B: {} },
  script: [
    'B< bitfield 80',
    'B> interested',
    'A< bitfield 80',
    'A> interested',
    'A< unchoke',
    ...asked.map((line) => `A${line}`),
    'B< unchoke',
    'B! 4000 request',
    'B= 3000',
    'B>* request 0',
    'B>* request 0',
    'A! 500 cancel',
  ],
});

check('a block ends the snub, and the pipe is filled again', {
  script: [...piece0, '= 21500', ...cancels, '> request 0 0', '< piece 0 0', ...asked.slice(1)],
  expect: { snapshot: { downloaded: 16_384 } },
});

check('who is snubbed four times in a row makes room for others', {
  script: [...piece0, '= 90000'],
  expect: { closed: { 'peer/stalled': 1 }, open: [] },
});

check('a block that comes after its request was taken back is used', {
  script: [...piece0, '= 21500', '>* request 0 0', '< piece 0 32768', '< piece 0 16384', '= 200'],
  expect: { snapshot: { downloaded: 32_768, wasted: 0 } },
});

/** Sends one byte of a block of piece 0 from time to time. */
function trickle(scene: Scene, block: number, everyMs: number): void {
  const header = new Uint8Array(13);
  writeBlockHeader(header, 0, 0, block * 16_384, 16_384);
  const peer = scene.peer('A');
  peer.sendBytes(header);
  const more = () => {
    peer.sendBytes(Uint8Array.of(0));
    scene.world.after(everyMs, 'test.trickle', more);
  };
  more();
}

test('a peer that sends a block byte by byte does not keep it from others for ever', () => {
  const scene = new Scene({ has: [1, 2, 3, 4, 5, 6] }).start();
  scene.join('A');
  scene.join('B');
  scene.play(['A>* bitfield 7e', 'B>* bitfield 7e', ...piece0.map((line) => `A${line}`)]);
  trickle(scene, 0, 5_000);
  // An honest peer that serves everything it is asked for.
  scene.play(['B< bitfield 80', 'B> interested', 'B< unchoke']);
  const until = scene.world.now + 180_000;
  while (scene.have.length < 7 && scene.world.now < until) {
    scene.run('500ms');
    for (const m of scene.peer('B').received.splice(0)) {
      if (m.kind === 'request') scene.play([`B< piece ${m.piece} ${m.begin} ${m.length}`]);
    }
  }
  assert.deepEqual(scene.have.length, 7, JSON.stringify(scene.summary()));
  assert.ok(scene.snapshot.wasted <= 4 * 16_384, `${scene.snapshot.wasted} bytes wasted`);
});

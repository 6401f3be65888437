import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeExtendedHandshake, decodePex } from '#wire';
import { dontHaveIn, hello, pexIn, uploadOnlyIn, uploadOnlyOut } from '../../support/extension-lines.ts';
import { check } from '../../support/protocol-check.ts';
import { Scene } from '../../support/scene.ts';

const ext = { extensions: true };
const known = (count: number) => (s: Scene) => assert.equal(s.snapshot.peersKnown, count);
const pexOf = (scene: Scene, name: string) =>
  scene.peer(name).received.flatMap((m) => (m.kind === 'extended' && m.id === 8 ? [decodePex(m.payload)] : []));

// Nobody answers there.
const strangers = [
  { host: '60.0.0.1', port: 1000 },
  { host: '60.0.1.1', port: 1001 },
];

check('the handshake says what we can do, and where we listen', {
  peers: { A: ext },
  script: [
    (s) => {
      const message = s.peer('A').expect('extended 0');
      assert.ok(message.kind === 'extended');
      const { m, port, reqq, yourIp, metadataSize } = decodeExtendedHandshake(message.payload);
      assert.deepEqual([...m.keys()].sort(), ['lt_donthave', 'upload_only', 'ut_metadata', 'ut_pex']);
      assert.deepEqual([port, reqq, yourIp], [6881, 2000, s.addressOf('A').host]);
      assert.equal(metadataSize, s.torrent.torrent.info.bytes.length);
    },
  ],
});

// Transmission 3.00 says 512 and takes 511; what it rejects it says 10 s later.
check('a peer is asked for one block less than it says it queues', {
  peers: { A: ext },
  script: [
    '> extended 0',
    `< ${hello({ reqq: 4 })}`,
    '< bitfield fe',
    '> interested',
    '< unchoke',
    '> request',
    '> request',
    '> request',
    '! 500 request',
  ],
});

check('addresses that peers tell are dialled, and no more often than the rules allow', {
  peers: { A: ext },
  script: [
    '> extended 0',
    `< ${hello()}`,
    `< ${pexIn(strangers)}`,
    '= 50',
    known(2),
    `< ${pexIn([{ host: '60.0.2.1', port: 1 }])}`,
    '= 50',
    known(2),
    '= 41000',
    `< ${pexIn([{ host: '60.0.2.1', port: 1 }])}`,
    '= 50',
    known(3),
  ],
});

check('in a private torrent peers tell nothing and are not heard', {
  torrent: { isPrivate: true },
  peers: { A: ext, B: ext },
  script: [
    (s) => {
      const message = s.peer('A').expect('extended 0');
      assert.ok(message.kind === 'extended' && !decodeExtendedHandshake(message.payload).m.has('ut_pex'));
    },
    `A< ${hello({ port: 7000 })}`,
    `B< ${hello({ port: 7000 })}`,
    `A< ${pexIn(strangers)}`,
    '= 70000',
    known(2),
    (s) => assert.deepEqual(pexOf(s, 'A'), []),
  ],
});

test('peers are told of each other where they can be dialled, of who comes and who leaves, once a minute', () => {
  const scene = new Scene({ has: [0] }).start();
  scene.join('A', ext);
  scene.play([`A< ${hello({ port: 7001 })}`]);
  scene.join('B', ext);
  scene.play([`B< ${hello({ port: 7002 })}`]);
  // Says nothing about where it listens, so nobody is told of it.
  scene.join('C', ext);
  scene.run('10s');
  const [first, ...more] = pexOf(scene, 'A');
  assert.deepEqual(first?.added, [{ ...scene.addressOf('B'), port: 7002, flags: 0 }]);
  assert.deepEqual(more, []);
  assert.equal(pexOf(scene, 'B').length, 1);
  assert.equal(pexOf(scene, 'C').length, 0);
  scene.peer('B').close();
  scene.run('40s');
  assert.equal(pexOf(scene, 'A').length, 1);
  scene.run('30s');
  const [, second] = pexOf(scene, 'A');
  assert.deepEqual(second?.dropped, [{ ...scene.addressOf('B'), port: 7002 }]);
  assert.deepEqual(scene.stop(), []);
});

test('more peers than fit are told minute by minute, and who came back is not told as gone', () => {
  const scene = new Scene({ has: [0] }).start();
  const names = Array.from({ length: 60 }, (_, i) => String.fromCharCode(0x100 + i));
  scene.join('A', ext);
  for (const [i, name] of names.entries()) {
    scene.join(name, ext);
    scene.peer(name).play([`< ${hello({ port: 7000 + i })}`]);
  }
  // Last, so that all the others have a number before.
  scene.play([`A< ${hello({ port: 6999 })}`]);
  scene.run('10s');
  const again = scene.peer(names[3] as string);
  const gone = scene.peer(names[4] as string);
  again.close();
  gone.close();
  scene.run('2s');
  again.dial(scene.client.address);
  again.play([`< ${hello({ port: 7003 })}`]);
  scene.run('120s');
  const told = pexOf(scene, 'A');
  const ports = told.map((m) => m.added.map((a) => a.port).sort());
  assert.equal(ports[0]?.length, 50);
  // The ten that were left, and the one that has come again.
  assert.deepEqual(ports[1], [7003, ...Array.from({ length: 10 }, (_, i) => 7050 + i)]);
  assert.deepEqual(
    told.flatMap((m) => m.dropped.map((a) => a.port)),
    [7004],
  );
  assert.deepEqual(scene.stop(), []);
});

check('who no longer has a piece is not asked for it, and interest ends with the last one', {
  peers: { A: ext },
  script: [
    '> extended 0',
    `< ${hello()}`,
    '< bitfield c0',
    '> interested',
    `< ${dontHaveIn(0)}`,
    '< unchoke',
    '> request 1 0',
    '! 100 request 0',
    `< ${dontHaveIn(1)}`,
    '>* not-interested',
    `< ${dontHaveIn(1)}`,
    `< ${dontHaveIn(6)}`,
    `< ${dontHaveIn(7)}`,
    `< ${dontHaveIn(0xffff_ffff)}`,
    '! 500',
    '< have 0',
    '> interested',
    '> request 0 0',
  ],
  expect: { open: ['A'] },
});

check('a seed that loses a piece is a seed no more', {
  peers: { A: { ...ext, fast: true } },
  script: [
    '> extended 0',
    '> have-none',
    `< ${hello()}`,
    '< have-all',
    '> interested',
    (s) => assert.equal(s.snapshot.seedsConnected, 1),
    `< ${dontHaveIn(2)}`,
    '= 20',
    (s) => assert.equal(s.snapshot.seedsConnected, 0),
    '< have 2',
    '= 20',
    (s) => assert.equal(s.snapshot.seedsConnected, 1),
    `< ${dontHaveIn(2)}`,
    '= 20',
    'A-',
  ],
});

check('who wants nothing gets no upload slot, until it wants something again', {
  has: 'all',
  peers: { A: ext },
  script: [
    '> extended 0',
    '> bitfield',
    `< ${hello()}`,
    '< have 0',
    '< interested',
    '> unchoke',
    `< ${uploadOnlyIn(false)}`,
    '! 100',
  ],
});

check('two who want nothing part', {
  has: 'all',
  peers: { A: ext, B: ext, C: { fast: true }, D: {} },
  script: [
    `A< ${hello()}`,
    `A< ${uploadOnlyIn(true)}`,
    `B< ${hello({ uploadOnly: true })}`,
    'C< have-all',
    'D< bitfield fe',
    '= 50',
  ],
  expect: { closed: { 'session/both-seeds': 4 }, open: [] },
});

check('peers hear that we are complete, and seeds are let go', {
  has: [1, 2, 3, 4, 5, 6],
  peers: { A: ext, B: ext },
  script: [
    'A> extended 0',
    `A< ${hello()}`,
    'A> bitfield 7e',
    'A< bitfield fe',
    'A> interested',
    'B> extended 0',
    `B< ${hello()}`,
    'B> bitfield 7e',
    'A< unchoke',
    'A> request 0 0',
    ...['0', '16384', '32768', '49152'].map((begin) => `A< piece 0 ${begin}`),
    'B> have 0',
    `B> ${uploadOnlyOut(true)}`,
  ],
  expect: { closed: { 'session/both-seeds': 1 }, open: ['B'], snapshot: { phase: 'seeding' } },
});

check('an extension handshake may come again, and switch an extension off', {
  peers: { A: ext, B: ext },
  script: [
    `B< ${hello({ port: 7002 })}`,
    `A< ${hello()}`,
    `A< ${hello({ m: new Map([['ut_pex', 0]]) })}`,
    '= 10000',
    (s) => assert.deepEqual(pexOf(s, 'A'), []),
  ],
});

check('a port that no longer changes anything may come again', {
  peers: { A: ext },
  script: [`< ${hello({ port: 7001 })}`, `< ${hello({ port: 7002 })}`, '= 50'],
  expect: { open: ['A'], snapshot: { peersKnown: 1 } },
});

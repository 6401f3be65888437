import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Millis } from '#base';
import {
  FakePeer,
  formatMessage,
  lines,
  makeTorrent,
  type PeerKind,
  parseMessage,
  peerKinds,
  readBlock,
  SimNet,
  SimPeer,
  SimTracker,
  SimWorld,
} from '#sim';
import { nodeCrypto as crypto } from '../../support/node-crypto.ts';

const KIB = 1024;

function setUp(seed = 1, format: 'v1' | 'v2' | 'hybrid' = 'v1') {
  const world = new SimWorld(seed);
  const net = new SimNet(world);
  const torrent = makeTorrent(crypto, { seed: 3, files: [400_000, 100_000], pieceLength: 64 * KIB, format });
  const tracker = new SimTracker(world, net.addHost());
  const peer = (kind: PeerKind, line = lines.fibre) => {
    const host = net.addHost({ line });
    const made = new SimPeer({
      crypto,
      world,
      net: host,
      torrent,
      tracker,
      traits: peerKinds[kind],
      label: `${kind} ${host.index}`,
    });
    made.start();
    return made;
  };
  const fake = (fast = false) =>
    new FakePeer({
      world,
      net: net.addHost(),
      infoHash: torrent.swarmKey,
      flags: { fast },
      readBlock: (piece, begin, length) => readBlock(torrent, piece, begin, length),
    });
  return { world, net, torrent, tracker, peer, fake };
}

for (const format of ['v1', 'v2', 'hybrid'] as const) {
  test(`scripted peers find each other by the tracker and complete (${format})`, () => {
    const { world, peer, tracker } = setUp(1, format);
    peer('seeder');
    const leechers = [peer('leecher'), peer('leecher'), peer('leecher', lines.dsl), peer('freeRider')];
    const end = world.run({ until: () => leechers.every((l) => l.isDone), deadline: 300_000 as Millis });
    assert.equal(end, 'done', world.report());
    assert.equal(leechers.at(-1)?.sentBytes, 0);
    assert.ok(tracker.announceCount >= 5);
    assert.equal(tracker.store.stats().peerCount4, 5);
  });
}

test('kinds do what they are named after', () => {
  const { world, peer, fake } = setUp();
  const meet = (kind: PeerKind) => {
    const one = peer(kind);
    const other = fake(true);
    other.dial(one.address);
    return { one, other };
  };
  meet('freeRider').other.play([
    '> have-none',
    '< interested',
    '! 1000',
    '< have 2',
    '> interested',
    '< unchoke',
    '> request 2',
  ]);
  meet('seeder').other.play(['> have-all', '< interested', '> unchoke', '< request 1 16384', '> piece 1 16384 16384']);
  meet('neverUnchoker').other.play(['> have-all', '< interested', '! 5000', '< request 0 0', '> reject 0 0 16384']);
  meet('staller').other.play(['> have-all', '< interested', '> unchoke', '< request 0 0', '! 60000']);
  meet('slowAnswerer').other.play([
    '> have-all',
    '< interested',
    '> unchoke',
    '< request 0 0',
    '! 19000',
    '> piece 0 0',
  ]);
  meet('haveLiar').other.play(['> have-all', '< interested', '> unchoke', '< request 0 0', '> reject 0 0 16384']);

  const liar = meet('liar');
  liar.other.play(['> have-all', '< interested', '> unchoke']);
  for (let begin = 0; begin < 65_536; begin += 16_384) {
    for (let piece = 0; piece < 7; piece++) liar.other.play([`< request ${piece} ${begin}`, '> piece']);
  }
  assert.ok(liar.one.badBlocksSent > 2 && liar.one.badBlocksSent < 20, `${liar.one.badBlocksSent}`);

  const flooder = meet('haveFlooder').other;
  flooder.clear();
  world.runFor(1000);
  assert.ok(flooder.received.length > 1500, `${flooder.received.length}`);
});

test('a fake peer says what did not happen', () => {
  const { peer, fake } = setUp();
  const other = fake();
  other.dial(peer('seeder').address);
  assert.throws(() => other.play(['> have 3']), /'> have 3'; received: bitfield ff/);
  other.clear();
  assert.throws(() => other.play(['> unchoke']), /'unchoke' did not come; received: nothing/);
  const wrong = fake();
  wrong.dial({ host: '9.9.9.9', port: 1 });
  assert.equal(wrong.ended?.code, 'net/timeout');
});

test('messages are lines of text and back', () => {
  const lines = [
    'choke',
    'have 7',
    'bitfield ff80',
    'request 1 16384 16384',
    'cancel 1 0 5',
    'reject 2 0 16384',
    'port 6881',
  ];
  for (const line of [...lines, 'extended 3 6465', 'have-all', 'suggest 4', 'allowed-fast 1', 'unknown 99']) {
    assert.equal(formatMessage(parseMessage(line)), line);
  }
  assert.throws(() => parseMessage('have x'), /number 1 of 'have x'/);
  assert.throws(() => parseMessage('nonsense'), /no message/);
});

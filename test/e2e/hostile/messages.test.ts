import { type Attack, scale } from '../../support/hostile/arena.ts';
import { bitfield, getUnchoked, greet, have, poseAsSeed } from '../../support/hostile/behaviour.ts';
import {
  extended,
  extendedHandshake,
  extensions,
  handshake,
  ids,
  keepAlive,
  message,
  times,
  u32,
} from '../../support/hostile/raw-wire.ts';
import { runAttacks } from '../../support/hostile/run-attacks.ts';

const MIB = 1_048_576;

/** Bytes that are no message, and messages that come where they must not. */
const attacks: readonly Attack[] = [
  {
    name: 'a length of 4 GiB',
    direction: 'both',
    act: async (peer, scene) => {
      await greet(peer, scene);
      // Filled as far as the victim lets: what it holds must not follow what is claimed.
      peer.send(message(ids.extended, Buffer.alloc(1), 0xff_ff_ff_ff));
      await peer.flood(Buffer.alloc(MIB), { times: 64 });
    },
    expect: { code: 'peer/bad-message' },
  },
  {
    name: 'a block that is one byte too long',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(message(ids.piece, Buffer.concat([u32(0, 0), Buffer.alloc(16_385)])));
    },
    expect: { code: 'peer/bad-message' },
  },
  {
    name: 'an extension message that is one byte too long',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(extended(extensions.handshake, Buffer.alloc(65_537)));
    },
    expect: { code: 'peer/bad-message' },
  },
  {
    name: 'messages of unknown kinds, as long as they may be',
    act: async (peer, scene) => {
      await greet(peer, scene);
      scene.begin();
      await peer.flood(message(99, Buffer.alloc(MIB - 1)), { times: 16 });
      await scene.over;
    },
    expect: { kept: true },
  },
  {
    name: 'a message of an unknown kind that is too long',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(message(99, Buffer.alloc(0), MIB + 1));
    },
    expect: { code: 'peer/bad-message' },
  },
  ...[ids.choke, ids.have, ids.request, ids.port, ids.hashRequest].map(
    (id): Attack => ({
      name: `message ${id} of a wrong length`,
      act: async (peer, scene) => {
        await greet(peer, scene);
        peer.send(message(id, Buffer.alloc(id === ids.port ? 1 : 7)));
      },
      expect: { code: 'peer/bad-message' },
    }),
  ),
  {
    name: 'half a message, then silence',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(bitfield(scene.target.pieceCount).subarray(0, 9));
      scene.begin();
      await scene.over;
    },
    expect: { kept: true },
  },
  {
    name: 'half a message, then the end',
    direction: 'both',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      await Promise.race([peer.next((m) => m.id === ids.request), peer.closed]);
      peer.send(message(ids.piece, Buffer.concat([u32(0, 0), Buffer.alloc(8_000)]), 16_393));
      peer.end();
      await peer.closed;
    },
    expect: {},
  },
  {
    name: 'everything one byte at a time',
    direction: 'both',
    act: async (peer, scene) => {
      const { infoHash, pieceCount } = scene.target;
      const hello = handshake({ infoHash, peerId: peer.peerId });
      scene.begin();
      await peer.sendInPieces(
        Buffer.concat([hello, bitfield(pieceCount, (p) => p < 3), extendedHandshake({ reqq: 5 }), keepAlive, have(5)]),
      );
      await scene.over;
    },
    expect: { kept: true },
  },
  {
    name: 'a bitfield that is a byte too short',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(message(ids.bitfield, Buffer.alloc(Math.ceil(scene.target.pieceCount / 8) - 1)));
    },
    expect: { code: 'peer/bad-bitfield' },
  },
  {
    name: 'a bitfield that is a byte too long',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(message(ids.bitfield, Buffer.alloc(Math.ceil(scene.target.pieceCount / 8) + 1)));
    },
    expect: { code: 'peer/bad-message' },
  },
  {
    name: 'a bitfield with spare bits',
    act: async (peer, scene) => {
      await greet(peer, scene);
      const { pieceCount } = scene.target;
      const bits = Buffer.alloc(Math.ceil(pieceCount / 8));
      bits[bits.length - 1] = 1;
      peer.send(message(ids.bitfield, bits));
    },
    expect: { code: 'peer/bad-bitfield' },
  },
  {
    name: 'a bitfield without end before the metadata is known',
    direction: 'both',
    magnet: true,
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(message(ids.bitfield, Buffer.alloc(262_145)));
    },
    expect: { code: 'peer/bad-message' },
  },
  {
    name: 'have-all after a bitfield',
    direction: 'both',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(
        bitfield(scene.target.pieceCount, () => false),
        message(ids.haveAll),
      );
    },
    expect: { code: 'peer/late-bitfield' },
  },
  {
    name: 'a bitfield again and again',
    target: 'v2',
    act: async (peer, scene) => {
      await greet(peer, scene);
      const bits = bitfield(scene.target.pieceCount, (p) => p % 2 === 0);
      scene.begin();
      await peer.flood(
        times(500, () => bits),
        { stop: scene.isOver },
      );
    },
    expect: { also: ['peer/message-flood'] },
  },
  {
    name: 'a piece that does not exist',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(have(scene.target.pieceCount));
    },
    expect: { code: 'peer/bad-have' },
  },
  {
    name: 'the fast extension without agreement',
    act: async (peer, scene) => {
      await greet(peer, scene, { fast: false });
      peer.send(message(ids.haveNone));
    },
    expect: { code: 'peer/not-negotiated' },
  },
  {
    name: 'a request beyond the piece',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(message(ids.request, u32(0, scene.target.pieceLength, 16_384)));
    },
    expect: { code: 'peer/bad-request' },
  },
  {
    name: 'a request of 4 GiB',
    seeding: true,
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      peer.send(message(ids.request, u32(0, 0, 0xff_ff_ff_ff)));
    },
    expect: { code: 'peer/bad-request' },
  },
  {
    name: 'keep-alives without end',
    act: async (peer, scene) => {
      await greet(peer, scene);
      await peer.flood(times(10_000, () => keepAlive));
    },
    expect: { code: 'peer/message-flood' },
  },
  {
    name: 'interested and not interested in turn, without end',
    act: async (peer, scene) => {
      await greet(peer, scene);
      const both = Buffer.concat([message(ids.interested), message(ids.notInterested)]);
      await peer.flood(times(5_000, () => both));
    },
    expect: { code: 'peer/message-flood' },
  },
  {
    name: 'interested and not interested in turn, as often as is allowed',
    act: async (peer, scene) => {
      await greet(peer, scene);
      scene.begin();
      const both = Buffer.concat([message(ids.interested), message(ids.notInterested)]);
      for (let i = 0; i < 1_000 * scale && !scene.isOver(); i++) await peer.sendInPieces(both, 5);
    },
    expect: {},
  },
  {
    name: 'choke and unchoke in turn, as a seed',
    direction: 'both',
    attackers: 3,
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene, { fast: scene.index % 2 === 0 });
      scene.begin();
      const both = Buffer.concat([message(ids.choke), message(ids.unchoke)]);
      for (let i = 0; i < 2_000 * scale && !scene.isOver(); i++) await peer.sendInPieces(both, 5);
    },
    expect: {},
  },
  {
    name: 'HAVE and donthave in turn, without end',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(extendedHandshake());
      const both = Buffer.concat([have(3), extended(extensions.dontHave, u32(3))]);
      await peer.flood(times(5_000, () => both));
    },
    expect: { code: 'peer/message-flood' },
  },
  {
    name: 'donthave of pieces that nobody has or knows',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(
        extendedHandshake(),
        times(100, (i) => extended(extensions.dontHave, u32(i * 50_000_000))),
      );
      scene.begin();
      await scene.over;
    },
    expect: { kept: true },
  },
  {
    name: 'suggest, allowed-fast and reject for anything',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      peer.send(message(ids.choke));
      peer.onMessage(({ id, body }) => {
        if (id === ids.request) peer.send(message(ids.reject, body));
      });
      scene.begin();
      for (let i = 0; i < 40 && !scene.isOver(); i++) {
        const one = (k: number): Buffer =>
          Buffer.concat([
            message(ids.suggest, u32(k * 7_919)),
            message(ids.allowedFast, u32((i + k) % (scene.target.pieceCount + 9))),
            message(ids.reject, u32(k, 0, 16_384)),
            message(ids.reject, u32(0xff_ff_ff_ff, 0xff_ff_ff_ff, 0xff_ff_ff_ff)),
          ]);
        await peer.sendAll(times(100, one));
      }
    },
    expect: {},
  },
];

runAttacks(attacks);

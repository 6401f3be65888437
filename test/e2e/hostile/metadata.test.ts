import assert from 'node:assert/strict';
import type { Attack } from '../../support/hostile/arena.ts';
import { getUnchoked, greet, poseAsSeed, spoilt } from '../../support/hostile/behaviour.ts';
import type { RawPeer } from '../../support/hostile/raw-peer.ts';
import {
  extended,
  extendedHandshake,
  extensions,
  ids,
  metadataData,
  metadataRequest,
  pex,
  times,
} from '../../support/hostile/raw-wire.ts';
import { runAttacks } from '../../support/hostile/run-attacks.ts';

const UNIT = 16_384;
/** As named in our extension handshake. */
const theirMetadataId = 5;

const nested = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth);

const bombs: Readonly<Record<string, string>> = {
  'lists in lists': nested('l', 'e', 30_000),
  'dictionaries in dictionaries': nested('d1:a', 'e', 10_000),
  'lists that never end': 'l'.repeat(60_000),
  'a string of 10^18 bytes': '999999999999999999:x',
  'a number of sixty thousand digits': `i${'9'.repeat(60_000)}e`,
  'twenty thousand keys': `d${Array.from({ length: 10_000 }, (_, i) => `${5}:${String(i).padStart(5, '0')}0:`).join('')}e`,
};

const kinds = [
  ['handshake', extensions.handshake],
  ['metadata', extensions.metadata],
  ['PEX', extensions.pex],
] as const;

/** What a victim asks of the metadata, answered by `answer`. */
function answerMetadata(peer: RawPeer, answer: (piece: number) => Buffer | undefined): void {
  peer.onMessage(({ id, body }) => {
    if (id !== ids.extended || body[0] !== theirMetadataId) return;
    const piece = /msg_typei0e5:piecei(\d+)e/.exec(body.toString('latin1'))?.[1];
    const bytes = piece === undefined ? undefined : answer(Number(piece));
    if (bytes !== undefined) peer.send(bytes);
  });
}

const attacks: readonly Attack[] = [
  ...Object.entries(bombs).map(([name, bomb], i): Attack => {
    const [kind, id] = kinds[i % kinds.length] as (typeof kinds)[number];
    return {
      name: `${name} in a ${kind} message`,
      act: async (peer, scene) => {
        await greet(peer, scene);
        peer.send(extendedHandshake());
        peer.send(extended(id, bomb));
      },
      expect: { code: 'peer/bad-message' },
    };
  }),
  ...[0, -1, 33_554_433, 2 ** 52].map(
    (size): Attack => ({
      name: `metadata of ${size} bytes`,
      magnet: true,
      act: async (peer, scene) => {
        await greet(peer, scene);
        peer.send(extendedHandshake({ size }));
        scene.begin();
        await scene.over;
      },
      expect: { kept: true },
    }),
  ),
  {
    name: 'metadata of as many bytes as may be, another number from each, and rubbish for it',
    magnet: true,
    attackers: 8,
    act: async (peer, scene) => {
      await greet(peer, scene);
      const size = 33_554_432 - scene.index * UNIT;
      answerMetadata(peer, (piece) => metadataData(piece, size, Buffer.alloc(UNIT, scene.index)));
      peer.send(extendedHandshake({ size }));
      scene.begin();
      await Promise.race([scene.over, peer.closed]);
    },
    expect: { peakMiB: 120, rssMiB: 90 },
  },
  {
    name: 'rubbish of the right size for metadata',
    direction: 'both',
    magnet: true,
    target: 'large',
    act: async (peer, scene) => {
      await greet(peer, scene);
      const { info } = scene.target;
      answerMetadata(peer, (piece) =>
        metadataData(piece, info.length, spoilt(Buffer.from(info.subarray(piece * UNIT, (piece + 1) * UNIT)))),
      );
      peer.send(extendedHandshake({ size: info.length }));
      await peer.closed;
    },
    expect: { code: 'peer/bad-metadata', banned: 1, rssMiB: 60 },
  },
  {
    name: 'one bad piece of metadata in what honest peers send too',
    magnet: true,
    target: 'large',
    attackers: 3,
    act: async (peer, scene) => {
      await greet(peer, scene);
      const { info } = scene.target;
      answerMetadata(peer, (piece) => {
        if (piece > 0) return extended(extensions.metadata, `d8:msg_typei2e5:piecei${piece}ee`);
        return metadataData(piece, info.length, spoilt(Buffer.from(info.subarray(0, UNIT)), scene.index));
      });
      peer.send(extendedHandshake({ size: info.length }));
      scene.begin();
      await Promise.race([scene.over, peer.closed]);
    },
    expect: { also: ['peer/bad-metadata'], banned: 'any', rssMiB: 60 },
  },
  {
    name: 'metadata pieces of a wrong length',
    magnet: true,
    target: 'large',
    act: async (peer, scene) => {
      await greet(peer, scene);
      const size = scene.target.info.length;
      answerMetadata(peer, (piece) => metadataData(piece, size, Buffer.alloc(100)));
      peer.send(extendedHandshake({ size }));
      await peer.closed;
    },
    expect: { code: 'peer/bad-message', rssMiB: 60 },
  },
  {
    name: 'metadata that nobody asked for',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(extendedHandshake({ size: 100_000 }));
      scene.begin();
      await peer.flood(metadataData(3, 100_000, Buffer.alloc(UNIT)), { times: 200, stop: scene.isOver });
      await scene.over;
    },
    expect: { kept: true },
  },
  {
    name: 'requests for metadata without end, and no reading',
    seeding: true,
    target: 'large',
    attackers: 4,
    act: async (peer, scene) => {
      await getUnchoked(peer, scene);
      peer.send(extendedHandshake());
      peer.reading(false);
      await peer.sendAll(times(5_000, (i) => metadataRequest(i % 2)));
    },
    expect: {},
  },
  {
    name: 'names of a thousand extensions, all ids, a huge reqq and nonsense about addresses',
    act: async (peer, scene) => {
      await poseAsSeed(peer, scene);
      const names = Array.from({ length: 100 }, (_, i) => `7:x${String(i).padStart(6, '0')}i${i}e`).join('');
      const rest = `4:ipv44:\0\0\0\x004:ipv63:abc1:pi0e4:reqqi${2 ** 50}e1:v64:${'\x1b'.repeat(64)}6:yourip4:\xff\xff\xff\xff`;
      peer.send(extended(extensions.handshake, `d1:md${names}e${rest}e`));
      for (let id = 5; id < 256; id++) peer.send(extended(id, 'de'));
      scene.begin();
      await scene.over;
    },
    expect: {},
  },
  {
    name: 'PEX with a thousand lists, though one a minute is allowed',
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(extendedHandshake());
      scene.begin();
      for (let n = 0; n < 1_000 && !scene.isOver(); n++) {
        await peer.sendAll(pex(Array.from({ length: 200 }, (_, i) => [`127.7.${n % 250}.${1 + i}`, 1] as const)));
      }
      await scene.over;
    },
    expect: { kept: true, check: ({ peersKnown }) => assert.ok(peersKnown <= 110, `${peersKnown} addresses`) },
  },
  {
    name: 'PEX from thirty peers: thousands of invented addresses',
    attackers: 30,
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(extendedHandshake());
      peer.send(pex(Array.from({ length: 200 }, (_, i) => [`127.7.${scene.index}.${1 + i}`, 1 + i] as const)));
      scene.begin();
      await scene.over;
    },
    expect: {
      kept: true,
      check: ({ peersKnown, peakFds }) => {
        assert.ok(peersKnown <= 1_050, `${peersKnown} addresses`);
        assert.ok(peakFds < 300, `${peakFds} descriptors: dials are bounded`);
      },
    },
  },
  {
    name: 'PEX with ports 0, the victim itself, and every port of one host',
    attackers: 3,
    act: async (peer, scene) => {
      await greet(peer, scene);
      peer.send(extendedHandshake());
      const { host, port } = scene.victimAddress;
      const lists = [
        Array.from({ length: 200 }, (_, i) => [`127.8.0.${1 + i}`, 0] as const),
        [[host, port] as const],
        Array.from({ length: 200 }, (_, i) => ['127.8.1.1', 20_000 + i] as const),
      ];
      peer.send(pex(lists[scene.index] ?? []));
      scene.begin();
      await scene.over;
    },
    expect: {
      also: ['peer/self'],
      check: ({ peersKnown }) => assert.ok(peersKnown <= 10, `${peersKnown} addresses`),
    },
  },
];

runAttacks(attacks);

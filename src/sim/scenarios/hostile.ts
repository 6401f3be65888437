import type { PeerTraits } from '../peers/traits.ts';
import type { SimSwarm } from '../swarm.ts';
import type { Scenario } from './scenario.ts';

const MIB = 1_048_576;

/** From one bad block in a thousand to whole pieces, bad in the same way each time or not, alone or two of one mind. */
const lies: readonly (readonly [name: string, about: string, traits: Partial<PeerTraits>])[] = [
  ['lies-in-a-thousand', 'one block in a thousand is bad', { badBlockRate: 0.001 }],
  [
    'lies-that-change',
    'one block in a hundred is bad, in another way each time',
    { badBlockRate: 0.01, isBadConsistently: false },
  ],
  ['lies-in-ten', 'one block in ten is bad', { badBlockRate: 0.1 }],
  ['lies-of-pieces', 'one piece in four is bad in all its blocks', { badBlockRate: 0, badPieceRate: 0.25 }],
  ['lies-throughout', 'every block is bad', { badBlockRate: 1 }],
  ['lies-together', 'two lie in the same places in the same way', { badBlockRate: 0.05, liesLike: 'twins' }],
  [
    'lies-of-pieces-together',
    'two lie about the same pieces alike',
    { badBlockRate: 0, badPieceRate: 0.2, liesLike: 'twins' },
  ],
];

export const hostileScenarios: readonly Scenario[] = [
  {
    name: 'liars',
    about: 'peers that send bad blocks are found out, and nobody else is',
    run(w) {
      w.seeders(2);
      w.peers('liar', 2);
      w.leechers(4);
      w.until(w.done, '5m');
      const { guilty } = w.banned();
      w.check(guilty.length > 0 || w.scripted.every((p) => p.badBlocksSent === 0), 'no liar was banned');
      checkInnocents(w);
    },
  },
  {
    name: 'rare-lies',
    about: 'one block in two hundred is bad, and bad in another way each time',
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.peers('liar', 3, { traits: { badBlockRate: 0.005, isBadConsistently: false } });
      w.leechers(4);
      w.until(w.done, '5m');
      checkInnocents(w);
    },
  },
  ...lies.map(
    ([name, about, traits]): Scenario => ({
      name,
      about,
      torrent: { files: 12 * MIB, pieceLength: 131_072 },
      run(w) {
        w.seeders(1, { line: 'cable' });
        w.peers('liar', 2, { traits });
        w.leechers(4, { line: 'cable' });
        w.until(w.done, '10m');
        checkInnocents(w);
      },
    }),
  ),
  {
    name: 'stallers',
    about: 'peers that take requests and never answer, or only at first, or with half a block',
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.peers('staller', 4);
      w.peers('lateStaller', 2);
      w.peers('halver', 2);
      w.peers('neverUnchoker', 3);
      w.peers('haveLiar', 2);
      w.leechers(3);
      w.until(w.done, '8m');
    },
  },
  {
    name: 'flooders',
    about: 'floods of requests, HAVEs, chokes, cancels, keep-alives and blocks nobody asked for',
    run(w) {
      w.seeders(2);
      w.peers('requestFlooder', 1);
      w.peers('haveFlooder', 1);
      w.peers('chokeFlooder', 1);
      w.peers('interestFlooder', 1);
      w.peers('cancelFlooder', 1);
      w.peers('keepAliveFlooder', 1);
      w.peers('blockFlooder', 1);
      w.leechers(4);
      w.until(w.done, '5m');
    },
  },
  {
    name: 'false-haves',
    about: 'peers that claim what they have not, at once or piece by piece, and refuse it or say nothing',
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.peers('haveLiar', 2);
      w.peers('bitfieldLiar', 2);
      w.peers('bitfieldLiar', 2, { traits: { fast: false } });
      w.peers('falseHaver', 2);
      w.peers('falseHaver', 2, { traits: { fast: false } });
      w.leechers(4);
      w.until(w.done, '10m');
    },
  },
  {
    name: 'without-fast',
    about: 'peers that know no fast extension choke and unchoke all the time: each choke voids what was asked',
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.peers('chokeFlooder', 3, { traits: { fast: false, floodPerSec: 2 } });
      w.peers('seeder', 1, { line: 'slow', traits: { fast: false } });
      w.leechers(3);
      w.until(w.done, '5m');
    },
  },
  {
    name: 'false-hashes',
    about: 'peers that answer requests for hashes with wrong ones; who asked has nothing but a magnet link',
    torrent: { format: 'v2', files: [5 * MIB + 77, 3 * MIB, 20_000], pieceLength: 65_536 },
    run(w) {
      w.seeders(1, { line: 'cable', after: '3s' });
      w.peers('hashLiar', 3);
      w.leechers(3, { isMagnet: true });
      w.until(w.done, '5m');
      checkInnocents(w);
    },
  },
  {
    name: 'odd-bitfields',
    about: 'bitfields too short, too long, with spare bits set: their senders are dropped; a late one is forgiven',
    torrent: { files: 83 * 65_536, pieceLength: 65_536 },
    run(w) {
      w.seeders(1, { line: 'cable' });
      for (const bitfield of ['short', 'long', 'spare-bits', 'late'] as const) {
        for (const fast of [true, false]) w.peers('seeder', 1, { traits: { bitfield, fast } });
      }
      w.leechers(3);
      w.until(w.done, '5m');
      for (const peer of w.scripted) {
        const isLate = peer.traits.bitfield === 'late';
        w.check(
          isLate || peer.sentBytes === 0,
          `${peer.traits.bitfield}: a peer with such a bitfield was asked for blocks`,
        );
      }
    },
  },
];

function checkInnocents(w: SimSwarm): void {
  const { innocent } = w.banned();
  w.check(innocent.length === 0, `innocent peers were banned: ${innocent.join(' ')}`);
}

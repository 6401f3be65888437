import { checkFiles } from './checkers.ts';
import type { SimSwarm } from './swarm.ts';
import type { MadeUpTorrent } from './torrents.ts';

/** A situation a swarm can be in, and what has to come out of it. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly torrent?: Partial<MadeUpTorrent>;
  /** Sets the swarm up, runs it, and checks what is particular; `finish` checks what always holds. */
  run(w: SimSwarm): void;
}

const MIB = 1_048_576;
const everySecondFile = (count: number) => Array.from({ length: count }, (_, i) => i % 2 === 0);

export const scenarios: readonly Scenario[] = [
  {
    name: 'pair',
    about: 'one seeder, one downloader',
    run(w) {
      w.seeders(1);
      w.leechers(1);
      w.until(w.done, '2m');
    },
  },
  {
    name: 'honest',
    about: 'one slow seeder and ten downloaders that have to feed each other',
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.leechers(10, { line: 'cable' });
      w.until(w.done, '5m');
    },
  },
  {
    name: 'fifty',
    about: 'fifty peers on lines of all kinds',
    torrent: { files: 16 * MIB, pieceLength: 131_072 },
    run(w) {
      w.seeders(2, { line: 'cable' });
      w.leechers(20, { line: 'fibre' });
      w.leechers(20, { line: 'cable' });
      w.leechers(5, { line: 'dsl' });
      w.leechers(3, { line: 'mobile' });
      w.until(w.done, '20m');
    },
  },
  {
    name: 'firewalls',
    about: 'half of the swarm cannot be connected to',
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.leechers(4, { isFirewalled: true });
      w.leechers(4);
      w.until(w.done, '5m');
    },
  },
  {
    name: 'slow-peers',
    about: 'most of those who have the content are slow; the rest must not wait for them',
    run(w) {
      w.seeders(1);
      w.seeders(4, { line: 'slow' });
      w.peers('slowAnswerer', 3);
      w.leechers(3);
      w.until(w.done, '3m');
    },
  },
  {
    name: 'high-latency',
    about: 'satellite lines: the pipeline has to follow the bandwidth-delay product',
    run(w) {
      w.seeders(1, { line: 'satellite' });
      w.leechers(2, { line: 'satellite' });
      w.until(w.done, '5m');
    },
  },
  {
    name: 'liars',
    about: 'peers that send bad blocks are found out, and nobody else is',
    run(w) {
      w.seeders(2);
      w.peers('liar', 2);
      w.leechers(4);
      w.until(w.done, '5m');
      const { guilty, innocent } = w.banned();
      w.check(innocent.length === 0, `innocent peers were banned: ${innocent.join(' ')}`);
      w.check(guilty.length > 0 || w.scripted.every((p) => p.badBlocksSent === 0), 'no liar was banned');
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
      w.check(w.banned().innocent.length === 0, 'innocent peers were banned');
    },
  },
  {
    name: 'stallers',
    about: 'peers that take requests and never answer',
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.peers('staller', 5);
      w.peers('neverUnchoker', 3);
      w.peers('haveLiar', 2);
      w.leechers(3);
      w.until(w.done, '5m');
    },
  },
  {
    name: 'flooders',
    about: 'floods of requests, HAVEs, keep-alives and blocks nobody asked for',
    run(w) {
      w.seeders(2);
      w.peers('requestFlooder', 1);
      w.peers('haveFlooder', 1);
      w.peers('keepAliveFlooder', 1);
      w.peers('blockFlooder', 1);
      w.leechers(4);
      w.until(w.done, '5m');
    },
  },
  {
    name: 'free-riders',
    about: 'a third of the swarm takes and never gives',
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.leechers(6, { line: 'cable' });
      w.peers('freeRider', 3, { line: 'cable' });
      w.until(w.done, '10m');
    },
  },
  {
    name: 'partition',
    about: 'the network falls into two parts in the middle and heals after two minutes',
    run(w) {
      w.seeders(1, { line: 'cable' });
      const far = w.leechers(4, { line: 'cable' });
      w.leechers(4, { line: 'cable' });
      w.after('10s', () => w.net.partition(far.map((c) => c.net)));
      w.after('130s', () => w.net.heal());
      w.until(w.done, '15m');
    },
  },
  {
    name: 'breaking-links',
    about: 'connections are reset or die in silence all the time',
    run(w) {
      w.seeders(2, { line: 'cable' });
      w.leechers(6, { line: 'cable' });
      w.net.dialFailRate = 0.1;
      w.every('3s', () => w.net.resetOne());
      w.every('20s', () => w.net.darkenOne());
      w.until(w.done, '30m');
      w.net.dialFailRate = 0;
    },
  },
  {
    name: 'full-disk',
    about: 'a disk runs full, later there is space again',
    run(w) {
      w.seeders(1);
      const [small] = w.leechers(1, { diskBytes: 3 * MIB });
      w.leechers(2);
      w.after('60s', () => {
        if (small !== undefined) small.disk.capacityBytes = 1e9;
      });
      w.until(w.done, '5m');
    },
  },
  {
    name: 'lying-disk',
    about: 'bits flip on their way to and from disks, and nobody says so',
    run(w) {
      const [shaky] = w.seeders(1);
      w.seeders(1, { line: 'cable' });
      const leechers = w.leechers(3);
      if (shaky !== undefined) shaky.disk.faults.flipOnReadRate = 0.02;
      // What a downloader's own disk does to stored pieces nobody can see before they are served: one such disk only.
      const [first] = leechers;
      if (first !== undefined) first.disk.faults.flipOnReadRate = 0.01;
      w.until(w.done, '10m');
    },
  },
  {
    name: 'disk-errors',
    about: 'writes fail on all disks until somebody repairs them and starts the client again',
    run(w) {
      w.seeders(1, { line: 'cable' });
      const leechers = w.leechers(3);
      w.after('3s', () => {
        for (const { disk } of leechers) disk.faults.writeErrorRate = 1;
      });
      w.until(() => leechers.every((c) => c.isRunning && c.snapshot().phase === 'error'), '2m');
      for (const client of leechers) {
        w.check(client.snapshot().error?.code === 'disk/io', 'the torrent says what is wrong');
        client.disk.faults.writeErrorRate = 0;
        client.stop();
      }
      w.until(() => leechers.every((c) => c.hasStopped), '1m');
      for (const client of leechers) client.start();
      w.until(w.done, '5m');
    },
  },
  {
    name: 'seed-leaves',
    about: 'the only seeder goes as soon as it has sent each piece; the rest must have a whole copy together',
    run(w) {
      const [seeder] = w.seeders(1, { line: 'cable' });
      const leechers = w.leechers(6, { line: 'cable' });
      const isOneCopyOut = () => isWholeTogether(w, leechers.length);
      w.until(isOneCopyOut, '10m');
      seeder?.stop();
      w.until(w.done, '20m');
    },
  },
  {
    name: 'kill-and-restart',
    about: 'a downloader is killed again and again and goes on where it was',
    run(w) {
      w.seeders(1, { line: 'cable' });
      const [victim] = w.leechers(1);
      w.leechers(2);
      for (const at of ['4s', '9s', '15s']) {
        w.after(at, () => {
          if (victim?.isRunning !== true) return;
          victim.kill('process');
          w.after('1s', () => victim.start());
        });
      }
      w.until(w.done, '10m');
    },
  },
  {
    name: 'tracker-trouble',
    about: 'the tracker is down at first, then talks rubbish, then works',
    run(w) {
      w.tracker.mood = 'down';
      w.after('20s', () => {
        w.tracker.mood = 'garbage';
      });
      w.after('60s', () => {
        w.tracker.mood = 'ok';
      });
      w.seeders(1);
      w.leechers(2);
      w.until(w.done, '60m');
    },
  },
  {
    name: 'magnet',
    about: 'downloaders know only the info-hash and fetch the metadata from peers',
    torrent: { files: Array.from({ length: 300 }, (_, i) => 10_000 + i), pieceLength: 16_384 },
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.leechers(3, { isMagnet: true });
      w.until(w.done, '5m');
    },
  },
  {
    name: 'v2',
    about: 'a v2 torrent of several files',
    torrent: { format: 'v2', files: [5 * MIB + 77, 0, 20_000, 3 * MIB], pieceLength: 65_536 },
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.leechers(4);
      w.until(w.done, '5m');
    },
  },
  {
    name: 'v2-magnet',
    about: 'a v2 magnet link: metadata and then piece hashes come from peers',
    torrent: { format: 'v2', files: [5 * MIB + 77, 20_000], pieceLength: 65_536 },
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.leechers(3, { isMagnet: true });
      w.until(w.done, '5m');
    },
  },
  {
    name: 'hybrid',
    about: 'a hybrid torrent with pad files, and a liar in it',
    torrent: { format: 'hybrid', files: [3 * MIB + 5, 100, 40_000, 4 * MIB], pieceLength: 65_536 },
    run(w) {
      w.seeders(1);
      w.peers('liar', 1);
      w.leechers(4);
      w.until(w.done, '5m');
    },
  },
  {
    name: 'selection',
    about: 'downloaders want only some files; the others are never created',
    torrent: { files: Array.from({ length: 12 }, (_, i) => 700_000 + i * 1000), pieceLength: 65_536 },
    run(w) {
      w.seeders(1, { line: 'cable' });
      const wanted = everySecondFile(12);
      const pickers = w.leechers(3, { select: () => wanted });
      w.leechers(1);
      w.until(w.done, '5m');
      for (const picker of pickers) for (const problem of checkFiles(picker, wanted)) w.check(false, problem);
    },
  },
  {
    name: 'large-pieces',
    about: 'pieces of 16 MiB, written through in segments, with a small buffer budget',
    torrent: { files: 96 * MIB, pieceLength: 16 * MIB, isPretended: true },
    run(w) {
      w.seeders(1);
      w.leechers(2, { pieceBytesMax: 24 * MIB });
      w.until(w.done, '10m');
    },
  },
];

export function findScenario(name: string): Scenario | undefined {
  return scenarios.find((scenario) => scenario.name === name);
}

/** Every piece is whole on the disk of somebody who downloads. */
function isWholeTogether(w: SimSwarm, leecherCount: number): boolean {
  const images = w.clients.slice(-leecherCount).map((client) => client.disk.image(w.torrent.torrent.info));
  for (let piece = 0; piece < w.torrent.geometry.pieceCount; piece++) {
    if (!images.some((image) => image.isWhole(piece))) return false;
  }
  return true;
}

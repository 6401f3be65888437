import { checkFiles } from '../checkers.ts';
import type { Scenario } from './scenario.ts';

const MIB = 1_048_576;
const everySecondFile = (count: number) => Array.from({ length: count }, (_, i) => i % 2 === 0);

export const formatsScenarios: readonly Scenario[] = [
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
  {
    name: 'v1-and-v2',
    about: 'peers that know only v1 or only v2 in the swarms of a hybrid torrent; those who know both join the two',
    torrent: { format: 'hybrid', files: [1 * MIB + 5, 100, 40_000, 2 * MIB], pieceLength: 65_536 },
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.leechers(2);
      w.leechers(1, { isMagnet: true, magnetNames: 'v1' });
      w.leechers(1, { isMagnet: true, magnetNames: 'v2' });
      const others = [
        ...w.peers('leecher', 2, { traits: { knows: 'v1' } }),
        ...w.peers('leecher', 2, { traits: { knows: 'v2' } }),
        ...w.peers('leecher', 1),
      ];
      w.until(w.done, '5m');
      const isEverybodyDone = () => others.every((peer) => peer.isDone);
      w.until(isEverybodyDone, '5m');
    },
  },
  {
    name: 'v1-seed-v2-seed',
    about:
      'one seeder knows v1, another v2: a hybrid downloader gets it from both, and a magnet link of either hash will do',
    torrent: { format: 'hybrid', files: [1 * MIB + 5, 100, 40_000, 2 * MIB], pieceLength: 65_536 },
    run(w) {
      w.peers('seeder', 1, { line: 'cable', traits: { knows: 'v1' } });
      w.peers('seeder', 1, { line: 'cable', traits: { knows: 'v2' } });
      w.leechers(2);
      w.leechers(1, { isMagnet: true, magnetNames: 'v1' });
      w.leechers(1, { isMagnet: true, magnetNames: 'v2' });
      w.until(w.done, '5m');
    },
  },
];

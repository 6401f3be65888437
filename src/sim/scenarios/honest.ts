import { isWholeTogether, type Scenario } from './scenario.ts';

const MIB = 1_048_576;

export const honestScenarios: readonly Scenario[] = [
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
    checkEvery: 200,
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
    name: 'seed-leaves',
    about: 'the only seeder goes as soon as it has sent each piece; the rest must have a whole copy together',
    run(w) {
      const [seeder] = w.seeders(1, { line: 'cable' });
      const leechers = w.leechers(6, { line: 'cable' });
      const isOneCopyOut = () => isWholeTogether(w, leechers);
      w.until(isOneCopyOut, '10m');
      seeder?.stop();
      w.until(w.done, '20m');
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
];

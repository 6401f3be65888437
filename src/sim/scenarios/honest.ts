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
    name: 'fast-seed',
    about: 'a seeder on a fast line serves all six downloaders soon, and none waits for the next round of choking',
    torrent: { files: 64 * MIB, pieceLength: 262_144 },
    checkEvery: 50,
    run(w) {
      const [seeder] = w.seeders(1, { line: 'fibre' });
      w.leechers(6, { line: 'fibre' });
      const isServed = () => {
        const peers = seeder?.brain?.peers(w.world.now) ?? [];
        return peers.length === 6 && peers.every((peer) => !peer.amChoking);
      };
      w.until(isServed, '4s');
      w.until(w.done, '1m');
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
    name: 'two-hundred',
    about: 'two hundred honest peers, two of them seeders',
    torrent: { files: 1.5 * MIB, pieceLength: 65_536 },
    checkEvery: 1000,
    run(w) {
      w.seeders(2, { line: 'fibre' });
      // Fewer connections than a client has by default: each HAVE to everybody is what a large swarm costs.
      w.leechers(100, { line: 'fibre', connsMax: 30 });
      w.leechers(98, { line: 'cable', connsMax: 30 });
      w.until(w.done, '10m');
    },
  },
  {
    name: 'flash-crowd',
    about: 'sixty come to one seeder within seconds',
    torrent: { files: 6 * MIB, pieceLength: 65_536 },
    checkEvery: 200,
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.run('60s');
      w.leechers(60, { line: 'cable' });
      w.until(w.done, '10m');
    },
  },
  {
    name: 'seed-leaves',
    about: 'the only seeder goes at exactly 1.0 distributed copies; the rest must have it all together',
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
    name: 'seed-dies',
    about: 'the same, but the seeder loses power, and nobody is told',
    run(w) {
      const [seeder] = w.seeders(1, { line: 'cable' });
      const leechers = w.leechers(6, { line: 'cable' });
      const isOneCopyOut = () => isWholeTogether(w, leechers);
      w.until(isOneCopyOut, '10m');
      seeder?.kill('power');
      w.until(w.done, '20m');
    },
  },
  {
    name: 'free-riders',
    about: 'thirty in a hundred take and never give',
    run(w) {
      w.seeders(1, { line: 'cable' });
      w.leechers(7, { line: 'cable' });
      w.peers('freeRider', 3, { line: 'cable' });
      w.until(w.done, '10m');
    },
  },
  {
    name: 'churn',
    about: 'members come and go all the time, some in good order and some not; in the end everybody has it',
    run(w) {
      const rng = w.world.rng.fork('churn');
      w.seeders(1, { line: 'cable' });
      const leechers = w.leechers(10, { line: 'dsl' });
      let isOver = false;
      w.every('3s', () => {
        const client = leechers[rng.below(leechers.length)];
        if (isOver || client?.isRunning !== true) return;
        if (rng.below(2) === 0) client.stop();
        else client.kill(rng.below(2) === 0 ? 'process' : 'power');
      });
      w.every('5s', () => {
        for (const client of leechers) if (!client.isRunning && client.runCount > 0) client.start();
      });
      w.run('90s');
      isOver = true;
      w.until(w.done, '20m');
    },
  },
];

import type { Scenario } from './scenario.ts';

export const hostileScenarios: readonly Scenario[] = [
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
];

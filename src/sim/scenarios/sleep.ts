import type { Scenario } from './scenario.ts';

/** Torrents that rest: seeds that nobody asks for, and what the queue holds back. */
export const sleepScenarios: readonly Scenario[] = [
  {
    name: 'sleepers',
    about: 'seeds asleep are found and serve, go to sleep when nobody is there, and wake again',
    run(w) {
      const seeds = w.seeders(2, { line: 'cable', isKept: true });
      const count = (type: 'waking' | 'resting') =>
        seeds.flatMap((c) => c.events).filter(({ event }) => event.type === type).length;
      w.until(() => seeds.every((c) => c.isRunning && c.snapshot().phase === 'dormant'), '10s');
      const [first] = w.leechers(1, { line: 'cable' });
      w.until(() => first?.isDone === true, '5m');
      w.check(count('waking') > 0, 'nobody woke');
      first?.stop();
      w.until(() => seeds.every((c) => c.snapshot().phase === 'dormant'), '10m');
      w.check(count('resting') === count('waking'), 'not all who woke sleep again');
      w.run('10s');
      for (const c of seeds) w.check(c.host.leaks().length === 0, `asleep: ${c.host.leaks().join(', ')}`);
      const woken = count('waking');
      w.leechers(2, { line: 'cable' });
      w.until(w.done, '10m');
      w.check(count('waking') > woken, 'nobody woke again');
    },
  },
  {
    name: 'sleepers-lost',
    about:
      'a seed that wakes finds its torrent file gone and its data damaged: it gets both from the others and goes on',
    torrent: { files: 2_000_000, pieceLength: 65_536 },
    run(w) {
      const [poor] = w.seeders(1, { line: 'cable', isKept: true, has: [0, 1, 2, 3] });
      w.seeders(1, { line: 'cable', isKept: true });
      w.until(() => poor?.isRunning === true && poor.snapshot().phase === 'dormant', '10s');
      poor?.disk.torrentFiles.clear();
      w.leechers(1, { line: 'cable' });
      w.until(w.done, '10m');
      w.until(() => poor?.snapshot().isComplete === true || poor?.snapshot().phase === 'dormant', '10m');
    },
  },
];

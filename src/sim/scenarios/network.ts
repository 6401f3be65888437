import type { Scenario } from './scenario.ts';

export const networkScenarios: readonly Scenario[] = [
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
    name: 'clock-jumps',
    about: 'wall clocks jump by hours and by weeks, and clients start again after it',
    run(w) {
      w.seeders(1, { line: 'cable' });
      const leechers = w.leechers(4);
      const HOUR = 3_600_000;
      for (const [at, ms] of [
        ['2s', HOUR],
        ['5s', -26 * HOUR],
        ['8s', 500 * HOUR],
        ['11s', -400 * HOUR],
      ] as const) {
        w.after(at, () => {
          w.world.jumpWallClock(ms);
          const running = leechers.filter((client) => client.isRunning);
          for (const client of running.slice(0, 2)) client.kill('process');
          w.after('1s', () => {
            for (const client of leechers) if (!client.isRunning && client.runCount > 0) client.start();
          });
        });
      }
      w.run('15s');
      w.until(w.done, '10m');
    },
  },
  {
    name: 'suspended',
    about: 'machines sleep for seconds or minutes and hear everything at once when they wake',
    run(w) {
      const seeders = w.seeders(2, { line: 'cable' });
      const leechers = w.leechers(4, { line: 'cable' });
      for (const [who, from, to] of [
        [leechers[0], '4s', '7s'],
        [leechers[1], '5s', '200s'],
        [seeders[0], '6s', '60s'],
        [leechers[2], '8s', '12m'],
      ] as const) {
        w.after(from, () => who?.suspend());
        w.after(to, () => who?.wake());
      }
      w.run('12m');
      w.until(w.done, '10m');
    },
  },
  {
    name: 'late-timers',
    about: 'timers of busy machines come up to five seconds late',
    run(w) {
      w.seeders(1, { line: 'cable', timersLateMs: 5000 });
      w.peers('staller', 2);
      w.leechers(4, { timersLateMs: 5000 });
      w.leechers(2);
      w.until(w.done, '5m');
    },
  },
];

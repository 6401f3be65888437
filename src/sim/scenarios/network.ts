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
];

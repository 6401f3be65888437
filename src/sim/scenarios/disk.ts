import type { Scenario } from './scenario.ts';

const MIB = 1_048_576;

export const diskScenarios: readonly Scenario[] = [
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
    name: 'shaky-disks',
    about: 'one in thirty reads and writes fails, on all disks, and is made good without anybody’s help',
    run(w) {
      const seeders = w.seeders(2, { line: 'cable' });
      const leechers = w.leechers(3);
      for (const { disk } of [...seeders, ...leechers]) {
        disk.faults.writeErrorRate = 0.03;
        disk.faults.readErrorRate = 0.03;
      }
      w.until(w.done, '10m');
    },
  },
];

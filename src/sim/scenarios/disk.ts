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
    about: 'writes fail on all disks until somebody repairs them',
    run(w) {
      w.seeders(1, { line: 'cable' });
      const leechers = w.leechers(3);
      w.after('3s', () => {
        for (const { disk } of leechers) disk.faults.writeErrorRate = 1;
      });
      w.until(() => leechers.every((c) => c.isRunning && c.snapshot().waitingFor !== undefined), '2m');
      w.run('2m');
      for (const client of leechers) {
        w.check(client.snapshot().waitingFor?.code === 'disk/io', 'the torrent says what is wrong');
        client.disk.faults.writeErrorRate = 0;
      }
      w.until(w.done, '5m');
    },
  },
  {
    name: 'broken-file',
    about: 'one file of a downloader, and one of a seed, fail for a while; all others go on',
    torrent: { files: [2 * MIB, 2 * MIB, 2 * MIB], pieceLength: 65_536 },
    run(w) {
      const [seeder] = w.seeders(1, { line: 'cable' });
      const [first] = w.leechers(2);
      const { info } = w.torrent.torrent;
      const images = [seeder, first].map((client) => client?.disk.image(info));
      w.after('500ms', () => {
        images[0]?.brokenFiles.add(0);
        images[1]?.brokenFiles.add(2);
      });
      // The middle file, but for what it shares with the broken ones.
      const isMiddleHere = () => [...Array(30).keys()].every((i) => images[1]?.isWhole(33 + i) === true);
      w.until(isMiddleHere, '2m');
      w.run('1m');
      w.check(!w.done(), 'what is on the broken file is not there');
      w.check(first?.snapshot().waitingFor?.code === 'disk/io', 'the reason is told');
      for (const image of images) image?.brokenFiles.clear();
      w.until(w.done, '5m');
      w.check(seeder?.snapshot().waitingFor === undefined, 'the seed has got over it');
    },
  },
  {
    name: 'file-vanishes',
    about: 'a file of the only seed is deleted, and put back by somebody a minute later',
    torrent: { files: [2 * MIB, 2 * MIB, 2 * MIB], pieceLength: 65_536 },
    run(w) {
      const [seeder] = w.seeders(1, { line: 'cable' });
      const leechers = w.leechers(3);
      const { info } = w.torrent.torrent;
      w.until(() => seeder?.isRunning === true, '1m');
      w.run('1s');
      seeder?.disk.image(info).truncate(1, 0, w.world.wallMs, true);
      w.until(() => seeder?.snapshot().waitingFor?.code === 'disk/not-found', '2m');
      w.run('1m');
      w.check(seeder?.snapshot().phase === 'seeding', 'what is missing is not fetched again: it may come back');
      if (!leechers.some((c) => c.isDone)) seeder?.disk.fill(info);
      w.until(w.done, '10m');
    },
  },
  {
    name: 'file-cut',
    about:
      'files of two seeds are cut and overwritten while they serve them; they fetch from each other what they lost',
    torrent: { files: [2 * MIB, 2 * MIB, 2 * MIB], pieceLength: 65_536 },
    run(w) {
      const seeders = w.seeders(3, { line: 'cable' });
      w.leechers(3);
      const { info } = w.torrent.torrent;
      w.until(() => seeders.every((c) => c.isRunning), '1m');
      w.run('1s');
      seeders[0]?.disk.image(info).truncate(0, 700_000, w.world.wallMs);
      seeders[1]?.disk.image(info).truncate(2, 100_000, w.world.wallMs);
      w.until(w.done, '5m');
      w.until(() => seeders.every((c) => c.snapshot().isComplete), '10m');
      w.check(
        w.clients.every((c) => c.snapshot().badPieces === 0),
        'nobody was sent a wrong byte',
      );
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

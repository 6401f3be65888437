import { JsonChild } from './support/processes.ts';
import type { LoadOrder } from './tracker-load/load-process.ts';
import { makeInfoHashes } from './tracker-load/population.ts';
import { programs } from './tracker-load/programs.ts';

export async function run(args: readonly string[]): Promise<void> {
  for (const name of args.length > 0 ? args : programs.map((p) => p.name)) {
    const program = programs.find((p) => p.name === name);
    if (program === undefined) throw new Error(name);
    const torrentCount = 1000;
    const peerCount = 100_000;
    const tracker = await program.start({ hashes: makeInfoHashes(torrentCount, 1), nodeArgs: [] });
    try {
      const order: LoadOrder = {
        pid: tracker.pid,
        udp: tracker.udp,
        rules: program.rules,
        peerCount,
        torrentCount,
        distribution: 'uniform',
        sourceCount: 16,
        seed: 1,
        numWant: 50,
        phases: [
          { name: 'fill', work: 'fill', answers: peerCount, window: 192 },
          { name: 'announce', work: 'announce', answers: 200_000, window: 192 },
          { name: 'connect+announce', work: 'connect-announce', answers: 200_000, window: 192 },
          { name: 'scrape 1', work: 'scrape', answers: 100_000, torrents: 1, window: 192 },
          { name: 'scrape 50', work: 'scrape', answers: 50_000, torrents: 50, window: 64 },
        ],
      };
      const load = new JsonChild('../tracker-load/load-process.js', [JSON.stringify(order)]);
      for (const _ of order.phases) {
        const r = await load.next('phase');
        console.log(
          program.name,
          r['name'],
          ((r['answers'] as number) / (r['cpuSeconds'] as number)).toFixed(0),
          JSON.stringify(r),
        );
      }
      await load.end();
    } finally {
      await tracker.stop();
    }
  }
}

import { JsonChild } from '../support/processes.ts';
import type { Scale } from './scale.ts';

/** Whole swarms in the simulator: what each has to do is the same however many there are, so an event must cost the same. */
export const peers: Scale = {
  name: 'peers',
  work: 'a simulated swarm of so many sessions until everybody has everything, 30 connections each',
  unit: 'peer',
  sizes: [10, 100, 500, 2_000],
  label: (count) => `${count} peers`,
  prepare: async () => ({
    close: async () => {},
    async measure(count) {
      const child = new JsonChild('./sim-swarm.js', [String(count)]);
      const result = await child.next('result');
      await child.end();
      const { cpuSec, wallSec, virtualSec, eventCount, rssMib } = result as Record<string, number>;
      return {
        'wall s': wallSec,
        'virtual s': virtualSec,
        'events/peer': (eventCount as number) / count,
        'us/event': ((cpuSec as number) * 1e6) / (eventCount as number),
        'ms/peer': ((cpuSec as number) * 1e3) / count,
        'resident KiB/peer': ((rssMib as number) * 1024) / count,
      } as Record<string, number>;
    },
  }),
};

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeState, measureSession, startTracker } from '../many-torrents.ts';
import type { Scale } from './scale.ts';

const settleSec = 3;

/** A session that remembers ever more complete torrents, from its start to its stop. */
export const torrents: Scale = {
  name: 'torrents',
  work: 'a session with so many complete torrents starts, answers and stops',
  unit: 'torrent',
  sizes: [1, 10, 100, 1_000, 10_000],
  label: (count) => `${count} torrents`,
  async prepare({ folder, sizes }) {
    const tracker = await startTracker();
    const places = new Map<number, { place: string; probes: string[] }>();
    for (const count of sizes) {
      const place = join(folder, `state-${count}`);
      await mkdir(place);
      places.set(count, { place, probes: await makeState(place, count, tracker.url) });
    }
    return {
      close: async () => {
        tracker.server.closeAllConnections();
        tracker.server.close();
      },
      async measure(count) {
        const { place, probes } = places.get(count) as { place: string; probes: string[] };
        const got = await measureSession(place, probes, { waitSec: settleSec, isProfiled: false });
        return {
          'first answer ms': got.firstMs,
          'start CPU ms': got.cpuMs,
          'start us/torrent': (got.cpuMs * 1e3) / count,
          'settled CPU s': got.cpuSec,
          'resident MiB': got.rssMiB,
          'resident KiB/torrent': (got.rssMiB * 1024) / count,
          'stop ms': got.stopMs,
          'stop us/torrent': (got.stopMs * 1e3) / count,
        };
      },
    };
  },
};

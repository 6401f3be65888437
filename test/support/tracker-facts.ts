import type { CounterName } from '#tracker';
import { counterNames } from '#tracker';
import type { TrackerControl, TrackerFacts, TrackerNumbers } from '#trackerd';

/** Counters that are all 0 but these. */
export function countersOf(set: Partial<Record<CounterName, number>> = {}): Record<CounterName, number> {
  return { ...(Object.fromEntries(counterNames.map((name) => [name, 0])) as Record<CounterName, number>), ...set };
}

/** Numbers of a small tracker. */
export function numbersOf(set: Partial<TrackerNumbers> = {}): TrackerNumbers {
  return {
    uptimeMs: 3_600_000,
    swarmCount: 2,
    peerCount4: 5,
    peerCount6: 3,
    peerCountWeb: 1,
    seederCount: 4,
    counters: countersOf({
      udpAnnounces4: 100,
      udpAnnounces6: 20,
      udpRefusedFull: 3,
      httpConnections: 7,
      udpBytesIn: 9_000,
    }),
    ...set,
  };
}

/** A tracker as pages see it: literals of the ports. */
export function factsOf(set: Partial<TrackerFacts> = {}): TrackerFacts {
  return {
    version: '1.2.3',
    title: 'A <tracker>',
    isPrivate: false,
    announceUrls: () => ['udp://tracker.example:6969/announce'],
    numbers: () => numbersOf(),
    health: () => ({ state: 'ok', reasons: [] }),
    ...set,
  };
}

export function controlOf(set: Partial<TrackerControl> = {}): TrackerControl {
  let level: ReturnType<TrackerControl['logLevel']> = 'info';
  return {
    reload: async () => ({ done: ['deny list: 3 torrents'], failed: [] }),
    logLevel: () => level,
    setLogLevel: (next) => {
      level = next;
    },
    findSwarm: () => undefined,
    offenders: () => [],
    ...set,
  };
}

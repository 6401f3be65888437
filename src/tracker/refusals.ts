import type { TrackerRefusal } from '../wire/index.ts';
import { counter } from './counters.ts';

/** What all front ends say in the same words. What policies say is in `RefusalTexts`, what a codec finds wrong is its own. */
export const refusalReason = {
  full: 'the tracker is full',
  overloaded: 'the tracker is overloaded',
  /** One address asks too much. */
  limited: 'too many requests from your address',
  /** A bug of ours or of a hook. */
  failed: 'the tracker has failed',
  /** A scrape of everything would be an answer without bound. */
  noHashes: 'name the torrents to scrape: info_hash is missing',
} as const;

type RefusingVia = 'udp' | 'http' | 'ws';

/** Places in a row of counters. */
const places: Readonly<Record<RefusingVia, { full: number; overloaded: number; policy: number }>> = {
  udp: {
    full: counter.udpRefusedFull,
    overloaded: counter.udpRefusedOverloaded,
    policy: counter.udpRefusedPolicy,
  },
  http: {
    full: counter.httpRefusedFull,
    overloaded: counter.httpRefusedOverloaded,
    policy: counter.httpRefusedPolicy,
  },
  ws: {
    full: counter.wsRefusedFull,
    overloaded: counter.wsRefusedOverloaded,
    policy: counter.wsRefusedPolicy,
  },
};

/**
 * What a refusal of the logic is counted as.
 *
 * @param isStored of the call: false where the store had no room
 * @returns a place in a row of counters
 */
export function placeOfRefusal(via: RefusingVia, refusal: TrackerRefusal, isStored: boolean): number {
  const { full, overloaded, policy } = places[via];
  if (!isStored) return full;
  return refusal.reason === refusalReason.overloaded ? overloaded : policy;
}

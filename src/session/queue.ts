import type { Millis } from '../base/index.ts';

/** How many may be active at a time; Infinity = all. */
export interface ActiveLimits {
  readonly downloads: number;
  readonly seeds: number;
}

/** A download that wants to run. */
export interface QueuedDownload {
  readonly rank: number;
  /** It had a turn and nothing came; 0 = never, or it has gone on since. */
  readonly stalledAt: Millis;
}

/**
 * Which downloads have a place: in the order of their rank, those that stalled last. A download that stalls while others wait goes behind
 * all of them, and so has its next turn when they had theirs: it keeps no place for ever, and is not forgotten.
 *
 * @param max places
 * @returns those with a place first, then those that wait, in the order in which they will get one
 */
export function orderDownloads<T extends QueuedDownload>(downloads: readonly T[], max: number): { go: T[]; wait: T[] } {
  const inOrder = [...downloads].sort((a, b) => a.stalledAt - b.stalledAt || a.rank - b.rank);
  return { go: inOrder.slice(0, max), wait: inOrder.slice(max) };
}

import type { CryptoPort, Millis } from '../../base/index.ts';
import type { SimClient } from '../client.ts';
import { SimSwarm } from '../swarm.ts';
import { measureCopies } from './copies.ts';
import { type JudgedSwarm, judgedTorrent, type Members } from './swarms.ts';
import type { Variant } from './variants.ts';

/** What one run of one variant came to. Times are virtual seconds from a client's start; shares are of the payload all clients wanted. */
export interface Figures {
  /** Contributors: half of them were done, and all. */
  readonly medianSec: number;
  readonly lastSec: number;
  /**
   * Jain's index, (sum x)^2 / (n sum x^2), of x = download rate until done / upload rate of the line, over contributors. 1: everybody
   * gets in proportion to what he can give.
   */
  readonly fairness: number;
  /** Free riders: half of them were done; undefined where there are none. */
  readonly ridersSec: number | undefined;
  /** Payload that came and was not needed, of whatever cause. */
  readonly wastedShare: number;
  /** Of it: copies too many of blocks that were asked of two peers in end-game. */
  readonly duplicateShare: number;
  /** Time with a piece of fewer than two copies. */
  readonly thinSec: number;
  /** Copies of the rarest piece, mean over the time until half of the contributors were done. */
  readonly rarestMean: number;
}

/** Runs a variant in a swarm. @throws SimFailure where somebody does not become complete, or anything is wrong afterwards */
export function judge(
  swarm: JudgedSwarm,
  variant: Variant,
  options: { readonly seed: number; readonly crypto: CryptoPort },
): Figures {
  const { policies } = variant;
  const w = new SimSwarm({ ...options, torrent: judgedTorrent, policies, checkEvery: 0 });
  const members = swarm.run(w, policies);
  w.finish();
  return measure(w, members);
}

function measure(w: SimSwarm, { seeds, contributors, riders, upBytesPerSec }: Members): Figures {
  const times = contributors.map(doneSec);
  const downloaders = [...contributors, ...riders];
  const wanted = w.torrent.torrent.info.totalLength * downloaders.length;
  const sum = (of: 'wasted' | 'duplicated') => downloaders.reduce((n, client) => n + client.snapshot()[of], 0);
  const until = median(contributors.map((client) => client.doneAt as Millis)) as Millis;
  const { pieceCount } = w.torrent.geometry;
  return {
    medianSec: median(times),
    lastSec: Math.max(...times),
    fairness: jainIndex(times.map((sec, i) => 1 / sec / (upBytesPerSec[i] as number))),
    ridersSec: riders.length === 0 ? undefined : median(riders.map(doneSec)),
    wastedShare: sum('wasted') / wanted,
    duplicateShare: sum('duplicated') / wanted,
    ...measureCopies(w.clients, { seeds, pieceCount, until }),
  };
}

function doneSec({ doneAt, startedAt }: SimClient): number {
  return ((doneAt as Millis) - (startedAt as Millis)) / 1000;
}

/** (sum x)^2 / (n sum x^2): 1 where all are equal, 1/n where one has everything. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((n, x) => n + x, 0);
  const squares = values.reduce((n, x) => n + x * x, 0);
  return (sum * sum) / (values.length * squares);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] as number) + upper) / 2;
}

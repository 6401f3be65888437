import type { Millis } from '../../base/index.ts';
import type { TrackerLimits } from '../limits.ts';
import { type Arena, markOf } from './arena.ts';
import {
  AT_PEERS,
  AT_SEEDERS,
  AT_SHARDS,
  AT_SWARMS,
  CLASS_HEADER,
  CLASS_NODE,
  FUTURE_TICKS,
  HEADER_DOWNLOADED,
  HEADER_PART,
  NET_COUNT,
  recordStart,
  recordsPerPage,
  recordWords,
  SHARD_COUNT,
  SHARD_TAILS,
  SHARD_WORDS,
  TICK_MS,
} from './layout.ts';
import { acquire, release } from './lock.ts';
import { netOfMeta, peersOf } from './meta.ts';
import type { Parts } from './parts.ts';
import type { Swarms } from './swarms.ts';

/** A round takes at most so many steps however large the store is: four minutes at four a second. */
const STEPS_PER_ROUND = 1_000;
/** And at most so many looks a step, two milliseconds. */
const LOOKS_PER_STEP_MAX = 25_000;
/** Looks at peers and swarms under one hold of a lock: 20 microseconds if all of them go. */
const LOOKS_PER_HOLD = 64;

/**
 * Forgets silent peers, and empty swarms after their time. It walks the pages of each shard and record class from the last to the first,
 * records downwards: what fills a hole comes from behind, where it has been. Runs of a large swarm are looked at like all others, so its
 * size makes no difference.
 *
 * Between two steps pages may have gone; then the class is begun again.
 */
export class Sweeper {
  readonly #m: Int32Array;
  readonly #parts: Parts;
  readonly #swarms: Swarms;
  readonly #limits: TrackerLimits;
  /** Where the walk is in each shard: class of records, above the last of them = it is through; page, 0 = at the beginning of the class; the next record of it, downwards. */
  readonly #classes = new Int32Array(SHARD_COUNT);
  readonly #pages = new Int32Array(SHARD_COUNT);
  readonly #records = new Int32Array(SHARD_COUNT);
  /** The last run looked at is not through. */
  readonly #unsettled = new Uint8Array(SHARD_COUNT);
  #shardIndex = 0;
  #removed = 0;
  readonly #silence = { nowTick: 0, ttlTicks: 0, futureTicks: FUTURE_TICKS, max: 0 };

  constructor(options: { arena: Arena; parts: Parts; swarms: Swarms; limits: TrackerLimits }) {
    this.#m = options.arena.words;
    this.#parts = options.parts;
    this.#swarms = options.swarms;
    this.#limits = options.limits;
  }

  /** Looks at `sweepPeersMax` peers and swarms, at more in a large store, or to the end of a round. @returns peers removed */
  step(now: Millis): number {
    const tick = Math.floor(now / TICK_MS);
    this.#silence.nowTick = tick;
    this.#silence.ttlTicks = Math.ceil(this.#limits.peerTtlMs / TICK_MS);
    let removed = 0;
    let looks = this.#looksPerStep();
    // One hold in each shard in turn, so that who waits for one gets it.
    for (let idle = 0; looks > 0 && idle < SHARD_COUNT; this.#shardIndex = (this.#shardIndex + 1) % SHARD_COUNT) {
      const i = this.#shardIndex;
      if (this.#classes[i]! > CLASS_HEADER) {
        idle++;
        continue;
      }
      idle = 0;
      const shard = AT_SHARDS + i * SHARD_WORDS;
      acquire(this.#m, shard);
      try {
        this.#removed = 0;
        looks -= this.#sweepShard(shard, i, tick, Math.min(looks, LOOKS_PER_HOLD));
      } finally {
        release(this.#m, shard);
      }
      removed += this.#removed;
    }
    if (this.#classes.every((recordClass) => recordClass > CLASS_HEADER)) this.#classes.fill(0);
    return removed;
  }

  #looksPerStep(): number {
    const m = this.#m;
    let all = Atomics.load(m, AT_SWARMS);
    for (let net = 0; net < NET_COUNT; net++) all += Atomics.load(m, AT_PEERS + net);
    return Math.max(this.#limits.sweepPeersMax, Math.min(Math.ceil(all / STEPS_PER_ROUND), LOOKS_PER_STEP_MAX));
  }

  /** @returns looks */
  #sweepShard(shard: number, i: number, tick: number, looksMax: number): number {
    let looks = 0;
    while (looks < looksMax && this.#classes[i]! <= CLASS_HEADER) {
      looks += this.#sweepClass(shard, i, tick, looksMax - looks);
      if (this.#pages[i] !== 0) continue;
      this.#classes[i]!++;
      if (this.#classes[i] === CLASS_NODE) this.#classes[i] = CLASS_HEADER;
    }
    return looks;
  }

  /** @returns looks; the page is 0 at the end of the class */
  #sweepClass(shard: number, i: number, tick: number, looksMax: number): number {
    const m = this.#m;
    const recordClass = this.#classes[i]!;
    const mark = markOf(shard, recordClass);
    const tail = shard + SHARD_TAILS + 2 * recordClass;
    const recordsMax = recordsPerPage[recordClass]!;
    let looks = 0;
    while (looks < looksMax) {
      let page = this.#pages[i]!;
      if (page === 0 || m[page + 1] !== mark) {
        page = m[tail]!;
        this.#records[i] = recordsMax - 1;
      }
      if (page !== 0 && page === m[tail]) this.#records[i] = Math.min(this.#records[i]!, m[tail + 1]! - 1);
      if (page !== 0 && this.#records[i]! < 0) {
        page = m[page]!;
        this.#records[i] = recordsMax - 1;
      }
      this.#pages[i] = page;
      if (page === 0) return looks;
      const at = page + recordStart[recordClass]! + this.#records[i]! * recordWords[recordClass]!;
      if (recordClass === CLASS_HEADER) {
        this.#sweepHeader(shard, at, tick);
        looks++;
        this.#records[i]!--;
      } else {
        this.#silence.max = looksMax - looks;
        looks += this.#sweepRun(shard, at, i);
      }
    }
    return looks;
  }

  #sweepHeader(shard: number, header: number, tick: number): void {
    const m = this.#m;
    if (m[header + HEADER_PART + 1] !== 0) return;
    const isRemembered =
      m[header + HEADER_DOWNLOADED] !== 0 &&
      (tick - m[header + HEADER_PART]!) * TICK_MS < this.#limits.emptySwarmMs &&
      !this.#swarms.isCrowded;
    if (!isRemembered) this.#swarms.forget(shard, header);
  }

  #sweepRun(shard: number, run: number, i: number): number {
    const m = this.#m;
    const leaf = m[run]!;
    const meta = m[leaf + 1]!;
    const count = peersOf(meta);
    const gone = this.#parts.expire(leaf, this.#silence);
    const seeders = gone >>> 8;
    const removed = (gone & 0xff) + seeders;
    // Where the most was removed, the rest of the run is for the next look.
    const isThrough = removed < this.#silence.max || removed === count;
    if (isThrough) this.#records[i]!--;
    if (removed > 0) {
      this.#removed += removed;
      Atomics.sub(m, AT_PEERS + netOfMeta(meta), removed);
      if (seeders > 0) Atomics.sub(m, AT_SEEDERS, seeders);
    }
    // Before it is through, a run must not become a smaller one: those of this round have been looked at.
    if (isThrough && (removed > 0 || this.#unsettled[i] === 1)) {
      const emptied = this.#parts.settle(shard, leaf);
      if (emptied !== 0) this.#swarms.afterEmptied(shard, emptied, this.#silence.nowTick);
    }
    this.#unsettled[i] = isThrough ? 0 : 1;
    return count;
  }
}

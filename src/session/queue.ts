import { type Millis, NEVER } from '../base/index.ts';
import type { RestReason, Torrent } from '../swarm/index.ts';
import type { HeldTorrent } from './held-torrent.ts';
import { limits } from './limits.ts';

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

export interface QueueOptions {
  readonly active: Partial<ActiveLimits> | undefined;
  readonly torrents: () => Iterable<HeldTorrent>;
  readonly wake: (held: HeldTorrent, reason: string) => Torrent | undefined;
  readonly rest: (held: HeldTorrent, phase: 'queued' | 'dormant', reason: RestReason) => void;
  /** `judge` is to be called again after `limits.queueMs`. */
  readonly lookAgain: () => void;
}

/** Says which torrents are at work, where not all may be: downloads by their rank, seeds by who is asked for. */
export class Queue {
  /** Something has changed that it goes by: `judge` before the turn ends. */
  hasMoved = false;
  readonly #o: QueueOptions;
  #active: ActiveLimits;
  #rankMax = 0;
  /** Downloads that wait for a place, in the order in which they get one. */
  #waiting: HeldTorrent[] = [];
  /** Those that were awake or queued when they were looked at last: of ten thousand sleepers nothing is asked. */
  readonly #present = new Set<HeldTorrent>();
  /** Sleepers that somebody was refused for. */
  readonly #wanted = new Set<HeldTorrent>();

  constructor(options: QueueOptions) {
    this.#o = options;
    this.#active = { downloads: NEVER, seeds: NEVER, ...options.active };
  }

  setLimits(active: Partial<ActiveLimits>): void {
    this.#active = { ...this.#active, ...active };
    this.hasMoved = true;
  }

  /** @param known as an earlier run had it. @returns the rank of a torrent that comes: behind all others where it has none */
  rankOf(known: number | undefined): number {
    const rank = known ?? this.#rankMax + 1;
    this.#rankMax = Math.max(this.#rankMax, rank);
    return rank;
  }

  /** @param position 1 = first; others move to make room */
  move(torrent: HeldTorrent, position: number): void {
    const all = [...this.#o.torrents()].filter((t) => t !== torrent).sort((a, b) => a.rank - b.rank);
    all.splice(Math.max(0, Math.floor(position) - 1), 0, torrent);
    all.forEach((t, i) => {
      t.rank = i + 1;
    });
    this.#rankMax = all.length;
    torrent.stalledAt = 0 as Millis;
    this.hasMoved = true;
  }

  /** It wakes, or waits for a place from now on. */
  onPresent(torrent: HeldTorrent): void {
    this.#present.add(torrent);
  }

  /** Some torrent is awake that has not stopped. */
  get isAnyAwake(): boolean {
    for (const { isAwake } of this.#atWork()) if (isAwake) return true;
    return false;
  }

  /** 1 = next; undefined where it does not wait for a place. */
  positionOf(torrent: HeldTorrent): number | undefined {
    if (torrent.phase !== 'queued') return undefined;
    const place = this.#waiting.indexOf(torrent);
    return place < 0 ? undefined : place + 1;
  }

  /** A torrent that is to run may begin before all are looked at. */
  mayBegin(torrent: HeldTorrent): boolean {
    return torrent.isComplete || this.#active.downloads === NEVER;
  }

  hasSeedPlace(): boolean {
    return this.#active.seeds === NEVER || this.#activeSeeds().length < this.#active.seeds;
  }

  /** Somebody wanted a sleeper, and there was no place for it. */
  onRefused(now: Millis, torrent: HeldTorrent): void {
    torrent.wantedAt = now;
    this.#wanted.add(torrent);
    this.#o.lookAgain();
  }

  judge(now: Millis): void {
    this.hasMoved = false;
    if (this.#active.downloads !== NEVER) this.#judgeDownloads(now);
    if (this.#active.seeds !== NEVER) this.#judgeSeeds(now);
  }

  #judgeDownloads(now: Millis): void {
    const wants = (t: HeldTorrent) => !t.isComplete && (t.phase === 'queued' || (t.isAwake && !t.hasEnded));
    const downloads = [...this.#atWork()].filter(wants);
    const isAnyWaiting = downloads.length > this.#active.downloads;
    for (const t of downloads) {
      const isLooking = t.phase !== 'downloading' && t.phase !== 'fetching-metadata';
      if (t.downloaded !== t.seen.downloaded || isLooking) {
        t.seen = { downloaded: t.downloaded, at: now };
        if (!isLooking) t.stalledAt = 0 as Millis;
      } else if (isAnyWaiting && t.isAwake && now - t.seen.at >= limits.stalledMs) t.stalledAt = now;
    }
    const { go, wait } = orderDownloads(downloads, this.#active.downloads);
    this.#waiting = wait;
    for (const t of wait) this.#o.rest(t, 'queued', t.stalledAt > 0 ? 'stalled' : 'active-downloads');
    for (const t of go) if (!t.isAwake) this.#o.wake(t, 'a place fell free');
    if (wait.length > 0) this.#o.lookAgain();
  }

  /** Seeds with a place keep it while nobody else is asked for, and for a turn at least. */
  #judgeSeeds(now: Millis): void {
    const seeds = this.#activeSeeds();
    let wanted = 0;
    for (const t of this.#wanted) {
      if (t.wantedAt !== undefined && now - t.wantedAt >= limits.seedWantedMs) t.wantedAt = undefined;
      if (t.wantedAt === undefined) this.#wanted.delete(t);
      else if (t.phase === 'dormant') wanted++;
    }
    const excess = seeds.length - this.#active.seeds;
    const overdue = seeds.filter((t) => now - t.awakeSince >= limits.seedTurnMs).length;
    const going = Math.max(excess, Math.min(wanted, overdue));
    for (const t of seeds.slice(0, Math.max(0, going))) this.#o.rest(t, 'dormant', 'active-seeds');
    if (wanted > 0) this.#o.lookAgain();
  }

  /** Those that somebody is connected to, or that are about to find out; the one with a place for longest first. */
  #activeSeeds(): HeldTorrent[] {
    const isActive = (t: HeldTorrent) => t.isKept && t.isAwake && t.isComplete && !t.hasEnded;
    return [...this.#atWork()].filter(isActive).sort((a, b) => a.awakeSince - b.awakeSince || a.id - b.id);
  }

  /** Torrents that are awake or queued. Who is not any more is forgotten in passing. */
  *#atWork(): Generator<HeldTorrent> {
    for (const torrent of this.#present) {
      const { phase } = torrent;
      if (phase === 'queued' || (torrent.isAwake && phase !== 'stopped')) yield torrent;
      else this.#present.delete(torrent);
    }
  }

  /** The torrent is forgotten. */
  forget(torrent: HeldTorrent): void {
    this.#present.delete(torrent);
    this.#wanted.delete(torrent);
  }
}

import { assert, type Millis, NEVER, type TorrentId, WakeHeap } from '../base/index.ts';
import type { HeldTorrent } from './held-torrent.ts';

/** Who wakes up: a torrent, or one of the session's own affairs. */
export type Waker = TorrentId | 'handshakes' | 'upload' | 'download' | 'announces' | 'queue';

export interface TurnsOptions {
  readonly now: Millis;
  readonly find: (id: TorrentId) => HeldTorrent | undefined;
  /** Sets the one timer. */
  readonly wakeAt: (at: Millis) => void;
  /** A fault of ours was met in this torrent: what it has of others has to be taken back. */
  readonly onFault: (held: HeldTorrent, fault: unknown) => void;
  /** The input is done; torrents may still be touched. */
  readonly onEnding: () => void;
  /** All that were touched have ended their turns. @returns true where more were touched */
  readonly hasMore: () => boolean;
  /** The turn is over, but for `wakes` of the session's own affairs. */
  readonly onEnded: () => void;
}

/**
 * Inputs one after the other, each to its end: what it does, the turns of the torrents that it touched, then the timer, once. A fault inside
 * a torrent ends that torrent, and the input goes on with the others. Owner of the time, and of who is to be woken when.
 */
export class Turns {
  readonly wakes: WakeHeap<Waker> = new WakeHeap<Waker>();
  readonly #o: TurnsOptions;
  readonly #touched = new Set<HeldTorrent>();
  #now: Millis;
  #wakeAt: Millis = NEVER;
  #depth = 0;

  constructor(options: TurnsOptions) {
    this.#o = options;
    this.#now = options.now;
  }

  /** Of the input that runs, or ran last. */
  get now(): Millis {
    return this.#now;
  }

  /** Runs one input to completion. Inputs never nest: a port that calls back at once is a bug of the port. */
  input<T>(now: Millis, run: () => T): T {
    assert(this.#depth === 0, 'an input comes only after the one before has ended');
    assert(now >= this.#now, 'time never goes backwards');
    this.#now = now;
    this.#depth++;
    try {
      const result = run();
      this.#end();
      return result;
    } finally {
      this.#depth--;
    }
  }

  /** The turn of this torrent ends with the input. */
  join(held: HeldTorrent): void {
    this.#touched.add(held);
  }

  /** The same for a torrent by its name. */
  touch(id: TorrentId): HeldTorrent | undefined {
    const held = this.#o.find(id);
    if (held !== undefined) this.#touched.add(held);
    return held;
  }

  /**
   * Runs what an input does inside a torrent. A fault of ours that is met there ends this torrent, and the session goes on with the others.
   * @returns undefined after a fault
   */
  inside<T>(held: HeldTorrent, run: () => T): T | undefined {
    try {
      return run();
    } catch (fault) {
      this.#o.onFault(held, fault);
      this.#touched.add(held);
      return undefined;
    }
  }

  /** The same for a torrent by its name, whose turn ends with this input. */
  to<T>(id: TorrentId, run: (torrent: HeldTorrent) => T): T | undefined {
    const held = this.touch(id);
    return held === undefined ? undefined : this.inside(held, () => run(held));
  }

  /** Something that a torrent left to be called in an input that may be another's. */
  later(id: TorrentId, run: () => void): void {
    const held = this.#o.find(id);
    if (held === undefined || held.isCondemned) return;
    // To the end: where turns are ending already, its own comes once more.
    this.#touched.delete(held);
    this.#touched.add(held);
    this.inside(held, run);
  }

  /** It has no turn any more, and is not woken. */
  forget(held: HeldTorrent): void {
    this.wakes.delete(held.id);
    this.#touched.delete(held);
  }

  /** The timer has run: it is set anew for whoever waits least. */
  onWake(): void {
    this.#wakeAt = NEVER;
  }

  assertInvariants(): void {
    assert(this.wakes.next() === this.#wakeAt, 'the timer is set for whoever waits least');
  }

  #end(): void {
    this.#o.onEnding();
    do {
      for (const torrent of this.#touched) {
        // Where a fault was met in it, what is left of it ends the turn.
        const wake = this.inside(torrent, () => torrent.endTurn(this.#now)) ?? torrent.endTurn(this.#now);
        if (this.#o.find(torrent.id) !== undefined) this.wakes.set(torrent.id, wake);
      }
      this.#touched.clear();
    } while (this.#o.hasMore());
    this.#o.onEnded();
    const next = this.wakes.next();
    if (next === this.#wakeAt) return;
    this.#wakeAt = next;
    if (next !== NEVER) this.#o.wakeAt(Math.max(next, this.#now) as Millis);
  }
}

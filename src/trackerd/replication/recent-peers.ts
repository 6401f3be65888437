// Hot path: tracker-replication
import type { Millis } from '../../base/index.ts';

const SLOTS = 1 << 18;
const PROBES = 4;

/**
 * Peers that were written into the store for another tracker a moment ago. A delta of our own that is older than that, and reaches us
 * only now from the thread that answered, comes after it in the stream: it must stand here too.
 *
 * Knows peers by 32 bits, and forgets the oldest where room ends.
 */
export class RecentPeers {
  readonly #hashes = new Uint32Array(SLOTS);
  readonly #times = new Float64Array(SLOTS).fill(Number.NEGATIVE_INFINITY);

  /** @param hash of the delta (`hashDelta`) */
  note(hash: number, now: Millis): void {
    let slot = hash & (SLOTS - 1);
    let oldest = slot;
    for (let probe = 0; probe < PROBES; probe++, slot = (slot + 1) & (SLOTS - 1)) {
      if (this.#hashes[slot] === hash) {
        oldest = slot;
        break;
      }
      if ((this.#times[slot] as number) < (this.#times[oldest] as number)) oldest = slot;
    }
    this.#hashes[oldest] = hash;
    this.#times[oldest] = now;
  }

  /** Whether the peer was written since then. */
  isSince(hash: number, then: Millis): boolean {
    let slot = hash & (SLOTS - 1);
    for (let probe = 0; probe < PROBES; probe++, slot = (slot + 1) & (SLOTS - 1)) {
      if (this.#hashes[slot] === hash && (this.#times[slot] as number) >= then) return true;
    }
    return false;
  }
}

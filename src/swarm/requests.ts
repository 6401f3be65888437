import { FRACTION_ZERO, type Millis } from '../base/index.ts';
import { BLOCK_LENGTH } from '../metainfo/index.ts';
import { limits } from './limits.ts';

/**
 * How many requests may be open at one peer. A pipe shorter than bandwidth x delay leaves the line idle; a longer one only delays what is
 * asked next and holds buffers. So depth follows the measured rate: as many blocks as come within the shortest time that one took, and `queueMs` more. It begins small and grows
 * by one a block (doubling each round trip) while the rate still grows, so a fast peer is filled within a few round trips.
 */
export class RequestPipeline {
  /** Requests that may be open now. */
  depth: number = limits.requests.start;
  /** What the peer said it queues (BEP 10 reqq); more would be dropped. */
  peerMax: number = limits.requests.max;
  #slowStart = true;
  #lastRate: number = FRACTION_ZERO;
  #checkAt: number = FRACTION_ZERO;
  /** The shortest that a block took; Infinity: none has come yet. */
  #latencyMs = Number.POSITIVE_INFINITY;
  /** ms between two blocks while some are owed, averaged over some ten; 0: none has come yet. */
  gapMs: number = FRACTION_ZERO;
  /** ms from request to the last byte of the block, averaged likewise. */
  usualMs: number = FRACTION_ZERO;

  /**
   * @param rate payload bytes per second from this peer now
   * @param tookMs from request to the last byte of the block; undefined where it had been taken back meanwhile
   * @param gapMs since the block before, or since there was something to send
   */
  onBlock(now: Millis, rate: number, tookMs: number | undefined, gapMs: number): void {
    // The shortest is nearest to the bare round trip: later ones hold our own queue, and following them would feed on itself.
    if (tookMs !== undefined) {
      if (tookMs < this.#latencyMs) this.#latencyMs = tookMs;
      this.usualMs += (tookMs - this.usualMs) / (this.usualMs === 0 ? 1 : 8);
    }
    this.gapMs += (gapMs - this.gapMs) / (this.gapMs === 0 ? 1 : 8);
    if (!this.#slowStart) {
      this.#follow(rate);
      return;
    }
    this.depth = this.#clamp(this.depth + 1);
    if (now < this.#checkAt) return;
    // Once a second: the rate no longer grows by a tenth, so the pipe is full.
    if (this.#checkAt > 0 && rate < this.#lastRate * 1.1) this.#slowStart = false;
    this.#lastRate = rate;
    this.#checkAt = now + 1000;
  }

  /** The peer owes us blocks and sends none: one request at a time until it does. */
  onSnubbed(): void {
    this.depth = 1;
    this.#slowStart = false;
  }

  /** Blocks come again after a silence, or the first ones after an unchoke. */
  restart(): void {
    this.#slowStart = true;
    this.#lastRate = FRACTION_ZERO;
    this.#checkAt = FRACTION_ZERO;
    this.#latencyMs = Number.POSITIVE_INFINITY;
    this.depth = this.#clamp(limits.requests.start);
  }

  /** Refill only when this many are missing: requests leave in batches, not one packet each. */
  get batch(): number {
    return Math.max(1, Math.min(limits.requests.batch, this.depth >> 2));
  }

  #follow(rate: number): void {
    const waitMs = Math.min(this.#latencyMs, limits.requests.latencyMaxMs) + limits.requests.queueMs;
    const target = 2 + Math.ceil((rate * waitMs) / 1000 / BLOCK_LENGTH);
    // Down slowly, up at once: one quiet second must not empty a long pipe.
    this.depth = this.#clamp(target >= this.depth ? target : this.depth - 1);
  }

  #clamp(depth: number): number {
    return Math.max(1, Math.min(depth, limits.requests.max, this.peerMax));
  }
}

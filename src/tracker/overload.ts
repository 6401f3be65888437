import type { Millis } from '../base/index.ts';
import type { TrackerRefusal } from '../wire/index.ts';
import type { AnnounceCall } from './calls.ts';
import type { TrackerHooks } from './hooks.ts';
import { refusalReason } from './refusals.ts';

/**
 * Whether a thread is behind with its work, from what its loop sees now and then: more waiting than it should, or something lost. One bad
 * look is a burst; it takes a second of bad looks to be overloaded, and as long of good ones to be well again.
 */
export class OverloadGauge {
  readonly #afterMs: number;
  #isOverloaded = false;
  /** Since when every look says the opposite of `#isOverloaded`. */
  #turningAt: Millis | undefined;

  constructor(options: { afterMs?: number } = {}) {
    this.#afterMs = options.afterMs ?? 1_000;
  }

  get isOverloaded(): boolean {
    return this.#isOverloaded;
  }

  look(now: Millis, isBehind: boolean): void {
    if (isBehind === this.#isOverloaded) {
      this.#turningAt = undefined;
      return;
    }
    this.#turningAt ??= now;
    if (now - this.#turningAt < this.#afterMs) return;
    this.#isOverloaded = isBehind;
    this.#turningAt = undefined;
  }
}

/**
 * What a tracker does when it is overloaded: who comes new is told to come back in a while, before the swarm is touched, and the others
 * are asked to announce half as often. Peers that are in a swarm already stay in it.
 */
export class OverloadHooks implements TrackerHooks {
  readonly #gauge: OverloadGauge;
  readonly #retryInSec: number;

  constructor(gauge: OverloadGauge, options: { retryInSec: number }) {
    this.#gauge = gauge;
    this.#retryInSec = options.retryInSec;
  }

  preAnnounce(call: AnnounceCall): TrackerRefusal | undefined {
    if (!this.#gauge.isOverloaded || call.event !== 'started') return undefined;
    // Spread by the client's own key, or all would come back at once.
    const retryInSec = this.#retryInSec + ((call.key >>> 0) % this.#retryInSec);
    return { reason: refusalReason.overloaded, retryInSec };
  }

  postAnnounce(call: AnnounceCall): void {
    if (this.#gauge.isOverloaded) call.intervalSec *= 2;
  }
}

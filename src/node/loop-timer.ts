import { type Millis, NEVER } from '../base/index.ts';

/** Longest delay setTimeout takes as it is; above, it fires at once. */
const DELAY_MAX_MS = 0x7fff_ffff;

/**
 * One OS timer with a deadline that may move at every input. Moving it later costs nothing: the timer fires, sees that it is early and
 * sleeps on.
 */
export class LoopTimer {
  readonly #now: () => Millis;
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #armedFor: Millis = NEVER;
  #deadline: Millis = NEVER;

  constructor(now: () => Millis, onDue: () => void) {
    this.#now = now;
    this.#onDue = onDue;
  }

  /** Replaces the deadline; NEVER = none. A deadline in the past is due on a later turn. */
  set(at: Millis): void {
    this.#deadline = at;
    if (at < this.#armedFor) this.#arm(at);
  }

  close(): void {
    this.#deadline = NEVER;
    this.#disarm();
  }

  #arm(at: Millis): void {
    this.#disarm();
    this.#armedFor = at;
    const delayMs = Math.min(DELAY_MAX_MS, Math.max(1, Math.ceil(at - this.#now())));
    this.#timer = setTimeout(() => this.#fired(), delayMs);
  }

  #disarm(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armedFor = NEVER;
  }

  #fired(): void {
    this.#disarm();
    const at = this.#deadline;
    if (at === NEVER) return;
    // Node's timers may fire a fraction of a millisecond early.
    if (this.#now() < at) {
      this.#arm(at);
      return;
    }
    this.#deadline = NEVER;
    this.#onDue();
  }
}

import { addMs, type Millis } from '../../base/index.ts';
import type { OverloadGauge } from '../../tracker/index.ts';

const EVERY_MS = 100;

/**
 * Tells the gauge of the main thread whether its event loop is behind: a timer that fires late has waited for what was to be done before.
 */
export class LoopWatch {
  readonly #gauge: OverloadGauge;
  readonly #now: () => Millis;
  readonly #lagMaxMs: number;
  #dueAt: Millis;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { gauge: OverloadGauge; now: () => Millis; lagMaxMs: number }) {
    this.#gauge = options.gauge;
    this.#now = options.now;
    this.#lagMaxMs = options.lagMaxMs;
    this.#dueAt = addMs(options.now(), EVERY_MS);
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), EVERY_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** What the timer does. */
  look(): void {
    const now = this.#now();
    this.#gauge.look(now, now - this.#dueAt > this.#lagMaxMs);
    this.#dueAt = addMs(now, EVERY_MS);
  }
}

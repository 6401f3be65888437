import type { Millis } from '../../base/index.ts';
import type { OverloadGauge } from '../../tracker/index.ts';

const LOOK_EVERY_MS = 100;
/** A look that comes later than this found the loop behind: requests wait as long. */
const LATE_MS = 200;

/** Tells a gauge whether the event loop of this thread is behind, from how late a timer fires. */
export class LoopWatch {
  readonly #timer: NodeJS.Timeout;

  constructor(gauge: OverloadGauge, now: () => Millis) {
    let dueAt = now() + LOOK_EVERY_MS;
    this.#timer = setInterval(() => {
      const at = now();
      gauge.look(at, at - dueAt > LATE_MS);
      dueAt = at + LOOK_EVERY_MS;
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

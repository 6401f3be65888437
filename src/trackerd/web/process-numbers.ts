import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

export interface ProcessNumbers {
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** User and system time of all threads, since the start. */
  readonly cpuSec: number;
  /** The longest delay of the main thread's loop in the last whole window. */
  readonly loopLagMs: number;
}

const NS_PER_MS = 1e6;
/** Samples of the loop's delay; the histogram counts the resolution itself as delay. */
const RESOLUTION_MS = 20;

/** Looks at the process; `turn` begins a new window of the loop's delay. */
export class ProcessMeter {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #loopLagMs = 0;

  constructor() {
    this.#delay.enable();
  }

  turn(): void {
    this.#loopLagMs = this.#lagMs();
    this.#delay.reset();
  }

  read(): ProcessNumbers {
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const loopLagMs = Math.max(this.#loopLagMs, this.#lagMs());
    return { residentBytes: rss, heapBytes: heapUsed, cpuSec: (user + system) / 1e6, loopLagMs };
  }

  close(): void {
    this.#delay.disable();
  }

  /** An empty histogram has a maximum of 0. */
  #lagMs(): number {
    return Math.max(0, this.#delay.max / NS_PER_MS - RESOLUTION_MS);
  }
}

import { sumRequests, type Transport, transports } from './counts.ts';
import type { TrackerNumbers } from './ports.ts';

/** One sample a step: ten seconds. */
export const historyStepMs = 10_000;
const STEPS = 360;

/** Announces a second, oldest first, and peers at the end of each step. */
export interface History {
  readonly stepMs: number;
  readonly announceRates: { readonly [T in Transport]: readonly number[] };
  readonly peers: readonly number[];
}

/** The last hour of a tracker in rings of numbers; ten seconds a step. */
export class RateHistory {
  readonly #rates = new Map<Transport, Float64Array>(transports.map((t) => [t, new Float64Array(STEPS)]));
  readonly #peers = new Float64Array(STEPS);
  readonly #before = new Map<Transport, number>();
  #count = 0;
  #beforeMs: number | undefined;

  /** Call every step. The first call is the base of the rates; steps of other lengths (a busy or sleeping machine) are reckoned with. */
  take(numbers: TrackerNumbers): void {
    const elapsedSec = this.#beforeMs === undefined ? 0 : (numbers.uptimeMs - this.#beforeMs) / 1_000;
    const slot = this.#count % STEPS;
    const requests = sumRequests(numbers.counters);
    for (const transport of transports) {
      const count = requests[transport]?.['announce'] ?? 0;
      const ring = this.#rates.get(transport) as Float64Array;
      const since = count - (this.#before.get(transport) ?? 0);
      if (elapsedSec > 0) ring[slot] = Math.max(0, since) / elapsedSec;
      this.#before.set(transport, count);
    }
    if (elapsedSec > 0) {
      this.#peers[slot] = numbers.peerCount4 + numbers.peerCount6 + numbers.peerCountWeb;
      this.#count++;
    }
    this.#beforeMs = numbers.uptimeMs;
  }

  read(): History {
    const rates = transports.map((t) => [t, this.#unroll(this.#rates.get(t) as Float64Array)] as const);
    return {
      stepMs: historyStepMs,
      announceRates: Object.fromEntries(rates) as unknown as History['announceRates'],
      peers: this.#unroll(this.#peers),
    };
  }

  #unroll(ring: Float64Array): number[] {
    const length = Math.min(this.#count, STEPS);
    return Array.from({ length }, (_, i) => round(ring[(this.#count - length + i) % STEPS] as number));
  }
}

/** Three significant digits are what a picture needs. */
function round(value: number): number {
  return Number(value.toPrecision(3));
}

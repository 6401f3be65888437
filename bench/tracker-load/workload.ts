import type { Rng } from '#base';
import type { Population } from './population.ts';

/** Events as UDP numbers them (BEP 15). */
export const announceEvent = { none: 0, completed: 1, started: 2, stopped: 3 } as const;

/** Chances of a peer that is present, in thousandths; who is gone comes back when it is drawn again. */
const STOPPED_PERMILLE = 20;
const COMPLETED_PERMILLE = 15;
/** Of those who come back, so that completions do not turn the swarms into seeders only. */
const BACK_AS_SEEDER_PERMILLE = 125;

/**
 * Draws what is announced next, and applies it to the population: half of the peers are seeders, about 95 of 100 announces are
 * regular, the rest leave, come and complete. The fields hold the last draw.
 */
export class Workload {
  peer = 0;
  event = 0;
  /** What the announce says, so after a completion true. */
  isSeeder = false;
  readonly #population: Population;
  readonly #rng: Rng;
  readonly #stride: number;
  #filled = 0;
  #refreshed = 0;

  constructor(population: Population, rng: Rng) {
    this.#population = population;
    this.#rng = rng;
    this.#stride = strideOf(population.peerCount);
  }

  /** The next peer of the fill, each exactly once, in no order; every second one a seeder. @returns false when all have come */
  nextOfFill(): boolean {
    if (this.#filled === this.#population.peerCount) return false;
    // The product needs more than 32 bits and less than 53.
    this.#begin((this.#filled * this.#stride) % this.#population.peerCount);
    this.event = announceEvent.started;
    this.isSeeder = this.#filled++ % 2 === 0;
    this.#population.start(this.peer, this.isSeeder);
    return true;
  }

  /** As if all had come already: for a tracker that remembers them from an earlier fill. */
  recallFill(): void {
    while (this.nextOfFill()) this.#population.setBusy(this.peer, false);
  }

  /** The next of every second peer, each exactly once, with a regular announce. @returns false when all have been */
  nextOfRefresh(): boolean {
    if (this.#refreshed >= this.#population.peerCount) return false;
    this.#begin(this.#refreshed);
    this.#refreshed += 2;
    this.event = announceEvent.none;
    this.isSeeder = this.#population.isSeeder(this.peer);
    return true;
  }

  /** The peers that were not refreshed are gone, as a tracker finds when they have been silent. */
  expireOthers(): void {
    for (let peer = 1; peer < this.#population.peerCount; peer += 2) this.#population.stop(peer);
  }

  /** @param source whose peers are drawn, or -1 for all */
  nextAnnounce(source: number): void {
    const population = this.#population;
    const rng = this.#rng;
    const first = source < 0 ? 0 : source * population.peersPerSource;
    const count = source < 0 ? population.peerCount : population.peersOf(source);
    let peer = first + rng.below(count);
    while (population.isBusy(peer)) peer = first + rng.below(count);
    this.#begin(peer);
    const draw = rng.below(1000);
    if (!population.isPresent(peer)) {
      this.event = announceEvent.started;
      this.isSeeder = draw < BACK_AS_SEEDER_PERMILLE;
      population.start(peer, this.isSeeder);
      return;
    }
    this.isSeeder = population.isSeeder(peer);
    this.event = announceEvent.none;
    if (draw < STOPPED_PERMILLE) {
      this.event = announceEvent.stopped;
      population.stop(peer);
    } else if (draw < STOPPED_PERMILLE + COMPLETED_PERMILLE && !this.isSeeder) {
      this.event = announceEvent.completed;
      this.isSeeder = true;
      population.finish(peer);
    }
  }

  #begin(peer: number): void {
    this.peer = peer;
    this.#population.setBusy(peer, true);
  }
}

/** A step that visits every number below `count` once and looks like chance: about the golden ratio of it, without a common divisor. */
function strideOf(count: number): number {
  let stride = Math.max(1, Math.floor(count * 0.618));
  while (commonDivisor(stride, count) !== 1) stride++;
  return stride;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

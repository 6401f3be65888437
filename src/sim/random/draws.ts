import type { Rng } from '../../base/index.ts';

/** True for this share of calls. */
export function chance(rng: Rng, share: number): boolean {
  return rng.unit() < share;
}

export function pick<T>(rng: Rng, items: readonly T[]): T {
  return items[rng.below(items.length)] as T;
}

/** A whole number, uniform in its logarithm. */
export function logBetween(rng: Rng, min: number, max: number): number {
  return Math.round(min * (max / min) ** rng.unit());
}

import type { Rng } from '../../base/index.ts';
import { DenseStore, type StoreShare, type SwarmStore, type TrackerLimits } from '../../tracker/index.ts';

/** The store of all threads, as one of them uses it. @param share of the main thread's store */
export function attachStore(share: unknown, options: { limits: TrackerLimits; rng: Rng }): SwarmStore {
  return DenseStore.attach(share as StoreShare, options);
}

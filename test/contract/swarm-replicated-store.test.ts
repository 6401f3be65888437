import assert from 'node:assert/strict';
import type { Millis, Rng } from '#base';
import {
  AnnounceCall,
  checkDeltas,
  DeltaLog,
  DeltaReader,
  DenseStore,
  type StoreAnnounce,
  type StoreScrape,
  type StoreStats,
  type SwarmStore,
  type TrackerLimits,
} from '#tracker';
import { swarmStoreContract } from './swarm-store.ts';

/**
 * Two stores that tell each other everything as deltas, as two trackers do, without the time between. Announces and scrapes go to either
 * in turn: what the contract asks of one store must hold whichever answers.
 */
class ReplicatedStores implements SwarmStore {
  readonly #stores: readonly [DenseStore, DenseStore];
  readonly #logs: readonly DeltaLog[];
  readonly #reader = new DeltaReader();
  #now = 0 as Millis;
  #turn: 0 | 1 = 0;

  constructor(options: { limits: TrackerLimits; rng: Rng }) {
    const { limits, rng } = options;
    this.#stores = [
      DenseStore.create({ limits, rng: rng.fork('a') }),
      DenseStore.create({ limits, rng: rng.fork('b') }),
    ];
    this.#logs = [1, 0].map(
      (other) =>
        new DeltaLog({
          streamCount: 8,
          batchBytesMax: 1_000,
          onBatch: ({ bytes }) => this.#apply(this.#stores[other] as DenseStore, bytes),
        }),
    );
  }

  announce(now: Millis, a: StoreAnnounce): void {
    this.#now = now;
    const side = this.#next();
    this.#stores[side].announce(now, a);
    if (!a.isStored) return;
    if (a.network === 'web') {
      // They are not told: each tracker has those that are connected to it. Here all are connected to both.
      const same = Object.assign(new AnnounceCall(), a, { numGiven: 0 });
      this.#stores[side === 0 ? 1 : 0].announce(now, same);
      return;
    }
    const log = this.#logs[side] as DeltaLog;
    log.postAnnounce(a as AnnounceCall, now);
    log.flush(now, 0);
  }

  scrape(s: StoreScrape): void {
    this.#stores[this.#next()].scrape(s);
  }

  sweep(now: Millis): number {
    // Peers lie differently in the other, so that it may be a step ahead; in the end both have forgotten the same (`stats`).
    this.#stores[1].sweep(now);
    return this.#stores[0].sweep(now);
  }

  stats(): StoreStats {
    const [a, b] = this.#stores.map((store) => store.stats());
    assert.deepEqual(a, b);
    return a as StoreStats;
  }

  #next(): 0 | 1 {
    this.#turn = this.#turn === 0 ? 1 : 0;
    return this.#turn;
  }

  #apply(store: DenseStore, bytes: Uint8Array): void {
    assert(checkDeltas(bytes) > 0);
    this.#reader.open(bytes, 0);
    while (this.#reader.next()) {
      store.announce(this.#now, this.#reader);
      assert.equal(this.#reader.isStored, true);
    }
  }
}

swarmStoreContract({ name: 'two replicated stores', create: (options) => new ReplicatedStores(options) });

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Millis, seededRng } from '#base';
import {
  Replication,
  type ReplicationEvent,
  type ReplicationOptions,
  storeSnapshots,
} from '#room/trackerd/replication/index';
import { AnnounceCall, DenseStore, ScrapeCall, type TrackerLimits, TrackerLogic, toTrackerLimits } from '#tracker';
import type { AnnounceEvent } from '#wire';

export const trackerLimits: TrackerLimits = toTrackerLimits({ peersMax: 200_000, swarmsMax: 50_000 });
/** Short times, so that what takes seconds takes moments. */
export const quick = {
  batchMs: 10,
  beatMs: 50,
  retryMinMs: 20,
  retryMaxMs: 100,
  memberTimeoutMs: 1_000,
  snapshotWaitMs: 3_000,
  connectTimeoutMs: 1_000,
};
export const hashA = new Uint8Array(20).fill(0xaa);
export const hashB = new Uint8Array(20).fill(0x0b);
export const now = (): Millis => performance.now() as Millis;

/** One tracker: a store, its logic, and replication through a real server. */
export class Replica {
  readonly store: DenseStore;
  readonly replication: Replication;
  readonly events: ReplicationEvent[] = [];
  readonly #logic: TrackerLogic;
  readonly #call = new AnnounceCall();

  constructor(t: TestContext, urls: readonly string[], name: string, limits: ReplicationOptions['limits'] = {}) {
    const rng = seededRng(name.length);
    this.store = DenseStore.create({ limits: trackerLimits, rng });
    this.replication = new Replication({
      urls,
      name,
      channel: 'test',
      store: this.store,
      snapshots: storeSnapshots(this.store, now),
      peerTtlMs: trackerLimits.peerTtlMs,
      now,
      onEvent: (event) => this.events.push(event),
      limits: { ...quick, ...limits },
    });
    this.#logic = new TrackerLogic({ store: this.store, limits: trackerLimits, hooks: [this.replication.log], rng });
    t.after(() => this.replication.stop());
  }

  announce(o: { hash?: Uint8Array; peer: number; isSeeder?: boolean; event?: AnnounceEvent; isSix?: boolean }): void {
    const source = o.isSix === true ? new Uint8Array(16) : new Uint8Array(4);
    source[0] = o.isSix === true ? 0x20 : 11;
    source[source.length - 2] = o.peer >> 8;
    source[source.length - 1] = o.peer;
    const call = this.#call;
    call.ask(
      {
        infoHash: o.hash ?? hashA,
        peerId: new Uint8Array(20),
        port: 1_000 + (o.peer >> 16),
        uploaded: 0,
        downloaded: 0,
        left: o.isSeeder === true ? 0 : 5,
        event: o.event ?? 'none',
        numWant: 50,
        key: 0,
      },
      { via: 'udp', source, families: 'both', peersMax: 50, out: new Uint8Array(50 * 18) },
    );
    assert.equal(this.#logic.announce(now(), call), undefined);
  }

  /** Puts a peer into the store, and tells nobody. */
  announceQuietly(o: Parameters<Replica['announce']>[0]): void {
    this.#logic.setHooks([]);
    this.announce(o);
    this.#logic.setHooks([this.replication.log]);
  }

  /** complete, incomplete, downloaded */
  counts(hash = hashA): [number, number, number] {
    const call = new ScrapeCall();
    call.ask([hash], { via: 'udp', source: new Uint8Array(4) });
    this.store.scrape(call);
    const { complete, incomplete, downloaded } = call.rowAt(0);
    return [complete, incomplete, downloaded];
  }

  get state(): string {
    return this.replication.facts().state;
  }
}

/** Waits for a condition; 15 s at most. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    assert(Date.now() < deadline, `${what}: not within 15 s`);
    await pause(5);
  }
}

/** Counts of both swarms are the same everywhere. */
export function isAlike(...trackers: Replica[]): boolean {
  const [first, ...others] = trackers.map((one) => `${one.counts()} ${one.counts(hashB)}`);
  return others.every((counts) => counts === first);
}

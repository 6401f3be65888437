import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Millis, seededRng } from '#base';
import { Replication, type ReplicationEvent } from '#room/trackerd/replication/index';
import { AnnounceCall, DenseStore, ScrapeCall, TrackerLogic, toTrackerLimits } from '#tracker';
import type { AnnounceEvent } from '#wire';
import { lacksRedis, RedisServer } from '../support/redis-server.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const needsRedis = { skip: lacksRedis };
const trackerLimits = toTrackerLimits({ peersMax: 200_000, swarmsMax: 50_000 });
const quick = {
  batchMs: 10,
  beatMs: 50,
  retryMinMs: 20,
  retryMaxMs: 100,
  memberTimeoutMs: 1_000,
  snapshotWaitMs: 3_000,
};
const hashA = new Uint8Array(20).fill(0xaa);
const hashB = new Uint8Array(20).fill(0x0b);
const now = (): Millis => performance.now() as Millis;

/** One tracker: a store, its logic, and replication through a real server. */
class Tracker {
  readonly store: DenseStore;
  readonly replication: Replication;
  readonly events: ReplicationEvent[] = [];
  readonly #logic: TrackerLogic;
  readonly #call = new AnnounceCall();

  constructor(t: TestContext, server: RedisServer, name: string, limits: Partial<typeof quick> & object = {}) {
    const rng = seededRng(name.length);
    this.store = DenseStore.create({ limits: trackerLimits, rng });
    this.replication = new Replication({
      urls: [server.url],
      name,
      channel: 'test',
      store: this.store,
      snapshots: { take: () => [], merge: () => [] },
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

  /** complete, incomplete, downloaded */
  counts(hash = hashA): number[] {
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

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    assert(Date.now() < deadline, `${what}: not within 15 s`);
    await pause(5);
  }
}

async function startServer(t: TestContext, options?: readonly string[]): Promise<RedisServer> {
  const server = new RedisServer(makeTempFolder(t), options);
  t.after(() => server.kill());
  await server.start();
  return server;
}

test("two trackers hear of each other's peers, of both families, and count downloads once", needsRedis, async (t) => {
  const server = await startServer(t);
  const a = new Tracker(t, server, 'a');
  const b = new Tracker(t, server, 'b');
  await Promise.all([a.replication.start(), b.replication.start()]);
  assert.deepEqual([a.state, b.state], ['live', 'live']);
  for (let i = 0; i < 100; i++) a.announce({ peer: i, isSeeder: i < 10, isSix: i % 2 === 0 });
  for (let i = 100; i < 150; i++) b.announce({ peer: i });
  await until('equal', () => `${a.counts()}` === `${b.counts()}` && a.counts()[1] === 140);
  b.announce({ peer: 3, event: 'completed', isSeeder: true });
  a.announce({ peer: 11, event: 'completed', isSeeder: true });
  b.announce({ peer: 11, event: 'completed', isSeeder: true });
  b.announce({ peer: 101, event: 'completed', isSeeder: true });
  a.announce({ peer: 5, event: 'stopped' });
  a.announce({ hash: hashB, peer: 1 });
  await until('equal', () => `${a.counts()}` === `${b.counts()}` && `${b.counts(hashB)}` === '0,1,0');
  assert.deepEqual(a.counts(), [11, 138, 2]);
  await until('members', () => a.replication.facts().members.filter((m) => m.isHere).length === 2);
});

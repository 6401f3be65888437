import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { BtError, type Millis } from '../../base/index.ts';
import { type DeltaBatch, type DeltaLog, deltaBytes } from '../../tracker/index.ts';
import { replicationLimits } from '../limits.ts';
import { ReplicationCore } from './core.ts';
import { makeDeltaLog } from './delta-log.ts';
import type { ReplicatedStore } from './inbox.ts';
import { parseRedisAddress, type RedisAddress } from './redis-address.ts';
import { loadRedisClient, RedisLink } from './redis-link.ts';
import { Session } from './session.ts';
import type { ReplicationEvent, ReplicationFacts, ReplicationLimits, SnapshotPort } from './types.ts';

export interface ReplicationOptions {
  /** See `parseRedisAddress`. */
  readonly urls: readonly string[];
  /** What people call this tracker; default: the name of the host. The same after a restart. */
  readonly name?: string | undefined;
  /** Prefix of all keys; trackers with the same one share their swarms. */
  readonly channel: string;
  readonly store: ReplicatedStore;
  readonly snapshots: SnapshotPort;
  readonly peerTtlMs: number;
  /** The clock that the store is used with. */
  readonly now: () => Millis;
  readonly onEvent?: (event: ReplicationEvent) => void;
  readonly limits?: Partial<ReplicationLimits>;
}

/**
 * Makes several trackers one: what peers announce here is told to the others through Redis, and theirs is put into the store here. The
 * store stays local and answers alone; where Redis is away the tracker goes on, and catches up when it is back.
 */
export class Replication {
  /** For the logic of this thread; other threads have one of their own and give its batches to `add`. */
  readonly log: DeltaLog;
  readonly #core: ReplicationCore;
  readonly #address: RedisAddress;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The session there is, to say goodbye by. */
  #session: Session | undefined;

  /** @throws BtError `client/invalid` for addresses that make no sense */
  constructor(options: ReplicationOptions) {
    this.#address = parseRedisAddress(options.urls);
    if (/[{}]/.test(options.channel) || options.channel === '') {
      throw new BtError('client/invalid', { what: 'the channel of replication must be a name without { and }' });
    }
    const limits = { ...replicationLimits, ...options.limits };
    this.#core = new ReplicationCore({
      name: options.name ?? hostname(),
      channel: options.channel,
      store: options.store,
      snapshots: options.snapshots,
      peerTtlMs: options.peerTtlMs,
      now: options.now,
      onEvent: options.onEvent ?? ((): void => {}),
      limits,
    });
    this.log = makeDeltaLog((batch) => this.add(batch), limits);
  }

  /**
   * Begins. Resolves when this tracker has what the others have, or goes on alone because Redis cannot be reached.
   *
   * @throws BtError `client/invalid` where the optional package `iovalkey` is not there
   */
  async start(): Promise<void> {
    await loadRedisClient();
    const core = this.#core;
    this.#timer = setInterval(() => this.#seal(), core.limits.batchMs);
    this.#timer.unref();
    await new Promise<void>((resolve) => {
      this.#running = this.#run(resolve);
    });
  }

  /** Takes over deltas of another thread. */
  add(batch: DeltaBatch): void {
    this.#core.inbox.settle(batch);
    this.#core.outbox.add(batch);
    // Most are of IPv4; the exact number is not worth a walk through the bytes.
    this.#core.counts.deltasOut += Math.round(batch.bytes.length / deltaBytes[4]);
  }

  facts(): ReplicationFacts {
    const core = this.#core;
    const { entriesIn, deltasIn, bytesIn, outdated, duplicates, gaps, malformed } = core.inbox.counts;
    const { deltasOut, entriesOut, bytesOut, snapshotsWritten, snapshotsLoaded, connects, badNotices } = core.counts;
    return {
      node: core.node,
      name: core.options.name,
      state: core.state,
      trouble: core.trouble,
      lagMs: core.lagMs(),
      lagEntries: core.inbox.queuedEntries,
      deltasIn,
      deltasOut,
      entriesIn,
      entriesOut,
      bytesIn,
      bytesOut,
      unsentBytes: core.outbox.unsentBytes,
      droppedBytes: core.outbox.droppedBytes,
      gaps,
      duplicates,
      malformed: malformed + badNotices,
      outdated,
      snapshotsWritten,
      snapshotsLoaded,
      connects,
      members: core.members.facts(core.serverNow()),
    };
  }

  /** Sends what is left, says goodbye and disconnects; takes a second at most where Redis does not answer. May be called twice. */
  async stop(): Promise<void> {
    if (this.#stop.signal.aborted) return this.#running;
    clearInterval(this.#timer);
    this.log.flush(this.#core.now(), 0);
    if (this.#session !== undefined) {
      await Promise.race([this.#session.leave().catch(() => {}), pause(1_000, undefined, { ref: false })]);
    }
    this.#stop.abort();
    this.#core.close();
    await this.#running;
  }

  #seal(): void {
    const core = this.#core;
    const now = core.now();
    this.log.flush(now, core.limits.batchMs);
    // Without Redis there is time to make larger ones; but the age of an entry is the age of all that is in it.
    const isWhole = core.outbox.seal(now, core.state === 'alone' ? 1_000 : core.limits.batchMs);
    if (!isWhole) core.isTold = false;
  }

  async #run(onSettled: () => void): Promise<void> {
    const core = this.#core;
    const { signal } = this.#stop;
    let retryMs = core.limits.retryMinMs;
    while (!signal.aborted) {
      let link: RedisLink | undefined;
      // Of this attempt, so that nothing is left listening when it is over.
      const linked = new AbortController();
      const unlink = (): void => linked.abort();
      signal.addEventListener('abort', unlink, { once: true });
      try {
        link = await RedisLink.connect(this.#address, {
          connectionName: `eider:${core.options.name.replaceAll(/[^\w.-]/g, '-')}`,
          limits: core.limits,
          signal: linked.signal,
        });
        core.counts.connects++;
        this.#session = new Session(core, link, () => {
          retryMs = core.limits.retryMinMs;
          onSettled();
        });
        await this.#session.run(signal);
      } catch (error) {
        if (!signal.aborted) core.setState('alone', describe(error));
      }
      this.#session = undefined;
      signal.removeEventListener('abort', unlink);
      link?.close();
      onSettled();
      // A part of it by chance, so that trackers do not come back in step.
      await pause(retryMs * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => {});
      retryMs = Math.min(retryMs * 2, core.limits.retryMaxMs);
    }
  }
}

function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const last = (error as { lastNodeError?: unknown }).lastNodeError;
  return last instanceof Error ? `${text}: ${last.message}` : text;
}

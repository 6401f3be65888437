import { randomBytes } from 'node:crypto';
import type { Millis } from '../../base/index.ts';
import type { EntryHeader } from './entry.ts';
import { Inbox, type ReplicatedStore } from './inbox.ts';
import { Members } from './members.ts';
import { Outbox } from './outbox.ts';
import { RedisKeys } from './redis-keys.ts';
import { parseNotice } from './snapshots.ts';
import type {
  MemberRecord,
  ReplicationEvent,
  ReplicationLimits,
  ReplicationState,
  SnapshotNotice,
  SnapshotPort,
} from './types.ts';

export interface CoreOptions {
  readonly name: string;
  readonly channel: string;
  readonly store: ReplicatedStore;
  readonly snapshots: SnapshotPort;
  readonly peerTtlMs: number;
  readonly now: () => Millis;
  readonly onEvent: (event: ReplicationEvent) => void;
  readonly limits: ReplicationLimits;
}

const NOTICES_MAX = 64;

/** What outlives a connection to Redis: what is to be sent and applied, what this tracker has joined, and what is wrong. */
export class ReplicationCore {
  /** This start of this tracker, 16 hex digits. */
  readonly node: string = randomBytes(8).toString('hex');
  readonly options: CoreOptions;
  readonly limits: ReplicationLimits;
  readonly keys: RedisKeys;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly members: Members;
  readonly counts = {
    deltasOut: 0,
    entriesOut: 0,
    bytesOut: 0,
    snapshotsWritten: 0,
    snapshotsLoaded: 0,
    connects: 0,
    /** Snapshots for everybody that make no sense. */
    badNotices: 0,
  };
  /** Snapshots for everybody that are to be loaded. */
  readonly notices: SnapshotNotice[] = [];
  /** Server time minus our own. */
  clockOffsetMs: number = Date.now() - performance.now();
  epoch = '';
  hasJoined = false;
  /** The others lack something that only we know: they must be given a snapshot. */
  isTold = true;
  trouble = '';
  /** Missing entries that a snapshot has made good. */
  gapsHealed = 0;
  /** Bytes of an entry, on average. */
  entryBytes = 16_384;
  readonly #startedAt: Millis;
  #state: ReplicationState = 'alone';
  #isApplying = false;
  #isClosed = false;

  constructor(options: CoreOptions) {
    this.options = options;
    this.limits = options.limits;
    const { streamCount, entryBytesMax, unsentBytesMax, keptBytesMax, keptMs } = options.limits;
    this.keys = new RedisKeys(options.channel);
    this.members = new Members(this.node, options.limits);
    this.outbox = new Outbox({ node: this.node, streamCount, entryBytesMax, unsentBytesMax, keptBytesMax, keptMs });
    this.inbox = new Inbox({
      node: this.node,
      streamCount,
      store: options.store,
      outbox: this.outbox,
      now: options.now,
      serverNow: () => this.serverNow(),
      peerTtlMs: options.peerTtlMs,
      onNotice: (body, header) => this.#onNotice(body, header),
    });
    this.#startedAt = options.now();
  }

  get state(): ReplicationState {
    return this.#state;
  }

  setState(state: ReplicationState, why: string): void {
    this.trouble = state === 'alone' ? why : '';
    if (state === this.#state) return;
    this.#state = state;
    this.options.onEvent({ type: 'state', state, why });
  }

  /** Something was missed that no snapshot has made good. */
  get hasGap(): boolean {
    return this.inbox.counts.gaps > this.gapsHealed;
  }

  now(): Millis {
    return this.options.now();
  }

  /** Milliseconds of Unix time, by the clock of Redis. */
  serverNow(): number {
    return this.now() + this.clockOffsetMs;
  }

  toOwnTime(serverMs: number): Millis {
    return (serverMs - this.clockOffsetMs) as Millis;
  }

  /** Applies what was read, in slices between which everything else has its turn. */
  apply(): void {
    if (this.#isApplying || this.#isClosed) return;
    this.#isApplying = true;
    const step = (): void => {
      this.#isApplying = !this.#isClosed && this.inbox.step(this.limits.applySliceMs);
      if (this.#isApplying) setImmediate(step);
    };
    // Not at once: taking apart what was read has had its share of this turn.
    setImmediate(step);
  }

  lagMs(): number {
    const oldest = this.inbox.oldestQueuedMs;
    return oldest === undefined ? 0 : Math.max(1, Math.round(this.serverNow() - oldest));
  }

  record(state: ReplicationState | 'left'): MemberRecord {
    const { swarmCount, peerCount4, peerCount6 } = this.options.store.stats();
    return {
      name: this.options.name,
      state,
      atMs: Math.round(this.serverNow()),
      startedMs: Math.round(this.#startedAt + this.clockOffsetMs),
      lagMs: this.lagMs(),
      swarmCount,
      peerCount: peerCount4 + peerCount6,
      isTold: this.isTold && this.outbox.unsentBytes === 0,
    };
  }

  /** Redis has lost everything: its streams begin again, and nobody knows what the others had of ours. */
  onRedisEmptied(): void {
    this.inbox.restart();
    this.outbox.passAll();
    this.isTold = false;
  }

  close(): void {
    this.#isClosed = true;
  }

  #onNotice(body: Uint8Array, header: EntryHeader): void {
    const notice = parseNotice(new TextDecoder().decode(body));
    if (notice === undefined || notice.node !== header.node) this.counts.badNotices++;
    else if (this.notices.length < NOTICES_MAX) this.notices.push(notice);
  }
}

/** What the epoch begins with: trackers that write another format must not meet in one channel. */
export function epochPrefix(streamCount: number): string {
  return `1:${streamCount}:`;
}

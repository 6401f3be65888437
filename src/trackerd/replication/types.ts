import type { Millis } from '../../base/index.ts';
import type { replicationLimits } from '../limits.ts';

/** `replicationLimits`, some of them changed. */
export type ReplicationLimits = { readonly [K in keyof typeof replicationLimits]: number };

/**
 * `alone`: Redis cannot be reached; the tracker serves its own peers and keeps its deltas. `joining`: it learns what the others have.
 * `live`: it hears all. `behind`: something was missed; it waits for a snapshot of another tracker, and serves what it has.
 */
export type ReplicationState = 'alone' | 'joining' | 'live' | 'behind';

/** The store as snapshots see it. Both ways are cut into steps, so that a large store stops nothing. */
export interface SnapshotPort {
  /** Everything in the store, a chunk a step, each at most 1 MiB; an empty chunk only ends a step. Chunks are the caller's own. */
  take(): Iterable<Uint8Array>;
  /**
   * Merges one chunk of another tracker's snapshot: of a peer the younger word stays, of a swarm the larger count of downloads.
   *
   * @param takenAt when the snapshot was begun, by this tracker's clock; may lie before its start
   * @returns steps
   * @throws BtError where the chunk is damaged
   */
  merge(chunk: Uint8Array, takenAt: Millis): Iterable<unknown>;
}

/** What a member says of itself, as JSON in Redis. */
export interface MemberRecord {
  readonly name: string;
  readonly state: ReplicationState | 'left';
  /** Server time of the record and of the start, milliseconds. */
  readonly atMs: number;
  readonly startedMs: number;
  readonly lagMs: number;
  readonly swarmCount: number;
  readonly peerCount: number;
  /** The others have been told all that this tracker knows. */
  readonly isTold: boolean;
}

export interface MemberFacts extends Omit<MemberRecord, 'atMs' | 'startedMs' | 'isTold'> {
  /** 16 hex digits, another at each start. */
  readonly node: string;
  readonly isSelf: boolean;
  /** Heard of within the last seconds, and not gone. */
  readonly isHere: boolean;
  readonly seenMsAgo: number;
  readonly upMs: number;
}

/** Where a complete snapshot lies in Redis. */
export interface SnapshotNotice {
  readonly id: string;
  readonly node: string;
  /** When it was begun, by the server's clock. */
  readonly takenMs: number;
  readonly chunkCount: number;
  /** `InboxPosition` of its writer when it was begun, ids as text. */
  readonly ids: readonly string[];
  readonly sequences: Readonly<Record<string, readonly number[]>>;
}

/** Numbers since the start, for metrics and pages. */
export interface ReplicationFacts {
  readonly node: string;
  readonly name: string;
  readonly state: ReplicationState;
  /** Why it is alone; empty otherwise. */
  readonly trouble: string;
  /** Age of the oldest entry that is not applied yet; 0 = none. */
  readonly lagMs: number;
  readonly lagEntries: number;
  readonly deltasIn: number;
  readonly deltasOut: number;
  readonly entriesIn: number;
  readonly entriesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes that wait for Redis, and bytes that were dropped because it was away for too long. */
  readonly unsentBytes: number;
  readonly droppedBytes: number;
  /** Entries missed, entries that came twice, entries that make no sense, deltas older than what was known. */
  readonly gaps: number;
  readonly duplicates: number;
  readonly malformed: number;
  readonly outdated: number;
  readonly snapshotsWritten: number;
  readonly snapshotsLoaded: number;
  readonly connects: number;
  readonly members: readonly MemberFacts[];
}

export type ReplicationEvent =
  | { readonly type: 'state'; readonly state: ReplicationState; readonly why: string }
  | { readonly type: 'snapshot-written'; readonly chunkCount: number; readonly why: 'asked' | 'exchange' }
  | { readonly type: 'snapshot-loaded'; readonly chunkCount: number; readonly node: string };

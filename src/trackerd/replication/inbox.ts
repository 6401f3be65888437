import { BtError, type Millis } from '../../base/index.ts';
import {
  checkDeltas,
  type DeltaBatch,
  DeltaReader,
  hashDelta,
  type StoreAnnounce,
  type SwarmStore,
} from '../../tracker/index.ts';
import { type EntryHeader, entryHeaderBytes, readEntryHeader } from './entry.ts';
import type { Outbox } from './outbox.ts';
import { RecentPeers } from './recent-peers.ts';
import { compareStreamIds, type StreamId, streamStart } from './stream-id.ts';

interface QueuedEntry {
  readonly stream: number;
  readonly id: StreamId;
  readonly bytes: Uint8Array;
}

/** A store that can be told late. */
export interface ReplicatedStore extends SwarmStore {
  /** @param ageMs how long ago the peer was heard of; what is known since then is newer, and stays */
  announce(now: Millis, a: StoreAnnounce, ageMs?: number): void;
}

/** An entry that is being applied. */
interface CurrentEntry {
  readonly entry: QueuedEntry;
  readonly ageMs: number;
  readonly isLate: boolean;
  readonly isExpired: boolean;
}

/** How far the streams are applied here: what a snapshot must say so that its reader can go on from there. */
export interface InboxPosition {
  /** By stream. */
  readonly ids: readonly StreamId[];
  /** By node: its last sequence number in each stream, 0 = none. */
  readonly sequences: Readonly<Record<string, readonly number[]>>;
}

export interface InboxCounts {
  entriesIn: number;
  deltasIn: number;
  bytesIn: number;
  /** Deltas of others that were older than what this tracker knew by itself. */
  outdated: number;
  /** Entries that had been sent twice. */
  duplicates: number;
  /** Entries that are missing. */
  gaps: number;
  malformed: number;
}

export interface InboxOptions {
  readonly node: string;
  readonly streamCount: number;
  readonly store: ReplicatedStore;
  readonly outbox: Outbox;
  readonly now: () => Millis;
  /** The server's clock, milliseconds of Unix time. */
  readonly serverNow: () => number;
  readonly peerTtlMs: number;
  /** Another tracker has a snapshot for everybody. @param body lent */
  readonly onNotice: (body: Uint8Array, header: EntryHeader) => void;
}

/**
 * An entry sent within this time is applied whatever is known of its peers: the order of the stream is the same for all, so that all end
 * alike. One that waited longer, for a Redis that was away, must not undo what happened since; there the times count.
 */
const LATE_MS = 2_000;
const NODES_MAX = 1_024;
const LOOK_AT_CLOCK_EVERY = 64;

/**
 * What the other trackers have told: entries are queued as they are read, and applied to the store in slices, so that a burst stops
 * nothing else. Every entry is applied once, in the order of its stream.
 */
export class Inbox {
  readonly counts: InboxCounts = {
    entriesIn: 0,
    deltasIn: 0,
    bytesIn: 0,
    outdated: 0,
    duplicates: 0,
    gaps: 0,
    malformed: 0,
  };
  readonly #o: InboxOptions;
  readonly #reader = new DeltaReader();
  readonly #ownReader = new DeltaReader();
  readonly #recent = new RecentPeers();
  readonly #queue: QueuedEntry[] = [];
  #queuedBytes = 0;
  /** Where reading goes on, and where applying is. */
  readonly #readIds: StreamId[];
  readonly #appliedIds: StreamId[];
  /** Up to here a node that is not known may begin with any number: what was before it is not expected to be in the stream. */
  readonly #lenientIds: StreamId[];
  readonly #sequences = new Map<string, number[]>();
  /** The entry that is being applied, its reader in the middle. */
  #current: CurrentEntry | undefined;

  constructor(options: InboxOptions) {
    this.#o = options;
    const start = (): StreamId[] => Array.from({ length: options.streamCount }, () => streamStart);
    this.#readIds = start();
    this.#appliedIds = start();
    this.#lenientIds = start();
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }
  get queuedEntries(): number {
    return this.#queue.length;
  }
  /** Time of the entry that is next to be applied, by the server's clock; undefined = nothing waits. */
  get oldestQueuedMs(): number | undefined {
    return (this.#current?.entry ?? this.#queue[0])?.id.ms;
  }

  readIdOf(stream: number): StreamId {
    return this.#readIds[stream] as StreamId;
  }

  /** Reads a stream again from a place that is before what was read: it has lost its end. */
  rewind(stream: number, id: StreamId): void {
    this.#readIds[stream] = id;
    this.#appliedIds[stream] = id;
  }

  /** @param bytes kept until it is applied */
  push(stream: number, id: StreamId, bytes: Uint8Array): void {
    this.#readIds[stream] = id;
    this.#queue.push({ stream, id, bytes });
    this.#queuedBytes += bytes.length;
    this.counts.entriesIn++;
    this.counts.bytesIn += bytes.length;
  }

  position(): InboxPosition {
    const sequences: Record<string, readonly number[]> = {};
    for (const [node, own] of this.#sequences) sequences[node] = [...own];
    return { ids: [...this.#appliedIds], sequences };
  }

  /**
   * Goes on from where a snapshot was begun, or from where it is where that is later.
   *
   * @param lenientIds ends of the streams: from nodes that are not known nothing is missing before them
   */
  jump(to: InboxPosition | undefined, lenientIds: readonly StreamId[]): void {
    for (let i = 0; i < this.#o.streamCount; i++) {
      this.#lenientIds[i] = lenientIds[i] ?? streamStart;
      const id = to?.ids[i];
      if (id === undefined || compareStreamIds(id, this.#appliedIds[i] as StreamId) <= 0) continue;
      this.#appliedIds[i] = id;
      if (compareStreamIds(id, this.#readIds[i] as StreamId) > 0) this.#readIds[i] = id;
    }
    for (const [node, numbers] of Object.entries(to?.sequences ?? {})) {
      const own = this.#sequencesOf(node);
      for (let i = 0; i < own.length; i++) {
        own[i] = Math.max(own[i] as number, numbers[i] ?? 0);
        // What we sent before that is behind us now.
        if (node === this.#o.node) this.#o.outbox.pass(i, own[i] as number);
      }
    }
  }

  /** Begins at the beginning of streams that are new. What waits is applied still. */
  restart(): void {
    this.#readIds.fill(streamStart);
    this.#appliedIds.fill(streamStart);
    this.#lenientIds.fill(streamStart);
  }

  /**
   * Takes note of deltas of our own, which will come after all that was applied so far: where another tracker's word about the same peer
   * was applied since, ours is applied again. Its download is counted already.
   */
  settle(batch: DeltaBatch): void {
    const { bytes, startedAt } = batch;
    const reader = this.#ownReader;
    const now = this.#o.now();
    reader.open(bytes, 0);
    while (reader.next()) {
      const hash = hashDelta(bytes, reader.deltaAt);
      if (!this.#recent.isSince(hash, startedAt)) continue;
      if (reader.event === 'completed') reader.event = 'none';
      this.#o.store.announce(now, reader);
      // What the same peer has said to us since then is on its way, and must come after this.
      this.#recent.note(hash, now);
    }
  }

  /** Applies what waits for at most `budgetMs`. @returns whether something is left */
  step(budgetMs: number): boolean {
    const until = this.#o.now() + budgetMs;
    do {
      if (this.#current === undefined && !this.#begin()) return this.#queue.length > 0;
      if (this.#current !== undefined) this.#applySome();
    } while (this.#o.now() < until);
    return this.#current !== undefined || this.#queue.length > 0;
  }

  /** Takes the next entry from the queue; it becomes the current one where it holds deltas to apply. @returns false: the queue is empty */
  #begin(): boolean {
    const entry = this.#queue.shift();
    if (entry === undefined) return false;
    this.#queuedBytes -= entry.bytes.length;
    try {
      const header = readEntryHeader(entry.bytes);
      if (header.node === this.#o.node) this.#passOwn(entry.stream, header.sequence);
      else if (this.#isNext(entry, header)) this.#open(entry, header);
    } catch (error) {
      if (!BtError.is(error)) throw error;
      this.counts.malformed++;
    }
    if (this.#current === undefined) this.#appliedIds[entry.stream] = entry.id;
    return true;
  }

  #passOwn(stream: number, sequence: number): void {
    this.#o.outbox.pass(stream, sequence);
    // Not for ourselves: a snapshot must say how far its writer is.
    const numbers = this.#sequencesOf(this.#o.node);
    numbers[stream] = Math.max(numbers[stream] as number, sequence);
  }

  #open(entry: QueuedEntry, header: EntryHeader): void {
    if (header.kind === 'snapshot') {
      this.#o.onNotice(entry.bytes.subarray(entryHeaderBytes), header);
      return;
    }
    this.counts.deltasIn += checkDeltas(entry.bytes, entryHeaderBytes);
    const ageMs = Math.max(0, this.#o.serverNow() - entry.id.ms) + header.ageMs;
    this.#reader.open(entry.bytes, entryHeaderBytes);
    this.#current = {
      entry,
      ageMs,
      isLate: header.ageMs > LATE_MS,
      isExpired: ageMs > this.#o.peerTtlMs,
    };
  }

  /** Whether an entry of another node is to be applied; notes its number. */
  #isNext(entry: QueuedEntry, header: EntryHeader): boolean {
    const { stream } = entry;
    const isKnown = this.#sequences.has(header.node);
    const numbers = this.#sequencesOf(header.node);
    const last = numbers[stream] as number;
    if (header.sequence <= last) {
      this.counts.duplicates++;
      return false;
    }
    const mayBeginAnywhere = last === 0 && compareStreamIds(entry.id, this.#lenientIds[stream] as StreamId) <= 0;
    if (header.sequence !== last + 1 && !mayBeginAnywhere) this.counts.gaps += isKnown ? header.sequence - last - 1 : 1;
    numbers[stream] = header.sequence;
    return true;
  }

  #applySome(): void {
    const { entry, ageMs, isLate, isExpired } = this.#current as CurrentEntry;
    const { ownPeers } = this.#o.outbox;
    const { store } = this.#o;
    const now = this.#o.now();
    const at = (now - ageMs) as Millis;
    const reader = this.#reader;
    for (let i = 0; i < LOOK_AT_CLOCK_EVERY; i++) {
      if (!reader.next()) {
        this.#appliedIds[entry.stream] = entry.id;
        this.#current = undefined;
        return;
      }
      // Who was last heard of so long ago is gone; that he left, or has it all, still counts.
      if (isExpired && reader.event === 'none') continue;
      if (ownPeers.isNewer(entry.bytes, reader.deltaAt, at)) {
        this.counts.outdated++;
        continue;
      }
      if (isLate) store.announce(now, reader, ageMs);
      else store.announce(at, reader);
      this.#recent.note(hashDelta(entry.bytes, reader.deltaAt), now);
    }
  }

  #sequencesOf(node: string): number[] {
    let numbers = this.#sequences.get(node);
    if (numbers !== undefined) return numbers;
    numbers = new Array<number>(this.#o.streamCount).fill(0);
    this.#sequences.set(node, numbers);
    // Every start of a tracker is a node of its own: the one that was met first goes first.
    if (this.#sequences.size > NODES_MAX) {
      const [first] = this.#sequences.keys();
      if (first !== undefined) this.#sequences.delete(first);
    }
    return numbers;
  }
}

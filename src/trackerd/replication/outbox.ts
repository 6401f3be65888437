import type { Millis } from '../../base/index.ts';
import type { DeltaBatch } from '../../tracker/index.ts';
import { entryHeaderBytes, writeEntryHeader } from './entry.ts';
import { OwnPeers } from './own-peers.ts';
import type { StreamId } from './stream-id.ts';

/** An entry of our own, from when it is full until it cannot be lost any more. */
export interface OwnEntry {
  /** Header and body; the header is written when it is sent. */
  readonly bytes: Uint8Array;
  readonly kind: 'deltas' | 'snapshot';
  readonly startedAt: Millis;
  /** Of its batches: numbers of this process, over all streams. */
  readonly serials: readonly number[];
  /** In its stream; 0 = never sent. */
  sequence: number;
  /** Where Redis has put it; undefined = not sent, or not known whether it arrived. */
  id: StreamId | undefined;
  ackedAt: Millis;
}

interface OwnStream {
  /** Batches that wait for more, and their serials. */
  readonly waiting: DeltaBatch[];
  serials: number[];
  waitingBytes: number;
  /** Not acknowledged, oldest first. */
  readonly unsent: OwnEntry[];
  /** Acknowledged, oldest first. */
  readonly kept: OwnEntry[];
  lastSequence: number;
}

/**
 * What this tracker has to tell the others: batches wait here to become entries, entries wait for Redis, and for a while after it has
 * them, because a Redis that falls may forget what it has acknowledged.
 */
export class Outbox {
  /** Peers of our own that our reader has not come by. */
  readonly ownPeers: OwnPeers = new OwnPeers();
  readonly #node: string;
  readonly #streams: readonly OwnStream[];
  readonly #unsentBytesMax: number;
  readonly #keptBytesMax: number;
  readonly #keptMs: number;
  readonly #entryBytesMax: number;
  #lastSerial = 0;
  #unsentBytes = 0;
  #keptBytes = 0;
  #droppedDeltasBytes = 0;

  constructor(o: {
    node: string;
    streamCount: number;
    entryBytesMax: number;
    unsentBytesMax: number;
    keptBytesMax: number;
    keptMs: number;
  }) {
    this.#node = o.node;
    this.#entryBytesMax = o.entryBytesMax;
    this.#unsentBytesMax = o.unsentBytesMax;
    this.#keptBytesMax = o.keptBytesMax;
    this.#keptMs = o.keptMs;
    this.#streams = Array.from({ length: o.streamCount }, () => ({
      waiting: [],
      serials: [],
      waitingBytes: 0,
      unsent: [],
      kept: [],
      lastSequence: 0,
    }));
  }

  /** Bytes that Redis does not have yet. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }
  /** Bytes of deltas that were given up because Redis was away for too long. */
  get droppedBytes(): number {
    return this.#droppedDeltasBytes;
  }

  add(batch: DeltaBatch): void {
    const stream = this.#streams[batch.stream] as OwnStream;
    if (stream.waitingBytes + batch.bytes.length > this.#entryBytesMax) this.#seal(stream);
    stream.waiting.push(batch);
    stream.serials.push(++this.#lastSerial);
    this.ownPeers.add(this.#lastSerial, batch.bytes, batch.startedAt);
    stream.waitingBytes += batch.bytes.length;
  }

  /** Puts something for all trackers into a stream, behind all deltas before it. */
  addNotice(stream: number, body: Uint8Array, now: Millis): void {
    const own = this.#streams[stream] as OwnStream;
    this.#seal(own);
    const bytes = new Uint8Array(entryHeaderBytes + body.length);
    bytes.set(body, entryHeaderBytes);
    this.#append(own, { bytes, kind: 'snapshot', startedAt: now, serials: [++this.#lastSerial] });
  }

  /**
   * Makes entries of what waits for at least `ageMs`.
   *
   * @returns false where older ones had to be given up for it: the others must be told everything
   */
  seal(now: Millis, ageMs: number): boolean {
    for (const stream of this.#streams) {
      const first = stream.waiting[0];
      if (first !== undefined && now - first.startedAt >= ageMs) this.#seal(stream);
    }
    let isWhole = true;
    while (this.#unsentBytes > this.#unsentBytesMax && this.#dropOldest()) isWhole = false;
    return isWhole;
  }

  /** The entry of a stream to send next, its header made for now. */
  next(stream: number, now: Millis): OwnEntry | undefined {
    const own = this.#streams[stream] as OwnStream;
    const [entry] = own.unsent;
    if (entry === undefined) return undefined;
    if (entry.sequence === 0) entry.sequence = ++own.lastSequence;
    const { kind, sequence } = entry;
    writeEntryHeader(entry.bytes, { kind, sequence, ageMs: now - entry.startedAt, node: this.#node });
    return entry;
  }

  /** Redis has the entry that `next` gave. */
  acknowledge(stream: number, id: StreamId, now: Millis): void {
    const own = this.#streams[stream] as OwnStream;
    const entry = own.unsent.shift();
    if (entry === undefined) return;
    entry.id = id;
    entry.ackedAt = now;
    own.kept.push(entry);
    this.#unsentBytes -= entry.bytes.length;
    this.#keptBytes += entry.bytes.length;
    this.#forget(own, now);
  }

  /** Acknowledged entries of a stream that are still here, oldest first; the last one always is. */
  keptOf(stream: number): readonly OwnEntry[] {
    return (this.#streams[stream] as OwnStream).kept;
  }

  /** Takes back the acknowledged entries of a stream from the given one on: Redis has lost them. @returns how many */
  takeBack(stream: number, from: OwnEntry): number {
    const own = this.#streams[stream] as OwnStream;
    const at = own.kept.indexOf(from);
    const lost = at < 0 ? [] : own.kept.splice(at);
    for (const entry of lost) {
      entry.id = undefined;
      this.#keptBytes -= entry.bytes.length;
      this.#unsentBytes += entry.bytes.length;
    }
    own.unsent.unshift(...lost);
    return lost.length;
  }

  /** Our reader has come by an entry of ours: what it reads from here on is newer than that. */
  pass(stream: number, sequence: number): void {
    const own = this.#streams[stream] as OwnStream;
    for (const list of [own.kept, own.unsent]) {
      for (const entry of list) {
        if (entry.sequence > 0 && entry.sequence <= sequence) this.#passEntry(entry);
      }
    }
  }

  /** Redis has lost all that it had: none of it will be read. */
  passAll(): void {
    for (const own of this.#streams) for (const entry of own.kept) this.#passEntry(entry);
  }

  #seal(own: OwnStream): void {
    const [first] = own.waiting;
    if (first === undefined) return;
    const bytes = new Uint8Array(entryHeaderBytes + own.waitingBytes);
    let at = entryHeaderBytes;
    let startedAt = first.startedAt;
    own.waiting.forEach((batch, i) => {
      bytes.set(batch.bytes, at);
      this.ownPeers.move(own.serials[i] as number, bytes, at);
      at += batch.bytes.length;
      if (batch.startedAt < startedAt) startedAt = batch.startedAt;
    });
    this.#append(own, { bytes, kind: 'deltas', startedAt, serials: own.serials });
    own.waiting.length = 0;
    own.waitingBytes = 0;
    own.serials = [];
  }

  #passEntry(entry: OwnEntry): void {
    for (const serial of entry.serials) this.ownPeers.drop(serial);
  }

  #append(own: OwnStream, o: Pick<OwnEntry, 'bytes' | 'kind' | 'startedAt' | 'serials'>): void {
    own.unsent.push({ ...o, sequence: 0, id: undefined, ackedAt: 0 as Millis });
    this.#unsentBytes += o.bytes.length;
  }

  /** Gives up the oldest entry that was never sent; one that was may have arrived, and its number must not be missing. */
  #dropOldest(): boolean {
    let oldest: { own: OwnStream; at: number; serial: number } | undefined;
    for (const own of this.#streams) {
      const at = own.unsent.findIndex((entry) => entry.sequence === 0);
      const serial = own.unsent[at]?.serials[0];
      if (serial !== undefined && (oldest === undefined || serial < oldest.serial)) oldest = { own, at, serial };
    }
    if (oldest === undefined) return false;
    for (const entry of oldest.own.unsent.splice(oldest.at, 1)) {
      this.#unsentBytes -= entry.bytes.length;
      this.#droppedDeltasBytes += entry.bytes.length - entryHeaderBytes;
      this.#passEntry(entry);
    }
    return true;
  }

  #forget(own: OwnStream, now: Millis): void {
    while (own.kept.length > 1) {
      const oldest = own.kept[0] as OwnEntry;
      if (now - oldest.ackedAt < this.#keptMs && this.#keptBytes <= this.#keptBytesMax) return;
      own.kept.shift();
      this.#keptBytes -= oldest.bytes.length;
      // A reader that is so far behind does without.
      this.#passEntry(oldest);
    }
  }
}

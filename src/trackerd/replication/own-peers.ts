// Hot path: tracker-replication
import type { Millis } from '../../base/index.ts';
import { DeltaReader, hashDelta, isSamePeer } from '../../tracker/index.ts';
import { entryHeaderBytes } from './entry.ts';

const SLOTS = 1 << 17;
const PROBES_MAX = 8;
/** Entries are below 2^20 bytes. */
const PLACE = 0x10_0000;
/** Clocks of this process and of Redis, and the batching, are not finer than this together. */
const TOLERANCE_MS = 2_000;

/**
 * The peers of our own deltas that other trackers will read after what we read now. What the others say about such a peer is older than
 * what we know, however late it comes: the order of the stream is the same for all, and so all end alike.
 *
 * A table that may forget (8 places a peer): then the older word stands here until the peer's next announce.
 */
export class OwnPeers {
  /** serial × PLACE + position of the delta in its entry; 0 = free. */
  readonly #places = new Float64Array(SLOTS);
  readonly #entries = new Map<number, { readonly bytes: Uint8Array; readonly startedAt: Millis }>();
  readonly #reader = new DeltaReader();
  /** Places below this are of entries that are gone; some above may be too. */
  #oldestPlace = Number.POSITIVE_INFINITY;

  /** @param bytes an entry with deltas, kept until `drop` */
  add(serial: number, bytes: Uint8Array, startedAt: Millis): void {
    if (this.#entries.size === 0) this.#oldestPlace = serial * PLACE;
    this.#entries.set(serial, { bytes, startedAt });
    const reader = this.#reader;
    reader.open(bytes, entryHeaderBytes);
    while (reader.next()) {
      this.#places[this.#slotFor(bytes, reader.deltaAt)] = serial * PLACE + reader.deltaAt;
    }
  }

  drop(serial: number): void {
    if (!this.#entries.delete(serial) || serial * PLACE !== this.#oldestPlace) return;
    const [oldest] = this.#entries.keys();
    this.#oldestPlace = oldest === undefined ? Number.POSITIVE_INFINITY : oldest * PLACE;
  }

  /** Whether we know better than a delta of another tracker. @param at when it happened */
  isNewer(bytes: Uint8Array, deltaAt: number, at: Millis): boolean {
    if (this.#entries.size === 0) return false;
    let slot = hashDelta(bytes, deltaAt) & (SLOTS - 1);
    for (let probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & (SLOTS - 1)) {
      const place = this.#places[slot] as number;
      if (place === 0) return false;
      if (place < this.#oldestPlace) continue;
      const entry = this.#entries.get(Math.floor(place / PLACE));
      if (entry === undefined || !isSamePeer(entry.bytes, place % PLACE, bytes, deltaAt)) continue;
      return entry.startedAt >= at - TOLERANCE_MS;
    }
    return false;
  }

  /** The slot of the same peer, or one whose entry is gone, or the last that is looked at. */
  #slotFor(bytes: Uint8Array, deltaAt: number): number {
    let slot = hashDelta(bytes, deltaAt) & (SLOTS - 1);
    let free = -1;
    for (let probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & (SLOTS - 1)) {
      const place = this.#places[slot] as number;
      if (place === 0) return free < 0 ? slot : free;
      const entry = place < this.#oldestPlace ? undefined : this.#entries.get(Math.floor(place / PLACE));
      if (entry === undefined) {
        if (free < 0) free = slot;
      } else if (isSamePeer(entry.bytes, place % PLACE, bytes, deltaAt)) return slot;
    }
    return free < 0 ? (slot - 1) & (SLOTS - 1) : free;
  }
}

// Hot path: tracker-replication
import type { Millis } from '../../base/index.ts';
import { DeltaReader, hashDelta, isSamePeer } from '../../tracker/index.ts';

const SLOTS = 1 << 17;
const PROBES_MAX = 8;
/** Batches are below 2^20 bytes. */
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
  /** serial × PLACE + position of the delta in its batch; 0 = free. */
  readonly #places = new Float64Array(SLOTS);
  readonly #batches = new Map<number, { bytes: Uint8Array; base: number; readonly startedAt: Millis }>();
  readonly #reader = new DeltaReader();
  /** Places below this are of batches that are gone; some above may be too. */
  #oldestPlace = Number.POSITIVE_INFINITY;

  /** @param serial from 1, larger every time. @param bytes deltas, kept until `move` or `drop` */
  add(serial: number, bytes: Uint8Array, startedAt: Millis): void {
    if (this.#batches.size === 0) this.#oldestPlace = serial * PLACE;
    this.#batches.set(serial, { bytes, base: 0, startedAt });
    const reader = this.#reader;
    reader.open(bytes, 0);
    while (reader.next()) {
      this.#places[this.#slotFor(bytes, reader.deltaAt)] = serial * PLACE + reader.deltaAt;
    }
  }

  /** A batch is a part of larger bytes now. */
  move(serial: number, bytes: Uint8Array, base: number): void {
    const batch = this.#batches.get(serial);
    if (batch === undefined) return;
    batch.bytes = bytes;
    batch.base = base;
  }

  drop(serial: number): void {
    if (!this.#batches.delete(serial) || serial * PLACE !== this.#oldestPlace) return;
    const [oldest] = this.#batches.keys();
    this.#oldestPlace = oldest === undefined ? Number.POSITIVE_INFINITY : oldest * PLACE;
  }

  /** Whether we know better than a delta of another tracker. @param at when it happened */
  isNewer(bytes: Uint8Array, deltaAt: number, at: Millis): boolean {
    if (this.#batches.size === 0) return false;
    let slot = hashDelta(bytes, deltaAt) & (SLOTS - 1);
    for (let probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & (SLOTS - 1)) {
      const place = this.#places[slot] as number;
      if (place === 0) return false;
      if (place < this.#oldestPlace) continue;
      const batch = this.#batches.get(Math.floor(place / PLACE));
      if (batch === undefined || !isSamePeer(batch.bytes, batch.base + (place % PLACE), bytes, deltaAt)) continue;
      return batch.startedAt >= at - TOLERANCE_MS;
    }
    return false;
  }

  /** The slot of the same peer, or one whose batch is gone, or the last that is looked at. */
  #slotFor(bytes: Uint8Array, deltaAt: number): number {
    let slot = hashDelta(bytes, deltaAt) & (SLOTS - 1);
    let free = -1;
    for (let probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & (SLOTS - 1)) {
      const place = this.#places[slot] as number;
      if (place === 0) return free < 0 ? slot : free;
      const batch = place < this.#oldestPlace ? undefined : this.#batches.get(Math.floor(place / PLACE));
      if (batch === undefined) {
        if (free < 0) free = slot;
      } else if (isSamePeer(batch.bytes, batch.base + (place % PLACE), bytes, deltaAt)) return slot;
    }
    return free < 0 ? (slot - 1) & (SLOTS - 1) : free;
  }
}

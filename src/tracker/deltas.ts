// Hot path: tracker-replication
import { BtError, type Millis, readU16, readU32, writeU16 } from '../base/index.ts';
import type { AnnounceEvent } from '../wire/index.ts';
import type { AnnounceCall } from './calls.ts';
import type { TrackerHooks } from './hooks.ts';
import type { StoreAnnounce } from './swarm-store.ts';

/**
 * A delta: what one announce has changed, as other trackers of the same swarm are told it.
 *
 *      0  flags: 1 IPv6, 2 seeder, 4 stopped, 8 completed (of a seeder); the others are 0
 *      1  info-hash[20]
 *     21  address[4], or [16] with flag 1
 *      …  port u16
 *
 * 27 bytes, 39 with IPv6. A batch is deltas one after the other, in the order in which they happened; when is said once for a batch.
 * Web peers are not told: an offer cannot be handed to a browser that is connected to another tracker.
 */
const FLAG_SIX = 1;
const FLAG_SEEDER = 2;
const FLAG_STOPPED = 4;
const FLAG_COMPLETED = 8;
const FLAGS_KNOWN = FLAG_SIX | FLAG_SEEDER | FLAG_STOPPED | FLAG_COMPLETED;
export const deltaBytes = { 4: 27, 6: 39 } as const;

/** Deltas of one stream, in the order in which they happened. */
export interface DeltaBatch {
  /** 0 .. `streamCount` - 1; all deltas of an info-hash go by the same stream. */
  readonly stream: number;
  /** When the first of them happened. */
  readonly startedAt: Millis;
  /** The receiver's own, with an ArrayBuffer of its own, so that it can be transferred to another thread. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** @param streamCount a power of two up to 64 */
export function streamOf(hashBytes: Uint8Array, hashAt: number, streamCount: number): number {
  return (hashBytes[hashAt] as number) & (streamCount - 1);
}

/**
 * Checks that a batch is well formed; a `DeltaReader` relies on it.
 *
 * @param from where it begins in `bytes`, which it fills to the end
 * @returns how many deltas it holds
 * @throws BtError `wire/truncated`, `wire/invalid`
 */
export function checkDeltas(bytes: Uint8Array, from = 0): number {
  let count = 0;
  for (let at = from; at < bytes.length; count++) {
    const flags = bytes[at] as number;
    const isOdd = (flags & FLAG_COMPLETED) !== 0 && (flags & (FLAG_SEEDER | FLAG_STOPPED)) !== FLAG_SEEDER;
    if (isOdd || (flags & ~FLAGS_KNOWN) !== 0) {
      throw new BtError('wire/invalid', { message: 'batch of deltas', what: `flags ${flags}` });
    }
    const next = at + ((flags & FLAG_SIX) === 0 ? deltaBytes[4] : deltaBytes[6]);
    if (next > bytes.length) {
      throw new BtError('wire/truncated', { message: 'batch of deltas', neededBytes: next, gotBytes: bytes.length });
    }
    if ((flags & FLAG_STOPPED) === 0 && readU16(bytes, next - 2) === 0) {
      throw new BtError('wire/invalid', { message: 'batch of deltas', what: 'port 0' });
    }
    at = next;
  }
  return count;
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Reads a batch that `checkDeltas` has passed, as announces for a store that ask for nobody. One object reads all batches. */
export class DeltaReader implements StoreAnnounce {
  hashBytes: Uint8Array = NO_BYTES;
  hashAt = 0;
  peerBytes: Uint8Array = NO_BYTES;
  peerAt = 0;
  network: 4 | 6 = 4;
  port = 0;
  isSeeder = false;
  event: AnnounceEvent = 'none';
  readonly numGiven = 0;
  families: 4 | 6 = 4;
  readonly out: Uint8Array = NO_BYTES;
  readonly outAt = 0;
  complete = 0;
  incomplete = 0;
  downloaded = 0;
  peerCount4 = 0;
  peerCount6 = 0;
  peerCountWeb = 0;
  isStored = true;
  #at = 0;

  /** Begins a batch at a place in a buffer, which it fills to the end. @param bytes borrowed until the last `next` */
  open(bytes: Uint8Array, at: number): void {
    this.hashBytes = bytes;
    this.peerBytes = bytes;
    this.#at = at;
  }

  /** Goes to the next delta. @returns false at the end of the batch */
  next(): boolean {
    const bytes = this.hashBytes;
    const at = this.#at;
    if (at >= bytes.length) return false;
    const flags = bytes[at] as number;
    const isSix = (flags & FLAG_SIX) !== 0;
    this.hashAt = at + 1;
    this.peerAt = at + 21;
    this.network = isSix ? 6 : 4;
    this.families = this.network;
    const portAt = at + (isSix ? 37 : 25);
    this.port = readU16(bytes, portAt);
    this.isSeeder = (flags & FLAG_SEEDER) !== 0;
    this.event = (flags & FLAG_STOPPED) !== 0 ? 'stopped' : (flags & FLAG_COMPLETED) !== 0 ? 'completed' : 'none';
    this.#at = portAt + 2;
    return true;
  }

  /** Where the delta of the last `next` begins and ends in the batch. */
  get deltaAt(): number {
    return this.hashAt - 1;
  }
  get deltaEnd(): number {
    return this.#at;
  }
}

/** Hash of who a delta is about; not keyed, so whoever uses it must bound the length of a chain. */
export function hashDelta(b: Uint8Array, at: number): number {
  const portAt = at + (((b[at] as number) & FLAG_SIX) === 0 ? 25 : 37);
  // Bytes of the info-hash that did not choose the stream, the end of the address, the port.
  let h = readU32(b, at + 2) ^ Math.imul(readU32(b, portAt - 4), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15) ^ readU16(b, portAt), 0xc2b2ae35);
  return (h ^ (h >>> 13)) >>> 0;
}

/** Whether two deltas are about the same peer in the same swarm. */
export function isSamePeer(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  if ((((a[aAt] as number) ^ (b[bAt] as number)) & FLAG_SIX) !== 0) return false;
  const length = ((a[aAt] as number) & FLAG_SIX) === 0 ? deltaBytes[4] : deltaBytes[6];
  // Last bytes first: they differ most.
  for (let i = length - 1; i > 0; i--) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}

const PROBES_MAX = 8;
/** Places in a batch are kept as u16 plus 1. */
const BATCH_BYTES_LIMIT = 65_534;

/**
 * Keeps what announces have changed, until it is handed on in batches. It is a hook of the logic of every thread that answers announces.
 *
 * A peer that announces twice within a batch is told once, as it was last. Everything else is told, refreshes too: a tracker forgets
 * whom it does not hear of.
 */
export class DeltaLog implements TrackerHooks {
  readonly #streamCount: number;
  readonly #outboxes: readonly DeltaOutbox[];

  /**
   * @param options.streamCount a power of two up to 64
   * @param options.batchBytesMax a batch is handed on before it is larger; at most 65,534
   * @param options.onBatch called from `postAnnounce` when a batch is full, and from `flush`
   */
  constructor(options: { streamCount: number; batchBytesMax: number; onBatch: (batch: DeltaBatch) => void }) {
    this.#streamCount = options.streamCount;
    const batchBytesMax = Math.min(Math.max(options.batchBytesMax, 64), BATCH_BYTES_LIMIT);
    this.#outboxes = Array.from(
      { length: options.streamCount },
      (_, stream) => new DeltaOutbox({ stream, batchBytesMax, onBatch: options.onBatch }),
    );
  }

  postAnnounce(call: AnnounceCall, now: Millis): void {
    if (call.via === 'replica' || call.network === 'web') return;
    (this.#outboxes[streamOf(call.hashBytes, call.hashAt, this.#streamCount)] as DeltaOutbox).add(call, now);
  }

  /** Hands on the batches that began at least `ageMs` ago; to be called about as often. */
  flush(now: Millis, ageMs: number): void {
    for (let i = 0; i < this.#streamCount; i++) {
      const outbox = this.#outboxes[i] as DeltaOutbox;
      if (outbox.length > 0 && now - outbox.startedAt >= ageMs) outbox.flush();
    }
  }
}

class DeltaOutbox {
  readonly #stream: number;
  readonly #onBatch: (batch: DeltaBatch) => void;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  /** Where peers of this batch are, plus 1; 0 = free. */
  readonly #places: Uint16Array;
  startedAt = 0 as Millis;
  length = 0;

  constructor(o: { stream: number; batchBytesMax: number; onBatch: (batch: DeltaBatch) => void }) {
    this.#stream = o.stream;
    this.#onBatch = o.onBatch;
    this.#bytes = new Uint8Array(o.batchBytesMax);
    let slots = 64;
    while (slots * deltaBytes[4] < o.batchBytesMax * 2) slots *= 2;
    this.#places = new Uint16Array(slots);
  }

  add(call: AnnounceCall, now: Millis): void {
    const isSix = call.network === 6;
    const size = isSix ? deltaBytes[6] : deltaBytes[4];
    if (this.length + size > this.#bytes.length) this.flush();
    if (this.length === 0) this.startedAt = now;
    const bytes = this.#bytes;
    const at = this.length;
    const { event, left } = call;
    bytes[at] =
      (isSix ? FLAG_SIX : 0) |
      (left === 0 ? FLAG_SEEDER : 0) |
      (event === 'stopped' ? FLAG_STOPPED : event === 'completed' && left === 0 ? FLAG_COMPLETED : 0);
    for (let i = 0, from = call.hashBytes, fromAt = call.hashAt; i < 20; i++)
      bytes[at + 1 + i] = from[fromAt + i] as number;
    const addressBytes = isSix ? 16 : 4;
    for (let i = 0, from = call.peerBytes, fromAt = call.peerAt; i < addressBytes; i++) {
      bytes[at + 21 + i] = from[fromAt + i] as number;
    }
    writeU16(bytes, at + 21 + addressBytes, call.port);
    if (!this.#replaces(at)) this.length = at + size;
  }

  /** Hands on what there is, if anything. */
  flush(): void {
    if (this.length === 0) return;
    const batch: DeltaBatch = {
      stream: this.#stream,
      startedAt: this.startedAt,
      bytes: this.#bytes.slice(0, this.length),
    };
    this.length = 0;
    this.#places.fill(0);
    this.#onBatch(batch);
  }

  /** @returns whether the delta at `at` has taken the place of an earlier one of the same peer */
  #replaces(at: number): boolean {
    const places = this.#places;
    const bytes = this.#bytes;
    const mask = places.length - 1;
    let slot = hashDelta(bytes, at) & mask;
    for (let probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & mask) {
      const place = (places[slot] as number) - 1;
      if (place < 0) {
        places[slot] = at + 1;
        return false;
      }
      if (!isSamePeer(bytes, place, bytes, at)) continue;
      const earlier = bytes[place] as number;
      if ((earlier & (FLAG_STOPPED | FLAG_COMPLETED)) === 0 && ((bytes[at] as number) & FLAG_COMPLETED) === 0) {
        bytes[place] = bytes[at] as number;
        return true;
      }
      // Whether a download counts depends on what was before it, so that around one all must happen elsewhere too, in order.
      places[slot] = at + 1;
      return false;
    }
    return false;
  }
}

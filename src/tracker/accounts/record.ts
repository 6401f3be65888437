import { type Millis, readU32, writeU32 } from '../../base/index.ts';
import type { AnnounceEvent } from '../../wire/index.ts';
import type { AnnounceCall, CallVia } from '../calls.ts';
import type { TrackerHooks } from '../hooks.ts';
import { writePlace } from '../policy/places.ts';

/** Bytes of one record. */
export const accountRecordBytes = 96;

const events: readonly AnnounceEvent[] = ['none', 'completed', 'started', 'stopped'];
const vias: readonly CallVia[] = ['http', 'udp', 'ws', 'replica'];

/**
 * What one announce of a user says, as threads and trackers hand it on: 96 bytes, big-endian.
 *
 *      0  userId u32           48  key u32              64  uploaded f64
 *      4  infoHash[20]         52  way u8: via * 2, +1 = IPv6
 *     24  peerId[20]           56  place[8]: the IPv4 address or  72  downloaded f64
 *     44  event u8                 the first half of the IPv6 one 80  left f64
 *                                                      88  at f64: ms on the clock of the tracker
 *
 * The object is a cursor that is used again; byte fields are views of the batch.
 */
export class AccountRecord {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  userId = 0;
  event: AnnounceEvent = 'none';
  key = 0;
  /** Transport and family: announces of one way count up, whatever the others say. */
  way = 0;
  uploaded = 0;
  downloaded = 0;
  left = 0;
  time = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));

  get hashAt(): number {
    return this.at + 4;
  }
  get peerIdAt(): number {
    return this.at + 24;
  }
  get placeAt(): number {
    return this.at + 56;
  }
  get isIpv6(): boolean {
    return (this.way & 1) === 1;
  }

  /** Puts the cursor on the record at `at` of a batch, which is borrowed. */
  read(bytes: Uint8Array, at: number): void {
    if (this.bytes !== bytes) {
      this.bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    this.at = at;
    this.userId = readU32(bytes, at);
    this.event = events[(bytes[at + 44] as number) & 3] as AnnounceEvent;
    this.key = readU32(bytes, at + 48);
    this.way = bytes[at + 52] as number;
    this.uploaded = toCount(this.#view.getFloat64(at + 64));
    this.downloaded = toCount(this.#view.getFloat64(at + 72));
    this.left = toCount(this.#view.getFloat64(at + 80));
    this.time = this.#view.getFloat64(at + 88);
  }
}

/** Counts of clients are what they are; sums must stay sums. */
function toCount(value: number): number {
  return value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : 0;
}

/** Writes the record of an announce. */
function writeAccountRecord(o: {
  bytes: Uint8Array;
  view: DataView;
  at: number;
  call: AnnounceCall;
  now: Millis;
}): void {
  const { bytes, view, at, call } = o;
  writeU32(bytes, at, call.userId);
  for (let i = 0; i < 20; i++) bytes[at + 4 + i] = call.hashBytes[call.hashAt + i] as number;
  for (let i = 0; i < 20; i++) bytes[at + 24 + i] = call.peerIdBytes[call.peerIdAt + i] as number;
  bytes[at + 44] = events.indexOf(call.event);
  writeU32(bytes, at + 48, call.key);
  bytes[at + 52] = vias.indexOf(call.via) * 2 + (call.sourceLength === 16 ? 1 : 0);
  writePlace(bytes, at + 56, { bytes: call.sourceBytes, at: call.sourceAt, length: call.sourceLength });
  view.setFloat64(at + 64, call.uploaded);
  view.setFloat64(at + 72, call.downloadedBytes);
  view.setFloat64(at + 80, call.left);
  view.setFloat64(at + 88, o.now);
}

/**
 * Writes down what users announce, in batches: the hook of every thread that answers. Announces of nobody in particular (`userId` 0) are
 * not written.
 */
export class AccountLog implements TrackerHooks {
  readonly #recordsMax: number;
  readonly #onBatch: (batch: Uint8Array<ArrayBuffer>) => void;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #count = 0;

  /**
   * @param o.recordsMax records of a batch; 1: every announce is handed on at once
   * @param o.onBatch is given whole records in a buffer of their own (`batch.buffer` may be transferred); called when a batch is full and by `flush`
   */
  constructor(o: { recordsMax: number; onBatch: (batch: Uint8Array<ArrayBuffer>) => void }) {
    this.#recordsMax = o.recordsMax;
    this.#onBatch = o.onBatch;
  }

  postAnnounce(call: AnnounceCall, now: Millis): void {
    if (call.userId === 0 || call.via === 'replica') return;
    if (this.#bytes === undefined) {
      this.#bytes = new Uint8Array(this.#recordsMax * accountRecordBytes);
      this.#view = new DataView(this.#bytes.buffer);
    }
    writeAccountRecord({ bytes: this.#bytes, view: this.#view, at: this.#count * accountRecordBytes, call, now });
    if (++this.#count === this.#recordsMax) this.flush();
  }

  /** Hands on what has been written: call it about ten times a second. */
  flush(): void {
    if (this.#bytes === undefined) return;
    const batch = this.#bytes.subarray(0, this.#count * accountRecordBytes);
    this.#bytes = undefined;
    this.#count = 0;
    this.#onBatch(batch);
  }
}

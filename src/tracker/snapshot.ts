import { BtError, type Millis, readU16, readU32, writeU16, writeU32 } from '../base/index.ts';
import { crc32c } from '../wire/index.ts';
import { mergeSnapshotChunk, SnapshotChunks, snapshotChunkBytesMax } from './snapshot-chunk.ts';
import type { DenseStore } from './store/dense-store.ts';

const MAGIC = [0x45, 0x69, 0x64, 0x65, 0x72, 0x53, 0x77, 0x6d];
const VERSION = 1;
const HEADER_BYTES = 24;
const END_BYTES = 8;
const TWO_32 = 0x1_0000_0000;

/**
 * All swarms and peers of a store as a file: where a tracker goes on after a restart.
 *
 *     0  "EiderSwm"      8  u16 version      10  u16 0      12  u64 unix time in ms      20  u32 CRC-32C of bytes 0 to 19
 *     then chunks (snapshot-chunk.ts), then the end: u32 0, u32 how many chunks there were
 *
 * Web peers are left out: their connections do not outlive the process. Integers of the file are big-endian.
 */
export class SnapshotWriter {
  readonly #chunks: SnapshotChunks;
  readonly #unixMs: number;
  #state: 'header' | 'chunks' | 'end' | 'done' = 'header';
  #chunkCount = 0;

  /**
   * @param options.now time of the store's clock, that ages are counted from
   * @param options.unixMs the same moment by the clock on the wall
   */
  constructor(options: { store: DenseStore; now: Millis; unixMs: number }) {
    this.#chunks = new SnapshotChunks(options);
    this.#unixMs = options.unixMs;
  }

  /** A step of about a millisecond. @returns the next bytes of the file, the caller's own; empty = only a step; undefined at the end */
  next(): Uint8Array | undefined {
    if (this.#state === 'header') {
      this.#state = 'chunks';
      return encodeHeader(this.#unixMs);
    }
    if (this.#state === 'chunks') {
      const chunk = this.#chunks.next();
      if (chunk !== undefined) {
        if (chunk.length > 0) this.#chunkCount++;
        return chunk;
      }
      this.#state = 'end';
    }
    if (this.#state === 'done') return undefined;
    this.#state = 'done';
    const end = new Uint8Array(END_BYTES);
    writeU32(end, 4, this.#chunkCount);
    return end;
  }
}

function encodeHeader(unixMs: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header.set(MAGIC);
  writeU16(header, 8, VERSION);
  writeU32(header, 12, Math.floor(unixMs / TWO_32));
  writeU32(header, 16, unixMs % TWO_32);
  writeU32(header, 20, crc32c(header.subarray(0, 20)));
  return header;
}

export interface SnapshotLoad {
  /** Swarms and peers that were merged. */
  readonly swarmCount: number;
  readonly peerCount: number;
  /** Peers that were silent for too long, or that there was no room for. */
  readonly leftOutCount: number;
  /** What is wrong with the file, for people; everything before that was merged. */
  readonly damage: string | undefined;
}

/**
 * Merges a file of `SnapshotWriter` into a store that may be in use: the younger word of a peer stays. Each chunk has a checksum; the
 * first that is damaged or missing ends the reading, and what came before it counts: peers that are lost announce again, and half a
 * snapshot is better than none.
 */
export class SnapshotReader {
  readonly #store: DenseStore;
  readonly #now: Millis;
  readonly #unixMs: number;
  #carry: Uint8Array = new Uint8Array(0);
  #takenAt: Millis | undefined;
  #chunkCount = 0;
  #isEnded = false;
  #damage: string | undefined;
  #swarmCount = 0;
  #peerCount = 0;
  #leftOutCount = 0;

  /**
   * @param options.now time of the store's clock
   * @param options.unixMs the same moment by the clock on the wall: the time since the file was written is added to all ages
   */
  constructor(options: { store: DenseStore; now: Millis; unixMs: number }) {
    this.#store = options.store;
    this.#now = options.now;
    this.#unixMs = options.unixMs;
  }

  /**
   * Takes the next bytes of the file, of any length; 64 KiB take about 3 ms.
   *
   * @param bytes borrowed
   * @throws BtError `swarm/state-newer` where a later version of the program wrote it, `swarm/state-damaged` where it is no snapshot at all
   */
  push(bytes: Uint8Array): void {
    if (this.#damage !== undefined || this.#isEnded) return;
    const all = new Uint8Array(this.#carry.length + bytes.length);
    all.set(this.#carry);
    all.set(bytes, this.#carry.length);
    let at = 0;
    if (this.#takenAt === undefined) {
      if (all.length < HEADER_BYTES) {
        this.#carry = all;
        return;
      }
      this.#readHeader(all);
      at = HEADER_BYTES;
    }
    while (all.length - at >= END_BYTES && this.#damage === undefined && !this.#isEnded) {
      const length = readU32(all, at);
      if (length === 0) this.#readEnd(readU32(all, at + 4));
      else if (length > snapshotChunkBytesMax) this.#damage = `chunk ${this.#chunkCount} has an impossible length`;
      else if (all.length - at < END_BYTES + length) break;
      else this.#readChunk(all.subarray(at, at + END_BYTES + length));
      at += END_BYTES + length;
    }
    this.#carry = all.slice(at);
  }

  /** The file is over. */
  finish(): SnapshotLoad {
    if (this.#damage === undefined && !this.#isEnded) this.#damage = 'its end is missing';
    const { swarmCount, peerCount, leftOutCount, damage } = {
      swarmCount: this.#swarmCount,
      peerCount: this.#peerCount,
      leftOutCount: this.#leftOutCount,
      damage: this.#damage,
    };
    return { swarmCount, peerCount, leftOutCount, damage };
  }

  #readHeader(all: Uint8Array): void {
    if (!MAGIC.every((byte, i) => all[i] === byte)) {
      throw new BtError('swarm/state-damaged', { what: 'the file is no snapshot of swarms' });
    }
    const version = readU16(all, 8);
    if (version > VERSION) {
      throw new BtError('swarm/state-newer', { what: `the snapshot of swarms (version ${version})` });
    }
    if (version !== VERSION || crc32c(all.subarray(0, 20)) !== readU32(all, 20)) {
      throw new BtError('swarm/state-damaged', { what: 'the head of the snapshot of swarms' });
    }
    // A clock on the wall that went back must not make peers younger than they are.
    const downMs = Math.max(0, this.#unixMs - (readU32(all, 12) * TWO_32 + readU32(all, 16)));
    this.#takenAt = (this.#now - downMs) as Millis;
  }

  #readEnd(chunkCount: number): void {
    if (chunkCount === this.#chunkCount) this.#isEnded = true;
    else this.#damage = `${chunkCount} chunks were written, ${this.#chunkCount} are there`;
  }

  #readChunk(chunk: Uint8Array): void {
    try {
      for (const step of mergeSnapshotChunk(chunk, {
        store: this.#store,
        now: this.#now,
        takenAt: this.#takenAt as Millis,
      })) {
        this.#swarmCount += step.swarmCount;
        this.#peerCount += step.peerCount;
        this.#leftOutCount += step.leftOutCount;
      }
      this.#chunkCount++;
    } catch (error) {
      if (!BtError.is(error, 'swarm/state-damaged')) throw error;
      this.#damage = `chunk ${this.#chunkCount} is damaged`;
    }
  }
}

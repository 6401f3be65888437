import { BtError, type Millis, readU32, writeU32 } from '../base/index.ts';
import { crc32c } from '../wire/index.ts';
import type { DenseStore } from './store/dense-store.ts';
import { RunCopy } from './store/walker.ts';

/**
 * A chunk of a snapshot stands alone: it says which swarms it is about, and has a checksum.
 *
 *     0  u32 length of the rest, at most 64 KiB      4  u32 CRC-32C of the rest      8  records
 *
 *     1  infoHash[20]  u32 downloaded                                            the swarm of the runs that follow
 *     4  u8 peers  u8 leechers among them, which come first  { ip[4]  port[2] u16 age }[peers]
 *     6  u8 peers  u8 leechers                               { ip[16] port[2] u16 age }[peers]
 *
 * Ages are in units of 10 s, counted back from when the snapshot was begun. A swarm may come more than once, with other runs.
 */
export const snapshotChunkBytesMax = 65_536;
const HEAD_BYTES = 8;
const SWARM_BYTES = 25;
const RUN_BYTES_MAX = 2 + 127 * 20;
/** Swarms and runs looked at in one step. */
const LOOKS_PER_STEP = 1_500;
const RECORD_SWARM = 1;
const HASH_BYTES = 20;

/** Everything in a store but web peers, a chunk a step. */
export class SnapshotChunks {
  readonly #store: DenseStore;
  readonly #now: Millis;
  readonly #chunk = new Uint8Array(HEAD_BYTES + snapshotChunkBytesMax);
  #end = HEAD_BYTES;
  readonly #run = new RunCopy();
  #walkCursor = 0;
  /** Swarms that the walk has shown: hash, then downloaded. */
  #shown = new Uint8Array(24 * 2_000);
  #shownEnd = 0;
  #shownAt = 0;
  #network: 4 | 6 = 4;
  #runCursor = 0;
  #isSwarmWritten = false;

  /** @param options.now what ages are counted from */
  constructor(options: { store: DenseStore; now: Millis }) {
    this.#store = options.store;
    this.#now = options.now;
  }

  /** @returns the next chunk, the caller's own; empty = only a step; undefined at the end */
  next(): Uint8Array | undefined {
    for (let looks = 0; looks < LOOKS_PER_STEP; looks++) {
      if (this.#end + SWARM_BYTES + RUN_BYTES_MAX > this.#chunk.length) return this.#takeChunk();
      if (this.#shownAt < this.#shownEnd) this.#addRun();
      else if (this.#walkCursor >= 0) this.#showMore();
      else return this.#end > HEAD_BYTES ? this.#takeChunk() : undefined;
    }
    return new Uint8Array(0);
  }

  #showMore(): void {
    this.#shownEnd = 0;
    this.#shownAt = 0;
    this.#walkCursor = this.#store.walk(this.#walkCursor, 1, (swarm) => {
      this.#shown.set(swarm.infoHash, this.#shownEnd);
      writeU32(this.#shown, this.#shownEnd + HASH_BYTES, swarm.downloaded);
      this.#shownEnd += HASH_BYTES + 4;
    });
  }

  #addRun(): void {
    const run = this.#run;
    const next = this.#store.copyRun(this.#now, {
      infoHash: this.#shown,
      at: this.#shownAt,
      network: this.#network,
      cursor: this.#runCursor,
      into: run,
    });
    if (run.count > 0) {
      this.#addSwarm();
      this.#addPeers(run);
    }
    if (next >= 0) this.#runCursor = next;
    else {
      this.#runCursor = 0;
      if (this.#network === 4) this.#network = 6;
      else this.#leaveSwarm();
    }
  }

  #leaveSwarm(): void {
    // One that is only remembered for its count.
    if (readU32(this.#shown, this.#shownAt + HASH_BYTES) > 0) this.#addSwarm();
    this.#network = 4;
    this.#isSwarmWritten = false;
    this.#shownAt += HASH_BYTES + 4;
  }

  #addSwarm(): void {
    if (this.#isSwarmWritten) return;
    this.#isSwarmWritten = true;
    this.#chunk[this.#end] = RECORD_SWARM;
    for (let i = 0; i < HASH_BYTES + 4; i++) this.#chunk[this.#end + 1 + i] = this.#shown[this.#shownAt + i] as number;
    this.#end += SWARM_BYTES;
  }

  #addPeers(run: RunCopy): void {
    const out = this.#chunk;
    const stride = run.network === 6 ? 5 : 2;
    out[this.#end] = run.network === 6 ? 6 : 4;
    out[this.#end + 1] = run.count;
    out[this.#end + 2] = run.leechers;
    let at = this.#end + 3;
    for (let i = 0; i < run.count * stride; i++) {
      const word = run.words[i] as number;
      out[at] = word;
      out[at + 1] = word >>> 8;
      // Only the age is a number: high byte first.
      const isLast = i % stride === stride - 1;
      out[at + 2] = isLast ? word >>> 24 : word >>> 16;
      out[at + 3] = isLast ? word >>> 16 : word >>> 24;
      at += 4;
    }
    this.#end = at;
  }

  #takeChunk(): Uint8Array {
    const chunk = this.#chunk.slice(0, this.#end);
    writeU32(chunk, 0, chunk.length - HEAD_BYTES);
    writeU32(chunk, 4, crc32c(chunk.subarray(HEAD_BYTES)));
    this.#end = HEAD_BYTES;
    this.#isSwarmWritten = false;
    return chunk;
  }
}

/**
 * Merges a chunk, a run a step; nothing is merged where the checksum is wrong.
 *
 * @param o.takenAt when the snapshot was begun, by the store's clock; may lie before that began
 * @throws BtError `swarm/state-damaged`
 */
export function* mergeSnapshotChunk(
  chunk: Uint8Array,
  o: { store: DenseStore; now: Millis; takenAt: Millis },
): Generator<{ swarmCount: number; peerCount: number; leftOutCount: number }> {
  const isWhole = chunk.length > HEAD_BYTES && readU32(chunk, 0) === chunk.length - HEAD_BYTES;
  if (!isWhole || crc32c(chunk.subarray(HEAD_BYTES)) !== readU32(chunk, 4)) throw damaged();
  const run = new RunCopy();
  const step = { swarmCount: 0, peerCount: 0, leftOutCount: 0 };
  let hashAt = -1;
  for (let at = HEAD_BYTES; at < chunk.length; ) {
    const kind = chunk[at];
    step.swarmCount = 0;
    step.peerCount = 0;
    step.leftOutCount = 0;
    if (kind === RECORD_SWARM && at + SWARM_BYTES <= chunk.length) {
      hashAt = at + 1;
      step.swarmCount = 1;
      at += SWARM_BYTES;
      const downloaded = readU32(chunk, hashAt + HASH_BYTES);
      if (downloaded > 0) o.store.merge(o.now, o.takenAt, { infoHash: chunk, at: hashAt, downloaded });
    } else if ((kind === 4 || kind === 6) && hashAt >= 0) {
      const end = readRun(chunk, at, run);
      step.leftOutCount = o.store.merge(o.now, o.takenAt, { infoHash: chunk, at: hashAt, downloaded: 0, run });
      step.peerCount = run.count - step.leftOutCount;
      at = end;
    } else throw damaged();
    yield step;
  }
}

/** @returns the end of the record */
function readRun(chunk: Uint8Array, at: number, run: RunCopy): number {
  const stride = chunk[at] === 6 ? 5 : 2;
  run.network = chunk[at] === 6 ? 6 : 4;
  run.count = chunk[at + 1] ?? 0;
  run.leechers = chunk[at + 2] ?? 0;
  const end = at + 3 + run.count * stride * 4;
  if (end > chunk.length || run.count > 127 || run.leechers > run.count) throw damaged();
  for (let i = 0, from = at + 3; i < run.count * stride; i++, from += 4) {
    const low = (chunk[from] as number) | ((chunk[from + 1] as number) << 8);
    const c = chunk[from + 2] as number;
    const d = chunk[from + 3] as number;
    run.words[i] = i % stride === stride - 1 ? low | (d << 16) | (c << 24) : low | (c << 16) | (d << 24);
  }
  return end;
}

function damaged(): BtError {
  return new BtError('swarm/state-damaged', { what: 'a chunk of a snapshot of swarms' });
}

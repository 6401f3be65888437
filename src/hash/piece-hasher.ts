// Hot path: create-hash
import { createHash, type Hash, hash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { assert, BtError } from '../base/index.ts';
import { BLOCK_LENGTH, HASH_BYTES, nextPow2 } from '../metainfo/index.ts';
import { toDiskError } from './disk-error.ts';
import { merkle } from './merkle.ts';
import type { HashAnswer, HashedRange, HashJob, HashSettings, HashTask, PlannedFile, ReadProblem } from './plan.ts';

/** Bytes read by one system call; stays in the processor's cache between reading and hashing. */
export const windowBytes: number = 1 << 20;

/**
 * Reads a piece range once and makes its SHA-1 (v1) and SHA-256 tree hashes (v2) from the same bytes.
 *
 * Synchronous: meant for a worker, or for little data. Memory: one window, and 52 bytes a piece of the job.
 */
export class PieceHasher {
  readonly #memory = Buffer.allocUnsafeSlow(windowBytes);
  #window: Buffer = this.#memory;
  #leaves: Buffer = Buffer.alloc(0);
  #leafCount = 0;
  #settings: HashSettings = { pieceLength: 0, spaceLength: 0, v1: false, v2: false, onMissing: 'fail' };
  #files: readonly PlannedFile[] = [];
  #fileCursor = 0;
  #openPath: string | undefined;
  #fd = -1;
  /** What could not be read of the pieces at hand, in torrent space. */
  #missing: { from: number; to: number }[] = [];
  #problems: ReadProblem[] = [];

  /** @throws BtError `disk/…` where a file fails and the settings say 'fail' */
  run(settings: HashSettings, job: HashJob): HashedRange {
    const { v1, v2, pieceLength, spaceLength } = settings;
    this.#prepare(settings);
    const range = {
      firstPiece: job.firstPiece,
      read: new Uint8Array(job.pieceCount),
      sha1: new Uint8Array(v1 ? job.pieceCount * 20 : 0),
      sha256: new Uint8Array(v2 ? job.pieceCount * 32 : 0),
    };
    this.#files = job.files;
    this.#fileCursor = 0;
    this.#problems = [];
    try {
      const end = Math.min(spaceLength, (job.firstPiece + job.pieceCount) * pieceLength);
      for (let at = job.firstPiece * pieceLength; at < end; ) {
        at = pieceLength <= windowBytes ? this.#hashSmallPieces(at, end, range) : this.#hashLargePiece(at, end, range);
      }
    } finally {
      this.#close();
    }
    return { ...range, problems: this.#problems };
  }

  /** The same for a thread: what goes wrong is part of the answer. */
  answer({ settings, job }: HashTask): HashAnswer {
    try {
      return { kind: 'hashed', range: this.run(settings, job) };
    } catch (error) {
      if (BtError.is(error)) return { kind: 'failed', code: error.code, detail: error.detail };
      return { kind: 'crashed', what: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  }

  #prepare(settings: HashSettings): void {
    const { v2, pieceLength } = settings;
    this.#settings = settings;
    const leaves = pieceLength / BLOCK_LENGTH;
    assert(!v2 || nextPow2(leaves) * BLOCK_LENGTH === pieceLength, 'v2 pieces have 2^n leaves');
    if (v2 && this.#leaves.length < leaves * HASH_BYTES) this.#leaves = Buffer.allocUnsafeSlow(leaves * HASH_BYTES);
    const whole = Math.floor(windowBytes / pieceLength) * pieceLength;
    this.#window = whole > 0 ? this.#memory.subarray(0, whole) : this.#memory;
    this.#leafCount = 0;
  }

  /** One window of whole pieces. @returns where it ends */
  #hashSmallPieces(at: number, end: number, range: Writable): number {
    const { v1, pieceLength } = this.#settings;
    const stop = Math.min(end, at + this.#window.length);
    this.#missing = [];
    this.#fill(at, stop);
    for (let start = at; start < stop; start += pieceLength) {
      const pieceEnd = Math.min(stop, start + pieceLength);
      if (this.#isMissing(start, pieceEnd)) continue;
      const index = start / pieceLength - range.firstPiece;
      const bytes = this.#window.subarray(start - at, pieceEnd - at);
      range.read[index] = 1;
      if (v1) range.sha1.set(hash('sha1', bytes, 'buffer'), index * 20);
      this.#addLeaves(start, bytes);
      this.#finishTree(start, index, range);
    }
    return stop;
  }

  /** One piece larger than the window, hashed as it comes in. @returns where it ends */
  #hashLargePiece(at: number, end: number, range: Writable): number {
    const { v1, pieceLength } = this.#settings;
    const stop = Math.min(end, at + pieceLength);
    const index = at / pieceLength - range.firstPiece;
    this.#missing = [];
    const sha1: Hash | undefined = v1 ? createHash('sha1') : undefined;
    for (let start = at; start < stop; start += this.#window.length) {
      const windowEnd = Math.min(stop, start + this.#window.length);
      this.#fill(start, windowEnd);
      if (this.#isMissing(at, windowEnd)) {
        this.#leafCount = 0;
        return stop; // the rest of the piece would be read for nothing
      }
      const bytes = this.#window.subarray(0, windowEnd - start);
      sha1?.update(bytes);
      this.#addLeaves(start, bytes);
    }
    range.read[index] = 1;
    if (sha1 !== undefined) range.sha1.set(sha1.digest(), index * 20);
    this.#finishTree(at, index, range);
    return stop;
  }

  /** The data of [start, start + bytes.length) as leaves; the part behind the file's end is no data. */
  #addLeaves(start: number, bytes: Buffer): void {
    if (!this.#settings.v2) return;
    const file = this.#fileAt(start);
    if (file === undefined) return;
    const dataEnd = Math.min(bytes.length, file.offset + file.length - start);
    for (let at = 0; at < dataEnd; at += BLOCK_LENGTH) {
      const leaf = hash('sha256', bytes.subarray(at, Math.min(dataEnd, at + BLOCK_LENGTH)), 'buffer');
      this.#leaves.set(leaf, this.#leafCount * HASH_BYTES);
      this.#leafCount++;
    }
  }

  /** Turns the leaves of the piece that begins at `start` into its node of the file's tree. */
  #finishTree(start: number, index: number, range: Writable): void {
    if (this.#leafCount === 0) return;
    const file = this.#fileAt(start);
    assert(file !== undefined, 'leaves without a file');
    // A file within one piece is its own tree, no wider than it has to be; a longer one has full pieces, the last filled up (BEP 52).
    const isWhole = file.length <= this.#settings.pieceLength;
    const width = isWhole ? nextPow2(this.#leafCount) : this.#settings.pieceLength / BLOCK_LENGTH;
    const leaves = this.#leaves.subarray(0, this.#leafCount * HASH_BYTES);
    range.sha256.set(merkle.root(leaves, 0, width), index * HASH_BYTES);
    this.#leafCount = 0;
  }

  /** The file whose bytes stand at `at`. */
  #fileAt(at: number): PlannedFile | undefined {
    let low = 0;
    let high = this.#files.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const file = this.#files[middle] as PlannedFile;
      if (file.offset > at) high = middle - 1;
      else if (file.offset + file.length <= at) low = middle + 1;
      else return file;
    }
    return undefined;
  }

  /** Brings [from, to) of torrent space into the window. Windows come in order. Only SHA-1 is made of what lies between files. */
  #fill(from: number, to: number): void {
    const { v1 } = this.#settings;
    let at = from;
    for (let i = this.#fileCursor; i < this.#files.length; i++) {
      const file = this.#files[i] as PlannedFile;
      if (file.offset >= to) break;
      const fileEnd = file.offset + file.length;
      if (fileEnd <= from) {
        this.#fileCursor = i + 1;
        continue;
      }
      if (file.offset > at) {
        if (v1) this.#window.fill(0, at - from, file.offset - from);
        at = file.offset;
      }
      const stop = Math.min(fileEnd, to);
      this.#readSpan(file, at, stop, at - from);
      at = stop;
    }
    if (v1 && at < to) this.#window.fill(0, at - from, to - from);
  }

  #readSpan(file: PlannedFile, from: number, to: number, windowAt: number): void {
    const { path } = file;
    if (path === undefined) {
      this.#missing.push({ from, to });
      return;
    }
    let done = 0;
    try {
      this.#open(path);
      while (done < to - from) {
        const position = from - file.offset + done;
        const got = readSync(this.#fd, this.#window, windowAt + done, to - from - done, position);
        if (got === 0) break;
        done += got;
      }
    } catch (error) {
      const failure = toDiskError(error, path);
      if (this.#settings.onMissing === 'fail') throw failure;
      if (!BtError.is(failure, 'disk/not-found')) this.#problems.push({ path, what: failure.message });
    }
    if (done === to - from) return;
    if (this.#settings.onMissing === 'fail') {
      throw new BtError('disk/changed', {
        path,
        what: 'became shorter while it was read: leave it alone and try again',
      });
    }
    this.#missing.push({ from: from + done, to });
  }

  #open(path: string): void {
    if (this.#openPath === path) return;
    this.#close();
    // O_NONBLOCK: a file that was swapped for a named pipe must not hang us.
    this.#fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    this.#openPath = path;
  }

  #close(): void {
    if (this.#openPath === undefined) return;
    closeSync(this.#fd);
    this.#openPath = undefined;
  }

  #isMissing(from: number, to: number): boolean {
    for (const m of this.#missing) if (m.from < to && m.to > from) return true;
    return false;
  }
}

type Writable = Omit<HashedRange, 'problems'>;

import { readU32, readU64Clamped, writeU32, writeU64 } from '../../base/index.ts';
import type { FileState } from '../../swarm/index.ts';
import { crc32 } from '../crc32.ts';
import { removeIfThere } from '../files.ts';
import type { SystemCalls } from './system-calls.ts';

/**
 * An entry, all big-endian:
 *
 *     0  u32 piece
 *     4  u32 what it says: a write `begins`; the index of a file (`partFile` for the part file), for how it stands after it; the write is
 *        over, and the piece `verified`, or not (`over`)
 *     8  u64 length of that file, after the write
 *    16  u64 ms since 1970: when it was written, or the file's time of change
 *    24  u32 CRC-32 of the 24 bytes before
 */
const ENTRY_BYTES = 28;
const begins = 0xffff_fffe;
const verified = 0xffff_fffd;
const over = 0xffff_fffc;
const partFile = 0xffff_ffff;

/** Index of the part file, where files are told by index. */
export const PART_FILE = -1;

/** What a journal says of the time since the record. */
export interface JournalNotes {
  readonly committed: readonly number[];
  /** By file index: how it stood after the last write that was noted. */
  readonly written: ReadonlyMap<number, FileState>;
  /** A write that was begun and not noted as over. */
  readonly underWay: { readonly piece: number; readonly sinceMs: number } | undefined;
  /** When the last entry was made, ms since 1970; 0 where there is none. */
  readonly notedMs: number;
}

/**
 * What has been written since a resume record was saved: two small appends a piece, before its first byte and after its last. They
 * outlive a killed process, so that afterwards it is known which pieces were stored, how each file stood, and what was in the middle.
 */
export class ResumeJournal {
  readonly #path: string;
  readonly #calls: SystemCalls;
  #fd: number;
  #end: number;

  /** Opens or makes it; goes on behind the last whole entry. @throws the system's error */
  constructor(path: string, calls: SystemCalls) {
    this.#path = path;
    this.#calls = calls;
    this.#fd = calls.openSync(path, 'a+', 0o666);
    const size = calls.fstatSync(this.#fd).size;
    this.#end = size - (size % ENTRY_BYTES);
    if (this.#end !== size) calls.ftruncateSync(this.#fd, this.#end);
  }

  /** Bytes of a piece are about to be written. @throws the system's error */
  begin(piece: number): void {
    this.#append([encodeEntry(piece, begins, 0, Date.now())]);
  }

  /** They are: what became of the files. @param isVerified the piece is whole and right. @throws the system's error */
  end(piece: number, files: ReadonlyMap<number, FileState>, isVerified: boolean): void {
    const entries: Uint8Array[] = [];
    for (const [file, { length, modifiedMs }] of files) {
      entries.push(encodeEntry(piece, file === PART_FILE ? partFile : file, length, modifiedMs));
    }
    entries.push(encodeEntry(piece, isVerified ? verified : over, 0, Date.now()));
    this.#append(entries);
  }

  /** All of it is in the record now. @throws the system's error */
  clear(): void {
    this.#calls.ftruncateSync(this.#fd, 0);
    this.#end = 0;
  }

  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    this.#calls.closeSync(fd);
  }

  remove(): void {
    this.close();
    removeIfThere(this.#calls, this.#path);
  }

  #append(entries: readonly Uint8Array[]): void {
    const bytes = new Uint8Array(entries.length * ENTRY_BYTES);
    for (const [i, entry] of entries.entries()) bytes.set(entry, i * ENTRY_BYTES);
    try {
      for (let at = 0; at < bytes.length; ) {
        at += this.#calls.writeSync(this.#fd, bytes, at, bytes.length - at, null);
      }
      this.#end += bytes.length;
    } catch (error) {
      // Half an entry would make nonsense of all behind it.
      this.#calls.ftruncateSync(this.#fd, this.#end);
      throw error;
    }
  }
}

/** @returns nothing where there is no journal, or none that can be read */
export function readJournal(path: string, calls: SystemCalls): JournalNotes {
  return decodeJournal(readAll(path, calls));
}

/** @returns what stands before the first entry that is damaged or cut */
export function decodeJournal(bytes: Uint8Array): JournalNotes {
  const committed: number[] = [];
  const written = new Map<number, FileState>();
  let underWay: JournalNotes['underWay'];
  let notedMs = 0;
  for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    if (crc32(bytes.subarray(at, at + 24)) !== readU32(bytes, at + 24)) break;
    const piece = readU32(bytes, at);
    const what = readU32(bytes, at + 4);
    const ms = readU64Clamped(bytes, at + 16);
    if (what === begins) underWay = { piece, sinceMs: ms };
    else if (what === verified || what === over) underWay = undefined;
    else written.set(what === partFile ? PART_FILE : what, { length: readU64Clamped(bytes, at + 8), modifiedMs: ms });
    if (what === verified) committed.push(piece);
    notedMs = Math.max(notedMs, ms);
  }
  return { committed, written, underWay, notedMs };
}

function readAll(path: string, calls: SystemCalls): Uint8Array {
  let fd: number;
  try {
    fd = calls.openSync(path, 'r');
  } catch {
    return new Uint8Array(0);
  }
  try {
    const bytes = new Uint8Array(calls.fstatSync(fd).size);
    let at = 0;
    while (at < bytes.length) {
      const got = calls.readSync(fd, bytes, at, bytes.length - at, at);
      if (got === 0) break;
      at += got;
    }
    return bytes.subarray(0, at);
  } finally {
    calls.closeSync(fd);
  }
}

function encodeEntry(piece: number, what: number, length: number, ms: number): Uint8Array {
  const entry = new Uint8Array(ENTRY_BYTES);
  writeU32(entry, 0, piece);
  writeU32(entry, 4, what);
  writeU64(entry, 8, length);
  writeU64(entry, 16, Math.max(0, Math.floor(ms)));
  writeU32(entry, 24, crc32(entry.subarray(0, 24)));
  return entry;
}

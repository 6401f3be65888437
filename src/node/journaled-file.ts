import { BtError, readU32, writeU32 } from '../base/index.ts';
import { toDiskError } from '../hash/index.ts';
import { crc32 } from './crc32.ts';
import { type SystemCalls, systemCalls } from './disk/system-calls.ts';
import { readIntact, removeIfThere, writeAtomic } from './files.ts';
import { systemCode } from './net-error.ts';

/** Before the contents of the file: CRC-32 of what follows, and the generation. */
const HEAD_BYTES = 8;
/** Before an entry of a journal: its length, and the CRC-32 of it. */
const ENTRY_HEAD_BYTES = 8;

/**
 * A file with a journal of what has changed since it was written: a change costs an append, not the file. Every journal belongs to one
 * generation of the file (`<path>.<generation>.journal`). The one of the generation before stays until the next, so that where the newest
 * file is damaged the one before it (`.bak`) and both journals say the same. Nothing that was appended is lost to a killed process; an
 * append that it was killed in is left out.
 */
export class JournaledFile {
  readonly #path: string;
  readonly #calls: SystemCalls;
  #generation = 0;
  #fd: number | undefined;
  #journalBytes = 0;
  /** Of the file itself, as it was read or written last. */
  #contentBytes = 0;
  /** The newest file is of no use: it must not push out the one before it. */
  #isDamaged = false;

  constructor(path: string, calls: SystemCalls = systemCalls) {
    this.#path = path;
    this.#calls = calls;
  }

  /** Bytes that the next start reads besides the file. */
  get journalBytes(): number {
    return this.#journalBytes;
  }

  /**
   * The journal has grown beyond what is cheap to read, and beyond the file: one that is written anew as often as it has doubled costs each
   * change the same, however long it is.
   */
  isWorthReplacing(cheapBytes: number): boolean {
    return this.#journalBytes > Math.max(cheapBytes, this.#contentBytes);
  }

  /**
   * @param parse throws for contents that it cannot use; then the generation before is read, but not where it was a newer program's
   * @returns the contents, and what was appended since, oldest first; undefined where there is no file
   * @throws what `parse` threw where no generation can be used, BtError `disk/...`
   */
  read<T>(parse: (bytes: Uint8Array) => T): { contents: T | undefined; entries: T[] } {
    const calls = this.#calls;
    const onDamaged = () => {
      this.#isDamaged = true;
    };
    const found = readIntact(
      this.#path,
      (bytes) => ({ generation: readU32(bytes, 4), length: bytes.length, contents: parse(openContainer(bytes)) }),
      { calls, onDamaged },
    );
    const entries: T[] = [];
    this.#generation = found?.generation ?? 0;
    this.#contentBytes = found?.length ?? 0;
    for (let generation = this.#generation; ; generation++) {
      const journal = this.#readJournal(generation);
      if (journal === undefined) break;
      this.#generation = generation;
      for (const entry of journal) entries.push(parse(entry));
    }
    return { contents: found?.contents, entries };
  }

  /** @param entry not empty. @throws BtError `disk/...` */
  append(entry: Uint8Array): void {
    const record = new Uint8Array(ENTRY_HEAD_BYTES + entry.length);
    writeU32(record, 0, entry.length);
    writeU32(record, 4, crc32(entry));
    record.set(entry, ENTRY_HEAD_BYTES);
    const path = this.#journalOf(this.#generation);
    try {
      this.#fd ??= this.#calls.openSync(path, 'a', 0o666);
      for (let at = 0; at < record.length; ) {
        at += this.#calls.writeSync(this.#fd, record, at, record.length - at, null);
      }
      this.#journalBytes += record.length;
    } catch (error) {
      this.close();
      // Nothing may stand behind the half of an entry.
      if (this.#journalBytes > 0) this.#cut(this.#generation, this.#journalBytes);
      else removeIfThere(this.#calls, path);
      throw toDiskError(error, path);
    }
  }

  /** A new generation of the file, forced to the medium. @throws BtError `disk/...`; file and journal are as they were then */
  replace(contents: Uint8Array): void {
    const next = this.#generation + 1;
    const bytes = new Uint8Array(HEAD_BYTES + contents.length);
    bytes.set(contents, HEAD_BYTES);
    writeU32(bytes, 4, next);
    writeU32(bytes, 0, crc32(bytes.subarray(4)));
    // A journal of that number can only be what a process left that was killed before it had the file.
    removeIfThere(this.#calls, this.#journalOf(next));
    if (this.#isDamaged) removeIfThere(this.#calls, this.#path);
    writeAtomic(this.#path, bytes, { sync: true, keepPrevious: true, calls: this.#calls });
    this.close();
    if (!this.#isDamaged) removeIfThere(this.#calls, this.#journalOf(this.#generation - 1));
    this.#isDamaged = false;
    this.#generation = next;
    this.#contentBytes = bytes.length;
    this.#journalBytes = 0;
  }

  close(): void {
    if (this.#fd === undefined) return;
    this.#calls.closeSync(this.#fd);
    this.#fd = undefined;
  }

  #readJournal(generation: number): readonly Uint8Array[] | undefined {
    let bytes: Uint8Array | undefined;
    try {
      bytes = readWhole(this.#calls, this.#journalOf(generation));
    } catch (error) {
      throw toDiskError(error, this.#journalOf(generation));
    }
    if (bytes === undefined) return undefined;
    const { entries, end } = decodeEntries(bytes);
    // What is appended from now on must not stand behind the half of something.
    if (end < bytes.length) this.#cut(generation, end);
    this.#journalBytes = end;
    return entries;
  }

  #cut(generation: number, length: number): void {
    const fd = this.#calls.openSync(this.#journalOf(generation), 'r+');
    try {
      this.#calls.ftruncateSync(fd, length);
    } finally {
      this.#calls.closeSync(fd);
    }
  }

  #journalOf(generation: number): string {
    return `${this.#path}.${generation}.journal`;
  }
}

/**
 * The entries of a journal up to the first that is cut or damaged; views of `bytes`. Nobody appends an empty one: zeros are what a file
 * system leaves behind an append that lost power, and they are their own checksum.
 *
 * @returns where the last whole one ends
 */
export function decodeEntries(bytes: Uint8Array): { readonly entries: readonly Uint8Array[]; readonly end: number } {
  const entries: Uint8Array[] = [];
  let end = 0;
  while (end + ENTRY_HEAD_BYTES <= bytes.length) {
    const length = readU32(bytes, end);
    const next = end + ENTRY_HEAD_BYTES + length;
    if (length === 0 || next > bytes.length) break;
    const entry = bytes.subarray(end + ENTRY_HEAD_BYTES, next);
    if (crc32(entry) !== readU32(bytes, end + 4)) break;
    entries.push(entry);
    end = next;
  }
  return { entries, end };
}

function openContainer(bytes: Uint8Array): Uint8Array {
  if (bytes.length < HEAD_BYTES || readU32(bytes, 0) !== crc32(bytes.subarray(4))) {
    throw new BtError('swarm/state-damaged', { what: 'the state of the session' });
  }
  return bytes.subarray(HEAD_BYTES);
}

function readWhole(calls: SystemCalls, path: string): Uint8Array | undefined {
  let fd: number;
  try {
    fd = calls.openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
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

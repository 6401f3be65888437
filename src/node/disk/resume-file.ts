import { join } from 'node:path';
import { BtError, encodeUtf8, type InfoHash, readU32, readU64Clamped, writeU32, writeU64 } from '../../base/index.ts';
import { decode, encode, getBytes, getInt, getText } from '../../bencode/index.ts';
import type { FileState, SavedResume } from '../../swarm/index.ts';
import { crc32 } from '../crc32.ts';
import { makeFolders, readIntact, removeAtomic, removeIfThere, writeAtomic } from '../files.ts';
import { isSystemError } from './disk-error.ts';
import type { SystemCalls } from './system-calls.ts';

const VERSION = 1;
const CRC_BYTES = 4;
/** Per file: length + 1 (0 = no file) and milliseconds since 1970, both u64. */
const STATE_BYTES = 16;

/** What is in the record's own file; the journal and the clock add the rest of `SavedResume`. */
export interface ResumeRecord extends Omit<SavedResume, 'committed' | 'isSameBoot'> {
  /** Absolute download folder that the record is about. */
  readonly folder: string;
}

/**
 * Container of resume data: a bencoded dictionary, then the CRC-32 of it (u32, big-endian).
 *
 *     v 1 · bytes (the brain's) · files (16 bytes a file) · final 0/1 · folder · part (16 bytes) · saved (ms since 1970)
 */
export function encodeResume(record: ResumeRecord): Uint8Array {
  const body = encode({
    v: VERSION,
    bytes: record.bytes,
    files: packStates(record.files),
    final: record.final ? 1 : 0,
    folder: record.folder,
    part: packStates([record.partFile]),
    saved: Math.floor(record.savedMs),
  });
  const out = new Uint8Array(body.length + CRC_BYTES);
  out.set(body);
  writeU32(out, body.length, crc32(body));
  return out;
}

/** @throws BtError `swarm/state-damaged`, `swarm/state-newer` */
export function decodeResume(file: Uint8Array): ResumeRecord {
  const body = file.subarray(0, Math.max(0, file.length - CRC_BYTES));
  const what = 'resume data';
  if (body.length === 0 || readU32(file, body.length) !== crc32(body))
    throw new BtError('swarm/state-damaged', { what });
  const dict = decode(body);
  const version = getInt(dict, 'v');
  if (version !== undefined && version > VERSION) throw new BtError('swarm/state-newer', { what });
  const bytes = getBytes(dict, 'bytes');
  const files = unpackStates(getBytes(dict, 'files'));
  const folder = getText(dict, 'folder');
  const savedMs = getInt(dict, 'saved');
  if (
    version !== VERSION ||
    bytes === undefined ||
    files === undefined ||
    folder === undefined ||
    savedMs === undefined
  ) {
    throw new BtError('swarm/state-damaged', { what });
  }
  return {
    // A copy: the rest of the file need not be kept for it.
    bytes: bytes.slice(),
    files,
    partFile: unpackStates(getBytes(dict, 'part'))?.[0],
    final: getInt(dict, 'final') === 1,
    savedMs,
    folder,
  };
}

function packStates(states: readonly (FileState | undefined)[]): Uint8Array {
  const out = new Uint8Array(states.length * STATE_BYTES);
  states.forEach((state, i) => {
    if (state === undefined) return;
    writeU64(out, i * STATE_BYTES, state.length + 1);
    writeU64(out, i * STATE_BYTES + 8, Math.max(0, Math.floor(state.modifiedMs)));
  });
  return out;
}

function unpackStates(bytes: Uint8Array | undefined): (FileState | undefined)[] | undefined {
  if (bytes === undefined || bytes.length % STATE_BYTES !== 0) return undefined;
  const states: (FileState | undefined)[] = [];
  for (let at = 0; at < bytes.length; at += STATE_BYTES) {
    const length = readU64Clamped(bytes, at) - 1;
    states.push(length < 0 ? undefined : { length, modifiedMs: readU64Clamped(bytes, at + 8) });
  }
  return states;
}

/** An entry of the journal: piece (u32) and the CRC-32 of these four bytes. */
const ENTRY_BYTES = 8;
/** Journals open at once: torrents that are downloading at this moment. */
const OPEN_JOURNALS_MAX = 8;
/** Clocks and the start of a machine are not exact; ms. */
const BOOT_SLACK_MS = 10_000;

/**
 * Where resume records are kept: `<stateDir>/resume/<infohash>-<folder>.resume`, the previous generation beside it, and a journal of the
 * pieces stored since: one small append a piece, which outlives a killed process. The journal is emptied when a record is saved.
 *
 * The name holds a checksum of the download folder, so that the same torrent in two folders has two records.
 */
export class ResumeFolder {
  readonly #folder: string;
  readonly #calls: SystemCalls;
  /** Open journals by path. */
  readonly #journals = new Map<string, number>();

  constructor(stateDir: string, calls: SystemCalls) {
    this.#folder = join(stateDir, 'resume');
    this.#calls = calls;
  }

  /** @returns undefined where there is no record, none that can be read, or one about another download folder */
  load(infoHash: InfoHash, folder: string): SavedResume | undefined {
    try {
      const path = this.#pathOf(infoHash, folder);
      const record = readIntact(path, decodeResume, this.#calls);
      if (record === undefined || record.folder !== folder) return undefined;
      const { committed, notedMs } = this.#readJournal(path);
      const savedMs = Math.max(record.savedMs, notedMs);
      const isSameBoot = this.#calls.uptime() * 1000 + BOOT_SLACK_MS >= Date.now() - record.savedMs;
      return { ...record, savedMs, committed, isSameBoot };
    } catch {
      // Without a record everything on disk is checked: slower, never wrong.
      return undefined;
    }
  }

  /** @throws BtError `disk/...` */
  save(infoHash: InfoHash, record: ResumeRecord): void {
    const path = this.#pathOf(infoHash, record.folder);
    writeAtomic(path, encodeResume(record), { sync: record.final, keepPrevious: true, calls: this.#calls });
    // What it held is in the record now. Should we die in between, it says the same twice.
    const journal = this.#journals.get(path);
    if (journal !== undefined) this.#calls.ftruncateSync(journal, 0);
    else removeIfThere(this.#calls, journalOf(path));
  }

  /** A piece has been stored. What goes wrong here costs a recheck after a crash and nothing else. */
  note(infoHash: InfoHash, folder: string, piece: number): void {
    const path = this.#pathOf(infoHash, folder);
    const entry = new Uint8Array(ENTRY_BYTES);
    writeU32(entry, 0, piece);
    writeU32(entry, 4, crc32(entry.subarray(0, 4)));
    try {
      let fd = this.#journals.get(path);
      if (fd === undefined) {
        makeFolders(this.#folder, { calls: this.#calls });
        if (this.#journals.size >= OPEN_JOURNALS_MAX) this.closeAll();
        fd = this.#calls.openSync(journalOf(path), 'a', 0o666);
        this.#journals.set(path, fd);
      }
      this.#calls.writeSync(fd, entry, 0, ENTRY_BYTES, null);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.close(infoHash, folder);
    }
  }

  /** Closes the journal of a torrent. */
  close(infoHash: InfoHash, folder: string): void {
    const path = this.#pathOf(infoHash, folder);
    const fd = this.#journals.get(path);
    if (fd === undefined) return;
    this.#journals.delete(path);
    this.#calls.closeSync(fd);
  }

  closeAll(): void {
    for (const fd of this.#journals.values()) this.#calls.closeSync(fd);
    this.#journals.clear();
  }

  remove(infoHash: InfoHash, folder: string): void {
    this.close(infoHash, folder);
    const path = this.#pathOf(infoHash, folder);
    removeAtomic(path, this.#calls);
    removeIfThere(this.#calls, journalOf(path));
  }

  #readJournal(path: string): { committed: number[]; notedMs: number } {
    const committed: number[] = [];
    let fd: number;
    try {
      fd = this.#calls.openSync(journalOf(path), 'r');
    } catch {
      return { committed, notedMs: 0 };
    }
    try {
      const { size, mtimeMs } = this.#calls.fstatSync(fd);
      const bytes = new Uint8Array(size);
      const got = size === 0 ? 0 : this.#calls.readSync(fd, bytes, 0, size, 0);
      for (let at = 0; at + ENTRY_BYTES <= got; at += ENTRY_BYTES) {
        if (crc32(bytes.subarray(at, at + 4)) === readU32(bytes, at + 4)) committed.push(readU32(bytes, at));
      }
      return { committed, notedMs: committed.length > 0 ? mtimeMs : 0 };
    } finally {
      this.#calls.closeSync(fd);
    }
  }

  #pathOf(infoHash: InfoHash, folder: string): string {
    const place = crc32(encodeUtf8(folder)).toString(16).padStart(8, '0');
    return join(this.#folder, `${infoHash}-${place}.resume`);
  }
}

function journalOf(path: string): string {
  return `${path}.journal`;
}

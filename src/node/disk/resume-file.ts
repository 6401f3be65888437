import { join } from 'node:path';
import { BtError, encodeUtf8, type InfoHash, readU32, readU64Clamped, writeU32, writeU64 } from '../../base/index.ts';
import { type BValue, decode, encode, getBytes, getInt, getText } from '../../bencode/index.ts';
import { isSystemError, toDiskError } from '../../hash/index.ts';
import type { FileState, SavedResume } from '../../swarm/index.ts';
import { crc32 } from '../crc32.ts';
import { makeFolders, readIntact, removeAtomic, removeIfThere, writeAtomic } from '../files.ts';
import { isStill } from './piece-store.ts';
import { type JournalNotes, ResumeJournal, readJournal } from './resume-journal.ts';
import type { SystemCalls } from './system-calls.ts';

/** 2: the journal says how files stood after each write. A record of version 1 is read without its journal. */
const VERSION = 2;
const CRC_BYTES = 4;
/** Per file: length + 1 (0 = no file) and milliseconds since 1970, both u64. */
const STATE_BYTES = 16;

/** What is in the record's own file; the journal and the clock add the rest of `SavedResume`. */
export interface ResumeRecord extends Pick<SavedResume, 'bytes' | 'files' | 'partFile' | 'final' | 'savedMs'> {
  /** Absolute download folder that the record is about. */
  readonly folder: string;
}

interface ReadRecord extends ResumeRecord {
  /** The journal beside it is of a kind that we can read. */
  readonly journal: boolean;
}

/** What was found of a torrent. */
export interface LoadedResume {
  readonly saved: SavedResume | undefined;
  /** Why the newest record is not used, or none is. */
  readonly trouble: BtError | undefined;
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

/** @param what names it in errors. @throws BtError `swarm/state-damaged`, `swarm/state-newer` */
export function decodeResume(file: Uint8Array, what = 'resume data'): ReadRecord {
  const body = file.subarray(0, Math.max(0, file.length - CRC_BYTES));
  if (body.length === 0 || readU32(file, body.length) !== crc32(body))
    throw new BtError('swarm/state-damaged', { what });
  const dict = decodeBody(body, what);
  const version = getInt(dict, 'v');
  if (version !== undefined && version > VERSION) throw new BtError('swarm/state-newer', { what });
  const bytes = getBytes(dict, 'bytes');
  const files = unpackStates(getBytes(dict, 'files'));
  const folder = getText(dict, 'folder');
  const savedMs = getInt(dict, 'saved');
  if (
    version === undefined ||
    version < 1 ||
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
    journal: version === VERSION,
  };
}

function decodeBody(body: Uint8Array, what: string): BValue {
  try {
    return decode(body);
  } catch (cause) {
    throw new BtError('swarm/state-damaged', { what }, { cause });
  }
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

/** Journals open at once: torrents that are downloading at this moment. */
const OPEN_JOURNALS_MAX = 8;
/** Clocks and the start of a machine are not exact; ms. */
const BOOT_SLACK_MS = 10_000;

/**
 * Where resume records are kept: `<stateDir>/resume/<infohash>-<folder>.resume`, the previous generation beside it, and a journal of what
 * was written since (resume-journal.ts). The journal is emptied when a record is saved.
 *
 * The name holds a checksum of the download folder, so that the same torrent in two folders has two records.
 */
export class ResumeFolder {
  readonly #folder: string;
  readonly #calls: SystemCalls;
  /** Open journals by path of the record. */
  readonly #journals = new Map<string, ResumeJournal>();

  constructor(stateDir: string, calls: SystemCalls) {
    this.#folder = join(stateDir, 'resume');
    this.#calls = calls;
  }

  /**
   * What is remembered. Where the newest record is damaged, the one before it gives what does not have to be right (the metadata, totals,
   * addresses); of the data nothing is believed by it: what happened since is not known.
   *
   * @throws BtError `swarm/state-newer` for a record that a later program wrote: nothing may be written over it
   */
  load(infoHash: InfoHash, folder: string): LoadedResume {
    const path = this.#pathOf(infoHash, folder);
    let trouble: BtError | undefined;
    const onDamaged = (error: unknown) => {
      trouble = BtError.is(error) ? error : undefined;
    };
    let record: ReadRecord | undefined;
    try {
      const what = `the resume data in ${path}`;
      record = readIntact(path, (bytes) => decodeResume(bytes, what), { calls: this.#calls, onDamaged });
    } catch (error) {
      if (BtError.is(error, 'swarm/state-newer')) throw error;
      // Without a record everything on disk is checked: slower, never wrong.
      return { saved: undefined, trouble: toDiskError(error, path) };
    }
    if (record === undefined || record.folder !== folder) return { saved: undefined, trouble };
    const isBelieved = trouble === undefined;
    const notes = isBelieved && record.journal ? readJournal(journalOf(path), this.#calls) : noNotes;
    return { saved: this.#toSaved(record, notes, isBelieved), trouble };
  }

  /** @throws BtError `disk/...` */
  save(infoHash: InfoHash, record: ResumeRecord): void {
    const path = this.#pathOf(infoHash, record.folder);
    writeAtomic(path, encodeResume(record), { sync: record.final, keepPrevious: true, calls: this.#calls });
    // What it held is in the record now. Should we die in between, it says the same twice.
    const journal = this.#journals.get(path);
    if (journal !== undefined) journal.clear();
    else removeIfThere(this.#calls, journalOf(path));
  }

  // --- moves ---

  /** A torrent is about to be moved: after a crash it is known where else to look. @throws BtError `disk/...` */
  beginMove(infoHash: InfoHash, from: string, to: string): void {
    const path = moveOf(this.#pathOf(infoHash, from));
    writeAtomic(path, encode({ v: 1, from, to }), { sync: true, calls: this.#calls });
  }

  /** @returns where a move that was never ended was to lead */
  moveOf(infoHash: InfoHash, from: string): string | undefined {
    try {
      const to = readIntact(
        moveOf(this.#pathOf(infoHash, from)),
        (bytes) => {
          const dict = decode(bytes);
          return getText(dict, 'from') === from ? getText(dict, 'to') : undefined;
        },
        { calls: this.#calls },
      );
      return to;
    } catch (error) {
      if (!BtError.is(error) && !isSystemError(error)) throw error;
      return undefined;
    }
  }

  /** It has not come about, or whoever says where torrents are knows of it. */
  forgetMove(infoHash: InfoHash, from: string): void {
    removeIfThere(this.#calls, moveOf(this.#pathOf(infoHash, from)));
  }

  /**
   * It has: the record goes along. What it says of the data stays true, by how the files stand in the new place. The old place leads to
   * the new one until `forgetMove`.
   *
   * @throws BtError `disk/...`
   */
  endMove(
    infoHash: InfoHash,
    move: { readonly from: string; readonly to: string },
    states: Pick<ResumeRecord, 'files' | 'partFile'>,
  ): void {
    const { saved } = this.load(infoHash, move.from);
    // What was noted after the record is in the brain's next one; until then it is hashed.
    if (saved?.isBelieved && saved.underWay === undefined && saved.committed.length === 0) {
      const { bytes, final, savedMs, files } = saved;
      const { partFile } = states;
      // What others have changed before it was moved is not vouched for.
      const still = states.files.map((now, i) => (now !== undefined && isStill(files[i], now) ? now : undefined));
      this.save(infoHash, { bytes, final, savedMs, files: still, partFile, folder: move.to });
    }
    this.remove(infoHash, move.from);
  }

  /** Bytes of a piece are about to be written. What goes wrong here costs a check after a crash and nothing else. */
  begin(infoHash: InfoHash, folder: string, piece: number): void {
    this.#note(infoHash, folder, (journal) => journal.begin(piece));
  }

  /** They have been, and this is how the files stand. @param isVerified the piece is stored, whole and right */
  end(
    infoHash: InfoHash,
    folder: string,
    written: { readonly piece: number; readonly files: ReadonlyMap<number, FileState>; readonly isVerified: boolean },
  ): void {
    this.#note(infoHash, folder, (journal) => journal.end(written.piece, written.files, written.isVerified));
  }

  /** Closes the journal of a torrent. */
  close(infoHash: InfoHash, folder: string): void {
    const path = this.#pathOf(infoHash, folder);
    this.#journals.get(path)?.close();
    this.#journals.delete(path);
  }

  /** Closes all journals; each is opened again for its next entry. @returns whether one was open */
  closeAll(): boolean {
    const wasOpen = this.#journals.size > 0;
    for (const journal of this.#journals.values()) journal.close();
    this.#journals.clear();
    return wasOpen;
  }

  remove(infoHash: InfoHash, folder: string): void {
    this.close(infoHash, folder);
    const path = this.#pathOf(infoHash, folder);
    removeAtomic(path, this.#calls);
    removeIfThere(this.#calls, journalOf(path));
  }

  #note(infoHash: InfoHash, folder: string, write: (journal: ResumeJournal) => void): void {
    const path = this.#pathOf(infoHash, folder);
    try {
      let journal = this.#journals.get(path);
      if (journal === undefined) {
        makeFolders(this.#folder, { calls: this.#calls });
        if (this.#journals.size >= OPEN_JOURNALS_MAX) this.closeAll();
        journal = new ResumeJournal(journalOf(path), this.#calls);
        this.#journals.set(path, journal);
      }
      write(journal);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.close(infoHash, folder);
    }
  }

  #toSaved({ folder: _, journal: _j, ...record }: ReadRecord, notes: JournalNotes, isBelieved: boolean): SavedResume {
    const savedMs = Math.max(record.savedMs, notes.notedMs);
    const isSameBoot = this.#calls.uptime() * 1000 + BOOT_SLACK_MS >= Date.now() - record.savedMs;
    // What was written after it makes the last word of a clean stop one among others.
    const final = record.final && notes.notedMs === 0;
    const { committed, written, underWay } = notes;
    return { ...record, final, savedMs, committed, written, underWay, isSameBoot, isBelieved };
  }

  #pathOf(infoHash: InfoHash, folder: string): string {
    const place = crc32(encodeUtf8(folder)).toString(16).padStart(8, '0');
    return join(this.#folder, `${infoHash}-${place}.resume`);
  }
}

const noNotes: JournalNotes = { committed: [], written: new Map(), underWay: undefined, notedMs: 0 };

function moveOf(path: string): string {
  return `${path}.move`;
}

function journalOf(path: string): string {
  return `${path}.journal`;
}

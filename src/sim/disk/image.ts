import { assert, BtError, type Rng } from '../../base/index.ts';
import { BLOCK_LENGTH, FileMap, Geometry, type Info } from '../../metainfo/index.ts';
import type { FileState, SavedResume } from '../../swarm/index.ts';
import type { Content } from './content.ts';

const ABSENT = 0;
/** All bytes are as the content says. */
const WHOLE = 1;
/** `#blocks` says which blocks are as the content says; the others are zeros. */
const PARTIAL = 2;
/** `#bytes` has the bytes. */
const ODD = 3;

type ImageRecord = Pick<SavedResume, 'bytes' | 'files' | 'partFile' | 'final' | 'savedMs'>;

interface FileImage {
  isThere: boolean;
  length: number;
  modifiedMs: number;
}

/**
 * What lies on a disk of one torrent. Pieces that equal the content cost one byte; only what differs from it is kept. Lives on when the
 * process that wrote it dies.
 */
export class StoreImage {
  readonly info: Info;
  readonly geometry: Geometry;
  readonly content: Content | undefined;
  #record: ImageRecord | undefined;
  /** Pieces stored since the record was saved. */
  #committed: number[] = [];
  #written = new Map<number, FileState>();
  #underWay: SavedResume['underWay'];
  #notedMs = 0;
  #isSameBoot = true;
  /** Files that answer every access with an input/output error. */
  readonly brokenFiles: Set<number> = new Set();
  /** Files that somebody else has changed: not read until they are looked at again; true where a write has been told so. */
  readonly #foreign = new Map<number, boolean>();
  /** Bytes that pieces occupy. */
  usedBytes = 0;
  readonly #fileMap: FileMap;
  readonly #files: FileImage[];
  readonly #part: FileImage = { isThere: false, length: 0, modifiedMs: 0 };
  #wanted: readonly boolean[];
  readonly #state: Uint8Array;
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #bytes = new Map<number, Uint8Array>();
  /** Pieces written since the last sync: what a power cut may take. */
  readonly #unsynced = new Set<number>();
  #syncedRecord: ImageRecord | undefined;

  constructor(info: Info, content: Content | undefined) {
    this.info = info;
    this.content = content;
    this.geometry = new Geometry(info);
    this.#fileMap = new FileMap(info);
    this.#files = info.files.map(() => ({ isThere: false, length: 0, modifiedMs: 0 }));
    this.#wanted = info.files.map(() => true);
    this.#state = new Uint8Array(info.pieceCount);
  }

  // --- pieces --------------------------------------------------------------------------------------------------------------------

  /** True where the stored bytes are exactly the content. */
  isWhole(piece: number): boolean {
    return this.isContentAt(piece, 0, this.geometry.pieceBytes(piece));
  }

  isAbsent(piece: number): boolean {
    return this.#state[piece] === ABSENT;
  }

  /** Whether a part of a piece is stored exactly as the content has it. */
  isContentAt(piece: number, begin: number, length: number): boolean {
    const state = this.#state[piece];
    if (state === PARTIAL) {
      const end = Math.ceil((begin + length) / BLOCK_LENGTH);
      return !this.#blocks
        .get(piece)
        ?.subarray(begin / BLOCK_LENGTH, end)
        .includes(0);
    }
    if (state !== ODD) return state === WHOLE;
    const bytes = this.#bytes.get(piece) as Uint8Array;
    return (
      this.content?.equals(this.geometry.pieceStart(piece) + begin, bytes.subarray(begin, begin + length)) === true
    );
  }

  /** Bytes that writing this piece would newly occupy. */
  growth(piece: number): number {
    return this.#state[piece] === ABSENT ? this.geometry.pieceBytes(piece) : 0;
  }

  /** Writes part of a piece; `begin` is a multiple of 16 KiB. */
  write(piece: number, begin: number, bytes: Uint8Array, wallMs: number): void {
    this.usedBytes += this.growth(piece);
    this.#unsynced.add(piece);
    this.#touchFiles(piece, begin, bytes.length, wallMs);
    if (this.content?.equals(this.geometry.pieceStart(piece) + begin, bytes) !== true || this.#state[piece] === ODD) {
      this.#toBytes(piece).set(bytes, begin);
      return;
    }
    if (this.#state[piece] === WHOLE) return;
    const blocks = this.#blocksOf(piece);
    blocks.fill(1, begin / BLOCK_LENGTH, Math.ceil((begin + bytes.length) / BLOCK_LENGTH));
    if (!blocks.includes(0)) this.#setWhole(piece);
  }

  /** Marks a piece as having been written with exactly its content, without handing over the bytes. */
  writeWhole(piece: number, wallMs: number): void {
    assert(this.content !== undefined, 'content is known');
    this.usedBytes += this.growth(piece);
    this.#unsynced.add(piece);
    this.#touchFiles(piece, 0, this.geometry.pieceBytes(piece), wallMs);
    this.#setWhole(piece);
  }

  /** Reads stored bytes whatever they are; what was never written reads as zeros. */
  read(piece: number, begin: number, into: Uint8Array): void {
    const state = this.#state[piece];
    const start = this.geometry.pieceStart(piece) + begin;
    if (state === WHOLE) this.content?.read(start, into);
    else if (state === ODD) {
      const bytes = this.#bytes.get(piece) as Uint8Array;
      into.fill(0);
      into.set(bytes.subarray(begin, begin + into.length));
    } else {
      into.fill(0);
      if (state === PARTIAL) this.#readBlocks(piece, begin, into);
    }
  }

  /** Changes one stored bit: the disk lies. */
  flipBit(piece: number, rng: Rng): void {
    if (this.#state[piece] === ABSENT) return;
    const bytes = this.#toBytes(piece);
    const at = rng.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << rng.below(8));
  }

  /** A write that was cut off: the front of the piece is there, the rest is as before. */
  tear(piece: number, rng: Rng, wallMs: number): void {
    const blockCount = this.geometry.blockCount(piece);
    const kept = rng.below(blockCount + 1);
    this.#underWay = { piece, sinceMs: wallMs };
    if (kept === 0 || this.content === undefined || this.isWhole(piece)) return;
    const bytes = new Uint8Array(Math.min(kept * BLOCK_LENGTH, this.geometry.pieceBytes(piece)));
    this.content.read(this.geometry.pieceStart(piece), bytes);
    this.write(piece, 0, bytes, wallMs);
  }

  // --- files ---------------------------------------------------------------------------------------------------------------------

  set wanted(wanted: readonly boolean[]) {
    assert(wanted.length === this.info.files.length, 'one flag a file');
    this.#wanted = wanted;
  }

  /** @returns the error that reading or writing these bytes of torrent space gives, if any */
  trouble(offset: number, length: number, access: 'read' | 'write'): BtError | undefined {
    for (const span of this.#fileMap.spans(offset, length)) {
      if (span.file < 0) continue;
      const path = this.pathOf(span.file);
      const wasTold = this.#foreign.get(span.file);
      if (wasTold !== undefined && (access === 'read' || !wasTold)) {
        if (access === 'write') this.#foreign.set(span.file, true);
        const isThere = this.#files[span.file]?.isThere === true;
        if (!isThere) return new BtError('disk/not-found', { path });
        return new BtError('disk/changed', { path, what: 'was changed by another program' });
      }
      if (this.brokenFiles.has(span.file)) return new BtError('disk/io', { path, what: 'input/output error' });
      if (access === 'write' || this.#wanted[span.file] === false) continue;
      const file = this.#files[span.file] as FileImage;
      if (!file.isThere) return new BtError('disk/not-found', { path });
      if (file.length < span.fileOffset + span.length) {
        return new BtError('disk/changed', { path, what: 'is shorter than it was' });
      }
    }
    return undefined;
  }

  /** The files of a piece are looked at anew. */
  lookAgain(piece: number): void {
    const spans = this.#fileMap.spans(this.geometry.pieceStart(piece), this.geometry.pieceBytes(piece));
    for (const span of spans) this.#foreign.delete(span.file);
  }
  /** All are, when the store is opened. */
  lookAtAll(): void {
    this.#foreign.clear();
  }

  fileStates(): (FileState | undefined)[] {
    return this.#files.map(toState);
  }

  get partFile(): FileState | undefined {
    return toState(this.#part);
  }

  pathOf(file: number): string {
    return this.info.files[file]?.path.join('/') ?? this.info.name;
  }

  /** Somebody else cuts a file down; 0 and `isGone` deletes it. What was cut off reads as zeros if the file grows again. */
  truncate(file: number, length: number, wallMs: number, isGone = false): void {
    const image = this.#files[file] as FileImage;
    const entry = this.info.files[file];
    // Bytes of a file that is not wanted lie in the part file.
    if (entry === undefined || this.#wanted[file] === false) return;
    image.length = Math.min(image.length, length);
    image.modifiedMs = wallMs;
    this.#foreign.set(file, false);
    if (isGone) image.isThere = false;
    const pieceLength = this.info.pieceLength;
    const from = entry.offset + length;
    const to = entry.offset + entry.length;
    if (from >= to) return;
    for (let piece = Math.floor(from / pieceLength); piece * pieceLength < to; piece++) {
      const start = piece * pieceLength;
      const isAll = from <= start && to >= start + this.geometry.pieceBytes(piece);
      if (this.#state[piece] === ABSENT) continue;
      if (isAll) this.#setAbsent(piece);
      else this.#toBytes(piece).fill(0, Math.max(0, from - start), Math.max(0, to - start));
    }
  }

  // --- durability ----------------------------------------------------------------------------------------------------------------

  /** What the next process finds. */
  get resume(): SavedResume | undefined {
    if (this.#record === undefined) return undefined;
    const savedMs = Math.max(this.#record.savedMs, this.#notedMs);
    const final = this.#record.final && this.#notedMs === 0 && this.#underWay === undefined;
    return {
      ...this.#record,
      final,
      savedMs,
      committed: this.#committed,
      written: this.#written,
      underWay: this.#underWay,
      isSameBoot: this.#isSameBoot,
      isBelieved: true,
    };
  }

  save(bytes: Uint8Array, final: boolean, wallMs: number): void {
    this.#record = { bytes, files: this.fileStates(), partFile: this.partFile, final, savedMs: wallMs };
    this.#forgetNotes();
    this.#isSameBoot = true;
    if (!final) return;
    this.#unsynced.clear();
    this.#syncedRecord = this.#record;
  }

  /** Bytes of a piece have been written; where it is stored, whole and right, that is noted at once. */
  note(piece: number, wallMs: number, isVerified: boolean): void {
    if (isVerified) this.#committed.push(piece);
    for (const span of this.#fileMap.spans(this.geometry.pieceStart(piece), this.geometry.pieceBytes(piece))) {
      if (span.file < 0) continue;
      const isWanted = this.#wanted[span.file] !== false;
      const state = toState(isWanted ? (this.#files[span.file] as FileImage) : this.#part);
      if (state !== undefined) this.#written.set(isWanted ? span.file : -1, state);
    }
    this.#underWay = undefined;
    this.#notedMs = wallMs;
  }

  #forgetNotes(): void {
    this.#committed = [];
    this.#written = new Map();
    this.#underWay = undefined;
    this.#notedMs = 0;
  }

  /**
   * The machine lost power: about half of what was not forced to the medium is gone, and the resume record is the last synced one, or, as
   * often, a later one that promises more than there is.
   */
  losePower(rng: Rng, wallMs: number): void {
    if (rng.below(2) === 0) {
      this.#record = this.#syncedRecord;
      this.#forgetNotes();
    }
    this.#isSameBoot = false;
    // What is torn here is no write of ours, and nobody notes it.
    const underWay = this.#underWay;
    for (const piece of this.#unsynced) {
      if (rng.below(2) === 0) continue;
      this.#setAbsent(piece);
      if (rng.below(2) === 0) this.tear(piece, rng, wallMs);
    }
    this.#underWay = underWay;
    this.#unsynced.clear();
  }

  // --- inside --------------------------------------------------------------------------------------------------------------------

  #touchFiles(piece: number, begin: number, length: number, wallMs: number): void {
    for (const span of this.#fileMap.spans(this.geometry.pieceStart(piece) + begin, length)) {
      if (span.file < 0) continue;
      const isWanted = this.#wanted[span.file] !== false;
      const image = isWanted ? (this.#files[span.file] as FileImage) : this.#part;
      image.isThere = true;
      image.modifiedMs = wallMs;
      image.length = isWanted ? Math.max(image.length, span.fileOffset + span.length) : image.length + span.length;
    }
  }

  #blocksOf(piece: number): Uint8Array {
    let blocks = this.#blocks.get(piece);
    if (blocks === undefined) {
      blocks = new Uint8Array(this.geometry.blockCount(piece));
      this.#blocks.set(piece, blocks);
      this.#state[piece] = PARTIAL;
    }
    return blocks;
  }

  #readBlocks(piece: number, begin: number, into: Uint8Array): void {
    const blocks = this.#blocks.get(piece) as Uint8Array;
    const start = this.geometry.pieceStart(piece);
    for (let at = 0; at < into.length; ) {
      const block = Math.floor((begin + at) / BLOCK_LENGTH);
      const end = Math.min((block + 1) * BLOCK_LENGTH - begin, into.length);
      if (blocks[block] === 1) this.content?.read(start + begin + at, into.subarray(at, end));
      at = end;
    }
  }

  #toBytes(piece: number): Uint8Array {
    const known = this.#bytes.get(piece);
    if (known !== undefined) return known;
    const bytes = new Uint8Array(this.geometry.pieceBytes(piece));
    this.read(piece, 0, bytes);
    this.#bytes.set(piece, bytes);
    this.#blocks.delete(piece);
    this.#state[piece] = ODD;
    return bytes;
  }

  #setWhole(piece: number): void {
    this.#state[piece] = WHOLE;
    this.#blocks.delete(piece);
    this.#bytes.delete(piece);
  }

  #setAbsent(piece: number): void {
    if (this.#state[piece] !== ABSENT) this.usedBytes -= this.geometry.pieceBytes(piece);
    this.#state[piece] = ABSENT;
    this.#blocks.delete(piece);
    this.#bytes.delete(piece);
  }
}

function toState(image: FileImage): FileState | undefined {
  return image.isThere ? { length: image.length, modifiedMs: image.modifiedMs } : undefined;
}

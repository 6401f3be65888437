import { assert, BtError, readU32, writeU32 } from '../../base/index.ts';
import { toDiskError } from '../../hash/index.ts';
import { crc32 } from '../crc32.ts';
import { type OpenFiles, StoreFile } from './open-files.ts';
import type { SafeFolder } from './safe-folder.ts';
import type { SystemCalls } from './system-calls.ts';

/** A share is the part of one piece that lies in one file. */
interface Share {
  /** Where its bytes begin in the part file. */
  readonly at: number;
  readonly length: number;
}

const MAGIC = Uint8Array.from('EiderParts01', (c) => c.charCodeAt(0));
const FILE_HEADER_BYTES = 16;
const ENTRY_MAGIC = 0x50415254;
const ENTRY_BYTES = 20;

/**
 * Holds what has to be stored of files that are not wanted: their shares of the pieces that reach into wanted files.
 *
 * A log of entries after a header, each found by (piece, file):
 *
 *     0   'EiderParts01', u32 number of files of the torrent
 *     16  entry: u32 'PART' · u32 piece · u32 file · u32 length · u32 CRC-32 of these 16 bytes · the bytes
 *         ...
 *
 * An entry that is torn ends the log: nothing that counts has been written behind it. What the bytes are worth is not known here; the
 * pieces are checked like all others. Deleted as soon as nothing is in it.
 */
export class PartFile {
  readonly #file: StoreFile;
  readonly #open: OpenFiles;
  readonly #calls: SystemCalls;
  readonly #fileCount: number;
  readonly #shares = new Map<number, Map<number, Share>>();
  /** Where the next entry goes; 0: there is no file yet. */
  #end = 0;
  isDirty = false;

  /** @param name file name in the download folder */
  constructor(options: { folder: SafeFolder; name: string; fileCount: number; open: OpenFiles; calls: SystemCalls }) {
    this.#file = new StoreFile(options.folder, [options.name]);
    this.#open = options.open;
    this.#calls = options.calls;
    this.#fileCount = options.fileCount;
    if (options.folder.stat([options.name]) !== undefined) this.#load();
  }

  get file(): StoreFile {
    return this.#file;
  }
  get isThere(): boolean {
    return this.#end > 0;
  }

  has(piece: number, file: number): boolean {
    return this.#shares.get(piece)?.has(file) === true;
  }

  /** Everything that is held, as [piece, file, length]. */
  *entries(): Generator<readonly [piece: number, file: number, length: number]> {
    for (const [piece, files] of this.#shares) for (const [file, share] of files) yield [piece, file, share.length];
  }

  /** Reads part of a share that is held. */
  read(piece: number, file: number, begin: number, into: Uint8Array): void {
    const share = this.#shares.get(piece)?.get(file);
    assert(share !== undefined && begin + into.length <= share.length, 'share is held');
    const fd = this.#open.use(this.#file, 'read');
    this.#readAll(fd, into, share.at + begin);
  }

  /** Writes part of a share, which gets its place at the first write. @param length of the whole share */
  write(piece: number, file: number, length: number, begin: number, bytes: Uint8Array): void {
    assert(begin + bytes.length <= length, 'bytes lie inside the share');
    const share = this.#shares.get(piece)?.get(file) ?? this.#append(piece, file, length);
    assert(share.length === length, 'a share has one length');
    this.#writeAll(this.#open.use(this.#file, 'write'), bytes, share.at + begin);
  }

  /** Forgets shares that have moved elsewhere; their room is given back when the last one goes. */
  drop(shares: readonly (readonly [piece: number, file: number])[]): void {
    for (const [piece, file] of shares) {
      const files = this.#shares.get(piece);
      const share = files?.get(file);
      if (files === undefined || share === undefined) continue;
      // Without its mark an entry would end the log, so it stays one of a file that does not exist.
      this.#writeAll(
        this.#open.use(this.#file, 'write'),
        entryHeader(piece, 0xffff_ffff, share.length),
        share.at - ENTRY_BYTES,
      );
      files.delete(file);
      if (files.size === 0) this.#shares.delete(piece);
    }
    if (this.#shares.size > 0 || this.#end === 0) return;
    this.#open.close(this.#file);
    this.#file.folder.remove(this.#file.parts);
    this.#end = 0;
    this.isDirty = false;
  }

  #append(piece: number, file: number, length: number): Share {
    const fd = this.#open.use(this.#file, this.#end === 0 ? 'create' : 'write');
    if (this.#end === 0) {
      this.#calls.ftruncateSync(fd, 0);
      const header = new Uint8Array(FILE_HEADER_BYTES);
      header.set(MAGIC);
      writeU32(header, MAGIC.length, this.#fileCount);
      this.#writeAll(fd, header, 0);
      this.#end = FILE_HEADER_BYTES;
    }
    this.#writeAll(fd, entryHeader(piece, file, length), this.#end);
    const share: Share = { at: this.#end + ENTRY_BYTES, length };
    this.#end = share.at + length;
    this.#add(piece, file, share);
    return share;
  }

  #add(piece: number, file: number, share: Share): void {
    let files = this.#shares.get(piece);
    if (files === undefined) {
      files = new Map();
      this.#shares.set(piece, files);
    }
    files.set(file, share);
  }

  /** Reads the entries. A file that is no part file of this torrent is left alone until something is written, then replaced. */
  #load(): void {
    const fd = this.#open.use(this.#file, 'read');
    try {
      const size = this.#calls.fstatSync(fd).size;
      const header = new Uint8Array(FILE_HEADER_BYTES);
      if (size < FILE_HEADER_BYTES) return;
      this.#readAll(fd, header, 0);
      if (!MAGIC.every((byte, i) => header[i] === byte) || readU32(header, MAGIC.length) !== this.#fileCount) return;
      this.#end = FILE_HEADER_BYTES;
      const entry = new Uint8Array(ENTRY_BYTES);
      while (this.#end + ENTRY_BYTES <= size) {
        this.#readAll(fd, entry, this.#end);
        if (readU32(entry, 0) !== ENTRY_MAGIC || readU32(entry, 16) !== crc32(entry.subarray(0, 16))) break;
        const at = this.#end + ENTRY_BYTES;
        const length = readU32(entry, 12);
        const file = readU32(entry, 8);
        if (file < this.#fileCount) this.#add(readU32(entry, 4), file, { at, length });
        this.#end = at + length;
      }
    } catch (error) {
      throw toDiskError(error, this.#file.path);
    }
  }

  #readAll(fd: number, into: Uint8Array, position: number): void {
    for (let at = 0; at < into.length; ) {
      const got = this.#calls.readSync(fd, into, at, into.length - at, position + at);
      if (got === 0) throw new BtError('disk/changed', { path: this.#file.path, what: 'is shorter than it was' });
      at += got;
    }
  }

  #writeAll(fd: number, bytes: Uint8Array, position: number): void {
    this.isDirty = true;
    for (let at = 0; at < bytes.length; ) {
      at += this.#calls.writeSync(fd, bytes, at, bytes.length - at, position + at);
    }
  }
}

function entryHeader(piece: number, file: number, length: number): Uint8Array {
  const header = new Uint8Array(ENTRY_BYTES);
  writeU32(header, 0, ENTRY_MAGIC);
  writeU32(header, 4, piece);
  writeU32(header, 8, file);
  writeU32(header, 12, length);
  writeU32(header, 16, crc32(header.subarray(0, 16)));
  return header;
}

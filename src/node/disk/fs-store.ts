import type { Stats } from 'node:fs';
import { posix } from 'node:path';
import { BtError } from '../../base/index.ts';
import { isSystemError, toDiskError } from '../../hash/index.ts';
import { type FileEntry, FileMap, type FileSpan, Geometry, type Info } from '../../metainfo/index.ts';
import type { FileState } from '../../swarm/index.ts';
import { type OpenFiles, StoreFile } from './open-files.ts';
import { PartFile } from './part-file.ts';
import { isStill, type PieceStore, type PlainFiles, type StoreStates } from './piece-store.ts';
import { PART_FILE } from './resume-journal.ts';
import { SafeFolder } from './safe-folder.ts';
import type { SystemCalls } from './system-calls.ts';
import { ViewCursor } from './view-cursor.ts';

export interface FsStoreOptions {
  readonly info: Info;
  readonly wanted: readonly boolean[];
  /** Absolute path of the download folder. */
  readonly folder: string;
  readonly open: OpenFiles;
  readonly calls: SystemCalls;
  readonly writeStepBytes: number;
}

interface FileInStore {
  readonly entry: FileEntry;
  readonly file: StoreFile;
  readonly isWanted: boolean;
  /** How it stood when it was looked at, or after our last write; undefined: there was none. */
  seen: Seen | undefined;
  /** Somebody else has changed it: nothing is read from it until its pieces are hashed again. */
  isDoubted: boolean;
  /** Written since the last sync. */
  isDirty: boolean;
  /** Its name may be newer than its folder on the medium. */
  isNew: boolean;
  /** Has its full size and is known to be this file and no other. */
  isPrepared: boolean;
}

/** What tells one state of a file from another. */
interface Seen {
  readonly inode: number;
  readonly length: number;
  readonly modifiedMs: number;
}

/**
 * A torrent as ordinary files below a download folder. Files come into being, sparse and in full length, when their first byte is
 * written. Files that are not wanted are never created: what has to be kept of them goes to the part file; one that is there already
 * is read, and not written.
 */
export class FsStore implements PieceStore {
  readonly #folder: SafeFolder;
  readonly #geometry: Geometry;
  readonly #map: FileMap;
  readonly #files: readonly FileInStore[];
  readonly #part: PartFile;
  readonly #open: OpenFiles;
  readonly #calls: SystemCalls;
  readonly #stepBytes: number;
  readonly #cursor = new ViewCursor();
  /** Device and inode of every file written, to notice names that the file system takes for one. */
  readonly #identities = new Map<string, FileInStore>();
  /** Those whose state is another than was told last. */
  readonly #changed = new Set<FileInStore>();
  #partState: FileState | undefined;
  #isSkeletonMade = false;

  /** @throws BtError `disk/unsafe-path` where something that is no regular file has a wanted file's name, and others of the system */
  constructor(options: FsStoreOptions) {
    const { info, wanted } = options;
    this.#folder = new SafeFolder(options.folder, options.calls);
    this.#geometry = new Geometry(info);
    this.#map = new FileMap(info);
    this.#open = options.open;
    this.#calls = options.calls;
    this.#stepBytes = options.writeStepBytes;
    this.#files = info.files.map((entry, i) => ({
      entry,
      file: new StoreFile(this.#folder, entry.path, entry.executable),
      isWanted: wanted[i] !== false,
      seen: undefined,
      isDoubted: false,
      isDirty: false,
      isNew: false,
      isPrepared: false,
    }));
    for (const file of this.#files) this.#look(file);
    this.#part = new PartFile({
      folder: this.#folder,
      name: `.${info.hashV1 ?? info.hashV2}.parts`,
      fileCount: info.files.length,
      open: options.open,
      calls: options.calls,
    });
    this.#moveWantedShares();
    this.#refreshPart();
    if (this.#isDataThere()) this.#makeSkeleton();
    // `states` tells all of it.
    this.#changed.clear();
  }

  states(): StoreStates {
    if (this.#part.isDirty) this.#refreshPart();
    // As we left them. Were they looked at now, what others have done to them would pass for ours.
    return { files: this.#files.map(believed), partFile: this.#partState };
  }

  takeChanged(): ReadonlyMap<number, FileState> {
    const states = new Map<number, FileState>();
    for (const file of this.#changed) {
      const state = believed(file);
      if (state !== undefined) states.set(file.entry.index, state);
    }
    this.#changed.clear();
    return states;
  }

  mayHave(piece: number, begin: number, length: number): boolean {
    for (const span of this.#spans(piece, begin, length)) {
      if (span.file < 0) continue;
      const file = this.#files[span.file] as FileInStore;
      if (!file.isWanted && this.#part.has(piece, span.file)) continue;
      if ((file.seen?.length ?? 0) >= span.fileOffset + span.length) continue;
      // Somebody may have put it there, or made it whole again, since it was looked at last.
      this.#look(file);
      if ((file.seen?.length ?? 0) < span.fileOffset + span.length) return false;
    }
    return true;
  }

  lacksFile(piece: number): boolean {
    return this.#filesOf(piece).some((file) => file.isWanted && file.seen === undefined);
  }

  lookAgain(piece: number): void {
    for (const file of this.#filesOf(piece)) {
      if (!file.isDoubted) continue;
      this.#open.close(file.file);
      file.isPrepared = false;
      file.isDoubted = false;
      this.#look(file);
    }
  }

  distrustChanged({ files }: StoreStates): void {
    for (const file of this.#files) {
      const { seen, entry } = file;
      if (seen === undefined || entry.length === 0) continue;
      if (!isStill(files[entry.index], toState(seen))) this.#doubt(file);
    }
  }

  read(piece: number, begin: number, into: readonly Uint8Array[]): void {
    const cursor = this.#cursor.start(into);
    for (const span of this.#spans(piece, begin, cursor.length)) {
      const views = cursor.take(span.length);
      if (span.file < 0) for (const view of views) view.fill(0);
      else this.#readSpan(piece, span, views);
    }
  }

  write(piece: number, begin: number, bytes: Uint8Array): void {
    if (!this.#isSkeletonMade) this.#makeSkeleton();
    let at = 0;
    for (const span of this.#spans(piece, begin, bytes.length)) {
      const end = at + span.length;
      if (span.file >= 0)
        this.#writeSpan(piece, span, at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
      at = end;
    }
  }

  statesOf(piece: number): ReadonlyMap<number, FileState> {
    const states = new Map<number, FileState>();
    for (const span of this.#spans(piece, 0, this.#geometry.pieceBytes(piece))) {
      if (span.file < 0) continue;
      const file = this.#files[span.file] as FileInStore;
      const index = file.isWanted ? span.file : PART_FILE;
      if (states.has(index)) continue;
      const { fd } = this.#part.file;
      if (file.isWanted) {
        const state = believed(file);
        if (state !== undefined) states.set(index, state);
        continue;
      }
      try {
        if (fd >= 0) states.set(index, toState(toSeen(this.#calls.fstatSync(fd))));
      } catch (error) {
        if (!isSystemError(error)) throw error;
      }
    }
    return states;
  }

  plainFiles(first: number, count: number): PlainFiles | undefined {
    const used = new Set<FileInStore>();
    for (let piece = first; piece < first + count; piece++) {
      this.lookAgain(piece);
      if (!this.mayHave(piece, 0, this.#geometry.pieceBytes(piece))) return undefined;
      for (const span of this.#spans(piece, 0, this.#geometry.pieceBytes(piece))) {
        if (span.file < 0) continue;
        const file = this.#files[span.file] as FileInStore;
        if (!file.isWanted && this.#part.has(piece, span.file)) return undefined;
        used.add(file);
      }
    }
    const seen = Array.from(used, (file) => ({ file, before: file.seen }));
    const files = seen.map(({ file: { file, entry } }) => ({
      path: file.path,
      offset: entry.offset,
      length: entry.length,
    }));
    const isUnchanged = ({ file, before }: (typeof seen)[number]) => {
      const stats = this.#folder.stat(file.entry.path);
      return stats !== undefined && before !== undefined && isSame(before, toSeen(stats)) && file.seen === before;
    };
    return { files, areUnchanged: () => seen.every(isUnchanged) };
  }

  /** All data is here, or work ends: what was written is forced to the medium, and files have the length they ought to have. */
  sync(): void {
    this.#cutLongFiles();
    for (const file of this.#files) {
      if (file.isDirty) this.#syncFile(file.file);
      file.isDirty = false;
    }
    if (this.#part.isDirty) {
      if (this.#part.isThere) this.#syncFile(this.#part.file);
      this.#part.isDirty = false;
      // `states` looks at what is dirty only.
      this.#refreshPart();
    }
    const folders = new Map<string, readonly string[]>();
    for (const file of this.#files) {
      if (!file.isNew) continue;
      file.isNew = false;
      for (let n = file.entry.path.length; n > 0; n--) {
        const parts = file.entry.path.slice(0, n);
        folders.set(parts.slice(0, -1).join('/'), parts);
      }
    }
    for (const parts of folders.values()) this.#folder.syncFolder(parts);
  }

  close(): void {
    for (const file of this.#files) this.#open.close(file.file);
    this.#open.close(this.#part.file);
  }

  #filesOf(piece: number): FileInStore[] {
    const spans = this.#spans(piece, 0, this.#geometry.pieceBytes(piece)).filter((span) => span.file >= 0);
    return spans.map((span) => this.#files[span.file] as FileInStore);
  }

  #spans(piece: number, begin: number, length: number): FileSpan[] {
    return this.#map.spans(this.#geometry.pieceStart(piece) + begin, length);
  }

  // --- one span --------------------------------------------------------------------------------------------------------------------

  #readSpan(piece: number, span: FileSpan, views: readonly Uint8Array[]): void {
    const file = this.#files[span.file] as FileInStore;
    if (!file.isWanted && this.#part.has(piece, span.file)) {
      let begin = span.fileOffset - this.#share(piece, file).start;
      for (const view of views) {
        this.#part.read(piece, span.file, begin, view);
        begin += view.length;
      }
      return;
    }
    try {
      this.#readFile(file, span, views);
    } catch (error) {
      throw toDiskError(error, file.file.path);
    }
  }

  #readFile(file: FileInStore, span: FileSpan, views: readonly Uint8Array[]): void {
    const fd = this.#open.use(file.file, 'read');
    this.#checkSame(file, fd);
    let got =
      views.length === 1
        ? this.#calls.readSync(fd, views[0] as Uint8Array, 0, span.length, span.fileOffset)
        : this.#calls.readvSync(fd, views, span.fileOffset);
    // Short reads are rare (signals, more views than the system takes at once, end of file): no need to be fast.
    while (got < span.length) {
      const more = this.#calls.readvSync(fd, dropBytes(views, got), span.fileOffset + got);
      if (more === 0) {
        const what = `is shorter than it has to be: it ends at byte ${span.fileOffset + got}`;
        throw new BtError('disk/changed', { path: file.file.path, what });
      }
      got += more;
    }
  }

  #writeSpan(piece: number, span: FileSpan, bytes: Uint8Array): void {
    const file = this.#files[span.file] as FileInStore;
    try {
      if (file.isWanted) this.#writeFile(file, span.fileOffset, bytes);
      else {
        const share = this.#share(piece, file);
        this.#part.write(piece, span.file, share.length, span.fileOffset - share.start, bytes);
      }
    } catch (error) {
      throw toDiskError(error, file.isWanted ? file.file.path : this.#part.file.path);
    }
  }

  #writeFile(file: FileInStore, position: number, bytes: Uint8Array): void {
    const fd = this.#useToWrite(file);
    file.isDirty = true;
    const step = this.#stepBytes;
    try {
      for (let at = 0; at < bytes.length; ) {
        at += this.#calls.writeSync(fd, bytes, at, Math.min(step, bytes.length - at), position + at);
      }
    } finally {
      this.#see(file, toSeen(this.#calls.fstatSync(fd)));
    }
  }

  /** A file that was there and has gone is told once, since with it goes what was in it; then it is made anew. */
  #useToWrite(file: FileInStore): number {
    const wasThere = file.seen !== undefined && !file.isDoubted;
    let fd: number;
    try {
      fd = this.#open.use(file.file, wasThere ? 'write' : 'create');
    } catch (error) {
      if (BtError.is(error, 'disk/not-found')) this.#doubt(file);
      throw error;
    }
    // First, since then another of our own files changes it.
    if (!file.isPrepared) this.#identify(file, fd);
    if (wasThere) this.#checkSame(file, fd);
    if (!file.isPrepared) this.#prepare(file, fd);
    return fd;
  }

  /** @throws BtError `disk/changed`, `disk/not-found` where somebody else has changed, replaced or deleted the file */
  #checkSame(file: FileInStore, fd: number): void {
    const stats = this.#calls.fstatSync(fd);
    const { seen } = file;
    const isLinked = stats.nlink > 0;
    if (isLinked && !file.isDoubted && (seen === undefined || isSame(seen, toSeen(stats)))) return;
    this.#doubt(file);
    const { path } = file.file;
    const isGone = !isLinked && this.#folder.stat(file.entry.path) === undefined;
    if (isGone) throw new BtError('disk/not-found', { path });
    const what = isLinked ? 'was changed by another program' : 'was replaced by another file';
    throw new BtError('disk/changed', { path, what });
  }

  #doubt(file: FileInStore): void {
    file.isDoubted = true;
    file.isPrepared = false;
    this.#open.close(file.file);
  }

  /** @throws BtError `disk/unsafe-path` where another file of the torrent is this one on disk */
  #identify(file: FileInStore, fd: number): void {
    const stats = this.#calls.fstatSync(fd, { bigint: true });
    const identity = `${stats.dev}:${stats.ino}`;
    const other = this.#identities.get(identity);
    if (other !== undefined && other !== file && this.#isSameFile(other, stats)) {
      this.#open.close(file.file);
      const what = `the file system takes it for the same file as ${other.file.path}`;
      throw new BtError('disk/unsafe-path', { path: file.file.path, what });
    }
    this.#identities.set(identity, file);
  }

  /** Gives a file its full length, in holes: the sizes that other programs see are right from the first moment. */
  #prepare(file: FileInStore, fd: number): void {
    const stats = this.#calls.fstatSync(fd);
    if (file.seen === undefined || file.isDoubted) file.isNew = true;
    if (stats.size !== file.entry.length) this.#calls.ftruncateSync(fd, file.entry.length);
    file.isPrepared = true;
  }

  /** Bytes behind the end of a torrent's file are somebody's mistake, and would make it another file. */
  #cutLongFiles(): void {
    for (const file of this.#files) {
      if (!file.isWanted || file.entry.symlink !== undefined) continue;
      if ((file.seen?.length ?? 0) <= file.entry.length || file.isDoubted) continue;
      try {
        const fd = this.#open.use(file.file, 'write');
        this.#calls.ftruncateSync(fd, file.entry.length);
        this.#see(file, toSeen(this.#calls.fstatSync(fd)));
      } catch (error) {
        // A folder that may only be read stays as it is; its pieces are good all the same.
        if (!BtError.is(error) && !isSystemError(error)) throw error;
      }
    }
  }

  #isSameFile(other: FileInStore, stats: { dev: bigint; ino: bigint }): boolean {
    try {
      const now = this.#calls.lstatSync(other.file.path, { bigint: true });
      return now.dev === stats.dev && now.ino === stats.ino;
    } catch {
      return false;
    }
  }

  #syncFile(file: StoreFile): void {
    try {
      this.#calls.fsyncSync(this.#open.use(file, 'write'));
    } catch (error) {
      throw toDiskError(error, file.path);
    }
  }

  // --- states --------------------------------------------------------------------------------------------------------------------------

  #see(file: FileInStore, seen: Seen | undefined): void {
    file.seen = seen;
    this.#changed.add(file);
  }

  #look(file: FileInStore): void {
    const stats = file.isWanted ? this.#folder.stat(file.entry.path) : this.#lookAtUnwanted(file);
    this.#see(file, undefined);
    if (stats === undefined) return;
    if (file.entry.symlink !== undefined || stats.isFile()) {
      this.#see(file, toSeen(stats));
      return;
    }
    if (!file.isWanted) return;
    const what = stats.isSymbolicLink() ? 'it is a symbolic link' : 'it is not a regular file';
    throw new BtError('disk/unsafe-path', { path: file.file.path, what });
  }

  /** What is in the way of a file that nobody wants is nobody's problem. */
  #lookAtUnwanted(file: FileInStore): Stats | undefined {
    try {
      return file.file.folder.stat(file.entry.path);
    } catch {
      return undefined;
    }
  }

  #refreshPart(): void {
    this.#partState = undefined;
    if (!this.#part.isThere) return;
    const stats = this.#folder.stat(this.#part.file.parts);
    if (stats !== undefined) this.#partState = toState(toSeen(stats));
  }

  // --- unwanted files and empty ones -----------------------------------------------------------------------------------------------------

  /** The part of a file that lies in a piece, in bytes of the file. */
  #share(piece: number, file: FileInStore): { start: number; length: number } {
    const pieceStart = this.#geometry.pieceStart(piece) - file.entry.offset;
    const start = Math.max(0, pieceStart);
    return { start, length: Math.min(file.entry.length, pieceStart + this.#geometry.pieceLength) - start };
  }

  /** Files that have become wanted since: their shares go where they belong. */
  #moveWantedShares(): void {
    const moved: [number, number][] = [];
    for (const [piece, index, length] of this.#part.entries()) {
      const file = this.#files[index] as FileInStore;
      if (!file.isWanted || file.entry.length === 0) continue;
      const share = this.#share(piece, file);
      if (share.length !== length) continue;
      const bytes = new Uint8Array(length);
      this.#part.read(piece, index, 0, bytes);
      try {
        this.#writeFile(file, share.start, bytes);
      } catch (error) {
        throw toDiskError(error, file.file.path);
      }
      moved.push([piece, index]);
    }
    if (moved.length > 0) this.#part.drop(moved);
  }

  /** True where the folder clearly is the torrent's: its first wanted file with bytes is there, or it has none with bytes at all. */
  #isDataThere(): boolean {
    const first = this.#files.find((f) => f.isWanted && f.entry.length > 0);
    return first === undefined || first.seen?.length === first.entry.length;
  }

  /**
   * Makes the wanted files that no piece brings into being: empty ones and links. Not before there is other data, so that seeding from
   * a wrong folder leaves it as it was; and a failure is not worth stopping for (a read-only folder that is seeded from).
   */
  #makeSkeleton(): void {
    this.#isSkeletonMade = true;
    for (const file of this.#files) {
      if (!file.isWanted || file.entry.length > 0 || file.seen !== undefined) continue;
      try {
        if (file.entry.symlink !== undefined) this.#folder.makeLink(file.entry.path, linkTarget(file.entry));
        else this.#open.use(file.file, 'create');
        file.isNew = true;
        this.#look(file);
      } catch {
        // `states` shows that it is missing.
      } finally {
        this.#open.close(file.file);
      }
    }
  }
}

function toSeen(stats: Stats): Seen {
  return { inode: stats.ino, length: stats.isSymbolicLink() ? 0 : stats.size, modifiedMs: stats.mtimeMs };
}

function isSame(a: Seen, b: Seen): boolean {
  return a.inode === b.inode && a.length === b.length && a.modifiedMs === b.modifiedMs;
}

/** What is vouched for: nothing of a file that others have changed, though we may have written to it since. */
function believed({ seen, isDoubted }: FileInStore): FileState | undefined {
  return seen === undefined || isDoubted ? undefined : toState(seen);
}

function toState({ length, modifiedMs }: Seen): FileState {
  return { length, modifiedMs: Math.floor(modifiedMs) };
}

/** Relative, so that the folder can be moved. */
function linkTarget(entry: FileEntry): string {
  return posix.relative(entry.path.slice(0, -1).join('/'), (entry.symlink as readonly string[]).join('/'));
}

function dropBytes(views: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let left = count;
  for (const view of views) {
    if (left >= view.length) left -= view.length;
    else {
      rest.push(view.subarray(left));
      left = 0;
    }
  }
  return rest;
}

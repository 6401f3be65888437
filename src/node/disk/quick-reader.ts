// Hot path: read-run
import type { TorrentId } from '../../base/index.ts';
import { FileMap, Geometry, type Info } from '../../metainfo/index.ts';
import type { FileState } from '../../swarm/index.ts';
import type { DiskLimits } from './limits.ts';
import { OpenFiles, StoreFile } from './open-files.ts';
import type { DiskRequest, FilesNow } from './protocol.ts';
import { gapsOf } from './run-frame.ts';
import { SafeFolder } from './safe-folder.ts';
import type { SystemCalls } from './system-calls.ts';
import { ViewCursor } from './view-cursor.ts';

type RunRequest = DiskRequest & { verb: 'run' };

interface QuickOpen {
  readonly info: Info;
  readonly wanted: readonly boolean[];
  readonly folder: string;
}

interface QuickFiles {
  readonly geometry: Geometry;
  readonly map: FileMap;
  /** By file index; undefined: not wanted, so its bytes may be in the part file, which is the worker's. */
  readonly files: readonly (StoreFile | undefined)[];
}

interface QuickTorrent {
  readonly open: QuickOpen;
  /** Made when they are first needed: most torrents are idle. */
  files: QuickFiles | undefined;
  isOn: boolean;
  /** Quick reads of the worker in a row. */
  quickCount: number;
  /** How many of them turn it on. */
  quickAfter: number;
  /** Pieces of writes that the worker has not answered, and how many: until then a file of theirs that differs may be as we want it. */
  readonly writing: Map<number, number>;
  /** By index, how the worker has left or found them. */
  readonly known: Map<number, FileState>;
  /** Changed by others: the worker's until they have been checked. */
  readonly shunned: Set<number>;
}

/**
 * Reads on the main thread what is in the page cache anyway. There a run costs 50 us and is still in the processor's cache when the
 * socket takes it; through a worker, its bytes move between cores (0.54 against 0.82 CPU-s/GiB for a whole seeder).
 *
 * A disk that has to be waited for must never stop the main thread. So the worker reads until its times show that data comes from
 * memory, and one slow read here gives the work back to it; folders on networks are never read here. What goes wrong here is not told:
 * the worker tries again, and its answer counts.
 */
export class QuickReader {
  readonly #limits: DiskLimits;
  readonly #calls: SystemCalls;
  readonly #open: OpenFiles;
  readonly #torrents = new Map<TorrentId, QuickTorrent>();
  readonly #cursor = new ViewCursor();
  readonly #countBlocks: () => number;
  #blocksRead: number;

  /** @param options `countBlocks`: blocks that this process has read from disks so far; the system's count where absent */
  constructor(options: { limits: DiskLimits; calls: SystemCalls; countBlocks?: () => number }) {
    this.#limits = options.limits;
    this.#countBlocks = options.countBlocks ?? (() => process.resourceUsage().fsRead);
    this.#blocksRead = this.#countBlocks();
    this.#calls = options.calls;
    this.#open = new OpenFiles({ max: options.limits.quickFilesMax, calls: options.calls });
  }

  /** To be called once the worker has opened the store of a torrent in a local folder. @param files how it has found them, by index */
  add(torrent: TorrentId, open: QuickOpen, files: FilesNow): void {
    const { quickAfter } = this.#limits;
    this.#torrents.set(torrent, {
      open,
      files: undefined,
      isOn: false,
      quickCount: 0,
      quickAfter,
      writing: new Map(),
      known: new Map(files),
      shunned: new Set(),
    });
  }

  /** A piece, or a part of it, is about to be written. -> onWritten */
  onWrite(torrent: TorrentId, piece: number): void {
    const writing = this.#torrents.get(torrent)?.writing;
    writing?.set(piece, (writing.get(piece) ?? 0) + 1);
  }

  /** It was, or not. How its files stand is told by `learn`. */
  onWritten(torrent: TorrentId, piece: number): void {
    const writing = this.#torrents.get(torrent)?.writing;
    const count = writing?.get(piece);
    // It may have been opened here since.
    if (writing === undefined || count === undefined) return;
    if (count === 1) writing.delete(piece);
    else writing.set(piece, count - 1);
  }

  /** How files stand that the worker has written, or has looked at to hash their pieces again. */
  learn(torrent: TorrentId, files: FilesNow): void {
    const t = this.#torrents.get(torrent);
    if (t === undefined) return;
    for (const [file, state] of files) {
      t.known.set(file, state);
      t.shunned.delete(file);
    }
  }

  /** The torrent has moved. */
  move(torrent: TorrentId, folder: string, files: FilesNow): void {
    const open = this.#torrents.get(torrent)?.open;
    this.remove(torrent);
    if (open !== undefined) this.add(torrent, { ...open, folder }, files);
  }

  remove(torrent: TorrentId): void {
    for (const file of this.#torrents.get(torrent)?.files?.files ?? []) if (file !== undefined) this.#open.close(file);
    this.#torrents.delete(torrent);
  }

  close(): void {
    for (const torrent of [...this.#torrents.keys()]) this.remove(torrent);
  }

  /** Whether the next read of a torrent should be tried here. */
  isOn(torrent: TorrentId): boolean {
    return this.#torrents.get(torrent)?.isOn === true;
  }

  /** The worker has read a run, in so much time. */
  onWorkerRead(torrent: TorrentId, tookMs: number): void {
    const t = this.#torrents.get(torrent);
    if (t === undefined || t.isOn) return;
    t.quickCount = tookMs < this.#limits.quickReadMs || !this.#hasDiskRead() ? t.quickCount + 1 : 0;
    if (t.quickCount >= t.quickAfter) t.isOn = true;
  }

  /** @returns false where the worker has to do it */
  read(request: RunRequest): boolean {
    const t = this.#torrents.get(request.torrent);
    if (t === undefined || !t.isOn) return false;
    const startedAt = performance.now();
    try {
      t.files ??= this.#makeFiles(t.open);
      if (!this.#read(t, t.files, request)) return false;
    } catch {
      t.isOn = false;
      return false;
    }
    const tookMs = performance.now() - startedAt;
    if (tookMs > this.#limits.quickReadMs && (this.#hasDiskRead() || tookMs > this.#limits.quickReadMs * 20)) {
      t.isOn = false;
      t.quickCount = 0;
      t.quickAfter = Math.min(t.quickAfter * 2, this.#limits.quickAfterMax);
    }
    return true;
  }

  /**
   * Whether the process has read blocks from a disk since the last question: tells a slow disk from a busy processor, on which a read
   * from memory can take long as well.
   */
  #hasDiskRead(): boolean {
    const blocks = this.#countBlocks();
    const hasRead = blocks !== this.#blocksRead;
    this.#blocksRead = blocks;
    return hasRead;
  }

  #makeFiles({ info, wanted, folder }: QuickOpen): QuickFiles {
    const safe = new SafeFolder(folder, this.#calls);
    const files = info.files.map((file, i) => (wanted[i] === false ? undefined : new StoreFile(safe, file.path)));
    return { geometry: new Geometry(info), map: new FileMap(info), files };
  }

  /** A file that is not as the worker knows it is left to the worker. */
  #isKnown(index: number, fd: number, { known, shunned, writing }: QuickTorrent, t: QuickFiles): boolean {
    if (shunned.has(index)) return false;
    const { nlink, size, mtimeMs } = this.#calls.fstatSync(fd);
    const state = known.get(index);
    const isSame = state !== undefined && state.length === size && state.modifiedMs === Math.floor(mtimeMs);
    // What differs while we write is told by the answer; the worker itself looks before it writes.
    if (nlink > 0 && (isSame || isWritten(index, writing.keys(), t))) return true;
    shunned.add(index);
    this.#open.close(t.files[index] as StoreFile);
    return false;
  }

  #read(torrent: QuickTorrent, t: QuickFiles, request: RunRequest): boolean {
    const cursor = this.#cursor.start(gapsOf(request));
    for (const span of t.map.spans(t.geometry.pieceStart(request.piece) + request.begin, request.length)) {
      const views = cursor.take(span.length);
      if (span.file < 0) {
        for (const view of views) view.fill(0);
        continue;
      }
      const file = t.files[span.file];
      if (file === undefined) return false;
      const fd = this.#open.use(file, 'read');
      if (!this.#isKnown(span.file, fd, torrent, t)) return false;
      const got = this.#calls.readvSync(fd, views, span.fileOffset);
      if (got !== span.length) return false;
    }
    return true;
  }
}

/** Whether bytes of the file are among those of the pieces. */
function isWritten(file: number, pieces: Iterable<number>, { geometry }: QuickFiles): boolean {
  const { first, end } = geometry.filePieces(file);
  for (const piece of pieces) if (piece >= first && piece < end) return true;
  return false;
}

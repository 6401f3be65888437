// Hot path: disk
import { constants } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { assert, BtError, type InfoHash, type TorrentId } from '../../base/index.ts';
import type { HashThreads } from '../../hash/index.ts';
import { isSystemError, toDiskError } from '../../hash/index.ts';
import { BLOCK_LENGTH, Geometry, type Info } from '../../metainfo/index.ts';
import { type CommitPiece, PieceCheck } from '../../swarm/index.ts';
import { TorrentFolder } from '../torrent-folder.ts';
import { FsStore } from './fs-store.ts';
import { type DiskLimits, diskLimits } from './limits.ts';
import { isLocalFolder } from './local-folder.ts';
import { finishMove, hasMoved, MoveJob, undoMove } from './move-job.ts';
import { OpenFiles } from './open-files.ts';
import { hashBlocks, hashLeaves, judgePiece, type PieceParts, partsOnDisk } from './piece-hasher.ts';
import type { PieceStore } from './piece-store.ts';
import {
  type DiskReply,
  type DiskRequest,
  type FilesNow,
  type PackedError,
  packError,
  toFilesNow,
} from './protocol.ts';
import { RecheckJob } from './recheck-job.ts';
import { ResumeFolder } from './resume-file.ts';
import { gapsOf } from './run-frame.ts';
import { type SystemCalls, systemCalls } from './system-calls.ts';

/** A store and what the host has to know of its torrent. */
interface OpenTorrent {
  readonly info: Info;
  readonly geometry: Geometry;
  readonly folder: string;
  readonly wanted: readonly boolean[];
  readonly store: PieceStore;
}

/** A torrent on its way to another folder. */
interface Move {
  readonly torrent: TorrentId;
  readonly to: string;
  readonly job: MoveJob;
}

/** What makes the stores; the only part that another kind of storage replaces. Called again when a store is opened again. */
export type StoreMaker = (open: {
  readonly info: Info;
  readonly wanted: readonly boolean[];
  readonly folder: string;
}) => PieceStore;

export interface DiskHostOptions {
  readonly limits?: Partial<DiskLimits> | undefined;
  /** Where resume records are kept; undefined = nowhere: saving succeeds and does nothing. */
  readonly stateDir?: string | undefined;
  readonly calls?: SystemCalls | undefined;
  readonly makeStore?: StoreMaker | undefined;
  readonly reply: (reply: DiskReply) => void;
  /** Runs a step of background work after other requests that wait. */
  readonly later: (step: () => void) => void;
  /** Makes the threads that hash large checks; where absent all is hashed here. */
  readonly makeThreads?: (() => HashThreads) | undefined;
}

/**
 * Does the disk's work, synchronously, wherever it is put: in a worker's message loop (disk-worker.ts) or on the main thread
 * (inline-disk.ts). Every request is answered exactly once, rechecks in parts.
 */
export class DiskHost {
  readonly #limits: DiskLimits;
  readonly #calls: SystemCalls;
  readonly #reply: (reply: DiskReply) => void;
  readonly #later: (step: () => void) => void;
  readonly #makeStore: StoreMaker;
  readonly #resume: ResumeFolder | undefined;
  readonly #torrentFiles: TorrentFolder | undefined;
  readonly #torrents = new Map<TorrentId, OpenTorrent>();
  readonly #rechecks: RecheckJob[] = [];
  readonly #makeThreads: (() => HashThreads) | undefined;
  /** While something is checked that is large enough. */
  #threads: HashThreads | undefined;
  readonly #moves: Move[] = [];
  #isMoveDue = false;
  /** Moves that have come about and that are not remembered elsewhere yet: where the torrent was. */
  readonly #unsettled = new Map<TorrentId, { readonly key: InfoHash; readonly from: string }>();
  readonly #recheckBuffer: Uint8Array;
  #isStepDue = false;
  /** Where the segments that are on disk already are read back to; made when first needed. */
  #segmentBuffer = new Uint8Array(0);

  constructor(options: DiskHostOptions) {
    this.#limits = { ...diskLimits, ...options.limits };
    this.#reply = options.reply;
    this.#later = options.later;
    this.#makeThreads = options.makeThreads;
    const calls = options.calls ?? systemCalls;
    this.#calls = calls;
    this.#resume = options.stateDir === undefined ? undefined : new ResumeFolder(options.stateDir, calls);
    const reclaim = () => this.#resume?.closeAll() === true;
    const open = new OpenFiles({ max: this.#limits.openFilesMax, calls, reclaim });
    const { writeStepBytes } = this.#limits;
    this.#makeStore = options.makeStore ?? ((o) => new FsStore({ ...o, open, calls, writeStepBytes }));
    this.#torrentFiles = options.stateDir === undefined ? undefined : new TorrentFolder(options.stateDir, calls);
    this.#recheckBuffer = new Uint8Array(this.#limits.recheckBufferBytes);
  }

  handle(request: DiskRequest): void {
    switch (request.verb) {
      case 'load':
        return this.#loadTorrent(request);
      case 'open':
        return this.#openStore(request);
      case 'commit':
        return this.#commit(request.job);
      case 'segment':
        return this.#storeSegment(request);
      case 'run':
        return this.#readRun(request);
      case 'recheck':
        return this.#startRecheck(request);
      case 'leaves':
        return this.#hashLeaves(request);
      case 'save':
        return this.#save(request);
      case 'move':
        return this.#startMove(request);
      case 'settle':
        return this.#settleMove(request.torrent);
      case 'close':
        return this.#closeStore(request.torrent);
    }
  }

  /** Bytes of buffers that are the host's own. */
  get bufferBytes(): number {
    return this.#recheckBuffer.length + this.#segmentBuffer.length + (this.#threads?.bufferBytes ?? 0);
  }

  /** Ends rechecks and moves without an answer and closes every file. */
  close(): void {
    for (const { job } of this.#moves.splice(0)) job.undo();
    this.#rechecks.length = 0;
    this.#endThreads();
    for (const { store } of this.#torrents.values()) store.close();
    this.#torrents.clear();
    this.#resume?.closeAll();
  }

  #loadTorrent({ torrent, infoHash }: DiskRequest & { verb: 'load' }): void {
    this.#reply({ verb: 'load', torrent, bytes: this.#torrentFiles?.load(infoHash) });
  }

  // --- stores ----------------------------------------------------------------------------------------------------------------------

  #openStore({ torrent, info, wanted, folder }: DiskRequest & { verb: 'open' }): void {
    assert(!this.#torrents.has(torrent), 'a store is opened once');
    const asked = resolve(folder);
    let root = asked;
    try {
      root = this.#endBrokenMove(info, asked);
      // First, since where that is refused nothing may be touched.
      const { saved: resume, trouble } = this.#resume?.load(keyOf(info), root) ?? {};
      const store = this.#makeStore({ info, wanted, folder: root });
      this.#torrents.set(torrent, { info, geometry: new Geometry(info), folder: root, wanted, store });
      const resumeTrouble = trouble === undefined ? undefined : packError(trouble);
      const { files, partFile } = store.states();
      const writeTrouble = this.#writeTrouble(root);
      const movedTo = root === asked ? undefined : root;
      if (movedTo !== undefined) this.#unsettled.set(torrent, { key: keyOf(info), from: asked });
      const looked = { files, partFile, resume, resumeTrouble, writeTrouble, movedTo };
      const result = { kind: 'ok', ...looked, wallMs: Date.now() } as const;
      this.#reply({ verb: 'open', torrent, result, isLocal: isLocalFolder(root) });
    } catch (error) {
      this.#torrents.get(torrent)?.store.close();
      this.#torrents.delete(torrent);
      this.#reply({ verb: 'open', torrent, result: { kind: 'failed', error: pack(error, root) }, isLocal: false });
    }
  }

  /** Asks the system, without writing: whether the folder, or the nearest one above it that exists, may be written to. */
  #writeTrouble(root: string): PackedError | undefined {
    for (let path = root; ; path = dirname(path)) {
      try {
        this.#calls.accessSync(path, constants.W_OK);
        return undefined;
      } catch (cause) {
        const error = pack(cause, root);
        if (error.code === 'disk/access') return error;
        if (error.code !== 'disk/not-found' || dirname(path) === path) return undefined;
      }
    }
  }

  #closeStore(torrent: TorrentId): void {
    const stopped = this.#rechecks.filter((job) => job.torrent === torrent);
    for (const job of stopped) {
      this.#rechecks.splice(this.#rechecks.indexOf(job), 1);
      this.#reply({ ...job.cancel(), files: undefined });
    }
    this.#endThreads();
    const open = this.#torrents.get(torrent);
    const move = this.#moves.find((m) => m.torrent === torrent);
    if (move !== undefined) this.#endMove(move, new BtError('client/aborted', { what: 'the move' }));
    open?.store.close();
    if (open !== undefined) this.#resume?.close(keyOf(open.info), open.folder);
    this.#torrents.delete(torrent);
    this.#unsettled.delete(torrent);
    this.#reply({ verb: 'close', torrent });
  }

  #save({ torrent, bytes, final }: DiskRequest & { verb: 'save' }): void {
    let error: PackedError | undefined;
    try {
      const { info, folder, store } = this.#torrent(torrent);
      if (final) store.sync();
      const { files, partFile } = store.states();
      this.#resume?.save(keyOf(info), { bytes, files, partFile, final, savedMs: Date.now(), folder });
    } catch (cause) {
      error = pack(cause, 'resume data');
    }
    this.#reply({ verb: 'save', torrent, error, files: this.#changedFiles(torrent) });
  }

  // --- pieces ----------------------------------------------------------------------------------------------------------------------

  #commit(job: CommitPiece): void {
    const { torrent, piece, segments } = job;
    let outcome: (DiskReply & { verb: 'commit' })['outcome'];
    let blockHashes: Uint8Array | undefined;
    try {
      const open = this.#torrent(torrent);
      const { geometry, store } = open;
      const parts = this.#partsOf(job, geometry, store);
      const verdict = judgePiece(parts, geometry.dataBytes(piece), job.expect);
      if (job.blockHashes || verdict === 'bad') blockHashes = hashBlocks(parts, geometry.pieceBytes(piece));
      if (verdict === 'ok') {
        this.#write(open, piece, true, () => {
          segments.forEach((segment, i) => {
            if (segment !== undefined) store.write(piece, i * job.segmentBytes, segment);
          });
        });
      }
      outcome = { kind: verdict };
    } catch (error) {
      outcome = { kind: 'failed', error: pack(error, `piece ${piece}`) };
    }
    const files = this.#changedFiles(torrent);
    this.#reply({ verb: 'commit', torrent, piece, outcome, segments, blockHashes, files });
  }

  /** The parts of a piece: those at hand, and those that were stored before, read back one at a time into one buffer. */
  #partsOf(job: CommitPiece, geometry: Geometry, store: PieceStore): PieceParts {
    const { piece, segments, segmentBytes } = job;
    const pieceBytes = geometry.pieceBytes(piece);
    assert(segments.length === 1 || segmentBytes % BLOCK_LENGTH === 0, 'segments are of whole blocks');
    return (visit) => {
      for (let i = 0; i < segments.length; i++) {
        const begin = i * segmentBytes;
        const length = i === segments.length - 1 ? pieceBytes - begin : segmentBytes;
        let part = segments[i];
        if (part === undefined) {
          if (this.#segmentBuffer.length < length) this.#segmentBuffer = new Uint8Array(length);
          part = this.#segmentBuffer.subarray(0, length);
          store.read(piece, begin, [part]);
        }
        assert(part.length === length, 'segments make up the piece');
        visit(part, begin);
      }
    };
  }

  #storeSegment({ torrent, piece, offset, bytes }: DiskRequest & { verb: 'segment' }): void {
    let error: PackedError | undefined;
    try {
      const open = this.#torrent(torrent);
      this.#write(open, piece, false, () => open.store.write(piece, offset, bytes));
    } catch (cause) {
      error = pack(cause, `piece ${piece}`);
    }
    this.#reply({ verb: 'segment', torrent, piece, offset, bytes, error, files: this.#changedFiles(torrent) });
  }

  /** Writes bytes of a piece, with a note before and after: whenever the process dies, it is known what was in the middle. */
  #write({ info, folder, store }: OpenTorrent, piece: number, isVerified: boolean, write: () => void): void {
    const key = keyOf(info);
    this.#resume?.begin(key, folder, piece);
    try {
      write();
    } catch (error) {
      this.#resume?.end(key, folder, { piece, files: store.statesOf(piece), isVerified: false });
      throw error;
    }
    this.#resume?.end(key, folder, { piece, files: store.statesOf(piece), isVerified });
  }

  #readRun({ torrent, run, piece, begin, length, into }: DiskRequest & { verb: 'run' }): void {
    let error: PackedError | undefined;
    const startedAt = performance.now();
    try {
      this.#torrent(torrent).store.read(piece, begin, gapsOf({ length, into }));
    } catch (cause) {
      error = pack(cause, `piece ${piece}`);
    }
    this.#reply({ verb: 'run', torrent, run, into, error, tookMs: performance.now() - startedAt });
  }

  #hashLeaves({ torrent, piece }: DiskRequest & { verb: 'leaves' }): void {
    let leaves: Uint8Array | undefined;
    let error: PackedError | undefined;
    try {
      const { geometry, store } = this.#torrent(torrent);
      const dataBytes = geometry.dataBytes(piece);
      leaves = hashLeaves(partsOnDisk(store, piece, dataBytes, this.#recheckBuffer), dataBytes);
    } catch (cause) {
      error = pack(cause, `piece ${piece}`);
    }
    this.#reply({ verb: 'leaves', torrent, piece, leaves, error });
  }

  // --- rechecks, in the background -------------------------------------------------------------------------------------------------

  #startRecheck({ torrent, first, expect }: DiskRequest & { verb: 'recheck' }): void {
    const open = this.#torrents.get(torrent);
    if (open === undefined) {
      const error = packError(closed());
      const good = new Uint8Array(expect.count).fill(PieceCheck.unknown);
      const threadBytes = this.#threads?.bufferBytes ?? 0;
      this.#reply({ verb: 'recheck', torrent, first, good, error, threadBytes, files: undefined });
      return;
    }
    const { store, geometry } = open;
    const isLarge = expect.count * geometry.pieceLength >= this.#limits.spreadRecheckBytes;
    if (isLarge) this.#threads ??= this.#makeThreads?.();
    this.#rechecks.push(
      new RecheckJob({
        ...{ torrent, first, expect, store, geometry },
        spaceLength: open.info.spaceLength,
        buffer: this.#recheckBuffer,
        limits: this.#limits,
        threads: isLarge ? this.#threads : undefined,
        onReady: () => this.#stepLater(),
      }),
    );
    this.#stepLater();
  }

  #stepLater(): void {
    if (this.#isStepDue || !this.#rechecks.some((job) => job.isReady)) return;
    this.#isStepDue = true;
    this.#later(() => {
      this.#isStepDue = false;
      const at = this.#rechecks.findIndex((job) => job.isReady);
      const job = this.#rechecks[at];
      if (job === undefined) return;
      // Torrents take turns.
      this.#rechecks.splice(at, 1);
      const reply = job.step();
      if (reply !== undefined) this.#reply({ ...reply, files: this.#changedFiles(job.torrent) });
      if (!job.isDone) this.#rechecks.push(job);
      else this.#endThreads();
      this.#stepLater();
    });
  }

  /** Once nobody needs them: an idle client keeps no threads. */
  #endThreads(): void {
    if (this.#rechecks.some((job) => job.usesThreads)) return;
    void this.#threads?.close();
    this.#threads = undefined;
  }

  // --- moves, in the background too ------------------------------------------------------------------------------------------------

  #startMove({ torrent, folder }: DiskRequest & { verb: 'move' }): void {
    const to = resolve(folder);
    try {
      const { info, folder: from, store } = this.#torrent(torrent);
      if (to === from) {
        this.#reply({ verb: 'move', torrent, folder: from, error: undefined, files: undefined });
        return;
      }
      store.sync();
      const job = new MoveJob(
        { info, from, to },
        {
          calls: this.#calls,
          stepBytes: this.#limits.recheckStepBytes,
          buffer: this.#recheckBuffer,
        },
      );
      job.check();
      this.#resume?.beginMove(keyOf(info), from, to);
      this.#moves.push({ torrent, to, job });
      this.#moveLater();
    } catch (error) {
      this.#reply({ verb: 'move', torrent, folder: to, error: pack(error, to), files: this.#changedFiles(torrent) });
    }
  }

  #moveLater(): void {
    if (this.#isMoveDue || this.#moves.length === 0) return;
    this.#isMoveDue = true;
    this.#later(() => {
      this.#isMoveDue = false;
      const move = this.#moves[0];
      if (move === undefined) return;
      try {
        if (move.job.step()) this.#endMove(move, undefined);
      } catch (error) {
        this.#endMove(move, error);
      }
      this.#moveLater();
    });
  }

  /** @param error why it has not come about; undefined: it has */
  #endMove(move: Move, error: unknown): void {
    this.#moves.splice(this.#moves.indexOf(move), 1);
    const { torrent, to, job } = move;
    const open = this.#torrent(torrent);
    const { info, folder: from, wanted } = open;
    let trouble: PackedError | undefined;
    try {
      if (error !== undefined) throw error;
      const before = open.store.states();
      open.store.close();
      const store = this.#makeStore({ info, wanted, folder: to });
      store.distrustChanged?.(before);
      this.#torrents.set(torrent, { ...open, folder: to, store });
      this.#unsettled.set(torrent, { key: keyOf(info), from });
      this.#resume?.endMove(keyOf(info), { from, to }, store.states());
    } catch (cause) {
      trouble = pack(cause, to);
      if (error !== undefined) {
        job.undo();
        this.#resume?.forgetMove(keyOf(info), from);
      }
    }
    if (error === undefined) {
      const files = toFilesNow(this.#torrent(torrent).store.states().files);
      this.#reply({ verb: 'move', torrent, folder: to, error, files });
    } else {
      this.#reply({ verb: 'move', torrent, folder: to, error: trouble, files: this.#changedFiles(torrent) });
    }
  }

  /** The new place is remembered: nothing needs to lead there from the old one. */
  #settleMove(torrent: TorrentId): void {
    const move = this.#unsettled.get(torrent);
    this.#unsettled.delete(torrent);
    if (move !== undefined) this.#resume?.forgetMove(move.key, move.from);
  }

  /** Before a store is opened: a move that a killed process has left is ended, or undone. @returns where the torrent is */
  #endBrokenMove(info: Info, from: string): string {
    const to = this.#resume?.moveOf(keyOf(info), from);
    if (to === undefined) return from;
    const plan = { info, from, to };
    if (!hasMoved(plan, this.#calls)) {
      undoMove(plan, this.#calls);
      this.#resume?.forgetMove(keyOf(info), from);
      return from;
    }
    finishMove(plan, this.#calls);
    const store = this.#makeStore({ info, wanted: info.files.map(() => false), folder: to });
    const states = store.states();
    store.close();
    this.#resume?.endMove(keyOf(info), { from, to }, states);
    return to;
  }

  #changedFiles(torrent: TorrentId): FilesNow | undefined {
    const files = this.#torrents.get(torrent)?.store.takeChanged?.();
    return files === undefined || files.size === 0 ? undefined : files;
  }

  #torrent(torrent: TorrentId): OpenTorrent {
    const open = this.#torrents.get(torrent);
    if (open === undefined) throw closed();
    return open;
  }
}

function closed(): BtError {
  return new BtError('client/closed', { what: "the torrent's store" });
}

function keyOf(info: Info): NonNullable<Info['hashV1']> {
  return (info.hashV1 ?? info.hashV2) as NonNullable<Info['hashV1']>;
}

/** Failures of the world become answers; our own bugs end the worker and with it the program. */
function pack(error: unknown, path: string): PackedError {
  if (!BtError.is(error) && !isSystemError(error)) throw error;
  return packError(toDiskError(error, path));
}

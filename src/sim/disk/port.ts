import { assert, BtError, type InfoHash, type Millis, type TorrentId } from '../../base/index.ts';
import { BLOCK_LENGTH } from '../../metainfo/index.ts';
import type { CommitOutcome, CommitPiece, DiskPort, OpenStore, PieceExpectation } from '../../swarm/index.ts';
import { blockHeaderBytes } from '../../wire/index.ts';
import type { Driven, InputGate } from '../gate.ts';
import type { SimEvent } from '../world.ts';
import { BufferWatch } from './buffers.ts';
import type { SimDisk } from './disk.ts';
import type { StoreImage } from './image.ts';
import { checkPart } from './recheck.ts';

/** Pieces rechecked in one job. */
const RECHECK_PIECES = 32;

interface OpenTorrent {
  readonly image: StoreImage;
  /** Jobs not answered yet. */
  unanswered: number;
  isClosing: boolean;
  isCloseAnswered: boolean;
  /** Answers to rechecks keep their order. */
  recheckAnsweredAt: Millis;
}

interface Job {
  readonly event: SimEvent;
  /** What is left behind where the process dies while this job runs. */
  readonly tear: (() => void) | undefined;
}

/** The `DiskPort` of one process on a `SimDisk`. */
export class SimDiskPort implements DiskPort {
  readonly watch: BufferWatch;
  readonly #disk: SimDisk;
  readonly #gate: InputGate;
  readonly #torrents = new Map<TorrentId, OpenTorrent>();
  readonly #jobs = new Set<Job>();

  constructor(disk: SimDisk, gate: InputGate) {
    this.#disk = disk;
    this.#gate = gate;
    this.watch = new BufferWatch(disk.transfer);
  }

  /** Stores that are open. */
  get openCount(): number {
    return this.#torrents.size;
  }

  /** The process is gone: what waits is lost, what runs is half done. */
  kill(): void {
    const [running] = this.#jobs;
    running?.tear?.();
    for (const job of this.#jobs) job.event.cancel();
    this.#jobs.clear();
  }

  loadTorrent(torrent: TorrentId, infoHash: InfoHash): void {
    const job = {
      event: this.#disk.queue('disk.load', 0, () => {
        this.#jobs.delete(job);
        const bytes = this.#disk.torrentFiles.get(infoHash)?.slice();
        this.#gate.enter((to, now) => to.onTorrentLoaded(now, torrent, bytes));
      }),
      tear: undefined,
    };
    this.#jobs.add(job);
  }

  openStore(torrent: TorrentId, { info, wanted }: OpenStore): void {
    assert(!this.#torrents.has(torrent), 'a store is opened once');
    const image = this.#disk.image(info);
    const open: OpenTorrent = {
      image,
      unanswered: 0,
      isClosing: false,
      isCloseAnswered: false,
      recheckAnsweredAt: 0 as Millis,
    };
    this.#torrents.set(torrent, open);
    this.#run(open, { label: 'disk.open', bytes: 0 }, () => {
      const error = this.#disk.faults.openError;
      if (error !== undefined) {
        return (to, now) => {
          this.#torrents.delete(torrent);
          to.onStoreOpened(now, torrent, { kind: 'failed', error });
        };
      }
      image.wanted = wanted;
      image.lookAtAll();
      const files = image.fileStates();
      const { partFile, resume } = image;
      return (to, now) => {
        const { wallMs } = this.#disk.world;
        const writeTrouble = this.#disk.faults.isReadOnly ? readOnly(image) : undefined;
        to.onStoreOpened(now, torrent, {
          kind: 'ok',
          files,
          partFile,
          resume,
          resumeTrouble: undefined,
          movedTo: undefined,
          writeTrouble,
          wallMs,
        });
      };
    });
  }

  commit(job: CommitPiece): void {
    const open = this.#get(job.torrent);
    const { image } = open;
    const segments = this.watch.take(job.segments);
    const length = image.geometry.pieceBytes(job.piece);
    let bytes = 0;
    for (const segment of segments) bytes += segment?.length ?? 0;
    assert(job.segments.length === Math.ceil(length / job.segmentBytes), 'segments cover the piece');
    assert(bytes <= length, 'segments are not longer than the piece');
    const tear = () => image.tear(job.piece, this.#disk.rng, this.#disk.world.wallMs);
    this.#run(open, { label: 'disk.commit', bytes, tear }, () => {
      const whole = () => assemble(image, { ...job, segments });
      const outcome = this.#commit(open, { ...job, segments }, whole);
      const isAsked = outcome.kind === 'bad' || job.blockHashes;
      const hashes = isAsked ? this.#disk.verifier.blockHashes(whole()) : undefined;
      return (to, now) => {
        this.watch.giveBack(segments);
        to.onCommitted(now, job.torrent, job.piece, outcome, segments, hashes);
      };
    });
  }

  storeSegment(torrent: TorrentId, piece: number, offset: number, bytes: Uint8Array): void {
    const open = this.#get(torrent);
    assert(offset % BLOCK_LENGTH === 0, 'segments begin at a block');
    const taken = this.watch.take([bytes])[0] as Uint8Array;
    this.#run(open, { label: 'disk.segment', bytes: taken.length }, () => {
      const error = this.#writeTrouble(open.image, piece, offset, taken.length);
      if (error === undefined) {
        this.#write(open.image, piece, offset, taken);
        open.image.note(piece, this.#disk.world.wallMs, false);
      }
      return (to, now) => {
        this.watch.giveBack([taken]);
        to.onSegmentStored(now, torrent, piece, offset, taken, error);
      };
    });
  }

  readRun(torrent: TorrentId, run: number, piece: number, begin: number, length: number, into: Uint8Array): void {
    const open = this.#get(torrent);
    const { image } = open;
    assert(begin % BLOCK_LENGTH === 0 && length > 0, 'runs begin at a block');
    assert(begin + length <= image.geometry.servedBytes(piece), 'a run ends inside its piece');
    assert(into.length >= length + Math.ceil(length / BLOCK_LENGTH) * blockHeaderBytes, 'a run fits its buffer');
    const bytes = this.watch.take([into])[0] as Uint8Array;
    this.#run(open, { label: 'disk.read', bytes: length }, () => {
      const error = this.#readTrouble(image, piece, begin, length);
      if (error === undefined) this.#readFramed(image, { piece, begin, length }, bytes);
      return (to, now) => {
        this.watch.giveBack([bytes]);
        to.onRun(now, torrent, run, bytes, error);
      };
    });
  }

  recheck(torrent: TorrentId, first: number, expect: readonly PieceExpectation[]): void {
    const open = this.#get(torrent);
    assert(
      expect.length > 0 && first + expect.length <= open.image.info.pieceCount,
      'rechecks stay inside the torrent',
    );
    for (let at = 0; at < expect.length; at += RECHECK_PIECES) {
      const part = expect.slice(at, at + RECHECK_PIECES);
      const bytes = part.length * open.image.info.pieceLength;
      this.#run(open, { label: 'disk.recheck', bytes, isOrdered: true }, () => {
        const { good, error } = checkPart(this.#disk, open.image, first + at, part);
        return (to, now) => to.onRechecked(now, torrent, first + at, good, error);
      });
    }
  }

  hashLeaves(torrent: TorrentId, piece: number): void {
    const open = this.#get(torrent);
    const { image } = open;
    const length = image.geometry.pieceBytes(piece);
    this.#run(open, { label: 'disk.leaves', bytes: length }, () => {
      const error = this.#readTrouble(image, piece, 0, length);
      const bytes = new Uint8Array(length);
      image.read(piece, 0, bytes);
      const leaves = error === undefined ? this.#disk.verifier.leaves(image, piece, bytes) : undefined;
      return (to, now) => to.onLeaves(now, torrent, piece, leaves, error);
    });
  }

  saveResume(torrent: TorrentId, bytes: Uint8Array, final: boolean): void {
    const open = this.#get(torrent);
    const taken = this.watch.take([bytes])[0] as Uint8Array;
    this.#run(open, { label: 'disk.resume', bytes: taken.length }, () => {
      const { faults, world } = this.#disk;
      const path = `${open.image.info.name}.resume`;
      let error: BtError | undefined;
      if (faults.isReadOnly) error = new BtError('disk/access', { path, what: 'read-only file system' });
      else if (this.#disk.freeBytes < taken.length) error = new BtError('disk/no-space', { path });
      else open.image.save(taken, final, world.wallMs);
      return (to, now) => {
        this.watch.giveBack([taken]);
        to.onResumeSaved(now, torrent, error);
      };
    });
  }

  /** Folders are all one here; what is tried is the brain. */
  moveStore(torrent: TorrentId, folder: string): void {
    const open = this.#get(torrent);
    this.#run(open, { label: 'disk.move', bytes: open.image.info.totalLength }, () => {
      const error = this.#disk.faults.moveError;
      return (to, now) => to.onStoreMoved(now, torrent, folder, error);
    });
  }

  closeStore(torrent: TorrentId): void {
    const open = this.#get(torrent);
    open.isClosing = true;
    this.#closeWhenAnswered(torrent, open);
  }

  // --- inside --------------------------------------------------------------------------------------------------------------------

  #get(torrent: TorrentId): OpenTorrent {
    const open = this.#torrents.get(torrent);
    assert(open !== undefined && !open.isClosing, 'jobs are for open stores');
    return open;
  }

  /** Queues a job; `work` has its effect on the disk and returns how to answer. */
  #run(
    open: OpenTorrent,
    job: { label: string; bytes: number; tear?: () => void; isOrdered?: boolean },
    work: () => (to: Driven, now: Millis) => void,
  ): void {
    const { world, speed, rng } = this.#disk;
    open.unanswered++;
    const event = this.#disk.queue(job.label, job.bytes, () => {
      this.#jobs.delete(entry);
      const answer = work();
      let at = (world.now + rng.unit() * speed.reorderMs) as Millis;
      if (job.isOrdered === true) {
        at = Math.max(at, open.recheckAnsweredAt) as Millis;
        open.recheckAnsweredAt = at;
      }
      world.at(at, 'disk.answer', () => {
        open.unanswered--;
        this.#gate.enter(answer);
        for (const [torrent, other] of this.#torrents) if (other === open) this.#closeWhenAnswered(torrent, open);
      });
    });
    const entry: Job = { event, tear: job.tear };
    this.#jobs.add(entry);
  }

  #closeWhenAnswered(torrent: TorrentId, open: OpenTorrent): void {
    if (!open.isClosing || open.unanswered > 0 || open.isCloseAnswered) return;
    open.isCloseAnswered = true;
    this.#disk.queue('disk.close', 0, () => {
      this.#torrents.delete(torrent);
      this.#gate.enter((to, now) => to.onStoreClosed(now, torrent));
    });
  }

  #commit(open: OpenTorrent, job: CommitPiece, whole: () => Uint8Array): CommitOutcome {
    const { image } = open;
    const { piece, expect } = job;
    const length = image.geometry.pieceBytes(piece);
    // What went to disk before has to be read back.
    for (let i = job.segments.indexOf(undefined); i >= 0; i = job.segments.indexOf(undefined, i + 1)) {
      const begin = i * job.segmentBytes;
      const error = this.#readTrouble(image, piece, begin, Math.min(job.segmentBytes, length - begin));
      if (error !== undefined) return { kind: 'failed', error };
    }
    const isContent = image.content === undefined ? undefined : isContentOf(image, job);
    const truth = this.#disk.truthOf(image.info);
    const verdict = this.#disk.verifier.judge(image, piece, { expect, truth, isContent, bytes: whole });
    if (verdict !== 'ok') return { kind: verdict };
    const error = this.#writeTrouble(image, piece, 0, length);
    if (error !== undefined) return { kind: 'failed', error };
    if (isContent === true) {
      image.writeWhole(piece, this.#disk.world.wallMs);
      this.#flipSometimes(image, piece);
    } else {
      job.segments.forEach((segment, i) => {
        if (segment !== undefined) this.#write(image, piece, i * job.segmentBytes, segment);
      });
    }
    image.note(piece, this.#disk.world.wallMs, true);
    return { kind: 'ok' };
  }

  #write(image: StoreImage, piece: number, begin: number, bytes: Uint8Array): void {
    image.write(piece, begin, bytes, this.#disk.world.wallMs);
    this.#flipSometimes(image, piece);
  }

  #flipSometimes(image: StoreImage, piece: number): void {
    if (this.#disk.happens(this.#disk.faults.flipOnWriteRate)) image.flipBit(piece, this.#disk.rng);
  }

  #writeTrouble(image: StoreImage, piece: number, begin: number, length: number): BtError | undefined {
    const { faults } = this.#disk;
    const path = image.pathOf(0);
    if (faults.isReadOnly) return readOnly(image);
    if (faults.writeError !== undefined) return faults.writeError;
    if (this.#disk.happens(faults.writeErrorRate)) return new BtError('disk/io', { path, what: 'input/output error' });
    if (image.growth(piece) > this.#disk.freeBytes) return new BtError('disk/no-space', { path });
    return image.trouble(image.geometry.pieceStart(piece) + begin, length, 'write');
  }

  #readTrouble(image: StoreImage, piece: number, begin: number, length: number): BtError | undefined {
    if (this.#disk.happens(this.#disk.faults.readErrorRate)) {
      return new BtError('disk/io', { path: image.pathOf(0), what: 'input/output error' });
    }
    const end = Math.min(begin + length, image.geometry.pieceBytes(piece));
    return image.trouble(image.geometry.pieceStart(piece) + begin, Math.max(0, end - begin), 'read');
  }

  #readFramed(image: StoreImage, run: { piece: number; begin: number; length: number }, into: Uint8Array): void {
    let at = 0;
    for (let done = 0; done < run.length; done += BLOCK_LENGTH) {
      const length = Math.min(BLOCK_LENGTH, run.length - done);
      at += blockHeaderBytes;
      image.read(run.piece, run.begin + done, into.subarray(at, at + length));
      at += length;
    }
    if (!this.#disk.happens(this.#disk.faults.flipOnReadRate)) return;
    const bit = this.#disk.rng.below(8);
    into[blockHeaderBytes] = (into[blockHeaderBytes] as number) ^ (1 << bit);
  }
}

function readOnly(image: StoreImage): BtError {
  return new BtError('disk/access', { path: image.pathOf(0), what: 'read-only file system' });
}

function isContentOf(image: StoreImage, job: CommitPiece): boolean {
  const start = image.geometry.pieceStart(job.piece);
  const length = image.geometry.pieceBytes(job.piece);
  return job.segments.every((segment, i) => {
    const begin = i * job.segmentBytes;
    if (segment !== undefined) return image.content?.equals(start + begin, segment) === true;
    return image.isContentAt(job.piece, begin, Math.min(job.segmentBytes, length - begin));
  });
}

/** The whole piece: what was given, and what is stored of the rest. */
function assemble(image: StoreImage, job: CommitPiece): Uint8Array {
  const bytes = new Uint8Array(image.geometry.pieceBytes(job.piece));
  if (job.segments.includes(undefined)) image.read(job.piece, 0, bytes);
  job.segments.forEach((segment, i) => {
    if (segment !== undefined) bytes.set(segment, i * job.segmentBytes);
  });
  return bytes;
}

import { assert } from '../base/index.ts';
import { BLOCK_LENGTH, type FileMap, type Geometry } from '../metainfo/index.ts';
import { pieceStates } from '../trace/index.ts';
import { Blame, type BlameVerdict } from './blame.ts';
import type { SwarmContext } from './context.ts';
import type { HashBook } from './hash-book.ts';
import { limits } from './limits.ts';
import { type ActivePiece, BlockState, type PieceLedger, PieceState } from './piece-ledger.ts';
import type { CommitOutcome, CommitPiece } from './ports.ts';

export interface PieceDeskOptions {
  readonly geometry: Geometry;
  readonly fileMap: FileMap;
  readonly ledger: PieceLedger;
  readonly hashes: HashBook;
  /** A piece can be begun now, or no longer: the picker's order follows. */
  readonly onMoved: (piece: number) => void;
  /** The piece is given up while peers may still be asked for parts of it: their requests end. */
  readonly onGivenUp: (active: ActivePiece) => void;
  /** The piece is out of work, one way or the other. */
  readonly onClosed: (active: ActivePiece) => void;
  readonly onGood: (piece: number) => void;
  /** A piece failed its hash, or turned out who had made it fail. */
  readonly onVerdicts: (piece: number, verdicts: readonly BlameVerdict[]) => void;
}

/**
 * The pieces in work, from the first buffer to the verdict of the disk: lends segments from the pool, gives them to the disk, takes them
 * back, and learns who sent what was bad. Owner of the buffers of active pieces; the ledger says what is in them.
 */
export class PieceDesk {
  readonly blame: Blame = new Blame();
  /** What became of pieces, in bytes that came over the wire for them. `dropped`: neither good nor bad, let go. */
  readonly counts = { verifiedBytes: 0, badBytes: 0, droppedBytes: 0, badPieces: 0 };
  readonly #ctx: SwarmContext;
  readonly #o: PieceDeskOptions;
  readonly #ledger: PieceLedger;
  readonly #geometry: Geometry;
  readonly #segmentBytes: number;
  /** Segments at the disk, by piece: a piece is committed when none is on its way. */
  readonly #storing = new Map<number, number>();
  /** Whole pieces that the disk could not take: offered again, so that nothing is fetched twice. */
  readonly #heldBack: CommitPiece[] = [];
  /** Bytes of buffers that the disk has. */
  #atDiskBytes = 0;
  /** No piece is to be completed any more: what comes back from the disk incomplete is let go. */
  isHalted = true;

  constructor(ctx: SwarmContext, options: PieceDeskOptions) {
    this.#ctx = ctx;
    this.#o = options;
    this.#ledger = options.ledger;
    this.#geometry = options.geometry;
    const isWhole = options.geometry.pieceLength <= limits.pool.wholePieceBytesMax;
    this.#segmentBytes = isWhole ? options.geometry.pieceLength : limits.pool.segmentBytes;
  }

  /** Buffers at the disk right now: wait for them before the torrent is closed. */
  get atDisk(): number {
    let n = 0;
    for (const active of this.#ledger.actives) if (this.#ledger.state(active.piece) === PieceState.committing) n++;
    for (const count of this.#storing.values()) n += count;
    return n - this.#heldBack.length;
  }

  /** Bytes of buffers held in memory (not at the disk). */
  get heldBytes(): number {
    let bytes = 0;
    for (const active of this.#ledger.actives) for (const s of active.segments) bytes += s?.length ?? 0;
    for (const job of this.#heldBack) bytes += bufferBytes(job.segments);
    return bytes;
  }
  /** Bytes of buffers at the disk. */
  get atDiskBytes(): number {
    return this.#atDiskBytes;
  }
  /** A piece could be begun now. */
  get hasRoom(): boolean {
    return this.#ctx.host.pool.hasRoom(this.#segmentBytes);
  }

  /** Bytes of blocks that are here, of pieces in work. */
  get fetchedBytes(): number {
    let bytes = 0;
    for (const active of this.#ledger.actives) bytes += this.#fetchedBytes(active);
    return bytes;
  }
  /** Buffers lent by the pool, in memory or at the disk. */
  get bufferCount(): number {
    let count = 0;
    for (const n of this.#storing.values()) count += n;
    for (const active of this.#ledger.actives) {
      count += active.committedBuffers;
      for (const segment of active.segments) if (segment !== undefined) count++;
    }
    return count;
  }

  assertInvariants(): void {
    for (const piece of this.#storing.keys()) {
      assert(this.#ledger.state(piece) === PieceState.active, 'segments are stored of active pieces');
    }
    for (const active of this.#ledger.actives) this.#assertBuffers(active);
    for (const { piece } of this.#heldBack) {
      assert(this.#ledger.state(piece) === PieceState.committing, 'what is held back is still being committed');
    }
  }

  #assertBuffers(active: ActivePiece): void {
    const isCommitting = this.#ledger.state(active.piece) === PieceState.committing;
    assert(isCommitting || active.committedBuffers === 0, 'only a committing piece has all its buffers at the disk');
    const blocks = active.segmentBytes / BLOCK_LENGTH;
    let storing = 0;
    active.segments.forEach((segment, s) => {
      const stored = active.segmentStored[s] as number;
      if (stored === 1) storing++;
      assert(segment === undefined || (stored !== 1 && !isCommitting), 'a buffer has one owner');
      assert(segment === undefined || segment.length === active.segmentBytes, 'a buffer in work is whole');
      if (segment !== undefined || stored !== 0 || isCommitting || active.isBroken) return;
      for (let b = s * blocks; b < Math.min((s + 1) * blocks, active.blocks.length); b++) {
        const isFetched = active.blocks[b] === BlockState.arriving || active.blocks[b] === BlockState.here;
        assert(!isFetched || this.#geometry.blockBytes(active.piece, b) === 0, 'what is here has a buffer');
      }
    });
    assert(storing === (this.#storing.get(active.piece) ?? 0), 'segments at the disk are counted right');
  }

  /** Parts of the piece are on their way to the disk: it cannot be given up now. */
  isStoring(active: ActivePiece): boolean {
    return this.#storing.has(active.piece);
  }

  // --- buffers ---

  /**
   * Whether there is room for one more buffer, if need be by giving up what nobody is asked for.
   * @param keep the piece that a buffer is wanted for
   */
  mayStart(keep?: ActivePiece): boolean {
    const { host, torrent } = this.#ctx;
    if (host.pool.hasRoom(this.#segmentBytes) || this.evictStale(keep)) return true;
    return host.reclaimBuffers(torrent) && host.pool.hasRoom(this.#segmentBytes);
  }

  start(piece: number): ActivePiece {
    const active = this.#ledger.start(piece, this.#segmentBytes);
    active.touchedAt = this.#ctx.now;
    active.startedAt = this.#ctx.now;
    this.#o.onMoved(piece);
    this.#ctx.tracer?.piece?.(this.#ctx.now, piece, pieceStates.wanted, pieceStates.active);
    return active;
  }

  /** Makes sure that the block has a place to arrive at. */
  hasBuffer(active: ActivePiece, block: number): boolean {
    const s = Math.floor((block * BLOCK_LENGTH) / active.segmentBytes);
    if (active.segments[s] !== undefined) return true;
    if (!this.mayStart(active)) return false;
    const buffer = this.#ctx.host.pool.take(this.#segmentBytes, this.#ctx.torrent);
    if (buffer === undefined) return false;
    this.#zeroPads(active, s, buffer);
    active.segments[s] = buffer;
    return true;
  }

  /**
   * The pool is empty: a piece in work that nobody is asked for gives its buffers back, at once where nothing has come of it: whoever says
   * that it has rare pieces, and then rejects, would keep the last buffer from others for ever. Loses blocks, never verified data.
   * @returns whether there is room now
   */
  evictStale(keep?: ActivePiece): boolean {
    let best: ActivePiece | undefined;
    for (const active of this.#ledger.open) {
      if (active === keep || this.isStoring(active) || active.segments.every((s) => s === undefined)) continue;
      if (active.freeCount + active.hereCount !== active.blocks.length) continue;
      if (active.sentCount > 0 && this.#ctx.now - active.touchedAt < limits.requests.stalePieceMs) continue;
      if (best === undefined || active.sentCount < best.sentCount) best = active;
    }
    if (best === undefined) return false;
    this.#letGo(best);
    return this.#ctx.host.pool.hasRoom(this.#segmentBytes);
  }

  /** Gives a piece up, whoever is asked for parts of it. */
  giveUp(active: ActivePiece): void {
    this.#o.onGivenUp(active);
    this.#letGo(active);
  }

  // --- to the disk ---

  /** A block has completed `segment` (or none: -1). Whole pieces go to be verified, segments of large ones to be stored. */
  blockArrived(active: ActivePiece, segment: number): void {
    if (active.isComplete) this.#commitIfStored(active);
    else if (segment >= 0 && active.segments.length > 1) this.#storeSegment(active, segment);
  }

  onSegmentStored(piece: number, offset: number, bytes: Uint8Array, failed: boolean): void {
    this.#atDiskBytes -= bytes.buffer.byteLength;
    this.#giveBuffer(bytes);
    const left = (this.#storing.get(piece) as number) - 1;
    if (left === 0) this.#storing.delete(piece);
    else this.#storing.set(piece, left);
    const active = this.#ledger.active(piece);
    if (active === undefined) return;
    active.segmentStored[Math.floor(offset / active.segmentBytes)] = failed ? 0 : 2;
    if (failed) active.isBroken = true;
    // A lost segment cannot be told from a bad one later: the piece begins anew, and nobody is blamed.
    if (left === 0 && (active.isBroken || (this.isHalted && !active.isComplete))) this.giveUp(active);
    else if (active.isComplete) this.#commitIfStored(active);
  }

  onCommitted(
    piece: number,
    outcome: CommitOutcome,
    segments: readonly (Uint8Array | undefined)[],
    blockHashes: Uint8Array | undefined,
  ): void {
    this.#atDiskBytes -= bufferBytes(segments);
    for (const segment of segments) if (segment !== undefined) this.#giveBuffer(segment);
    const active = this.#ledger.active(piece);
    assert(active !== undefined, 'a committing piece is in work');
    active.committedBuffers = 0;
    if (outcome.kind === 'ok') {
      this.#accept(active, blockHashes);
      return;
    }
    const bytes = this.#fetchedBytes(active);
    this.#close(active, pieceStates.committing);
    if (outcome.kind !== 'bad') {
      this.counts.droppedBytes += bytes;
      return;
    }
    assert(blockHashes !== undefined, 'a bad piece comes with the hashes of its blocks');
    this.counts.badPieces++;
    this.counts.badBytes += bytes;
    this.#o.onVerdicts(piece, this.blame.onBad(this.#ctx.now, piece, active.senders, blockHashes));
  }

  /** The disk could not take a piece, but may later. @returns false where it cannot be held: it is given up by `onCommitted` */
  holdBack(piece: number, segments: (Uint8Array | undefined)[]): boolean {
    const active = this.#ledger.active(piece);
    const expect = this.#o.hashes.expectation(piece);
    if (active === undefined || expect === undefined) return false;
    const { segmentBytes } = active;
    const blockHashes = this.blame.isSuspect(piece);
    this.#atDiskBytes -= bufferBytes(segments);
    this.#heldBack.push({ torrent: this.#ctx.torrent, piece, segments, segmentBytes, expect, blockHashes });
    return true;
  }

  get heldPieces(): number[] {
    return this.#heldBack.map((job) => job.piece);
  }

  /** Gives up pieces of which parts are on disk, unverified, where `isTouched` says that these may be gone. */
  forgetStored(isTouched: (piece: number) => boolean): void {
    for (const active of [...this.#ledger.actives]) {
      if (!active.segmentStored.some((stored) => stored !== 0) || !isTouched(active.piece)) continue;
      if (this.isStoring(active)) active.isBroken = true;
      else if (this.#ledger.state(active.piece) === PieceState.active) this.giveUp(active);
    }
  }

  /** Offers again what the disk could not take. */
  offerAgain(): void {
    for (const job of this.#heldBack.splice(0)) this.#commit(job);
  }

  /** Lets go of what is in memory. Pieces at the disk come back by onCommitted as usual. */
  clear(): void {
    for (const { piece, segments } of this.#heldBack.splice(0)) {
      for (const segment of segments) if (segment !== undefined) this.#giveBuffer(segment);
      const active = this.#ledger.active(piece) as ActivePiece;
      active.committedBuffers = 0;
      this.counts.droppedBytes += this.#fetchedBytes(active);
      this.#close(active, pieceStates.committing);
    }
    for (const active of [...this.#ledger.actives]) {
      if (this.#ledger.state(active.piece) === PieceState.active && !this.isStoring(active)) this.#letGo(active);
    }
  }

  // --- privately ---

  /** Buffers are used again and again, and pad bytes never come over the wire (BEP 47): they are made here. */
  #zeroPads(active: ActivePiece, segment: number, buffer: Uint8Array): void {
    const { piece, segmentBytes } = active;
    if (this.#geometry.dataBytes(piece) === this.#geometry.pieceBytes(piece)) return;
    const from = segment * segmentBytes;
    const length = Math.min(segmentBytes, this.#geometry.pieceBytes(piece) - from);
    let at = 0;
    for (const span of this.#o.fileMap.spans(this.#geometry.pieceStart(piece) + from, length)) {
      if (span.file < 0) buffer.fill(0, at, at + span.length);
      at += span.length;
    }
  }

  /** Views come back from the disk; the pool lends whole buffers. */
  #giveBuffer(view: Uint8Array): void {
    this.#ctx.host.pool.give(new Uint8Array(view.buffer), this.#ctx.torrent);
  }

  #storeSegment(active: ActivePiece, segment: number): void {
    const buffer = active.segments[segment] as Uint8Array;
    const offset = segment * active.segmentBytes;
    const length = Math.min(active.segmentBytes, this.#geometry.pieceBytes(active.piece) - offset);
    active.segments[segment] = undefined;
    active.segmentStored[segment] = 1;
    this.#storing.set(active.piece, (this.#storing.get(active.piece) ?? 0) + 1);
    this.#atDiskBytes += buffer.buffer.byteLength;
    this.#ctx.host.ports.storeSegment(this.#ctx.torrent, active.piece, offset, buffer.subarray(0, length));
  }

  #commitIfStored(active: ActivePiece): void {
    if (this.isStoring(active)) return;
    const { piece, segmentBytes } = active;
    const expect = this.#o.hashes.expectation(piece);
    if (expect === undefined) {
      // Its layer turned out to be damaged resume data: it is fetched again, and the piece after it.
      this.#letGo(active);
      return;
    }
    this.#ledger.commit(active);
    this.#ctx.tracer?.piece?.(this.#ctx.now, piece, pieceStates.active, pieceStates.committing);
    const pieceBytes = this.#geometry.pieceBytes(piece);
    const segments = active.segments.map((buffer, s) =>
      buffer?.subarray(0, Math.min(segmentBytes, pieceBytes - s * segmentBytes)),
    );
    active.segments.fill(undefined);
    active.committedBuffers = segments.filter((segment) => segment !== undefined).length;
    const blockHashes = this.blame.isSuspect(piece);
    this.#commit({ torrent: this.#ctx.torrent, piece, segments, segmentBytes, expect, blockHashes });
  }

  #commit(job: CommitPiece): void {
    this.#atDiskBytes += bufferBytes(job.segments);
    this.#ctx.host.ports.commit(job);
  }

  #accept(active: ActivePiece, blockHashes: Uint8Array | undefined): void {
    const { piece } = active;
    this.counts.verifiedBytes += this.#fetchedBytes(active);
    this.#ledger.committed(piece);
    this.#o.onClosed(active);
    this.#ctx.tracer?.piece?.(this.#ctx.now, piece, pieceStates.committing, pieceStates.have);
    const guilty = this.blame.onGood(this.#ctx.now, piece, blockHashes);
    if (guilty.length > 0) this.#o.onVerdicts(piece, guilty);
    this.#o.onGood(piece);
  }

  #letGo(active: ActivePiece): void {
    for (let s = 0; s < active.segments.length; s++) {
      const buffer = active.segments[s];
      if (buffer !== undefined) this.#ctx.host.pool.give(buffer, this.#ctx.torrent);
      active.segments[s] = undefined;
    }
    this.counts.droppedBytes += this.#fetchedBytes(active);
    this.#close(active, pieceStates.active);
  }

  #fetchedBytes(active: ActivePiece): number {
    let bytes = 0;
    for (let b = 0; b < active.blocks.length; b++) {
      if (active.blocks[b] === BlockState.here) bytes += this.#geometry.blockBytes(active.piece, b);
    }
    return bytes;
  }

  #close(active: ActivePiece, from: typeof pieceStates.active | typeof pieceStates.committing): void {
    this.#ledger.abandon(active.piece);
    this.#o.onClosed(active);
    this.#o.onMoved(active.piece);
    this.#ctx.tracer?.piece?.(this.#ctx.now, active.piece, from, pieceStates.wanted);
  }
}

/** Of whole buffers: views may be shorter. */
function bufferBytes(segments: readonly (Uint8Array | undefined)[]): number {
  let bytes = 0;
  for (const segment of segments) bytes += segment?.buffer.byteLength ?? 0;
  return bytes;
}

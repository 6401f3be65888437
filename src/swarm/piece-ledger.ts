import { assert, Bitfield, FRACTION_ZERO, type Millis } from '../base/index.ts';
import type { Geometry } from '../metainfo/index.ts';

/** A piece is in exactly one of these; `docs/state.md` has the table of moves. */
export const PieceState = { unwanted: 0, wanted: 1, active: 2, committing: 3, have: 4, doubted: 5 } as const;
export type PieceState = (typeof PieceState)[keyof typeof PieceState];

/** A block of an active piece. `asked` counts its askers separately, since in end-game there are several. */
export const BlockState = { free: 0, asked: 1, arriving: 2, here: 3 } as const;
export type BlockState = (typeof BlockState)[keyof typeof BlockState];

/** A piece that is being fetched: its blocks, who sent them, and the buffers they go to. Changed by `PieceLedger` alone. */
export class ActivePiece {
  readonly piece: number;
  readonly blocks: Uint8Array;
  /** Open requests for each block. */
  readonly askers: Uint8Array;
  /** By block: when it was last asked of somebody. */
  readonly askedAt: Float64Array;
  /** Blocks that were asked of one more peer while another one owed them (end-game); undefined = none. */
  doubled: Set<number> | undefined;
  /** By block: key of the peer whose bytes these are (blame). */
  readonly senders: (string | undefined)[];
  /** By segment: the buffer while it is in memory. */
  readonly segments: (Uint8Array | undefined)[];
  readonly segmentBytes: number;
  /** By segment: blocks still missing. */
  readonly segmentMissing: Uint32Array;
  /** By segment: 0 in memory or not begun, 1 being stored, 2 stored. */
  readonly segmentStored: Uint8Array;
  freeCount = 0;
  hereCount = 0;
  /** Blocks of which a peer has sent something: what would be lost with the piece. */
  sentCount = 0;
  /** No block below this one is free. */
  cursor = 0;
  /** Where not undefined, only this peer key may be asked: the piece failed before and the next failure must have one author. */
  exclusiveTo: string | undefined;
  /** A segment could not be stored: the piece cannot be completed any more. */
  isBroken = false;
  /** When it was begun; set by the desk. */
  startedAt: number = FRACTION_ZERO;
  /** Buffers that went to the disk when it was committed. */
  committedBuffers = 0;
  /** Time of the last block that began to arrive; set by the downloader. */
  touchedAt: number = FRACTION_ZERO;

  constructor(piece: number, options: { blockCount: number; segmentCount: number; segmentBytes: number }) {
    this.piece = piece;
    this.blocks = new Uint8Array(options.blockCount);
    this.askers = new Uint8Array(options.blockCount);
    this.askedAt = new Float64Array(options.blockCount);
    this.senders = new Array<string | undefined>(options.blockCount);
    this.segments = new Array<Uint8Array | undefined>(options.segmentCount);
    this.segmentBytes = options.segmentBytes;
    this.segmentMissing = new Uint32Array(options.segmentCount);
    this.segmentStored = new Uint8Array(options.segmentCount);
  }

  get isComplete(): boolean {
    return this.hereCount === this.blocks.length;
  }

  /** Lowest free block, or -1. */
  nextFree(): number {
    if (this.freeCount === 0) return -1;
    for (let b = this.cursor; b < this.blocks.length; b++) {
      if (this.blocks[b] === BlockState.free) {
        this.cursor = b;
        return b;
      }
    }
    return -1;
  }
}

/**
 * The one truth about pieces and blocks of a torrent. Pieces move only through the whole-transition methods below; each asserts where it
 * starts from, so a wrong move is found where it is made.
 */
export class PieceLedger {
  readonly geometry: Geometry;
  readonly have: Bitfield;
  readonly #state: Uint8Array;
  /** 1: does not belong to the selection. Such a piece may be here all the same, from an earlier download. */
  readonly #unselected: Uint8Array;
  readonly #active = new Map<number, ActivePiece>();
  /** Active pieces with at least one free block: what the picker looks at first. */
  readonly #open = new Set<ActivePiece>();
  #wantedMissing = 0;
  #doubted = 0;
  #wantedCount = 0;
  #unstarted = 0;
  /** Pieces that hold bytes before commit: answers "is everything asked for" without a walk. */
  #freeBlocks = 0;
  #wantedMissingBytes = 0;

  constructor(geometry: Geometry) {
    this.geometry = geometry;
    this.have = new Bitfield(geometry.pieceCount);
    this.#state = new Uint8Array(geometry.pieceCount).fill(PieceState.wanted);
    this.#unselected = new Uint8Array(geometry.pieceCount);
    this.#wantedMissing = geometry.pieceCount;
    this.#wantedCount = geometry.pieceCount;
    this.#unstarted = geometry.pieceCount;
    for (let p = 0; p < geometry.pieceCount; p++) this.#wantedMissingBytes += geometry.dataBytes(p);
  }

  state(piece: number): PieceState {
    return this.#state[piece] as PieceState;
  }
  /** Wanted and not yet verified and stored. */
  isMissing(piece: number): boolean {
    const s = this.#state[piece] as number;
    return s === PieceState.wanted || s === PieceState.active || s === PieceState.committing;
  }
  /** Neither here nor in work. */
  isIdle(piece: number): boolean {
    return (this.#state[piece] as number) <= PieceState.wanted;
  }
  active(piece: number): ActivePiece | undefined {
    return this.#active.get(piece);
  }
  get actives(): IterableIterator<ActivePiece> {
    return this.#active.values();
  }
  get open(): ReadonlySet<ActivePiece> {
    return this.#open;
  }
  get activeCount(): number {
    return this.#active.size;
  }
  /** Pieces that were here and may not be any more. */
  get doubtedCount(): number {
    return this.#doubted;
  }
  /** Wanted pieces that are not here yet. */
  get wantedMissing(): number {
    return this.#wantedMissing;
  }
  /** Pieces that belong to the selection, here or not. */
  get wantedCount(): number {
    return this.#wantedCount;
  }
  /** Bytes (pads left out) of `wantedMissing` pieces: what a tracker is told as `left`. */
  get wantedMissingBytes(): number {
    return this.#wantedMissingBytes;
  }
  /** Wanted pieces not begun yet. */
  get unstarted(): number {
    return this.#unstarted;
  }
  get isComplete(): boolean {
    return this.#wantedMissing === 0;
  }
  /** Every wanted block is here or asked of somebody: time for end-game. */
  get isAllAsked(): boolean {
    return this.#unstarted === 0 && this.#freeBlocks === 0;
  }

  // --- moves of a piece ---

  /** wanted <-> unwanted (selection). Only before or between downloads of the piece. */
  setWanted(piece: number, wanted: boolean): void {
    const s = this.#state[piece] as number;
    if (s !== PieceState.wanted && s !== PieceState.unwanted) return;
    if ((s === PieceState.wanted) === wanted) return;
    const d = wanted ? 1 : -1;
    this.#unselected[piece] = wanted ? 0 : 1;
    this.#state[piece] = wanted ? PieceState.wanted : PieceState.unwanted;
    this.#wantedMissing += d;
    this.#wantedCount += d;
    this.#unstarted += d;
    this.#wantedMissingBytes += d * this.geometry.dataBytes(piece);
  }

  /** wanted, unwanted or doubted -> have: found on disk (resume or recheck). */
  found(piece: number): void {
    const s = this.#state[piece] as number;
    assert(s <= PieceState.wanted || s === PieceState.doubted, 'only a piece not in work is found');
    if (s === PieceState.wanted) {
      this.#wantedMissing--;
      this.#unstarted--;
      this.#wantedMissingBytes -= this.geometry.dataBytes(piece);
    }
    if (s === PieceState.doubted) this.#doubted--;
    this.#state[piece] = PieceState.have;
    this.have.set(piece);
  }

  /**
   * have -> doubted: the disk does not give back what was stored. wanted -> doubted: the disk could not be asked whether it is there.
   * Either way it is not missing yet.
   */
  doubt(piece: number): void {
    const s = this.#state[piece];
    assert(s === PieceState.have || s === PieceState.wanted, 'only a piece that may be here is doubted');
    if (s === PieceState.wanted) {
      this.#wantedMissing--;
      this.#unstarted--;
      this.#wantedMissingBytes -= this.geometry.dataBytes(piece);
    }
    this.have.clear(piece);
    this.#doubted++;
    this.#state[piece] = PieceState.doubted;
  }

  /** have or doubted -> wanted, or unwanted where it is not selected: the data is gone or bad on disk. */
  lost(piece: number): void {
    const s = this.#state[piece];
    assert(s === PieceState.have || s === PieceState.doubted, 'only a piece that is here gets lost');
    if (s === PieceState.doubted) this.#doubted--;
    this.have.clear(piece);
    if (this.#unselected[piece] === 1) {
      this.#state[piece] = PieceState.unwanted;
      return;
    }
    this.#state[piece] = PieceState.wanted;
    this.#wantedMissing++;
    this.#unstarted++;
    this.#wantedMissingBytes += this.geometry.dataBytes(piece);
  }

  /** wanted -> active. @param segmentBytes how much of a piece one buffer holds */
  start(piece: number, segmentBytes: number): ActivePiece {
    assert(this.#state[piece] === PieceState.wanted, 'only a wanted piece is started');
    const blockCount = this.geometry.blockCount(piece);
    const segmentCount = Math.max(1, Math.ceil(this.geometry.pieceBytes(piece) / segmentBytes));
    const active = new ActivePiece(piece, { blockCount, segmentCount, segmentBytes });
    for (let b = 0; b < blockCount; b++) {
      if (this.geometry.blockBytes(piece, b) === 0) {
        active.blocks[b] = BlockState.here; // All pad: zeros, never fetched.
        active.hereCount++;
      } else {
        active.freeCount++;
        const s = this.#segmentOf(active, b);
        active.segmentMissing[s] = (active.segmentMissing[s] as number) + 1;
      }
    }
    this.#state[piece] = PieceState.active;
    this.#unstarted--;
    this.#freeBlocks += active.freeCount;
    this.#active.set(piece, active);
    if (active.freeCount > 0) this.#open.add(active);
    return active;
  }

  /** active -> committing: all blocks are here. */
  commit(active: ActivePiece): void {
    assert(
      this.#state[active.piece] === PieceState.active && active.isComplete,
      'only a complete active piece is committed',
    );
    this.#state[active.piece] = PieceState.committing;
  }

  /** committing -> have. */
  committed(piece: number): void {
    assert(this.#state[piece] === PieceState.committing, 'only a committing piece is committed');
    this.#active.delete(piece);
    this.#state[piece] = PieceState.have;
    this.have.set(piece);
    this.#wantedMissing--;
    this.#wantedMissingBytes -= this.geometry.dataBytes(piece);
  }

  /** active or committing -> wanted: bad hash, disk error, or given up. The caller has taken the buffers out. */
  abandon(piece: number): void {
    const active = this.#active.get(piece);
    assert(active !== undefined, 'only a piece in work is abandoned');
    this.#freeBlocks -= active.freeCount;
    this.#open.delete(active);
    this.#active.delete(piece);
    this.#state[piece] = PieceState.wanted;
    this.#unstarted++;
  }

  // --- moves of a block ---

  /** One more request for the block is open. */
  ask(active: ActivePiece, block: number, now: Millis): void {
    const s = active.blocks[block] as number;
    assert(
      s === BlockState.free || s === BlockState.asked || s === BlockState.arriving,
      'a block that is here is not asked for',
    );
    active.askers[block] = (active.askers[block] as number) + 1;
    active.askedAt[block] = now;
    if (s === BlockState.free) this.#leaveFree(active, block, BlockState.asked);
    else (active.doubled ??= new Set()).add(block);
  }

  /** A request for the block is over without the block (choke, reject, time-out, lost peer, or it came from elsewhere). */
  unask(active: ActivePiece, block: number): void {
    const askers = active.askers[block] as number;
    assert(askers > 0, 'only an open request ends');
    active.askers[block] = askers - 1;
    if (askers === 1 && active.blocks[block] === BlockState.asked) this.#enterFree(active, block);
  }

  /**
   * The first byte of the block comes from `sender`. @returns false where the block is here, or is arriving from somebody else: its bytes
   * are waste then. The first to send owns the block, so a slow poisoner cannot overwrite what has been counted.
   */
  arrive(active: ActivePiece, block: number, sender: string): boolean {
    const s = active.blocks[block] as number;
    if (s === BlockState.here || s === BlockState.arriving) return false;
    if (s === BlockState.free) this.#leaveFree(active, block, BlockState.arriving);
    else active.blocks[block] = BlockState.arriving;
    active.senders[block] = sender;
    active.sentCount++;
    return true;
  }

  /** The arriving block will not be finished by its owner. */
  arriveFailed(active: ActivePiece, block: number): void {
    assert(active.blocks[block] === BlockState.arriving, 'only an arriving block fails');
    active.senders[block] = undefined;
    active.sentCount--;
    if ((active.askers[block] as number) > 0) active.blocks[block] = BlockState.asked;
    else this.#enterFree(active, block);
  }

  /** The last byte of the block is in its buffer. @returns the segment that this completes, or -1 */
  arrived(active: ActivePiece, block: number): number {
    assert(active.blocks[block] === BlockState.arriving, 'only an arriving block arrives');
    active.blocks[block] = BlockState.here;
    active.hereCount++;
    const s = this.#segmentOf(active, block);
    const missing = (active.segmentMissing[s] as number) - 1;
    active.segmentMissing[s] = missing;
    return missing === 0 ? s : -1;
  }

  // --- checking itself ---

  /** Walks everything; after every event in simulation, never in production. */
  assertInvariants(): void {
    let missing = 0;
    let unstarted = 0;
    let wanted = 0;
    let bytes = 0;
    let doubted = 0;
    for (let p = 0; p < this.#state.length; p++) {
      const s = this.#state[p] as number;
      assert((s === PieceState.have) === this.have.has(p), 'have bit and state agree');
      assert(
        (s === PieceState.active || s === PieceState.committing) === this.#active.has(p),
        'work list and state agree',
      );
      if (this.isMissing(p)) {
        missing++;
        bytes += this.geometry.dataBytes(p);
      }
      if (s === PieceState.wanted) unstarted++;
      if (s === PieceState.doubted) doubted++;
      if (s !== PieceState.unwanted) wanted++;
    }
    assert(missing === this.#wantedMissing && unstarted === this.#unstarted, 'piece counts add up');
    assert(doubted === this.#doubted, 'doubted pieces are counted');
    assert(bytes === this.#wantedMissingBytes, 'missing bytes add up');
    assert(wanted >= this.#wantedCount, 'the selection is part of what is not unwanted');
    let freeBlocks = 0;
    for (const active of this.#active.values()) freeBlocks += this.#assertActive(active);
    assert(freeBlocks === this.#freeBlocks, 'free blocks add up');
  }

  #assertActive(active: ActivePiece): number {
    let free = 0;
    let here = 0;
    let sent = 0;
    for (let b = 0; b < active.blocks.length; b++) {
      const s = active.blocks[b] as number;
      const askers = active.askers[b] as number;
      if (s === BlockState.free) {
        free++;
        assert(askers === 0, 'nobody is asked for a free block');
        assert(b >= active.cursor, 'no free block below the cursor');
      }
      if (s === BlockState.asked) assert(askers > 0, 'somebody is asked for an asked block');
      if (s === BlockState.here) here++;
      if (active.senders[b] !== undefined) sent++;
    }
    assert(sent === active.sentCount, 'blocks that somebody sent add up');
    assert(free === active.freeCount && here === active.hereCount, 'block counts add up');
    assert(this.#open.has(active) === free > 0, 'open list holds the pieces with free blocks');
    return free;
  }

  #segmentOf(active: ActivePiece, block: number): number {
    return Math.floor((block * this.geometry.blockLength) / active.segmentBytes);
  }

  #leaveFree(active: ActivePiece, block: number, to: BlockState): void {
    active.blocks[block] = to;
    active.freeCount--;
    this.#freeBlocks--;
    if (active.freeCount === 0) this.#open.delete(active);
  }

  #enterFree(active: ActivePiece, block: number): void {
    active.blocks[block] = BlockState.free;
    active.freeCount++;
    this.#freeBlocks++;
    if (block < active.cursor) active.cursor = block;
    this.#open.add(active);
  }
}

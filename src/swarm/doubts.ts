import { addMs, type BtError, type Millis, NEVER } from '../base/index.ts';
import type { Content } from './content.ts';
import type { SwarmContext } from './context.ts';
import { isChange } from './disk-trouble.ts';
import { limits } from './limits.ts';
import { PieceState } from './piece-ledger.ts';
import { PieceCheck, type PieceExpectation } from './ports.ts';

/** Why a piece that was here is not relied on. */
type Doubt =
  /** The disk could not read it; it was verified, and nothing is known that has changed it. */
  | 'unread'
  /** The disk could not be asked whether it is there; nobody knows. */
  | 'unchecked'
  /** Somebody has changed, replaced or deleted a file that it lies in. */
  | 'changed'
  /** One of its files does not exist. */
  | 'missing';

export interface DoubtsOptions {
  readonly content: Content;
  /** These pieces are not here for the time being: peers have to be told, and nothing in memory is to be served. */
  readonly onDoubted: (pieces: readonly number[]) => void;
  /** It is as it was. */
  readonly onFound: (piece: number) => void;
  /** They are gone for good, and are to be fetched again. */
  readonly onLost: (pieces: readonly number[], error: BtError) => void;
  /** Nothing is being looked at any more. */
  readonly onQuiet: () => void;
  /** When `look` is due. */
  readonly lookAt: (at: Millis) => void;
}

/**
 * Pieces that were verified and that the disk does not give back as they were: a read failed, or a file was changed behind our back. They
 * are taken back, hashed in the background while all others are served, and found again or lost. What cannot be read now, and whose file is
 * missing (the disk may be unplugged), is looked for again and again: a file that is missing is no reason to fetch it anew.
 */
export class Doubts {
  readonly #ctx: SwarmContext;
  readonly #o: DoubtsOptions;
  /** By piece, in the order in which they are looked at. */
  readonly #doubts = new Map<number, Doubt>();
  /** Of these, the ones that are not to be looked at before the next try. */
  readonly #later = new Set<number>();
  /** Nothing may be looked at now. */
  isHeld = false;
  #asked: { first: number; left: number } | undefined;
  #error: BtError | undefined;

  constructor(ctx: SwarmContext, options: DoubtsOptions) {
    this.#ctx = ctx;
    this.#o = options;
  }

  /** What is wrong; undefined where nothing is. */
  get error(): BtError | undefined {
    return this.#error;
  }
  /** The disk is looking at some. */
  get isLooking(): boolean {
    return this.#asked !== undefined;
  }
  /** Verified pieces that the disk could not read: as far as is known they are as they were. */
  *unread(): Generator<number> {
    for (const [piece, doubt] of this.#doubts) if (doubt === 'unread') yield piece;
  }

  /** Reading or writing a piece has failed. A file that was changed puts all of its pieces in doubt, a failed read its own alone. */
  onTrouble(piece: number, error: BtError): void {
    const isForAll = isChange(error);
    const { ledger } = this.#o.content;
    const doubted: number[] = [];
    for (const p of isForAll ? this.#piecesOfFilesOf(piece) : [piece]) {
      const before = this.#doubts.get(p);
      if (ledger.state(p) === PieceState.have) {
        ledger.doubt(p);
        doubted.push(p);
      } else if (before === undefined) continue;
      this.#doubts.set(p, isForAll ? 'changed' : (before ?? 'unread'));
      if (isForAll) this.#later.delete(p);
      else this.#later.add(p);
    }
    if (doubted.length === 0) return;
    this.#ctx.tracer?.note?.(this.#ctx.now, 'doubted', { pieces: doubted.length, message: error.message });
    this.#tell(error);
    this.#o.onDoubted(doubted);
    if (isForAll) this.look();
    else this.#tryLater();
  }

  /** Pieces that could not be looked at when the torrent was opened. */
  adopt(pieces: readonly number[], error: BtError): void {
    const { ledger } = this.#o.content;
    for (const piece of pieces) {
      if (ledger.state(piece) !== PieceState.wanted) continue;
      ledger.doubt(piece);
      this.#doubts.set(piece, 'unchecked');
    }
    if (this.#doubts.size === 0) return;
    this.#tell(error);
    // The one that failed is tried later; those behind it were not tried.
    this.#later.add(this.#doubts.keys().next().value as number);
    this.look();
  }

  /** The next try: of what is missing, one piece a file tells whether it is back. */
  retry(): void {
    const files = new Set<number>();
    for (const piece of [...this.#later]) {
      if (this.#doubts.get(piece) === 'missing') {
        const file = this.#filesOf(piece)[0] ?? -1;
        if (files.has(file)) continue;
        files.add(file);
      }
      this.#later.delete(piece);
    }
    this.look();
  }

  /** Has the disk hash the next of them. */
  look(): void {
    if (this.#asked !== undefined || this.isHeld) return;
    for (const [first] of this.#doubts) {
      if (this.#later.has(first)) continue;
      const expect: PieceExpectation[] = [];
      for (let p = first; expect.length < limits.pool.doubtsAtOnce; p++) {
        if (!this.#doubts.has(p) || this.#later.has(p)) break;
        expect.push(this.#o.content.hashes.expectation(p) as PieceExpectation);
      }
      this.#asked = { first, left: expect.length };
      this.#ctx.host.ports.recheck(this.#ctx.torrent, first, expect);
      return;
    }
    if (this.#doubts.size > 0) this.#tryLater();
    else this.#error = undefined;
    this.#o.onQuiet();
  }

  onRechecked(first: number, good: Uint8Array, error: BtError | undefined): void {
    if (this.#asked === undefined) return;
    const lost: number[] = [];
    let hasFailed = false;
    for (let i = 0; i < good.length; i++) {
      const piece = first + i;
      if (!this.#doubts.has(piece)) continue;
      if (good[i] === PieceCheck.good) this.#found(piece);
      else if (good[i] === PieceCheck.bad) lost.push(piece);
      // What was never known to be here is not waited for.
      else if (good[i] === PieceCheck.missing && this.#doubts.get(piece) === 'unchecked') lost.push(piece);
      else if (good[i] === PieceCheck.missing) this.#wait(piece, 'missing');
      else if (error === undefined) this.#wait(piece, 'changed');
      else if (!hasFailed) {
        // Only the first was tried: those behind it get their turn at once.
        hasFailed = true;
        this.#wait(piece, this.#doubts.get(piece) as Doubt);
      }
    }
    const cause = error ?? this.#error;
    if (error !== undefined) this.#tell(error);
    if (lost.length > 0 && cause !== undefined) this.#lose(lost, cause);
    this.#asked.left -= good.length;
    if (this.#asked.left > 0) return;
    this.#asked = undefined;
    this.look();
  }

  /** All data is looked at anew, by others. */
  forget(): void {
    for (const piece of this.#doubts.keys()) this.#o.content.ledger.lost(piece);
    this.#doubts.clear();
    this.#later.clear();
    this.#error = undefined;
  }

  #found(piece: number): void {
    this.#stopMissing(piece);
    this.#drop(piece);
    this.#o.content.ledger.found(piece);
    this.#o.onFound(piece);
  }

  #lose(pieces: readonly number[], error: BtError): void {
    for (const piece of pieces) {
      this.#stopMissing(piece);
      this.#drop(piece);
      this.#o.content.ledger.lost(piece);
    }
    this.#o.onLost(pieces, error);
  }

  /**
   * A piece that was missing is good or bad now: its file is back, and the rest of it is there too. Once a file, since of a large one a
   * hundred thousand pieces are looked at.
   */
  #stopMissing(piece: number): void {
    if (this.#doubts.get(piece) !== 'missing') return;
    const file = this.#filesOf(piece)[0] ?? -1;
    for (const [p, doubt] of this.#doubts) {
      if (doubt !== 'missing' || this.#filesOf(p)[0] !== file) continue;
      this.#doubts.set(p, 'changed');
      this.#later.delete(p);
    }
  }

  #drop(piece: number): void {
    this.#doubts.delete(piece);
    this.#later.delete(piece);
  }

  #wait(piece: number, doubt: Doubt): void {
    // Behind the others, so that each gets its turn.
    this.#doubts.delete(piece);
    this.#doubts.set(piece, doubt);
    this.#later.add(piece);
  }

  #tryLater(): void {
    this.#o.lookAt(this.#doubts.size > 0 ? addMs(this.#ctx.now, limits.pool.diskRetryMs) : NEVER);
  }

  #tell(error: BtError): void {
    const { host, torrent } = this.#ctx;
    const isNew = this.#error === undefined;
    this.#error = error;
    if (isNew) host.emit({ type: 'waiting', torrent, error });
  }

  #filesOf(piece: number): number[] {
    return this.#o.content.filesOf(piece);
  }

  #piecesOfFilesOf(piece: number): Set<number> {
    const pieces = new Set<number>();
    for (const file of this.#filesOf(piece)) {
      const { first, end } = this.#o.content.geometry.filePieces(file);
      for (let p = first; p < end; p++) pieces.add(p);
    }
    return pieces;
  }
}

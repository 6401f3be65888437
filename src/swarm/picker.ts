import { assert, type Bitfield, type ConnId, type Millis, type Rng } from '../base/index.ts';
import type { PickReason } from '../trace/index.ts';
import { PickerOrder } from './picker-order.ts';
import { type ActivePiece, BlockState, type PieceLedger, PieceState } from './piece-ledger.ts';
import type { PickPolicy } from './policies.ts';

/** What the picker may know of a peer. */
export interface PickerPeer {
  readonly conn: ConnId;
  /** Key for blame; compared with ActivePiece.exclusiveTo. */
  readonly key: string;
  readonly have: Bitfield;
  /** Pieces it has rejected lately although it has them and does not choke us; undefined = none. */
  readonly refused: ReadonlySet<number> | undefined;
  readonly peerChoking: boolean;
  /** Pieces the peer answers for while choking us; undefined where there are none. */
  readonly allowedFast: ReadonlySet<number> | undefined;
  /** The piece its last block was from. */
  current: ActivePiece | undefined;
  hasAsked(piece: number, block: number): boolean;
}

/** Where the picker puts its answer: one object, used again and again. */
export interface Pick {
  active: ActivePiece | undefined;
  block: number;
  reason: PickReason;
  rarity: number;
  /** Equally good choices. */
  candidates: number;
}

/** One line of `explain`. */
export interface PickCandidate {
  readonly piece: number;
  readonly reason: PickReason;
  readonly rarity: number;
  readonly freeBlocks: number;
}

export interface PickerOptions {
  readonly ledger: PieceLedger;
  readonly rng: Rng;
  /** False while it is not known what the piece must hash to (BEP 52 layers still to come). */
  readonly isVerifiable: (piece: number) => boolean;
  /** Buffer room for one more piece; false = finish what was begun before starting more. */
  readonly mayStart: (piece: number) => boolean;
  readonly start: (piece: number) => ActivePiece;
  /** Pieces that shall have one author (blame); undefined: none. */
  readonly onParole: (piece: number) => boolean;
  readonly policy: PickPolicy;
  /** Open requests for one block in end-game. */
  readonly endGameAskersMax: number;
}

/**
 * Chooses the next block to ask a peer for. In order: go on with the piece this peer works on; finish pieces that were begun; begin a new
 * piece, in the order of the policy (the rarest first, random while we have almost nothing); and when every block is asked of somebody,
 * ask a second peer (end-game).
 *
 * What it looks at: does the peer have the piece · may we ask it (choke, allowed-fast) · is the piece wanted and missing · is there a
 * free block · is there a buffer · is the piece reserved for another peer (parole) · did we ask this peer for the block already.
 */
export class Picker {
  readonly order: PickerOrder;
  readonly #o: PickerOptions;
  /** No piece below this one can be begun. */
  #lowest = 0;
  /** Peers that have every piece: they change no order, so they are counted apart. */
  seeds = 0;
  /** Pieces a reader waits for, in its order: begun before any other. */
  urgent: readonly number[] = [];

  constructor(options: PickerOptions) {
    this.#o = options;
    this.order = new PickerOrder(options.ledger.geometry.pieceCount, options.rng);
    // Random base order: what was added later lands at random places of its bucket.
    const pieces = Array.from({ length: options.ledger.geometry.pieceCount }, (_, i) => i);
    for (const piece of options.rng.shuffle(pieces)) {
      if (options.ledger.state(piece) === PieceState.wanted) this.order.add(piece);
    }
  }

  /** Peers that have the piece, seeds included. */
  availability(piece: number): number {
    return this.order.rarity(piece) + this.seeds;
  }

  /** Brings the whole order in step with the ledger: after what is on disk has been looked at. */
  refresh(): void {
    for (let piece = 0; piece < this.#o.ledger.geometry.pieceCount; piece++) this.pieceMoved(piece);
  }

  /** Keeps the order in step after the ledger moved a piece. */
  pieceMoved(piece: number): void {
    const startable = this.#o.ledger.state(piece) === PieceState.wanted;
    if (startable && !this.order.has(piece)) {
      this.order.add(piece);
      if (piece < this.#lowest) this.#lowest = piece;
    } else if (!startable && this.order.has(piece)) this.order.remove(piece);
  }

  /**
   * Fills `out` with the next block to ask `peer` for. The caller asks for it in the ledger before it picks again.
   * @returns false where there is nothing to ask this peer for now
   */
  pick(peer: PickerPeer, out: Pick): boolean {
    if (peer.peerChoking) return this.#pickAllowedFast(peer, out);
    return this.#pickCurrent(peer, out) || this.#pickOpen(peer, out) || this.#pickNew(peer, out);
  }

  /**
   * A block that somebody else owes us and that is late: all others will mostly come by themselves, and a second copy would be waste.
   * What was asked of as many as may be, and last before `owedBefore`, is asked of one more: they may be in league.
   */
  pickEndGame(
    peer: PickerPeer,
    out: Pick,
    { isLate, owedBefore }: { isLate: (piece: number, block: number) => boolean; owedBefore: Millis },
  ): boolean {
    if (this.#o.endGameAskersMax < 2) return false;
    if (peer.peerChoking) return false;
    let best: ActivePiece | undefined;
    let bestBlock = -1;
    let seen = 0;
    for (const active of this.#o.ledger.actives) {
      if (this.#o.ledger.state(active.piece) !== PieceState.active || !this.mayAsk(peer, active)) continue;
      if (active.exclusiveTo !== undefined) continue;
      for (let b = 0; b < active.blocks.length; b++) {
        const s = active.blocks[b] as number;
        if (s !== BlockState.asked && s !== BlockState.arriving) continue;
        if (!isLate(active.piece, b) || peer.hasAsked(active.piece, b)) continue;
        // Whoever is sending it has no open request for it any more.
        const owed = (active.askers[b] as number) + (s === BlockState.arriving ? 1 : 0);
        if (owed >= this.#o.endGameAskersMax && (active.askedAt[b] as number) > owedBefore) continue;
        // Reservoir sampling: every candidate is equally likely, so peers spread over the last blocks.
        if (this.#o.rng.below(++seen) === 0) {
          best = active;
          bestBlock = b;
        }
      }
    }
    if (best === undefined) return false;
    return this.#answer(out, { active: best, block: bestBlock, reason: 'end-game', candidates: seen });
  }

  /** The full ranking for a peer, best first: slow, pure, for people. The first line is what `pick` would choose from. */
  explain(peer: PickerPeer, limit: number): PickCandidate[] {
    const out: PickCandidate[] = [];
    const line = (piece: number, reason: PickReason, freeBlocks: number) =>
      out.push({ piece, reason, rarity: this.availability(piece), freeBlocks });
    if (peer.peerChoking) {
      for (const piece of peer.allowedFast ?? []) {
        const active = this.#o.ledger.active(piece);
        const isOpen = active !== undefined && this.#isOpenTo(peer, active);
        const isNew = this.order.has(piece) && canGive(peer, piece) && this.#o.isVerifiable(piece);
        if (isOpen || isNew)
          line(piece, 'allowed-fast', active?.freeCount ?? this.#o.ledger.geometry.blockCount(piece));
      }
      return out.slice(0, limit);
    }
    const current = peer.current;
    if (current !== undefined && this.#isOpenTo(peer, current)) {
      line(current.piece, 'same-piece', current.freeCount);
    }
    const open = [...this.#o.ledger.open].filter((a) => a !== current && this.#isOpenTo(peer, a));
    open.sort((a, b) => this.#compareOpen(a, b));
    for (const a of open) line(a.piece, 'resume-partial', a.freeCount);
    for (const piece of this.urgent) {
      if (!this.order.has(piece) || !canGive(peer, piece) || !this.#o.isVerifiable(piece)) continue;
      line(piece, 'deadline', this.#o.ledger.geometry.blockCount(piece));
    }
    const reason = this.#isRandom ? 'random-first' : this.#o.policy.order;
    const isInOrder = reason === 'sequential';
    const count = isInOrder ? this.#o.ledger.geometry.pieceCount : this.order.size;
    for (let rank = 0; rank < count && out.length < limit; rank++) {
      const piece = isInOrder ? rank : this.order.pieceAt(rank);
      if (!this.order.has(piece) || !canGive(peer, piece) || !this.#o.isVerifiable(piece)) continue;
      line(piece, reason, this.#o.ledger.geometry.blockCount(piece));
    }
    return out.slice(0, limit);
  }

  assertInvariants(): void {
    this.order.assertInvariants();
    for (let p = 0; p < this.#o.ledger.geometry.pieceCount; p++) {
      assert(
        this.order.has(p) === (this.#o.ledger.state(p) === PieceState.wanted),
        'the order holds what can be started',
      );
    }
  }

  get #isRandom(): boolean {
    return this.#o.ledger.have.count < this.#o.policy.randomFirstPieces;
  }

  #pickCurrent(peer: PickerPeer, out: Pick): boolean {
    const active = peer.current;
    if (active === undefined || active.freeCount === 0 || !this.#isOpenTo(peer, active)) return false;
    return this.#answer(out, { active, block: active.nextFree(), reason: 'same-piece', candidates: 1 });
  }

  #pickOpen(peer: PickerPeer, out: Pick): boolean {
    let best: ActivePiece | undefined;
    let candidates = 0;
    for (const active of this.#o.ledger.open) {
      if (!this.#isOpenTo(peer, active)) continue;
      candidates++;
      if (best === undefined || this.#compareOpen(active, best) < 0) best = active;
    }
    if (best === undefined) return false;
    return this.#answer(out, { active: best, block: best.nextFree(), reason: 'resume-partial', candidates });
  }

  #pickNew(peer: PickerPeer, out: Pick): boolean {
    const size = this.order.size;
    if (size === 0) return false;
    if (this.urgent.length > 0 && this.#pickUrgent(peer, out)) return true;
    const random = this.#isRandom;
    if (!random && this.#o.policy.order === 'sequential') return this.#pickNext(peer, out);
    const rank = random ? this.#findFrom(peer, this.#o.rng.below(size)) : this.#findRarest(peer);
    if (rank < 0) return false;
    const piece = this.order.pieceAt(rank);
    if (!this.#o.mayStart(piece)) return false;
    const candidates = random ? size : this.order.bucketSizeAt(rank);
    const active = this.#start(peer, piece);
    const isReserved = active.exclusiveTo !== undefined;
    const reason: PickReason = isReserved ? 'parole' : random ? 'random-first' : 'rarest';
    return this.#answer(out, { active, block: active.nextFree(), reason, candidates });
  }

  /** @returns the rank of the first piece at `from` or behind it, in a ring, that can be begun with this peer; -1: there is none */
  #findFrom(peer: PickerPeer, from: number): number {
    const { size } = this.order;
    for (let i = 0; i < size; i++) {
      const rank = from + i < size ? from + i : from + i - size;
      if (this.#canBegin(peer, this.order.pieceAt(rank))) return rank;
    }
    return -1;
  }

  /**
   * The same of the rarest. Mostly it is among the first that anybody but a seed has; where it is not, what the peer has is walked and not all
   * that others have: a peer with little would cost a look at the whole torrent for every piece.
   */
  #findRarest(peer: PickerPeer): number {
    const { size, pieces } = this.order;
    const { have } = peer;
    let rank = have.isFull ? 0 : this.order.firstHad;
    for (const end = Math.min(size, rank + glance); rank < end; rank++) {
      if (this.#canBegin(peer, this.order.pieceAt(rank))) return rank;
    }
    if (rank === size) return -1;
    let best = -1;
    for (let piece = pieces.nextShared(have, 0); piece >= 0; piece = pieces.nextShared(have, piece + 1)) {
      const at = this.order.rankOf(piece);
      if ((best < 0 || at < best) && this.#canBegin(peer, piece)) best = at;
    }
    return best;
  }

  #canBegin(peer: PickerPeer, piece: number): boolean {
    return canGive(peer, piece) && this.#o.isVerifiable(piece);
  }

  /** The first piece that can be begun and that the peer has. */
  #pickNext(peer: PickerPeer, out: Pick): boolean {
    const { pieces } = this.order;
    this.#lowest = Math.max(this.#lowest, pieces.nextSet(this.#lowest));
    for (let piece = pieces.nextShared(peer.have, this.#lowest); ; piece = pieces.nextShared(peer.have, piece + 1)) {
      if (piece < 0) return false;
      if (!this.#canBegin(peer, piece)) continue;
      if (!this.#o.mayStart(piece)) return false;
      const active = this.#start(peer, piece);
      const reason: PickReason = active.exclusiveTo === undefined ? 'sequential' : 'parole';
      return this.#answer(out, { active, block: active.nextFree(), reason, candidates: 1 });
    }
  }

  #pickUrgent(peer: PickerPeer, out: Pick): boolean {
    for (const piece of this.urgent) {
      if (!this.order.has(piece) || !canGive(peer, piece) || !this.#o.isVerifiable(piece)) continue;
      if (!this.#o.mayStart(piece)) return false;
      const active = this.#start(peer, piece);
      return this.#answer(out, {
        active,
        block: active.nextFree(),
        reason: 'deadline',
        candidates: this.urgent.length,
      });
    }
    return false;
  }

  /** Begins a piece; one on parole is this peer's alone. */
  #start(peer: PickerPeer, piece: number): ActivePiece {
    const active = this.#o.start(piece);
    if (this.#o.onParole(piece)) active.exclusiveTo = peer.key;
    return active;
  }

  #pickAllowedFast(peer: PickerPeer, out: Pick): boolean {
    if (peer.allowedFast === undefined) return false;
    for (const piece of peer.allowedFast) {
      if (!canGive(peer, piece)) continue;
      const active = this.#o.ledger.active(piece);
      if (active !== undefined && active.freeCount > 0 && this.#isOpenTo(peer, active)) {
        return this.#answer(out, {
          active,
          block: active.nextFree(),
          reason: 'allowed-fast',
          candidates: peer.allowedFast.size,
        });
      }
      if (this.order.has(piece) && this.#o.isVerifiable(piece) && this.#o.mayStart(piece)) {
        const started = this.#start(peer, piece);
        return this.#answer(out, { active: started, block: started.nextFree(), reason: 'allowed-fast', candidates: 1 });
      }
    }
    return false;
  }

  /** The peer has the piece and would answer. */
  mayAsk(peer: PickerPeer, active: ActivePiece): boolean {
    return canGive(peer, active.piece) && (!peer.peerChoking || peer.allowedFast?.has(active.piece) === true);
  }

  #isOpenTo(peer: PickerPeer, active: ActivePiece): boolean {
    if (this.#o.ledger.state(active.piece) !== PieceState.active || active.freeCount === 0) return false;
    return this.mayAsk(peer, active) && (active.exclusiveTo === undefined || active.exclusiveTo === peer.key);
  }

  /** Nearest to complete first, then rarest, then lowest index: a total order, shared with `explain`. */
  #compareOpen(a: ActivePiece, b: ActivePiece): number {
    return a.freeCount - b.freeCount || this.order.rarity(a.piece) - this.order.rarity(b.piece) || a.piece - b.piece;
  }

  #answer(out: Pick, x: { active: ActivePiece; block: number; reason: PickReason; candidates: number }): boolean {
    out.active = x.active;
    out.block = x.block;
    out.reason = x.reason;
    out.rarity = this.availability(x.active.piece);
    out.candidates = x.candidates;
    return true;
  }
}

/** Pieces of the order that are looked at before what the peer has is. */
const glance = 64;

function canGive(peer: PickerPeer, piece: number): boolean {
  return peer.have.has(piece) && peer.refused?.has(piece) !== true;
}

// Hot path: self
import { addMs, type Millis } from '../base/index.ts';
import { BLOCK_LENGTH, type Geometry } from '../metainfo/index.ts';
import { pickReasons } from '../trace/index.ts';
import { encodeRequests } from '../wire/index.ts';
import type { BlockKeys } from './block-keys.ts';
import type { SwarmContext } from './context.ts';
import { limits } from './limits.ts';
import type { Peer } from './peer.ts';
import type { Pick as Picked, Picker } from './picker.ts';
import type { PieceDesk } from './piece-desk.ts';
import type { ActivePiece, PieceLedger } from './piece-ledger.ts';
import type { EndGamePolicy } from './policies.ts';

export interface AskerOptions {
  readonly geometry: Geometry;
  readonly keys: BlockKeys;
  readonly ledger: PieceLedger;
  readonly picker: Picker;
  readonly desk: PieceDesk;
  /** Payload bytes that came, and what of them came twice: as they are now. */
  readonly counts: { readonly payloadBytes: number; readonly duplicateBytes: number };
  readonly policy: EndGamePolicy;
}

/** Opens requests: how many a peer gets and when, what of it the picker says, and, near the end, what others owe for long. */
export class Asker {
  readonly #ctx: SwarmContext;
  readonly #geometry: Geometry;
  readonly #keys: BlockKeys;
  readonly #ledger: PieceLedger;
  readonly #picker: Picker;
  readonly #desk: PieceDesk;
  readonly #counts: AskerOptions['counts'];
  readonly #endGame: EndGamePolicy;
  readonly #pick: Picked = { active: undefined, block: 0, reason: 'rarest', rarity: 0, candidates: 0 };
  readonly #triples: Uint32Array = new Uint32Array(limits.requests.max * 3);
  /** Raised whenever something that could be asked for appears: peers that had nothing to be asked for are looked at again. */
  #epoch = 0;

  constructor(ctx: SwarmContext, options: AskerOptions) {
    this.#ctx = ctx;
    this.#geometry = options.geometry;
    this.#keys = options.keys;
    this.#ledger = options.ledger;
    this.#picker = options.picker;
    this.#desk = options.desk;
    this.#counts = options.counts;
    this.#endGame = options.policy;
  }

  /** Something that can be asked for may have appeared. */
  wakeAll(): void {
    this.#epoch++;
    this.#ctx.allHungry();
  }

  /** Tops up the peer's requests. Called at the end of a turn for peers that may need it. */
  fill(peer: Peer): void {
    if (this.#desk.isHalted || peer.isClosed || peer.dryAt === this.#epoch) return;
    if (peer.usefulPieces === 0 || (peer.peerChoking && peer.allowedFast === undefined)) return;
    const room = peer.pipeline.depth - peer.outstanding.size;
    if (room < peer.pipeline.batch) return;
    let count = 0;
    while (count < room) {
      if (!this.#picker.pick(peer, this.#pick)) {
        count += this.#fillEndGame(peer, count);
        break;
      }
      if (!this.#ask(peer, count)) break;
      count++;
    }
    // Nothing came of it: not asked again until something changes, so that a peer with nothing costs nothing.
    if (count === 0 && peer.outstanding.size === 0) peer.dryAt = this.#epoch;
    if (count > 0) this.#ctx.send(peer, encodeRequests(this.#triples.subarray(0, count * 3)));
  }

  /**
   * End-game: all is asked for, so what others owe is asked for too. Before that, who has nothing else to do is asked for what has been
   * owed for long: whoever takes requests and stays silent must not keep pieces, and their buffers, from those who would send.
   */
  #fillEndGame(peer: Peer, already: number): number {
    const { now } = this.#ctx;
    if (peer.outstanding.size > this.#endGame.idleMax) return 0;
    if (!this.#ledger.isAllAsked) {
      if (now - peer.soughtOwedAt < limits.peer.tickMs) return 0;
      peer.soughtOwedAt = now;
    }
    // Who has sent nothing lately is no help while others do: those who owe would be asked for what their fellows owe.
    if (!isLively(peer, now) && this.#hasLively(now)) return 0;
    const late = this.#lateBlocks(peer, this.#ledger.isAllAsked ? this.#endGame.waitMs : limits.requests.owedMs);
    if (late.size === 0) return 0;
    const when = {
      isLate: (piece: number, block: number) => late.has(this.#keys.of(piece, block)),
      owedBefore: addMs(now, -limits.requests.owedMs),
    };
    let count = 0;
    const most = peer.snubbed ? 1 : this.#endGame.batch;
    while (count < most && already + count < limits.requests.max && this.#picker.pickEndGame(peer, this.#pick, when)) {
      if (!this.#ask(peer, already + count)) break;
      count++;
    }
    return count;
  }

  #hasLively(now: Millis): boolean {
    for (const peer of this.#ctx.peers.values()) if (isLively(peer, now)) return true;
    return false;
  }

  /**
   * What others than `peer` have owed us for longer than their blocks take usually, while none comes of them.
   *
   * @param waitMs in which nothing is late yet
   */
  #lateBlocks(peer: Peer, waitMs: number): Set<number> {
    const { now } = this.#ctx;
    const { payloadBytes, duplicateBytes } = this.#counts;
    const patience = this.#endGame.patience * (1 + (this.#endGame.regret * duplicateBytes) / (payloadBytes + 1));
    // Who is slower than this is snubbed.
    const lateMs = (usualMs: number) => Math.max(waitMs, Math.min(patience * usualMs, limits.requests.snubMs));
    const late = new Set<number>();
    for (const other of this.#ctx.peers.values()) {
      const { gapMs, usualMs } = other.pipeline;
      if (other === peer || now - other.waitingSince < lateMs(gapMs)) continue;
      for (const [key, askedAt] of other.outstanding) {
        // In the order of asking.
        if (now - askedAt < lateMs(usualMs)) break;
        late.add(key);
      }
      const { active, block } = other.arrival;
      if (active !== undefined) late.add(this.#keys.of(active.piece, block));
    }
    return late;
  }

  /** Asks `peer` for what was picked. @returns false where there is no buffer for it */
  #ask(peer: Peer, index: number): boolean {
    const { block, reason, rarity, candidates } = this.#pick;
    const active = this.#pick.active as ActivePiece;
    if (!this.#desk.hasBuffer(active, block)) return false;
    const now = this.#ctx.now;
    if (this.#ctx.tracer !== undefined) {
      if (peer.current !== active || reason === 'end-game') {
        this.#ctx.tracer.pick?.(now, peer.conn, active.piece, pickReasons[reason], rarity, candidates);
      }
      const length = this.#geometry.blockBytes(active.piece, block);
      this.#ctx.tracer.request?.(now, peer.conn, active.piece, block * BLOCK_LENGTH, length);
    }
    this.#ledger.ask(active, block, now);
    if (peer.outstanding.size === 0) peer.waitingSince = now;
    const key = this.#keys.of(active.piece, block);
    peer.asked(key, now);
    peer.current = active;
    this.#triples[index * 3] = active.piece;
    this.#triples[index * 3 + 1] = block * BLOCK_LENGTH;
    this.#triples[index * 3 + 2] = this.#geometry.blockBytes(active.piece, block);
    return true;
  }
}

/** Sends what it is asked for, now or a moment ago. */
export function isLively(peer: Peer, now: Millis): boolean {
  const hasSent = peer.lastBlockAt !== undefined && now - peer.lastBlockAt < limits.requests.owedMs;
  return hasSent && !peer.snubbed && !peer.peerChoking;
}

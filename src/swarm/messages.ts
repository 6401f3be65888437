import { Bitfield, BtError, unreachable } from '../base/index.ts';
import { directions, wireKinds } from '../trace/index.ts';
import type { PeerMessage, PeerMessageSink } from '../wire/index.ts';
import { isFlood, type SwarmContext } from './context.ts';
import { limits } from './limits.ts';
import type { Peer } from './peer.ts';

/** What the messages of a peer can cause; implemented by `Peering`. One method a cause, so that this list is the protocol's table of contents. */
export interface MessageEffects {
  /** Undefined until the info dictionary is known (BEP 9). */
  readonly pieceCount: number | undefined;
  onChoke(peer: Peer, choking: boolean): void;
  onInterest(peer: Peer, interested: boolean): void;
  onHave(peer: Peer, piece: number): void;
  /** The peer's first word about what it has. `have` is ours to keep. */
  onHaves(peer: Peer, have: Bitfield): void;
  onRequest(peer: Peer, ref: { piece: number; begin: number; length: number }): void;
  onCancel(peer: Peer, ref: { piece: number; begin: number; length: number }): void;
  onReject(peer: Peer, ref: { piece: number; begin: number; length: number }): void;
  onAllowedFast(peer: Peer, piece: number): void;
  onExtended(peer: Peer, id: number, payload: Uint8Array): void;
  onHashes(peer: Peer, message: PeerMessage & { kind: 'hash-request' | 'hashes' | 'hash-reject' }): void;
  onBlockStart(peer: Peer, piece: number, begin: number, length: number): void;
  onBlockBytes(peer: Peer, bytes: Uint8Array): void;
  onBlockEnd(peer: Peer): void;
}

/**
 * Turns the messages of one peer into effects, and breaches of the protocol into the end of the connection: misbehaviour of others is data
 * with a reason, never an exception that travels.
 */
export class PeerMessages implements PeerMessageSink {
  readonly #ctx: SwarmContext;
  readonly #peer: Peer;
  readonly #to: MessageEffects;

  constructor(ctx: SwarmContext, peer: Peer, effects: MessageEffects) {
    this.#ctx = ctx;
    this.#peer = peer;
    this.#to = effects;
  }

  /** @param bytes borrowed */
  push(bytes: Uint8Array): void {
    const peer = this.#peer;
    peer.lastReceivedAt = this.#ctx.now;
    try {
      peer.decoder.push(bytes, this);
    } catch (error) {
      // Only a codec's complaint is the peer's fault; anything else is ours and must be seen.
      if (!BtError.is(error)) throw error;
      this.#drop('peer/bad-message', error.message);
    }
  }

  onBlockStart(piece: number, begin: number, length: number): void {
    this.#ctx.tracer?.wire?.(this.#ctx.now, this.#peer.conn, directions.in, wireKinds.piece, piece, begin, length);
    this.#to.onBlockStart(this.#peer, piece, begin, length);
  }

  onBlockBytes(bytes: Uint8Array): void {
    this.#to.onBlockBytes(this.#peer, bytes);
  }

  onBlockEnd(): void {
    this.#to.onBlockEnd(this.#peer);
  }

  onMessage(message: PeerMessage): void {
    // Requests are bounded by their queue and come by the ten thousand from a fast peer; before there is a queue nobody needs so many.
    const isQueued = message.kind === 'request' && this.#to.pieceCount !== undefined;
    if (!isQueued && isFlood(this.#ctx, this.#peer)) return;
    const peer = this.#peer;
    this.#trace(message);
    switch (message.kind) {
      case 'keep-alive':
      case 'port':
      case 'suggest':
      case 'unknown':
        return;
      case 'choke':
        return this.#to.onChoke(peer, true);
      case 'unchoke':
        return this.#to.onChoke(peer, false);
      case 'interested':
        return this.#to.onInterest(peer, true);
      case 'not-interested':
        return this.#to.onInterest(peer, false);
      case 'have':
        return this.#have(message.piece);
      case 'bitfield':
        return this.#bitfield(message.bits);
      case 'have-all':
      case 'have-none':
        return this.#haveAllOrNone(message.kind === 'have-all');
      case 'request':
        return this.#to.pieceCount === undefined ? undefined : this.#to.onRequest(peer, message);
      case 'cancel':
        return this.#to.onCancel(peer, message);
      case 'reject':
        return this.#fast() ? this.#to.onReject(peer, message) : undefined;
      case 'allowed-fast':
        return this.#fast() ? this.#to.onAllowedFast(peer, message.piece) : undefined;
      case 'extended':
        return this.#to.onExtended(peer, message.id, message.payload);
      case 'hash-request':
      case 'hashes':
      case 'hash-reject':
        return this.#to.onHashes(peer, message);
      default:
        return unreachable(message);
    }
  }

  #have(piece: number): void {
    const peer = this.#peer;
    peer.hasSpokenOfPieces = true;
    const count = this.#to.pieceCount;
    if (count === undefined) {
      const early = this.#early();
      if (early.pieces.size < limits.peer.earlyHavesMax) early.pieces.add(piece);
      return;
    }
    if (piece >= count) this.#drop('peer/bad-have', `piece ${piece} of ${count}`);
    else this.#to.onHave(peer, piece);
  }

  /** aria2 1.36 sends a bitfield in place of many HAVEs: one that is not the first word about pieces says what is new. */
  #bitfield(bits: Uint8Array): void {
    const peer = this.#peer;
    const isFirst = !peer.hasSpokenOfPieces;
    peer.hasSpokenOfPieces = true;
    const count = this.#to.pieceCount;
    if (count === undefined) {
      this.#early().bits = bits.slice();
      return;
    }
    const have = Bitfield.fromBytes(count, bits);
    if (have === undefined)
      this.#drop('peer/bad-bitfield', `${bits.length} bytes for ${count} pieces, or spare bits set`);
    else if (isFirst) this.#to.onHaves(peer, have);
    else {
      // Only what is new is walked: the same one again and again must cost no more than its bytes.
      for (const piece of have.without(peer.have)) {
        this.#to.onHave(peer, piece);
        if (peer.isClosed) return;
      }
    }
  }

  #haveAllOrNone(all: boolean): void {
    if (!this.#fast() || !this.#first(all ? 'have-all' : 'have-none')) return;
    const count = this.#to.pieceCount;
    if (count === undefined) {
      this.#early().all = all;
      return;
    }
    this.#to.onHaves(this.#peer, all ? Bitfield.full(count) : new Bitfield(count));
  }

  #early(): NonNullable<Peer['early']> {
    this.#peer.early ??= { bits: undefined, all: false, pieces: new Set() };
    return this.#peer.early;
  }

  /** BEP 6: have-all or have-none only comes before any other word about pieces. */
  #first(what: string): boolean {
    if (!this.#peer.hasSpokenOfPieces) {
      this.#peer.hasSpokenOfPieces = true;
      return true;
    }
    this.#drop('peer/late-bitfield', `${what} after other messages about pieces`);
    return false;
  }

  #fast(): boolean {
    if (this.#peer.flags.fast) return true;
    this.#drop('peer/not-negotiated', 'a message of the fast extension that was not agreed on');
    return false;
  }

  #drop(code: string, detail: string): void {
    this.#ctx.drop(this.#peer, { code, detail });
  }

  #trace(m: PeerMessage): void {
    const wire = this.#ctx.tracer?.wire;
    if (wire === undefined) return;
    const at = (kind: number, a = 0, b = 0, c = 0) =>
      wire.call(this.#ctx.tracer, this.#ctx.now, this.#peer.conn, directions.in, kind, a, b, c);
    switch (m.kind) {
      case 'have':
      case 'suggest':
      case 'allowed-fast':
        return at(wireKinds[m.kind], m.piece);
      case 'request':
      case 'cancel':
      case 'reject':
        return at(wireKinds[m.kind], m.piece, m.begin, m.length);
      case 'bitfield':
        return at(wireKinds.bitfield, m.bits.length);
      case 'extended':
        return at(wireKinds.extended, m.id, m.payload.length);
      case 'hash-request':
      case 'hashes':
      case 'hash-reject':
        return at(wireKinds[m.kind], m.baseLayer, m.index, m.length);
      case 'port':
        return at(wireKinds.port, m.port);
      case 'unknown':
        return at(m.id);
      default:
        return at(wireKinds[m.kind]);
    }
  }
}

import { assert, Bitfield, type ConnId, type Rng } from '../base/index.ts';
import { allowedFastSet, encodeMessage, type PeerMessage } from '../wire/index.ts';
import type { ChokerPeer } from './choke-policy.ts';
import { ChokeChanges, Choker } from './choker.ts';
import type { SwarmContext } from './context.ts';
import type { Downloader } from './downloader.ts';
import { limits } from './limits.ts';
import type { Peer } from './peer.ts';
import type { PieceLedger } from './piece-ledger.ts';
import type { Policies } from './policies.ts';
import type { Uploader } from './uploader.ts';

export interface ExchangeOptions {
  readonly ledger: PieceLedger;
  readonly downloader: Downloader;
  readonly uploader: Uploader;
  readonly rng: Rng;
  readonly policies: Pick<Policies, 'choker' | 'seedChoker' | 'slots' | 'allowedFastPieces'>;
  /** Info-hash as handshakes carry it: for allowed-fast sets. */
  readonly swarmKey: Uint8Array;
  /** Whom we learnt to be a seed is not dialled again while we seed. */
  readonly onSeed: (peer: Peer, seed: boolean) => void;
}

/**
 * Keeps the relation to each peer: who has what, who is interested in whom, who is choked. Tells the downloader when a peer became
 * useful, and the uploader when one lost its slot.
 */
export class Exchange {
  readonly #ctx: SwarmContext;
  readonly #o: ExchangeOptions;
  readonly #choker: Choker;
  readonly #changes = new ChokeChanges();
  /** Somebody waits for a slot, or one fell free: looked at before the turn ends. */
  #slotsMoved = false;
  #active = false;
  #bestUpload = 0;

  constructor(ctx: SwarmContext, options: ExchangeOptions) {
    this.#ctx = ctx;
    this.#o = options;
    const { choker, seedChoker, slots } = options.policies;
    this.#choker = new Choker({
      slots: slots({ limitBytesPerSec: undefined, measuredBytesPerSec: 0 }),
      rng: options.rng,
      choker,
      seedChoker,
    });
  }

  /** Begins to act: what is on disk is known. */
  start(): void {
    this.#active = true;
    for (const peer of this.#ctx.peers.values()) this.#updateInterest(peer);
    this.#slotsMoved = true;
  }

  // --- what peers have ---

  /** First words after the handshake: what we have, and what the peer may fetch while choked. */
  greet(peer: Peer): void {
    const have = this.#o.ledger.have;
    if (peer.flags.fast && have.isFull) this.#ctx.send(peer, encodeMessage({ kind: 'have-all' }));
    else if (peer.flags.fast && have.isEmpty) this.#ctx.send(peer, encodeMessage({ kind: 'have-none' }));
    else if (!have.isEmpty) this.#ctx.send(peer, encodeMessage({ kind: 'bitfield', bits: have.toBytes() }));
    if (peer.flags.fast) this.#grantFast(peer);
  }

  /** A peer that was here before the metadata: its words about pieces can be read now. */
  adopt(peer: Peer, pieceCount: number): void {
    peer.have = new Bitfield(pieceCount);
    const early = peer.early;
    peer.early = undefined;
    if (early === undefined) return;
    let have: Bitfield | undefined = new Bitfield(pieceCount);
    if (early.all) have = Bitfield.full(pieceCount);
    else if (early.bits !== undefined) have = Bitfield.fromBytes(pieceCount, early.bits);
    const bad = have === undefined || [...early.pieces].some((p) => p >= pieceCount);
    if (have === undefined || bad) {
      this.#ctx.drop(peer, { code: 'peer/bad-bitfield', detail: `what it has does not fit ${pieceCount} pieces` });
      return;
    }
    for (const p of early.pieces) have.set(p);
    this.onHaves(peer, have);
  }

  onHaves(peer: Peer, have: Bitfield): void {
    const picker = this.#o.downloader.picker;
    // Under BEP 6 allowed-fast may come before: nothing was counted yet either way.
    assert(peer.have.isEmpty, 'the first word about pieces comes first');
    peer.have = have;
    peer.wasSeed = have.isFull;
    if (have.isFull) {
      peer.countedAsSeed = true;
      picker.seeds++;
      peer.usefulPieces = this.#o.ledger.wantedMissing;
    } else {
      for (const piece of have) {
        picker.order.increment(piece);
        if (this.#o.ledger.isMissing(piece)) peer.usefulPieces++;
      }
    }
    this.#learnt(peer);
  }

  onHave(peer: Peer, piece: number): void {
    if (!peer.have.set(piece)) return;
    // It has it again, after it took it back: that it gave none before is over.
    peer.refused?.delete(piece);
    this.#o.downloader.picker.order.increment(piece);
    if (this.#o.ledger.isMissing(piece)) peer.usefulPieces++;
    this.#learnt(peer);
  }

  /** BEP 54. */
  onDontHave(peer: Peer, piece: number): void {
    if (piece >= peer.have.size || !peer.have.clear(piece)) return;
    const picker = this.#o.downloader.picker;
    if (peer.countedAsSeed) {
      peer.countedAsSeed = false;
      picker.seeds--;
      for (const p of peer.have) picker.order.increment(p);
    } else picker.order.decrement(piece);
    if (this.#o.ledger.isMissing(piece)) peer.usefulPieces--;
    this.#updateInterest(peer);
    // As long as it had the piece, it may not have been told that we have it too.
    if (this.#o.ledger.have.has(piece)) this.#ctx.send(peer, encodeMessage({ kind: 'have', piece }));
  }

  onUploadOnly(peer: Peer, isUploadOnly: boolean): void {
    peer.uploadOnly = isUploadOnly;
    this.#o.onSeed(peer, isUploadOnly || peer.isSeed);
    this.#slotsMoved = true;
  }

  gone(peer: Peer): void {
    if (peer.have.size === 0) return;
    const picker = this.#o.downloader.picker;
    if (peer.countedAsSeed) picker.seeds--;
    else for (const piece of peer.have) picker.order.decrement(piece);
    this.#choker.remove(peer.conn);
    this.#slotsMoved = true;
  }

  /** A piece is verified and stored: everybody is told, and is worth less to us by it. */
  havePiece(piece: number): void {
    const message = encodeMessage({ kind: 'have', piece });
    for (const peer of this.#ctx.peers.values()) {
      // A seed has no use for the news. Others are told even if they have the piece: they count how rare it is.
      if (!peer.isSeed) this.#ctx.send(peer, message.slice());
      if (peer.have.has(piece)) {
        peer.usefulPieces--;
        if (peer.usefulPieces === 0) this.#updateInterest(peer);
      }
    }
  }

  /** A piece that was taken back is here as it was: those who lack it are told again. */
  foundAgain(piece: number): void {
    const message = encodeMessage({ kind: 'have', piece });
    for (const peer of this.#ctx.peers.values()) if (!peer.have.has(piece)) this.#ctx.send(peer, message.slice());
  }

  /** A piece that was here is missing: it is worth something again. */
  lost(piece: number): void {
    for (const peer of this.#ctx.peers.values()) {
      if (!peer.have.has(piece) || !this.#o.ledger.isMissing(piece)) continue;
      peer.usefulPieces++;
      peer.dryAt = -1;
      this.#updateInterest(peer);
    }
    this.#slotsMoved = true;
  }

  // --- interest and choking ---

  onInterest(peer: Peer, interested: boolean): void {
    if (peer.peerInterested === interested) return;
    peer.peerInterested = interested;
    this.#slotsMoved = true;
  }

  onChoke(peer: Peer, choking: boolean): void {
    if (peer.peerChoking === choking) return;
    peer.peerChoking = choking;
    if (choking) {
      this.#o.downloader.onChoked(peer);
      return;
    }
    peer.pipeline.restart();
    peer.refused = undefined;
    peer.dryAt = -1;
    this.#ctx.hungry(peer);
  }

  onAllowedFast(peer: Peer, piece: number): void {
    if (piece >= this.#o.ledger.geometry.pieceCount) return;
    peer.allowedFast ??= new Set();
    if (peer.allowedFast.size >= limits.upload.allowedFastTakenMax) return;
    peer.allowedFast.add(piece);
    peer.dryAt = -1;
    this.#ctx.hungry(peer);
  }

  /** Every 10 s of torrent time. */
  chokeRound(): void {
    if (!this.#active) return;
    let rate = 0;
    for (const peer of this.#ctx.peers.values()) rate += peer.up.bytesPerSec(this.#ctx.now);
    this.#bestUpload = Math.max(rate, this.#bestUpload * 0.95);
    this.#choker.slots = this.#slotsFor(this.#bestUpload);
    this.#choker.round(this.#ctx.now, this.#chokerPeers(), this.#o.ledger.isComplete, this.#changes);
    this.#apply();
  }

  /**
   * About once a second: a line that turns out to feed many more slots gives them now, not in the next round, which may be after the end
   * of a fast swarm. Nobody loses one by it, and at most twice as many are given at a time. Only where each slot gets whole pieces quickly,
   * so that nobody's next piece comes noticeably later. A peer counts when it has got more than sockets may have taken for it.
   */
  growSlots(): void {
    if (!this.#active) return;
    let rate = 0;
    for (const { up } of this.#ctx.peers.values()) {
      if (up.total > 2 * limits.upload.windowBytes) rate += up.bytesPerSec(this.#ctx.now);
    }
    const quick = Math.floor((rate * limits.choker.quickPieceMs) / 1000 / this.#o.ledger.geometry.pieceLength);
    const slots = Math.min(this.#slotsFor(rate), quick, this.#choker.slots * 2);
    if (slots <= this.#choker.slots) return;
    this.#choker.slots = slots;
    this.#slotsMoved = true;
  }

  /** Hands out slots that fell free; called at the end of a turn. */
  fillSlots(): void {
    if (!this.#slotsMoved || !this.#active) return;
    this.#slotsMoved = false;
    if (this.#choker.isSettled(this.#o.ledger.isComplete, (conn) => this.#wantsSlot(conn))) return;
    this.#choker.fill(this.#ctx.now, this.#chokerPeers(), this.#o.ledger.isComplete, this.#changes);
    this.#apply();
  }

  /** We want nothing more: nobody is interesting. */
  completed(): void {
    for (const peer of this.#ctx.peers.values()) this.#updateInterest(peer);
    this.#slotsMoved = true;
  }

  assertInvariants(): void {
    const { ledger, downloader } = this.#o;
    const { order } = downloader.picker;
    let seeds = 0;
    const counts = new Uint16Array(ledger.geometry.pieceCount);
    for (const peer of this.#ctx.peers.values()) {
      let useful = 0;
      if (peer.countedAsSeed) {
        seeds++;
        useful = ledger.wantedMissing;
      } else {
        for (let piece = 0; piece < peer.have.size; piece++) {
          if (!peer.have.has(piece)) continue;
          if (ledger.isMissing(piece)) useful++;
          counts[piece] = (counts[piece] as number) + 1;
        }
      }
      assert(!peer.countedAsSeed || peer.have.isFull, 'who is counted as a seed has everything');
      assert(useful === peer.usefulPieces, 'useful pieces are counted right');
      assert(peer.amInterested === (this.#active && useful > 0), 'we are interested in whoever has what we want');
      assert(
        !peer.amChoking || peer.requests.every((r) => peer.grantedFast?.has(r.piece)),
        'a choked peer has no queue',
      );
      assert((this.#choker.state(peer.conn) === 'choked') === peer.amChoking, 'who has a slot is not choked');
    }
    assert(seeds === downloader.picker.seeds, 'seeds are counted right');
    for (let piece = 0; piece < counts.length; piece++) {
      assert(counts[piece] === order.rarity(piece), 'availability is counted right');
    }
    this.#choker.assertInvariants((conn) => this.#ctx.peers.has(conn));
  }

  #wantsSlot(conn: ConnId): boolean {
    const peer = this.#ctx.peers.get(conn);
    return peer?.peerInterested === true && !peer.uploadOnly && !peer.isSeed;
  }

  #slotsFor(measuredBytesPerSec: number): number {
    const limitBytesPerSec = this.#ctx.host.uploadLimit(this.#ctx.torrent);
    return this.#o.policies.slots({ limitBytesPerSec, measuredBytesPerSec });
  }

  #chokerPeers(): ChokerPeer[] {
    const now = this.#ctx.now;
    const out: ChokerPeer[] = [];
    for (const peer of this.#ctx.peers.values()) {
      out.push({
        conn: peer.conn,
        interested: peer.peerInterested,
        uploadOnly: peer.uploadOnly || peer.isSeed,
        downBytesPerSec: peer.down.bytesPerSec(now),
        upBytesPerSec: peer.up.bytesPerSec(now),
        snubbed: peer.snubbed,
        openedAt: peer.connectedAt,
      });
    }
    return out;
  }

  #apply(): void {
    for (const c of this.#changes.choke) this.#setChoking(c.conn, true);
    for (const c of this.#changes.unchoke) this.#setChoking(c.conn, false);
    const tracer = this.#ctx.tracer;
    if (tracer?.choke === undefined) return;
    for (const list of [this.#changes.choke, this.#changes.unchoke, this.#changes.moved]) {
      for (const c of list) tracer.choke(this.#ctx.now, c.conn, c.from, c.to, c.reason, c.rank);
    }
  }

  #setChoking(conn: ConnId, choking: boolean): void {
    const peer = this.#ctx.peers.get(conn);
    if (peer === undefined || peer.amChoking === choking) return;
    peer.amChoking = choking;
    const message: PeerMessage = { kind: choking ? 'choke' : 'unchoke' };
    this.#ctx.send(peer, encodeMessage(message));
    if (choking) this.#o.uploader.onChoking(peer);
  }

  #learnt(peer: Peer): void {
    if (peer.isSeed) this.#o.onSeed(peer, true);
    peer.dryAt = -1;
    this.#updateInterest(peer);
    if (peer.amInterested && !peer.peerChoking) this.#ctx.hungry(peer);
  }

  #updateInterest(peer: Peer): void {
    const interested = this.#active && peer.usefulPieces > 0;
    if (interested === peer.amInterested) return;
    peer.amInterested = interested;
    this.#ctx.send(peer, encodeMessage({ kind: interested ? 'interested' : 'not-interested' }));
  }

  /** BEP 6: a newcomer may fetch a few pieces at once, so that it soon has something to trade. */
  #grantFast(peer: Peer): void {
    const count = this.#o.policies.allowedFastPieces;
    if (this.#choker.slots === 0 || count === 0) return;
    const geometry = this.#o.ledger.geometry;
    if (geometry.pieceCount < count * limits.upload.allowedFastShare) return;
    const set = allowedFastSet({
      ip: peer.address.host,
      infoHash: this.#o.swarmKey,
      pieceCount: geometry.pieceCount,
      count,
      sha1: (data) => this.#ctx.host.crypto.sha1(data),
    });
    const granted = [...set].filter((piece) => this.#o.ledger.have.has(piece));
    if (granted.length === 0) return;
    peer.grantedFast = new Set(granted);
    for (const piece of granted) this.#ctx.send(peer, encodeMessage({ kind: 'allowed-fast', piece }));
  }
}

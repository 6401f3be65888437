import {
  addMs,
  Bitfield,
  type ConnId,
  equalBytes,
  type Millis,
  type PeerAddress,
  swarmKeyBytes,
  toBinaryString,
} from '../base/index.ts';
import type { Info } from '../metainfo/index.ts';
import { connEvents } from '../trace/index.ts';
import { type CloseReason, describePeerId, encodeMessage, type Handshake } from '../wire/index.ts';
import { peerKey } from './ban-list.ts';
import type { Connections } from './connections.ts';
import type { Content } from './content.ts';
import { dropUnasked } from './context.ts';
import type { ExtensionRegistry, OwnFacts } from './extensions/registry.ts';
import type { PeerFinder } from './finder.ts';
import type { Identity } from './identity.ts';
import { limits } from './limits.ts';
import { type MessageEffects, PeerMessages } from './messages.ts';
import { Peer } from './peer.ts';

/** Names the client in BEP 10 handshakes. */
const clientVersion = 'Eider 0.1.0';

/** A connection whose handshakes are complete. */
export interface AddPeer {
  readonly conn: ConnId;
  readonly address: PeerAddress;
  readonly incoming: boolean;
  readonly handshake: Handshake;
}

/** Who is to be banned, and why. */
export interface Poisoner {
  readonly key: string;
  readonly reason: string;
  /** Plain data, for people. */
  readonly evidence: unknown;
  /** Of its connections. */
  readonly close: CloseReason;
}

/** What peering may ask about the torrent. */
export interface PeeringView {
  readonly info: Info | undefined;
  /** The content, once what is on disk is known; undefined while requests may not flow. */
  readonly active: Content | undefined;
  /** The content, as soon as the info dictionary is known. */
  readonly content: Content | undefined;
  readonly isSeeding: boolean;
  /** Soon it is known what is here: greetings wait for that. */
  readonly isWaking: boolean;
}

/**
 * Life with each peer, from the handshakes to the end of the connection: greets, takes messages to the part of the torrent they concern,
 * looks after silence, ends double connections, bans poisoners.
 */
export class Peering implements MessageEffects {
  /** Payload bytes received from peers that had everything when we met, and from the others. */
  fromSeeds = 0;
  fromPeers = 0;
  /** Payload bytes that came while nothing could be asked for: before the metadata or what is on disk is known. */
  earlyBytes = 0;
  readonly #ctx: Connections;
  readonly #view: PeeringView;
  readonly #identity: Identity;
  readonly #finder: PeerFinder;
  readonly #extensions: ExtensionRegistry;
  /** Came while the torrent was waking: their greeting is still to come. */
  readonly #waiting = new Set<Peer>();

  constructor(
    ctx: Connections,
    parts: { view: PeeringView; identity: Identity; finder: PeerFinder; extensions: ExtensionRegistry },
  ) {
    this.#ctx = ctx;
    this.#view = parts.view;
    this.#identity = parts.identity;
    this.#finder = parts.finder;
    this.#extensions = parts.extensions;
  }

  // --- beginning and end of connections ---

  add(added: AddPeer): void {
    const { conn, address, handshake, incoming } = added;
    if (incoming) {
      const admission = this.#finder.book.onIncoming(conn, address);
      if (admission !== 'ok') {
        const code = `peer/${admission}`;
        this.#ctx.tracer?.closed?.(this.#ctx.now, conn, code, undefined);
        this.#ctx.host.closeConn(conn, { code });
        return;
      }
    } else this.#finder.book.onConnected(conn, address);
    const { flags } = handshake;
    const peer = new Peer({
      conn,
      address,
      incoming,
      id: handshake.peerId,
      client: describePeerId(handshake.peerId),
      flags: { ...flags, v2: this.#understandsV2(handshake) },
      key: peerKey(address),
      now: this.#ctx.now,
      pieceCount: this.#view.info?.pieceCount ?? 0,
    });
    this.#ctx.add(peer, new PeerMessages(this.#ctx, peer, this));
    this.#ctx.tracer?.conn?.(this.#ctx.now, conn, incoming ? connEvents.incoming : connEvents.handshake, 0);
    this.#onDuplicate(peer);
    if (peer.isClosed) return;
    this.#fitToInfo(peer);
    if (this.#view.isWaking) {
      this.#waiting.add(peer);
      return;
    }
    if (flags.extensions) this.#extensions.sendHandshake(peer, this.#ownFacts);
    if (this.#view.active !== undefined) this.#view.active.exchange.greet(peer);
    // BEP 6 wants a word about pieces first, and we know nothing yet.
    else if (flags.fast) this.#ctx.send(peer, encodeMessage({ kind: 'have-none' }));
  }

  /** What is on disk is known: peers that were here before get the full relation now. */
  adoptAll(content: Content): void {
    for (const peer of [...this.#ctx.peers.values()]) {
      peer.have = new Bitfield(content.geometry.pieceCount);
      this.#fitToInfo(peer);
      // Those who look for the metadata too learn that it can be had here.
      if (peer.flags.extensions) this.#extensions.sendHandshake(peer, this.#ownFacts);
      if (this.#waiting.has(peer)) {
        content.exchange.greet(peer);
        content.exchange.adopt(peer, content.geometry.pieceCount);
        continue;
      }
      content.exchange.adopt(peer, content.geometry.pieceCount);
      // They were told "nothing" while we did not know: now they learn piece by piece.
      for (const piece of content.ledger.have) this.#ctx.send(peer, encodeMessage({ kind: 'have', piece }));
    }
    this.#waiting.clear();
  }

  /** Those whose greeting waits are told "nothing": it takes longer until it is known what is here. */
  greetBlank(): void {
    for (const peer of this.#waiting) {
      if (peer.flags.extensions) this.#extensions.sendHandshake(peer, this.#ownFacts);
      if (peer.flags.fast) this.#ctx.send(peer, encodeMessage({ kind: 'have-none' }));
    }
    this.#waiting.clear();
  }

  dropAll(reason: CloseReason): void {
    for (const peer of [...this.#ctx.peers.values()]) this.#ctx.drop(peer, reason);
  }

  /**
   * Pieces that we said we have are not here. Who lacks one of them is told (BEP 54), or dropped where it would not understand; it comes
   * back, and then hears what is true.
   */
  takeBack(pieces: readonly number[], tell: (peer: Peer, piece: number) => boolean): void {
    for (const peer of [...this.#ctx.peers.values()]) {
      const lacking = peer.have.size === 0 ? pieces : pieces.filter((piece) => !peer.have.has(piece));
      if (lacking.length === 0) continue;
      const isTold = lacking.length <= limits.pool.takenBackMax && lacking.every((piece) => tell(peer, piece));
      if (!isTold) this.#ctx.drop(peer, { code: 'session/pieces-lost', detail: `${lacking.length} pieces` });
    }
  }

  /** Whoever connects to us must not take the places of those whom we choose, while there is something to ask for. */
  hasPlaceForIncoming(): boolean {
    const { host, peers, incomingCount } = this.#ctx;
    const most = host.connsPerTorrent;
    if (this.#view.isSeeding) return peers.size < most;
    const mostIncoming = most - Math.floor(most * limits.peer.dialShare);
    return peers.size < most && incomingCount < mostIncoming;
  }

  /** Ends the connection that has gone longest without any payload either way, if its time is up. @returns whether there was one */
  dropIdler(): boolean {
    let idlest: Peer | undefined;
    for (const peer of this.#ctx.peers.values()) {
      if (peer.outstanding.size > 0) continue;
      const isProven = peer.down.total + peer.up.total > 0;
      const patienceMs = isProven ? limits.peer.provenIdlerMs : limits.peer.idlerMs;
      if (this.#ctx.now - usedAt(peer) < patienceMs) continue;
      if (idlest === undefined || usedAt(peer) < usedAt(idlest)) idlest = peer;
    }
    if (idlest !== undefined) this.#ctx.drop(idlest, { code: 'session/no-use', detail: 'nothing was exchanged' });
    return idlest !== undefined;
  }

  /** Two who want nothing have nothing to say to each other. */
  dropSeeds(): void {
    for (const peer of [...this.#ctx.peers.values()]) this.#dropIfSeed(peer);
  }

  gone(peer: Peer, reason: CloseReason, byUs: boolean): void {
    const { content } = this.#view;
    if (content !== undefined) {
      content.downloader.peerGone(peer);
      content.exchange.gone(peer);
      content.uploader.peerGone(peer);
      content.peerGone(peer);
    }
    this.#extensions.onGone(peer);
    this.#waiting.delete(peer);
    const outcome =
      byUs && breaches.test(reason.code) ? 'failed' : peer.down.total + peer.up.total > 0 ? 'useful' : 'idle';
    this.#finder.book.onClosed(this.#ctx.now, peer.conn, outcome);
    this.#finder.planDial();
  }

  /** Peers that sent bad data or metadata beyond doubt: gone, and not to come back. */
  ban({ key, reason, evidence, close }: Poisoner): void {
    this.#finder.book.ban(this.#ctx.now, key, reason, evidence);
    this.#ctx.tracer?.ban?.(this.#ctx.now, key, reason, evidence);
    for (const peer of [...this.#ctx.peers.values()]) if (peer.key === key) this.#ctx.drop(peer, close);
  }

  /** About once a second while there are connections: what has no message of its own to be noticed by. */
  tick(): void {
    const now = this.#ctx.now;
    const patience = this.#ctx.host.isDownloadLimited(this.#ctx.torrent) ? limits.requests.limitedPatience : 1;
    for (const peer of [...this.#ctx.peers.values()]) {
      if (now - peer.lastReceivedAt > limits.peer.idleMs) {
        this.#ctx.drop(peer, { code: 'peer/idle' });
        continue;
      }
      if (peer.lent.size > 0 && now - peer.lastWrittenAt > limits.upload.stuckMs) {
        this.#ctx.drop(peer, { code: 'peer/not-reading', detail: `for ${limits.upload.stuckMs / 1000} s` });
        continue;
      }
      if (now - peer.lastSentAt > limits.peer.keepAliveMs) this.#ctx.send(peer, encodeMessage({ kind: 'keep-alive' }));
      this.#view.active?.downloader.tick(peer, patience);
      if (peer.isClosed) continue;
      // What could not be asked for or served for want of a buffer is tried again.
      peer.dryAt = -1;
      if (peer.usefulPieces > 0) this.#ctx.hungry(peer);
      if (peer.requests.length > 0) this.#ctx.serve(peer);
    }
    this.#view.active?.downloader.freeReserved();
    this.#view.active?.exchange.growSlots();
    this.#extensions.onTick();
    this.#view.active?.askForHashes();
  }

  /** When `tick` is wanted next: in a second, or not at all. */
  nextTick(): Millis | undefined {
    return this.#ctx.peers.size === 0 ? undefined : addMs(this.#ctx.now, limits.peer.tickMs);
  }

  // --- messages (MessageEffects) ---

  get pieceCount(): number | undefined {
    return this.#view.active?.geometry.pieceCount;
  }
  onChoke(peer: Peer, choking: boolean): void {
    const { active } = this.#view;
    if (active === undefined) peer.peerChoking = choking;
    else active.exchange.onChoke(peer, choking);
  }
  onInterest(peer: Peer, interested: boolean): void {
    const { active } = this.#view;
    if (active === undefined) peer.peerInterested = interested;
    else active.exchange.onInterest(peer, interested);
  }
  onHave(peer: Peer, piece: number): void {
    this.#view.active?.exchange.onHave(peer, piece);
    this.#dropIfSeed(peer);
  }
  onHaves(peer: Peer, have: Bitfield): void {
    this.#view.active?.exchange.onHaves(peer, have);
    this.#view.active?.askPeerForHashes(peer);
    this.#dropIfSeed(peer);
  }
  onRequest(peer: Peer, ref: { piece: number; begin: number; length: number }): void {
    this.#view.active?.uploader.onRequest(peer, ref);
  }
  onCancel(peer: Peer, ref: { piece: number; begin: number; length: number }): void {
    this.#view.active?.uploader.onCancel(peer, ref);
  }
  onReject(peer: Peer, ref: { piece: number; begin: number; length: number }): void {
    this.#view.active?.downloader.onReject(peer, ref);
  }
  onAllowedFast(peer: Peer, piece: number): void {
    this.#view.active?.exchange.onAllowedFast(peer, piece);
  }
  onExtended(peer: Peer, id: number, payload: Uint8Array): void {
    const hadPort = peer.listenAddress !== undefined;
    const wasUploadOnly = peer.uploadOnly;
    this.#extensions.onMessage(peer, id, payload);
    if (peer.isClosed) return;
    if (peer.uploadOnly !== wasUploadOnly) {
      this.#view.active?.exchange.onUploadOnly(peer, peer.uploadOnly);
      this.#dropIfSeed(peer);
      if (peer.isClosed) return;
    }
    if (!hadPort && peer.listenAddress !== undefined) this.#onListenPort(peer, peer.listenAddress.port);
  }
  onHashes(peer: Peer, message: Parameters<MessageEffects['onHashes']>[1]): void {
    this.#view.active?.onHashMessage(peer, message);
  }
  onBlockStart(peer: Peer, piece: number, begin: number, length: number): void {
    const { active } = this.#view;
    if (active !== undefined) active.downloader.onBlockStart(peer, piece, begin, length);
    else dropUnasked(this.#ctx, peer, length);
  }
  onBlockBytes(peer: Peer, bytes: Uint8Array): void {
    // Only what is taken: what nobody asked for is waste, and counted there.
    if (peer.arrival.active !== undefined) {
      if (peer.wasSeed) this.fromSeeds += bytes.length;
      else this.fromPeers += bytes.length;
    }
    const { active } = this.#view;
    if (active === undefined) this.earlyBytes += bytes.length;
    else active.downloader.onBlockBytes(peer, bytes);
  }
  onBlockEnd(peer: Peer): void {
    this.#view.active?.downloader.onBlockEnd(peer);
  }

  // --- privately ---

  /**
   * BEP 52 has its bit for hybrids, where the v1 swarm's peers tell each other that they know v2. Who is in the swarm of the v2 hash
   * knows it anyway: libtorrent 2.0.8 does not set the bit there.
   */
  #understandsV2({ flags, infoHash }: Handshake): boolean {
    const { hashV2 } = this.#identity;
    return hashV2 !== undefined && (flags.v2 || equalBytes(infoHash, swarmKeyBytes(hashV2)));
  }

  /** What our extension handshake says now. */
  get #ownFacts(): OwnFacts {
    return {
      metadataSize: this.#view.info?.bytes.length,
      listenPort: this.#ctx.host.listenPort(),
      uploadOnly: this.#view.isSeeding,
      version: clientVersion,
    };
  }

  #fitToInfo(peer: Peer): void {
    const { info } = this.#view;
    if (info === undefined) return;
    peer.decoder.bitfieldBytesMax = Math.ceil(info.pieceCount / 8);
    peer.blocksPerPiece = Math.ceil(info.pieceLength / 16_384);
  }

  #dropIfSeed(peer: Peer): void {
    if (this.#view.isSeeding && (peer.isSeed || peer.uploadOnly)) this.#ctx.drop(peer, { code: 'session/both-seeds' });
  }

  /** A peer who connected to us says where it listens. */
  #onListenPort(peer: Peer, port: number): void {
    const verdict = this.#finder.book.onListenPort(this.#ctx.now, peer.conn, port);
    if (verdict === 'banned') this.#ctx.drop(peer, { code: 'peer/banned' });
    else if (verdict === 'duplicate') this.#onDuplicate(peer);
  }

  /** Two connections to one peer: both sides keep the one that the lower peer id dialled, so that not both are closed. */
  #onDuplicate(peer: Peer): void {
    // Ids are no secret: only the same host can take the place of its own connection.
    const others = this.#ctx
      .withId(peer.id)
      .filter((other) => other !== peer && other.address.host === peer.address.host);
    if (others.length === 0) return;
    const lowerIsMine = toBinaryString(this.#ctx.host.peerId) < peer.id;
    const reason = { code: 'session/duplicate' };
    if (peer.incoming === lowerIsMine) this.#ctx.drop(peer, reason);
    else for (const other of others) this.#ctx.drop(other, reason);
  }
}

/** When payload last went one way or the other, or the connection began. */
function usedAt(peer: Peer): Millis {
  return Math.max(peer.connectedAt, peer.lastPayloadAt, peer.up.total > 0 ? peer.lastWrittenAt : 0) as Millis;
}

/** Ends of connections that are the peer's fault: it is dialled again later than others. */
const breaches = /^peer\//;

import {
  Bitfield,
  type CryptoPort,
  concatBytes,
  type InfoHash,
  type Millis,
  type PeerAddress,
  type Rng,
  swarmKeyBytes,
  toHex,
  toSwarmKey,
} from '../../base/index.ts';
import {
  type AnnounceEvent,
  type CloseReason,
  decodeExtendedHandshake,
  decodeMetadataMessage,
  encodeExtendedHandshake,
  encodeMetadataMessage,
  extendedHandshakeId,
  extensionNames,
  type Handshake,
  type HashRange,
  type PeerMessage,
  peerLimits,
} from '../../wire/index.ts';
import type { NetHost } from '../net/net.ts';
import { readBlock, type SimTorrent } from '../torrents.ts';
import type { SimTracker } from '../tracker.ts';
import type { SimWorld } from '../world.ts';
import { startFlood } from './flood.ts';
import { HashAnswers } from './hash-answers.ts';
import { type LinkOwner, type PeerIdentity, WireLink } from './link.ts';
import type { LinkState, PeerView } from './peer-view.ts';
import { Taker } from './taker.ts';
import type { PeerTraits } from './traits.ts';

export interface SimPeerOptions {
  readonly crypto: CryptoPort;
  readonly world: SimWorld;
  readonly net: NetHost;
  readonly torrent: SimTorrent;
  readonly tracker: SimTracker | undefined;
  readonly traits: PeerTraits;
  readonly label: string;
}

const METADATA_ID = 1;
/** Connections a scripted peer opens of its own. */
const DIALS_MAX = 20;

/** A peer that speaks the protocol simply and behaves as its traits say. Serves made-up content; knows no storage. */
export class SimPeer implements LinkOwner, PeerView {
  readonly world: SimWorld;
  readonly torrent: SimTorrent;
  readonly traits: PeerTraits;
  readonly net: NetHost;
  readonly rng: Rng;
  readonly have: Bitfield;
  readonly isV1: boolean;
  readonly links: Map<WireLink, LinkState> = new Map();
  /** Payload bytes. */
  sentBytes = 0;
  takenBytes = 0;
  badBlocksSent = 0;
  /** Everything it took is here, first time. */
  doneAt: Millis | undefined;
  /** How connections ended: code -> count. */
  readonly endings: Map<string, number> = new Map();
  readonly #options: SimPeerOptions;
  readonly #identity: PeerIdentity;
  readonly #taker: Taker | undefined;
  /** What it lies by. */
  readonly #lies: Rng;
  readonly #port = 6881;
  #hashes: HashAnswers | undefined;
  /** Connections whose handshakes are not through. */
  readonly #greeting = new Set<WireLink>();
  #isStopped = false;

  constructor(options: SimPeerOptions) {
    this.#options = options;
    this.world = options.world;
    this.torrent = options.torrent;
    this.traits = options.traits;
    this.net = options.net;
    this.rng = options.world.rng.fork(`peer ${options.label}`);
    const count = this.torrent.geometry.pieceCount;
    this.have = this.traits.has === 'all' ? Bitfield.full(count) : new Bitfield(count);
    if (Array.isArray(this.traits.has)) for (const piece of this.traits.has as number[]) this.have.set(piece);
    const { fast, extensions, knows } = this.traits;
    const { format, hashV2 } = this.torrent.torrent.info;
    this.isV1 = knows === 'v1';
    const flags = { fast, extensions, dht: false, v2: format !== 'v1' && !this.isV1 };
    const infoHash = knows === 'v2' ? swarmKeyBytes(hashV2 as InfoHash) : this.torrent.swarmKey;
    this.#identity = { infoHash, peerId: this.rng.bytes(20), flags };
    const { liesLike } = this.traits;
    this.#lies = liesLike === undefined ? this.rng.fork('lies') : options.world.rng.fork(`lies like ${liesLike}`);
    this.#taker = this.traits.takes ? new Taker(this) : undefined;
  }

  get address(): PeerAddress {
    return { host: this.net.name, port: this.#port };
  }
  get isDone(): boolean {
    return this.have.isFull;
  }
  /** Sends bad bytes: the only ones who may be banned. */
  get isLiar(): boolean {
    return this.traits.badBlockRate > 0 || this.traits.badPieceRate > 0;
  }

  start(): void {
    this.net.listen(this.#port, (socket) => {
      const link = WireLink.accept(socket, this, this.#identity);
      this.#greeting.add(link);
      return link;
    });
    this.#announce('started');
  }

  stop(): void {
    this.#isStopped = true;
    this.net.unlisten(this.#port);
    for (const link of [...this.links.keys(), ...this.#greeting]) link.close();
    this.#announce('stopped');
  }

  dial(to: PeerAddress): void {
    if (this.links.size >= DIALS_MAX || this.#knows(to)) return;
    this.#greeting.add(WireLink.dial(this.net, to, this, this.#identity));
  }

  /** A piece has been taken. */
  onPiece(piece: number): void {
    if (!this.have.set(piece)) return;
    for (const { link } of this.links.values()) link.send({ kind: 'have', piece });
    if (!this.isDone) return;
    this.doneAt = this.world.now;
    this.#announce('completed');
  }

  // --- LinkOwner -----------------------------------------------------------------------------------------------------------------

  onReady(link: WireLink, theirs: Handshake): void {
    this.#greeting.delete(link);
    const { hashV1, hashV2 } = this.torrent.torrent.info;
    const { knows } = this.traits;
    const known = [knows === 'v2' ? undefined : hashV1, knows === 'v1' ? undefined : hashV2];
    const key = toHex(theirs.infoHash);
    const isOurs = known.some((hash) => hash !== undefined && toSwarmKey(hash) === key);
    if (this.#isStopped || !isOurs) return link.close();
    const state: LinkState = {
      link,
      theirs: new Bitfield(this.torrent.geometry.pieceCount),
      isChokingUs: true,
      isInterested: false,
      isChokedByUs: true,
      fast: this.traits.fast && theirs.flags.fast,
      extensions: new Map(),
      sentCount: 0,
      waiting: new Set(),
    };
    this.links.set(link, state);
    this.#sendHave(state);
    if (this.traits.extensions && theirs.flags.extensions) this.#sendExtended(link);
    startFlood(this, state);
  }

  onMessage(link: WireLink, message: PeerMessage): void {
    const state = this.links.get(link);
    if (state === undefined) return;
    switch (message.kind) {
      case 'interested':
        state.isInterested = true;
        if (this.traits.unchokes && state.isChokedByUs) {
          state.isChokedByUs = false;
          link.send({ kind: 'unchoke' });
        }
        return;
      case 'not-interested':
        state.isInterested = false;
        return;
      case 'request':
        this.#onRequest(state, message);
        return;
      case 'cancel':
        this.#onCancel(state, message);
        return;
      case 'hash-request':
        this.#onHashRequest(state, message);
        return;
      case 'extended':
        this.#onExtended(state, message.id, message.payload);
        return;
      default:
        this.#onTheirState(state, message);
        this.#taker?.onMessage(state, message);
    }
  }

  onPayload(length: number): void {
    this.takenBytes += length;
  }

  onBlock(link: WireLink, piece: number, begin: number, bytes: Uint8Array): void {
    const state = this.links.get(link);
    if (state === undefined) return;
    this.#taker?.onBlock(state, piece, begin, bytes);
  }

  onEnd(link: WireLink, reason: CloseReason): void {
    this.#greeting.delete(link);
    this.endings.set(reason.code, (this.endings.get(reason.code) ?? 0) + 1);
    const state = this.links.get(link);
    this.links.delete(link);
    if (state !== undefined) this.#taker?.onEnd(state);
  }

  // --- what it says --------------------------------------------------------------------------------------------------------------

  #sendHave({ link, fast }: LinkState): void {
    const { bitfield, claims } = this.traits;
    if (bitfield !== 'right') return this.#sendOddBitfield(link);
    if (claims === 'half') {
      const claimed = this.have.clone();
      for (let piece = 0; piece < claimed.size; piece += 2) claimed.set(piece);
      return link.send({ kind: 'bitfield', bits: claimed.toBytes() });
    }
    const isFull = claims === 'all' || this.have.isFull;
    if (fast && isFull) link.send({ kind: 'have-all' });
    else if (fast && this.have.isEmpty) link.send({ kind: 'have-none' });
    else if (isFull || !this.have.isEmpty) {
      const claimed = isFull ? Bitfield.full(this.have.size) : this.have;
      link.send({ kind: 'bitfield', bits: claimed.toBytes() });
    }
  }

  #sendOddBitfield(link: WireLink): void {
    const bits = this.have.toBytes();
    switch (this.traits.bitfield) {
      case 'short':
        return link.send({ kind: 'bitfield', bits: bits.slice(1) });
      case 'long':
        return link.send({ kind: 'bitfield', bits: concatBytes([bits, bits]) });
      case 'spare-bits':
        // One bit behind the last piece; where there is no room for one, a byte too much.
        if (this.have.size % 8 === 0) return link.send({ kind: 'bitfield', bits: concatBytes([bits, bits]) });
        bits[bits.length - 1] = (bits[bits.length - 1] as number) | 1;
        return link.send({ kind: 'bitfield', bits });
      default:
        link.send({ kind: 'have', piece: 0 });
        this.world.after(1000, 'peer.late-bitfield', () => link.send({ kind: 'bitfield', bits }));
    }
  }

  #sendExtended(link: WireLink): void {
    const payload = encodeExtendedHandshake({
      m: new Map([[extensionNames.metadata, METADATA_ID]]),
      metadataSize: this.torrent.torrent.info.bytes.length,
      port: this.#port,
      version: 'sim peer',
      reqq: 500,
    });
    link.send({ kind: 'extended', id: extendedHandshakeId, payload });
  }

  #onExtended(state: LinkState, id: number, payload: Uint8Array): void {
    if (id === extendedHandshakeId) {
      state.extensions = decodeExtendedHandshake(payload).m;
      return;
    }
    const theirId = state.extensions.get(extensionNames.metadata);
    if (id !== METADATA_ID || theirId === undefined) return;
    const message = decodeMetadataMessage(payload);
    if (message.kind !== 'request') return;
    const { bytes } = this.torrent.torrent.info;
    const at = message.piece * peerLimits.metadataPieceBytes;
    const part = bytes.slice(at, at + peerLimits.metadataPieceBytes);
    const answer = encodeMetadataMessage(
      part.length === 0
        ? { kind: 'reject', piece: message.piece }
        : { kind: 'data', piece: message.piece, totalSize: bytes.length, bytes: part },
    );
    state.link.send({ kind: 'extended', id: theirId, payload: answer });
  }

  #onTheirState(state: LinkState, message: PeerMessage): void {
    if (message.kind === 'choke') state.isChokingUs = true;
    else if (message.kind === 'unchoke') state.isChokingUs = false;
    else if (message.kind === 'have' && message.piece < state.theirs.size) state.theirs.set(message.piece);
    else if (message.kind === 'have-all') state.theirs.setAll();
    else if (message.kind === 'bitfield') {
      const bits = Bitfield.fromBytes(state.theirs.size, message.bits);
      if (bits === undefined) state.link.close();
      else for (const piece of bits) state.theirs.set(piece);
    }
  }

  #onHashRequest({ link }: LinkState, { root, baseLayer, index, length, proofLayers }: HashRange): void {
    if (this.traits.hashes === 'none') return;
    const range = { root: root.slice(), baseLayer, index, length, proofLayers };
    this.#hashes ??= new HashAnswers(this.#options.crypto, this.torrent);
    const hashes = this.#hashes.answer(range);
    if (hashes === undefined) return link.send({ kind: 'hash-reject', ...range });
    if (this.traits.hashes === 'false') hashes[0] = (hashes[0] as number) ^ 1;
    link.send({ kind: 'hashes', ...range, hashes });
  }

  // --- serving -------------------------------------------------------------------------------------------------------------------

  #onRequest(state: LinkState, request: { piece: number; begin: number; length: number }): void {
    const { piece, begin, length } = request;
    const key = `${piece} ${begin} ${length}`;
    const isServed =
      !state.isChokedByUs && this.torrent.geometry.isValidRequest(piece, begin, length) && this.have.has(piece);
    if (!isServed) {
      if (state.fast) state.link.send({ kind: 'reject', piece, begin, length });
      return;
    }
    const { answersAfterMs, stallsAfter } = this.traits;
    if (answersAfterMs === 'never' || state.sentCount >= stallsAfter) return;
    state.waiting.add(key);
    this.world.after(answersAfterMs, 'peer.answer', () => {
      if (!state.waiting.delete(key) || !state.link.isOpen || state.sentCount >= stallsAfter) return;
      this.#sendBlock(state, piece, begin, length);
    });
  }

  #sendBlock(state: LinkState, piece: number, begin: number, length: number): void {
    const bytes = this.#blockToSend(piece, begin, length);
    state.sentCount++;
    if (!this.traits.isHalving) {
      this.sentBytes += length;
      state.link.sendBlock(piece, begin, bytes);
      return;
    }
    // Only once: whatever follows would be read as the block's other half.
    if (state.sentCount > 1) return;
    this.sentBytes += length >> 1;
    state.link.sendHalfBlock(piece, begin, bytes);
  }

  #onCancel(state: LinkState, request: { piece: number; begin: number; length: number }): void {
    const { piece, begin, length } = request;
    if (!state.waiting.delete(`${piece} ${begin} ${length}`)) return;
    if (state.fast) state.link.send({ kind: 'reject', piece, begin, length });
  }

  #blockToSend(piece: number, begin: number, length: number): Uint8Array {
    const bytes = readBlock(this.torrent, piece, begin, length);
    const { badBlockRate, badPieceRate, isBadConsistently } = this.traits;
    if (badBlockRate === 0 && badPieceRate === 0) return bytes;
    // A consistent liar decides by place, another one anew each time.
    const rng = isBadConsistently ? this.#lies.fork(`${piece} ${begin}`) : this.#lies;
    const isBadPiece = badPieceRate > 0 && this.#lies.fork(`piece ${piece}`).unit() < badPieceRate;
    if (!isBadPiece && rng.unit() >= badBlockRate) return bytes;
    this.badBlocksSent++;
    const at = rng.below(length);
    bytes[at] = (bytes[at] as number) ^ (1 + rng.below(255));
    return bytes;
  }

  // --- finding others ------------------------------------------------------------------------------------------------------------

  #announce(event: AnnounceEvent): void {
    const { tracker } = this.#options;
    if (tracker === undefined) return;
    const left = (this.have.size - this.have.count) * this.torrent.geometry.pieceLength;
    const request = {
      infoHash: this.#identity.infoHash,
      peerId: this.#identity.peerId,
      port: this.#port,
      uploaded: this.sentBytes,
      downloaded: this.takenBytes,
      left: this.traits.claims === 'all' ? 0 : left,
      event,
      numWant: 50,
      key: 0,
    };
    tracker.announce(this.net, request, (result) => {
      if (this.#isStopped) return;
      if (result.ok && this.traits.dials) for (const peer of result.response.peers) this.dial(peer);
      const sec = result.ok ? result.response.intervalSec : 30;
      if (event !== 'completed') this.world.after(sec * 1000, 'peer.announce', () => this.#again());
    });
  }

  #again(): void {
    if (!this.#isStopped) this.#announce('none');
  }

  #knows(to: PeerAddress): boolean {
    if (to.host === this.net.name) return true;
    for (const link of this.links.keys()) if (link.remote.host === to.host) return true;
    return false;
  }
}

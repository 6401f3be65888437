import {
  BtError,
  type ConnId,
  type InfoHash,
  type Millis,
  type PeerAddress,
  type Rng,
  type TorrentId,
} from '../base/index.ts';
import type { Info } from '../metainfo/index.ts';
import type { Tracer } from '../trace/index.ts';
import type { AnnounceRequest, CloseReason, HandshakeStart } from '../wire/index.ts';
import type { AnnounceDesk } from './announce-desk.ts';
import { Connections } from './connections.ts';
import type { Content } from './content.ts';
import type { SwarmHost } from './context.ts';
import { PeerFinder } from './finder.ts';
import { countHeldBack, partialMessagesOf, type TorrentHeld, type TorrentHeldBack } from './held-bytes.ts';
import type { Identity } from './identity.ts';
import { limits } from './limits.ts';
import type { PeerStanding } from './peer.ts';
import type { AddPeer, Peering } from './peering.ts';
import type { AnnounceResult, CommitOutcome, StoreOpened } from './ports.ts';
import {
  type PeerSnapshot,
  snapshotPeer,
  snapshotTorrent,
  type TorrentPhase,
  type TorrentSnapshot,
} from './snapshot.ts';
import { TorrentLife } from './torrent-life.ts';
import type { TorrentSource, Totals } from './torrent-source.ts';

export interface TorrentOptions extends TorrentSource {
  readonly host: SwarmHost;
  readonly id: TorrentId;
  readonly identity: Identity;
  readonly announces: AnnounceDesk;
  readonly rng: Rng;
  readonly now: Millis;
  readonly tracer?: Tracer | undefined;
  /** What was exchanged before in this run of the process: a torrent may sleep and wake many times. */
  readonly carried: Totals;
}

/**
 * The brain of one torrent, as its session sees it: takes inputs to the part they concern and answers questions about the whole. It decides
 * nothing. Inputs run to completion, and end with `endTurn`, where requests, uploads and messages that the input caused leave together.
 *
 *     life       phase and error, and its timers      finder    asks trackers, dials
 *     content    pieces and their exchange            peering   life with each peer, messages
 *     disk       the folder, what comes of it and what is remembered
 */
export class Torrent {
  readonly id: TorrentId;
  readonly finder: PeerFinder;
  readonly #o: TorrentOptions;
  readonly #host: SwarmHost;
  readonly #ctx: Connections;
  readonly #identity: Identity;
  readonly #life: TorrentLife;
  readonly #peering: Peering;

  constructor(options: TorrentOptions) {
    this.id = options.id;
    this.#o = options;
    this.#host = options.host;
    this.#identity = options.identity;
    this.#ctx = new Connections({
      host: options.host,
      torrent: options.id,
      rng: options.rng.fork('connections'),
      tracer: options.tracer,
      now: options.now,
      onDrop: (peer, reason, byUs) => this.#life.onGone(peer, reason, byUs),
      onFail: (error) => this.#life.fail(error),
    });
    this.finder = new PeerFinder(this.#ctx, {
      announces: options.announces,
      rng: options.rng.fork('finder'),
      mayDial: () => this.#life.mayDial,
      isSeeding: () => this.#life.isSeeding,
    });
    this.#life = new TorrentLife(this.#ctx, {
      source: options,
      identity: options.identity,
      finder: this.finder,
      rng: options.rng,
    });
    this.#peering = this.#life.peering;
    this.finder.addAddresses(options.peers ?? [], 'manual');
  }

  // --- what it is ---

  get hashV1(): InfoHash | undefined {
    return this.#identity.hashV1;
  }
  get hashV2(): InfoHash | undefined {
    return this.#identity.hashV2;
  }
  get phase(): TorrentPhase {
    return this.#life.phase;
  }
  get info(): Info | undefined {
    return this.#life.info;
  }
  get content(): Content | undefined {
    return this.#life.content;
  }
  get isMoving(): boolean {
    return this.#life.disk?.isMoving === true;
  }
  /** What is in the way and may pass. */
  get waitingFor(): BtError | undefined {
    return this.#life.disk?.waitingFor;
  }
  get error(): BtError | undefined {
    return this.#life.error;
  }
  get name(): string {
    return this.info?.name ?? this.#o.name ?? this.#identity.first;
  }
  /** No connection has a place here any more. */
  get hasEnded(): boolean {
    return this.#life.hasEnded;
  }
  /**
   * Whether one more incoming connection is welcome. Where all places are taken, one that has exchanged nothing in its time makes way.
   */
  admit(now: Millis): boolean {
    this.#ctx.now = now;
    if (!this.#life.mayDial && !this.#life.isWaking) return false;
    return this.#peering.hasPlaceForIncoming() || this.#peering.dropIdler();
  }
  get peerCount(): number {
    return this.#ctx.peers.size;
  }
  /** Connections whose reading the session stops and starts for the download limits. */
  get conns(): IterableIterator<ConnId> {
    return this.#ctx.peers.keys();
  }
  /** The 20-byte keys that handshakes may carry, as hex. */
  get swarmKeys(): string[] {
    return this.#identity.swarmKeys;
  }

  handshake(asked?: HandshakeStart): HandshakeStart {
    return this.#identity.handshake(asked);
  }

  /** Bytes that it holds, by what for. */
  get held(): TorrentHeld {
    const content = this.#life.content;
    return {
      pieces: content?.downloader.heldBytes ?? 0,
      piecesAtDisk: content?.downloader.atDiskBytes ?? 0,
      partialMessages: partialMessagesOf(this.#ctx.peers.values()),
      metadata: this.#life.extensions.metadata.heldBytes,
      hashLeaves: content?.leafBytes ?? 0,
      blame: content?.downloader.blameBytes ?? 0,
      peerBook: this.finder.book.size * limits.peerBook.addressBytes,
      resume: this.#life.disk?.savingBytes ?? 0,
    };
  }

  /** Peers that wait for memory. */
  get heldBack(): TorrentHeldBack {
    return countHeldBack(this.#ctx.peers.values(), this.#life.active?.downloader.hasRoom !== false);
  }

  snapshot(now: Millis): TorrentSnapshot {
    return snapshotTorrent(now, {
      life: this.#life,
      peering: this.#peering,
      peers: this.#ctx.peers.values(),
      identity: this.#identity,
      name: this.name,
      carried: this.#o.carried,
      peersKnown: this.finder.book.size,
    });
  }

  /** What was exchanged since it woke up. */
  get exchanged(): Totals {
    return {
      uploaded: this.#life.content?.uploader.counts.payloadBytes ?? 0,
      downloaded: this.#life.content?.downloader.counts.payloadBytes ?? 0,
    };
  }
  /** What the snapshot says of pieces is what is on disk. */
  get isJudged(): boolean {
    return this.#life.isJudged;
  }
  /** Bytes missing of what is wanted; undefined while that is not known. */
  get leftBytes(): number | undefined {
    return this.#life.content?.ledger.wantedMissingBytes;
  }

  peers(now: Millis): PeerSnapshot[] {
    return [...this.#ctx.peers.values()].map((peer) => snapshotPeer(peer, now));
  }

  /** Walks everything: after every input in simulation, never in production. */
  assertInvariants(): void {
    this.#ctx.assertInvariants();
    this.#life.assertInvariants();
  }
  /** What stands on each connection, for those who watch in simulation. */
  get connected(): Iterable<PeerStanding> {
    return this.#ctx.peers.values();
  }
  /** Buffers that are lent to this torrent, in memory or at the disk. */
  get bufferCount(): number {
    return this.#life.content?.downloader.bufferCount ?? 0;
  }

  // --- life ---

  /** Opens what is on disk, or begins to look for the metadata. */
  start(now: Millis): void {
    this.#ctx.now = now;
    this.#life.start();
  }

  /**
   * The .torrent file is here, which the session's state keeps.
   * @param bytes undefined: it is not there or cannot be read; then peers are asked for it, as with a magnet link
   */
  onTorrentLoaded(now: Millis, bytes: Uint8Array | undefined): void {
    this.#ctx.now = now;
    this.#life.onTorrentLoaded(bytes);
  }

  /** Frees what being awake needs and says nothing to trackers: announces go on without it. Saves, closes, emits `stopped`. */
  rest(now: Millis): void {
    this.#ctx.now = now;
    this.#life.rest();
  }

  /** Ends it: says goodbye (waiting for trackers `announceMs` at most), saves, closes. Emits `stopped`. */
  stop(now: Millis, announceMs: number): void {
    this.#ctx.now = now;
    this.#life.stop(announceMs);
  }

  /**
   * A fault of ours was met in it: nothing that it holds can be relied on. It saves and says nothing more; what is open at the disk is closed,
   * and of all inputs it still needs those about the store itself.
   */
  abandon(now: Millis): void {
    this.#ctx.now = now;
    this.#life.abandon();
  }
  /** Nothing of it is open at the disk. */
  get isStoreClosed(): boolean {
    return this.#life.disk?.isClosed ?? true;
  }

  /**
   * Takes the files to another folder. Downloading pauses, what is here is served from where it is; `moved` follows.
   * @param folder the parent of the torrent's name, in the world's words
   */
  move(now: Millis, folder: string): void {
    this.#ctx.now = now;
    if (this.#life.active === undefined || this.isMoving) {
      const what = `${this.name} cannot be moved while it is ${this.isMoving ? 'being moved' : this.#life.phase}`;
      this.#host.emit({ type: 'moved', torrent: this.id, folder, error: new BtError('client/invalid', { what }) });
    } else this.#life.disk?.move(folder);
  }

  onStoreMoved(now: Millis, folder: string, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#life.disk?.onStoreMoved(folder, error);
    this.#life.continueStop();
  }

  /** Looks at all data on disk again. Connections end; what turns out bad is fetched again. */
  recheck(now: Millis): void {
    this.#ctx.now = now;
    this.#life.disk?.recheck();
  }

  /** Addresses from the user. */
  addPeers(now: Millis, addresses: readonly PeerAddress[]): void {
    this.#ctx.now = now;
    this.finder.addAddresses(addresses, 'manual');
  }

  /** Pieces that a reader waits for, soonest first; empty = none. */
  setUrgent(now: Millis, pieces: readonly number[]): void {
    this.#ctx.now = now;
    const downloader = this.#life.content?.downloader;
    if (downloader === undefined) return;
    downloader.picker.urgent = pieces;
    downloader.wakeAll();
  }

  /** Another torrent has no buffer for a piece: one that is held here for nothing is given back. */
  giveUpStale(now: Millis): void {
    this.#ctx.now = now;
    this.#life.active?.downloader.giveUpStale();
  }

  // --- connections ---

  addPeer(now: Millis, added: AddPeer): void {
    this.#ctx.now = now;
    this.#peering.add(added);
    this.#life.timers.planTick();
  }

  onBytes(now: Millis, conn: ConnId, bytes: Uint8Array): void {
    this.#ctx.now = now;
    this.#ctx.sinks.get(conn)?.push(bytes);
  }

  /** @returns false where the connection is not ours any more: the view is the session's to release */
  onWritten(now: Millis, conn: ConnId, ticket: number): boolean {
    this.#ctx.now = now;
    const peer = this.#ctx.peers.get(conn);
    if (peer === undefined) return false;
    return this.#ctx.onWritten(peer, ticket) || this.#life.content?.uploader.onWritten(peer, ticket) === true;
  }

  onConnClosed(now: Millis, conn: ConnId, reason: CloseReason): void {
    this.#ctx.now = now;
    const peer = this.#ctx.peers.get(conn);
    if (peer === undefined) return;
    // The other side ended it: what was lent to the socket is free.
    for (const ticket of peer.lent) this.#host.runs.release(ticket);
    peer.lent.clear();
    this.#ctx.closed(peer, reason);
  }

  onDialFailed(now: Millis, address: PeerAddress): void {
    this.#ctx.now = now;
    this.finder.book.onDialFailed(now, address);
    this.finder.planDial();
  }

  /** @returns whether a connection that is of no use has made way */
  dropIdler(now: Millis): boolean {
    this.#ctx.now = now;
    return this.#peering.dropIdler();
  }

  onOwnAddress(address: PeerAddress): void {
    this.finder.book.addOwnAddress(address);
  }

  /** Upload may flow again. */
  serveAll(now: Millis): void {
    this.#ctx.now = now;
    this.#life.active?.uploader.serveAll();
  }

  // --- disk ---

  onStoreOpened(now: Millis, result: StoreOpened): void {
    this.#ctx.now = now;
    this.#life.disk?.onStoreOpened(result);
    this.#life.continueStop();
  }

  onRechecked(now: Millis, first: number, good: Uint8Array, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#life.disk?.onRechecked(first, good, error);
  }

  onCommitted(
    now: Millis,
    piece: number,
    outcome: CommitOutcome,
    segments: (Uint8Array | undefined)[],
    blockHashes: Uint8Array | undefined,
  ): void {
    this.#ctx.now = now;
    if (this.#life.disk?.onCommitted(piece, outcome, segments, blockHashes) === false) return;
    this.#life.continueStop();
  }

  onSegmentStored(now: Millis, piece: number, offset: number, bytes: Uint8Array, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#life.disk?.onSegmentStored(piece, offset, bytes, error);
    this.#life.continueStop();
  }

  /** A read for an upload, or for a reader. */
  onReadFailed(now: Millis, piece: number, error: BtError): void {
    this.#ctx.now = now;
    this.#life.disk?.onReadFailed(piece, error);
  }

  onLeaves(now: Millis, piece: number, leaves: Uint8Array | undefined, error: BtError | undefined): void {
    this.#ctx.now = now;
    if (error !== undefined) this.#life.disk?.onReadFailed(piece, error);
    this.#life.content?.onLeaves(piece, leaves);
  }

  onResumeSaved(now: Millis, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#life.disk?.onResumeSaved(error);
    this.#life.continueStop();
  }

  onStoreClosed(now: Millis): void {
    this.#ctx.now = now;
    this.#life.disk?.onStoreClosed();
    this.#life.continueStop();
  }

  // --- trackers ---

  onAnnounced(now: Millis, url: string, request: AnnounceRequest, result: AnnounceResult): void {
    this.#ctx.now = now;
    this.finder.onAnnounced(url, request, result);
    this.#life.continueStop();
  }

  // --- time ---

  /** A timer of ours is due. */
  onTimer(now: Millis): void {
    this.#ctx.now = now;
    this.#life.timers.onTimer();
  }

  /** What the input caused leaves now. @returns when to be woken */
  endTurn(now: Millis): Millis {
    this.#ctx.now = now;
    this.#life.active?.exchange.fillSlots();
    this.#ctx.endTurn({
      fill: (peer) => this.#life.active?.downloader.fill(peer),
      serve: (peer) => this.#life.active?.uploader.serve(peer),
    });
    return this.#life.timers.next();
  }
}

import {
  addMs,
  assert,
  BtError,
  type ConnId,
  Deadlines,
  type InfoHash,
  type Millis,
  NEVER,
  type PeerAddress,
  type Rng,
  swarmKeyBytes,
  type TorrentId,
} from '../base/index.ts';
import { type Info, parseInfo, parseTorrentFile } from '../metainfo/index.ts';
import type { Tracer } from '../trace/index.ts';
import type { AnnounceRequest, CloseReason, HandshakeStart } from '../wire/index.ts';
import type { AnnounceDesk } from './announce-desk.ts';
import type { BlameVerdict } from './blame.ts';
import { Connections } from './connections.ts';
import { Content } from './content.ts';
import type { SwarmHost, TorrentEvent } from './context.ts';
import { MetadataExtension } from './extensions/metadata.ts';
import { PexExtension } from './extensions/pex.ts';
import { ExtensionRegistry } from './extensions/registry.ts';
import { dontHaveExtension, type StatementExtension, uploadOnlyExtension } from './extensions/statement.ts';
import { PeerFinder } from './finder.ts';
import { countHeldBack, partialMessagesOf, type TorrentHeld, type TorrentHeldBack } from './held-bytes.ts';
import type { Identity } from './identity.ts';
import { limits } from './limits.ts';
import type { Peer, PeerStanding } from './peer.ts';
import { type AddPeer, Peering, type PeeringView, type Poisoner } from './peering.ts';
import { defaultPolicies } from './policies.ts';
import type { AnnounceResult, CommitOutcome, StoreOpened } from './ports.ts';
import { measure, type PeerSnapshot, snapshotPeer, type TorrentPhase, type TorrentSnapshot } from './snapshot.ts';
import { TorrentDisk } from './torrent-disk.ts';
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

type Timer = 'look' | 'tick' | 'choke' | 'find' | 'resume' | 'retry' | 'stop';

/** Names the client in BEP 10 handshakes. */
const clientVersion = 'Eider 0.1.0';

/**
 * The brain of one torrent: owns its phase, its timers and its parts, and owns no algorithm. Inputs come from the session, run to
 * completion, and end with `endTurn`, where requests, uploads and messages that the input caused leave together.
 *
 *     finder     asks trackers, dials            peering   life with each peer, messages
 *     content    pieces and their exchange       disk      the folder, what comes of it and what is remembered
 */
export class Torrent {
  readonly id: TorrentId;
  readonly finder: PeerFinder;
  readonly #o: TorrentOptions;
  readonly #host: SwarmHost;
  readonly #ctx: Connections;
  readonly #timers = new Deadlines<Timer>();
  readonly #metadata: MetadataExtension;
  readonly #uploadOnly: StatementExtension<boolean>;
  readonly #dontHave: StatementExtension<number>;
  readonly #peering: Peering;
  readonly #identity: Identity;
  #phase: TorrentPhase;
  /** From a sleep, until what is on disk is known: peers that come meanwhile are greeted then. */
  #isWaking: boolean;
  #content: Content | undefined;
  #disk: TorrentDisk | undefined;
  #error: BtError | undefined;
  #doneEmitted = false;
  /** What is on disk has been looked at, and is followed since. */
  #isJudged = false;
  #stopDeadline: Millis = NEVER;

  constructor(options: TorrentOptions) {
    this.id = options.id;
    this.#o = options;
    this.#host = options.host;
    this.#identity = options.identity;
    this.#isWaking = options.info === undefined && options.isKept === true;
    this.#phase = this.#isWaking ? 'waking' : 'fetching-metadata';
    this.#doneEmitted = options.wasComplete === true;
    this.#ctx = new Connections({
      host: options.host,
      torrent: options.id,
      rng: options.rng.fork('connections'),
      tracer: options.tracer,
      now: options.now,
      onDrop: (peer, reason, byUs) => this.#onGone(peer, reason, byUs),
      onFail: (error) => this.#fail(error),
    });
    this.finder = new PeerFinder(this.#ctx, {
      announces: options.announces,
      rng: options.rng.fork('finder'),
      mayDial: () => this.#isActive || this.#phase === 'fetching-metadata',
      isSeeding: () => this.#phase === 'seeding',
    });
    this.#metadata = new MetadataExtension(this.#ctx, {
      hashV1: this.hashV1,
      hashV2: this.hashV2,
      bytes: () => this.info?.bytes,
      mayFetch: () => this.#phase === 'fetching-metadata',
      onMetadata: (bytes) => this.#onMetadata(bytes),
      onLiar: (key, close) => this.#ban({ key, reason: 'bad-metadata', evidence: close.detail, close }),
    });
    this.#dontHave = dontHaveExtension(this.#ctx, (peer, piece) => this.#active?.exchange.onDontHave(peer, piece));
    this.#uploadOnly = uploadOnlyExtension(this.#ctx, (peer, value) => {
      if (this.#active === undefined) peer.uploadOnly = value;
      else this.#active.exchange.onUploadOnly(peer, value);
    });
    const pex = new PexExtension(this.#ctx, {
      isPrivate: () => this.info?.isPrivate === true,
      onPeers: (peers) => this.finder.addAddresses(peers, 'pex'),
    });
    this.#peering = new Peering(this.#ctx, {
      view: this.#view(),
      finder: this.finder,
      extensions: new ExtensionRegistry(this.#ctx, [this.#metadata, pex, this.#dontHave, this.#uploadOnly]),
    });
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
    return this.#phase;
  }
  get info(): Info | undefined {
    return this.#content?.info;
  }
  get content(): Content | undefined {
    return this.#content;
  }
  get isMoving(): boolean {
    return this.#disk?.isMoving === true;
  }
  /** What is in the way and may pass. */
  get waitingFor(): BtError | undefined {
    return this.#disk?.waitingFor;
  }
  get error(): BtError | undefined {
    return this.#error;
  }
  get name(): string {
    return this.info?.name ?? this.#o.name ?? this.#identity.first;
  }
  /** No connection has a place here any more. */
  get hasEnded(): boolean {
    return this.#phase === 'error' || this.#phase === 'stopping' || this.#phase === 'stopped';
  }
  /**
   * Whether one more incoming connection is welcome. Where all places are taken, one that has exchanged nothing in its time makes way.
   */
  admit(now: Millis): boolean {
    this.#ctx.now = now;
    if (!this.#isActive && this.#phase !== 'fetching-metadata' && !this.#isWaking) return false;
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
    const content = this.#content;
    return {
      pieces: content?.downloader.heldBytes ?? 0,
      piecesAtDisk: content?.downloader.atDiskBytes ?? 0,
      partialMessages: partialMessagesOf(this.#ctx.peers.values()),
      metadata: this.#metadata.heldBytes,
      hashLeaves: content?.leafBytes ?? 0,
      blame: content?.downloader.blameBytes ?? 0,
      peerBook: this.finder.book.size * limits.peerBook.addressBytes,
      resume: this.#disk?.savingBytes ?? 0,
    };
  }

  /** Peers that wait for memory. */
  get heldBack(): TorrentHeldBack {
    return countHeldBack(this.#ctx.peers.values(), this.#active?.downloader.hasRoom !== false);
  }

  snapshot(now: Millis): TorrentSnapshot {
    const figures = measure(now, {
      peers: this.#ctx.peers.values(),
      content: this.#content,
      isActive: this.#isActive,
      earlyBytes: this.#peering.earlyBytes,
    });
    return {
      phase: this.#phase,
      waitingFor: this.waitingFor,
      error: this.#error,
      name: this.name,
      infoHashV1: this.hashV1,
      infoHashV2: this.hashV2,
      ...figures,
      downloaded: this.#o.carried.downloaded + figures.downloaded,
      uploaded: this.#o.carried.uploaded + figures.uploaded,
      restReason: undefined,
      queuePosition: undefined,
      progress: this.#progress(figures),
      downloadedFromSeeds: this.#peering.fromSeeds,
      downloadedFromPeers: this.#peering.fromPeers,
      peersKnown: this.finder.book.size,
    };
  }

  /** What was exchanged since it woke up. */
  get exchanged(): Totals {
    return {
      uploaded: this.#content?.uploader.counts.payloadBytes ?? 0,
      downloaded: this.#content?.downloader.counts.payloadBytes ?? 0,
    };
  }
  /** What the snapshot says of pieces is what is on disk. */
  get isJudged(): boolean {
    return this.#isJudged;
  }
  /** Bytes missing of what is wanted; undefined while that is not known. */
  get leftBytes(): number | undefined {
    return this.#content?.ledger.wantedMissingBytes;
  }

  peers(now: Millis): PeerSnapshot[] {
    return [...this.#ctx.peers.values()].map((peer) => snapshotPeer(peer, now));
  }

  /** Walks everything: after every input in simulation, never in production. */
  assertInvariants(): void {
    this.#ctx.assertInvariants();
    const isAlone = this.#ctx.peers.size === 0;
    assert(isAlone || this.#timers.has('tick'), 'connections are looked at now and then');
    assert(isAlone || !this.hasEnded, 'a torrent that has ended has no connections');
    // While the disk is being looked at, the picker's order is not kept: it is brought up to date when work begins.
    const content = this.#active;
    if (content === undefined) return;
    content.downloader.assertInvariants();
    content.exchange.assertInvariants();
    assert(this.#timers.has('choke'), 'slots change hands now and then');
    const isWaiting = this.#timers.has('retry') || this.isMoving;
    assert(!content.downloader.isHalted || isWaiting, 'who fetches nothing waits for something');
    const isSeeding = this.#phase === 'seeding';
    assert(isSeeding || !this.#isAllHere(content), 'a torrent seeds when all that is wanted is here');
    assert(!isSeeding || content.ledger.isComplete, 'a torrent that seeds has all that is wanted');
  }
  /** What stands on each connection, for those who watch in simulation. */
  get connected(): Iterable<PeerStanding> {
    return this.#ctx.peers.values();
  }
  /** Buffers that are lent to this torrent, in memory or at the disk. */
  get bufferCount(): number {
    return this.#content?.downloader.bufferCount ?? 0;
  }

  // --- life ---

  /** Opens what is on disk, or begins to look for the metadata. */
  start(now: Millis): void {
    this.#ctx.now = now;
    const { info, layers = new Map() } = this.#o;
    if (info !== undefined) this.#open(info, { layers, isFromPeers: false });
    else if (this.#phase === 'waking') this.#host.ports.loadTorrent(this.id, this.#identity.first);
    else this.#join();
  }

  /**
   * The .torrent file is here, which the session's state keeps.
   * @param bytes undefined: it is not there or cannot be read; then peers are asked for it, as with a magnet link
   */
  onTorrentLoaded(now: Millis, bytes: Uint8Array | undefined): void {
    this.#ctx.now = now;
    if (this.#phase === 'waking') this.#wakeWith(bytes);
    this.#continueStop();
  }

  /** Frees what being awake needs and says nothing to trackers: announces go on without it. Saves, closes, emits `stopped`. */
  rest(now: Millis): void {
    this.#ctx.now = now;
    if (this.#phase === 'stopping' || this.#phase === 'stopped') return;
    this.#phase = 'stopping';
    this.#cease({ code: 'session/resting' });
    this.finder.rest();
    this.#stopDeadline = now;
    this.#continueStop();
  }

  /** Ends it: says goodbye (waiting for trackers `announceMs` at most), saves, closes. Emits `stopped`. */
  stop(now: Millis, announceMs: number): void {
    this.#ctx.now = now;
    if (this.#phase === 'stopping' || this.#phase === 'stopped') return;
    this.#phase = 'stopping';
    this.#cease({ code: 'session/stopped' });
    this.finder.stop();
    this.#stopDeadline = addMs(now, announceMs);
    this.#timers.set('stop', this.#stopDeadline);
    this.#continueStop();
  }

  /**
   * A fault of ours was met in it: nothing that it holds can be relied on. It saves and says nothing more; what is open at the disk is closed,
   * and of all inputs it still needs those about the store itself.
   */
  abandon(now: Millis): void {
    this.#ctx.now = now;
    this.#phase = 'error';
    this.#disk?.abandon();
  }
  /** Nothing of it is open at the disk. */
  get isStoreClosed(): boolean {
    return this.#disk?.isClosed ?? true;
  }

  /**
   * Takes the files to another folder. Downloading pauses, what is here is served from where it is; `moved` follows.
   * @param folder the parent of the torrent's name, in the world's words
   */
  move(now: Millis, folder: string): void {
    this.#ctx.now = now;
    if (this.#active === undefined || this.isMoving) {
      const what = `${this.name} cannot be moved while it is ${this.isMoving ? 'being moved' : this.#phase}`;
      this.#emit({ type: 'moved', torrent: this.id, folder, error: new BtError('client/invalid', { what }) });
    } else this.#disk?.move(folder);
  }

  onStoreMoved(now: Millis, folder: string, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#disk?.onStoreMoved(folder, error);
    this.#continueStop();
  }

  /** Looks at all data on disk again. Connections end; what turns out bad is fetched again. */
  recheck(now: Millis): void {
    this.#ctx.now = now;
    this.#disk?.recheck();
  }

  /** Addresses from the user. */
  addPeers(now: Millis, addresses: readonly PeerAddress[]): void {
    this.#ctx.now = now;
    this.finder.addAddresses(addresses, 'manual');
  }

  /** Pieces that a reader waits for, soonest first; empty = none. */
  setUrgent(now: Millis, pieces: readonly number[]): void {
    this.#ctx.now = now;
    const downloader = this.#content?.downloader;
    if (downloader === undefined) return;
    downloader.picker.urgent = pieces;
    downloader.wakeAll();
  }

  /** Another torrent has no buffer for a piece: one that is held here for nothing is given back. */
  giveUpStale(now: Millis): void {
    this.#ctx.now = now;
    this.#active?.downloader.giveUpStale();
  }

  // --- connections ---

  addPeer(now: Millis, added: AddPeer): void {
    this.#ctx.now = now;
    this.#peering.add(added);
    this.#planTick();
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
    return this.#ctx.onWritten(peer, ticket) || this.#content?.uploader.onWritten(peer, ticket) === true;
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
    this.#active?.uploader.serveAll();
  }

  // --- disk ---

  onStoreOpened(now: Millis, result: StoreOpened): void {
    this.#ctx.now = now;
    this.#disk?.onStoreOpened(result);
    this.#continueStop();
  }

  onRechecked(now: Millis, first: number, good: Uint8Array, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#disk?.onRechecked(first, good, error);
  }

  onCommitted(
    now: Millis,
    piece: number,
    outcome: CommitOutcome,
    segments: (Uint8Array | undefined)[],
    blockHashes: Uint8Array | undefined,
  ): void {
    this.#ctx.now = now;
    if (this.#disk?.onCommitted(piece, outcome, segments, blockHashes) === false) return;
    this.#continueStop();
  }

  onSegmentStored(now: Millis, piece: number, offset: number, bytes: Uint8Array, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#disk?.onSegmentStored(piece, offset, bytes, error);
    this.#continueStop();
  }

  /** A read for an upload, or for a reader. */
  onReadFailed(now: Millis, piece: number, error: BtError): void {
    this.#ctx.now = now;
    this.#disk?.onReadFailed(piece, error);
  }

  onLeaves(now: Millis, piece: number, leaves: Uint8Array | undefined, error: BtError | undefined): void {
    this.#ctx.now = now;
    if (error !== undefined) this.#disk?.onReadFailed(piece, error);
    this.#content?.onLeaves(piece, leaves);
  }

  onResumeSaved(now: Millis, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#disk?.onResumeSaved(error);
    this.#continueStop();
  }

  onStoreClosed(now: Millis): void {
    this.#ctx.now = now;
    this.#disk?.onStoreClosed();
    this.#continueStop();
  }

  // --- trackers ---

  onAnnounced(now: Millis, url: string, request: AnnounceRequest, result: AnnounceResult): void {
    this.#ctx.now = now;
    this.finder.onAnnounced(url, request, result);
    this.#continueStop();
  }

  // --- time ---

  /** A timer of ours is due. */
  onTimer(now: Millis): void {
    this.#ctx.now = now;
    for (const timer of this.#timers.takeDue(now)) {
      switch (timer) {
        case 'tick':
          this.#peering.tick();
          this.#planTick();
          this.#wantMore();
          break;
        case 'choke':
          this.#active?.exchange.chokeRound();
          this.#timers.set('choke', addMs(now, limits.choker.roundMs));
          break;
        case 'find':
          this.finder.onTimer();
          break;
        case 'resume':
          this.#disk?.save();
          break;
        case 'retry':
          this.#disk?.retryWriting();
          break;
        case 'look':
          this.#disk?.lookAgain();
          break;
        case 'stop':
          this.#continueStop();
          break;
      }
    }
  }

  /** What the input caused leaves now. @returns when to be woken */
  endTurn(now: Millis): Millis {
    this.#ctx.now = now;
    const content = this.#active;
    content?.exchange.fillSlots();
    this.#ctx.endTurn({
      fill: (peer) => this.#active?.downloader.fill(peer),
      serve: (peer) => this.#active?.uploader.serve(peer),
    });
    this.#timers.set('resume', this.#disk?.saveAt ?? NEVER);
    this.#timers.set('find', this.#phase === 'stopped' ? NEVER : this.finder.nextAt);
    return this.#timers.next();
  }

  // --- privately ---

  get #isActive(): boolean {
    return this.#phase === 'downloading' || this.#phase === 'seeding';
  }

  /** The content while requests may flow. */
  get #active(): Content | undefined {
    return this.#isActive ? this.#content : undefined;
  }

  #view(): PeeringView {
    const torrent = this;
    return {
      get info() {
        return torrent.info;
      },
      get active() {
        return torrent.#active;
      },
      get content() {
        return torrent.#content;
      },
      get hashV2() {
        return torrent.hashV2;
      },
      get isSeeding() {
        return torrent.#phase === 'seeding';
      },
      get isWaking() {
        return torrent.#isWaking;
      },
      get ownFacts() {
        return {
          metadataSize: torrent.info?.bytes.length,
          listenPort: torrent.#host.listenPort(),
          uploadOnly: torrent.#phase === 'seeding',
          version: clientVersion,
        };
      },
    };
  }

  #emit(event: TorrentEvent): void {
    this.#host.emit(event);
  }

  #wakeWith(bytes: Uint8Array | undefined): void {
    try {
      if (bytes === undefined) throw new BtError('swarm/state-damaged', { what: 'the torrent file' });
      const { info, pieceLayers } = parseTorrentFile(bytes, this.#host.crypto);
      this.#identity.learn(info);
      this.#open(info, { layers: pieceLayers, isFromPeers: false });
    } catch (error) {
      if (!BtError.is(error)) throw error;
      this.#ctx.tracer?.note?.(this.#ctx.now, 'torrent-file-unreadable', { message: error.message });
      this.#phase = 'fetching-metadata';
      this.#greetBlank();
      this.#join();
    }
  }

  /** It takes longer until it is known what is here: those who wait for a greeting are told "nothing". */
  #greetBlank(): void {
    this.#isWaking = false;
    this.#peering.greetBlank();
  }

  #open(info: Info, from: { layers: ReadonlyMap<string, Uint8Array>; isFromPeers: boolean }): void {
    this.#phase = 'opening';
    let wanted: readonly boolean[];
    try {
      wanted = this.#o.select?.(info) ?? info.files.map(() => true);
    } catch (error) {
      this.#fail(error as BtError);
      return;
    }
    this.#content = new Content(this.#ctx, {
      info,
      wanted,
      layers: from.layers,
      rng: this.#o.rng.fork('content'),
      swarmKey: swarmKeyBytes(this.#identity.first),
      policies: { ...defaultPolicies, ...this.#o.policies },
      onPiece: (piece) => this.#onPiece(piece),
      onBad: (piece, verdicts) => this.#onBad(piece, verdicts),
      onSeed: (peer, seed) => this.finder.book.setSeed(peer.conn, seed),
    });
    this.#disk = this.#makeDisk(this.#content, from.isFromPeers);
    this.#disk.open();
  }

  #makeDisk(content: Content, isFromPeers: boolean): TorrentDisk {
    return new TorrentDisk(this.#ctx, {
      content,
      identity: this.#identity,
      verified: this.#o.verified === true,
      isFromPeers,
      isActive: () => this.#isActive,
      hasEnded: () => this.hasEnded,
      addresses: () => this.finder.book.sample(),
      onAddresses: (addresses) => {
        // A seed that wakes has nobody to look for.
        if (this.#o.wasComplete !== true) this.finder.addAddresses(addresses, 'resume');
      },
      onChecking: (pieces) => {
        this.#phase = 'checking';
        if (this.#isWaking) this.#greetBlank();
        this.#emit({ type: 'checking', torrent: this.id, pieces });
      },
      onReady: () => this.#begin(),
      onRecheck: () => {
        this.#peering.dropAll({ code: 'session/checking' });
        content.downloader.halt();
        for (const timer of ['tick', 'choke', 'retry', 'look'] as const) this.#timers.clear(timer);
        this.#host.runs.forget(this.id);
        this.#doneEmitted = false;
        this.#isJudged = false;
      },
      onDoubted: (pieces) => {
        this.#doneEmitted = false;
        this.#peering.takeBack(pieces, (peer, piece) => this.#dontHave.tell(peer, piece));
      },
      onFound: () => this.#lookWhetherComplete(content),
      onLost: () => this.#onLost(content),
      onFailed: (error) => this.#fail(error),
      lookAt: (at) => this.#timers.set('look', at),
      retryAt: (at) => this.#timers.sooner('retry', at),
    });
  }

  #onLost(content: Content): void {
    if (this.#phase === 'seeding' && !content.ledger.isComplete) {
      this.#phase = 'downloading';
      this.#doneEmitted = false;
      this.#uploadOnly.announce(false);
    }
    content.downloader.wakeAll();
    this.#wantMore();
  }

  #onMetadata(bytes: Uint8Array): void {
    let info: Info;
    try {
      info = parseInfo(bytes, this.#host.crypto);
      this.#identity.learn(info);
    } catch (error) {
      // The hash is right, so the fault is the torrent's own.
      this.#fail(error as BtError);
      return;
    }
    for (const hash of this.#identity.hashes) this.finder.announcer.addHash(this.#ctx.now, swarmKeyBytes(hash));
    this.#open(info, { layers: new Map(), isFromPeers: true });
    this.#emit({ type: 'metadata', torrent: this.id });
  }

  /** What is on disk is known: to work. */
  #begin(): void {
    // A check that ends after the torrent has failed revives nothing.
    if (this.hasEnded) return;
    const content = this.#content as Content;
    this.#disk?.adoptUnread();
    content.downloader.picker.refresh();
    this.#phase = this.#isAllHere(content) ? 'seeding' : 'downloading';
    this.#isJudged = true;
    this.#emit({ type: 'ready', torrent: this.id });
    content.exchange.start();
    this.#peering.adoptAll(content);
    this.#isWaking = false;
    content.downloader.resume();
    this.#disk?.adoptWriteTrouble();
    content.askForHashes();
    this.#timers.set('choke', addMs(this.#ctx.now, limits.choker.roundMs));
    this.#join();
    if (this.#isAllHere(content)) this.#complete();
  }

  #join(): void {
    const announceAt = addMs(this.#ctx.now, this.#o.announceAfterMs ?? 0);
    this.finder.start(announceAt, this.#content?.ledger.isComplete === true);
  }

  #onPiece(piece: number): void {
    const content = this.#content as Content;
    content.exchange.havePiece(piece);
    this.#emit({ type: 'piece', torrent: this.id, piece });
    this.#disk?.changed();
    this.#lookWhetherComplete(content);
  }

  #isAllHere({ ledger }: Content): boolean {
    return ledger.isComplete && ledger.doubtedCount === 0;
  }

  #lookWhetherComplete(content: Content): void {
    if (!this.#isAllHere(content)) return;
    if (this.#phase === 'downloading') {
      this.finder.announcer.complete();
      this.#complete();
    } else if (this.#phase === 'seeding') this.#tellDone();
  }

  #complete(): void {
    this.#phase = 'seeding';
    this.#content?.exchange.completed();
    this.#uploadOnly.announce(true);
    this.finder.announceDue();
    this.#disk?.save();
    this.#peering.dropSeeds();
    this.#tellDone();
  }

  #tellDone(): void {
    if (this.#doneEmitted) return;
    this.#doneEmitted = true;
    this.#emit({ type: 'done', torrent: this.id });
  }

  #onBad(piece: number, verdicts: readonly BlameVerdict[]): void {
    this.#emit({ type: 'bad-piece', torrent: this.id, piece, peers: verdicts.length });
    for (const verdict of verdicts) {
      const { key, reason } = verdict;
      const close = { code: 'peer/bad-data', detail: `${reason}, piece ${piece}` };
      this.#ban({ key, reason, evidence: verdict, close });
    }
  }

  #ban(poisoner: Poisoner): void {
    this.#peering.ban(poisoner);
    this.#emit({ type: 'banned', torrent: this.id, host: poisoner.key, reason: poisoner.reason });
  }

  #onGone(peer: Peer, reason: CloseReason, byUs: boolean): void {
    this.#peering.gone(peer, reason, byUs);
    this.#wantMore();
  }

  #wantMore(): void {
    const isHungry = this.#phase === 'downloading' || this.#phase === 'fetching-metadata';
    if (isHungry && this.#ctx.peers.size < limits.peer.connsLow) this.finder.wantMore();
  }

  #planTick(): void {
    const at = this.#peering.nextTick();
    if (at !== undefined && !this.#timers.has('tick')) this.#timers.set('tick', at);
  }

  /** Connections, requests and announces end. */
  #cease(reason: CloseReason): void {
    for (const timer of ['tick', 'choke', 'resume', 'retry', 'look'] as const) this.#timers.clear(timer);
    this.#peering.dropAll(reason);
    this.#content?.downloader.halt();
  }

  #fail(error: BtError): void {
    if (this.#phase === 'error' || this.#phase === 'stopping' || this.#phase === 'stopped') return;
    this.#error = error;
    this.#phase = 'error';
    this.#cease({ code: 'session/error', detail: error.code });
    this.finder.stop();
    this.#emit({ type: 'error', torrent: this.id, error });
  }

  #continueStop(): void {
    this.#disk?.continueMove();
    if (this.#phase !== 'stopping') return;
    if ((this.#content?.downloader.atDisk ?? 0) > 0) return;
    this.#content?.downloader.halt();
    if (this.#disk !== undefined && !this.#disk.close()) return;
    if (!this.finder.announcer.isQuiet && this.#ctx.now < this.#stopDeadline) return;
    this.#phase = 'stopped';
    this.finder.book.clear();
    this.#timers.clear('stop');
    this.#host.runs.forget(this.id);
    this.#emit({ type: 'stopped', torrent: this.id });
  }

  #progress(of: { readonly isComplete: boolean; readonly doneBytes: number; readonly wantedBytes: number }): number {
    if (this.#phase === 'checking') return this.#disk?.checkProgress ?? 0;
    if (of.isComplete) return 1;
    return of.wantedBytes === 0 ? 0 : of.doneBytes / of.wantedBytes;
  }
}

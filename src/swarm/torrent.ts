import {
  addMs,
  assert,
  Bitfield,
  BtError,
  type ConnId,
  compareBytes,
  Deadlines,
  equalBytes,
  type InfoHash,
  type Millis,
  NEVER,
  type PeerAddress,
  type Rng,
  swarmKeyBytes,
  type TorrentId,
  toSwarmKey,
} from '../base/index.ts';
import { type Info, parseInfo } from '../metainfo/index.ts';
import type { Tracer } from '../trace/index.ts';
import {
  type AnnounceRequest,
  type CloseReason,
  describePeerId,
  encodeMessage,
  type Handshake,
  type HandshakeFlags,
  peerPriority,
} from '../wire/index.ts';
import { Announcer } from './announcer.ts';
import { peerKey } from './ban-list.ts';
import type { BlameVerdict } from './blame.ts';
import { Connections } from './connections.ts';
import { Content } from './content.ts';
import type { SwarmHost, TorrentEvent } from './context.ts';
import { MetadataExtension } from './extensions/metadata.ts';
import { PexExtension } from './extensions/pex.ts';
import { ExtensionRegistry } from './extensions/registry.ts';
import { DontHaveExtension, UploadOnlyExtension } from './extensions/small.ts';
import { limits } from './limits.ts';
import { type MessageEffects, PeerMessages } from './messages.ts';
import { Peer } from './peer.ts';
import { PeerBook } from './peer-book.ts';
import type { PeerSource } from './peer-order.ts';
import type { AnnounceResult, CommitOutcome, ScrapeResult, StoreOpened } from './ports.ts';
import { encodeResume } from './resume.ts';
import { type PeerSnapshot, snapshotPeer, type TorrentPhase, type TorrentSnapshot } from './snapshot.ts';
import { Storage } from './storage.ts';

/** What a torrent is made from: a .torrent file (info known) or a magnet link (hashes only). */
export interface TorrentSource {
  readonly info?: Info;
  readonly hashV1?: InfoHash;
  readonly hashV2?: InfoHash;
  /** For people, until the metadata is known. */
  readonly name?: string;
  readonly layers?: ReadonlyMap<string, Uint8Array>;
  readonly trackers: readonly (readonly string[])[];
  /** Dialled first, and again however often they fail. */
  readonly peers?: readonly PeerAddress[];
  /** Which files to fetch; all where it is absent. Asked once, when the info dictionary is known. */
  readonly select?: (info: Info) => readonly boolean[];
  /** The data was hashed a moment ago: files of the right length are believed. */
  readonly verified?: boolean;
  /** ms to wait before the first announce. */
  readonly announceAfterMs?: number;
}

export interface TorrentOptions extends TorrentSource {
  readonly host: SwarmHost;
  readonly id: TorrentId;
  readonly rng: Rng;
  readonly now: Millis;
  readonly tracer?: Tracer | undefined;
}

/** A connection whose handshakes are complete. */
export interface AddPeer {
  readonly conn: ConnId;
  readonly address: PeerAddress;
  readonly incoming: boolean;
  readonly handshake: Handshake;
}

type Timer = 'tick' | 'choke' | 'announce' | 'dial' | 'resume' | 'retry' | 'stop';

/** Names the client in BEP 10 handshakes. */
const clientVersion = 'Eider 0.1.0';

/**
 * The brain of one torrent: owns its phase, its timers and its parts, and owns no algorithm. Inputs come from the session, run to
 * completion, and end with `endTurn`, where requests, uploads and messages that the input caused leave together.
 */
export class Torrent implements MessageEffects {
  readonly id: TorrentId;
  readonly hashV1: InfoHash | undefined;
  readonly hashV2: InfoHash | undefined;
  readonly book: PeerBook;
  readonly announcer: Announcer;
  readonly #o: TorrentOptions;
  readonly #host: SwarmHost;
  readonly #ctx: Connections;
  readonly #timers = new Deadlines<Timer>();
  readonly #extensions: ExtensionRegistry;
  readonly #metadata: MetadataExtension;
  readonly #dontHave: DontHaveExtension;
  readonly #uploadOnly: UploadOnlyExtension;
  #phase: TorrentPhase = 'fetching-metadata';
  #info: Info | undefined;
  #content: Content | undefined;
  #error: BtError | undefined;
  #waitingFor: BtError | undefined;
  #storage: Storage | undefined;
  #doneEmitted = false;
  /** Totals of earlier runs. */
  #earlier = { downloaded: 0, uploaded: 0 };
  #fromSeeds = 0;
  #fromPeers = 0;
  #serveFrom = 0;
  #externalIp: string | undefined;
  #stopDeadline: Millis | undefined;

  constructor(options: TorrentOptions) {
    this.id = options.id;
    this.#o = options;
    this.#host = options.host;
    this.hashV1 = options.info?.hashV1 ?? options.hashV1;
    this.hashV2 = options.info?.hashV2 ?? options.hashV2;
    assert(this.hashV1 !== undefined || this.hashV2 !== undefined, 'a torrent has an info-hash');
    this.#ctx = new Connections({
      host: options.host,
      torrent: options.id,
      rng: options.rng.fork('connections'),
      tracer: options.tracer,
      now: options.now,
      onDrop: (peer, reason, byUs) => this.#onPeerGone(peer, reason, byUs),
      onFail: (error) => this.#fail(error),
    });
    this.book = new PeerBook({ rng: options.rng.fork('peer-book') });
    this.announcer = new Announcer({
      tiers: options.trackers,
      infoHashes: [this.hashV1, this.hashV2].filter((h) => h !== undefined).map(swarmKeyBytes),
      peerId: options.host.peerId,
      key: options.rng.u32(),
      rng: options.rng.fork('announcer'),
    });
    this.#metadata = new MetadataExtension(this.#ctx, {
      hashV1: this.hashV1,
      hashV2: this.hashV2,
      bytes: () => this.#info?.bytes,
      onMetadata: (bytes) => this.#onMetadata(bytes),
    });
    this.#dontHave = new DontHaveExtension(this.#ctx, (peer, piece) => this.#content?.exchange.onDontHave(peer, piece));
    this.#uploadOnly = new UploadOnlyExtension(this.#ctx, (peer, value) =>
      this.#content?.exchange.onUploadOnly(peer, value),
    );
    const pex = new PexExtension(this.#ctx, {
      isPrivate: () => this.#info?.isPrivate === true,
      onPeers: (peers) => this.#addAddresses(peers, 'pex'),
    });
    this.#extensions = new ExtensionRegistry(this.#ctx, [this.#metadata, pex, this.#dontHave, this.#uploadOnly]);
    for (const address of options.peers ?? []) this.book.add(options.now, address, 'manual');
  }

  // --- life ---

  /** Opens what is on disk, or begins to look for the metadata. */
  start(now: Millis): void {
    this.#ctx.now = now;
    if (this.#o.info === undefined) this.#join();
    else this.#open(this.#o.info);
  }

  /** Ends it: says goodbye, saves, closes. Emits `stopped`. */
  stop(now: Millis, announceMs: number): void {
    this.#ctx.now = now;
    if (this.#phase === 'stopping' || this.#phase === 'stopped') return;
    this.#phase = 'stopping';
    for (const timer of ['tick', 'choke', 'dial', 'resume', 'retry'] as const) this.#timers.clear(timer);
    for (const peer of [...this.#ctx.peers.values()]) this.#ctx.drop(peer, { code: 'session/stopped' });
    this.#content?.downloader.halt();
    this.announcer.stop();
    this.#stopDeadline = addMs(now, announceMs);
    this.#timers.set('stop', this.#stopDeadline);
    this.#announceDue();
    this.#continueStop();
  }

  get phase(): TorrentPhase {
    return this.#phase;
  }
  get info(): Info | undefined {
    return this.#info;
  }
  get content(): Content | undefined {
    return this.#content;
  }
  get error(): BtError | undefined {
    return this.#error;
  }
  get name(): string {
    return this.#info?.name ?? this.#o.name ?? this.hashV1 ?? this.hashV2 ?? '';
  }
  /** Incoming connections are welcome. */
  get acceptsPeers(): boolean {
    const open = this.#phase === 'downloading' || this.#phase === 'seeding' || this.#phase === 'fetching-metadata';
    return open && this.#ctx.peers.size < limits.peer.connsPerTorrent;
  }
  get peerCount(): number {
    return this.#ctx.peers.size;
  }

  /** The 20-byte keys that handshakes may carry, as hex. */
  get swarmKeys(): string[] {
    return [this.hashV1, this.hashV2].filter((h) => h !== undefined).map(toSwarmKey);
  }
  isOwnHash(swarmKey: string): boolean {
    return this.swarmKeys.includes(swarmKey);
  }

  /** @param asked what an incoming handshake asked for: it is answered with the same */
  handshake(asked?: Uint8Array): { infoHash: Uint8Array; flags: HandshakeFlags } {
    return {
      infoHash: asked ?? swarmKeyBytes((this.hashV1 ?? this.hashV2) as InfoHash),
      flags: { extensions: true, fast: true, dht: false, v2: this.hashV2 !== undefined },
    };
  }

  // --- connections ---

  addPeer(now: Millis, added: AddPeer): void {
    this.#ctx.now = now;
    const { conn, address, handshake } = added;
    if (added.incoming) {
      const admission = this.book.onIncoming(conn, address);
      if (admission !== 'ok') {
        this.#host.closeConn(conn, { code: `peer/${admission}` });
        return;
      }
    } else this.book.onConnected(conn, address);
    const flags = handshake.flags;
    const peer = new Peer({
      conn,
      address,
      incoming: added.incoming,
      id: handshake.peerId,
      client: describePeerId(handshake.peerId),
      flags: { ...flags, v2: flags.v2 && this.hashV2 !== undefined },
      key: peerKey(address),
      now,
      pieceCount: this.#info?.pieceCount ?? 0,
    });
    this.#ctx.add(peer, new PeerMessages(this.#ctx, peer, this));
    this.#tuneDecoder(peer);
    if (flags.extensions) this.#sendExtensionHandshake(peer);
    if (this.#isActive && this.#content !== undefined) this.#content.exchange.greet(peer);
    else if (flags.fast) this.#greetWithNothing(peer);
    this.#timers.sooner('tick', addMs(now, limits.peer.tickMs));
  }

  onBytes(now: Millis, conn: ConnId, bytes: Uint8Array): void {
    this.#ctx.now = now;
    this.#ctx.sinks.get(conn)?.push(bytes);
  }

  /** @returns false where the connection is not ours any more: the view is the session's to release */
  onWritten(now: Millis, conn: ConnId, ticket: number): boolean {
    this.#ctx.now = now;
    const peer = this.#ctx.peers.get(conn);
    if (peer === undefined || this.#content === undefined) return false;
    return this.#content.uploader.onWritten(peer, ticket);
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
    this.book.onDialFailed(now, address);
    this.#planDial();
  }

  onOwnAddress(address: PeerAddress): void {
    this.book.addOwnAddress(address);
  }

  /** Addresses from the user. */
  addPeers(now: Millis, addresses: readonly PeerAddress[]): void {
    this.#ctx.now = now;
    this.#addAddresses(addresses, 'manual');
  }

  /** Upload may flow again: peers take turns to be first. */
  serveAll(now: Millis): void {
    this.#ctx.now = now;
    const waiting = [...this.#ctx.peers.values()].filter((p) => p.requests.length > 0);
    if (waiting.length === 0) return;
    const from = this.#serveFrom++ % waiting.length;
    for (let i = 0; i < waiting.length; i++) this.#ctx.serve(waiting[(from + i) % waiting.length] as Peer);
  }

  /** Pieces that a reader waits for, soonest first; empty = none. */
  setUrgent(now: Millis, pieces: readonly number[]): void {
    this.#ctx.now = now;
    const content = this.#content;
    if (content === undefined) return;
    content.downloader.picker.urgent = pieces;
    content.downloader.wakeAll();
  }

  /** Looks at all data on disk again. Connections end; what turns out bad is fetched again. */
  recheck(now: Millis): void {
    this.#ctx.now = now;
    const content = this.#content;
    if (content === undefined || !this.#isActive) return;
    for (const peer of [...this.#ctx.peers.values()]) this.#ctx.drop(peer, { code: 'session/checking' });
    content.downloader.halt();
    for (const timer of ['tick', 'choke', 'dial', 'retry'] as const) this.#timers.clear(timer);
    this.#host.runs.forget(this.id);
    for (const piece of content.ledger.have.clone()) {
      content.ledger.lost(piece);
      content.downloader.picker.pieceMoved(piece);
    }
    this.#doneEmitted = false;
    this.#storage?.recheck();
  }

  /** Connections whose reading the session stops and starts for the download limits. */
  get conns(): IterableIterator<ConnId> {
    return this.#ctx.peers.keys();
  }

  // --- messages (MessageEffects) ---

  get pieceCount(): number | undefined {
    return this.#isActive ? this.#content?.geometry.pieceCount : undefined;
  }
  onChoke(peer: Peer, choking: boolean): void {
    if (this.#isActive && this.#content !== undefined) this.#content.exchange.onChoke(peer, choking);
    else peer.peerChoking = choking;
  }
  onInterest(peer: Peer, interested: boolean): void {
    if (this.#isActive && this.#content !== undefined) this.#content.exchange.onInterest(peer, interested);
    else peer.peerInterested = interested;
  }
  onHave(peer: Peer, piece: number): void {
    this.#content?.exchange.onHave(peer, piece);
  }
  onHaves(peer: Peer, have: Peer['have']): void {
    this.#content?.exchange.onHaves(peer, have);
    this.#content?.askForHashes();
  }
  onRequest(peer: Peer, ref: { piece: number; begin: number; length: number }): void {
    this.#content?.uploader.onRequest(peer, ref);
  }
  onCancel(peer: Peer, ref: { piece: number; begin: number; length: number }): void {
    this.#content?.uploader.onCancel(peer, ref);
  }
  onReject(peer: Peer, ref: { piece: number; begin: number; length: number }): void {
    this.#content?.downloader.onReject(peer, ref);
  }
  onAllowedFast(peer: Peer, piece: number): void {
    if (this.#isActive) this.#content?.exchange.onAllowedFast(peer, piece);
  }
  onExtended(peer: Peer, id: number, payload: Uint8Array): void {
    const hadPort = peer.listenAddress !== undefined;
    this.#extensions.onMessage(peer, id, payload);
    if (hadPort || peer.listenAddress === undefined || peer.isClosed) return;
    const verdict = this.book.onListenPort(this.#ctx.now, peer.conn, peer.listenAddress.port);
    if (verdict === 'banned') this.#ctx.drop(peer, { code: 'peer/banned' });
    else if (verdict === 'duplicate') this.#onDuplicate(peer);
  }
  onHashes(peer: Peer, message: Parameters<MessageEffects['onHashes']>[1]): void {
    this.#content?.onHashMessage(peer, message);
  }
  onBlockStart(peer: Peer, piece: number, begin: number, length: number): void {
    this.#content?.downloader.onBlockStart(peer, piece, begin, length);
  }
  onBlockBytes(peer: Peer, bytes: Uint8Array): void {
    if (peer.wasSeed) this.#fromSeeds += bytes.length;
    else this.#fromPeers += bytes.length;
    this.#content?.downloader.onBlockBytes(peer, bytes);
  }
  onBlockEnd(peer: Peer): void {
    this.#content?.downloader.onBlockEnd(peer);
  }

  // --- disk ---

  onStoreOpened(now: Millis, result: StoreOpened): void {
    this.#ctx.now = now;
    this.#storage?.onStoreOpened(result);
    this.#continueStop();
  }

  onRechecked(now: Millis, first: number, good: Uint8Array, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#storage?.onRechecked(first, good, error);
  }

  onCommitted(
    now: Millis,
    piece: number,
    outcome: CommitOutcome,
    segments: readonly (Uint8Array | undefined)[],
    blockHashes: Uint8Array | undefined,
  ): void {
    this.#ctx.now = now;
    this.#content?.downloader.onCommitted(piece, outcome, segments, blockHashes);
    if (outcome.kind === 'failed') this.#onDiskError(outcome.error);
    else if (outcome.kind === 'inconsistent') this.#failInconsistent(piece);
    else if (outcome.kind === 'ok') this.#waitingFor = undefined;
    this.#continueStop();
  }

  onSegmentStored(now: Millis, piece: number, offset: number, bytes: Uint8Array, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#content?.downloader.onSegmentStored(piece, offset, bytes, error !== undefined);
    if (error !== undefined) this.#onDiskError(error);
    this.#continueStop();
  }

  onLeaves(now: Millis, piece: number, leaves: Uint8Array | undefined): void {
    this.#ctx.now = now;
    this.#content?.onLeaves(piece, leaves);
  }

  onResumeSaved(now: Millis, error: BtError | undefined): void {
    this.#ctx.now = now;
    this.#storage?.onResumeSaved(error);
    this.#continueStop();
  }

  onStoreClosed(now: Millis): void {
    this.#ctx.now = now;
    this.#storage?.onStoreClosed();
    this.#continueStop();
  }

  // --- trackers ---

  onAnnounced(now: Millis, url: string, request: AnnounceRequest, result: AnnounceResult): void {
    this.#ctx.now = now;
    const { peers, warning, externalIp } = this.announcer.onResult(now, url, request, result);
    if (result.ok) {
      const { complete, incomplete } = result.response;
      this.#ctx.tracer?.announce?.(now, 'answered', url, {
        event: request.event,
        peers: peers.length,
        complete,
        incomplete,
      });
    } else this.#ctx.tracer?.announce?.(now, 'failed', url, { event: request.event, error: result.error.message });
    if (externalIp !== undefined) this.#setExternalIp(externalIp);
    if (warning !== undefined) this.#ctx.tracer?.note?.(now, 'tracker-warning', { url, warning });
    this.#emit({ type: 'tracker', torrent: this.id, url, error: result.ok ? undefined : result.error });
    this.#addAddresses(peers, 'tracker');
    this.#announceDue();
    this.#continueStop();
  }

  onScraped(now: Millis, url: string, result: ScrapeResult): void {
    this.#ctx.now = now;
    this.#ctx.tracer?.note?.(now, 'scrape', result.ok ? { url, ...result } : { url, error: result.error.message });
  }

  // --- time ---

  /** A timer of ours is due. */
  onTimer(now: Millis): void {
    this.#ctx.now = now;
    for (const timer of this.#timers.takeDue(now)) {
      switch (timer) {
        case 'tick':
          this.#tick();
          break;
        case 'choke':
          this.#content?.exchange.chokeRound();
          this.#timers.set('choke', addMs(now, limits.choker.roundMs));
          break;
        case 'announce':
          this.#announceDue();
          break;
        case 'dial':
          this.#dial();
          break;
        case 'resume':
          this.#storage?.save(false);
          break;
        case 'retry':
          this.#retryDisk();
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
    const content = this.#content;
    if (content !== undefined && this.#isActive) {
      content.exchange.fillSlots();
      this.#ctx.endTurn({
        fill: (peer) => content.downloader.fill(peer),
        serve: (peer) => content.uploader.serve(peer),
      });
    } else this.#ctx.endTurn({ fill: () => {}, serve: () => {} });
    const saveAt = this.#storage?.saveAt ?? NEVER;
    if (saveAt !== NEVER) this.#timers.set('resume', saveAt);
    return this.#timers.next();
  }

  snapshot(now: Millis): TorrentSnapshot {
    const content = this.#content;
    let downRate = 0;
    let upRate = 0;
    let seeds = 0;
    for (const peer of this.#ctx.peers.values()) {
      downRate += peer.down.bytesPerSec(now);
      upRate += peer.up.bytesPerSec(now);
      if (peer.isSeed) seeds++;
    }
    const wantedBytes = content?.wantedBytes ?? 0;
    const left = content?.ledger.wantedMissingBytes ?? 0;
    const doneBytes = Math.max(0, wantedBytes - left);
    const isComplete = content !== undefined && this.#isActive && content.ledger.isComplete;
    return {
      phase: this.#phase,
      waitingFor: this.#waitingFor,
      error: this.#error,
      name: this.name,
      infoHashV1: this.hashV1,
      infoHashV2: this.hashV2,
      totalBytes: this.#info?.totalLength,
      pieceCount: this.#info?.pieceCount,
      piecesHave: content?.ledger.have.count ?? 0,
      wantedBytes,
      doneBytes,
      progress: this.#progress(isComplete, doneBytes, wantedBytes),
      isComplete,
      downRate,
      upRate,
      downloaded: content?.downloader.counts.payloadBytes ?? 0,
      uploaded: content?.uploader.counts.payloadBytes ?? 0,
      wasted: content?.downloader.counts.wastedBytes ?? 0,
      downloadedFromSeeds: this.#fromSeeds,
      downloadedFromPeers: this.#fromPeers,
      etaSec: downRate > 0 && left > 0 ? left / downRate : undefined,
      peersConnected: this.#ctx.peers.size,
      seedsConnected: seeds,
      peersKnown: this.book.size,
      badPieces: content?.downloader.counts.badPieces ?? 0,
    };
  }

  peers(now: Millis): PeerSnapshot[] {
    return [...this.#ctx.peers.values()].map((peer) => snapshotPeer(peer, now));
  }

  /** Walks everything: after every input in simulation, never in production. */
  assertInvariants(): void {
    // While the disk is being looked at, the picker's order is not kept: it is brought up to date when work begins.
    if (this.#content === undefined || !this.#isActive) return;
    this.#content.downloader.assertInvariants();
    this.#content.exchange.assertInvariants();
    for (const peer of this.#ctx.peers.values()) {
      assert(!peer.isClosed, 'closed peers are forgotten');
      assert(peer.requests.length <= limits.upload.queueMax, 'upload queues stay within the limit');
      assert(peer.out.length === 0, 'nothing waits to be sent between turns');
    }
  }

  // --- privately: life ---

  get #isActive(): boolean {
    return this.#phase === 'downloading' || this.#phase === 'seeding';
  }

  #emit(event: TorrentEvent): void {
    this.#host.emit(event);
  }

  #open(info: Info): void {
    this.#info = info;
    this.#phase = 'opening';
    const wanted = this.#o.select?.(info) ?? info.files.map(() => true);
    this.#content = new Content(this.#ctx, {
      info,
      wanted,
      layers: this.#o.layers ?? new Map(),
      rng: this.#o.rng.fork('content'),
      swarmKey: swarmKeyBytes((this.hashV1 ?? this.hashV2) as InfoHash),
      onPiece: (piece) => this.#onPiece(piece),
      onBad: (piece, verdict) => this.#onBad(piece, verdict),
      onSeed: (peer, seed) => this.book.setSeed(peer.conn, seed),
    });
    this.#storage = new Storage(this.#ctx, {
      content: this.#content,
      verified: this.#o.verified === true,
      encode: () => this.#encodeResume(),
      onResume: (data) => {
        this.#earlier = { downloaded: data.downloaded, uploaded: data.uploaded };
        this.#addAddresses(data.peers, 'resume');
      },
      onChecking: (pieces) => {
        this.#phase = 'checking';
        this.#emit({ type: 'checking', torrent: this.id, pieces });
      },
      onReady: () => this.#begin(),
      onFailed: (error) => this.#fail(error),
    });
    this.#storage.open();
  }

  #onMetadata(bytes: Uint8Array): void {
    let info: Info;
    try {
      info = parseInfo(bytes.slice(), this.#host.crypto);
    } catch (error) {
      // The hash is right, so this is the torrent itself.
      this.#fail(error as BtError);
      return;
    }
    this.#emit({ type: 'metadata', torrent: this.id });
    this.#open(info);
  }

  /** What is on disk is known: to work. */
  #begin(): void {
    const content = this.#content as Content;
    for (let p = 0; p < content.geometry.pieceCount; p++) content.downloader.picker.pieceMoved(p);
    this.#phase = content.ledger.isComplete ? 'seeding' : 'downloading';
    this.#emit({ type: 'ready', torrent: this.id });
    content.exchange.start();
    for (const peer of [...this.#ctx.peers.values()]) {
      peer.have = new Bitfield(content.geometry.pieceCount);
      this.#tuneDecoder(peer);
      content.exchange.adopt(peer, content.geometry.pieceCount);
      if (!peer.isClosed) this.#tellHaves(peer);
    }
    content.downloader.resume();
    content.askForHashes();
    this.#timers.set('choke', addMs(this.#ctx.now, limits.choker.roundMs));
    this.#join();
    if (content.ledger.isComplete) this.#complete();
  }

  #join(): void {
    this.announcer.start(addMs(this.#ctx.now, this.#o.announceAfterMs ?? 0), this.#content?.ledger.isComplete === true);
    this.#announceDue();
    this.#dial();
  }

  #onPiece(piece: number): void {
    const content = this.#content as Content;
    content.exchange.havePiece(piece);
    this.#emit({ type: 'piece', torrent: this.id, piece });
    this.#storage?.changed();
    if (!content.ledger.isComplete || this.#phase !== 'downloading') return;
    this.announcer.complete();
    this.#complete();
  }

  #complete(): void {
    const content = this.#content as Content;
    this.#phase = 'seeding';
    content.exchange.completed();
    this.#uploadOnly.announce(true);
    this.#announceDue();
    this.#storage?.changed();
    // Two who have everything have nothing to say to each other.
    for (const peer of [...this.#ctx.peers.values()]) {
      if (peer.isSeed || peer.uploadOnly) this.#ctx.drop(peer, { code: 'peer/both-seeds' });
    }
    if (!this.#doneEmitted) {
      this.#doneEmitted = true;
      this.#emit({ type: 'done', torrent: this.id });
    }
  }

  #fail(error: BtError): void {
    if (this.#phase === 'error' || this.#phase === 'stopping' || this.#phase === 'stopped') return;
    this.#error = error;
    this.#phase = 'error';
    for (const timer of ['tick', 'choke', 'dial', 'retry'] as const) this.#timers.clear(timer);
    this.#content?.downloader.halt();
    for (const peer of [...this.#ctx.peers.values()])
      this.#ctx.drop(peer, { code: 'session/error', detail: error.code });
    this.announcer.stop();
    this.#announceDue();
    this.#emit({ type: 'error', torrent: this.id, error });
  }

  #failInconsistent(piece: number): void {
    this.#fail(new BtError('swarm/inconsistent-hashes', { piece }));
  }

  /** A full disk is waited for: what is here is still given to others. Anything else ends the torrent with its reason. */
  #onDiskError(error: BtError): void {
    if (error.code !== 'disk/no-space') {
      this.#fail(error);
      return;
    }
    if (this.#waitingFor === undefined) this.#emit({ type: 'waiting', torrent: this.id, error });
    this.#waitingFor = error;
    this.#content?.downloader.halt();
    this.#timers.sooner('retry', addMs(this.#ctx.now, limits.pool.diskRetryMs));
  }

  #retryDisk(): void {
    if (this.#isActive) this.#content?.downloader.resume();
  }

  #continueStop(): void {
    if (this.#phase !== 'stopping') return;
    if ((this.#content?.downloader.atDisk ?? 0) > 0) return;
    this.#content?.downloader.halt();
    if (this.#storage !== undefined && !this.#storage.close()) return;
    if (!this.announcer.isQuiet && this.#ctx.now < (this.#stopDeadline as Millis)) return;
    this.#phase = 'stopped';
    this.#timers.clear('stop');
    this.#timers.clear('announce');
    this.#host.runs.forget(this.id);
    this.#emit({ type: 'stopped', torrent: this.id });
  }

  #progress(isComplete: boolean, doneBytes: number, wantedBytes: number): number {
    if (this.#phase === 'checking') return this.#storage?.checkProgress ?? 0;
    if (isComplete) return 1;
    return wantedBytes === 0 ? 0 : doneBytes / wantedBytes;
  }

  #encodeResume(): Uint8Array {
    const content = this.#content as Content;
    return encodeResume({
      infoHashes: [this.hashV1, this.hashV2].filter((h) => h !== undefined),
      have: content.ledger.have,
      wanted: content.wanted,
      uploaded: this.#earlier.uploaded + content.uploader.counts.payloadBytes,
      downloaded: this.#earlier.downloaded + content.downloader.counts.payloadBytes,
      peers: this.book.sample(),
      // What the .torrent file has is not kept twice.
      info: this.#o.info === undefined ? content.info.bytes : undefined,
      layers: this.#o.info === undefined ? content.hashes.layers() : undefined,
    });
  }

  // --- privately: peers ---

  #tuneDecoder(peer: Peer): void {
    if (this.#info === undefined) return;
    peer.decoder.bitfieldBytesMax = Math.ceil(this.#info.pieceCount / 8);
    peer.blocksPerPiece.value = Math.ceil(this.#info.pieceLength / 16_384);
  }

  #sendExtensionHandshake(peer: Peer): void {
    this.#extensions.sendHandshake(peer, {
      metadataSize: this.#info?.bytes.length,
      listenPort: this.#host.listenPort(),
      uploadOnly: this.#phase === 'seeding',
      version: clientVersion,
    });
  }

  /** BEP 6 wants a word about pieces first, and we know nothing yet. */
  #greetWithNothing(peer: Peer): void {
    this.#ctx.send(peer, encodeMessage({ kind: 'have-none' }));
  }

  /** The peer was told "nothing" while we did not know: now it learns piece by piece. */
  #tellHaves(peer: Peer): void {
    for (const piece of (this.#content as Content).ledger.have) {
      this.#ctx.send(peer, encodeMessage({ kind: 'have', piece }));
    }
  }

  /** Two connections to one peer: both sides keep the one that the lower peer id dialled, so that not both are closed. */
  #onDuplicate(peer: Peer): void {
    const mine = this.#host.peerId;
    const theyDialled = peer.incoming;
    const lowerIsMine = compareBytes(mine, peer.id) < 0;
    if (theyDialled === lowerIsMine) this.#ctx.drop(peer, { code: 'peer/duplicate' });
    else {
      for (const other of [...this.#ctx.peers.values()]) {
        if (other !== peer && equalBytes(other.id, peer.id)) this.#ctx.drop(other, { code: 'peer/duplicate' });
      }
    }
  }

  #onPeerGone(peer: Peer, reason: CloseReason, byUs: boolean): void {
    const content = this.#content;
    if (content !== undefined) {
      content.downloader.peerGone(peer);
      if (peer.have.size > 0) content.exchange.gone(peer);
      content.peerGone(peer);
    }
    this.#extensions.onGone(peer);
    const useful = peer.down.total + peer.up.total > 0;
    const failed =
      byUs && reason.code.startsWith('peer/') && reason.code !== 'peer/both-seeds' && reason.code !== 'peer/duplicate';
    this.book.onClosed(this.#ctx.now, peer.conn, failed ? 'failed' : useful ? 'useful' : 'idle');
    this.#planDial();
    this.#wantPeers();
  }

  #onBad(piece: number, verdicts: readonly BlameVerdict[]): void {
    this.#emit({ type: 'bad-piece', torrent: this.id, piece, peers: verdicts.length });
    for (const verdict of verdicts) {
      this.book.ban(this.#ctx.now, verdict.key, verdict.reason, verdict);
      this.#ctx.tracer?.ban?.(this.#ctx.now, verdict.key, verdict.reason, verdict);
      this.#emit({ type: 'banned', torrent: this.id, host: verdict.key, reason: verdict.reason });
      for (const peer of [...this.#ctx.peers.values()]) {
        if (peer.key === verdict.key)
          this.#ctx.drop(peer, { code: 'peer/bad-data', detail: `${verdict.reason}, piece ${piece}` });
      }
    }
  }

  #addAddresses(addresses: readonly PeerAddress[], source: PeerSource): void {
    for (const address of addresses) this.book.add(this.#ctx.now, address, source);
    this.#planDial();
  }

  #planDial(): void {
    if (!this.#isActive && this.#phase !== 'fetching-metadata') return;
    const at = this.book.nextAt(this.#ctx.now, this.#phase === 'seeding');
    if (at !== NEVER) this.#timers.sooner('dial', Math.max(at, this.#ctx.now) as Millis);
  }

  /** BEP 40: everybody orders the others alike, and so the swarm's graph gets short paths. */
  #setExternalIp(host: string): void {
    if (host === this.#externalIp) return;
    this.#externalIp = host;
    const own = { host, port: this.#host.listenPort() };
    this.book.setPriority((to) => peerPriority(own, to) ?? 0);
  }

  /** Dials the best addresses while there is room. */
  #dial(): void {
    if (!this.#isActive && this.#phase !== 'fetching-metadata') return;
    const seeding = this.#phase === 'seeding';
    while (this.#ctx.peers.size < limits.peer.connsPerTorrent) {
      const address = this.book.next(this.#ctx.now, seeding);
      if (address === undefined) break;
      if (!this.#host.dial(this.id, address)) {
        // The session is busy: the next second again.
        this.#timers.set('dial', addMs(this.#ctx.now, limits.peer.tickMs));
        return;
      }
      this.book.onDial(address);
    }
    this.#planDial();
  }

  /** About once a second while there are connections: what has no message of its own to be noticed by. */
  #tick(): void {
    const now = this.#ctx.now;
    const patience = this.#host.isDownloadLimited(this.id) ? 3 : 1;
    for (const peer of [...this.#ctx.peers.values()]) {
      if (now - peer.lastReceivedAt > limits.peer.idleMs) {
        this.#ctx.drop(peer, { code: 'peer/idle' });
        continue;
      }
      if (now - peer.lastSentAt > limits.peer.keepAliveMs) this.#ctx.send(peer, encodeMessage({ kind: 'keep-alive' }));
      if (this.#isActive) this.#content?.downloader.tick(peer, patience);
      if (peer.isClosed) continue;
      // What could not be asked or served for want of a buffer is tried again.
      peer.dryAt = -1;
      if (peer.usefulPieces > 0) this.#ctx.hungry(peer);
      if (peer.requests.length > 0) this.#ctx.serve(peer);
    }
    this.#extensions.onTick();
    this.#content?.askForHashes();
    if (this.#ctx.peers.size > 0) this.#timers.set('tick', addMs(now, limits.peer.tickMs));
    this.#wantPeers();
  }

  /** Too few to download from: trackers are asked as soon as they allow. */
  #wantPeers(): void {
    if (this.#phase !== 'downloading' && this.#phase !== 'fetching-metadata') return;
    if (this.#ctx.peers.size >= limits.peer.connsLow) return;
    this.announcer.wantPeers();
    this.#announceDue();
  }

  #announceDue(): void {
    const content = this.#content;
    const figures = {
      port: this.#host.listenPort(),
      uploaded: content?.uploader.counts.payloadBytes ?? 0,
      downloaded: content?.downloader.counts.payloadBytes ?? 0,
      // Without metadata the size is unknown, and 0 would say that we are a seed.
      left: content?.ledger.wantedMissingBytes ?? limits.extension.leftUnknownBytes,
      numWant: limits.peer.numWant,
    };
    for (const { url, request, reason } of this.announcer.due(this.#ctx.now, figures)) {
      this.#ctx.tracer?.announce?.(this.#ctx.now, 'sent', url, { event: request.event, left: request.left, reason });
      this.#host.ports.announce(this.id, url, request);
    }
    const at = this.announcer.nextAt();
    if (at === NEVER) this.#timers.clear('announce');
    else this.#timers.set('announce', at);
  }
}

import {
  addMs,
  assert,
  BtError,
  type ConnId,
  type CryptoPort,
  FRACTION_ZERO,
  type Millis,
  NEVER,
  type PeerAddress,
  type PeerId,
  type Rng,
  type TorrentId,
} from '../base/index.ts';
import {
  type AnnounceResult,
  type CommitOutcome,
  PiecePool,
  type RestReason,
  RunCache,
  type ScrapeResult,
  type StoreOpened,
  type SwarmHost,
  type SwarmInputs,
  type SwarmPorts,
  limits as swarmLimits,
  type Torrent,
  type TorrentEvent,
  type TorrentSnapshot,
  type TrackerPort,
} from '../swarm/index.ts';
import type { AnnounceRequest, CloseReason } from '../wire/index.ts';
import type { AddTorrent } from './add-torrent.ts';
import { AnnounceGate } from './announce-gate.ts';
import { Bandwidth, type Rates, toReadBytes } from './bandwidth.ts';
import { Handshakes } from './handshakes.ts';
import { type HeldBack, listHeldBack } from './held-back.ts';
import { HeldTorrent } from './held-torrent.ts';
import { limits } from './limits.ts';
import { assertBalanced, type HeldBytes, listHolders, type MemoryFacts } from './memory-ledger.ts';
import { PieceReads, type ReadRun } from './piece-reads.ts';
import { type ActiveLimits, Queue } from './queue.ts';
import { ReadTurns } from './read-turns.ts';
import { Turns } from './turns.ts';
import { UploadTurns } from './upload-turns.ts';

export interface SessionOptions {
  readonly ports: SwarmPorts;
  readonly crypto: CryptoPort;
  readonly rng: Rng;
  readonly peerId: PeerId;
  readonly now: Millis;
  /** Low-rate events of all torrents. Called inside an input: must not call back into the session. */
  readonly onEvent: (event: TorrentEvent) => void;
  /** Bytes per second for the whole session; Infinity = no limit. */
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
  readonly connsMax?: number;
  readonly connsPerTorrentMax?: number;
  /** Downloads at work at a time, and seeds with somebody to give to; default: all. */
  readonly activeLimits?: Partial<ActiveLimits>;
  /** Budget of piece buffers, bytes. */
  readonly pieceBytesMax?: number;
}

/**
 * All torrents of one client. Owns what they share: the peer id, the names and limits of connections, handshakes before the torrent is
 * known, bandwidth, buffers, one timer. Sans-IO: `client` gives it the real world, `sim` a virtual one.
 *
 * Every input ends by letting the touched torrents finish their turn (requests, uploads, writes); then the timer is set once.
 */
export class Session implements SwarmInputs {
  readonly peerId: PeerId;
  readonly pool: PiecePool;
  readonly runs: RunCache;
  readonly #o: SessionOptions;
  readonly #ports: SwarmPorts;
  readonly #torrents = new Map<TorrentId, HeldTorrent>();
  readonly #bySwarmKey = new Map<string, HeldTorrent>();
  readonly #conns = new Map<ConnId, HeldTorrent>();
  readonly #handshakes: Handshakes;
  readonly #bandwidth: Bandwidth;
  readonly #gate: AnnounceGate;
  readonly #queue: Queue;
  readonly #host: SwarmHost;
  readonly #trackers: TrackerPort;
  readonly #turns: Turns;
  readonly #reads: PieceReads;
  readonly #uploadTurns: UploadTurns;
  readonly #readTurns: ReadTurns;
  /** A torrent has come to rest. */
  #mayDrain = false;
  /** Nobody has been awake since the buffers were let go: of ten thousand sleepers that stop none is a reason to look at all others. */
  #isDrained = true;
  #readUpTo: number = limits.readBytesMax;
  /** Connections and dials that came to nothing before they were a peer's: code to count. As many as there are codes. */
  readonly #refused = new Map<string, number>();
  #listenPort = 0;
  #nextConn = 1;
  #nextTorrent = 1;
  #isClosed = false;
  #reclaimAt: Millis = FRACTION_ZERO as Millis;

  constructor(options: SessionOptions) {
    this.#o = options;
    this.#ports = options.ports;
    this.peerId = options.peerId;
    this.#turns = new Turns({
      now: options.now,
      find: (id) => this.#torrents.get(id),
      wakeAt: (at) => options.ports.wakeAt(at),
      onFault: (held, fault) => this.#condemn(held, fault),
      onEnding: () => {
        if (!this.#queue.hasMoved) return;
        // Who ends everything gives no places away.
        if (this.#isClosed) this.#queue.hasMoved = false;
        else this.#queue.judge(this.#turns.now);
      },
      // A turn to send ends here; the next one may begin.
      hasMore: () => this.#uploadTurns.waiting() > 0 && this.#resumeUpload(),
      onEnded: () => this.#planAffairs(),
    });
    this.pool = new PiecePool(options.pieceBytesMax ?? swarmLimits.pool.pieceBytes);
    this.runs = new RunCache(options.ports);
    this.#reads = new PieceReads({
      runs: this.runs,
      find: (id) => this.#torrents.get(id),
      now: () => this.#turns.now,
    });
    this.#queue = new Queue({
      active: options.activeLimits,
      torrents: () => this.#torrents.values(),
      wake: (held, reason) => this.#wake(held, reason),
      rest: (held, phase, reason) => this.#rest(held, phase, reason),
      lookAgain: () => this.#turns.wakes.set('queue', addMs(this.#turns.now, limits.queueMs)),
    });
    this.#gate = new AnnounceGate(options.ports, options.now);
    this.#trackers = {
      announce: (torrent, url, request) => this.#gate.announce(this.#turns.now, torrent, url, request),
      scrape: (torrent, url, hash) => options.ports.scrape(torrent, url, hash),
    };
    this.#bandwidth = new Bandwidth({
      now: options.now,
      upload: options.uploadLimit ?? Number.POSITIVE_INFINITY,
      download: options.downloadLimit ?? Number.POSITIVE_INFINITY,
    });
    this.#host = this.#hostOf();
    this.#uploadTurns = new UploadTurns(this.#bandwidth);
    this.#readTurns = new ReadTurns({
      reading: (conn, on) => this.#ports.reading(conn, on),
      mayRead: (now, torrent) => this.#bandwidth.mayRead(now, torrent),
      opensAt: (now, torrent) => this.#bandwidth.readOpensAt(now, torrent),
    });
    this.#fitReads();
    this.#handshakes = new Handshakes({
      ports: options.ports,
      peerId: options.peerId,
      admits: (torrent) => {
        this.#turns.join(torrent);
        return this.#turns.inside(torrent, () => this.#admits(torrent)) === true;
      },
      find: (swarmKey) => this.#bySwarmKey.get(swarmKey),
      onOpen: (torrent, peer, rest) => {
        this.#conns.set(peer.conn, torrent);
        this.#turns.join(torrent);
        this.#turns.inside(torrent, () => {
          if (torrent.phase === 'dormant') this.#wake(torrent, 'a peer');
          torrent.addPeer(this.#turns.now, peer);
          if (rest.length > 0) torrent.awake?.onBytes(this.#turns.now, peer.conn, rest);
        });
      },
      onFailed: ({ conn, address, torrent, incoming, reason }) => {
        this.#countRefused(reason.code);
        if (torrent === undefined) return;
        torrent.tracer?.closed?.(this.#turns.now, conn, reason.code, reason.detail);
        if (incoming) return;
        this.#turns.join(torrent);
        this.#turns.inside(torrent, () => torrent.onDialFailed(this.#turns.now, address));
      },
    });
  }

  // --- what the owner of the session may ask ---

  /** Adds a torrent and starts it, where it has a place. Its events carry the id. */
  add(now: Millis, source: AddTorrent): TorrentId {
    return this.#turns.input(now, () => {
      const held = this.#hold(source);
      this.#fitReads();
      this.#place(held, source, now);
      return held.id;
    });
  }

  /**
   * Adds what an earlier run had: complete ones sleep until they are needed, and first announces are spread by chance, so that thousands
   * do not come at once.
   * @param onId called for each before it can do anything
   * @returns ids in the same order
   */
  restore(now: Millis, sources: readonly AddTorrent[], onId?: (id: TorrentId, index: number) => void): TorrentId[] {
    return this.#turns.input(now, () => {
      const many = Math.max(0, sources.length - limits.announceBurst);
      const spreadMs = Math.min(limits.announceSpreadMaxMs, many * limits.announceSpreadMs);
      const ids = sources.map((source, i) => {
        const held = this.#hold(source);
        onId?.(held.id, i);
        this.#place(held, source, addMs(now, spreadMs * this.#o.rng.unit()));
        return held.id;
      });
      this.#fitReads();
      return ids;
    });
  }

  /** A torrent with the same swarm is here already. */
  has(swarmKey: string): boolean {
    return this.#bySwarmKey.has(swarmKey);
  }

  torrent(id: TorrentId): HeldTorrent | undefined {
    return this.#torrents.get(id);
  }
  get torrents(): IterableIterator<HeldTorrent> {
    return this.#torrents.values();
  }
  /** Why connections and dials came to nothing before they were a peer's: code of the reason to how often. */
  get refused(): ReadonlyMap<string, number> {
    return this.#refused;
  }
  get connCount(): number {
    return this.#conns.size + this.#handshakes.count;
  }

  /** Ends a torrent: `stopped` is emitted when it is saved and closed. */
  stop(now: Millis, id: TorrentId): void {
    this.#turns.input(now, () => {
      const torrent = this.#torrents.get(id);
      if (torrent === undefined) return;
      this.#handshakes.forget(torrent);
      this.#unsay(torrent);
      this.#turns.join(torrent);
      this.#turns.inside(torrent, () => torrent.stop(now, limits.stopAnnounceMs));
      // A fault while it stopped: what is left of it stops too.
      if (torrent.isCondemned) torrent.stop(now, limits.stopAnnounceMs);
      this.#queue.hasMoved = true;
    });
  }

  /** Forgets a stopped torrent. */
  remove(now: Millis, id: TorrentId): void {
    this.#turns.input(now, () => {
      const torrent = this.#torrents.get(id);
      if (torrent === undefined) return;
      assert(torrent.phase === 'stopped', 'only a stopped torrent is removed');
      this.#torrents.delete(id);
      for (const key of torrent.swarmKeys) if (this.#bySwarmKey.get(key) === torrent) this.#bySwarmKey.delete(key);
      this.#bandwidth.removeTorrent(id);
      this.#uploadTurns.forget(id);
      this.#readTurns.forgetTorrent(id);
      this.#fitReads();
      this.#turns.forget(torrent);
      this.#queue.forget(torrent);
      this.#gate.forget(id);
    });
  }

  /** It does not run until `unpause`; what it has stays. */
  pause(now: Millis, id: TorrentId): void {
    this.#turns.input(now, () => {
      const torrent = this.#turns.touch(id);
      if (torrent === undefined) return;
      this.#rest(torrent, 'paused', 'paused');
      this.#queue.hasMoved = true;
    });
  }

  /** It runs again, as soon as it has a place. */
  unpause(now: Millis, id: TorrentId): void {
    this.#turns.input(now, () => {
      const torrent = this.#turns.touch(id);
      if (torrent?.phase !== 'paused') return;
      torrent.stalledAt = 0 as Millis;
      if (torrent.isKept && torrent.isComplete) this.#turns.inside(torrent, () => torrent.rest(now, 'dormant', 'idle'));
      else this.#begin(torrent);
    });
  }

  /** Somebody wants to see or read it: if it sleeps it wakes, and `ready` follows. A paused one stays as it is. */
  wake(now: Millis, id: TorrentId): void {
    this.#turns.input(now, () => {
      const torrent = this.#turns.touch(id);
      torrent?.touch(now);
      if (torrent?.phase === 'dormant') this.#wake(torrent, 'asked for');
    });
  }

  /** The session's state has its .torrent file from now on: it may sleep. */
  keep(now: Millis, id: TorrentId): void {
    this.#turns.input(now, () => this.#turns.touch(id)?.keep());
  }

  /** Downloads at work at a time, and seeds with somebody to give to. */
  setActiveLimits(now: Millis, active: Partial<ActiveLimits>): void {
    this.#turns.input(now, () => this.#queue.setLimits(active));
  }

  /** @param position 1 = first. Others move to make room */
  moveInQueue(now: Millis, id: TorrentId, position: number): void {
    this.#turns.input(now, () => {
      const torrent = this.#turns.touch(id);
      if (torrent === undefined) return;
      this.#queue.move(torrent, position);
    });
  }

  /** A torrent as it is now; undefined where there is none. */
  snapshot(now: Millis, id: TorrentId): TorrentSnapshot | undefined {
    const torrent = this.#torrents.get(id);
    return torrent?.snapshot(now, this.#queue.positionOf(torrent));
  }

  addPeers(now: Millis, id: TorrentId, addresses: readonly PeerAddress[]): void {
    this.#turns.input(now, () => {
      const torrent = this.#turns.touch(id);
      if (torrent?.phase === 'dormant') this.#wake(torrent, 'asked for');
      this.#turns.to(id, (t) => t.awake?.addPeers(now, addresses));
    });
  }

  /** @returns how many `scraped` events follow, one a tracker */
  scrape(now: Millis, id: TorrentId): number {
    return this.#turns.input(now, () => this.#turns.touch(id)?.scrape() ?? 0);
  }

  setUrgent(now: Millis, id: TorrentId, pieces: readonly number[]): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.awake?.setUrgent(now, pieces)));
  }

  /** Takes the files of a torrent that is awake to another folder; `moved` follows. */
  move(now: Millis, id: TorrentId, folder: string): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.awake?.move(now, folder)));
  }

  /** Hashes all data of a torrent again; `checking`, `ready` follow. */
  recheck(now: Millis, id: TorrentId): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.awake?.recheck(now)));
  }

  /**
   * Reads from a verified piece. `take` gets up to 256 KiB that hold the byte at `begin` (the run's offset in the piece and its payload,
   * bytes of its own), or why there are none; it is called inside a later input, or at once where the run is in memory.
   */
  read(now: Millis, id: TorrentId, piece: number, begin: number, take: (run: ReadRun) => void): void {
    this.#turns.input(now, () => this.#reads.read({ torrent: id, piece, begin }, take));
  }

  /** The port that trackers and peers are told; 0 while nobody can connect to us. */
  setListenPort(port: number): void {
    this.#listenPort = port;
  }

  setRates(now: Millis, rates: Partial<Rates>, id?: TorrentId): void {
    this.#turns.input(now, () => {
      if (id === undefined) this.#bandwidth.setSession(now, rates);
      else this.#bandwidth.setTorrent(now, id, rates);
      this.#fitReads();
      this.#readTurns.resume(now);
      this.#resumeUpload();
    });
  }

  /** No new connections from now on; pending handshakes end. Torrents are stopped one by one with `stop`. */
  close(now: Millis): void {
    this.#turns.input(now, () => {
      this.#isClosed = true;
      this.#handshakes.closeAll();
    });
  }

  /** Who holds bytes, of what the brains hold: sockets and disk are the world's. */
  get holders(): HeldBytes[] {
    return listHolders(this.#memoryFacts());
  }

  /** What budgets and limits hold back now; `torrent`: of this one alone. */
  heldBack(torrent?: TorrentId): HeldBack[] {
    let withoutBuffer = 0;
    let withoutRun = 0;
    for (const held of this.#torrents.values()) {
      if (torrent !== undefined && held.id !== torrent) continue;
      const back = held.heldBack;
      withoutBuffer += back?.withoutBuffer ?? 0;
      withoutRun += back?.withoutRun ?? 0;
    }
    return listHeldBack({
      withoutBuffer,
      withoutRun,
      waitingToSend: this.#uploadTurns.waiting(torrent),
      notRead: this.#readTurns.waiting(torrent),
      connections: this.connCount,
      connectionsMax: this.#o.connsMax ?? limits.connsMax,
    });
  }

  /** Walks everything: after every input in simulation, never in production. */
  assertInvariants(): void {
    for (const owner of this.#conns.values()) assert(owner.isAwake, 'a connection has a torrent that is awake');
    assertBalanced(this.#memoryFacts());
    this.pool.assertInvariants();
    this.runs.assertInvariants();
    this.#handshakes.assertInvariants();
    let buffers = 0;
    let peers = 0;
    for (const torrent of this.#torrents.values()) {
      torrent.assertInvariants();
      buffers += torrent.bufferCount;
      peers += torrent.peerCount;
      for (const conn of torrent.conns) {
        assert(this.#conns.get(conn) === torrent && !this.#handshakes.has(conn), 'a connection belongs to one torrent');
      }
    }
    assert(buffers === this.pool.lentCount, 'every buffer that is lent is held once, by a piece or at the disk');
    assert(peers === this.#conns.size, 'no connection is without its torrent');
    assert(this.connCount <= (this.#o.connsMax ?? limits.connsMax), 'connections stay within the limit');
    this.#turns.assertInvariants();
    const uploadAt = this.#uploadTurns.nextAt(this.#turns.now);
    assert(uploadAt === NEVER || this.#turns.wakes.get('upload') !== NEVER, 'who waits to upload is woken');
    const readAt = this.#readTurns.nextAt(this.#turns.now);
    assert(readAt === NEVER || this.#turns.wakes.get('download') !== NEVER, 'who does not read is woken');
  }

  // --- connections ---

  onIncoming(now: Millis, from: PeerAddress): ConnId | undefined {
    return this.#turns.input(now, () => {
      const most = this.#o.connsMax ?? limits.connsMax;
      const isFull = this.connCount >= most - Math.floor(most * limits.dialShare);
      if (this.#isClosed || (isFull && !this.#handshakes.makeRoom() && !this.#dropIdler())) {
        this.#countRefused('session/full');
        return undefined;
      }
      const conn = this.#nextConn++ as ConnId;
      this.#handshakes.accept(now, conn, from);
      return conn;
    });
  }

  onConnected(now: Millis, conn: ConnId): void {
    this.#turns.input(now, () => this.#handshakes.onConnected(now, conn));
  }

  onBytes(now: Millis, conn: ConnId, bytes: Uint8Array): void {
    this.#turns.input(now, () => {
      const torrent = this.#conns.get(conn);
      if (torrent === undefined) {
        this.#handshakes.onBytes(conn, bytes);
        return;
      }
      this.#turns.join(torrent);
      this.#turns.inside(torrent, () => torrent.awake?.onBytes(now, conn, bytes));
    });
  }

  onWritten(now: Millis, conn: ConnId, ticket: number): void {
    this.#turns.input(now, () => {
      const torrent = this.#conns.get(conn);
      if (torrent === undefined) {
        // The connection is gone on our side: the view is free all the same.
        this.runs.release(ticket);
        return;
      }
      this.#turns.join(torrent);
      const isReleased = this.#turns.inside(torrent, () => torrent.awake?.onWritten(now, conn, ticket) === true);
      if (isReleased === false || (isReleased === undefined && this.runs.isLent(ticket))) this.runs.release(ticket);
    });
  }

  onClosed(now: Millis, conn: ConnId, reason: CloseReason): void {
    this.#turns.input(now, () => {
      const torrent = this.#conns.get(conn);
      if (torrent === undefined) {
        this.#handshakes.onClosed(conn, reason);
        return;
      }
      this.#conns.delete(conn);
      this.#readTurns.forget(conn);
      this.#turns.join(torrent);
      this.#turns.inside(torrent, () => torrent.awake?.onConnClosed(now, conn, reason));
      if (torrent.isCondemned) this.runs.releaseAllOf(conn);
    });
  }

  // --- disk and trackers: each goes to its torrent ---

  onTorrentLoaded(now: Millis, id: TorrentId, bytes: Uint8Array | undefined): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.disk?.onTorrentLoaded(now, bytes)));
  }
  onStoreOpened(now: Millis, id: TorrentId, result: StoreOpened): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.onStoreOpened(now, result)));
  }
  onCommitted(
    now: Millis,
    id: TorrentId,
    piece: number,
    outcome: CommitOutcome,
    segments: (Uint8Array | undefined)[],
    blockHashes: Uint8Array | undefined,
  ): void {
    this.#turns.input(now, () =>
      this.#turns.to(id, (t) => t.disk?.onCommitted(now, piece, outcome, segments, blockHashes)),
    );
  }
  onSegmentStored(
    now: Millis,
    id: TorrentId,
    piece: number,
    offset: number,
    bytes: Uint8Array,
    error: BtError | undefined,
  ): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.disk?.onSegmentStored(now, piece, offset, bytes, error)));
  }
  onRun(now: Millis, id: TorrentId, run: number, bytes: Uint8Array, error: BtError | undefined): void {
    this.#turns.input(now, () => {
      // First, so that whoever waits finds the piece taken back.
      this.#turns.touch(id);
      if (error !== undefined) this.#turns.to(id, (t) => t.disk?.onReadFailed(now, this.runs.pieceOf(run), error));
      this.runs.onRun(run, bytes, error);
    });
  }
  onRechecked(now: Millis, id: TorrentId, first: number, good: Uint8Array, error: BtError | undefined): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.disk?.onRechecked(now, first, good, error)));
  }
  onLeaves(
    now: Millis,
    id: TorrentId,
    piece: number,
    leaves: Uint8Array | undefined,
    error: BtError | undefined,
  ): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.disk?.onLeaves(now, piece, leaves, error)));
  }
  onResumeSaved(now: Millis, id: TorrentId, error: BtError | undefined): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.onResumeSaved(now, error)));
  }
  onStoreMoved(now: Millis, id: TorrentId, folder: string, error: BtError | undefined): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.onStoreMoved(now, folder, error)));
  }
  onStoreClosed(now: Millis, id: TorrentId): void {
    this.#turns.input(now, () => this.#turns.to(id, (t) => t.onStoreClosed(now)));
  }
  onAnnounced(now: Millis, id: TorrentId, url: string, request: AnnounceRequest, result: AnnounceResult): void {
    this.#turns.input(now, () => {
      this.#gate.onAnnounced(now, url);
      const torrent = this.#turns.touch(id);
      const peers = this.#turns.to(id, (t) => t.onAnnounced(now, url, request, result)) ?? [];
      if (torrent?.phase !== 'dormant' || !result.ok) return;
      // A seed has something to say to downloaders only. Those who can connect to us do; the others wait for us.
      if (peers.length > 0 && result.response.incomplete !== 0 && this.#queue.hasSeedPlace()) {
        this.#wake(torrent, 'a tracker knows downloaders')?.finder.addAddresses(peers, 'tracker');
      }
    });
  }
  onScraped(now: Millis, id: TorrentId, url: string, result: ScrapeResult): void {
    this.#turns.input(now, () => this.#turns.touch(id)?.onScraped(url, result));
  }

  // --- time ---

  onWake(now: Millis): void {
    this.#turns.input(now, () => {
      this.#turns.onWake();
      for (let waker = this.#turns.wakes.takeDue(now); waker !== undefined; waker = this.#turns.wakes.takeDue(now)) {
        if (waker === 'handshakes') this.#handshakes.onTimer(now);
        else if (waker === 'upload') this.#resumeUpload();
        else if (waker === 'download') this.#readTurns.resume(now);
        else if (waker === 'announces') this.#gate.onTimer(now);
        else if (waker === 'queue') this.#queue.hasMoved = true;
        else this.#turns.to(waker, (t) => t.onTimer(now));
      }
    });
  }

  // --- privately ---

  /** Nobody is awake: buffers kept for reuse are let go. */
  #drain(): void {
    this.#mayDrain = false;
    if (this.#isDrained) return;
    if (this.#queue.isAnyAwake) return;
    this.pool.drain();
    this.runs.drain();
    this.#isDrained = true;
  }

  #memoryFacts(): MemoryFacts {
    return {
      pool: this.pool,
      runs: this.runs,
      torrents: [...this.#torrents.values()].flatMap((torrent) => torrent.held),
      handshakes: this.#handshakes.held,
      connections: this.#conns.size,
      connectionsMax: this.#o.connsMax ?? limits.connsMax,
    };
  }

  #countRefused(code: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  /** Of all torrents, one connection that is of no use makes way for a newcomer. @returns whether there was one */
  #dropIdler(): boolean {
    for (const torrent of new Set(this.#conns.values())) {
      if (!torrent.dropIdler(this.#turns.now)) continue;
      this.#turns.join(torrent);
      return true;
    }
    return false;
  }

  /** When the session's own affairs are due next. */
  #planAffairs(): void {
    const { now, wakes } = this.#turns;
    if (this.#mayDrain) this.#drain();
    wakes.set('upload', this.#uploadTurns.nextAt(now));
    wakes.set('download', this.#readTurns.nextAt(now));
    if (this.#queue.hasMoved) wakes.set('queue', now);
    wakes.set('handshakes', this.#handshakes.nextAt);
    wakes.set('announces', this.#gate.nextAt);
  }

  /** Takes back what a torrent has of the session, whatever state it is in. */
  #condemn(held: HeldTorrent, fault: unknown): void {
    const { id } = held;
    const what = fault instanceof Error ? fault.message : String(fault);
    const error = new BtError('swarm/internal', { what }, { cause: fault });
    held.condemn(this.#turns.now, error);
    for (const [conn, owner] of [...this.#conns]) {
      if (owner !== held) continue;
      this.#conns.delete(conn);
      this.#readTurns.forget(conn);
      this.#ports.close(conn, { code: 'session/error', detail: error.code });
    }
    this.#handshakes.forget(held);
    this.#uploadTurns.forget(id);
    this.#readTurns.forgetTorrent(id);
    this.pool.writeOff(id);
    this.runs.forget(id);
    this.#queue.hasMoved = true;
  }

  /** A torrent is found by each of its hashes; the metadata of a magnet link may bring a second one. */
  #index(id: TorrentId): void {
    const torrent = this.#torrents.get(id);
    for (const key of torrent?.swarmKeys ?? [])
      if (!this.#bySwarmKey.has(key)) this.#bySwarmKey.set(key, torrent as HeldTorrent);
  }

  // --- which are at work ---

  #hold(source: AddTorrent): HeldTorrent {
    const id = this.#nextTorrent++ as TorrentId;
    const rank = this.#queue.rankOf(source.rank);
    const { uploadLimit: upload = NEVER, downloadLimit: download = NEVER } = source;
    if (upload !== NEVER || download !== NEVER) {
      this.#bandwidth.addTorrent(this.#turns.now, id, { upload, download });
    }
    const rng = this.#o.rng.fork(`torrent ${id}`);
    const held = new HeldTorrent({ source, id, rank, rng, host: this.#host, trackers: this.#trackers });
    this.#torrents.set(id, held);
    this.#index(id);
    this.#turns.join(held);
    return held;
  }

  #place(held: HeldTorrent, source: AddTorrent, announceAt: Millis): void {
    if (source.isPaused === true) held.rest(this.#turns.now, 'paused', 'paused');
    else if (held.isKept && held.isComplete) held.rest(this.#turns.now, 'dormant', 'idle', announceAt);
    else this.#begin(held);
  }

  /** A torrent that is to run: at once, or when a place for it falls free. */
  #begin(held: HeldTorrent): void {
    if (this.#queue.mayBegin(held)) this.#wake(held, 'started');
    else held.rest(this.#turns.now, 'queued', 'active-downloads');
    this.#queue.onPresent(held);
    this.#queue.hasMoved = true;
  }

  /** @returns its brain; undefined where a fault was met in it */
  #wake(held: HeldTorrent, reason: string): Torrent | undefined {
    this.#turns.join(held);
    this.#queue.onPresent(held);
    this.#isDrained = false;
    return this.#turns.inside(held, () => held.wake(this.#turns.now, reason));
  }

  #rest(held: HeldTorrent, phase: 'paused' | 'queued' | 'dormant', reason: RestReason): void {
    this.#turns.join(held);
    this.#handshakes.forget(held);
    if (phase !== 'dormant') this.#unsay(held);
    this.#turns.inside(held, () => held.rest(this.#turns.now, phase, reason));
  }

  /** What it has not told trackers yet is not to be told any more. */
  #unsay(held: HeldTorrent): void {
    for (const { url, request } of this.#gate.forget(held.id)) held.announces.announcer.onUnsent(url, request);
  }

  #admits(held: HeldTorrent): boolean {
    if (held.awake !== undefined) return held.awake.admit(this.#turns.now);
    if (held.phase !== 'dormant') return false;
    if (this.#queue.hasSeedPlace()) return true;
    this.#queue.onRefused(this.#turns.now, held);
    return false;
  }

  #hostOf(): SwarmHost {
    return {
      ports: this.#ports,
      crypto: this.#o.crypto,
      peerId: this.peerId,
      pool: this.pool,
      runs: this.runs,
      connsPerTorrent: this.#o.connsPerTorrentMax ?? swarmLimits.peer.connsPerTorrent,
      listenPort: () => this.#listenPort,
      reclaimBuffers: (torrent) => this.#reclaimBuffers(torrent),
      inTorrent: (torrent, run) => this.#turns.later(torrent, run),
      dial: (torrent, to) => this.#dial(torrent, to),
      closeConn: (conn, reason) => {
        this.#conns.delete(conn);
        this.#readTurns.forget(conn);
        this.#ports.close(conn, reason);
      },
      uploadAllowance: (torrent) => this.#uploadTurns.allowance(this.#turns.now, torrent),
      tookUpload: (torrent, bytes) => this.#uploadTurns.took(this.#turns.now, torrent, bytes),
      tookDownload: (torrent, conn, bytes) => {
        if (!this.#bandwidth.isDownloadLimited(torrent)) return;
        this.#bandwidth.tookDownload(this.#turns.now, torrent, bytes);
        this.#readTurns.took(this.#turns.now, torrent, conn, bytes);
      },
      isDownloadLimited: (torrent) => this.#bandwidth.isDownloadLimited(torrent),
      uploadLimit: (torrent) => this.#bandwidth.uploadLimit(torrent),
      emit: (event) => {
        if (event.type === 'metadata') this.#index(event.torrent);
        if (event.type === 'stopped' || event.type === 'resting') this.#mayDrain = true;
        if (event.type === 'done' || event.type === 'error' || event.type === 'ready') this.#queue.hasMoved = true;
        // A brain that only rests is nobody's business.
        const torrent = this.#torrents.get(event.torrent);
        if (event.type === 'stopped' && torrent?.phase !== 'stopped') torrent?.onRested(this.#turns.now);
        else this.#o.onEvent(event);
      },
    };
  }

  #reclaimBuffers(id: TorrentId): boolean {
    // A look at every torrent: not more often than something can have become stale.
    if (this.#turns.now < this.#reclaimAt) return false;
    this.#reclaimAt = addMs(this.#turns.now, limits.reclaimMs);
    for (const torrent of this.#torrents.values())
      if (torrent.id !== id) this.#turns.inside(torrent, () => torrent.awake?.giveUpStale(this.#turns.now));
    return true;
  }

  #dial(id: TorrentId, to: PeerAddress): boolean {
    const full =
      this.connCount >= (this.#o.connsMax ?? limits.connsMax) || this.#handshakes.dialing >= limits.dialingMax;
    const torrent = this.#torrents.get(id);
    if (this.#isClosed || full || torrent === undefined) return false;
    this.#handshakes.dial(this.#turns.now, this.#nextConn++ as ConnId, to, torrent);
    return true;
  }

  /** Lets torrents that waited for the upload limit go on. @returns whether there was one */
  #resumeUpload(): boolean {
    const id = this.#uploadTurns.next(this.#turns.now);
    if (id === undefined) return false;
    this.#turns.to(id, (t) => t.awake?.serveAll(this.#turns.now));
    return true;
  }

  /** The lower the download limits, the smaller the reads: in that grain they hold. */
  #fitReads(): void {
    const rate = this.#bandwidth.tightestDownload;
    this.#readTurns.rate = rate;
    const bytes = toReadBytes(rate);
    if (bytes === this.#readUpTo) return;
    this.#readUpTo = bytes;
    this.#ports.readUpTo(bytes);
  }
}

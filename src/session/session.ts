import {
  addMs,
  assert,
  type BtError,
  type ConnId,
  type CryptoPort,
  type Millis,
  NEVER,
  type PeerAddress,
  type PeerId,
  type Rng,
  type TorrentId,
  WakeHeap,
} from '../base/index.ts';
import {
  type AnnounceResult,
  type CommitOutcome,
  PiecePool,
  RunCache,
  type ScrapeResult,
  type StoreOpened,
  type SwarmHost,
  type SwarmInputs,
  type SwarmPorts,
  limits as swarmLimits,
  Torrent,
  type TorrentEvent,
  type TorrentSource,
  unframe,
} from '../swarm/index.ts';
import type { Tracer } from '../trace/index.ts';
import type { AnnounceRequest, CloseReason } from '../wire/index.ts';
import { Bandwidth, type Rates } from './bandwidth.ts';
import { Handshakes } from './handshakes.ts';
import { limits } from './limits.ts';

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
  /** Budget of piece buffers, bytes. */
  readonly pieceBytesMax?: number;
  /** Walks all invariants after every input: for simulation and tests. */
  readonly checked?: boolean;
}

export interface AddTorrent extends TorrentSource {
  readonly tracer?: Tracer | undefined;
  /** Bytes per second for this torrent alone; Infinity = no limit. */
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
}

export type ReadRun =
  | { readonly ok: true; readonly begin: number; readonly bytes: Uint8Array }
  /** `error` undefined: the piece is not here. */
  | { readonly ok: false; readonly error: BtError | undefined };

/** Who wakes up: a torrent, or one of the session's own affairs. */
type Waker = TorrentId | 'handshakes' | 'upload' | 'download';

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
  readonly #torrents = new Map<TorrentId, Torrent>();
  readonly #bySwarmKey = new Map<string, Torrent>();
  readonly #conns = new Map<ConnId, Torrent>();
  readonly #handshakes: Handshakes;
  readonly #bandwidth: Bandwidth;
  readonly #wakes = new WakeHeap<Waker>();
  readonly #touched = new Set<Torrent>();
  readonly #waitingToUpload = new Set<TorrentId>();
  /** Torrents whose connections are not read from until the download limit allows. */
  readonly #notReading = new Set<TorrentId>();
  #listenPort = 0;
  #nextConn = 1;
  #nextTorrent = 1;
  #now: Millis;
  #wakeAt: Millis = NEVER;
  #depth = 0;
  #isClosed = false;
  #reclaimAt = 0 as Millis;

  constructor(options: SessionOptions) {
    this.#o = options;
    this.#ports = options.ports;
    this.peerId = options.peerId;
    this.#now = options.now;
    this.pool = new PiecePool(options.pieceBytesMax ?? swarmLimits.pool.pieceBytes);
    this.runs = new RunCache(options.ports);
    this.#bandwidth = new Bandwidth({
      now: options.now,
      upload: options.uploadLimit ?? Number.POSITIVE_INFINITY,
      download: options.downloadLimit ?? Number.POSITIVE_INFINITY,
    });
    this.#handshakes = new Handshakes({
      ports: options.ports,
      peerId: options.peerId,
      admits: (torrent) => {
        this.#touched.add(torrent);
        return torrent.admit(this.#now);
      },
      find: (swarmKey) => this.#bySwarmKey.get(swarmKey),
      onOpen: (torrent, peer, rest) => {
        this.#conns.set(peer.conn, torrent);
        this.#touched.add(torrent);
        torrent.addPeer(this.#now, peer);
        if (this.#conns.has(peer.conn) && !this.#bandwidth.mayRead(this.#now, torrent.id)) this.#stopReading(torrent);
        if (rest.length > 0) torrent.onBytes(this.#now, peer.conn, rest);
      },
      onFailed: ({ address, torrent, incoming }) => {
        if (incoming || torrent === undefined) return;
        torrent.onDialFailed(this.#now, address);
        this.#touched.add(torrent);
      },
    });
  }

  // --- what the owner of the session may ask ---

  /** Adds a torrent and starts it. Its events carry the id. */
  add(now: Millis, source: AddTorrent): TorrentId {
    return this.#input(now, () => {
      const id = this.#nextTorrent++ as TorrentId;
      const unlimited = Number.POSITIVE_INFINITY;
      this.#bandwidth.addTorrent(now, id, {
        upload: source.uploadLimit ?? unlimited,
        download: source.downloadLimit ?? unlimited,
      });
      const spread = Math.max(0, this.#torrents.size - limits.announceAtOnce) * limits.announceSpreadMs;
      const torrent = new Torrent({
        ...source,
        announceAfterMs: source.announceAfterMs ?? spread,
        host: this.#hostOf(),
        id,
        rng: this.#o.rng.fork(`torrent ${id}`),
        now,
      });
      this.#torrents.set(id, torrent);
      this.#index(id);
      torrent.start(now);
      this.#touched.add(torrent);
      return id;
    });
  }

  /** A torrent with the same swarm is here already. */
  has(swarmKey: string): boolean {
    return this.#bySwarmKey.has(swarmKey);
  }

  torrent(id: TorrentId): Torrent | undefined {
    return this.#torrents.get(id);
  }
  get torrents(): IterableIterator<Torrent> {
    return this.#torrents.values();
  }
  get connCount(): number {
    return this.#conns.size + this.#handshakes.count;
  }

  /** Ends a torrent: `stopped` is emitted when it is saved and closed. */
  stop(now: Millis, id: TorrentId): void {
    this.#input(now, () => {
      const torrent = this.#torrents.get(id);
      if (torrent === undefined) return;
      this.#handshakes.forget(torrent);
      torrent.stop(now, limits.stopAnnounceMs);
      this.#touched.add(torrent);
    });
  }

  /** Forgets a stopped torrent. */
  remove(now: Millis, id: TorrentId): void {
    this.#input(now, () => {
      const torrent = this.#torrents.get(id);
      if (torrent === undefined) return;
      assert(torrent.phase === 'stopped', 'only a stopped torrent is removed');
      this.#torrents.delete(id);
      for (const key of torrent.swarmKeys) if (this.#bySwarmKey.get(key) === torrent) this.#bySwarmKey.delete(key);
      this.#bandwidth.removeTorrent(id);
      this.#wakes.delete(id);
      this.#touched.delete(torrent);
    });
  }

  addPeers(now: Millis, id: TorrentId, addresses: readonly PeerAddress[]): void {
    this.#input(now, () => this.#touch(id)?.addPeers(now, addresses));
  }

  /** @returns how many `scraped` events follow, one a tracker */
  scrape(now: Millis, id: TorrentId): number {
    return this.#input(now, () => this.#touch(id)?.scrape(now) ?? 0);
  }

  setUrgent(now: Millis, id: TorrentId, pieces: readonly number[]): void {
    this.#input(now, () => this.#touch(id)?.setUrgent(now, pieces));
  }

  /** Hashes all data of a torrent again; `checking`, `ready` follow. */
  recheck(now: Millis, id: TorrentId): void {
    this.#input(now, () => this.#touch(id)?.recheck(now));
  }

  /**
   * Reads from a verified piece. `take` gets up to 256 KiB that hold the byte at `begin` (the run's offset in the piece and its payload,
   * bytes of its own), or why there are none; it is called inside a later input, or at once where the run is in memory.
   */
  read(now: Millis, id: TorrentId, piece: number, begin: number, take: (run: ReadRun) => void): void {
    this.#input(now, () => this.#read(id, piece, begin, take));
  }

  /** The port that trackers and peers are told; 0 while nobody can connect to us. */
  setListenPort(port: number): void {
    this.#listenPort = port;
  }

  setRates(now: Millis, rates: Partial<Rates>, id?: TorrentId): void {
    this.#input(now, () => {
      if (id === undefined) this.#bandwidth.setSession(now, rates);
      else this.#bandwidth.setTorrent(now, id, rates);
      this.#resumeReading();
      this.#resumeUpload();
    });
  }

  /** No new connections from now on; pending handshakes end. Torrents are stopped one by one with `stop`. */
  close(now: Millis): void {
    this.#input(now, () => {
      this.#isClosed = true;
      this.#handshakes.closeAll();
    });
  }

  assertInvariants(): void {
    for (const torrent of this.#torrents.values()) torrent.assertInvariants();
  }

  // --- connections ---

  onIncoming(now: Millis, from: PeerAddress): ConnId | undefined {
    return this.#input(now, () => {
      const isFull = this.connCount >= (this.#o.connsMax ?? limits.connsMax);
      if (this.#isClosed || (isFull && !this.#handshakes.makeRoom())) return undefined;
      const conn = this.#nextConn++ as ConnId;
      this.#handshakes.accept(now, conn, from);
      return conn;
    });
  }

  onConnected(now: Millis, conn: ConnId): void {
    this.#input(now, () => this.#handshakes.onConnected(now, conn));
  }

  onBytes(now: Millis, conn: ConnId, bytes: Uint8Array): void {
    this.#input(now, () => {
      const torrent = this.#conns.get(conn);
      if (torrent === undefined) {
        this.#handshakes.onBytes(conn, bytes);
        return;
      }
      this.#touched.add(torrent);
      torrent.onBytes(now, conn, bytes);
    });
  }

  onWritten(now: Millis, conn: ConnId, ticket: number): void {
    this.#input(now, () => {
      const torrent = this.#conns.get(conn);
      if (torrent !== undefined) this.#touched.add(torrent);
      // The connection may be gone on our side: the view is free all the same.
      if (torrent?.onWritten(now, conn, ticket) !== true) this.runs.release(ticket);
    });
  }

  onClosed(now: Millis, conn: ConnId, reason: CloseReason): void {
    this.#input(now, () => {
      const torrent = this.#conns.get(conn);
      if (torrent === undefined) {
        this.#handshakes.onClosed(conn, reason);
        return;
      }
      this.#conns.delete(conn);
      this.#touched.add(torrent);
      torrent.onConnClosed(now, conn, reason);
    });
  }

  // --- disk and trackers: each goes to its torrent ---

  onStoreOpened(now: Millis, id: TorrentId, result: StoreOpened): void {
    this.#input(now, () => this.#touch(id)?.onStoreOpened(now, result));
  }
  onCommitted(
    now: Millis,
    id: TorrentId,
    piece: number,
    outcome: CommitOutcome,
    segments: (Uint8Array | undefined)[],
    blockHashes: Uint8Array | undefined,
  ): void {
    this.#input(now, () => this.#touch(id)?.onCommitted(now, piece, outcome, segments, blockHashes));
  }
  onSegmentStored(
    now: Millis,
    id: TorrentId,
    piece: number,
    offset: number,
    bytes: Uint8Array,
    error: BtError | undefined,
  ): void {
    this.#input(now, () => this.#touch(id)?.onSegmentStored(now, piece, offset, bytes, error));
  }
  onRun(now: Millis, id: TorrentId, run: number, bytes: Uint8Array, error: BtError | undefined): void {
    this.#input(now, () => {
      this.#touch(id);
      this.runs.onRun(run, bytes, error);
    });
  }
  onRechecked(now: Millis, id: TorrentId, first: number, good: Uint8Array, error: BtError | undefined): void {
    this.#input(now, () => this.#touch(id)?.onRechecked(now, first, good, error));
  }
  onLeaves(now: Millis, id: TorrentId, piece: number, leaves: Uint8Array | undefined): void {
    this.#input(now, () => this.#touch(id)?.onLeaves(now, piece, leaves));
  }
  onResumeSaved(now: Millis, id: TorrentId, error: BtError | undefined): void {
    this.#input(now, () => this.#touch(id)?.onResumeSaved(now, error));
  }
  onStoreClosed(now: Millis, id: TorrentId): void {
    this.#input(now, () => this.#touch(id)?.onStoreClosed(now));
  }
  onAnnounced(now: Millis, id: TorrentId, url: string, request: AnnounceRequest, result: AnnounceResult): void {
    this.#input(now, () => this.#touch(id)?.onAnnounced(now, url, request, result));
  }
  onScraped(now: Millis, id: TorrentId, url: string, result: ScrapeResult): void {
    this.#input(now, () => this.#touch(id)?.onScraped(now, url, result));
  }

  // --- time ---

  onWake(now: Millis): void {
    this.#input(now, () => {
      this.#wakeAt = NEVER;
      for (let waker = this.#wakes.takeDue(now); waker !== undefined; waker = this.#wakes.takeDue(now)) {
        if (waker === 'handshakes') this.#handshakes.onTimer(now);
        else if (waker === 'upload') this.#resumeUpload();
        else if (waker === 'download') this.#resumeReading();
        else this.#touch(waker)?.onTimer(now);
      }
    });
  }

  // --- privately ---

  /** Runs one input to completion. Inputs never nest: a port that calls back at once is a bug of the port. */
  #input<T>(now: Millis, run: () => T): T {
    assert(this.#depth === 0, 'an input comes only after the one before has ended');
    assert(now >= this.#now, 'time never goes backwards');
    this.#now = now;
    this.#depth++;
    try {
      const result = run();
      this.#endTurn();
      return result;
    } finally {
      this.#depth--;
    }
  }

  #endTurn(): void {
    for (const torrent of this.#touched) {
      const wake = torrent.endTurn(this.#now);
      if (this.#torrents.has(torrent.id)) this.#wakes.set(torrent.id, wake);
    }
    this.#touched.clear();
    this.#wakes.set('handshakes', this.#handshakes.nextAt);
    if (this.#o.checked === true) this.assertInvariants();
    const next = this.#wakes.next();
    if (next === this.#wakeAt) return;
    this.#wakeAt = next;
    if (next !== NEVER) this.#ports.wakeAt(Math.max(next, this.#now) as Millis);
  }

  #touch(id: TorrentId): Torrent | undefined {
    const torrent = this.#torrents.get(id);
    if (torrent !== undefined) this.#touched.add(torrent);
    return torrent;
  }

  /** A torrent is found by each of its hashes; the metadata of a magnet link may bring a second one. */
  #index(id: TorrentId): void {
    const torrent = this.#torrents.get(id);
    for (const key of torrent?.swarmKeys ?? [])
      if (!this.#bySwarmKey.has(key)) this.#bySwarmKey.set(key, torrent as Torrent);
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
      dial: (torrent, to) => this.#dial(torrent, to),
      closeConn: (conn, reason) => {
        this.#conns.delete(conn);
        this.#ports.close(conn, reason);
      },
      uploadAllowance: (torrent) => this.#uploadAllowance(torrent),
      tookUpload: (torrent, bytes) => this.#bandwidth.tookUpload(this.#now, torrent, bytes),
      tookDownload: (torrent, bytes) => {
        this.#bandwidth.tookDownload(this.#now, torrent, bytes);
        if (!this.#bandwidth.mayRead(this.#now, torrent)) this.#stopReading(this.#torrents.get(torrent));
      },
      isDownloadLimited: (torrent) => this.#bandwidth.isDownloadLimited(torrent),
      uploadLimit: (torrent) => this.#bandwidth.uploadLimit(torrent),
      emit: (event) => {
        if (event.type === 'metadata') this.#index(event.torrent);
        this.#o.onEvent(event);
      },
    };
  }

  #read(id: TorrentId, piece: number, begin: number, take: (run: ReadRun) => void): void {
    const torrent = this.#torrents.get(id);
    const content = torrent?.content;
    // Who has waited for a buffer may find the store closed.
    if (content === undefined || torrent?.hasEnded === true || !content.ledger.have.has(piece)) {
      take({ ok: false, error: undefined });
      return;
    }
    const known = this.runs.find(id, piece, begin);
    const run = known ?? this.runs.read(id, { piece, begin, pieceBytes: content.geometry.pieceBytes(piece) });
    if (run === undefined) this.runs.whenRoom(() => this.#read(id, piece, begin, take));
    else if (run.bytes !== undefined) take({ ok: true, begin: run.begin, bytes: unframe(run) });
    else {
      run.waiting.push((error) => {
        if (error !== undefined || run.bytes === undefined) take({ ok: false, error });
        else take({ ok: true, begin: run.begin, bytes: unframe(run) });
      });
    }
  }

  #reclaimBuffers(id: TorrentId): boolean {
    // A look at every torrent: not more often than something can have become stale.
    if (this.#now < this.#reclaimAt) return false;
    this.#reclaimAt = addMs(this.#now, limits.reclaimMs);
    for (const torrent of this.#torrents.values()) if (torrent.id !== id) torrent.giveUpStale(this.#now);
    return true;
  }

  #dial(id: TorrentId, to: PeerAddress): boolean {
    const full =
      this.connCount >= (this.#o.connsMax ?? limits.connsMax) || this.#handshakes.dialing >= limits.dialingMax;
    const torrent = this.#torrents.get(id);
    if (this.#isClosed || full || torrent === undefined) return false;
    this.#handshakes.dial(this.#now, this.#nextConn++ as ConnId, to, torrent);
    return true;
  }

  #uploadAllowance(torrent: TorrentId): number {
    const allowance = this.#bandwidth.uploadAllowance(this.#now, torrent);
    if (allowance === 0) {
      this.#waitingToUpload.add(torrent);
      this.#planUpload();
    }
    return allowance;
  }

  #planUpload(): void {
    let at: number = NEVER;
    for (const torrent of this.#waitingToUpload) at = Math.min(at, this.#bandwidth.uploadOpensAt(this.#now, torrent));
    this.#wakes.set('upload', at as Millis);
  }

  /** Lets torrents that waited for the upload limit go on; who waited longest is first. */
  #resumeUpload(): void {
    for (const id of [...this.#waitingToUpload]) {
      if (this.#bandwidth.uploadAllowance(this.#now, id) === 0) continue;
      // Out and in again: next time the others are before it.
      this.#waitingToUpload.delete(id);
      this.#touch(id)?.serveAll(this.#now);
    }
    this.#planUpload();
  }

  #stopReading(torrent: Torrent | undefined): void {
    if (torrent === undefined) return;
    this.#notReading.add(torrent.id);
    for (const conn of torrent.conns) this.#ports.reading(conn, false);
    this.#planReading();
  }

  #planReading(): void {
    let at: number = NEVER;
    for (const id of this.#notReading) at = Math.min(at, this.#bandwidth.readOpensAt(this.#now, id));
    this.#wakes.set('download', at as Millis);
  }

  #resumeReading(): void {
    for (const id of [...this.#notReading]) {
      if (!this.#bandwidth.mayRead(this.#now, id)) continue;
      this.#notReading.delete(id);
      // Whoever may read first mostly uses up what there is, so it is another one each time.
      const conns = [...(this.#torrents.get(id)?.conns ?? [])];
      const from = this.#o.rng.below(Math.max(1, conns.length));
      for (let i = 0; i < conns.length; i++) this.#ports.reading(conns[(from + i) % conns.length] as ConnId, true);
    }
    this.#planReading();
  }
}

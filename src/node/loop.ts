import { setMaxListeners } from 'node:events';
import { BtError, type ConnId, type InfoHash, type Millis, type PeerAddress, type TorrentId } from '../base/index.ts';
import type {
  AnnounceResult,
  CommitPiece,
  OpenStore,
  PieceExpectation,
  ScrapeResult,
  SwarmInputs,
  SwarmPorts,
} from '../swarm/index.ts';
import type { AnnounceRequest, CloseReason } from '../wire/index.ts';
import { Connections } from './connections.ts';
import { type Disk, deliverReply } from './disk/disk.ts';
import { LoopTimer } from './loop-timer.ts';
import { TcpTransport } from './tcp.ts';
import type { Listener, Transport } from './transport.ts';
import { Turn } from './turn.ts';

/** What the loop needs of a tracker client. Promises resolve on a later turn and reject only where `signal` is aborted. */
export interface TrackerCalls {
  announce(url: string, request: AnnounceRequest, options: { signal: AbortSignal }): Promise<AnnounceResult>;
  scrape(url: string, infoHash: Uint8Array, options: { signal: AbortSignal }): Promise<ScrapeResult>;
  close?(): Promise<void> | void;
}

export interface NodeLoopOptions {
  readonly disk: Disk;
  readonly trackers: TrackerCalls;
  /** TCP with its default limits where not given. */
  readonly transport?: Transport;
}

/**
 * The operating system for one session: sockets, disk, trackers, clock and the one timer, behind `SwarmPorts`.
 *
 *     const loop = new NodeLoop({ disk, trackers });
 *     loop.attach(new Session({ ports: loop, ... }));
 *     await loop.listen({ host: '::', port: 0 });
 *     ...
 *     await loop.shutdown();
 *
 * Owns what it is given: `shutdown` closes the disk, the transport and the tracker client too.
 */
export class NodeLoop implements SwarmPorts {
  readonly #turn = new Turn();
  readonly #transport: Transport;
  readonly #connections: Connections;
  readonly #disk: Disk;
  readonly #trackers: TrackerCalls;
  readonly #abort = new AbortController();
  readonly #timer: LoopTimer;
  #closing: Promise<void> | undefined;

  constructor(options: NodeLoopOptions) {
    this.#transport = options.transport ?? new TcpTransport();
    this.#connections = new Connections({ transport: this.#transport, turn: this.#turn });
    this.#disk = options.disk;
    this.#disk.attach((reply) => this.input((inputs, now) => deliverReply(inputs, now, reply)));
    this.#trackers = options.trackers;
    // Every announce under way listens, of thousands of torrents: that is no leak.
    setMaxListeners(0, this.#abort.signal);
    this.#timer = new LoopTimer(
      () => this.#turn.now(),
      () => this.input((inputs, now) => inputs.onWake(now)),
    );
  }

  /** Says who gets the inputs; before anything else is called. */
  attach(inputs: SwarmInputs): void {
    this.#turn.attach(inputs);
  }

  now(): Millis {
    return this.#turn.now();
  }

  /** Bytes that the world holds for the session: to receive into, written and not yet taken by the system, the disk's own. */
  get heldBytes(): { readonly receive: number; readonly queued: number; readonly disk: number } {
    return { ...this.#transport.heldBytes, disk: this.#disk.bufferBytes };
  }

  /** Runs `act` as one input: for calls that come from the program itself (add, pause, stop) rather than from the world. */
  input<T>(act: (inputs: SwarmInputs, now: Millis) => T): T {
    const now = this.#turn.begin();
    try {
      return act(this.#turn.inputs, now);
    } finally {
      this.#turn.end();
    }
  }

  /** @throws BtError `net/port-in-use`, `net/listen` */
  listen(at: PeerAddress): Promise<Listener> {
    return this.#transport.listen(at, this.#connections.accept);
  }

  /** Ends everything and leaves no handle behind; nothing is delivered once this has resolved. Stop the session first. */
  shutdown(): Promise<void> {
    this.#closing ??= this.#shutdown();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #shutdown(): Promise<void> {
    this.#timer.close();
    this.#abort.abort(new BtError('client/closed', { what: 'the session' }));
    await this.#transport.close();
    await this.#disk.close();
    await this.#trackers.close?.();
  }

  // --- SwarmPorts: each hands on and returns; answers come as inputs on later turns ---

  wakeAt(at: Millis): void {
    if (this.#closing === undefined) this.#timer.set(at);
  }

  dial(conn: ConnId, to: PeerAddress): void {
    this.#connections.dial(conn, to);
  }
  write(conn: ConnId, bytes: Uint8Array): void {
    this.#connections.write(conn, bytes);
  }
  writePayload(conn: ConnId, bytes: Uint8Array, ticket: number): void {
    this.#connections.writePayload(conn, bytes, ticket);
  }
  reading(conn: ConnId, on: boolean): void {
    this.#connections.reading(conn, on);
  }
  readUpTo(bytes: number): void {
    this.#connections.readUpTo(bytes);
  }
  close(conn: ConnId, reason: CloseReason): void {
    this.#connections.close(conn, reason);
  }

  loadTorrent(torrent: TorrentId, infoHash: InfoHash): void {
    this.#disk.loadTorrent(torrent, infoHash);
  }
  openStore(torrent: TorrentId, open: OpenStore): void {
    this.#disk.openStore(torrent, open);
  }
  commit(job: CommitPiece): void {
    this.#disk.commit(job);
  }
  storeSegment(torrent: TorrentId, piece: number, offset: number, bytes: Uint8Array): void {
    this.#disk.storeSegment(torrent, piece, offset, bytes);
  }
  readRun(torrent: TorrentId, run: number, piece: number, begin: number, length: number, into: Uint8Array): void {
    this.#disk.readRun(torrent, run, piece, begin, length, into);
  }
  recheck(torrent: TorrentId, first: number, expect: readonly PieceExpectation[]): void {
    this.#disk.recheck(torrent, first, expect);
  }
  hashLeaves(torrent: TorrentId, piece: number): void {
    this.#disk.hashLeaves(torrent, piece);
  }
  saveResume(torrent: TorrentId, bytes: Uint8Array, final: boolean): void {
    this.#disk.saveResume(torrent, bytes, final);
  }
  moveStore(torrent: TorrentId, folder: string): void {
    this.#disk.moveStore(torrent, folder);
  }
  closeStore(torrent: TorrentId): void {
    this.#disk.closeStore(torrent);
  }

  announce(torrent: TorrentId, url: string, request: AnnounceRequest): void {
    const failed = (error: unknown): AnnounceResult => ({ ok: false, error: toTrackerError(error, url) });
    this.#whenAsked(this.#trackers.announce(url, request, { signal: this.#abort.signal }), failed, (result) => {
      this.input((inputs, now) => inputs.onAnnounced(now, torrent, url, request, result));
    });
  }
  scrape(torrent: TorrentId, url: string, infoHash: Uint8Array): void {
    const failed = (error: unknown): ScrapeResult => ({ ok: false, error: toTrackerError(error, url) });
    this.#whenAsked(this.#trackers.scrape(url, infoHash, { signal: this.#abort.signal }), failed, (result) => {
      this.input((inputs, now) => inputs.onScraped(now, torrent, url, result));
    });
  }

  /** A tracker client that rejects (it should not) must not leave the brain waiting for ever; after shutdown nobody waits. */
  #whenAsked<R>(answer: Promise<R>, failed: (error: unknown) => R, deliver: (result: R) => void): void {
    const settle = (result: R): void => {
      if (!this.#abort.signal.aborted) deliver(result);
    };
    answer.then(settle, (error: unknown) => settle(failed(error)));
  }
}

function toTrackerError(error: unknown, url: string): BtError {
  return BtError.is(error) ? error : new BtError('tracker/unreachable', { url, what: String(error) }, { cause: error });
}

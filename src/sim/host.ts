import {
  assert,
  BtError,
  type ConnId,
  type InfoHash,
  type Millis,
  NEVER,
  type PeerAddress,
  type Rng,
  type TorrentId,
} from '../base/index.ts';
import type {
  AnnounceResult,
  CommitPiece,
  OpenStore,
  PieceExpectation,
  ScrapeResult,
  SwarmPorts,
} from '../swarm/index.ts';
import type { AnnounceRequest, CloseReason } from '../wire/index.ts';
import type { SimDisk } from './disk/disk.ts';
import { SimDiskPort } from './disk/port.ts';
import { type Driven, InputGate } from './gate.ts';
import { POISON } from './net/link.ts';
import type { NetHost } from './net/net.ts';
import type { Socket, SocketEvents } from './net/socket-types.ts';
import type { SimTrackers } from './tracker.ts';
import type { SimEvent, SimWorld } from './world.ts';

export interface SimHostOptions {
  readonly world: SimWorld;
  readonly net: NetHost;
  readonly disk: SimDisk;
  readonly trackers: SimTrackers;
  /** Ports on which peers may connect. */
  readonly listenPorts?: readonly number[];
  /** Timers are late by up to so many ms; 1 where absent, as on a machine with nothing else to do. */
  readonly timersLateMs?: number | undefined;
}

/**
 * The world of one session: implements every port over the simulated network, disk and trackers, and holds the session to the rules of
 * `swarm/ports.ts`. One SimHost is one run of a process: after `kill`, a new one on the same NetHost and SimDisk is the restart.
 */
export class SimHost implements SwarmPorts {
  readonly world: SimWorld;
  readonly net: NetHost;
  readonly disk: SimDisk;
  readonly gate: InputGate;
  /** Why the session closed connections: code -> count. */
  readonly closeReasons: Map<string, number> = new Map();
  readonly #trackers: SimTrackers;
  readonly #rng: Rng;
  readonly #diskPort: SimDiskPort;
  readonly #conns = new Map<ConnId, Conn>();
  readonly #listenPorts: readonly number[];
  readonly #timersLateMs: number;
  #wakeWanted: Millis = NEVER;
  #wake: SimEvent | undefined;

  constructor(options: SimHostOptions) {
    this.world = options.world;
    this.net = options.net;
    this.disk = options.disk;
    this.#trackers = options.trackers;
    this.#rng = options.world.rng.fork(`host ${options.net.index} at ${options.world.now}`);
    this.#listenPorts = options.listenPorts ?? [6881];
    this.#timersLateMs = options.timersLateMs ?? 1;
    this.gate = new InputGate(this.world);
    this.net.readBytesMax = Number.POSITIVE_INFINITY;
    this.#diskPort = new SimDiskPort(options.disk, this.gate);
  }

  /** Begins to take connections for this session. */
  start(session: Driven): void {
    this.gate.connect(session);
    for (const port of this.#listenPorts) this.net.listen(port, (socket, from) => this.#accept(socket, from));
  }

  /** Takes no more connections; those that are open go on. */
  stopListening(): void {
    for (const port of this.#listenPorts) this.net.unlisten(port);
  }

  /** kill -9, or the power cord. The disk keeps what it had. */
  kill(how: 'process' | 'power' = 'process'): void {
    this.gate.kill();
    this.#wake?.cancel();
    this.#diskPort.kill();
    this.#conns.clear();
    this.net.kill(how);
    if (how === 'power') this.disk.losePower();
  }

  /** Connections the session has open or is dialling. */
  get connCount(): number {
    let count = 0;
    for (const conn of this.#conns.values()) if (!conn.isClosed) count++;
    return count;
  }

  /** What the world has of the session's: bytes of buffers that the disk was given, views lent to connections. */
  get held(): { readonly takenBytes: number; readonly lentViews: number } {
    const { watch } = this.#diskPort;
    return { takenBytes: watch.takenBytes, lentViews: watch.lentCount };
  }

  /** What the session has left behind; empty after a clean stop. */
  leaks(): string[] {
    const { watch, openCount } = this.#diskPort;
    const leaks: string[] = [];
    if (this.connCount > 0) leaks.push(`${this.connCount} connections are open`);
    if (watch.lentCount > 0) leaks.push(`${watch.lentCount} views are lent to connections`);
    if (watch.takenCount > 0) leaks.push(`${watch.takenCount} buffers are with the disk`);
    if (openCount > 0) leaks.push(`${openCount} stores are open`);
    return leaks;
  }

  // --- NetPort -------------------------------------------------------------------------------------------------------------------

  dial(id: ConnId, to: PeerAddress): void {
    assert(!this.#conns.has(id), 'a connection number is used once');
    const conn = new Conn(id, this, this.#diskPort, (closed) => this.#conns.delete(closed));
    this.#conns.set(id, conn);
    conn.socket = this.net.dial(to, conn);
  }

  write(id: ConnId, bytes: Uint8Array): void {
    const conn = this.#open(id);
    assert(bytes.length > 0, 'something is written');
    // The buffer is taken: whoever uses it again would send rubbish, and is to notice.
    const copy = bytes.slice();
    bytes.fill(POISON);
    conn.write(copy);
  }

  writePayload(id: ConnId, bytes: Uint8Array, ticket: number): void {
    this.#open(id).lend(bytes, ticket);
  }

  reading(id: ConnId, on: boolean): void {
    const conn = this.#conns.get(id);
    assert(conn !== undefined && !conn.isClosed, 'reading is for connections that are not closed');
    conn.socket?.setReading(on);
  }

  readUpTo(bytes: number): void {
    this.net.readBytesMax = bytes;
  }

  close(id: ConnId, reason: CloseReason): void {
    const conn = this.#conns.get(id);
    assert(conn !== undefined && !conn.isClosed, 'a connection is closed once');
    this.closeReasons.set(reason.code, (this.closeReasons.get(reason.code) ?? 0) + 1);
    this.world.log?.(`${this.world.now} ${this.net.name} closes ${id}: ${reason.code} ${reason.detail ?? ''}`);
    conn.close();
  }

  #open(id: ConnId): Conn {
    const conn = this.#conns.get(id);
    assert(conn !== undefined && !conn.isClosed, 'write to a connection that is closed');
    assert(conn.isConnected, 'write to a connection that is being dialled');
    return conn;
  }

  #accept(socket: Socket, from: PeerAddress): SocketEvents | undefined {
    const id = this.gate.ask((to, now) => to.onIncoming(now, from), undefined);
    if (id === undefined) return undefined;
    assert(!this.#conns.has(id), 'a connection number is used once');
    const conn = new Conn(id, this, this.#diskPort, (closed) => this.#conns.delete(closed));
    conn.socket = socket;
    conn.isConnected = true;
    this.#conns.set(id, conn);
    return conn;
  }

  // --- DiskPort ------------------------------------------------------------------------------------------------------------------

  loadTorrent(torrent: TorrentId, infoHash: InfoHash): void {
    this.#diskPort.loadTorrent(torrent, infoHash);
  }
  openStore(torrent: TorrentId, open: OpenStore): void {
    this.#diskPort.openStore(torrent, open);
  }
  commit(job: CommitPiece): void {
    this.#diskPort.commit(job);
  }
  storeSegment(torrent: TorrentId, piece: number, offset: number, bytes: Uint8Array): void {
    this.#diskPort.storeSegment(torrent, piece, offset, bytes);
  }
  readRun(torrent: TorrentId, run: number, piece: number, begin: number, length: number, into: Uint8Array): void {
    this.#diskPort.readRun(torrent, run, piece, begin, length, into);
  }
  recheck(torrent: TorrentId, first: number, expect: readonly PieceExpectation[]): void {
    this.#diskPort.recheck(torrent, first, expect);
  }
  hashLeaves(torrent: TorrentId, piece: number): void {
    this.#diskPort.hashLeaves(torrent, piece);
  }
  saveResume(torrent: TorrentId, bytes: Uint8Array, final: boolean): void {
    this.#diskPort.saveResume(torrent, bytes, final);
  }
  moveStore(torrent: TorrentId, folder: string): void {
    this.#diskPort.moveStore(torrent, folder);
  }
  closeStore(torrent: TorrentId): void {
    this.#diskPort.closeStore(torrent);
  }

  // --- TrackerPort ---------------------------------------------------------------------------------------------------------------

  announce(torrent: TorrentId, url: string, request: AnnounceRequest): void {
    const tracker = this.#trackers.at(url);
    const deliver = (result: AnnounceResult) =>
      this.gate.enter((to, now) => to.onAnnounced(now, torrent, url, request, result));
    if (tracker === undefined) {
      const error = new BtError('tracker/unreachable', { url, what: 'no such host' });
      this.world.after(50, 'tracker.failed', () => deliver({ ok: false, error }));
    } else tracker.announce(this.net, request, deliver);
  }

  scrape(torrent: TorrentId, url: string, infoHash: Uint8Array): void {
    const tracker = this.#trackers.at(url);
    const deliver = (result: ScrapeResult) => this.gate.enter((to, now) => to.onScraped(now, torrent, url, result));
    if (tracker === undefined) {
      const error = new BtError('tracker/unreachable', { url, what: 'no such host' });
      this.world.after(50, 'tracker.failed', () => deliver({ ok: false, error }));
    } else tracker.scrape(this.net, infoHash, deliver);
  }

  // --- the timer -----------------------------------------------------------------------------------------------------------------

  wakeAt(at: Millis): void {
    this.#wakeWanted = at;
    if (at === NEVER || (this.#wake !== undefined && this.#wake.at <= at)) return;
    this.#wake?.cancel();
    this.#schedule();
  }

  #schedule(): void {
    const at = Math.max(this.world.now, this.#wakeWanted) + this.#rng.unit() * this.#timersLateMs;
    this.#wake = this.world.at(at as Millis, 'host.wake', () => {
      this.#wake = undefined;
      if (this.gate.isDead || this.#wakeWanted === NEVER) return;
      // Put off since it was set: one heap entry moves along instead of one for each call.
      if (this.#wakeWanted > this.world.now) return this.#schedule();
      this.#wakeWanted = NEVER;
      this.gate.enter((to, now) => to.onWake(now));
    });
  }
}

/** One connection of a session, between its number and its socket. A suspended process hears what happens here later. */
class Conn implements SocketEvents {
  socket: Socket | undefined;
  isConnected = false;
  /** The session has closed it, or has been told that it is over. */
  isClosed = false;
  readonly #id: ConnId;
  readonly #gate: InputGate;
  readonly #net: NetHost;
  readonly #disk: SimDiskPort;
  readonly #forget: (id: ConnId) => void;
  readonly #lent = new Map<number, { view: Uint8Array; mark: number }>();

  constructor(id: ConnId, host: SimHost, disk: SimDiskPort, forget: (id: ConnId) => void) {
    this.#id = id;
    this.#gate = host.gate;
    this.#net = host.net;
    this.#disk = disk;
    this.#forget = forget;
  }

  write(bytes: Uint8Array): void {
    this.#send(bytes, -1);
  }

  lend(view: Uint8Array, ticket: number): void {
    assert(!this.#lent.has(ticket) && ticket >= 0, 'a ticket names one view at a time');
    const mark = this.#disk.watch.lend(view);
    this.#lent.set(ticket, { view, mark });
    this.#send(view, ticket);
  }

  close(): void {
    this.isClosed = true;
    this.socket?.close();
    if (this.#lent.size === 0) this.#forget(this.#id);
  }

  onConnected(): void {
    this.#gate.enter((to, now) => {
      if (this.isClosed) return;
      this.isConnected = true;
      to.onConnected(now, this.#id);
    });
  }

  onBytes(_: Socket, bytes: Uint8Array): void {
    if (!this.#gate.isSuspended) {
      this.#gate.enter((to, now) => to.onBytes(now, this.#id, bytes));
      return;
    }
    const kept = bytes.slice();
    // Who is killed in its sleep, or closes before it reads, never hears of them.
    this.#net.lose('cutBytes', kept.length);
    this.#gate.enter((to, now) => {
      if (this.isClosed) return;
      this.#net.lose('cutBytes', -kept.length);
      to.onBytes(now, this.#id, kept);
      if (this.isClosed) this.#net.lose('cutBytes', kept.length);
    });
  }

  onWritten(_: Socket, ticket: number): void {
    this.#gate.enter((to, now) => {
      const lent = this.#lent.get(ticket);
      if (lent === undefined) return;
      this.#lent.delete(ticket);
      this.#disk.watch.unlend(lent.view, lent.mark, true);
      to.onWritten(now, this.#id, ticket);
      if (this.isClosed && this.#lent.size === 0) this.#forget(this.#id);
    });
  }

  onClosed(_: Socket, reason: CloseReason): void {
    this.#gate.enter((to, now) => {
      for (const { view, mark } of this.#lent.values()) this.#disk.watch.unlend(view, mark, false);
      this.#lent.clear();
      this.#forget(this.#id);
      if (this.isClosed) return;
      this.isClosed = true;
      to.onClosed(now, this.#id, reason);
    });
  }

  /** The socket may have broken before the session heard of it: what it writes then is lost. */
  #send(bytes: Uint8Array, ticket: number): void {
    if (this.socket?.state === 'open') this.socket.write(bytes, ticket);
    else this.#net.lose('unsentBytes', bytes.length);
  }
}

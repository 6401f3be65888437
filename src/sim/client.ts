import { assert, type CryptoPort, type Millis, type PeerAddress, type PeerId, type TorrentId } from '../base/index.ts';
import type { Info } from '../metainfo/index.ts';
import { type HeldTorrent, Session, type SessionOptions } from '../session/index.ts';
import type { Policies, TorrentEvent, TorrentSnapshot, TorrentSource } from '../swarm/index.ts';
import { type DiskOptions, SimDisk } from './disk/disk.ts';
import { SimHost } from './host.ts';
import type { NetHost } from './net/net.ts';
import type { SimTorrent } from './torrents.ts';
import type { SimTrackers } from './tracker.ts';
import { WireWatch } from './wire-watch.ts';
import type { SimWorld } from './world.ts';

/** Makes the session under test. Tests of the simulator itself pass one with a planted bug. */
export type MakeSession = (options: SessionOptions) => Session;

/** What scenarios choose about one client. */
export interface ClientOptions {
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
  readonly connsMax?: number;
  readonly pieceBytesMax?: number;
  /** Knows the info-hash and the trackers only. */
  readonly isMagnet?: boolean;
  /** Of a magnet link to a hybrid torrent: the one info-hash that it names; both where absent. */
  readonly magnetNames?: 'v1' | 'v2';
  /** An earlier run left it complete, with its .torrent file in the session's state: it begins asleep. */
  readonly isKept?: boolean;
  readonly activeLimits?: SessionOptions['activeLimits'];
  /** By file. */
  readonly select?: (info: Info) => readonly boolean[];
  /** Peers it is told of. */
  readonly peers?: readonly PeerAddress[];
  /** Decides in other ways than by default. */
  readonly policies?: Partial<Policies>;
  /** Asks no tracker. */
  readonly isTrackerless?: boolean;
  /** Its timers are late by up to so many ms: a busy machine. */
  readonly timersLateMs?: number;
  /** Invariants are walked after every so many inputs; 0 = never. */
  readonly checkEvery?: number;
}

export interface ClientPlace {
  readonly world: SimWorld;
  readonly net: NetHost;
  readonly trackers: SimTrackers;
  readonly torrent: SimTorrent;
  readonly crypto: CryptoPort;
  readonly makeSession?: MakeSession | undefined;
  readonly disk: Partial<DiskOptions>;
}

const PORT = 6881;

/** One user's client with one torrent: a machine and a disk that stay, and a process that may be killed and started again. */
export class SimClient {
  readonly label: string;
  readonly net: NetHost;
  readonly disk: SimDisk;
  readonly torrent: SimTorrent;
  /** All events of all runs of the process. */
  readonly events: { readonly at: Millis; readonly event: TorrentEvent }[] = [];
  /** Every wanted piece was verified and stored, first time. */
  doneAt: Millis | undefined;
  startedAt: Millis | undefined;
  /** Hosts it has banned. */
  readonly banned: Set<string> = new Set();
  /** Payload of all runs of the process, to the last byte that was given to or came from the network. */
  readonly total: { sent: number; received: number } = { sent: 0, received: 0 };
  /** What each run that ended in good order was like in the end. */
  readonly ended: TorrentSnapshot[] = [];
  /** Hears of every event, inside the input that caused it: must not throw, nor call back. */
  onEvent: ((event: TorrentEvent) => void) | undefined;
  readonly #place: ClientPlace;
  readonly #options: ClientOptions;
  #host: SimHost | undefined;
  #session: Session | undefined;
  #id: TorrentId | undefined;
  #last: TorrentSnapshot | undefined;
  #runCount = 0;

  constructor(label: string, place: ClientPlace, options: ClientOptions) {
    this.label = label;
    this.net = place.net;
    this.torrent = place.torrent;
    this.#place = place;
    this.#options = options;
    const torrents = new Map([[place.torrent.key, place.torrent]]);
    this.disk = new SimDisk(place.world, label, { crypto: place.crypto, torrents, ...place.disk });
  }

  get address(): PeerAddress {
    return { host: this.net.name, port: PORT };
  }
  /** Processes started so far. */
  get runCount(): number {
    return this.#runCount;
  }
  /** Was stopped, and has not been started again. */
  get hasStopped(): boolean {
    return this.#session === undefined && this.#last !== undefined;
  }
  get isRunning(): boolean {
    return this.#session !== undefined;
  }
  /** True where every wanted piece is verified, in this run of the process or, before it restarted, in an earlier one. */
  get isDone(): boolean {
    return this.doneAt !== undefined;
  }
  get host(): SimHost {
    assert(this.#host !== undefined, `${this.label} has run`);
    return this.#host;
  }
  get session(): Session {
    assert(this.#session !== undefined, `${this.label} is running`);
    return this.#session;
  }

  /** The torrent of the process that runs; undefined where none does. */
  get brain(): HeldTorrent | undefined {
    return this.#id === undefined ? undefined : this.#session?.torrent(this.#id);
  }

  /** Starts the process. */
  start(): void {
    assert(this.#session === undefined, `${this.label} is not running`);
    const { world, crypto, trackers, torrent } = this.#place;
    const makeSession = this.#place.makeSession ?? ((options) => new Session(options));
    const { uploadLimit, downloadLimit, connsMax, pieceBytesMax } = this.#options;
    const { activeLimits, timersLateMs, checkEvery = 1 } = this.#options;
    const rng = world.rng.fork(`client ${this.label} ${this.#runCount++}`);
    if (!this.net.isUp) this.net.restart();
    const host = new SimHost({ world, net: this.net, disk: this.disk, trackers, listenPorts: [PORT], timersLateMs });
    host.gate.checkEvery = checkEvery;
    const session = makeSession({
      ports: host,
      // Draws of the client's own: two clients must not be the same peer.
      crypto: { ...crypto, random: (length) => rng.bytes(length) },
      rng: rng.fork('session'),
      peerId: rng.bytes(20) as PeerId,
      now: world.now,
      onEvent: (event) => this.#onEvent(event),
      ...defined({ uploadLimit, downloadLimit, connsMax, pieceBytesMax, activeLimits }),
    });
    const watch = checkEvery > 0 ? new WireWatch(() => this.brain?.awake) : undefined;
    host.gate.alsoCheck = () => watch?.assertAgrees();
    this.#host = host;
    this.#session = session;
    this.#last = undefined;
    this.startedAt ??= world.now;
    host.start(session);
    session.setListenPort(PORT);
    host.gate.enter((_, now) => {
      this.#id = session.add(now, { ...this.#source(torrent), ...defined({ tracer: watch }) });
    });
  }

  /** A clean stop; takes virtual time until the torrent has emitted `stopped`. */
  stop(): void {
    const { host, session } = this;
    host.stopListening();
    host.gate.enter((_, now) => {
      session.stop(now, this.#id as TorrentId);
      session.close(now);
    });
  }

  /** kill -9, or the power cord. */
  kill(how: 'process' | 'power' = 'process'): void {
    this.#addUp(this.#look(this.session));
    this.total.received += this.brain?.awake?.content?.downloader.arrivingBytes ?? 0;
    this.host.kill(how);
    this.#session = undefined;
    this.#id = undefined;
  }

  /** The process stands still: it hears nothing, and nothing in it happens. */
  suspend(): void {
    this.host.gate.suspend();
  }

  /** It goes on, and hears all at once what came meanwhile. */
  wake(): void {
    this.host.gate.wake();
  }

  /** How the torrent stands, or, of a client that was stopped, how it stood in the end. */
  snapshot(): TorrentSnapshot {
    if (this.#session === undefined && this.#last !== undefined) return this.#last;
    return this.#look(this.session);
  }

  /** Gives the session something to do, as a user would. */
  ask(action: (session: Session, torrent: TorrentId, now: Millis) => void): void {
    this.host.gate.enter((_, now) => action(this.session, this.#id as TorrentId, now));
  }

  /** By piece: it holds bytes of a wanted file. */
  wantsPiece(piece: number): boolean {
    const { info } = this.torrent.torrent;
    const wanted = this.#options.select?.(info);
    if (wanted === undefined) return true;
    return info.files.some((file) => {
      if (wanted[file.index] !== true) return false;
      const { first, end } = this.torrent.geometry.filePieces(file.index);
      return piece >= first && piece < end;
    });
  }

  #source(torrent: SimTorrent): TorrentSource {
    const { isMagnet, magnetNames, isKept, isTrackerless, select, peers, policies } = this.#options;
    const { info, pieceLayers } = torrent.torrent;
    const hashV1 = magnetNames === 'v2' ? undefined : info.hashV1;
    const hashV2 = magnetNames === 'v1' ? undefined : info.hashV2;
    const hasHashesOnly = isMagnet === true || isKept === true;
    if (isKept === true) this.disk.torrentFiles.set(info.hashV1 ?? (info.hashV2 as string), torrent.bytes);
    const known = { name: info.name, isComplete: true, wantedBytes: info.totalLength, totalBytes: info.totalLength };
    return {
      ...(isKept === true ? { isKept, known: { ...known, pieceCount: info.pieceCount } } : {}),
      ...(hasHashesOnly ? defined({ hashV1, hashV2 }) : { info, layers: pieceLayers }),
      trackers: isTrackerless === true ? [] : this.#place.trackers.all.map((tracker) => [tracker.url]),
      ...defined({ select, peers, policies }),
    };
  }

  #onEvent(event: TorrentEvent): void {
    const { world } = this.#place;
    this.events.push({ at: world.now, event });
    world.log?.(`${(world.now / 1000).toFixed(3)} ${this.label} ${event.type}`);
    if (event.type === 'done') this.doneAt ??= world.now;
    else if (event.type === 'banned') this.banned.add(event.host);
    // The session goes on after a fault of one torrent; whoever looks for faults does not.
    else if (event.type === 'error' && event.error.code === 'swarm/internal') world.fail(event.error.cause);
    else if (event.type === 'stopped') {
      const session = this.#session;
      // Events come in the middle of an input, and none may come back from here.
      world.after(0, 'client.stopped', () => {
        // It may have been killed in this very instant.
        if (session === undefined || session !== this.#session) return;
        this.#last = this.#look(session);
        this.ended.push(this.#last);
        this.#addUp(this.#last);
        this.#session = undefined;
      });
    }
    this.onEvent?.(event);
  }

  #addUp({ uploaded, downloaded, wastedBy }: TorrentSnapshot): void {
    this.total.sent += uploaded;
    this.total.received += downloaded + wastedBy.duplicate + wastedBy.late + wastedBy.unasked;
  }

  #look(session: Session): TorrentSnapshot {
    const state = session.snapshot(this.#place.world.now, this.#id as TorrentId);
    assert(state !== undefined, `${this.label} has its torrent`);
    return state;
  }
}

/** The members that are there: an optional property must not be set to undefined. */
function defined<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

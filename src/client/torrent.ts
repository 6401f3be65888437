import { resolve } from 'node:path';
import { BtError, type Millis, type PeerAddress, type TorrentId } from '../base/index.ts';
import type { Info, TorrentFile } from '../metainfo/index.ts';
import { wrapInfo } from '../metainfo/index.ts';
import type { Session as Brain, HeldTorrent, ReadRun, TorrentRow } from '../session/index.ts';
import type {
  PeerSnapshot,
  ScrapeResult,
  TorrentEvent,
  TorrentPhase,
  TorrentSnapshot,
  TrackerSnapshot,
} from '../swarm/index.ts';
import { type Abortable, untilAborted } from './events.ts';
import { type FileHost, TorrentFileHandle } from './file.ts';

/** What one tracker says about the swarm. */
export type TrackerCounts = { readonly url: string } & ScrapeResult;

/** What a torrent handle needs of the session it lives in. */
export interface TorrentHost {
  /** Runs `act` as one input of the brain. */
  input<T>(act: (brain: Brain, now: Millis) => T): T;
  now(): Millis;
  snapshot(torrent: Torrent): TorrentSnapshot;
  remove(torrent: Torrent): void;
  /** It is not to come back with the next run. */
  forget(torrent: Torrent): void;
  /** What is to be remembered of it has changed. */
  note(torrent: Torrent): void;
  /** Something is different of all torrents. */
  noteAll(): void;
  /** The .torrent file that the session's state keeps. */
  loadTorrentFile(torrent: Torrent): TorrentFile | undefined;
  deleteData(torrent: Torrent): Promise<void>;
  resolve(peers: readonly PeerAddress[], signal?: AbortSignal): Promise<PeerAddress[]>;
}

type WaitKind = 'metadata' | 'ready' | 'done' | 'hashes' | 'stopped';

/** What was said when it was added, and is not in the brain. */
export interface Remembered {
  readonly trackers: readonly (readonly string[])[];
  readonly peers: readonly PeerAddress[];
  readonly addedMs: number;
  /** By file; undefined: all, or not known yet. */
  readonly wanted?: readonly boolean[] | undefined;
  readonly picked?: readonly number[] | undefined;
  uploadLimit?: number | undefined;
  downloadLimit?: number | undefined;
}

interface Waiting extends Record<WaitKind, Set<Waiter>> {
  readonly pieces: Map<number, Set<Waiter>>;
  /** Readers and the pieces they wait for. */
  readonly urgent: Map<object, readonly number[]>;
  readonly scrapes: Set<(url: string, result: ScrapeResult) => void>;
  readonly moves: Set<Waiter>;
}

const isAtWork: ReadonlySet<TorrentPhase> = new Set<TorrentPhase>(['downloading', 'seeding']);
const isReady: ReadonlySet<TorrentPhase> = new Set<TorrentPhase>([...isAtWork, 'dormant']);

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * One torrent of a session. Everything that waits takes a signal; everything that can fail rejects with a `BtError` of a stable code.
 * Made by `session.add`.
 */
export class Torrent implements FileHost {
  #path: string;
  readonly #host: TorrentHost;
  readonly #brain: HeldTorrent;
  readonly #id: TorrentId;
  readonly #remembered: Remembered;
  #torrentFile: TorrentFile | undefined;
  /** Of a torrent that is not awake: read again when somebody asks, and let go when nobody holds it. */
  #restingInfo: WeakRef<Info> | undefined;
  /** Made when somebody waits: of ten thousand torrents hardly one is waited for. */
  #waiting: Waiting | undefined;
  #lastState: TorrentSnapshot | undefined;

  /** @internal */
  constructor(options: {
    host: TorrentHost;
    brain: HeldTorrent;
    path: string;
    torrentFile: TorrentFile | undefined;
    remembered: Remembered;
  }) {
    this.#remembered = options.remembered;
    this.#host = options.host;
    this.#brain = options.brain;
    this.#id = options.brain.id;
    this.#path = options.path;
    this.#torrentFile = options.torrentFile;
  }

  /** Parent folder of the torrent's name: absolute. `move` changes it. */
  get path(): string {
    return this.#path;
  }
  get id(): number {
    return this.#id;
  }
  get infoHashV1(): string | undefined {
    return this.#brain.hashV1;
  }
  get infoHashV2(): string | undefined {
    return this.#brain.hashV2;
  }
  get name(): string {
    return this.#brain.name;
  }

  /** `state.phase`, at no cost. */
  get phase(): TorrentPhase {
    return this.#lastState?.phase ?? this.#brain.phase;
  }

  /** What is true now: an immutable snapshot. Bytes, bytes per second, counts. */
  get state(): TorrentSnapshot {
    return this.#lastState ?? this.#host.snapshot(this);
  }
  /** Every connection now. */
  get peers(): readonly PeerSnapshot[] {
    return this.#lastState === undefined ? this.#brain.peers(this.#host.now()) : [];
  }
  /** What each tracker was told and has answered, and when it is asked again and why. */
  get trackers(): readonly TrackerSnapshot[] {
    return this.#brain.announces.announcer.state();
  }

  /** The info dictionary: at once for .torrent files, for magnet links when a peer has sent it. */
  async metadata(options: Abortable = {}): Promise<Info> {
    if (this.#info() === undefined) await this.#wait('metadata', `the metadata of ${this.name}`, options);
    return this.#info() as Info;
  }

  /** What is on disk has been looked at; the torrent is at work, or sleeps because it has none. */
  async ready(options: Abortable = {}): Promise<void> {
    if (isReady.has(this.#brain.phase)) return;
    await this.#wait('ready', `the check of ${this.name}`, options);
  }

  /** Every selected piece is verified and stored. */
  async done(options: Abortable = {}): Promise<void> {
    if (this.state.isComplete) return;
    await this.#wait('done', `the download of ${this.name}`, options);
  }

  /** The state, now and every so often until it is done (or stopped). The latest wins: nothing queues up behind a slow reader. */
  async *progress(
    options: Abortable & { readonly every?: number } = {},
  ): AsyncGenerator<TorrentSnapshot, void, undefined> {
    const every = Math.max(10, options.every ?? 500);
    for (;;) {
      options.signal?.throwIfAborted();
      const state = this.state;
      yield state;
      if (state.isComplete || state.phase === 'stopped' || state.phase === 'error') return;
      await pause(every, options.signal);
    }
  }

  /** Files in the torrent's order; known once the metadata is. */
  get files(): readonly TorrentFileHandle[] {
    return (this.#info()?.files ?? []).map((entry) => new TorrentFileHandle(this, entry));
  }

  /**
   * One file by its index, or by its path with or without the torrent's name in front ('/' between parts).
   * @throws BtError `client/invalid` where there is no such file
   */
  file(which: number | string): TorrentFileHandle {
    const found = this.files.find(
      ({ entry }) => entry.index === which || entry.path.join('/') === which || entry.path.slice(1).join('/') === which,
    );
    if (found === undefined)
      throw new BtError('client/invalid', { what: `${this.name} has no file ${JSON.stringify(which)}` });
    return found;
  }

  /** The .torrent file, as bytes. For magnet links made from what peers sent, with the link's trackers. */
  async torrentFile(options: Abortable = {}): Promise<Uint8Array> {
    const info = await this.metadata(options);
    const given = this.#torrentFile ?? this.#host.loadTorrentFile(this);
    const isV2 = this.infoHashV2 !== undefined && given === undefined;
    // Layers come from peers after the metadata. Those of files that were not selected are never asked for.
    const knows = () =>
      this.#brain.content?.hashes.isComplete === true || this.#brain.content?.ledger.isComplete === true;
    if (isV2 && !knows() && this.#brain.content?.wanted.every((w) => w) === true) {
      await this.#wait('hashes', `the piece layers of ${this.name}`, options);
    }
    const layers = this.#brain.content?.hashes.layers() ?? given?.pieceLayers ?? new Map();
    return wrapInfo(info.bytes, {
      trackers: given?.trackers ?? this.#remembered.trackers,
      webSeeds: given?.webSeeds ?? [],
      ...(info.hashV2 === undefined ? {} : { pieceLayers: layers }),
      ...(given?.comment === undefined ? {} : { comment: given.comment }),
      ...(given?.createdBy === undefined ? {} : { createdBy: given.createdBy }),
      ...(given?.creationDate === undefined ? {} : { creationDate: given.creationDate }),
    });
  }

  /** Tells the torrent of peers; names are looked up. */
  async addPeers(peers: readonly PeerAddress[], options: Abortable = {}): Promise<void> {
    const resolved = await this.#host.resolve(peers, options.signal);
    this.#host.input((brain, now) => brain.addPeers(now, this.#id, resolved));
  }

  /** Asks every tracker how large the swarm is (BEP 48), without announcing. A tracker that fails is in the answer, with why. */
  async scrape(options: Abortable = {}): Promise<readonly TrackerCounts[]> {
    this.#throwIfOver();
    const answers = new Map<string, TrackerCounts>();
    let tell: ((url: string, result: ScrapeResult) => void) | undefined;
    const collected = new Promise<void>((resolve) => {
      let expected = Number.POSITIVE_INFINITY;
      tell = (url, result) => {
        answers.set(url, { url, ...result });
        if (answers.size >= expected) resolve();
      };
      this.#waiters.scrapes.add(tell);
      expected = this.#host.input((brain, now) => brain.scrape(now, this.#id));
      if (expected === 0) resolve();
    });
    try {
      await untilAborted(collected, `the scrape of ${this.name}`, options.signal);
    } finally {
      this.#waiters.scrapes.delete(tell as NonNullable<typeof tell>);
    }
    return [...answers.values()];
  }

  /** Bytes per second for this torrent alone; Infinity = no limit. */
  setRates(rates: { readonly upload?: number; readonly download?: number }): void {
    this.#host.input((brain, now) => brain.setRates(now, rates, this.#id));
    const keep = (rate: number) => (Number.isFinite(rate) ? rate : undefined);
    if (rates.upload !== undefined) this.#remembered.uploadLimit = keep(rates.upload);
    if (rates.download !== undefined) this.#remembered.downloadLimit = keep(rates.download);
    this.#host.note(this);
  }

  /** Lets it rest until `resume`: peers and trackers are told, files are closed, what is here stays. */
  pause(): void {
    this.#throwIfOver();
    this.#host.input((brain, now) => brain.pause(now, this.#id));
    this.#host.note(this);
  }

  /** Lets a paused torrent run again, as soon as the queue has a place for it. */
  resume(): void {
    this.#throwIfOver();
    this.#host.input((brain, now) => brain.unpause(now, this.#id));
    this.#host.note(this);
  }

  /** Its place among all torrents of the session, 1 = first: who is first gets a place for active downloads first. */
  moveTo(position: number): void {
    this.#throwIfOver();
    this.#host.input((brain, now) => brain.moveInQueue(now, this.#id, position));
    this.#host.noteAll();
  }

  /**
   * Takes the torrent's files to another folder, which is made where it does not exist. On one file system its own folder or file is renamed,
   * with all that is in it; across two, its files are copied, compared and put in place, then the old ones go. Downloading pauses meanwhile,
   * what is here is given to others. Killed in the middle, it is in one of the two places, and the next start finds it with `stateDir`.
   *
   * A signal ends the waiting, not the move.
   *
   * @throws BtError `disk/exists` where something of its name is there, `disk/no-space`, `disk/access`, ...: it is where it was then;
   *   `client/invalid` while it is being checked or moved
   */
  async move(folder: string, options: Abortable = {}): Promise<void> {
    await this.#wakeUp(options);
    const to = resolve(folder);
    const { moves } = this.#waiters;
    let waiter: Waiter | undefined;
    const moved = new Promise<void>((resolveMove, reject) => {
      waiter = { resolve: resolveMove, reject };
      moves.add(waiter);
    });
    try {
      this.#host.input((brain, now) => brain.move(now, this.#id, to));
      await untilAborted(moved, `moving ${this.name}`, options.signal);
    } finally {
      moves.delete(waiter as Waiter);
    }
  }

  /** Hashes everything on disk again; what is bad is fetched again. Resolves when it has been looked at. */
  async verify(options: Abortable = {}): Promise<{ readonly good: number; readonly pieces: number }> {
    await this.#wakeUp(options);
    const checked = this.#wait('ready', `the check of ${this.name}`, options);
    this.#host.input((brain, now) => brain.recheck(now, this.#id));
    await checked;
    const state = this.state;
    return { good: state.piecesHave, pieces: state.pieceCount ?? 0 };
  }

  /**
   * Ends the torrent: peers and trackers are told, resume data is saved, files are closed. `data: 'delete'` removes what was downloaded
   * too. A session that remembers its torrents forgets it. Idempotent.
   */
  async remove(options: Abortable & { readonly data?: 'keep' | 'delete' } = {}): Promise<void> {
    await this.stop(options);
    this.#host.forget(this);
    if (options.data === 'delete') await this.#host.deleteData(this);
  }

  /** Ends the torrent for this run of the program, keeping the data: a session that remembers its torrents brings it back at the next. */
  async stop(options: Abortable = {}): Promise<void> {
    if (this.#lastState !== undefined) return;
    const stopped = this.#wait('stopped', `stopping ${this.name}`, options);
    this.#host.input((brain, now) => brain.stop(now, this.#id));
    await stopped;
  }

  // --- for the session and for files of this torrent ---

  /** @internal */
  onEvent(event: TorrentEvent): void {
    switch (event.type) {
      case 'metadata':
      case 'ready':
      case 'done':
      case 'hashes':
        this.#settle(event.type);
        return;
      case 'scraped':
        for (const tell of this.#waiting?.scrapes ?? []) tell(event.url, event.result);
        return;
      case 'moved':
        if (event.error === undefined) this.#path = event.folder;
        for (const w of this.#waiting?.moves ?? []) {
          if (event.error === undefined) w.resolve();
          else w.reject(event.error);
        }
        return;
      case 'error':
        for (const kind of ['metadata', 'ready', 'done', 'hashes'] as const) this.#fail(kind, event.error);
        for (const w of this.#waiting?.moves ?? []) w.reject(event.error);
        return;
      case 'stopped': {
        this.#lastState = this.#host.snapshot(this);
        const closed = new BtError('client/closed', { what: this.name });
        for (const kind of ['metadata', 'ready', 'done', 'hashes'] as const) this.#fail(kind, closed);
        for (const w of this.#waiting?.moves ?? []) w.reject(closed);
        this.#settle('stopped');
        this.#host.remove(this);
        return;
      }
      default:
    }
  }

  /** @internal Bytes of one verified piece; undefined where it is not here (yet). */
  async readPiece(piece: number, begin: number): Promise<{ begin: number; bytes: Uint8Array } | undefined> {
    if (this.#brain.phase === 'dormant') await this.#wakeUp({});
    const run = await new Promise<ReadRun>((resolve) => {
      this.#host.input((brain, now) => brain.read(now, this.#id, piece, begin, resolve));
    });
    if (run.ok) return run;
    if (run.error !== undefined) throw run.error;
    return undefined;
  }

  /** @internal */
  hasPiece(piece: number): boolean {
    // Of one that ends nothing is read any more: who took it for here would ask again at once, and for ever.
    return !this.#brain.hasEnded && this.#brain.content?.ledger.have.has(piece) === true;
  }

  /** @internal Reading is prioritising: these pieces are fetched before others, in this order. */
  setUrgent(reader: object, pieces: readonly number[]): void {
    const { urgent } = this.#waiters;
    if (pieces.length === 0) urgent.delete(reader);
    else urgent.set(reader, pieces);
    if (this.#lastState !== undefined) return;
    const all = [...new Set([...urgent.values()].flat())];
    this.#host.input((brain, now) => brain.setUrgent(now, this.#id, all));
  }

  /** @internal Resolves when a piece is verified, or anything else happens that a reader should look at. */
  async waitForPiece(piece: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.hasPiece(piece)) return;
    this.#throwIfOver();
    await this.#wakeUp({ signal });
    if (this.hasPiece(piece)) return;
    await untilAborted(
      new Promise<void>((resolve, reject) => {
        const { pieces } = this.#waiters;
        const set = pieces.get(piece) ?? new Set();
        set.add({ resolve, reject });
        pieces.set(piece, set);
      }),
      `reading ${this.name}`,
      signal,
    );
  }

  /** @internal */
  onPiece(piece: number): void {
    if (this.#waiting === undefined) return;
    for (const w of this.#waiting.pieces.get(piece) ?? []) w.resolve();
    this.#waiting.pieces.delete(piece);
  }

  /** @internal The .torrent file is in the session's state: it need not be in memory. */
  kept(): void {
    this.#host.input((brain, now) => brain.keep(now, this.#id));
    this.#torrentFile = undefined;
  }

  /** @internal What its .torrent file is made of; undefined while that is not known. */
  get fileParts(): (Pick<TorrentFile, 'info'> & Partial<TorrentFile>) | undefined {
    const info = this.#brain.info;
    if (this.#torrentFile !== undefined) return this.#torrentFile;
    const hashes = this.#brain.content?.hashes;
    // Without its piece layers a v2 torrent could not be verified when it wakes.
    if (info === undefined || (info.hashV2 !== undefined && hashes?.isComplete !== true)) return undefined;
    return { info, trackers: this.#remembered.trackers, pieceLayers: hashes?.layers() ?? new Map() };
  }

  /** @internal */
  get isKept(): boolean {
    return this.#brain.isKept;
  }

  /** @internal What the session remembers of it. */
  toRow(): TorrentRow {
    const { trackers, peers, picked, addedMs, uploadLimit, downloadLimit } = this.#remembered;
    const wanted = this.#brain.content?.wanted ?? this.#remembered.wanted;
    const known = this.#brain.known(this.#host.now());
    return {
      hashV1: this.#brain.hashV1,
      hashV2: this.#brain.hashV2,
      folder: this.path,
      trackers,
      peers,
      wanted: wanted?.every((w) => w) === true ? undefined : wanted,
      picked,
      uploadLimit,
      downloadLimit,
      rank: this.#brain.rank,
      addedMs,
      isPaused: this.#brain.isPaused,
      isKept: this.#brain.isKept,
      ...this.#brain.totals,
      known: { ...known, name: known.name ?? (this.#brain.hasName ? this.name : undefined) },
    };
  }

  /** The info dictionary, wherever it is. */
  #info(): Info | undefined {
    const awake = this.#brain.info;
    if (awake !== undefined || !this.#brain.isKept) return awake;
    const known = this.#restingInfo?.deref();
    if (known !== undefined) return known;
    const info = this.#host.loadTorrentFile(this)?.info;
    this.#restingInfo = info === undefined ? undefined : new WeakRef(info);
    return info;
  }

  /** Until it is at work, asleep or not. */
  async #wakeUp(options: Abortable): Promise<void> {
    if (isAtWork.has(this.#brain.phase)) {
      this.#host.input((brain, now) => brain.wake(now, this.#id));
      return;
    }
    const ready = this.#wait('ready', `the check of ${this.name}`, options);
    this.#host.input((brain, now) => brain.wake(now, this.#id));
    await ready;
  }

  get #waiters(): Waiting {
    this.#waiting ??= {
      metadata: new Set(),
      ready: new Set(),
      done: new Set(),
      hashes: new Set(),
      stopped: new Set(),
      pieces: new Map(),
      urgent: new Map(),
      scrapes: new Set(),
      moves: new Set(),
    };
    return this.#waiting;
  }

  #throwIfOver(): void {
    if (this.#brain.error !== undefined) throw this.#brain.error;
    if (this.#lastState !== undefined) throw new BtError('client/closed', { what: this.name });
  }

  async #wait(kind: WaitKind, what: string, options: Abortable): Promise<void> {
    // One that has failed still stops.
    if (kind !== 'stopped') this.#throwIfOver();
    let waiter: Waiter | undefined;
    const promise = new Promise<void>((resolve, reject) => {
      waiter = { resolve, reject };
      this.#waiters[kind].add(waiter);
    });
    try {
      await untilAborted(promise, what, options.signal);
    } finally {
      this.#waiters[kind].delete(waiter as Waiter);
    }
  }

  #settle(kind: WaitKind): void {
    for (const w of this.#waiting?.[kind] ?? []) w.resolve();
  }

  #fail(kind: WaitKind, error: unknown): void {
    if (this.#waiting === undefined) return;
    for (const w of this.#waiting[kind]) w.reject(error);
    for (const set of this.#waiting.pieces.values()) for (const w of set) w.reject(error);
    this.#waiting.pieces.clear();
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end, { once: true });
  });
}

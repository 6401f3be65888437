import { BtError, type Millis, type PeerAddress, type TorrentId } from '../base/index.ts';
import type { Info, TorrentFile } from '../metainfo/index.ts';
import { wrapInfo } from '../metainfo/index.ts';
import type { Session as Brain, ReadRun } from '../session/index.ts';
import type {
  PeerSnapshot,
  ScrapeResult,
  Torrent as TorrentBrain,
  TorrentEvent,
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
  remove(torrent: Torrent): void;
  deleteData(torrent: Torrent): Promise<void>;
  resolve(peers: readonly PeerAddress[], signal?: AbortSignal): Promise<PeerAddress[]>;
}

type WaitKind = 'metadata' | 'ready' | 'done' | 'hashes' | 'stopped';

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * One torrent of a session. Everything that waits takes a signal; everything that can fail rejects with a `BtError` of a stable code.
 * Made by `session.add`.
 */
export class Torrent implements FileHost {
  /** Parent folder of the torrent's name: absolute. */
  readonly path: string;
  readonly #host: TorrentHost;
  readonly #brain: TorrentBrain;
  readonly #id: TorrentId;
  readonly #torrentFile: TorrentFile | undefined;
  readonly #trackers: readonly (readonly string[])[];
  readonly #waiting = {
    metadata: new Set<Waiter>(),
    ready: new Set<Waiter>(),
    done: new Set<Waiter>(),
    hashes: new Set<Waiter>(),
    stopped: new Set<Waiter>(),
  };
  readonly #pieceWaiters = new Map<number, Set<Waiter>>();
  /** Readers and the pieces they wait for. */
  readonly #urgent = new Map<object, readonly number[]>();
  #lastState: TorrentSnapshot | undefined;
  readonly #scrapes = new Set<(url: string, result: ScrapeResult) => void>();

  /** @internal */
  constructor(options: {
    host: TorrentHost;
    brain: TorrentBrain;
    path: string;
    torrentFile: TorrentFile | undefined;
    trackers: readonly (readonly string[])[];
  }) {
    this.#trackers = options.trackers;
    this.#host = options.host;
    this.#brain = options.brain;
    this.#id = options.brain.id;
    this.path = options.path;
    this.#torrentFile = options.torrentFile;
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

  /** What is true now: an immutable snapshot. Bytes, bytes per second, counts. */
  get state(): TorrentSnapshot {
    return this.#lastState ?? this.#brain.snapshot(this.#host.now());
  }
  /** Every connection now. */
  get peers(): readonly PeerSnapshot[] {
    return this.#lastState === undefined ? this.#brain.peers(this.#host.now()) : [];
  }
  /** What each tracker was told and has answered, and when it is asked again and why. */
  get trackers(): readonly TrackerSnapshot[] {
    return this.#brain.finder.announcer.state();
  }

  /** The info dictionary: at once for .torrent files, for magnet links when a peer has sent it. */
  async metadata(options: Abortable = {}): Promise<Info> {
    if (this.#brain.info === undefined) await this.#wait('metadata', `the metadata of ${this.name}`, options);
    return this.#brain.info as Info;
  }

  /** What is on disk has been looked at; the torrent is at work. */
  async ready(options: Abortable = {}): Promise<void> {
    if (this.#brain.phase === 'downloading' || this.#brain.phase === 'seeding') return;
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
    return (this.#brain.info?.files ?? []).map((entry) => new TorrentFileHandle(this, entry));
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
    const given = this.#torrentFile;
    const isV2 = this.infoHashV2 !== undefined && given === undefined;
    // Layers come from peers after the metadata. Those of files that were not selected are never asked for.
    const knows = () =>
      this.#brain.content?.hashes.isComplete === true || this.#brain.content?.ledger.isComplete === true;
    if (isV2 && !knows() && this.#brain.content?.wanted.every((w) => w) === true) {
      await this.#wait('hashes', `the piece layers of ${this.name}`, options);
    }
    const layers = this.#brain.content?.hashes.layers() ?? given?.pieceLayers ?? new Map();
    return wrapInfo(info.bytes, {
      trackers: given?.trackers ?? this.#trackers,
      webSeeds: given?.webSeeds ?? [],
      pieceLayers: layers,
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
      this.#scrapes.add(tell);
      expected = this.#host.input((brain, now) => brain.scrape(now, this.#id));
      if (expected === 0) resolve();
    });
    try {
      await untilAborted(collected, `the scrape of ${this.name}`, options.signal);
    } finally {
      this.#scrapes.delete(tell as NonNullable<typeof tell>);
    }
    return [...answers.values()];
  }

  /** Bytes per second for this torrent alone; Infinity = no limit. */
  setRates(rates: { readonly upload?: number; readonly download?: number }): void {
    this.#host.input((brain, now) => brain.setRates(now, rates, this.#id));
  }

  /** Hashes everything on disk again; what is bad is fetched again. Resolves when it has been looked at. */
  async verify(options: Abortable = {}): Promise<{ readonly good: number; readonly pieces: number }> {
    await this.ready(options);
    this.#host.input((brain, now) => brain.recheck(now, this.#id));
    if (this.#brain.phase === 'checking') await this.#wait('ready', `the check of ${this.name}`, options);
    const state = this.state;
    return { good: state.piecesHave, pieces: state.pieceCount ?? 0 };
  }

  /**
   * Ends the torrent: peers and trackers are told, resume data is saved, files are closed. `data: 'delete'` removes what was downloaded
   * too. Idempotent.
   */
  async remove(options: Abortable & { readonly data?: 'keep' | 'delete' } = {}): Promise<void> {
    await this.stop(options);
    if (options.data === 'delete') await this.#host.deleteData(this);
  }

  /** Like `remove`, keeping the data. */
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
        for (const tell of this.#scrapes) tell(event.url, event.result);
        return;
      case 'error':
        for (const kind of ['metadata', 'ready', 'done', 'hashes'] as const) this.#fail(kind, event.error);
        return;
      case 'stopped': {
        this.#lastState = this.#brain.snapshot(this.#host.now());
        const closed = new BtError('client/closed', { what: this.name });
        for (const kind of ['metadata', 'ready', 'done', 'hashes'] as const) this.#fail(kind, closed);
        this.#settle('stopped');
        this.#host.remove(this);
        return;
      }
      default:
    }
  }

  /** @internal Bytes of one verified piece; undefined where it is not here (yet). */
  async readPiece(piece: number, begin: number): Promise<{ begin: number; bytes: Uint8Array } | undefined> {
    const run = await new Promise<ReadRun>((resolve) => {
      this.#host.input((brain, now) => brain.read(now, this.#id, piece, begin, resolve));
    });
    if (run.ok) return run;
    if (run.error !== undefined) throw run.error;
    return undefined;
  }

  /** @internal */
  hasPiece(piece: number): boolean {
    return this.#brain.content?.ledger.have.has(piece) === true;
  }

  /** @internal Reading is prioritising: these pieces are fetched before others, in this order. */
  setUrgent(reader: object, pieces: readonly number[]): void {
    if (pieces.length === 0) this.#urgent.delete(reader);
    else this.#urgent.set(reader, pieces);
    if (this.#lastState !== undefined) return;
    const all = [...new Set([...this.#urgent.values()].flat())];
    this.#host.input((brain, now) => brain.setUrgent(now, this.#id, all));
  }

  /** @internal Resolves when a piece is verified, or anything else happens that a reader should look at. */
  waitForPiece(piece: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.hasPiece(piece)) return Promise.resolve();
    this.#throwIfOver();
    return untilAborted(
      new Promise<void>((resolve, reject) => {
        const set = this.#pieceWaiters.get(piece) ?? new Set();
        set.add({ resolve, reject });
        this.#pieceWaiters.set(piece, set);
      }),
      `reading ${this.name}`,
      signal,
    );
  }

  /** @internal */
  onPiece(piece: number): void {
    for (const w of this.#pieceWaiters.get(piece) ?? []) w.resolve();
    this.#pieceWaiters.delete(piece);
  }

  #throwIfOver(): void {
    if (this.#brain.error !== undefined) throw this.#brain.error;
    if (this.#lastState !== undefined) throw new BtError('client/closed', { what: this.name });
  }

  async #wait(kind: WaitKind, what: string, options: Abortable): Promise<void> {
    this.#throwIfOver();
    let waiter: Waiter | undefined;
    const promise = new Promise<void>((resolve, reject) => {
      waiter = { resolve, reject };
      this.#waiting[kind].add(waiter);
    });
    try {
      await untilAborted(promise, what, options.signal);
    } finally {
      this.#waiting[kind].delete(waiter as Waiter);
    }
  }

  #settle(kind: WaitKind): void {
    for (const w of this.#waiting[kind]) w.resolve();
  }

  #fail(kind: WaitKind, error: unknown): void {
    for (const w of this.#waiting[kind]) w.reject(error);
    for (const set of this.#pieceWaiters.values()) for (const w of set) w.reject(error);
    this.#pieceWaiters.clear();
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

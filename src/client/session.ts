import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  BtError,
  canonicalHost,
  type InfoHash,
  type Millis,
  type PeerAddress,
  readU32,
  seededRng,
  type TorrentId,
} from '../base/index.ts';
import { nodeCrypto, toDiskError } from '../hash/index.ts';
import type { Info, TorrentFile } from '../metainfo/index.ts';
import {
  type DescriptorBudget,
  DiskPool,
  diskLimits,
  divideDescriptors,
  type Listener,
  makeFolders,
  NodeLoop,
  readDescriptorLimit,
  resolveHost,
  TcpTransport,
  TrackerClient,
  tcpLimits,
} from '../node/index.ts';
import { Session as Brain, sessionLimits, type TorrentRow } from '../session/index.ts';
import type { TorrentEvent, TorrentSnapshot } from '../swarm/index.ts';
import type { Tracer } from '../trace/index.ts';
import { makePeerId } from '../wire/index.ts';
import { type Budgets, measureBudgets } from './budgets.ts';
import { type Abortable, EventHub } from './events.ts';
import { SessionMemory, toSource } from './session-memory.ts';
import { resolveSource, type TorrentInput, toSelection } from './source.ts';
import { type Remembered, Torrent, type TorrentHost } from './torrent.ts';

export interface ListenOptions {
  /** Numeric; default: every address of the machine, IPv6 and IPv4. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
}

export interface SessionOptions extends Abortable {
  /** Where resume data is kept. Without it nothing is remembered: data that is there is hashed again at every start. */
  readonly stateDir?: string;
  /**
   * The torrents of earlier runs come back, and what is added is remembered, in `stateDir`: with their .torrent files, folders, limits and
   * places in the queue. A complete one whose .torrent file is there sleeps until somebody wants it. A selection by predicate is remembered
   * once the metadata is known. One session at a time uses a folder so.
   */
  readonly remember?: boolean;
  /** Downloads at work at a time, all together; the others wait in the order of their places. Default no limit. */
  readonly activeDownloads?: number;
  /** Complete torrents with somebody connected at a time, of those that may sleep (`remember`). Default no limit. */
  readonly activeSeeds?: number;
  /** Default folder for downloads; the working directory where absent. */
  readonly path?: string;
  /** Where peers can connect to us; `false` = nowhere. Default: any free port on all addresses. */
  readonly listen?: ListenOptions | readonly ListenOptions[] | false;
  /** Bytes of payload per second; default no limit. What messages and TCP add comes on top. Torrents share it evenly, and so do peers. */
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
  /** Connections of all torrents together. */
  readonly connectionsMax?: number;
  /** Connections of one torrent. */
  readonly connectionsPerTorrentMax?: number;
  /** Bytes of pieces in memory, all torrents together; default 32 MiB. */
  readonly pieceMemoryBytes?: number;
}

export interface AddOptions extends Abortable {
  /** Parent folder of the torrent's name; made where it does not exist. */
  readonly path?: string;
  /** Which files to fetch: indexes, or a predicate. Others are never created. */
  readonly files?: readonly number[] | ((file: Info['files'][number]) => boolean);
  /** Peers to connect to, besides those that trackers and peers tell of. Names are looked up. */
  readonly peers?: readonly PeerAddress[];
  /** Further trackers, each a tier of its own. */
  readonly trackers?: readonly string[];
  /** The data was made or hashed a moment ago: files of the right length are believed. */
  readonly verified?: boolean;
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
  /** Gets every decision of this torrent's brain (see docs/tracing.md). */
  readonly tracer?: Tracer;
}

/** Events of low rate, told apart by `type`; `torrent` is the handle that `add` returned. */
export type SessionEvent = { [E in TorrentEvent as E['type']]: ToSessionEvent<E> }[TorrentEvent['type']];

type ToSessionEvent<E extends TorrentEvent> = Omit<E, 'type' | 'torrent'> & {
  readonly type: `torrent.${E['type']}`;
  readonly torrent: Torrent;
};

/** Starts a session: sockets are open when this resolves. Dispose it (`await using`, or `close`) to end everything in order. */
export async function createSession(options: SessionOptions = {}): Promise<Session> {
  options.signal?.throwIfAborted();
  const session = new Session(options);
  try {
    await session.start();
  } catch (error) {
    await session.close();
    throw error;
  }
  return session;
}

/** A client: any number of torrents over one set of sockets. Made by `createSession`. */
export class Session {
  /** How the descriptors of the process are divided; shared by all torrents. */
  readonly descriptors: DescriptorBudget;
  /** There are fewer connections than there would be, since the process may open few files. */
  readonly isShortOfDescriptors: boolean;
  readonly #o: SessionOptions;
  readonly #disk: DiskPool;
  readonly #loop: NodeLoop;
  readonly #brain: Brain;
  readonly #hub = new EventHub<SessionEvent>();
  readonly #torrents = new Map<TorrentId, Torrent>();
  readonly #folders = new Map<TorrentId, string>();
  /** Folder of the torrent that is being added: its store may be opened before its id is known here. */
  #folderOfNew = '';
  readonly #listeners: Listener[] = [];
  /** Events of the running input: handed out when it has ended, so that a reader may call back. */
  #pending: TorrentEvent[] = [];
  readonly #memory: SessionMemory | undefined;
  /** Ended for this run, and to come back at the next. */
  readonly #ended = new Set<Torrent>();
  #stateError: BtError | undefined;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(options: SessionOptions) {
    this.#o = options;
    if (options.remember === true) {
      if (options.stateDir === undefined) throw new BtError('client/invalid', { what: 'remember needs a stateDir' });
      this.#memory = new SessionMemory(resolve(options.stateDir));
    }
    const wanted = {
      connections: options.connectionsMax ?? sessionLimits.connsMax,
      lingering: tcpLimits.lingeringMax,
      files: diskLimits.openFilesMax,
      quickFiles: diskLimits.quickFilesMax,
    };
    this.descriptors = divideDescriptors(readDescriptorLimit(), wanted);
    this.isShortOfDescriptors = this.descriptors.connections < wanted.connections;
    this.#disk = new DiskPool({
      limits: { openFilesMax: this.descriptors.files, quickFilesMax: this.descriptors.quickFiles },
      folderOf: (torrent) => this.#folders.get(torrent) ?? this.#folderOfNew,
      stateDir: options.stateDir === undefined ? undefined : resolve(options.stateDir),
    });
    const transport = new TcpTransport({ limits: { lingeringMax: this.descriptors.lingering } });
    this.#loop = new NodeLoop({ disk: this.#disk, trackers: new TrackerClient(), transport });
    this.#brain = new Brain({
      ports: this.#loop,
      crypto: nodeCrypto,
      rng: seededRng(readU32(nodeCrypto.random(4), 0)),
      peerId: makePeerId(nodeCrypto.random(12)),
      now: this.#loop.now(),
      onEvent: (event) => this.#onEvent(event),
      uploadLimit: options.uploadLimit ?? Number.POSITIVE_INFINITY,
      downloadLimit: options.downloadLimit ?? Number.POSITIVE_INFINITY,
      connsMax: this.descriptors.connections,
      ...(options.connectionsPerTorrentMax === undefined
        ? {}
        : { connsPerTorrentMax: options.connectionsPerTorrentMax }),
      activeLimits: {
        ...(options.activeDownloads === undefined ? {} : { downloads: options.activeDownloads }),
        ...(options.activeSeeds === undefined ? {} : { seeds: options.activeSeeds }),
      },
      ...(options.pieceMemoryBytes === undefined ? {} : { pieceBytesMax: options.pieceMemoryBytes }),
    });
    this.#loop.attach(this.#brain);
    const onAbort = () => void this.close();
    options.signal?.addEventListener('abort', onAbort, { once: true });
  }

  /** @internal */
  async start(): Promise<void> {
    this.#restore();
    // IPv4 first: `::` takes IPv4 too where its port is still free there.
    const isV6 = (at: ListenOptions) => (at.host?.includes(':') === true ? 1 : 0);
    for (const at of [...this.#places()].sort((a, b) => isV6(a) - isV6(b))) {
      const listener = await this.#listen(at);
      this.#listeners.push(listener);
    }
    this.#brain.setListenPort(this.#listeners[0]?.address.port ?? 0);
  }

  /** Where peers can connect to us. */
  get addresses(): readonly PeerAddress[] {
    return this.#listeners.map((l) => l.address);
  }
  get torrents(): readonly Torrent[] {
    return [...this.#torrents.values()];
  }
  get connectionCount(): number {
    return this.#brain.connCount;
  }
  /** Why the latest change could not be remembered; undefined while all is. */
  get stateError(): BtError | undefined {
    return this.#stateError;
  }
  /** Why connections and dials came to nothing before handshakes were complete: code of the reason to how often, since the start. */
  get refused(): ReadonlyMap<string, number> {
    return this.#brain.refused;
  }
  /** Bytes of payload buffers in use, and the budget. */
  get memory(): { readonly pieceBytes: number; readonly pieceBytesMax: number; readonly uploadBytes: number } {
    const { pool, runs } = this.#brain;
    return { pieceBytes: pool.lentBytes, pieceBytesMax: pool.budgetBytes, uploadBytes: runs.lentBytes };
  }

  /** Who holds bytes, and what waits for some: of the whole session. */
  get budgets(): Budgets {
    return measureBudgets(this.#brain, this.#loop);
  }

  /**
   * Adds a torrent and starts it: what is on disk is looked at, then what is missing is fetched, then it is seeded.
   *
   * @param input the bytes of a .torrent file, a parsed one, a magnet link, or a bare info-hash
   * @throws BtError `metainfo/…` `bencode/…` `magnet/…` for unusable input, `client/duplicate` where the torrent is here already
   */
  async add(input: TorrentInput, options: AddOptions = {}): Promise<Torrent> {
    this.#throwIfClosed();
    const { source, torrentFile, namedPeers, selectOnly, swarmKeys } = resolveSource(input, nodeCrypto);
    const known = swarmKeys.find((key) => this.#brain.has(key));
    if (known !== undefined) throw new BtError('client/duplicate', { infoHash: known });
    const path = resolve(options.path ?? this.#o.path ?? '.');
    const wanted = options.files ?? selectOnly;
    if (source.info !== undefined) toSelection(source.info, wanted);
    const peers = [
      ...(source.peers ?? []),
      ...(await this.#resolve([...namedPeers, ...(options.peers ?? [])], options.signal)),
    ];
    await makeFolder(path);
    options.signal?.throwIfAborted();
    this.#throwIfClosed();
    const trackers = [...source.trackers, ...(options.trackers ?? []).map((url) => [url])];
    const torrent = this.#input(() => {
      this.#folderOfNew = path;
      const id = this.#brain.add(this.#loop.now(), {
        ...source,
        trackers,
        peers,
        select: (info) => toSelection(info, wanted),
        ...(options.verified === undefined ? {} : { verified: options.verified }),
        ...(options.uploadLimit === undefined ? {} : { uploadLimit: options.uploadLimit }),
        ...(options.downloadLimit === undefined ? {} : { downloadLimit: options.downloadLimit }),
        tracer: options.tracer,
      });
      this.#folders.set(id, path);
      return this.#handle(id, path, torrentFile, {
        trackers,
        peers,
        addedMs: Date.now(),
        picked: Array.isArray(wanted) ? (wanted as readonly number[]) : undefined,
        uploadLimit: options.uploadLimit,
        downloadLimit: options.downloadLimit,
      });
    });
    this.#remember(torrent);
    return torrent;
  }

  #handle(id: TorrentId, path: string, torrentFile: TorrentFile | undefined, remembered: Remembered): Torrent {
    for (const torrent of this.#ended) {
      // It is here again.
      const brain = this.#brain.torrent(id);
      if (torrent.infoHashV1 === brain?.hashV1 && torrent.infoHashV2 === brain?.hashV2) this.#ended.delete(torrent);
    }
    const brain = this.#brain.torrent(id);
    if (brain === undefined) throw new BtError('client/closed', { what: 'the session' });
    const torrent = new Torrent({ host: this.#host, brain, path, torrentFile, remembered });
    this.#torrents.set(id, torrent);
    return torrent;
  }

  #restore(): void {
    const rows = this.#memory?.open() ?? [];
    if (rows.length === 0) return;
    this.#input((now) => {
      // Before the brain has their ids: none of them opens files within the same input, except by `folderOf`, later.
      const ids = this.#brain.restore(now, rows.map(toSource), (id, i) =>
        this.#folders.set(id, (rows[i] as TorrentRow).folder),
      );
      ids.forEach((id, i) => {
        const { folder, trackers, peers, addedMs, wanted, picked, uploadLimit, downloadLimit } = rows[i] as TorrentRow;
        const remembered = { trackers, peers, addedMs, wanted, picked, uploadLimit, downloadLimit };
        this.#handle(id, folder, undefined, remembered);
      });
    });
  }

  /** Keeps the .torrent file as soon as it is known, and a row of the torrent. */
  #remember(torrent: Torrent): void {
    if (this.#memory === undefined || this.#closing !== undefined) return;
    this.#tryToRemember(() => {
      const parts = torrent.isKept ? undefined : torrent.fileParts;
      if (parts !== undefined) {
        this.#memory?.saveTorrent((parts.info.hashV1 ?? parts.info.hashV2) as InfoHash, parts);
        torrent.kept();
      }
      this.#memory?.note(torrent, () => this.#all());
    });
  }

  #tryToRemember(write: () => void): void {
    try {
      write();
      this.#stateError = undefined;
    } catch (error) {
      if (!BtError.is(error)) throw error;
      // The torrent goes on; what could not be written is tried again with the next change, and at the end.
      this.#stateError = error;
      this.#memory?.changed();
    }
  }

  #all(): Torrent[] {
    return [...this.#torrents.values(), ...this.#ended];
  }

  /** Events from now on, in order. A reader that does not keep up is told how many it missed (`lagged`). Ends with the session. */
  events(
    options: Abortable & { readonly types?: readonly SessionEvent['type'][] } = {},
  ): AsyncGenerator<SessionEvent & { readonly lagged?: number }, void, undefined> {
    const types = options.types === undefined ? undefined : new Set(options.types);
    return this.#hub.read((event) => types === undefined || types.has(event.type), options.signal);
  }

  /** Bytes per second for all torrents together; Infinity = no limit. */
  setRates(rates: { readonly upload?: number; readonly download?: number }): void {
    this.#input(() => this.#brain.setRates(this.#loop.now(), rates));
  }

  /** Ends all torrents in order (peers and trackers told, resume data saved), then the sockets. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#input(() => this.#brain.close(this.#loop.now()));
    await Promise.all(this.torrents.map((torrent) => torrent.stop()));
    await this.#loop.shutdown();
    this.#hub.close();
    this.#memory?.close(this.#ended);
  }

  // --- privately ---

  readonly #host: TorrentHost = {
    input: (act) => this.#input(() => act(this.#brain, this.#loop.now())),
    now: () => this.#loop.now(),
    snapshot: (torrent) => this.#brain.snapshot(this.#loop.now(), torrent.id as TorrentId) as TorrentSnapshot,
    forget: (torrent) => {
      this.#ended.delete(torrent);
      this.#memory?.forget(torrent, () => this.#all());
    },
    note: (torrent) => this.#remember(torrent),
    noteAll: () => this.#tryToRemember(() => this.#memory?.rewrite(this.#all())),
    loadTorrentFile: (torrent) => {
      const hash = (torrent.infoHashV1 ?? torrent.infoHashV2) as InfoHash;
      return torrent.isKept ? this.#memory?.loadTorrent(hash) : undefined;
    },
    remove: (torrent) => {
      this.#torrents.delete(torrent.id as TorrentId);
      if (this.#memory !== undefined) this.#ended.add(torrent);
      // Its last input is still running.
      queueMicrotask(() => this.#input(() => this.#brain.remove(this.#loop.now(), torrent.id as TorrentId)));
    },
    deleteData: (torrent) => deleteData(torrent),
    resolve: (peers, signal) => this.#resolve(peers, signal),
  };

  /** Calls of the program are inputs like those of the world: one at a time, events handed out afterwards. */
  #input<T>(act: (now: Millis) => T): T {
    const result = this.#loop.input((_inputs, now) => act(now));
    this.#flush();
    return result;
  }

  #onEvent(event: TorrentEvent): void {
    this.#pending.push(event);
    if (this.#pending.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const events = this.#pending;
    if (events.length === 0) return;
    this.#pending = [];
    for (const event of events) {
      const torrent = this.#torrents.get(event.torrent);
      if (torrent === undefined) continue;
      if (event.type === 'piece') torrent.onPiece(event.piece);
      if (event.type === 'moved' && event.error === undefined) this.#folders.set(event.torrent, event.folder);
      this.#hub.emit({ ...event, type: `torrent.${event.type}`, torrent } as SessionEvent);
      torrent.onEvent(event);
      if (worthNoting.has(event.type)) this.#remember(torrent);
      if (event.type === 'moved' && event.error === undefined) this.#settleMove(event.torrent);
    }
  }

  /** Where the new place could not be remembered, the old one goes on to lead there. */
  #settleMove(id: TorrentId): void {
    const isRemembered = this.#memory === undefined || this.#stateError === undefined;
    if (this.#closing === undefined && isRemembered) this.#disk.settleMove(id);
  }

  #places(): readonly ListenOptions[] {
    const { listen } = this.#o;
    if (listen === false) return [];
    if (listen === undefined) return [{ port: 0 }];
    return Array.isArray(listen) ? (listen as readonly ListenOptions[]) : [listen as ListenOptions];
  }

  async #listen(at: ListenOptions): Promise<Listener> {
    if (at.host !== undefined) return this.#loop.listen({ host: at.host, port: at.port });
    try {
      return await this.#loop.listen({ host: '::', port: at.port });
    } catch (error) {
      // A machine without IPv6.
      if (!BtError.is(error, 'net/listen')) throw error;
      return this.#loop.listen({ host: '0.0.0.0', port: at.port });
    }
  }

  async #resolve(peers: readonly PeerAddress[], signal?: AbortSignal): Promise<PeerAddress[]> {
    const found = await Promise.all(
      peers.map(async (peer) => {
        const numeric = canonicalHost(peer.host);
        if (numeric !== undefined) return [{ host: numeric, port: peer.port }];
        return resolveHost(peer, signal === undefined ? {} : { signal });
      }),
    );
    return found.flat();
  }

  #throwIfClosed(): void {
    if (this.#closing !== undefined) throw new BtError('client/closed', { what: 'the session' });
  }
}

/** Events after which a row of the state is not what it was. */
const worthNoting: ReadonlySet<TorrentEvent['type']> = new Set<TorrentEvent['type']>([
  'metadata',
  'moved',
  'hashes',
  'ready',
  'done',
  // A row that says "complete" would sleep at the next start, and fetch nothing.
  'lost',
  'resting',
]);

async function makeFolder(path: string): Promise<void> {
  try {
    makeFolders(path);
  } catch (cause) {
    throw toDiskError(cause, path);
  }
}

/** Removes what the torrent stored and nothing else: its files, then the folders that are empty by it. */
async function deleteData(torrent: Torrent): Promise<void> {
  const folders = new Set<string>();
  for (const { entry } of torrent.files) {
    await rm(join(torrent.path, ...entry.path), { force: true });
    for (let n = entry.path.length - 1; n >= 1; n--) folders.add(join(torrent.path, ...entry.path.slice(0, n)));
  }
  const { rmdir } = await import('node:fs/promises');
  for (const folder of [...folders].sort((a, b) => b.length - a.length)) await rmdir(folder).catch(() => {});
}

import { addMs, type ConnId, type PeerAddress } from '#base';
import type { TorrentEvent, TorrentSnapshot } from '#room/swarm/index';
import { Session, type SessionOptions } from '#session';
import {
  type ClientOptions,
  checkLeaks,
  FakePeer,
  type Line,
  lines,
  type MadeUpTorrent,
  makeTorrent,
  readBlock,
  SimClient,
  SimNet,
  type SimTorrent,
  SimTrackers,
  SimWorld,
  toMs,
} from '#sim';
import { type HandshakeFlags, writeBlockHeader } from '#wire';
import { nodeCrypto as crypto } from './node-crypto.ts';

export interface SceneOptions {
  readonly seed?: number;
  readonly torrent?: Partial<MadeUpTorrent>;
  /** Pieces that are on the client's disk when it starts. */
  readonly has?: 'all' | readonly number[];
  readonly client?: ClientOptions;
  readonly line?: Line;
  /** The client has the info dictionary of a v2 torrent and nothing else, as from a magnet link. */
  readonly lacksLayers?: boolean;
}

export interface SceneCast extends Partial<HandshakeFlags> {
  readonly peerId?: Uint8Array;
  /** Comes from the host of another peer. */
  readonly hostOf?: string;
  readonly line?: Line;
}

const torrents = new Map<string, SimTorrent>();

/** Seven pieces of 64 KiB, the last one 6,784 bytes long; v1. Made once for all scenes that want the same. */
export function sceneTorrent(made: Partial<MadeUpTorrent> = {}): SimTorrent {
  const options = { seed: 5, files: 400_000, pieceLength: 65_536, ...made };
  const key = JSON.stringify(options);
  let torrent = torrents.get(key);
  if (torrent === undefined) torrents.set(key, (torrent = makeTorrent(crypto, options)));
  return torrent;
}

/** One real session in a simulated world, among peers that a test plays. */
export class Scene {
  readonly world: SimWorld;
  readonly net: SimNet;
  readonly torrent: SimTorrent;
  readonly client: SimClient;
  readonly peers: Map<string, FakePeer> = new Map();
  /** Calls of disk ports, and the answers that events tell of, in order: `saveResume final`, `closeStore`, `event stopped`. */
  readonly calls: string[] = [];
  readonly #hosts = new Map<string, ReturnType<SimNet['addHost']>>();
  #current = 'A';

  constructor(options: SceneOptions = {}) {
    this.world = new SimWorld(options.seed ?? 1);
    this.net = new SimNet(this.world);
    const torrent = sceneTorrent(options.torrent);
    const bare = { ...torrent, torrent: { ...torrent.torrent, pieceLayers: new Map() } };
    this.torrent = options.lacksLayers === true ? bare : torrent;
    const place = {
      world: this.world,
      net: this.net.addHost({ line: options.line ?? lines.ideal }),
      trackers: new SimTrackers(),
      torrent: this.torrent,
      crypto,
      disk: {},
      makeSession: (o: SessionOptions) => new Session(this.#watched(o)),
    };
    this.client = new SimClient('client', place, { isTrackerless: true, ...options.client });
    const { info } = this.torrent.torrent;
    if (options.has === 'all') this.client.disk.fill(info);
    else if (options.has !== undefined) this.client.disk.fill(info, options.has);
  }

  /** Starts the client, and waits until it has looked at its disk (with a magnet link: until it runs). */
  start(): this {
    this.client.start();
    const isReady = () => this.events('ready').length > 0 || this.events('error').length > 0;
    const end = this.world.run({ until: isReady, deadline: addMs(this.world.now, 5_000) });
    if (end === 'done') this.world.runFor(20);
    return this;
  }

  /** A peer of the script, not connected yet. */
  cast(name: string, { hostOf, peerId, line, ...flags }: SceneCast = {}): FakePeer {
    const net = this.#hosts.get(hostOf ?? '') ?? this.net.addHost({ line: line ?? lines.ideal });
    this.#hosts.set(name, net);
    const peer = new FakePeer({
      world: this.world,
      net,
      infoHash: this.torrent.swarmKey,
      flags,
      ...(peerId === undefined ? {} : { peerId }),
      readBlock: (piece, begin, length) => readBlock(this.torrent, piece, begin, length),
    });
    this.peers.set(name, peer);
    return peer;
  }

  /** A peer that connects to the client now. */
  join(name: string, cast: SceneCast = {}): FakePeer {
    const peer = this.peers.get(name) ?? this.cast(name, cast);
    peer.dial(this.client.address);
    return peer;
  }

  peer(name: string): FakePeer {
    const peer = this.peers.get(name);
    if (peer === undefined) throw new Error(`no peer ${name}`);
    return peer;
  }

  addressOf(name: string): PeerAddress {
    return { host: this.#hosts.get(name)?.name ?? '', port: 6881 };
  }

  /**
   * Plays lines of a script: those of `FakePeer`, with the name of the peer in front where it is another than that of the line before
   * (`B< unchoke`); and `B bad 0 0` sends a wrong block, `B half 0 0` only the first half of one,
   * `B+` connects, `B-` disconnects.
   */
  play(script: readonly (string | ((scene: Scene) => void))[]): this {
    for (const line of script) {
      if (typeof line !== 'string') {
        line(this);
        continue;
      }
      const [, name = '', rest = ''] = /^([A-Z]?)(.*)$/s.exec(line) ?? [];
      if (name !== '') this.#current = name;
      if (rest === '+') this.join(this.#current);
      else if (rest === '-') this.peer(this.#current).close();
      else if (rest.startsWith(' bad ')) this.#sendBad(rest.slice(5));
      else if (rest.startsWith(' half ')) this.#sendHalf(rest.slice(6));
      else this.peer(this.#current).play([rest]);
    }
    return this;
  }

  /** Lets virtual time pass: `500ms`, `20s`. */
  run(time: string): this {
    this.world.runFor(toMs(time));
    return this;
  }

  /** @throws Error where the condition does not come true in time */
  until(condition: () => boolean, time: string, what = 'the condition'): this {
    const end = this.world.run({ until: condition, deadline: addMs(this.world.now, toMs(time)) });
    if (end !== 'done') throw new Error(`${what} did not come true within ${time}; ${JSON.stringify(this.summary())}`);
    return this;
  }

  get snapshot(): TorrentSnapshot {
    return this.client.snapshot();
  }

  /** Pieces that the client has verified. */
  get have(): number[] {
    let pieces: number[] = [];
    this.client.ask((session, id) => {
      pieces = [...(session.torrent(id)?.content?.ledger.have ?? [])];
    });
    return pieces;
  }

  events<T extends TorrentEvent['type']>(type: T): (TorrentEvent & { type: T })[] {
    return this.client.events.map((e) => e.event).filter((e): e is TorrentEvent & { type: T } => e.type === type);
  }

  /** Why the client closed connections: code to count. */
  get closed(): Record<string, number> {
    return Object.fromEntries(this.client.host.closeReasons);
  }

  /** Names of the peers that the client has banned. */
  get banned(): string[] {
    return [...this.#hosts].filter(([, host]) => this.client.banned.has(host.name)).map(([name]) => name);
  }

  /** Names of the peers whose connection is open. */
  get open(): string[] {
    return [...this.peers].filter(([, p]) => p.link?.isOpen === true && p.ended === undefined).map(([name]) => name);
  }

  /** What the session knows of a connection of the torrent, by order of connecting. */
  conns(): ConnId[] {
    let conns: ConnId[] = [];
    this.client.ask((session, id) => {
      conns = [...(session.torrent(id)?.conns ?? [])];
    });
    return conns;
  }

  /** Stops cleanly. @returns what was left behind: nothing, mostly */
  stop(): string[] {
    this.client.stop();
    this.until(() => !this.client.isRunning, '60s', 'the stop');
    this.run('60s');
    return checkLeaks(this.client);
  }

  summary(): object {
    const { phase, progress, peersConnected, wasted } = this.snapshot;
    return { phase, progress, peersConnected, wasted, closed: this.closed, open: this.open };
  }

  #watched(options: SessionOptions): SessionOptions {
    const watched = new Set([
      'openStore',
      'commit',
      'storeSegment',
      'recheck',
      'saveResume',
      'closeStore',
      'hashLeaves',
      'moveStore',
    ]);
    const ports = new Proxy(options.ports, {
      get: (target, name) => {
        const member = target[name as keyof typeof target] as (...args: unknown[]) => unknown;
        return (...args: unknown[]) => {
          if (watched.has(String(name))) this.calls.push(args[2] === true ? `${String(name)} final` : String(name));
          return member.apply(target, args);
        };
      },
    });
    const onEvent = (event: TorrentEvent) => {
      this.calls.push(`event ${event.type}`);
      options.onEvent(event);
    };
    return { ...options, ports, onEvent };
  }

  #sendHalf(words: string): void {
    const [piece = 0, begin = 0, length = 16_384] = words.split(/\s+/).map(Number);
    const message = new Uint8Array(13 + length);
    const at = writeBlockHeader(message, 0, piece, begin, length);
    message.set(readBlock(this.torrent, piece, begin, length), at);
    this.peer(this.#current).sendBytes(message.subarray(0, at + length / 2));
  }

  #sendBad(words: string): void {
    const [piece = 0, begin = 0, length = 16_384] = words.split(/\s+/).map(Number);
    const bytes = readBlock(this.torrent, piece, begin, length);
    bytes[0] = (bytes[0] as number) ^ 1;
    this.peer(this.#current).sendBlock(piece, begin, bytes);
  }
}

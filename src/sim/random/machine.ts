import type { CryptoPort, Millis, PeerId, TorrentId } from '../../base/index.ts';
import { Session } from '../../session/index.ts';
import type { TorrentEvent } from '../../swarm/index.ts';
import type { MakeSession } from '../client.ts';
import type { TransferBuffer } from '../disk/buffers.ts';
import { SimDisk } from '../disk/disk.ts';
import { SimHost } from '../host.ts';
import { lines } from '../net/line.ts';
import type { NetHost, SimNet } from '../net/net.ts';
import type { SimTorrent } from '../torrents.ts';
import type { SimTrackers } from '../tracker.ts';
import type { SimWorld } from '../world.ts';
import type { MachinePlan } from './sessions-plan.ts';

export interface MachinePlace {
  readonly world: SimWorld;
  readonly net: SimNet;
  readonly trackers: SimTrackers;
  /** All there are, by index. */
  readonly torrents: readonly SimTorrent[];
  readonly crypto: CryptoPort;
  readonly transfer: TransferBuffer | undefined;
  readonly makeSession: MakeSession | undefined;
  readonly checkEvery: number;
}

/** Virtual ms until the user sees that a torrent has ended with an error, removes it and adds it again. */
const REPAIR_MS = 15_000;

/** A machine whose session has several torrents, and the person at it, who wants all of them. */
export class Machine {
  readonly name: string;
  readonly plan: MachinePlan;
  readonly net: NetHost;
  readonly disk: SimDisk;
  /** Error codes that troubles explain. */
  readonly excused: Set<string> = new Set();
  session: Session | undefined;
  host: SimHost | undefined;
  readonly #place: MachinePlace;
  /** By index of the torrent. */
  readonly #ids = new Map<number, TorrentId>();
  readonly #removing = new Map<TorrentId, () => void>();
  #runCount = 0;

  constructor(index: number, plan: MachinePlan, place: MachinePlace) {
    this.name = `m${index}`;
    this.plan = plan;
    this.#place = place;
    this.net = place.net.addHost({ line: lines[plan.line] });
    const torrents = new Map(place.torrents.map((torrent) => [torrent.key, torrent]));
    this.disk = new SimDisk(place.world, this.name, { crypto: place.crypto, torrents, transfer: place.transfer });
  }

  /** Starts the process with all its torrents. */
  start(): void {
    const { world, trackers, crypto, makeSession = (options) => new Session(options), checkEvery } = this.#place;
    const { uploadLimit, downloadLimit, pieceBytesMax, activeDownloads } = this.plan;
    const rng = world.rng.fork(`${this.name} ${this.#runCount++}`);
    if (!this.net.isUp) this.net.restart();
    const host = new SimHost({ world, net: this.net, disk: this.disk, trackers });
    host.gate.checkEvery = checkEvery;
    const session = makeSession({
      ports: host,
      crypto: { ...crypto, random: (length) => rng.bytes(length) },
      rng: rng.fork('session'),
      peerId: rng.bytes(20) as PeerId,
      now: world.now,
      onEvent: (event) => this.#onEvent(event),
      ...(uploadLimit === undefined ? {} : { uploadLimit }),
      ...(downloadLimit === undefined ? {} : { downloadLimit }),
      ...(pieceBytesMax === undefined ? {} : { pieceBytesMax }),
      ...(activeDownloads === undefined ? {} : { activeLimits: { downloads: activeDownloads } }),
    });
    this.host = host;
    this.session = session;
    this.#ids.clear();
    this.#removing.clear();
    host.start(session);
    session.setListenPort(6881);
    for (const torrent of this.plan.torrents) this.add(torrent);
  }

  kill(): void {
    this.host?.kill();
    this.session = undefined;
  }

  /** Gives the session something to do, where it runs and has this torrent. */
  ask(torrent: number, action: (session: Session, id: TorrentId, now: Millis) => void): void {
    const { session, host } = this;
    const id = this.#ids.get(torrent);
    if (session === undefined || id === undefined) return;
    host?.gate.enter((_, now) => action(session, id, now));
  }

  add(torrent: number): void {
    const { session, host } = this;
    const made = this.#place.torrents[torrent];
    if (session === undefined || made === undefined || this.#ids.has(torrent)) return;
    const { info, pieceLayers: layers } = made.torrent;
    const trackers = this.#place.trackers.all.map((tracker) => [tracker.url]);
    host?.gate.enter((_, now) => {
      this.#ids.set(torrent, session.add(now, { info, layers, trackers }));
    });
  }

  /** Removes a torrent and adds it again. */
  renew(torrent: number, afterMs: number): void {
    const { world } = this.#place;
    this.ask(torrent, (session, id, now) => {
      if (this.#removing.has(id)) return;
      this.#removing.set(id, () => {
        this.host?.gate.enter((_, later) => session.remove(later, id));
        this.#ids.delete(torrent);
        world.after(afterMs, 'machine.add', () => this.add(torrent));
      });
      session.stop(now, id);
    });
  }

  /** Torrents by index that are not all here, with what they are doing. */
  missing(): string[] {
    return this.plan.torrents.flatMap((torrent) => {
      const id = this.#ids.get(torrent);
      const held = id === undefined ? undefined : this.session?.torrent(id);
      if (held?.phase === 'seeding') return [];
      const snapshot = id === undefined ? undefined : this.session?.snapshot(this.#place.world.now, id);
      return [`${this.name} torrent ${torrent}: ${snapshot?.phase ?? 'gone'}, ${snapshot?.piecesHave ?? 0} pieces`];
    });
  }

  /** Pieces that are here, of all torrents. */
  progress(): number {
    let sum = 0;
    for (const held of this.session?.torrents ?? []) sum += held.content?.ledger.have.count ?? 0;
    return sum;
  }

  stop(): void {
    const { session } = this;
    if (session === undefined) return;
    this.host?.gate.enter((_, now) => {
      for (const { id } of [...session.torrents]) session.stop(now, id);
      session.close(now);
    });
  }

  /** After a stop: what is not as it must be. */
  problems(): string[] {
    const { session, host } = this;
    if (session === undefined || host === undefined) return [`${this.name} does not run`];
    const problems = host.leaks();
    for (const held of session.torrents) if (held.phase !== 'stopped') problems.push(`a torrent is ${held.phase}`);
    if (session.pool.lentBytes > 0) problems.push(`${session.pool.lentBytes} bytes of piece buffers are lent`);
    if (session.runs.lentViews > 0) problems.push(`${session.runs.lentViews} views are lent`);
    for (const torrent of this.plan.torrents) {
      const made = this.#place.torrents[torrent] as SimTorrent;
      const image = this.disk.image(made.torrent.info);
      for (let piece = 0; piece < made.geometry.pieceCount; piece++) {
        if (!image.isWhole(piece)) problems.push(`piece ${piece} of torrent ${torrent} is not the content`);
      }
    }
    return problems.map((problem) => `${this.name}: ${problem}`);
  }

  #onEvent(event: TorrentEvent): void {
    const { world } = this.#place;
    world.log?.(`${(world.now / 1000).toFixed(3)} ${this.name} torrent ${event.torrent} ${event.type}`);
    const { session } = this;
    const inSession = (ms: number, label: string, action: () => void) =>
      world.after(ms, label, () => {
        if (this.session === session) action();
      });
    if (event.type === 'stopped') inSession(0, 'machine.remove', () => this.#removing.get(event.torrent)?.());
    else if (event.type === 'banned') world.fail(new Error(`${this.name} banned ${event.host}, who is innocent`));
    else if (event.type === 'error') {
      const { code } = event.error;
      if (!this.excused.has(code)) world.fail(event.error.cause ?? event.error);
      const [torrent] = [...this.#ids].find(([, id]) => id === event.torrent) ?? [];
      if (torrent !== undefined) inSession(REPAIR_MS, 'machine.repair', () => this.renew(torrent, 0));
    }
  }
}

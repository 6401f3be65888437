import { addMs, assert, type CryptoPort, type Millis } from '../base/index.ts';
import type { Policies } from '../swarm/index.ts';
import { checkBytes, checkLeaks, checkNet, checkSums, checkUse } from './checkers.ts';
import { type ClientOptions, type MakeSession, SimClient } from './client.ts';
import type { TransferBuffer } from './disk/buffers.ts';
import type { DiskSpeed } from './disk/disk.ts';
import { type Line, type LineName, lines } from './net/line.ts';
import { SimNet } from './net/net.ts';
import { SimPeer } from './peers/sim-peer.ts';
import { type PeerKind, type PeerTraits, peerKinds } from './peers/traits.ts';
import { type MadeUpTorrent, makeTorrent, type SimTorrent } from './torrents.ts';
import { SimTracker, SimTrackers } from './tracker.ts';
import { SimFailure, SimWorld } from './world.ts';

export interface SwarmOptions {
  readonly seed: number;
  readonly crypto: CryptoPort;
  readonly makeSession?: MakeSession | undefined;
  readonly torrent?: Partial<MadeUpTorrent>;
  /** Of every client that has none of its own. */
  readonly policies?: Partial<Policies>;
  /** Detaches buffers for real where the runtime can. */
  readonly transfer?: TransferBuffer | undefined;
  /** Invariants are walked after every so many inputs of a session; 0 = never. */
  readonly checkEvery?: number;
  readonly log?: (line: string) => void;
}

export interface MemberOptions extends ClientOptions {
  readonly line?: LineName | Line;
  readonly isFirewalled?: boolean;
  readonly disk?: Partial<DiskSpeed>;
  readonly diskBytes?: number;
  /** Pieces that are on its disk when it starts. */
  readonly has?: Iterable<number>;
  /** Virtual time until it starts; `never`: somebody else starts it. */
  readonly after?: string;
  /** Names it in reports. */
  readonly label?: string;
}

export interface PeerOptions {
  readonly line?: LineName | Line;
  readonly traits?: Partial<PeerTraits>;
  readonly after?: string;
}

/** What a finished client was like. */
export interface ClientReport {
  readonly label: string;
  /** Virtual seconds from its start until all it wanted was here. */
  readonly doneSec: number | undefined;
  readonly uploaded: number;
  readonly downloaded: number;
  readonly wasted: number;
  readonly badPieces: number;
}

const TORRENT: Omit<MadeUpTorrent, 'seed'> = { files: 8 * 1_048_576, pieceLength: 65_536 };
/** Virtual time in which a clean stop must end. */
const STOP_MS = 60_000;

/**
 * A swarm in a few lines: a tracker, one torrent, real sessions, scripted peers.
 *
 *     w.seeders(1, { line: 'cable' });
 *     w.leechers(5);
 *     w.peers('liar', 1);
 *     w.until(w.done, '5m');
 */
export class SimSwarm {
  readonly world: SimWorld;
  readonly net: SimNet;
  readonly torrent: SimTorrent;
  readonly trackers: SimTrackers = new SimTrackers();
  readonly tracker: SimTracker;
  readonly clients: SimClient[] = [];
  readonly scripted: SimPeer[] = [];
  readonly #options: SwarmOptions;
  /** Those that have to become complete. */
  readonly #mustFinish = new Set<SimClient>();
  #isFinishing = false;

  constructor(options: SwarmOptions) {
    this.#options = options;
    this.world = new SimWorld(options.seed);
    this.world.log = options.log;
    this.net = new SimNet(this.world);
    this.tracker = this.trackers.add(new SimTracker(this.world, this.net.addHost({ line: lines.lan })));
    const trackers = [this.tracker.url];
    this.torrent = makeTorrent(options.crypto, { seed: options.seed, trackers, ...TORRENT, ...options.torrent });
  }

  // --- members -------------------------------------------------------------------------------------------------------------------

  /** Sessions that have everything. */
  seeders(count: number, options: MemberOptions = {}): SimClient[] {
    return this.#members('seeder', count, { has: this.#allPieces(), ...options }, false);
  }

  /** Sessions that want to have everything (or what they select), and that `done` waits for. */
  leechers(count: number, options: MemberOptions = {}): SimClient[] {
    return this.#members('leecher', count, options, true);
  }

  /** Scripted peers. */
  peers(kind: PeerKind, count: number, options: PeerOptions = {}): SimPeer[] {
    return Array.from({ length: count }, (_, i) => {
      const label = `${kind} ${i + 1} of ${count}`;
      const net = this.net.addHost({ line: toLine(options.line) });
      const traits = { ...peerKinds[kind], ...options.traits };
      const { world, torrent, tracker } = this;
      const { crypto } = this.#options;
      const peer = new SimPeer({ crypto, world, net, torrent, tracker, traits, label });
      this.scripted.push(peer);
      world.after(options.after === undefined ? this.#stagger() : toMs(options.after), 'swarm.start', () =>
        peer.start(),
      );
      return peer;
    });
  }

  /** A client that is not to be waited for any more. */
  giveUpOn(client: SimClient): void {
    this.#mustFinish.delete(client);
  }

  // --- time ----------------------------------------------------------------------------------------------------------------------

  /** Every client that has to be complete is. */
  readonly done = (): boolean => {
    for (const client of this.#mustFinish) if (!client.isDone) return false;
    return true;
  };

  /** Does something at a point of virtual time, counted from now. */
  after(time: string, action: () => void): void {
    this.world.after(toMs(time), 'swarm.action', action);
  }

  /** Does something again and again until `finish`. */
  every(time: string, action: () => void): void {
    const again = () => {
      if (this.#isFinishing) return;
      action();
      this.world.after(toMs(time), 'swarm.action', again);
    };
    this.world.after(toMs(time), 'swarm.action', again);
  }

  /** Lets virtual time pass. */
  run(time: string): void {
    this.world.runFor(toMs(time));
  }

  /** Runs until the condition holds. @throws SimFailure where it does not within `time` */
  until(condition: () => boolean, time: string): void {
    const end = this.world.run({ until: condition, deadline: addMs(this.world.now, toMs(time)) });
    if (end !== 'done')
      throw new SimFailure(`not ${condition.name || 'so'} within ${time}\n${this.state()}`, this.world);
  }

  // --- checks --------------------------------------------------------------------------------------------------------------------

  /** @throws SimFailure where the claim does not hold */
  check(claim: boolean, what: string): void {
    if (!claim) throw new SimFailure(`${what}\n${this.state()}`, this.world);
  }

  /** Addresses of scripted peers that every finished client banned, and of all others that any client banned. */
  banned(): { readonly guilty: string[]; readonly innocent: string[] } {
    const liars = new Set(this.scripted.filter((p) => p.isLiar).map((p) => p.net.name));
    const all = new Set(this.clients.flatMap((client) => [...client.banned]));
    return { guilty: [...all].filter((h) => liars.has(h)), innocent: [...all].filter((h) => !liars.has(h)) };
  }

  /**
   * Ends the scenario: what is on the disks is the content, everybody stops cleanly, nothing is left.
   *
   * @returns how each client fared
   */
  finish(): ClientReport[] {
    this.#isFinishing = true;
    const problems: string[] = [];
    for (const client of this.#mustFinish) if (client.isDone) problems.push(...checkBytes(client));
    const running = this.clients.filter((c) => c.isRunning);
    for (const client of running) client.stop();
    const isStopped = () => running.every((client) => !client.isRunning);
    if (this.world.run({ until: isStopped, deadline: addMs(this.world.now, STOP_MS) }) !== 'done') {
      problems.push('not everybody stopped');
    }
    for (const peer of this.scripted) peer.stop();
    this.net.heal();
    this.world.runFor(STOP_MS);
    for (const client of running) problems.push(...checkLeaks(client));
    const reports = this.clients.filter((client) => client.hasStopped).map(toReport);
    problems.push(...checkNet(this.net), ...this.#checkSums());
    for (const { label, ended } of this.clients) for (const run of ended) problems.push(...checkUse(label, run));
    if (problems.length > 0) throw new SimFailure(problems.join('\n'), this.world);
    return reports;
  }

  /** One line a client. */
  state(): string {
    const line = (client: SimClient): string => {
      if (!client.isRunning) return `  ${client.label}: not running`;
      const s = client.snapshot();
      const trouble = s.error ?? s.waitingFor;
      const percent = (s.progress * 100).toFixed(1);
      const rates = `${toKib(s.downRate)} down, ${toKib(s.upRate)} up`;
      return `  ${client.label}: ${s.phase} ${percent} %, ${s.peersConnected} peers, ${rates}${trouble === undefined ? '' : `, ${trouble.message}`}`;
    };
    return this.clients.map(line).join('\n');
  }

  // --- inside --------------------------------------------------------------------------------------------------------------------

  #members(role: string, count: number, options: MemberOptions, mustFinish: boolean): SimClient[] {
    const { crypto, makeSession, transfer, checkEvery, policies } = this.#options;
    return Array.from({ length: count }, (_, i) => {
      const label = options.label ?? `${role} ${this.clients.length + 1}`;
      const net = this.net.addHost({ line: toLine(options.line), isFirewalled: options.isFirewalled ?? false });
      const { world, trackers, torrent } = this;
      const defaults = { ...(checkEvery === undefined ? {} : { checkEvery }), ...(policies && { policies }) };
      const disk = { speed: options.disk ?? {}, transfer };
      const place = { world, net, trackers, torrent, crypto, makeSession, disk };
      const client = new SimClient(label, place, { ...defaults, ...options });
      if (options.diskBytes !== undefined) client.disk.capacityBytes = options.diskBytes;
      if (options.has !== undefined) client.disk.fill(torrent.torrent.info, options.has);
      this.clients.push(client);
      if (mustFinish) this.#mustFinish.add(client);
      if (options.after === 'never') return client;
      const ms = options.after === undefined ? this.#stagger() : toMs(options.after) + i;
      world.after(ms, 'swarm.start', () => client.start());
      return client;
    });
  }

  /** Not everybody at once, but nearly. */
  #stagger(): number {
    return this.world.rng.below(2000);
  }

  #allPieces(): number[] {
    return Array.from({ length: this.torrent.geometry.pieceCount }, (_, i) => i);
  }

  #checkSums(): string[] {
    let sent = 0;
    let received = 0;
    for (const { total } of this.clients) {
      sent += total.sent;
      received += total.received;
    }
    for (const peer of this.scripted) {
      sent += peer.sentBytes;
      received += peer.takenBytes;
    }
    const { lostBytes, unsentBytes, cutBytes } = this.net.fabric;
    return checkSums({ sent, received, lostBytes: lostBytes + unsentBytes + cutBytes });
  }
}

function toReport(client: SimClient): ClientReport {
  const { uploaded, downloaded, wasted, badPieces } = client.snapshot();
  const { doneAt, startedAt, label } = client;
  const doneSec = doneAt === undefined ? undefined : (doneAt - (startedAt as Millis)) / 1000;
  return { label, doneSec, uploaded, downloaded, wasted, badPieces };
}

function toLine(line: LineName | Line = 'fibre'): Line {
  return typeof line === 'string' ? lines[line] : line;
}

function toKib(rate: number): string {
  return `${Math.round(rate / 1024)} KiB/s`;
}

/** `90s`, `500ms`, `5m`, `1h` in milliseconds. */
export function toMs(time: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(time);
  assert(match !== null, `a time is like 90s, not ${time}`);
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  return Number(match[1]) * units[match[2] as keyof typeof units];
}

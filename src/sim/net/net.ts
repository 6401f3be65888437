import { addMs, assert, formatAddress, isIpv6, type PeerAddress, type Rng } from '../../base/index.ts';
import type { SimWorld } from '../world.ts';
import { type Line, lines } from './line.ts';
import { ChunkPool, Downlink, Uplink } from './link.ts';
import { SimSocket } from './socket.ts';
import type { Socket, SocketEvents, SocketFabric, SocketPlace } from './socket-types.ts';

/** Somebody has connected. @returns who hears of it from now on, or undefined to drop it at once */
export type Acceptor = (socket: Socket, from: PeerAddress) => SocketEvents | undefined;

export interface HostOptions {
  /** Numeric addresses, canonical; one IPv4 address of its own /24 where none are given. */
  readonly addresses?: readonly string[];
  readonly line?: Line;
  /** Nobody can connect in: dials time out. */
  readonly isFirewalled?: boolean;
}

/** A machine on the network. */
export class NetHost implements SocketPlace {
  readonly index: number;
  readonly addresses: readonly string[];
  readonly line: Line;
  readonly up: Uplink;
  readonly down: Downlink;
  readonly isFirewalled: boolean;
  isUp = true;
  /** What one read of any connection brings at most. */
  readBytesMax: number = Number.POSITIVE_INFINITY;
  group = 0;
  readonly sockets: Set<SimSocket> = new Set();
  readonly #net: SimNet;
  readonly #listeners = new Map<number, Acceptor>();
  /** Ends of connections that a power cut took: their other ends do not know yet. */
  readonly #ghosts: SimSocket[] = [];
  #nextPort = 40_000;

  constructor(net: SimNet, index: number, options: HostOptions) {
    this.#net = net;
    this.index = index;
    this.line = options.line ?? lines.ideal;
    this.addresses = options.addresses ?? [`45.${(index >> 8) & 255}.${index & 255}.7`];
    this.isFirewalled = options.isFirewalled ?? false;
    this.up = new Uplink(net.world, this.line.upBytesPerSec);
    this.down = new Downlink(net.world, this.line.downBytesPerSec);
  }

  /** The first address, for logs. */
  get name(): string {
    return this.addresses[0] as string;
  }

  listen(port: number, accept: Acceptor): void {
    assert(!this.#listeners.has(port), `port ${port} of ${this.name} is free`);
    this.#listeners.set(port, accept);
  }

  unlisten(port: number): void {
    this.#listeners.delete(port);
  }

  listenerAt(port: number): Acceptor | undefined {
    return this.isUp ? this.#listeners.get(port) : undefined;
  }

  /** What was written to a connection that is no more, or read from one for a process that heard no more of it. */
  lose(what: 'unsentBytes' | 'cutBytes', bytes: number): void {
    this.#net.fabric[what] += bytes;
  }

  /** -> onConnected or onClosed, later. */
  dial(to: PeerAddress, events: SocketEvents): SimSocket {
    return this.#net.dial(this, to, events);
  }

  /** The address of this host that would be used towards `host`. */
  sourceFor(host: string): PeerAddress | undefined {
    const address = this.addresses.find((a) => isIpv6(a) === isIpv6(host));
    if (address === undefined) return undefined;
    this.#nextPort = this.#nextPort < 65_000 ? this.#nextPort + 1 : 40_000;
    return { host: address, port: this.#nextPort };
  }

  /**
   * What runs on this host dies; it hears nothing any more. The other ends see a reset, unless the machine lost power: then they see
   * nothing until they send to it after `restart`.
   */
  kill(how: 'process' | 'power'): void {
    for (const socket of [...this.sockets]) {
      socket.vanish(how === 'power');
      if (how === 'power') {
        this.#ghosts.push(socket);
        socket.peer?.cut();
      }
    }
    this.#listeners.clear();
    this.isUp = how === 'process';
  }

  restart(): void {
    this.isUp = true;
    for (const ghost of this.#ghosts.splice(0)) {
      ghost.isDark = false;
      ghost.peer?.healed();
    }
  }

  forget(socket: Socket): void {
    this.sockets.delete(socket as SimSocket);
    this.#net.openCount--;
  }
}

export const netLimits = {
  /** A dial that nobody answers. */
  dialTimeoutMs: 10_000,
} as const;

/**
 * Hosts, lines and connections. Streams are cut at random, share lines fairly, arrive in order after latency and jitter, and can be
 * cut off, reset or die in silence. Addresses are the only way to find a host.
 */
export class SimNet {
  readonly world: SimWorld;
  readonly hosts: NetHost[] = [];
  readonly fabric: SocketFabric;
  /** Share of dials that fail for no reason. */
  dialFailRate = 0;
  openCount = 0;
  readonly #rng: Rng;
  readonly #byAddress = new Map<string, NetHost>();
  #socketCount = 0;

  constructor(world: SimWorld) {
    this.world = world;
    this.#rng = world.rng.fork('net');
    this.fabric = {
      world,
      rng: world.rng.fork('streams'),
      pool: new ChunkPool(),
      sentBytes: 0,
      readBytes: 0,
      lostBytes: 0,
      unsentBytes: 0,
      cutBytes: 0,
    };
  }

  addHost(options: HostOptions = {}): NetHost {
    const host = new NetHost(this, this.hosts.length + 1, options);
    this.hosts.push(host);
    for (const address of host.addresses) {
      assert(!this.#byAddress.has(address), `address ${address} is free`);
      this.#byAddress.set(address, host);
    }
    return host;
  }

  dial(from: NetHost, to: PeerAddress, events: SocketEvents): SimSocket {
    const local = from.sourceFor(to.host);
    const socket = this.#socket(from, local ?? { host: from.name, port: 0 }, to, events);
    const fail = (ms: number, code: string) =>
      this.world.after(ms, 'net.dial-failed', () => socket.fail({ code, detail: formatAddress(to) }));
    const target = this.#byAddress.get(to.host);
    if (local === undefined) fail(0, 'net/unreachable');
    else if (target === undefined || target.isFirewalled || this.#rng.unit() < this.dialFailRate) {
      fail(netLimits.dialTimeoutMs, 'net/timeout');
    } else {
      const ms = from.line.latencyMs + target.line.latencyMs;
      this.world.after(ms, 'net.dial', () => {
        // The world may have changed while the first packet travelled.
        if (!target.isUp || target.group !== from.group) fail(netLimits.dialTimeoutMs - ms, 'net/timeout');
        else if (socket.state === 'dialing') this.#answer(socket, target, ms, () => fail(ms, 'net/refused'));
      });
    }
    return socket;
  }

  /** Splits the network: hosts of one group hear only each other; all hosts that are not named form one more group. */
  partition(...groups: readonly (readonly NetHost[])[]): void {
    for (const host of this.hosts) host.group = 0;
    groups.forEach((group, i) => {
      for (const host of group) host.group = i + 1;
    });
    this.#eachSocket((socket) => {
      if (socket.isCut()) socket.cut();
      else socket.healed();
    });
  }

  heal(): void {
    for (const host of this.hosts) host.group = 0;
    this.#eachSocket((socket) => {
      if (!socket.isCut()) socket.healed();
    });
  }

  /** Ends a random open connection with a reset on both sides. @returns whether there was one */
  resetOne(): boolean {
    const open = this.hosts.flatMap((host) => [...host.sockets].filter((s) => s.state === 'open'));
    const socket = open[this.#rng.below(Math.max(1, open.length))];
    if (socket === undefined) return false;
    const peer = socket.peer;
    socket.fail({ code: 'net/reset' });
    peer?.fail({ code: 'net/reset' });
    return true;
  }

  /** Lets a random open connection die in silence: both ends believe in it. @returns whether there was one */
  darkenOne(): boolean {
    const open = this.hosts.flatMap((host) => [...host.sockets].filter((s) => s.state === 'open' && !s.isDark));
    const socket = open[this.#rng.below(Math.max(1, open.length))];
    if (socket === undefined) return false;
    socket.isDark = true;
    socket.cut();
    socket.peer?.cut();
    return true;
  }

  #answer(dialled: SimSocket, target: NetHost, ms: number, refuse: () => void): void {
    const accept = target.listenerAt(dialled.remote.port);
    if (accept === undefined) return refuse();
    // Who hears of it is known only after `accept` has answered, and accept wants to see the socket.
    let events: SocketEvents | undefined;
    const relay: SocketEvents = {
      onConnected: (s) => events?.onConnected(s),
      onBytes: (s, bytes) => events?.onBytes(s, bytes),
      onWritten: (s, ticket) => events?.onWritten(s, ticket),
      onClosed: (s, reason) => events?.onClosed(s, reason),
    };
    const accepted = this.#socket(target, dialled.remote, dialled.local, relay);
    dialled.join(accepted, addMs(this.world.now, ms));
    events = accept(accepted, dialled.local);
    if (events === undefined) accepted.abort();
  }

  #socket(place: NetHost, local: PeerAddress, remote: PeerAddress, events: SocketEvents): SimSocket {
    const socket = new SimSocket({ id: ++this.#socketCount, local, remote, place, fabric: this.fabric, events });
    place.sockets.add(socket);
    this.openCount++;
    return socket;
  }

  #eachSocket(visit: (socket: SimSocket) => void): void {
    for (const host of this.hosts) for (const socket of [...host.sockets]) visit(socket);
  }
}

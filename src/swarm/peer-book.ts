import {
  addMs,
  assert,
  type ConnId,
  formatAddress,
  isDialable,
  type Millis,
  NEVER,
  type PeerAddress,
  type Rng,
} from '../base/index.ts';
import { type Ban, BanList, isLoopback, peerKey } from './ban-list.ts';
import { HostCounts } from './host-counts.ts';
import { KnownAddresses } from './known-addresses.ts';
import { limits } from './limits.ts';
import { compareKeys, compareToDial, type KnownAddress, type PeerSource, trust } from './peer-order.ts';

export type PeerBookState = 'idle' | 'dialing' | 'connected' | 'failed' | 'banned';

export type AddOutcome = 'added' | 'known' | 'undialable' | 'own-address' | 'banned' | 'host-full' | 'book-full';

/** Why an incoming connection is turned away. */
export type Admission = 'ok' | 'banned' | 'host-full';

/**
 * How a connection or a dial ended, seen from the book. `failed`: no connection, no proper handshake, or they broke the rules.
 * `idle`: all right, but nothing was exchanged. `useful`: payload went one way or the other.
 */
export type LinkOutcome = 'failed' | 'idle' | 'useful';

/** One line of `entries`, for people. */
export interface PeerBookEntry {
  readonly address: PeerAddress;
  readonly source: PeerSource;
  readonly state: PeerBookState;
  readonly failures: number;
  readonly seed: boolean;
  /** When it may be dialled. */
  readonly retryAt: Millis;
}

/** An open connection. */
interface Link {
  /** The other end of the socket. */
  readonly from: PeerAddress;
  /** The entry it belongs to: what was dialled, or where the peer says it listens. */
  listen: string | undefined;
}

export interface PeerBookOptions {
  readonly rng: Rng;
  /** Addresses and connections per host, loopback excepted. */
  readonly perHostMax?: number;
  /** Addresses in the book. */
  readonly sizeMax?: number;
  readonly pexMax?: number;
  /** To share bans between torrents. */
  readonly bans?: BanList;
}

/**
 * The addresses at which peers of one torrent may be, and what became of each. Decides whom to dial next and whom never.
 *
 * Bounded whatever peers say (known-addresses.ts). Connected peers, own addresses and bans are remembered, so nobody is dialled twice.
 */
export class PeerBook {
  readonly bans: BanList;
  readonly #rng: Rng;
  #priority: (to: PeerAddress) => number = () => 0;
  readonly #entries: KnownAddresses;
  /** Connections and dials by host. */
  readonly #linksOfHost: HostCounts;
  readonly #links = new Map<ConnId, Link>();
  readonly #own = new Set<string>();
  /** What `nextAt` has found, kept as long as it holds: every end of a connection asks for it. */
  #soonest: { readonly at: number; readonly seeding: boolean; readonly bans: number } | undefined;
  constructor(options: PeerBookOptions) {
    this.bans = options.bans ?? new BanList();
    this.#rng = options.rng;
    const { peerBook } = limits;
    const {
      perHostMax = peerBook.perHostMax,
      sizeMax = peerBook.addressesMax,
      pexMax = peerBook.pexAddressesMax,
    } = options;
    this.#entries = new KnownAddresses({ sizeMax, pexMax, perHostMax });
    this.#linksOfHost = new HostCounts(perHostMax);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Order among equals: higher is dialled first (BEP 40, where our own address is known). */
  setPriority(priority: (to: PeerAddress) => number): void {
    this.#priority = priority;
    for (const entry of this.#entries.values()) entry.priority = priority(entry.address);
  }

  // --- what we hear

  /**
   * @param address canonical
   * @param seed    the teller says it is a seed (BEP 11)
   */
  add(now: Millis, address: PeerAddress, source: PeerSource, seed = false): AddOutcome {
    if (!isDialable(address)) return 'undialable';
    const key = formatAddress(address);
    if (this.#own.has(key)) return 'own-address';
    if (this.bans.has(address)) return 'banned';
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#hearAgain(now, known, source, seed);
      return 'known';
    }
    if (source !== 'manual' && this.#entries.isHostFull(address.host)) return 'host-full';
    if (!this.#makeRoom(source)) return 'book-full';
    const entry: KnownAddress = {
      address,
      source,
      priority: this.#priority(address),
      failures: 0,
      retryAt: now,
      seed,
      proven: false,
      dialing: false,
      open: 0,
    };
    this.#entries.insert(key, entry);
    this.#offer(entry);
    return 'added';
  }

  /** The peer is a seed now, or no longer: while seeding it will not be dialled. */
  setSeed(conn: ConnId, seed: boolean): void {
    const listen = this.#links.get(conn)?.listen;
    const entry = listen === undefined ? undefined : this.#entries.get(listen);
    if (entry === undefined) return;
    entry.seed = seed;
    this.#withhold(entry);
  }

  /** We have met ourselves there. */
  addOwnAddress(address: PeerAddress): void {
    const key = formatAddress(address);
    if (this.#own.size >= limits.peerBook.ownAddressesMax) this.#own.delete(first(this.#own.keys()) as string);
    this.#own.add(key);
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.open === 0 && !entry.dialing) this.#remove(key, entry);
  }

  /** The torrent has ended: who was known is in its resume data. */
  clear(): void {
    this.#entries.clear();
    this.#soonest = undefined;
  }

  // --- whom to dial

  /**
   * The best address to dial now; stays in its place until `onDial`.
   * @param seeding we want nothing: seeds are of no use to us, nor we to them
   */
  next(now: Millis, seeding: boolean): PeerAddress | undefined {
    let best: KnownAddress | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.retryAt > now || !this.#canDial(entry, seeding)) continue;
      if (best === undefined || compareToDial(entry, best) < 0) best = entry;
    }
    return best?.address;
  }

  /** The addresses that `next` would give one after the other, as long as they can still be dialled when their turn comes. */
  *candidates(now: Millis, seeding: boolean): Generator<PeerAddress> {
    // Mostly one place is free, and finding the best takes one look at each.
    const best = this.next(now, seeding);
    if (best === undefined) return;
    yield best;
    const ready = [...this.#entries.values()].filter((e) => e.retryAt <= now && this.#canDial(e, seeding));
    for (const entry of ready.sort(compareToDial)) if (this.#canDial(entry, seeding)) yield entry.address;
  }

  /** When `next` will have an answer if nothing else happens; NEVER where there is nobody to dial. */
  nextAt(now: Millis, seeding: boolean): Millis {
    const known = this.#soonest;
    if (known === undefined || known.seeding !== seeding || known.bans !== this.bans.version) {
      this.#soonest = { at: this.#findSoonest(seeding), seeding, bans: this.bans.version };
    }
    return Math.max((this.#soonest as { at: number }).at, now) as Millis;
  }

  #findSoonest(seeding: boolean): number {
    let at: number = NEVER;
    for (const entry of this.#entries.values()) {
      if (entry.retryAt < at && this.#canDial(entry, seeding)) at = entry.retryAt;
    }
    return at;
  }

  /** The entry may be dialled from its `retryAt` on. */
  #offer(entry: KnownAddress): void {
    this.#entries.onChanged();
    if (this.#soonest === undefined || entry.retryAt >= this.#soonest.at) return;
    if (this.#canDial(entry, this.#soonest.seeding)) this.#soonest = { ...this.#soonest, at: entry.retryAt };
  }

  /** The entry may not be dialled any more, or is worth something else. */
  #withhold(entry: KnownAddress): void {
    this.#entries.onChanged();
    if (this.#soonest !== undefined && entry.retryAt <= this.#soonest.at) this.#soonest = undefined;
  }

  /** One connection or dial more or less. Where a host has all it may, its other addresses wait. */
  #countLink(host: string, by: 1 | -1): void {
    const before = this.#linksOfHost.of(host);
    if (by > 0) this.#linksOfHost.add(host);
    else this.#linksOfHost.remove(host);
    if (Math.max(before, before + by) === this.#linksOfHost.max) this.#soonest = undefined;
  }

  // --- connections

  /** A dial has begun. -> onConnected or onDialFailed */
  onDial(address: PeerAddress): void {
    const entry = this.#entries.get(formatAddress(address));
    if (entry === undefined || entry.dialing) return;
    entry.dialing = true;
    this.#withhold(entry);
    this.#countLink(address.host, 1);
  }

  onDialFailed(now: Millis, address: PeerAddress): void {
    const key = formatAddress(address);
    const entry = this.#entries.get(key);
    if (entry === undefined || !entry.dialing) return;
    entry.dialing = false;
    this.#countLink(address.host, -1);
    this.#judge(now, key, entry, 'failed');
  }

  /** A dial came through. -> onClosed */
  onConnected(conn: ConnId, address: PeerAddress): void {
    const key = formatAddress(address);
    const entry = this.#entries.get(key);
    if (entry?.dialing === true) entry.dialing = false;
    else this.#countLink(address.host, 1);
    if (entry !== undefined) {
      entry.open++;
      this.#withhold(entry);
    }
    this.#links.set(conn, { from: address, listen: entry === undefined ? undefined : key });
  }

  /** A peer has connected to us. @returns anything but 'ok': turn it away, there will be no onClosed. */
  onIncoming(conn: ConnId, from: PeerAddress): Admission {
    if (this.bans.has(from)) return 'banned';
    if (this.#linksOfHost.isFull(from.host)) return 'host-full';
    this.#links.set(conn, { from, listen: undefined });
    this.#countLink(from.host, 1);
    return 'ok';
  }

  /**
   * A peer who connected to us says where he listens (BEP 10 `p`).
   * @returns 'duplicate' where we are connected to that address already, or dialling it
   */
  onListenPort(now: Millis, conn: ConnId, port: number): 'ok' | 'duplicate' | 'banned' {
    const link = this.#links.get(conn);
    if (link === undefined || link.listen !== undefined) return 'ok';
    const address = { host: link.from.host, port };
    if (this.add(now, address, 'incoming') === 'banned') return 'banned';
    const key = formatAddress(address);
    const entry = this.#entries.get(key);
    if (entry === undefined) return 'ok';
    link.listen = key;
    const isDuplicate = entry.open > 0 || entry.dialing;
    entry.open++;
    this.#withhold(entry);
    return isDuplicate ? 'duplicate' : 'ok';
  }

  onClosed(now: Millis, conn: ConnId, outcome: LinkOutcome): void {
    const link = this.#links.get(conn);
    if (link === undefined) return;
    this.#links.delete(conn);
    this.#countLink(link.from.host, -1);
    const entry = link.listen === undefined ? undefined : this.#entries.get(link.listen);
    if (entry === undefined) return;
    entry.open--;
    this.#judge(now, link.listen as string, entry, outcome);
  }

  /** Like `bans.add`, and forgets the addresses of that peer. Connections that are open are the caller's to close. */
  ban(now: Millis, key: string, reason: string, evidence: unknown): Ban {
    const ban = this.bans.add(now, key, reason, evidence);
    for (const { from, listen } of this.#links.values()) {
      // On loopback a connection to us comes from a port of its own: where it listens is banned too.
      if (listen !== undefined && isLoopback(from.host) && peerKey(from) === key) {
        this.bans.add(now, listen, reason, evidence);
      }
    }
    for (const [place, entry] of this.#entries) {
      if (entry.open === 0 && !entry.dialing && this.bans.has(entry.address)) this.#remove(place, entry);
    }
    return ban;
  }

  // --- for people and for resume data

  entries(): PeerBookEntry[] {
    return [...this.#entries.values()].map((e) => ({
      address: e.address,
      source: e.source,
      state: this.#stateOf(e),
      failures: e.failures,
      seed: e.seed,
      retryAt: e.retryAt,
    }));
  }

  /** The addresses most worth keeping: connected ones, then those that were of use, then what trackers gave. */
  sample(max: number = limits.peerBook.sampleMax): PeerAddress[] {
    const worth = (e: KnownAddress) => (e.open > 0 ? 8 : 0) + (e.proven ? 4 : 0) + trust[e.source];
    return [...this.#entries.values()]
      .filter((e) => e.failures === 0)
      .sort((a, b) => worth(b) - worth(a) || compareKeys(a, b))
      .slice(0, max)
      .map((e) => e.address);
  }

  /** Counts agree with what they count; called in tests and simulation. */
  assertInvariants(): void {
    const links: string[] = [];
    const open = new Map<string, number>();
    for (const { from, listen } of this.#links.values()) {
      links.push(from.host);
      if (listen !== undefined) open.set(listen, (open.get(listen) ?? 0) + 1);
    }
    for (const [key, e] of this.#entries) {
      if (e.dialing) links.push(e.address.host);
      assert(e.open === (open.get(key) ?? 0), 'open connections of an address');
    }
    const soonest = this.#soonest;
    const isKnown = soonest !== undefined && soonest.bans === this.bans.version;
    assert(!isKnown || soonest.at === this.#findSoonest(soonest.seeding), 'the next dial is known right');
    this.#entries.assertInvariants();
    this.#linksOfHost.assertEqual(links);
  }

  #stateOf(e: KnownAddress): PeerBookState {
    if (this.bans.has(e.address)) return 'banned';
    if (e.open > 0) return 'connected';
    if (e.dialing) return 'dialing';
    return e.failures > 0 ? 'failed' : 'idle';
  }

  #canDial(e: KnownAddress, seeding: boolean): boolean {
    if (e.dialing || e.open > 0 || (seeding && e.seed && e.source !== 'manual')) return false;
    return !this.#linksOfHost.isFull(e.address.host) && !this.bans.has(e.address);
  }

  #hearAgain(now: Millis, entry: KnownAddress, source: PeerSource, seed: boolean): void {
    if (seed && !entry.seed) {
      entry.seed = true;
      this.#withhold(entry);
    }
    if (source === 'manual') {
      // A person asks for it: at once, whatever happened before.
      this.#withhold(entry);
      entry.failures = 0;
      entry.retryAt = now;
      this.#offer(entry);
    }
    if (trust[source] <= trust[entry.source]) return;
    this.#entries.promote(entry, source);
    this.#offer(entry);
  }

  #judge(now: Millis, key: string, entry: KnownAddress, outcome: LinkOutcome): void {
    let waitMs: number;
    if (outcome === 'failed') {
      entry.failures++;
      const isManual = entry.source === 'manual';
      const maxMs = isManual ? limits.peerBook.retryManualMaxMs : limits.peerBook.retryMaxMs;
      waitMs = Math.min(maxMs, limits.peerBook.retryMs * 2 ** (entry.failures - 1));
      if (entry.failures > limits.peerBook.failuresMax && !isManual) waitMs = -1;
    } else {
      entry.failures = 0;
      if (outcome === 'useful') entry.proven = true;
      waitMs = outcome === 'useful' ? limits.peerBook.returnMs : limits.peerBook.idleReturnMs;
    }
    const isFree = entry.open === 0 && !entry.dialing;
    if (isFree && (waitMs < 0 || this.#own.has(key) || this.bans.has(entry.address))) {
      this.#remove(key, entry);
      return;
    }
    const factor = 1 + limits.peerBook.retryJitter * (2 * this.#rng.unit() - 1);
    entry.retryAt = addMs(now, Math.max(0, waitMs) * factor);
    this.#offer(entry);
  }

  /** @returns false where nothing in the book is worth less than an untried address of this source */
  #makeRoom(source: PeerSource): boolean {
    if (this.#entries.hasRoom(source)) return true;
    const worst = this.#entries.toPushOut(source);
    if (worst === undefined) return false;
    this.#remove(...worst);
    return true;
  }

  #remove(key: string, entry: KnownAddress): void {
    this.#withhold(entry);
    this.#entries.remove(key, entry);
  }
}

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}

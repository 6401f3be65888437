import { type Rng, readU32, seededRng, writeU32 } from '#base';

export type Distribution = 'uniform' | 'zipf' | 'one-large';

export interface PopulationOptions {
  readonly peerCount: number;
  readonly torrentCount: number;
  /** `zipf`: the torrent of rank r has peers in proportion to 1 / r (at least one). `one-large`: the first has a fifth of all peers. */
  readonly distribution: Distribution;
  /** Source addresses the peers are spread over; a peer is an address and a port. */
  readonly sourceCount: number;
  readonly seed: number;
}

/** Ports below are left to others. */
const FIRST_PORT = 1_024;
const PORTS_A_SOURCE_MAX = 65_536 - FIRST_PORT;

const PRESENT = 1;
const SEEDER = 2;
const BUSY = 4;

/**
 * Every peer the load plays, and what a tracker that has heard all of them must know. A peer's number is arithmetic of its address
 * (127.1.0.1 onwards) and port, so that a peer in an answer is looked up without a table of addresses.
 *
 * Requests are under way in great number and may arrive in another order than they were sent: `slack` says by how much the counts of a
 * torrent may differ at the moment.
 */
export class Population {
  readonly peerCount: number;
  readonly torrentCount: number;
  readonly sourceCount: number;
  readonly peersPerSource: number;
  /** 20 bytes a torrent. */
  readonly hashes: Uint8Array;
  /** Torrent of a peer. */
  readonly torrentOf: Uint32Array;
  readonly complete: Uint32Array;
  readonly incomplete: Uint32Array;
  /** Leechers that said `completed`. */
  readonly downloaded: Uint32Array;
  /** Requests under way that change the counts of a torrent. */
  readonly moving: Uint16Array;
  /** Changes of a torrent so far: the difference of two readings bounds what happened between. */
  readonly moves: Uint32Array;
  readonly #flags: Uint8Array;

  constructor(options: PopulationOptions) {
    const { peerCount, torrentCount, sourceCount } = options;
    this.peerCount = peerCount;
    this.torrentCount = torrentCount;
    this.sourceCount = sourceCount;
    this.peersPerSource = Math.ceil(peerCount / sourceCount);
    if (this.peersPerSource > PORTS_A_SOURCE_MAX || sourceCount > 254) {
      throw new Error(`${peerCount} peers do not fit ${sourceCount} source addresses`);
    }
    const rng = seededRng(options.seed);
    this.hashes = makeInfoHashes(torrentCount, options.seed);
    this.torrentOf = spread[options.distribution](peerCount, torrentCount);
    shuffle(this.torrentOf, rng);
    this.complete = new Uint32Array(torrentCount);
    this.incomplete = new Uint32Array(torrentCount);
    this.downloaded = new Uint32Array(torrentCount);
    this.moving = new Uint16Array(torrentCount);
    this.moves = new Uint32Array(torrentCount);
    this.#flags = new Uint8Array(peerCount);
  }

  /** Dotted address that a source binds to. */
  sourceHost(source: number): string {
    return `127.1.0.${source + 1}`;
  }

  sourceOf(peer: number): number {
    return Math.floor(peer / this.peersPerSource);
  }

  portOf(peer: number): number {
    return FIRST_PORT + (peer % this.peersPerSource);
  }

  /** Peers of a source are `source * peersPerSource` and this many from there. */
  peersOf(source: number): number {
    return Math.min(this.peersPerSource, this.peerCount - source * this.peersPerSource);
  }

  /** @param at where 6 bytes, address and port, stand. @returns the peer's number, or -1 for an address that is none of ours */
  peerAt(bytes: Uint8Array, at: number): number {
    const source = readU32(bytes, at) - 0x7f01_0001;
    const k = (((bytes[at + 4] as number) << 8) | (bytes[at + 5] as number)) - FIRST_PORT;
    if (source < 0 || source >= this.sourceCount || k < 0 || k >= this.peersPerSource) return -1;
    const peer = source * this.peersPerSource + k;
    return peer < this.peerCount ? peer : -1;
  }

  isPresent(peer: number): boolean {
    return ((this.#flags[peer] as number) & PRESENT) !== 0;
  }

  isSeeder(peer: number): boolean {
    return ((this.#flags[peer] as number) & SEEDER) !== 0;
  }

  isBusy(peer: number): boolean {
    return ((this.#flags[peer] as number) & BUSY) !== 0;
  }

  /** A peer has one request under way at most. */
  setBusy(peer: number, isBusy: boolean): void {
    const flags = this.#flags[peer] as number;
    this.#flags[peer] = isBusy ? flags | BUSY : flags & ~BUSY;
  }

  start(peer: number, isSeeder: boolean): void {
    this.#flags[peer] = ((this.#flags[peer] as number) & BUSY) | PRESENT | (isSeeder ? SEEDER : 0);
    this.#count(peer, isSeeder, 1);
  }

  stop(peer: number): void {
    const isSeeder = this.isSeeder(peer);
    this.#flags[peer] = (this.#flags[peer] as number) & BUSY;
    this.#count(peer, isSeeder, -1);
  }

  /** A leecher becomes a seeder. */
  finish(peer: number): void {
    this.#flags[peer] = (this.#flags[peer] as number) | SEEDER;
    this.#count(peer, false, -1);
    this.#count(peer, true, 1);
    const torrent = this.torrentOf[peer] as number;
    this.downloaded[torrent] = (this.downloaded[torrent] as number) + 1;
  }

  #count(peer: number, isSeeder: boolean, by: 1 | -1): void {
    const torrent = this.torrentOf[peer] as number;
    const counts = isSeeder ? this.complete : this.incomplete;
    counts[torrent] = (counts[torrent] as number) + by;
    this.moves[torrent] = (this.moves[torrent] as number) + 1;
  }

  /** 20 bytes, the peer's number in the last four. */
  writePeerId(peer: number, into: Uint8Array, at: number): void {
    into.set(PEER_ID, at);
    writeU32(into, at + 16, peer);
  }
}

/** @returns 20 bytes a torrent, the same for the same seed */
export function makeInfoHashes(torrentCount: number, seed: number): Uint8Array {
  return seededRng(seed)
    .fork('hashes')
    .bytes(torrentCount * 20);
}

const PEER_ID = Uint8Array.from('-EL0001-loadgenerate', (c) => c.charCodeAt(0));

const spread: Readonly<Record<Distribution, (peerCount: number, torrentCount: number) => Uint32Array>> = {
  uniform,
  zipf,
  'one-large': (peerCount, torrentCount) => uniform(peerCount, torrentCount).fill(0, 0, peerCount / 5),
};

function uniform(peerCount: number, torrentCount: number): Uint32Array {
  return Uint32Array.from({ length: peerCount }, (_, i) => i % torrentCount);
}

function zipf(peerCount: number, torrentCount: number): Uint32Array {
  let sum = 0;
  for (let rank = 1; rank <= torrentCount; rank++) sum += 1 / rank;
  const out = new Uint32Array(peerCount);
  let at = 0;
  for (let rank = torrentCount; rank > 1; rank--) {
    const size = Math.max(1, Math.round(peerCount / rank / sum));
    out.fill(rank - 1, at, at + size);
    at += size;
  }
  // What rounding leaves is the largest torrent's: torrent 0.
  return out;
}

function shuffle(items: Uint32Array, rng: Rng): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = rng.below(i + 1);
    const item = items[i] as number;
    items[i] = items[j] as number;
    items[j] = item;
  }
}

// Hot path: tracker-store
import type { Millis, Rng } from '../../base/index.ts';
import type { TrackerLimits } from '../limits.ts';
import type { StoreAnnounce, StoreScrape, StoreStats, SwarmStore } from '../swarm-store.ts';
import { Arena, shardOf } from './arena.ts';
import {
  AT_PEERS,
  AT_SEEDERS,
  AT_SWARMS,
  HEADER_DOWNLOADED,
  NET_4,
  NET_6,
  NET_COUNT,
  NET_WEB,
  TICK_MS,
} from './layout.ts';
import { acquire, release } from './lock.ts';
import { Parts } from './parts.ts';
import { Sampler } from './sampler.ts';
import { SwarmIndex } from './swarm-index.ts';
import { Swarms } from './swarms.ts';
import { Sweeper } from './sweeper.ts';

/** What another thread needs to work on the same store: structured-cloneable, shared and not copied. */
export interface StoreShare {
  readonly buffer: SharedArrayBuffer;
}

interface StoreOptions {
  readonly limits: TrackerLimits;
  /** Chooses peers. That of `create` also gives the keys of the hashing, so it must be unpredictable in a real tracker. */
  readonly rng: Rng;
}

/**
 * All swarms in one `SharedArrayBuffer` that threads share: no object a peer or a swarm (store/layout.ts). A thread holds the lock of one
 * shard during a call, of 16 by info-hash; no call allocates or throws under it.
 *
 * Memory is reserved by the limits and used as it fills. A thread must not be terminated in the middle of a call.
 */
export class DenseStore implements SwarmStore {
  readonly #arena: Arena;
  readonly #m: Int32Array;
  readonly #limits: TrackerLimits;
  readonly #index: SwarmIndex;
  readonly #swarms: Swarms;
  readonly #parts: Parts;
  readonly #sampler: Sampler;
  readonly #sweeper: Sweeper;
  /** The info-hash looked for. */
  readonly #key = new Int32Array(5);

  private constructor(arena: Arena, options: StoreOptions) {
    this.#arena = arena;
    this.#m = arena.words;
    this.#limits = options.limits;
    this.#index = new SwarmIndex(arena);
    this.#swarms = new Swarms({ arena, index: this.#index, swarmsMax: options.limits.swarmsMax });
    this.#parts = new Parts(arena);
    this.#sampler = new Sampler({ words: arena.words, rng: options.rng });
    this.#sweeper = new Sweeper({ arena, parts: this.#parts, swarms: this.#swarms, limits: options.limits });
  }

  static create(options: StoreOptions): DenseStore {
    return new DenseStore(Arena.create(options.limits, options.rng.fork('store keys')), options);
  }

  /** A store over the memory of another thread's. @param options.rng another stream than that thread's */
  static attach(share: StoreShare, options: StoreOptions): DenseStore {
    return new DenseStore(Arena.attach(share.buffer), options);
  }

  share(): StoreShare {
    return { buffer: this.#arena.buffer };
  }

  /** @param ageMs how long ago the peer was heard of; what is known since then is newer, and stays */
  announce(now: Millis, a: StoreAnnounce, ageMs = 0): void {
    const hash = this.#loadHash(a.hashBytes, a.hashAt);
    this.#loadPeer(a);
    const shard = shardOf(hash);
    acquire(this.#m, shard);
    try {
      if (a.event === 'stopped') this.#stop(shard, hash, now, ageMs, a);
      else this.#put(shard, hash, now, ageMs, a);
    } finally {
      release(this.#m, shard);
    }
  }

  scrape(s: StoreScrape): void {
    const { rows } = s;
    for (let i = 0; i < s.count; i++) {
      const hash = this.#loadHash(s.hashBytes, s.hashAt + i * 20);
      const shard = shardOf(hash);
      let complete = 0;
      let incomplete = 0;
      let downloaded = 0;
      acquire(this.#m, shard);
      try {
        const header = this.#index.find(shard, hash, this.#key);
        if (header !== 0) {
          downloaded = this.#m[header + HEADER_DOWNLOADED]!;
          for (let net = 0; net < NET_COUNT; net++) {
            const part = this.#swarms.partOf(header, net);
            if (part === 0) continue;
            complete += this.#parts.seedersAt(part);
            incomplete += this.#parts.leechersAt(part);
          }
        }
      } finally {
        release(this.#m, shard);
      }
      rows[i * 3] = complete;
      rows[i * 3 + 1] = downloaded;
      rows[i * 3 + 2] = incomplete;
    }
  }

  sweep(now: Millis): number {
    return this.#sweeper.step(now);
  }

  stats(): StoreStats {
    const m = this.#m;
    return {
      swarmCount: Atomics.load(m, AT_SWARMS),
      peerCount4: Atomics.load(m, AT_PEERS + NET_4),
      peerCount6: Atomics.load(m, AT_PEERS + NET_6),
      peerCountWeb: Atomics.load(m, AT_PEERS + NET_WEB),
      seederCount: Atomics.load(m, AT_SEEDERS),
    };
  }

  #put(shard: number, hash: number, now: Millis, ageMs: number, a: StoreAnnounce): void {
    const net = netOf(a.network);
    let header = this.#index.find(shard, hash, this.#key);
    let isStored = true;
    const part = header === 0 ? 0 : this.#swarms.partOf(header, net);
    if (part !== 0 && this.#parts.locate(part, net)) this.#update(header, now, ageMs, a);
    else {
      header = this.#addPeer({ shard, hash, header, net, now, ageMs, a });
      if (header < 0) {
        isStored = false;
        header = -header - 1;
      }
    }
    this.#answer(header, net, isStored, a);
    a.isStored = isStored;
  }

  #update(header: number, now: Millis, ageMs: number, a: StoreAnnounce): void {
    const parts = this.#parts;
    const tick = toTick(now - ageMs);
    if (ageMs > 0 && isNewer(parts.tick, tick)) return;
    parts.touch(tick);
    if (parts.isSeeder === a.isSeeder) return;
    parts.setSeeder(a.isSeeder);
    Atomics.add(this.#m, AT_SEEDERS, a.isSeeder ? 1 : -1);
    if (a.isSeeder && a.event === 'completed') this.#m[header + HEADER_DOWNLOADED]!++;
  }

  /** @returns the swarm's header; where there is no room for the peer, -1 less it (or less 0) */
  #addPeer(o: {
    shard: number;
    hash: number;
    header: number;
    net: number;
    now: Millis;
    ageMs: number;
    a: StoreAnnounce;
  }): number {
    const { shard, net, a } = o;
    if (this.#peerCount() >= this.#limits.peersMax || !this.#arena.reserve(shard)) return -1 - o.header;
    const tick = toTick(o.now - o.ageMs);
    const header =
      o.header !== 0 ? o.header : this.#swarms.add({ shard, hash: o.hash, key: this.#key, tick: toTick(o.now) });
    if (header === 0) return -1;
    const part = this.#swarms.partFor(shard, header, net);
    if (part !== 0) this.#parts.locate(part, net);
    if (part === 0 || !this.#parts.add(shard, net, a.isSeeder, tick & 0xffff)) return -1 - header;
    Atomics.add(this.#m, AT_PEERS + net, 1);
    if (a.isSeeder) Atomics.add(this.#m, AT_SEEDERS, 1);
    if (a.isSeeder && a.event === 'completed') this.#m[header + HEADER_DOWNLOADED]!++;
    return header;
  }

  #stop(shard: number, hash: number, now: Millis, ageMs: number, a: StoreAnnounce): void {
    const net = netOf(a.network);
    const parts = this.#parts;
    let header = this.#index.find(shard, hash, this.#key);
    const part = header === 0 ? 0 : this.#swarms.partOf(header, net);
    if (part !== 0 && parts.locate(part, net) && !(ageMs > 0 && isNewer(parts.tick, toTick(now - ageMs)))) {
      Atomics.sub(this.#m, AT_PEERS + net, 1);
      if (parts.isSeeder) Atomics.sub(this.#m, AT_SEEDERS, 1);
      const emptied = parts.remove(shard);
      if (emptied !== 0 && this.#swarms.afterEmptied(shard, emptied, toTick(now))) header = 0;
    }
    this.#answer(header, net, false, a);
    a.isStored = true;
  }

  /** @param isAsker whether the asker is in the swarm, where `#parts` says */
  #answer(header: number, net: number, isAsker: boolean, a: StoreAnnounce): void {
    const parts = this.#parts;
    a.peerCount4 = 0;
    a.peerCount6 = 0;
    a.peerCountWeb = 0;
    a.complete = 0;
    a.incomplete = 0;
    a.downloaded = header === 0 ? 0 : this.#m[header + HEADER_DOWNLOADED]!;
    if (header === 0) return;
    const part4 = this.#swarms.partOf(header, NET_4);
    const part6 = this.#swarms.partOf(header, NET_6);
    const partWeb = this.#swarms.partOf(header, NET_WEB);
    const leechers4 = part4 === 0 ? 0 : parts.leechersAt(part4);
    const leechers6 = part6 === 0 ? 0 : parts.leechersAt(part6);
    const leechersWeb = partWeb === 0 ? 0 : parts.leechersAt(partWeb);
    const seeders4 = part4 === 0 ? 0 : parts.seedersAt(part4);
    const seeders6 = part6 === 0 ? 0 : parts.seedersAt(part6);
    const seedersWeb = partWeb === 0 ? 0 : parts.seedersAt(partWeb);
    a.incomplete = leechers4 + leechers6 + leechersWeb;
    a.complete = seeders4 + seeders6 + seedersWeb;
    if (a.numGiven === 0 || a.event === 'stopped') return;
    const leechersOnly = a.isSeeder && a.event !== 'started';
    // A stored asker is in its own pool: who is given leechers only is none.
    const self = isAsker && !(leechersOnly && parts.isSeeder) ? net : -1;
    const { families, numGiven } = a;
    this.#sampler.begin(a.out, a.outAt);
    if (families === 'web') {
      const pool = leechersOnly ? leechersWeb : leechersWeb + seedersWeb;
      a.peerCountWeb = Math.min(numGiven, pool - (self === NET_WEB ? 1 : 0));
      this.#take(partWeb, NET_WEB, leechersOnly, pool, self === NET_WEB, a.peerCountWeb);
      return;
    }
    const pool4 = families === 6 ? 0 : leechersOnly ? leechers4 : leechers4 + seeders4;
    const pool6 = families === 4 ? 0 : leechersOnly ? leechers6 : leechers6 + seeders6;
    const available4 = pool4 - (self === NET_4 && families !== 6 ? 1 : 0);
    const available6 = pool6 - (self === NET_6 && families !== 4 ? 1 : 0);
    // A quarter is kept for the family the asker did not come by, which it may lack; what one cannot fill goes to the other.
    const quarter = Math.floor(numGiven / 4);
    const share4 = net === NET_6 ? quarter : numGiven - quarter;
    a.peerCount4 = Math.min(available4, Math.max(share4, numGiven - available6));
    a.peerCount6 = Math.min(available6, numGiven - a.peerCount4);
    this.#take(part4, NET_4, leechersOnly, pool4, self === NET_4, a.peerCount4);
    this.#take(part6, NET_6, leechersOnly, pool6, self === NET_6, a.peerCount6);
  }

  #take(part: number, net: number, leechersOnly: boolean, pool: number, isAsker: boolean, count: number): void {
    if (count === 0) return;
    const asker = isAsker ? this.#parts.positionOf(leechersOnly) : -1;
    this.#sampler.take({ part, net, leechersOnly, pool, asker, count });
  }

  #peerCount(): number {
    const m = this.#m;
    return Atomics.load(m, AT_PEERS + NET_4) + Atomics.load(m, AT_PEERS + NET_6) + Atomics.load(m, AT_PEERS + NET_WEB);
  }

  /** @returns the hash of the info-hash that is now in `#key` */
  #loadHash(bytes: Uint8Array, at: number): number {
    const key = this.#key;
    for (let i = 0; i < 5; i++) key[i] = readWord(bytes, at + 4 * i);
    return this.#index.hash(key, 0);
  }

  #loadPeer(a: StoreAnnounce): void {
    const { key } = this.#parts;
    const addressWords = a.network === 6 ? 4 : 1;
    for (let i = 0; i < addressWords; i++) key[i] = readWord(a.peerBytes, a.peerAt + 4 * i);
    // As on the wire, low byte first in a word.
    key[addressWords] = ((a.port & 0xff) << 8) | ((a.port >>> 8) & 0xff);
  }
}

function netOf(network: 4 | 6 | 'web'): number {
  return network === 4 ? NET_4 : network === 6 ? NET_6 : NET_WEB;
}

/** Bytes in their order, low first: so the words of a run are the bytes of the wire on most machines. */
function readWord(b: Uint8Array, at: number): number {
  return b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24);
}

/** Whole ticks since the clock began, may be negative. */
function toTick(ms: number): number {
  return Math.floor(ms / TICK_MS);
}

/** Whether the 16-bit tick of a peer is later than a whole tick. */
function isNewer(known: number, tick: number): boolean {
  const ahead = (known - tick) & 0xffff;
  return ahead > 0 && ahead < 0x8000;
}

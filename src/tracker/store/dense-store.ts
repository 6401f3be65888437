// Hot path: tracker-store
import type { Millis, Rng } from '../../base/index.ts';
import type { PeerNetwork } from '../calls.ts';
import type { TrackerLimits } from '../limits.ts';
import type { StoreAnnounce, StoreScrape, StoreStats, SwarmStore } from '../swarm-store.ts';
import { Arena, shardOf } from './arena.ts';
import { ASKED_MAX, AskedHashes } from './asked-hashes.ts';
import {
  AT_PEERS,
  AT_SEEDERS,
  AT_SHARDS,
  AT_SWARMS,
  HEADER_DOWNLOADED,
  HEADER_PART,
  META_NODE,
  META_SPLIT,
  NET_4,
  NET_6,
  NET_COUNT,
  NET_WEB,
  peerWords,
  SHARD_COUNT,
  SHARD_WORDS,
  TICK_MS,
} from './layout.ts';
import { acquire, release } from './lock.ts';
import { LookAhead } from './look-ahead.ts';
import { leechersOf, seedersOf } from './meta.ts';
import { Parts } from './parts.ts';
import { Registrar } from './registrar.ts';
import { Sampler } from './sampler.ts';
import { SwarmIndex } from './swarm-index.ts';
import { Swarms } from './swarms.ts';
import { Sweeper } from './sweeper.ts';
import { type RunCopy, type WalkedSwarm, Walker } from './walker.ts';
import { WireWords } from './wire-words.ts';

/** What another thread needs to work on the same store: structured-cloneable, shared and not copied. */
export interface StoreShare {
  readonly buffer: SharedArrayBuffer;
}

const DOWNLOADED_MAX = 0x7fff_ffff;

interface StoreOptions {
  readonly limits: TrackerLimits;
  /** Chooses peers. */
  readonly rng: Rng;
}

interface CreateOptions extends StoreOptions {
  /** 16 unpredictable bytes for the hashing of info-hashes and addresses, copied; a tracker that strangers reach needs them. Default: from `rng`. */
  readonly key?: Uint8Array;
}

/**
 * All swarms in one `SharedArrayBuffer` that threads share: no object a peer or a swarm (store/layout.ts). A thread holds the lock of one
 * shard during a call, of 16 by info-hash, for a microsecond; walks and sweeps hold it for a tenth of a millisecond at a time.
 *
 * Memory is reserved by the limits and used as it fills. A thread must not be terminated in the middle of a call: its
 * shard is lost then, and calls that need it throw after some seconds (lock.ts).
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
  readonly #registrar: Registrar;
  readonly #walker: Walker;
  readonly #ahead: LookAhead;
  readonly #asked = new AskedHashes();
  readonly #hashWords = new WireWords();
  readonly #addressWords = new WireWords();

  private constructor(arena: Arena, options: StoreOptions) {
    this.#arena = arena;
    this.#m = arena.words;
    this.#limits = options.limits;
    this.#index = new SwarmIndex(arena);
    this.#swarms = new Swarms({ arena, index: this.#index, swarmsMax: options.limits.swarmsMax });
    this.#parts = new Parts(arena);
    this.#sampler = new Sampler({ words: arena.words, rng: options.rng });
    const { limits } = options;
    const { index, swarms, parts } = { index: this.#index, swarms: this.#swarms, parts: this.#parts };
    this.#registrar = new Registrar({ arena, index, swarms, parts, limits });
    this.#walker = new Walker({ arena, index, swarms, parts });
    this.#ahead = new LookAhead({ arena, index });
    this.#sweeper = new Sweeper({ arena, parts: this.#parts, swarms: this.#swarms, limits: options.limits });
  }

  static create(options: CreateOptions): DenseStore {
    const key = options.key ?? options.rng.fork('store key').bytes(16);
    return new DenseStore(Arena.create(options.limits, key), options);
  }

  /** A store over the memory of another thread's. @param options.rng another stream than that thread's */
  static attach(share: StoreShare, options: StoreOptions): DenseStore {
    return new DenseStore(Arena.attach(share.buffer), options);
  }

  share(): StoreShare {
    return { buffer: this.#arena.buffer };
  }

  /** Memory used so far of what is reserved; it does not become less. */
  get usedBytes(): number {
    return this.#arena.usedBytes;
  }

  /** @param ageMs how long ago the peer was heard of; what is known since then is newer, and stays */
  announce(now: Millis, a: StoreAnnounce, ageMs = 0): void {
    const shard = this.#loadHash(a.hashBytes, a.hashAt);
    this.#loadPeer(a);
    const registrar = this.#registrar;
    registrar.net = netOf(a.network);
    registrar.isSeeder = a.isSeeder;
    registrar.isCompleted = a.event === 'completed';
    registrar.nowTick = toTick(now);
    registrar.tick = ageMs === 0 ? registrar.nowTick : toTick(now - ageMs);
    registrar.isOld = ageMs > 0;
    acquire(this.#m, shard);
    try {
      if (a.event === 'stopped') {
        this.#answer(registrar.remove(), false, a);
        a.isStored = true;
      } else {
        const header = registrar.put();
        a.isStored = registrar.isStored;
        this.#answer(header, a.isStored, a);
      }
    } finally {
      release(this.#m, shard);
    }
  }

  lookAhead(hashBytes: Uint8Array, ats: Int32Array, count: number): void {
    this.#ahead.fetch(hashBytes, ats, count);
  }

  scrape(s: StoreScrape): void {
    const asked = this.#asked;
    for (let from = 0; from < s.count; from += ASKED_MAX) {
      const count = Math.min(s.count - from, ASKED_MAX);
      asked.load(this.#index, s.hashBytes, s.hashAt + from * 20, count);
      // A lock once for all hashes of its shard: taking it costs as much as looking one up.
      for (let shardIndex = 0; shardIndex < SHARD_COUNT; shardIndex++) {
        if (asked.firstOf[shardIndex]! < 0) continue;
        const shard = AT_SHARDS + shardIndex * SHARD_WORDS;
        acquire(this.#m, shard);
        try {
          for (let i = asked.firstOf[shardIndex]!; i >= 0; i = asked.next[i]!)
            this.#countInto(shard, i, s.rows, from + i);
        } finally {
          release(this.#m, shard);
        }
      }
    }
  }

  /** Counts the swarm of a loaded hash into a row. */
  #countInto(shard: number, i: number, rows: Uint32Array, row: number): void {
    const asked = this.#asked;
    const header = this.#index.findAt(asked.slots[i]!, shard, asked.hashes[i]!, asked.keys, i * 5);
    let complete = 0;
    let incomplete = 0;
    let downloaded = 0;
    if (header !== 0) {
      const m = this.#m;
      downloaded = m[header + HEADER_DOWNLOADED]!;
      const meta = m[header + HEADER_PART + 1]!;
      if ((meta & (META_SPLIT | META_NODE)) === 0) {
        // Nearly all swarms are one run, whose counts are in the header.
        complete = seedersOf(meta);
        incomplete = leechersOf(meta);
      } else {
        for (let net = 0; net < NET_COUNT; net++) {
          const part = this.#swarms.partOf(header, net);
          if (part === 0) continue;
          complete += this.#parts.seedersAt(part);
          incomplete += this.#parts.leechersAt(part);
        }
      }
    }
    rows[row * 3] = complete;
    rows[row * 3 + 1] = downloaded;
    rows[row * 3 + 2] = incomplete;
  }

  /**
   * Shows all swarms, in steps of at least `max` and up to 1,000 more. A swarm that is there all the time is shown exactly once; the
   * visit may call the store.
   *
   * @param cursor 0 to begin, then what the last call returned
   * @returns where to go on, or -1 at the end
   */
  walk(cursor: number, max: number, visit: (swarm: WalkedSwarm) => void): number {
    return this.#walker.walk(cursor, max, visit);
  }

  /**
   * Copies the next peers of a swarm, up to 127. A peer that is there all the time is copied, twice if its swarm shrinks meanwhile.
   *
   * @param o.infoHash 20 bytes at `o.at`
   * @param o.cursor 0 to begin, then what the last call returned
   * @returns where to go on, or -1 at the end; `into` may be empty either way
   */
  copyRun(
    now: Millis,
    o: { infoHash: Uint8Array; at: number; network: PeerNetwork; cursor: number; into: RunCopy },
  ): number {
    const shard = this.#loadHash(o.infoHash, o.at);
    acquire(this.#m, shard);
    try {
      const header = this.#index.find(shard, this.#registrar.hash, this.#registrar.key);
      o.into.count = 0;
      if (header === 0) return -1;
      const { cursor, into } = o;
      return this.#walker.copyRun(header, { net: netOf(o.network), cursor, nowTick: toTick(now), into });
    } finally {
      release(this.#m, shard);
    }
  }

  /**
   * Adds what another store, or this one before a restart, knew of a swarm: of a peer the younger word stays, of `downloaded` the larger.
   * Peers that are silent for too long are left out.
   *
   * @param takenAt what the ages are counted from; may lie before the clock began
   * @param o.infoHash 20 bytes at `o.at` @param o.run peers, read only
   * @returns peers left out: too old, or no room for them
   */
  merge(
    now: Millis,
    takenAt: Millis,
    o: { infoHash: Uint8Array; at: number; downloaded: number; run?: RunCopy },
  ): number {
    const registrar = this.#registrar;
    const shard = this.#loadHash(o.infoHash, o.at);
    registrar.nowTick = toTick(now);
    let leftOut = 0;
    acquire(this.#m, shard);
    try {
      if (o.run !== undefined) leftOut = this.#mergeRun(o.run, toTick(takenAt));
      if (o.downloaded > 0) {
        const header = registrar.swarm();
        const at = header + HEADER_DOWNLOADED;
        if (header !== 0) this.#m[at] = Math.max(this.#m[at]!, Math.min(o.downloaded, DOWNLOADED_MAX));
      }
    } finally {
      release(this.#m, shard);
    }
    return leftOut;
  }

  #mergeRun(run: RunCopy, takenTick: number): number {
    const registrar = this.#registrar;
    const { key } = this.#parts;
    registrar.net = netOf(run.network);
    registrar.isCompleted = false;
    registrar.isOld = true;
    const ttlTicks = Math.ceil(this.#limits.peerTtlMs / TICK_MS);
    const stride = peerWords[registrar.net]!;
    let leftOut = 0;
    for (let i = 0; i < run.count; i++) {
      const last = run.words[(i + 1) * stride - 1]!;
      registrar.tick = takenTick - (last >>> 16);
      if (registrar.nowTick - registrar.tick > ttlTicks) {
        leftOut++;
        continue;
      }
      for (let j = 0; j < stride - 1; j++) key[j] = run.words[i * stride + j]!;
      key[stride - 1] = last & 0xffff;
      registrar.isSeeder = i >= run.leechers;
      registrar.put();
      if (!registrar.isStored) leftOut++;
    }
    return leftOut;
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

  /** @param isAsker whether the asker is in the swarm, where `#parts` says */
  #answer(header: number, isAsker: boolean, a: StoreAnnounce): void {
    const parts = this.#parts;
    const { net } = this.#registrar;
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

  /** The info-hash of what is to be done next. @returns the shard */
  #loadHash(bytes: Uint8Array, at: number): number {
    const registrar = this.#registrar;
    this.#hashWords.copy(bytes, at, 5, registrar.key, 0);
    registrar.hash = this.#index.hash(registrar.key, 0);
    registrar.shard = shardOf(registrar.hash);
    return registrar.shard;
  }

  #loadPeer(a: StoreAnnounce): void {
    const { key } = this.#parts;
    const addressWords = a.network === 6 ? 4 : 1;
    this.#addressWords.copy(a.peerBytes, a.peerAt, addressWords, key, 0);
    // As on the wire, low byte first in a word.
    key[addressWords] = ((a.port & 0xff) << 8) | ((a.port >>> 8) & 0xff);
  }
}

function netOf(network: 4 | 6 | 'web'): number {
  return network === 4 ? NET_4 : network === 6 ? NET_6 : NET_WEB;
}

/** Whole ticks since the clock began, may be negative. */
function toTick(ms: number): number {
  return Math.floor(ms / TICK_MS);
}

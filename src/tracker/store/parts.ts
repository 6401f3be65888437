// Hot path: tracker-store
import type { Arena } from './arena.ts';
import { classOfMark } from './arena.ts';
import { hashWords } from './keyed-hash.ts';
import {
  CLASS_NODE,
  classFor,
  firstClass,
  lastClass,
  META_CLASS_SHIFT,
  META_NET_SHIFT,
  META_NODE,
  META_SEEDERS_SHIFT,
  NODE_FANOUT,
  NODE_LEECHERS,
  NODE_LEECHERS_OF,
  NODE_NEW_RUN,
  NODE_PARTS,
  NODE_SEEDERS,
  NODE_SEEDERS_OF,
  NODE_WORDS,
  PAGE_START,
  PAGE_WORDS,
  peerWords,
  RUN_PEERS_MAX,
  runCapacity,
} from './layout.ts';

/** A node with this many peers becomes a run again: well below what made it, so that nothing swings. */
const COLLAPSE_AT = 48;
/** A node and its runs: pages that making one takes at most. */
const DIVIDE_PAGES = NODE_FANOUT + 2;
/** 32 bits of hash, 4 a level. */
const LEVELS_MAX = 8;
const ONE_SEEDER = 1 << META_SEEDERS_SHIFT;

/**
 * The peers of a swarm and network: a run, or a tree of nodes with runs as leaves. Every method works under the lock of the shard.
 *
 * `locate` says where a peer is, in fields: nothing is allocated for an announce. Places are good until the next change.
 */
export class Parts {
  /** The peer looked for: words of its address, then its port as on the wire. */
  readonly key: Int32Array = new Int32Array(5);
  /** What `locate` found: the part of the run where the peer is or would be, its depth, and the peer's place or -1. */
  leaf = 0;
  place = -1;
  level = 0;
  readonly #arena: Arena;
  readonly #m: Int32Array;
  readonly #key0: number;
  readonly #key1: number;
  readonly #probe = new Int32Array(5);
  readonly #childOf = new Uint8Array(RUN_PEERS_MAX);
  readonly #nextOf = new Int32Array(NODE_FANOUT);

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#m = arena.words;
    this.#key0 = arena.keys[2]!;
    this.#key1 = arena.keys[3]!;
  }

  leechersAt(part: number): number {
    const meta = this.#m[part + 1]!;
    return (meta & META_NODE) === 0 ? meta & RUN_PEERS_MAX : this.#m[this.#m[part]! + NODE_LEECHERS]!;
  }

  seedersAt(part: number): number {
    const meta = this.#m[part + 1]!;
    return (meta & META_NODE) === 0
      ? (meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX
      : this.#m[this.#m[part]! + NODE_SEEDERS]!;
  }

  /** Looks for the peer `key`. @returns whether it is there */
  locate(part: number, net: number): boolean {
    const m = this.#m;
    const stride = peerWords[net]!;
    if ((m[part + 1]! & META_NODE) !== 0) this.#descend(part, net, 0);
    else {
      this.leaf = part;
      this.level = 0;
    }
    const { leaf } = this;
    const meta = m[leaf + 1]!;
    const count = (meta & RUN_PEERS_MAX) + ((meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX);
    this.place = count === 0 ? -1 : stride === 2 ? this.#find2(m[leaf]!, count) : this.#find5(m[leaf]!, count);
    return this.place >= 0;
  }

  /** Goes down to the run of the peer `key`, from a part at a level. */
  #descend(part: number, net: number, fromLevel: number): void {
    const m = this.#m;
    const hash = hashWords(this.key, 0, peerWords[net]!, this.#key0, this.#key1);
    let leaf = part;
    let level = fromLevel;
    while ((m[leaf + 1]! & META_NODE) !== 0) leaf = m[leaf]! + NODE_PARTS + 2 * ((hash >>> (28 - 4 * level++)) & 15);
    this.leaf = leaf;
    this.level = level;
  }

  #find2(run: number, count: number): number {
    const m = this.#m;
    const address = this.key[0]!;
    const port = this.key[1]!;
    const end = run + 1 + count * 2;
    for (let at = run + 1; at < end; at += 2) {
      if (m[at] === address && ((m[at + 1]! ^ port) & 0xffff) === 0) return (at - run - 1) >> 1;
    }
    return -1;
  }

  #find5(run: number, count: number): number {
    const m = this.#m;
    const [a, b, c, d, port] = [this.key[0]!, this.key[1]!, this.key[2]!, this.key[3]!, this.key[4]!];
    for (let place = 0, at = run + 1; place < count; place++, at += 5) {
      // Last words first: they differ most.
      if (m[at + 3] !== d || m[at + 2] !== c || m[at + 1] !== b || m[at] !== a) continue;
      if (((m[at + 4]! ^ port) & 0xffff) === 0) return place;
    }
    return -1;
  }

  /** The run with the peers of a hash. @returns its part; `level` is its depth */
  leafAt(part: number, hash: number): number {
    let leaf = part;
    this.level = 0;
    while ((this.#m[leaf + 1]! & META_NODE) !== 0) {
      leaf = this.#m[leaf]! + NODE_PARTS + 2 * ((hash >>> (28 - 4 * this.level++)) & 15);
    }
    return leaf;
  }

  /** Whether the peer that was found is a seeder. */
  get isSeeder(): boolean {
    return this.place >= (this.#m[this.leaf + 1]! & RUN_PEERS_MAX);
  }

  /** 16-bit tick of the peer that was found. */
  get tick(): number {
    return this.#m[this.#tickAt(this.leaf, this.place)]! >>> 16;
  }

  touch(tick: number): void {
    const at = this.#tickAt(this.leaf, this.place);
    this.#m[at] = (this.#m[at]! & 0xffff) | (tick << 16);
  }

  #tickAt(leaf: number, place: number): number {
    const stride = peerWords[(this.#m[leaf + 1]! >>> META_NET_SHIFT) & 3]!;
    return this.#m[leaf]! + (place + 1) * stride;
  }

  /**
   * Adds the peer `key`, which was not found, where it was not found, and takes its new place.
   *
   * @returns false where memory is used up: nothing has changed
   */
  add(shard: number, net: number, isSeeder: boolean, tick: number): boolean {
    const m = this.#m;
    if (!this.#makeRoom(shard, net)) return false;
    const stride = peerWords[net]!;
    const { leaf } = this;
    const meta = m[leaf + 1]!;
    const run = m[leaf]!;
    const leechers = meta & RUN_PEERS_MAX;
    let place = leechers + ((meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX);
    if (!isSeeder) {
      // The first seeder makes room at the border.
      if (place !== leechers) this.#copyPeer(run + 1 + leechers * stride, run + 1 + place * stride, stride);
      place = leechers;
    }
    const at = run + 1 + place * stride;
    for (let i = 0; i < stride; i++) m[at + i] = this.key[i]!;
    m[at + stride - 1]! |= tick << 16;
    m[leaf + 1] = meta + (isSeeder ? ONE_SEEDER : 1);
    this.#count(leaf, isSeeder ? 0 : 1, isSeeder ? 1 : 0);
    this.place = place;
    return true;
  }

  #makeRoom(shard: number, net: number): boolean {
    const m = this.#m;
    for (;;) {
      const { leaf } = this;
      const meta = m[leaf + 1]!;
      if (meta === 0) {
        const run = this.#arena.allocate(shard, firstClass[net]!);
        if (run === 0) return false;
        m[run] = leaf;
        m[leaf] = run;
        m[leaf + 1] = (firstClass[net]! << META_CLASS_SHIFT) | (net << META_NET_SHIFT);
        return true;
      }
      const runClass = (meta >>> META_CLASS_SHIFT) & 63;
      const count = (meta & RUN_PEERS_MAX) + ((meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX);
      if (count < runCapacity[runClass]!) return true;
      if (runClass !== lastClass[net]!) return this.#resize(shard, leaf, runClass + 1);
      if (!this.#divide(shard, leaf, this.level)) return false;
      this.#descend(leaf, net, this.level);
    }
  }

  /** Moves the peer that was found across the border between leechers and seeders. */
  setSeeder(isSeeder: boolean): void {
    const m = this.#m;
    if (this.isSeeder === isSeeder) return;
    const { leaf } = this;
    const meta = m[leaf + 1]!;
    const stride = peerWords[(meta >>> META_NET_SHIFT) & 3]!;
    const border = (meta & RUN_PEERS_MAX) - (isSeeder ? 1 : 0);
    const a = m[leaf]! + 1 + this.place * stride;
    const b = m[leaf]! + 1 + border * stride;
    for (let i = 0; i < stride; i++) {
      const kept = m[a + i]!;
      m[a + i] = m[b + i]!;
      m[b + i] = kept;
    }
    this.place = border;
    m[leaf + 1] = meta + (isSeeder ? ONE_SEEDER - 1 : 1 - ONE_SEEDER);
    this.#count(leaf, isSeeder ? -1 : 1, isSeeder ? 1 : -1);
  }

  /** Removes the peer that was found. @returns the outermost part where that is empty now, else 0 */
  remove(shard: number): number {
    const m = this.#m;
    const { leaf } = this;
    const meta = m[leaf + 1]!;
    const stride = peerWords[(meta >>> META_NET_SHIFT) & 3]!;
    const peers = m[leaf]! + 1;
    const leechers = meta & RUN_PEERS_MAX;
    const last = leechers + ((meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX) - 1;
    const wasSeeder = this.place >= leechers;
    let hole = this.place;
    if (!wasSeeder) {
      if (hole !== leechers - 1) this.#copyPeer(peers + (leechers - 1) * stride, peers + hole * stride, stride);
      hole = leechers - 1;
    }
    if (hole !== last) this.#copyPeer(peers + last * stride, peers + hole * stride, stride);
    m[leaf + 1] = meta - (wasSeeder ? ONE_SEEDER : 1);
    this.#count(leaf, wasSeeder ? 0 : -1, wasSeeder ? -1 : 0);
    this.place = -1;
    return this.settle(shard, leaf);
  }

  /**
   * Removes the peers of a run that are silent for more than `ttlTicks`, `max` at most.
   *
   * The run is left as it is: call `settle` after it.
   * @returns removed leechers, and seeders times 256
   */
  expire(leaf: number, o: { nowTick: number; ttlTicks: number; futureTicks: number; max: number }): number {
    const m = this.#m;
    const meta = m[leaf + 1]!;
    const stride = peerWords[(meta >>> META_NET_SHIFT) & 3]!;
    const leechers = meta & RUN_PEERS_MAX;
    const count = leechers + ((meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX);
    const peers = m[leaf]! + 1;
    let to = peers;
    let goneLeechers = 0;
    let goneSeeders = 0;
    for (let place = 0, at = peers; place < count; place++, at += stride) {
      const age = (o.nowTick - (m[at + stride - 1]! >>> 16)) & 0xffff;
      if (age > o.ttlTicks && age < o.futureTicks && goneLeechers + goneSeeders < o.max) {
        if (place < leechers) goneLeechers++;
        else goneSeeders++;
        continue;
      }
      if (to !== at) this.#copyPeer(at, to, stride);
      to += stride;
    }
    if (goneLeechers + goneSeeders > 0) {
      m[leaf + 1] = meta - goneLeechers - goneSeeders * ONE_SEEDER;
      this.#count(leaf, -goneLeechers, -goneSeeders);
    }
    return goneLeechers + goneSeeders * 256;
  }

  /** Brings a run that lost peers to its size, and nodes above it that became small. @returns the outermost part if it is empty now, else 0 */
  settle(shard: number, leaf: number): number {
    const m = this.#m;
    const meta = m[leaf + 1]!;
    const net = (meta >>> META_NET_SHIFT) & 3;
    const runClass = (meta >>> META_CLASS_SHIFT) & 63;
    const count = (meta & RUN_PEERS_MAX) + ((meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX);
    if (count === 0) {
      const run = m[leaf]!;
      m[leaf] = 0;
      m[leaf + 1] = 0;
      this.#freeRun(shard, runClass, run);
    } else if (runClass - 2 >= firstClass[net]! && count <= runCapacity[runClass - 2]!) {
      this.#resize(shard, leaf, runClass - 1);
    }
    let part = leaf;
    while (this.#isInNode(part)) {
      part = this.#collapse(shard, this.#nodeOf(part), net);
      if (part === 0) return 0;
    }
    return m[part + 1] === 0 ? part : 0;
  }

  /** How many peers, or leechers, come before the one that was found in the order of the whole tree. */
  positionOf(leechersOnly: boolean): number {
    const m = this.#m;
    let position = this.place;
    for (let part = this.leaf; this.#isInNode(part); ) {
      const node = this.#nodeOf(part);
      for (let i = (part - node - NODE_PARTS) / 2 - 1; i >= 0; i--) {
        position += m[node + NODE_LEECHERS_OF + i]! + (leechersOnly ? 0 : m[node + NODE_SEEDERS_OF + i]!);
      }
      part = m[node]!;
    }
    return position;
  }

  /** Mends what refers to a node that has moved. */
  #mendNode(node: number): void {
    const m = this.#m;
    m[m[node]!] = node;
    for (let i = 0; i < NODE_FANOUT; i++) {
      const part = node + NODE_PARTS + 2 * i;
      if (m[part + 1] !== 0) m[m[part]!] = part;
    }
  }

  #freeRun(shard: number, runClass: number, run: number): void {
    const m = this.#m;
    if (this.#arena.free(shard, runClass, run) !== 0) m[m[run]!] = run;
  }

  #resize(shard: number, leaf: number, toClass: number): boolean {
    const m = this.#m;
    const meta = m[leaf + 1]!;
    const fresh = this.#arena.allocate(shard, toClass);
    if (fresh === 0) return false;
    const old = m[leaf]!;
    const count = (meta & RUN_PEERS_MAX) + ((meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX);
    const words = count * peerWords[(meta >>> META_NET_SHIFT) & 3]!;
    m[fresh] = leaf;
    for (let i = 1; i <= words; i++) m[fresh + i] = m[old + i]!;
    m[leaf] = fresh;
    m[leaf + 1] = (meta & ~(63 << META_CLASS_SHIFT)) | (toClass << META_CLASS_SHIFT);
    this.#freeRun(shard, (meta >>> META_CLASS_SHIFT) & 63, old);
    return true;
  }

  /** Makes a run a node of up to 16 runs. */
  #divide(shard: number, part: number, level: number): boolean {
    const m = this.#m;
    if (level >= LEVELS_MAX || this.#arena.spareCount(shard) < DIVIDE_PAGES) return false;
    const meta = m[part + 1]!;
    const net = (meta >>> META_NET_SHIFT) & 3;
    const stride = peerWords[net]!;
    const leechers = meta & RUN_PEERS_MAX;
    const count = leechers + ((meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX);
    const run = m[part]!;
    const node = this.#arena.allocate(shard, CLASS_NODE);
    for (let i = 1; i < NODE_WORDS; i++) m[node + i] = 0;
    m[node] = part;
    m[node + NODE_LEECHERS] = leechers;
    m[node + NODE_SEEDERS] = count - leechers;
    for (let place = 0; place < count; place++) {
      const child = (this.#hashAt(run + 1 + place * stride, stride) >>> (28 - 4 * level)) & 15;
      this.#childOf[place] = child;
      m[node + (place < leechers ? NODE_LEECHERS_OF : NODE_SEEDERS_OF) + child]!++;
    }
    for (let child = 0; child < NODE_FANOUT; child++) {
      const l = m[node + NODE_LEECHERS_OF + child]!;
      const s = m[node + NODE_SEEDERS_OF + child]!;
      if (l + s === 0) continue;
      const childClass = classFor(net, l + s);
      const childRun = this.#arena.allocate(shard, childClass);
      const childPart = node + NODE_PARTS + 2 * child;
      m[childRun] = childPart;
      m[childPart] = childRun;
      m[childPart + 1] = l | (s << META_SEEDERS_SHIFT) | (childClass << META_CLASS_SHIFT) | (net << META_NET_SHIFT);
      this.#nextOf[child] = childRun + 1;
    }
    // Leechers come first in the run, so they do in its children.
    for (let place = 0; place < count; place++) {
      const child = this.#childOf[place]!;
      this.#copyPeer(run + 1 + place * stride, this.#nextOf[child]!, stride);
      this.#nextOf[child]! += stride;
    }
    m[part] = node;
    m[part + 1] = META_NODE | (net << META_NET_SHIFT);
    this.#freeRun(shard, (meta >>> META_CLASS_SHIFT) & 63, run);
    return true;
  }

  /** Makes a small node of runs a run. @returns the part that held it, wherever that is now; 0 where the node stays */
  #collapse(shard: number, node: number, net: number): number {
    const m = this.#m;
    const leechers = m[node + NODE_LEECHERS]!;
    const total = leechers + m[node + NODE_SEEDERS]!;
    if (total > COLLAPSE_AT) return 0;
    for (let i = 0; i < NODE_FANOUT; i++) if ((m[node + NODE_PARTS + 2 * i + 1]! & META_NODE) !== 0) return 0;
    const runClass = total === 0 ? 0 : classFor(net, total);
    let run = total === 0 ? 0 : this.#arena.allocate(shard, runClass);
    if (run === 0 && total > 0) return 0;
    // It is the last of its class, so freeing others may move it: the node's spare word is its owner meanwhile.
    if (run !== 0) m[run] = node + NODE_NEW_RUN;
    m[node + NODE_NEW_RUN] = run;
    const stride = peerWords[net]!;
    let toLeecher = run + 1;
    let toSeeder = run + 1 + leechers * stride;
    for (let part = node + NODE_PARTS; part < node + NODE_LEECHERS_OF; part += 2) {
      const meta = m[part + 1]!;
      if (meta === 0) continue;
      const border = (meta & RUN_PEERS_MAX) * stride;
      const end = border + ((meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX) * stride;
      const peers = m[part]! + 1;
      for (let i = 0; i < border; i++) m[toLeecher++] = m[peers + i]!;
      for (let i = border; i < end; i++) m[toSeeder++] = m[peers + i]!;
    }
    for (let part = node + NODE_PARTS; part < node + NODE_LEECHERS_OF; part += 2) {
      const meta = m[part + 1]!;
      if (meta === 0) continue;
      m[part + 1] = 0;
      this.#freeRun(shard, (meta >>> META_CLASS_SHIFT) & 63, m[part]!);
    }
    run = m[node + NODE_NEW_RUN]!;
    let part = m[node]!;
    // Cleared first: mending a moved node must not follow it.
    m[part] = 0;
    m[part + 1] = 0;
    const moved = this.#arena.free(shard, CLASS_NODE, node);
    if (moved !== 0) {
      // The node that moved may be the one that holds this part.
      if (part >= moved && part < moved + NODE_WORDS) part += node - moved;
      this.#mendNode(node);
    }
    if (total > 0) {
      m[run] = part;
      m[part] = run;
      m[part + 1] =
        leechers |
        ((total - leechers) << META_SEEDERS_SHIFT) |
        (runClass << META_CLASS_SHIFT) |
        (net << META_NET_SHIFT);
    }
    return part;
  }

  /** Counts a change in all nodes above a part. */
  #count(leaf: number, leechers: number, seeders: number): void {
    const m = this.#m;
    for (let part = leaf; this.#isInNode(part); ) {
      const node = this.#nodeOf(part);
      const child = (part - node - NODE_PARTS) / 2;
      m[node + NODE_LEECHERS]! += leechers;
      m[node + NODE_SEEDERS]! += seeders;
      m[node + NODE_LEECHERS_OF + child]! += leechers;
      m[node + NODE_SEEDERS_OF + child]! += seeders;
      part = m[node]!;
    }
  }

  #isInNode(part: number): boolean {
    return part >= this.#arena.pages && classOfMark(this.#m[(part & -PAGE_WORDS) + 1]!) === CLASS_NODE;
  }

  #nodeOf(part: number): number {
    const start = (part & -PAGE_WORDS) + PAGE_START;
    return part - ((part - start) % NODE_WORDS);
  }

  #hashAt(at: number, stride: number): number {
    const probe = this.#probe;
    for (let i = 0; i < stride; i++) probe[i] = this.#m[at + i]!;
    probe[stride - 1]! &= 0xffff;
    return hashWords(probe, 0, stride, this.#key0, this.#key1);
  }

  #copyPeer(from: number, to: number, stride: number): void {
    const m = this.#m;
    m[to] = m[from]!;
    m[to + 1] = m[from + 1]!;
    if (stride === 2) return;
    m[to + 2] = m[from + 2]!;
    m[to + 3] = m[from + 3]!;
    m[to + 4] = m[from + 4]!;
  }
}

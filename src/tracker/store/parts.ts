// Hot path: tracker-store
import type { Arena } from './arena.ts';
import { firstClass, lastClass, META_NODE, NODE_LEECHERS, NODE_SEEDERS, peerWords, runCapacity } from './layout.ts';
import { classOf, leechersOf, netOfMeta, ONE_LEECHER, ONE_SEEDER, peersOf, runMeta, seedersOf } from './meta.ts';
import { Nodes } from './nodes.ts';
import { Runs } from './runs.ts';

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
  readonly #m: Int32Array;
  readonly #runs: Runs;
  readonly #nodes: Nodes;

  constructor(arena: Arena) {
    this.#m = arena.words;
    this.#runs = new Runs(arena);
    this.#nodes = new Nodes({ arena, runs: this.#runs });
  }

  leechersAt(part: number): number {
    const meta = this.#m[part + 1]!;
    return (meta & META_NODE) === 0 ? leechersOf(meta) : this.#m[this.#m[part]! + NODE_LEECHERS]!;
  }

  seedersAt(part: number): number {
    const meta = this.#m[part + 1]!;
    return (meta & META_NODE) === 0 ? seedersOf(meta) : this.#m[this.#m[part]! + NODE_SEEDERS]!;
  }

  /** Looks for the peer `key`. @returns whether it is there */
  locate(part: number, net: number): boolean {
    const m = this.#m;
    const stride = peerWords[net]!;
    this.level = 0;
    if ((m[part + 1]! & META_NODE) === 0) this.leaf = part;
    else this.#descend(part, this.#nodes.hash(this.key, stride));
    const count = peersOf(m[this.leaf + 1]!);
    const run = m[this.leaf]!;
    this.place = count === 0 ? -1 : stride === 2 ? this.#find2(run, count) : this.#find5(run, count);
    return this.place >= 0;
  }

  /** The run with the peers of a hash. @returns its part; `level` is its depth */
  leafAt(part: number, hash: number): number {
    this.level = 0;
    this.#descend(part, hash);
    return this.leaf;
  }

  /** Goes down to a run, from a part at `level`. */
  #descend(from: number, hash: number): void {
    let part = from;
    while ((this.#m[part + 1]! & META_NODE) !== 0) part = this.#nodes.childAt(part, hash, this.level++);
    this.leaf = part;
  }

  #find2(run: number, count: number): number {
    const m = this.#m;
    const address = this.key[0]!;
    const port = this.key[1]!;
    const end = run + 1 + count * 2;
    let at = run + 1;
    // Four at a time: most of a step is the loop itself.
    for (; at + 6 < end; at += 8) {
      if (m[at] !== address && m[at + 2] !== address && m[at + 4] !== address && m[at + 6] !== address) continue;
      for (let near = at; near <= at + 6; near += 2) {
        if (m[near] === address && ((m[near + 1]! ^ port) & 0xffff) === 0) return (near - run - 1) >> 1;
      }
    }
    for (; at < end; at += 2) {
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

  /** Whether the peer that was found is a seeder. */
  get isSeeder(): boolean {
    return this.place >= leechersOf(this.#m[this.leaf + 1]!);
  }

  /** 16-bit tick of the peer that was found. */
  get tick(): number {
    return this.#m[this.#tickAt()]! >>> 16;
  }

  /** @param tick its lower 16 bits are kept */
  touch(tick: number): void {
    const at = this.#tickAt();
    this.#m[at] = (this.#m[at]! & 0xffff) | (tick << 16);
  }

  #tickAt(): number {
    const stride = peerWords[netOfMeta(this.#m[this.leaf + 1]!)]!;
    return this.#m[this.leaf]! + (this.place + 1) * stride;
  }

  /** How many peers, or leechers, come before the one that was found in the order of the whole tree. */
  positionOf(leechersOnly: boolean): number {
    return this.place + this.#nodes.countBefore(this.leaf, leechersOnly);
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
    const peers = m[leaf]! + 1;
    const leechers = leechersOf(meta);
    let place = peersOf(meta);
    if (!isSeeder) {
      // The first seeder makes room at the border.
      if (place !== leechers) this.#runs.copyPeer(peers + leechers * stride, peers + place * stride, stride);
      place = leechers;
    }
    const at = peers + place * stride;
    for (let i = 0; i < stride; i++) m[at + i] = this.key[i]!;
    m[at + stride - 1]! |= tick << 16;
    m[leaf + 1] = meta + (isSeeder ? ONE_SEEDER : ONE_LEECHER);
    this.#nodes.count(leaf, isSeeder ? 0 : 1, isSeeder ? 1 : 0);
    this.place = place;
    return true;
  }

  #makeRoom(shard: number, net: number): boolean {
    const m = this.#m;
    for (;;) {
      const { leaf } = this;
      const meta = m[leaf + 1]!;
      if (meta === 0) return this.#runs.start(shard, leaf, runMeta(0, 0, firstClass[net]!, net));
      const runClass = classOf(meta);
      if (peersOf(meta) < runCapacity[runClass]!) return true;
      if (runClass !== lastClass[net]!) return this.#runs.resize(shard, leaf, runClass + 1);
      if (!this.#nodes.divide(shard, leaf, this.level)) return false;
      this.#descend(leaf, this.#nodes.hash(this.key, peerWords[net]!));
    }
  }

  /** Moves the peer that was found across the border between leechers and seeders. */
  setSeeder(isSeeder: boolean): void {
    const m = this.#m;
    if (this.isSeeder === isSeeder) return;
    const { leaf } = this;
    const meta = m[leaf + 1]!;
    const stride = peerWords[netOfMeta(meta)]!;
    const border = leechersOf(meta) - (isSeeder ? 1 : 0);
    const a = m[leaf]! + 1 + this.place * stride;
    const b = m[leaf]! + 1 + border * stride;
    for (let i = 0; i < stride; i++) {
      const kept = m[a + i]!;
      m[a + i] = m[b + i]!;
      m[b + i] = kept;
    }
    this.place = border;
    m[leaf + 1] = meta + (isSeeder ? ONE_SEEDER - ONE_LEECHER : ONE_LEECHER - ONE_SEEDER);
    this.#nodes.count(leaf, isSeeder ? -1 : 1, isSeeder ? 1 : -1);
  }

  /** Removes the peer that was found. @returns the outermost part where that is empty now, else 0 */
  remove(shard: number): number {
    const m = this.#m;
    const { leaf } = this;
    const meta = m[leaf + 1]!;
    const stride = peerWords[netOfMeta(meta)]!;
    const peers = m[leaf]! + 1;
    const leechers = leechersOf(meta);
    const last = peersOf(meta) - 1;
    const wasSeeder = this.place >= leechers;
    let hole = this.place;
    if (!wasSeeder) {
      // The last leecher fills the hole of a leecher, and the last peer the hole that leaves.
      const lastLeecher = leechers - 1;
      if (hole !== lastLeecher) this.#runs.copyPeer(peers + lastLeecher * stride, peers + hole * stride, stride);
      hole = lastLeecher;
    }
    if (hole !== last) this.#runs.copyPeer(peers + last * stride, peers + hole * stride, stride);
    m[leaf + 1] = meta - (wasSeeder ? ONE_SEEDER : ONE_LEECHER);
    this.#nodes.count(leaf, wasSeeder ? 0 : -1, wasSeeder ? -1 : 0);
    this.place = -1;
    return this.settle(shard, leaf);
  }

  /**
   * Removes the peers of a run that are silent for more than `ttlTicks`, `max` at most. Call `settle` after it.
   *
   * @returns removed leechers, and seeders times 256
   */
  expire(leaf: number, o: { nowTick: number; ttlTicks: number; futureTicks: number; max: number }): number {
    const m = this.#m;
    const meta = m[leaf + 1]!;
    const stride = peerWords[netOfMeta(meta)]!;
    const leechers = leechersOf(meta);
    const count = peersOf(meta);
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
      if (to !== at) this.#runs.copyPeer(at, to, stride);
      to += stride;
    }
    if (goneLeechers + goneSeeders > 0) {
      m[leaf + 1] = meta - goneLeechers * ONE_LEECHER - goneSeeders * ONE_SEEDER;
      this.#nodes.count(leaf, -goneLeechers, -goneSeeders);
    }
    return goneLeechers + goneSeeders * 256;
  }

  /** Brings a run that lost peers to its size, and nodes above it that became small. @returns the outermost part if it is empty now, else 0 */
  settle(shard: number, leaf: number): number {
    const m = this.#m;
    const meta = m[leaf + 1]!;
    const net = netOfMeta(meta);
    const runClass = classOf(meta);
    const count = peersOf(meta);
    if (count === 0) {
      const run = m[leaf]!;
      m[leaf] = 0;
      m[leaf + 1] = 0;
      this.#runs.free(shard, runClass, run);
    } else if (runClass - 2 >= firstClass[net]! && count <= runCapacity[runClass - 2]!) {
      this.#runs.resize(shard, leaf, runClass - 1);
    }
    const part = this.#nodes.collapseAbove(shard, leaf, net);
    return part !== 0 && m[part + 1] === 0 ? part : 0;
  }
}

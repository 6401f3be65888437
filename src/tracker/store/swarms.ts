// Hot path: tracker-store
import type { Arena } from './arena.ts';
import {
  AT_SWARMS,
  CLASS_HEADER,
  CLASS_SPLIT,
  HEADER_DOWNLOADED,
  HEADER_PART,
  META_SPLIT,
  NET_COUNT,
  PAGE_START,
  PAGE_WORDS,
  recordWords,
  SPLIT_PARTS,
} from './layout.ts';
import { netOfMeta } from './meta.ts';
import type { SwarmIndex } from './swarm-index.ts';

/** The headers of swarms, and which part of a swarm holds the peers of a network. Every method works under the lock of the shard. */
export class Swarms {
  readonly #arena: Arena;
  readonly #m: Int32Array;
  readonly #index: SwarmIndex;
  readonly #swarmsMax: number;

  constructor(options: { arena: Arena; index: SwarmIndex; swarmsMax: number }) {
    this.#arena = options.arena;
    this.#m = options.arena.words;
    this.#index = options.index;
    this.#swarmsMax = options.swarmsMax;
  }

  /**
   * Whether half of all swarms that may be are there: empty ones are not remembered then. Three packets make one that would be for a
   * day, so a stranger could fill the store with them and keep honest torrents out.
   */
  get isCrowded(): boolean {
    return Atomics.load(this.#m, AT_SWARMS) * 2 > this.#swarmsMax;
  }

  /**
   * Adds a swarm that is not there.
   *
   * @param key the info-hash in 5 words @param tick now, in whole ticks
   * @returns its header; 0 where there is no room
   */
  add(o: { shard: number; hash: number; key: Int32Array; tick: number }): number {
    const m = this.#m;
    if (Atomics.load(m, AT_SWARMS) >= this.#swarmsMax || !this.#index.reserve(o.shard, o.hash)) return 0;
    const header = this.#arena.allocate(o.shard, CLASS_HEADER);
    if (header === 0) return 0;
    for (let i = 0; i < 5; i++) m[header + i] = o.key[i]!;
    m[header + HEADER_DOWNLOADED] = 0;
    m[header + HEADER_PART] = o.tick;
    m[header + HEADER_PART + 1] = 0;
    this.#index.add(o.shard, o.hash, header);
    Atomics.add(m, AT_SWARMS, 1);
    return header;
  }

  /** @returns the part with the network's peers; 0 where there is none; it may be empty */
  partOf(header: number, net: number): number {
    const meta = this.#m[header + HEADER_PART + 1]!;
    if ((meta & META_SPLIT) !== 0) return this.#m[header + HEADER_PART]! + SPLIT_PARTS + 2 * net;
    return meta !== 0 && netOfMeta(meta) === net ? header + HEADER_PART : 0;
  }

  /** The same, for adding a peer. @returns 0 where memory is used up */
  partFor(shard: number, header: number, net: number): number {
    const m = this.#m;
    const own = header + HEADER_PART;
    const meta = m[own + 1]!;
    if (meta === 0) return own;
    const there = this.partOf(header, net);
    if (there !== 0) return there;
    const split = this.#arena.allocate(shard, CLASS_SPLIT);
    if (split === 0) return 0;
    for (let i = 1; i < recordWords[CLASS_SPLIT]!; i++) m[split + i] = 0;
    m[split] = own;
    this.#movePart(own, split + SPLIT_PARTS + 2 * netOfMeta(meta));
    m[own] = split;
    m[own + 1] = META_SPLIT;
    return split + SPLIT_PARTS + 2 * net;
  }

  /**
   * After the last peer of a part has left: a split that is not needed goes, and a swarm that has nothing to be remembered for.
   *
   * @returns true where the swarm is gone; headers found before are not good any more then
   */
  afterEmptied(shard: number, part: number, tick: number): boolean {
    const own = part < this.#arena.pages ? part : this.#unsplit(shard, part);
    if (own === 0) return false;
    const header = own - HEADER_PART;
    if (this.#m[header + HEADER_DOWNLOADED] !== 0 && !this.isCrowded) {
      this.#m[own] = tick;
      return false;
    }
    this.forget(shard, header);
    return true;
  }

  /** Removes a swarm without peers. */
  forget(shard: number, header: number): void {
    const m = this.#m;
    this.#index.remove(shard, header);
    const moved = this.#arena.free(shard, CLASS_HEADER, header);
    Atomics.sub(m, AT_SWARMS, 1);
    if (moved === 0) return;
    this.#index.move(shard, moved, header);
    if (m[header + HEADER_PART + 1] !== 0) m[m[header + HEADER_PART]!] = header + HEADER_PART;
  }

  /** @returns the header's part where it is empty now, else 0 */
  #unsplit(shard: number, part: number): number {
    const m = this.#m;
    const size = recordWords[CLASS_SPLIT]!;
    const split = part - ((part - (part & -PAGE_WORDS) - PAGE_START) % size);
    const own = m[split]!;
    let used = 0;
    let usedCount = 0;
    for (let i = 0; i < NET_COUNT; i++) {
      const other = split + SPLIT_PARTS + 2 * i;
      if (m[other + 1] === 0) continue;
      used = other;
      usedCount++;
    }
    if (usedCount > 1) return 0;
    m[own + 1] = 0;
    if (usedCount === 1) this.#movePart(used, own);
    if (this.#arena.free(shard, CLASS_SPLIT, split) !== 0) {
      m[m[split]!] = split;
      for (let i = 0; i < NET_COUNT; i++) {
        const other = split + SPLIT_PARTS + 2 * i;
        if (m[other + 1] !== 0) m[m[other]!] = other;
      }
    }
    return usedCount === 1 ? 0 : own;
  }

  #movePart(from: number, to: number): void {
    const m = this.#m;
    m[to] = m[from]!;
    m[to + 1] = m[from + 1]!;
    m[m[to]!] = to;
  }
}

// Hot path: tracker-store
import { type Arena, classOfMark } from './arena.ts';
import { hashWords } from './keyed-hash.ts';
import {
  CLASS_NODE,
  classFor,
  META_NET_SHIFT,
  META_NODE,
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
} from './layout.ts';
import { classOf, leechersOf, netOfMeta, peersOf, runMeta, seedersOf } from './meta.ts';
import type { Runs } from './runs.ts';

/** A node with this many peers becomes a run again: well below what made it, so that nothing swings. */
const COLLAPSE_AT = 48;
/** A node and its runs: pages that making one takes at most. */
const DIVIDE_PAGES = NODE_FANOUT + 2;
/** 32 bits of hash, 4 a level. */
const LEVELS_MAX = 8;

/**
 * The trees of large swarms: a run that is full becomes a node of up to 16 runs by 4 bits of the hash of its peers, and a node with few
 * peers a run. A node knows the counts of all below it. Under the lock of the shard.
 */
export class Nodes {
  readonly #arena: Arena;
  readonly #m: Int32Array;
  readonly #runs: Runs;
  readonly #key0: number;
  readonly #key1: number;
  readonly #probe = new Int32Array(5);
  readonly #childOf = new Uint8Array(RUN_PEERS_MAX);
  readonly #nextOf = new Int32Array(NODE_FANOUT);

  constructor(options: { arena: Arena; runs: Runs }) {
    this.#arena = options.arena;
    this.#m = options.arena.words;
    this.#runs = options.runs;
    this.#key0 = options.arena.keys[2]!;
    this.#key1 = options.arena.keys[3]!;
  }

  /** @param words the peer's address and port */
  hash(words: Int32Array, stride: number): number {
    return hashWords(words, 0, stride, this.#key0, this.#key1);
  }

  /** The part of the child that peers with this hash belong to. @param level of the node */
  childAt(part: number, hash: number, level: number): number {
    return this.#m[part]! + NODE_PARTS + 2 * ((hash >>> (28 - 4 * level)) & 15);
  }

  isInNode(part: number): boolean {
    return part >= this.#arena.pages && classOfMark(this.#m[(part & -PAGE_WORDS) + 1]!) === CLASS_NODE;
  }

  /** Counts a change of a run in all nodes above it. */
  count(leaf: number, leechers: number, seeders: number): void {
    const m = this.#m;
    for (let part = leaf; this.isInNode(part); ) {
      const node = nodeOf(part);
      const child = (part - node - NODE_PARTS) >> 1;
      m[node + NODE_LEECHERS]! += leechers;
      m[node + NODE_SEEDERS]! += seeders;
      m[node + NODE_LEECHERS_OF + child]! += leechers;
      m[node + NODE_SEEDERS_OF + child]! += seeders;
      part = m[node]!;
    }
  }

  /** How many peers, or leechers, come before a run in the order of the whole tree. */
  countBefore(leaf: number, leechersOnly: boolean): number {
    const m = this.#m;
    let count = 0;
    for (let part = leaf; this.isInNode(part); ) {
      const node = nodeOf(part);
      for (let i = ((part - node - NODE_PARTS) >> 1) - 1; i >= 0; i--) {
        count += m[node + NODE_LEECHERS_OF + i]! + (leechersOnly ? 0 : m[node + NODE_SEEDERS_OF + i]!);
      }
      part = m[node]!;
    }
    return count;
  }

  /** Makes the run of a part a node. @returns false where memory or hash is used up: nothing has changed */
  divide(shard: number, part: number, level: number): boolean {
    const m = this.#m;
    if (level >= LEVELS_MAX || this.#arena.spareCount(shard) < DIVIDE_PAGES) return false;
    const meta = m[part + 1]!;
    const net = netOfMeta(meta);
    const stride = peerWords[net]!;
    const leechers = leechersOf(meta);
    const count = peersOf(meta);
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
      const childPart = node + NODE_PARTS + 2 * child;
      this.#runs.start(shard, childPart, runMeta(l, s, classFor(net, l + s), net));
      this.#nextOf[child] = m[childPart]! + 1;
    }
    // Leechers come first in the run, so they do in its children.
    for (let place = 0; place < count; place++) {
      const child = this.#childOf[place]!;
      this.#runs.copyPeer(run + 1 + place * stride, this.#nextOf[child]!, stride);
      this.#nextOf[child]! += stride;
    }
    m[part] = node;
    m[part + 1] = META_NODE | (net << META_NET_SHIFT);
    this.#runs.free(shard, classOf(meta), run);
    return true;
  }

  /**
   * Makes the nodes above a part runs, as long as they have few peers.
   *
   * @returns the outermost part, wherever it is now; 0 where a node stays, which has peers then
   */
  collapseAbove(shard: number, leaf: number, net: number): number {
    let part = leaf;
    while (this.isInNode(part)) {
      part = this.#collapse(shard, nodeOf(part), net);
      if (part === 0) return 0;
    }
    return part;
  }

  /** @returns the part that held the node; 0 where the node stays */
  #collapse(shard: number, node: number, net: number): number {
    const m = this.#m;
    const leechers = m[node + NODE_LEECHERS]!;
    const total = leechers + m[node + NODE_SEEDERS]!;
    if (total > COLLAPSE_AT) return 0;
    for (let i = 0; i < NODE_FANOUT; i++) if ((m[node + NODE_PARTS + 2 * i + 1]! & META_NODE) !== 0) return 0;
    const runClass = total === 0 ? 0 : classFor(net, total);
    let run = 0;
    m[node + NODE_NEW_RUN] = 0;
    if (total > 0) {
      run = this.#arena.allocate(shard, runClass);
      if (run === 0) return 0;
      // It is the last of its class, so freeing others may move it: the node's spare word is its owner meanwhile.
      m[run] = node + NODE_NEW_RUN;
      m[node + NODE_NEW_RUN] = run;
      this.#gather(node, run + 1, peerWords[net]!);
    }
    for (let part = node + NODE_PARTS; part < node + NODE_LEECHERS_OF; part += 2) {
      const meta = m[part + 1]!;
      if (meta === 0) continue;
      m[part + 1] = 0;
      this.#runs.free(shard, classOf(meta), m[part]!);
    }
    run = m[node + NODE_NEW_RUN]!;
    const part = this.#free(shard, node);
    if (total > 0) {
      m[run] = part;
      m[part] = run;
      m[part + 1] = runMeta(leechers, total - leechers, runClass, net);
    }
    return part;
  }

  /** Copies the peers of all runs of a node, leechers first. */
  #gather(node: number, to: number, stride: number): void {
    const m = this.#m;
    let toLeecher = to;
    let toSeeder = to + m[node + NODE_LEECHERS]! * stride;
    for (let part = node + NODE_PARTS; part < node + NODE_LEECHERS_OF; part += 2) {
      const meta = m[part + 1]!;
      if (meta === 0) continue;
      const border = leechersOf(meta) * stride;
      const end = border + seedersOf(meta) * stride;
      const peers = m[part]! + 1;
      for (let i = 0; i < border; i++) m[toLeecher++] = m[peers + i]!;
      for (let i = border; i < end; i++) m[toSeeder++] = m[peers + i]!;
    }
  }

  /** Frees a node. @returns the part that held it, empty now */
  #free(shard: number, node: number): number {
    const m = this.#m;
    const part = m[node]!;
    // Cleared first: mending a moved node must not follow it.
    m[part] = 0;
    m[part + 1] = 0;
    const moved = this.#arena.free(shard, CLASS_NODE, node);
    if (moved === 0) return part;
    m[m[node]!] = node;
    for (let other = node + NODE_PARTS; other < node + NODE_LEECHERS_OF; other += 2) {
      if (m[other + 1] !== 0) m[m[other]!] = other;
    }
    // The node that moved may be the one that holds this part.
    return part >= moved && part < moved + NODE_WORDS ? part + node - moved : part;
  }

  #hashAt(at: number, stride: number): number {
    const probe = this.#probe;
    for (let i = 0; i < stride; i++) probe[i] = this.#m[at + i]!;
    probe[stride - 1]! &= 0xffff;
    return this.hash(probe, stride);
  }
}

function nodeOf(part: number): number {
  const start = (part & -PAGE_WORDS) + PAGE_START;
  return part - ((part - start) % NODE_WORDS);
}

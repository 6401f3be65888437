// Hot path: tracker-store
import type { Arena } from './arena.ts';
import { markOf, shardOf } from './arena.ts';
import { hashInfoHash } from './keyed-hash.ts';
import {
  AT_SHARDS,
  CLASS_INDEX,
  HEADER_BITS,
  HEADER_WORDS,
  PAGE_WORDS,
  SHARD_SHIFT,
  SHARD_TABLE_DEPTH,
} from './layout.ts';

/** Slots begin here; before them: 1 mark, 0 depth of the page, 2 count. */
const SLOTS_AT = 3;
const SLOT_COUNT = PAGE_WORDS - SLOTS_AT;
/** A page with this many swarms is split; probing is short until then. */
const SPLIT_AT = 820;
/** Where a page cannot be split, nothing is added beyond this. */
const FULL_AT = 1_000;
/** Slots looked at after the first. */
const GUESSES = 8;
const NUMBER_MASK = 2 ** HEADER_BITS - 1;

/**
 * From info-hash to swarm header: extendible hashing. The upper bits of the hash choose an entry of the shard's table, that names a page;
 * in the page, linear probing. A slot is 7 bits of the hash and 25 of the header's number, so most strangers are told apart without
 * touching their header. A full page is split alone: growth never stops anybody for longer than 800 swarms take. Removing closes the gap,
 * so there are no tombstones. Pages are not merged: a page costs 5 bytes for each swarm it once held.
 *
 * Every method works under the lock of the shard.
 */
export class SwarmIndex {
  readonly #arena: Arena;
  readonly #m: Int32Array;
  readonly #tables: number;
  readonly #tableDepthMax: number;
  readonly #headers: number;
  readonly #key0: number;
  readonly #key1: number;
  readonly #kept = new Int32Array(SLOT_COUNT);
  /** Kept, or a compiler might leave out the reading. */
  touched = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#m = arena.words;
    this.#tables = arena.tables;
    this.#tableDepthMax = arena.tableDepthMax;
    this.#headers = arena.headers;
    this.#key0 = arena.keys[0]!;
    this.#key1 = arena.keys[1]!;
  }

  /** @param words 5 words of info-hash at `at` */
  hash(words: Int32Array, at: number): number {
    return hashInfoHash(words, at, this.#key0, this.#key1);
  }

  /** @param key 5 words at `at` @returns the header of the swarm, or 0 */
  find(shard: number, hash: number, key: Int32Array, at = 0): number {
    const m = this.#m;
    const page = this.pageAt(shard, hash);
    if (page === 0) return 0;
    const tag = tagOf(hash);
    for (let slot = homeOf(hash); ; slot = slot === SLOT_COUNT - 1 ? 0 : slot + 1) {
      const entry = m[page + SLOTS_AT + slot]!;
      if (entry === 0) return 0;
      if ((entry ^ tag) >>> HEADER_BITS !== 0) continue;
      const header = this.#headers + (entry & NUMBER_MASK) * HEADER_WORDS;
      if (isKeyAt(m, header, key, at)) return header;
    }
  }

  /**
   * Guesses which slots lead to swarms, and has the processor fetch those and the headers: what follows finds them at hand. One after the
   * other, every look-up would wait for memory twice; here they wait together. Needs no lock, since a guess is only believed by `findAt`.
   *
   * @param slots gets a slot address for each of `count` hashes
   */
  guess(hashes: Int32Array, count: number, slots: Int32Array): void {
    const m = this.#m;
    let touched = 0;
    for (let i = 0; i < count; i++) {
      const hash = hashes[i]!;
      const home = this.pageAt(shardOf(hash), hash) + SLOTS_AT + homeOf(hash);
      slots[i] = home;
      touched ^= m[home]!;
    }
    for (let i = 0; i < count; i++) {
      const tag = tagOf(hashes[i]!);
      const home = slots[i]!;
      let at = home;
      let entry = m[at]!;
      while (entry !== 0 && (entry ^ tag) >>> HEADER_BITS !== 0 && at < home + GUESSES) entry = m[++at]!;
      slots[i] = at;
      touched ^= m[this.headerAt(at)]!;
    }
    this.touched ^= touched;
  }

  /** The header that a slot leads to. @param slot its address */
  headerAt(slot: number): number {
    return this.#headers + (this.#m[slot]! & NUMBER_MASK) * HEADER_WORDS;
  }

  /** Does what `find` does, sooner where the slot guessed is the right one. @param slot from `guess`, or 0 */
  findAt(slot: number, shard: number, hash: number, key: Int32Array, at: number): number {
    const page = this.pageAt(shard, hash);
    const isInPage = slot >= page + SLOTS_AT && slot < page + PAGE_WORDS;
    if (isInPage && (this.#m[slot]! ^ tagOf(hash)) >>> HEADER_BITS === 0) {
      const header = this.headerAt(slot);
      if (isKeyAt(this.#m, header, key, at)) return header;
    }
    return this.find(shard, hash, key, at);
  }

  /** Makes room for one more. @returns false where there is none; nothing has changed then */
  reserve(shard: number, hash: number): boolean {
    const m = this.#m;
    for (;;) {
      const page = this.pageAt(shard, hash);
      if (page === 0) return this.#addFirstPage(shard);
      if (m[page + 2]! < SPLIT_AT) return true;
      if (!this.#split(shard, hash, page)) return m[page + 2]! < FULL_AT;
    }
  }

  /** Adds a header that is not there, after `reserve`. */
  add(shard: number, hash: number, header: number): void {
    this.#put(this.pageAt(shard, hash), hash, tagOf(hash) | this.#numberOf(header));
  }

  remove(shard: number, header: number): void {
    const m = this.#m;
    const hash = this.hash(m, header);
    const page = this.pageAt(shard, hash);
    let hole = this.#slotOf(page, hash, header);
    m[page + 2]!--;
    for (let slot = next(hole); m[page + SLOTS_AT + slot] !== 0; slot = next(slot)) {
      const entry = m[page + SLOTS_AT + slot]!;
      const home = homeOf(this.hash(m, this.#headers + (entry & NUMBER_MASK) * HEADER_WORDS));
      if (distance(home, slot) < distance(hole, slot)) continue;
      m[page + SLOTS_AT + hole] = entry;
      hole = slot;
    }
    m[page + SLOTS_AT + hole] = 0;
  }

  /** A header has moved: `header` holds it now. */
  move(shard: number, from: number, header: number): void {
    const hash = this.hash(this.#m, header);
    const page = this.pageAt(shard, hash);
    this.#m[page + SLOTS_AT + this.#slotOf(page, hash, from)] = tagOf(hash) | this.#numberOf(header);
  }

  /** @returns the page that holds swarms of this hash, or 0 */
  pageAt(shard: number, hash: number): number {
    return this.#m[this.#tableOf(shard) + (hash >>> (32 - this.#m[shard + SHARD_TABLE_DEPTH]!))]!;
  }

  /** How many upper bits of the hash all swarms of a page share. */
  depthOf(page: number): number {
    return this.#m[page]!;
  }

  /** Writes the headers of a page. @param into at least `SwarmIndex.pageSwarmsMax` long @returns how many */
  headersOf(page: number, into: Int32Array): number {
    let count = 0;
    for (let at = page + SLOTS_AT; at < page + PAGE_WORDS; at++) {
      const entry = this.#m[at]!;
      if (entry !== 0) into[count++] = this.#headers + (entry & NUMBER_MASK) * HEADER_WORDS;
    }
    return count;
  }

  static readonly pageSwarmsMax: number = FULL_AT;

  #tableOf(shard: number): number {
    return this.#tables + (((shard - AT_SHARDS) >>> SHARD_SHIFT) << this.#tableDepthMax);
  }

  #numberOf(header: number): number {
    return (header - this.#headers) / HEADER_WORDS;
  }

  #slotOf(page: number, hash: number, header: number): number {
    const entry = tagOf(hash) | this.#numberOf(header);
    let slot = homeOf(hash);
    while (this.#m[page + SLOTS_AT + slot] !== entry) slot = next(slot);
    return slot;
  }

  #put(page: number, hash: number, entry: number): void {
    const m = this.#m;
    let slot = homeOf(hash);
    while (m[page + SLOTS_AT + slot] !== 0) slot = next(slot);
    m[page + SLOTS_AT + slot] = entry;
    m[page + 2]!++;
  }

  #newPage(shard: number, depth: number): number {
    const page = this.#arena.takeSpare(shard);
    if (page !== 0) this.#clear(shard, page, depth);
    return page;
  }

  #clear(shard: number, page: number, depth: number): void {
    this.#m.fill(0, page, page + PAGE_WORDS);
    this.#m[page] = depth;
    this.#m[page + 1] = markOf(shard, CLASS_INDEX);
  }

  #addFirstPage(shard: number): boolean {
    const page = this.#newPage(shard, 0);
    if (page === 0) return false;
    this.#m.fill(page, this.#tableOf(shard), this.#tableOf(shard) + 2);
    return true;
  }

  #split(shard: number, hash: number, page: number): boolean {
    const m = this.#m;
    const depth = m[page]!;
    if (depth === this.#tableDepthMax) return false;
    const fresh = this.#newPage(shard, depth + 1);
    if (fresh === 0) return false;
    const table = this.#tableOf(shard);
    let tableDepth = m[shard + SHARD_TABLE_DEPTH]!;
    if (depth === tableDepth) {
      for (let i = 2 ** tableDepth - 1; i >= 0; i--) m[table + 2 * i] = m[table + 2 * i + 1] = m[table + i]!;
      m[shard + SHARD_TABLE_DEPTH] = ++tableDepth;
    }
    const sharing = 2 ** (tableDepth - depth);
    const first = table + Math.floor((hash >>> (32 - tableDepth)) / sharing) * sharing;
    m.fill(fresh, first + sharing / 2, first + sharing);
    const kept = this.#kept;
    kept.set(m.subarray(page + SLOTS_AT, page + PAGE_WORDS));
    this.#clear(shard, page, depth + 1);
    for (let i = 0; i < SLOT_COUNT; i++) {
      const entry = kept[i]!;
      if (entry === 0) continue;
      const h = this.hash(m, this.#headers + (entry & NUMBER_MASK) * HEADER_WORDS);
      this.#put(h << depth < 0 ? fresh : page, h, entry);
    }
    return true;
  }
}

function isKeyAt(m: Int32Array, header: number, key: Int32Array, at: number): boolean {
  return (
    m[header] === key[at] &&
    m[header + 1] === key[at + 1] &&
    m[header + 2] === key[at + 2] &&
    m[header + 3] === key[at + 3] &&
    m[header + 4] === key[at + 4]
  );
}

/** Bits 4 to 13 choose the slot (0 to 3 chose the shard), 14 to 20 are the tag; pages go by the bits from 31 down. */
function homeOf(hash: number): number {
  return (((hash >>> 4) & 1023) * SLOT_COUNT) >>> 10;
}

function tagOf(hash: number): number {
  return ((hash >>> 14) & 127) << HEADER_BITS;
}

function next(slot: number): number {
  return slot === SLOT_COUNT - 1 ? 0 : slot + 1;
}

function distance(from: number, to: number): number {
  return to >= from ? to - from : to - from + SLOT_COUNT;
}

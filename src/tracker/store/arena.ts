import { assert, readU32 } from '../../base/index.ts';
import type { TrackerLimits } from '../limits.ts';
import {
  AT_FORMAT,
  AT_HEADERS,
  AT_KEYS,
  AT_PAGES,
  AT_POOL_HEADERS,
  AT_POOL_LOCK,
  AT_POOL_PAGES,
  AT_SHARDS,
  AT_TABLE_DEPTH_MAX,
  AT_TABLES,
  CLASS_HEADER,
  PAGE_WORDS,
  planArena,
  recordStart,
  recordsPerPage,
  recordWords,
  SHARD_COUNT,
  SHARD_SPARE_COUNT,
  SHARD_SPARES,
  SHARD_TABLE_DEPTH,
  SHARD_TAILS,
  SHARD_WORDS,
  SPARES_MAX,
  SPARES_WANTED,
} from './layout.ts';
import { acquire, release } from './lock.ts';

const FORMAT = 0x45_44_53_31;

/**
 * The memory of a store: pages, and packed records in them. Layout in layout.ts. Everything but the page pools belongs to a shard, and the
 * caller holds the shard's lock.
 */
export class Arena {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly tableDepthMax: number;
  readonly tables: number;
  /** Word address of header number 0. */
  readonly headers: number;
  /** First word after the headers. */
  readonly pages: number;
  /** Keys of the hash of info-hashes (2), of peers' (2). */
  readonly keys: Int32Array;

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    assert(this.words[AT_FORMAT] === FORMAT, 'the buffer is that of a store');
    this.tableDepthMax = this.words[AT_TABLE_DEPTH_MAX]!;
    this.tables = this.words[AT_TABLES]!;
    this.headers = this.words[AT_HEADERS]!;
    this.pages = this.words[AT_PAGES]!;
    this.keys = this.words.slice(AT_KEYS, AT_KEYS + 4);
  }

  /** @param key 16 bytes, copied */
  static create(limits: Pick<TrackerLimits, 'peersMax' | 'swarmsMax'>, key: Uint8Array): Arena {
    const plan = planArena(limits);
    const buffer = new SharedArrayBuffer(plan.words * 4);
    const m = new Int32Array(buffer);
    m[AT_FORMAT] = FORMAT;
    for (let i = 0; i < 4; i++) m[AT_KEYS + i] = readU32(key, i * 4);
    m[AT_TABLE_DEPTH_MAX] = plan.tableDepthMax;
    m[AT_TABLES] = plan.tables;
    m[AT_HEADERS] = plan.headers;
    m[AT_PAGES] = plan.pages;
    m.set([plan.headers, plan.pages, 0, plan.pages, plan.words, 0], AT_POOL_HEADERS);
    for (let i = 0; i < SHARD_COUNT; i++) m[AT_SHARDS + i * SHARD_WORDS + SHARD_TABLE_DEPTH] = 1;
    return new Arena(buffer);
  }

  static attach(buffer: SharedArrayBuffer): Arena {
    return new Arena(buffer);
  }

  /** Makes sure that `SPARES_WANTED` pages are at hand. @returns false where memory is used up */
  reserve(shard: number): boolean {
    const m = this.words;
    while (m[shard + SHARD_SPARE_COUNT]! < SPARES_WANTED) {
      const page = this.#takePage(AT_POOL_PAGES);
      if (page === 0) return false;
      m[shard + SHARD_SPARES + m[shard + SHARD_SPARE_COUNT]!++] = page;
    }
    return true;
  }

  /** Bytes that have been used so far; pages that are free again are kept for the next who needs one. */
  get usedBytes(): number {
    const m = this.words;
    const headerWords = m[AT_POOL_HEADERS]! - this.headers;
    return (this.headers + headerWords + m[AT_POOL_PAGES]! - this.pages) * 4;
  }

  spareCount(shard: number): number {
    return this.words[shard + SHARD_SPARE_COUNT]!;
  }

  /** @returns a spare page, contents unknown, or 0 */
  takeSpare(shard: number): number {
    const m = this.words;
    const count = m[shard + SHARD_SPARE_COUNT]!;
    if (count === 0) return 0;
    m[shard + SHARD_SPARE_COUNT] = count - 1;
    return m[shard + SHARD_SPARES + count - 1]!;
  }

  /** @returns the address of a record, contents unknown, or 0 where memory is used up */
  allocate(shard: number, recordClass: number): number {
    const m = this.words;
    const tail = shard + SHARD_TAILS + 2 * recordClass;
    let page = m[tail]!;
    let count = m[tail + 1]!;
    if (page === 0 || count === recordsPerPage[recordClass]!) {
      const fresh = recordClass === CLASS_HEADER ? this.#takePage(AT_POOL_HEADERS) : this.takeSpare(shard);
      if (fresh === 0) return 0;
      m[fresh] = page;
      m[fresh + 1] = markOf(shard, recordClass);
      m[tail] = fresh;
      page = fresh;
      count = 0;
    }
    m[tail + 1] = count + 1;
    return page + recordStart[recordClass]! + count * recordWords[recordClass]!;
  }

  /**
   * Frees a record by moving the last of its class to its place.
   *
   * @returns where the record now at `at` was before: the caller must mend what refers to it. 0: none moved.
   */
  free(shard: number, recordClass: number, at: number): number {
    const m = this.words;
    const tail = shard + SHARD_TAILS + 2 * recordClass;
    const page = m[tail]!;
    const count = m[tail + 1]! - 1;
    const size = recordWords[recordClass]!;
    const last = page + recordStart[recordClass]! + count * size;
    if (last !== at) for (let i = 0; i < size; i++) m[at + i] = m[last + i]!;
    m[tail + 1] = count;
    if (count === 0) {
      const before = m[page]!;
      m[tail] = before;
      m[tail + 1] = before === 0 ? 0 : recordsPerPage[recordClass]!;
      m[page + 1] = 0;
      this.#givePage(shard, recordClass, page);
    }
    return last === at ? 0 : last;
  }

  #givePage(shard: number, recordClass: number, page: number): void {
    const m = this.words;
    const count = m[shard + SHARD_SPARE_COUNT]!;
    if (recordClass !== CLASS_HEADER && count < SPARES_MAX) {
      m[shard + SHARD_SPARES + count] = page;
      m[shard + SHARD_SPARE_COUNT] = count + 1;
      return;
    }
    const pool = recordClass === CLASS_HEADER ? AT_POOL_HEADERS : AT_POOL_PAGES;
    acquire(m, AT_POOL_LOCK);
    m[page] = m[pool + 2]!;
    m[pool + 2] = page;
    release(m, AT_POOL_LOCK);
  }

  /** Nothing between acquire and release can throw. @returns 0 where the pool is used up */
  #takePage(pool: number): number {
    const m = this.words;
    acquire(m, AT_POOL_LOCK);
    let page = m[pool + 2]!;
    if (page !== 0) m[pool + 2] = m[page]!;
    else if (m[pool]! + PAGE_WORDS <= m[pool + 1]!) {
      page = m[pool]!;
      m[pool] = page + PAGE_WORDS;
    }
    release(m, AT_POOL_LOCK);
    return page;
  }
}

/** Address of a shard, by the low bits of a hash. */
export function shardOf(hash: number): number {
  return AT_SHARDS + (hash & (SHARD_COUNT - 1)) * SHARD_WORDS;
}

export function markOf(shard: number, recordClass: number): number {
  return (recordClass + 1) | (shard << 8);
}

/** Class of the records of a page. */
export function classOfMark(mark: number): number {
  return (mark & 0xff) - 1;
}

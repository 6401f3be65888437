import { assert, type TorrentId } from '../base/index.ts';

/**
 * Lends the buffers that hold payload: segments of pieces on their way in, framed runs on their way out. One pool serves a session, so
 * its budget bounds the payload memory of all torrents together. No buffer left in the budget means: ask peers for less.
 *
 * Buffers are plain `ArrayBuffer`s with one owner at a time (pool -> brain -> disk -> brain -> pool). The runtime detaches a buffer that
 * moves to the disk worker, so using it after giving it away fails at once and not silently.
 */
export class PiecePool {
  readonly #budgetBytes: number;
  readonly #free = new Map<number, Uint8Array[]>();
  readonly #byBorrower = new Map<TorrentId, { bytes: number; count: number }>();
  /** Torrents whose buffers are gone for good. */
  readonly #writtenOff = new Set<TorrentId>();
  #lentBytes = 0;
  #lentCount = 0;
  #freeBytes = 0;
  #largestBytes = 0;
  #keepsFree = true;

  /** @param budgetBytes bytes lent and kept for reuse together */
  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
  }

  get lentBytes(): number {
    return this.#lentBytes;
  }
  get lentCount(): number {
    return this.#lentCount;
  }
  get budgetBytes(): number {
    return this.#budgetBytes;
  }
  /** Kept for reuse. */
  get freeBytes(): number {
    return this.#freeBytes;
  }
  /** The largest buffer that is lent, or was when there were any last. */
  get largestBytes(): number {
    return this.#largestBytes;
  }

  /** Nobody will need a buffer soon: what is free is forgotten, and so is what comes back, until somebody takes one. */
  drain(): void {
    this.#keepsFree = false;
    this.#free.clear();
    this.#freeBytes = 0;
  }

  /** True where `take(size)` would succeed. */
  hasRoom(size: number): boolean {
    // One buffer is always lent, whatever its size: a budget smaller than one piece would otherwise never download anything.
    return this.#lentBytes + size <= this.#budgetBytes || this.#lentCount === 0;
  }

  /** Bytes that one torrent has. */
  lentTo(borrower: TorrentId): number {
    return this.#byBorrower.get(borrower)?.bytes ?? 0;
  }

  /** @returns a buffer of exactly `size` bytes with arbitrary content, or undefined where the budget is used up */
  take(size: number, borrower: TorrentId): Uint8Array | undefined {
    if (!this.hasRoom(size)) return undefined;
    const buffer = this.#takeFree(size) ?? new Uint8Array(size);
    this.#keepsFree = true;
    if (this.#lentCount === 0) this.#largestBytes = 0;
    this.#largestBytes = Math.max(this.#largestBytes, size);
    this.#count(borrower, size, 1);
    return buffer;
  }

  /** Takes back a buffer (whole, not a part of it). */
  give(buffer: Uint8Array, borrower: TorrentId): void {
    const size = buffer.length;
    if (this.#writtenOff.has(borrower)) return;
    assert(this.lentTo(borrower) >= size, 'a buffer comes back only once, from whom it was lent to');
    this.#count(borrower, -size, -1);
    if (!this.#keepsFree || this.#lentBytes + this.#freeBytes + size > this.#budgetBytes) return;
    let list = this.#free.get(size);
    if (list === undefined) {
      list = [];
      this.#free.set(size, list);
    }
    list.push(buffer);
    this.#freeBytes += size;
  }

  /** What was lent to this torrent counts no more, and nothing comes back from it: nobody knows any more what it holds. */
  writeOff(borrower: TorrentId): void {
    const lent = this.#byBorrower.get(borrower);
    if (lent !== undefined) this.#count(borrower, -lent.bytes, -lent.count);
    this.#writtenOff.add(borrower);
  }

  #count(borrower: TorrentId, bytes: number, count: number): void {
    this.#lentBytes += bytes;
    this.#lentCount += count;
    const lent = this.#byBorrower.get(borrower) ?? { bytes: 0, count: 0 };
    lent.bytes += bytes;
    lent.count += count;
    if (lent.count === 0) this.#byBorrower.delete(borrower);
    else this.#byBorrower.set(borrower, lent);
  }

  /** In simulation after every event. */
  assertInvariants(): void {
    let free = 0;
    for (const [size, list] of this.#free) {
      for (const buffer of list) assert(buffer.length === size, 'buffers are kept by their size');
      assert(new Set(list).size === list.length, 'a buffer is kept once');
      free += size * list.length;
    }
    assert(free === this.#freeBytes, 'kept bytes add up');
    const isWithin = this.#lentBytes + free <= this.#budgetBytes || this.#lentCount <= 1;
    assert(isWithin, 'the pool stays within its budget');
  }

  #takeFree(size: number): Uint8Array | undefined {
    const buffer = this.#free.get(size)?.pop();
    if (buffer !== undefined) {
      this.#freeBytes -= size;
      return buffer;
    }
    // Kept buffers of other sizes make way.
    for (const [other, list] of this.#free) {
      if (this.#lentBytes + this.#freeBytes + size <= this.#budgetBytes) break;
      this.#freeBytes -= other * list.length;
      this.#free.delete(other);
    }
    return undefined;
  }
}

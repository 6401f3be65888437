import { assert, type Rng, readU16, readU32, writeU16 } from '../base/index.ts';

/** Above this many peers a run gets an index; below, looking through it is faster than hashing. */
const INDEX_FROM = 128;
const CAPACITY_MIN = 2;

/**
 * The peers of one swarm and one address family in one byte array, leechers first, then seeders:
 *
 *      0  address[4 or 16]      4 or 16  u16 port      6 or 18  u16 tick of the last announce
 *
 * Places move when others leave: a place is good until the next change. Adding, finding, changing and removing take constant time;
 * nothing here is an object per peer.
 */
export class PeerRun {
  readonly #addressBytes: 4 | 16;
  readonly #stride: number;
  readonly #seed: number;
  #bytes: Uint8Array;
  #count = 0;
  #leecherCount = 0;
  /** Open addressing, linear probing: place + 1, 0 = free. Undefined in a small run. */
  #index: Int32Array | undefined;

  /** @param options.seed unpredictable: whoever could foresee hashes could make announces slow */
  constructor(options: { addressBytes: 4 | 16; seed: number }) {
    this.#addressBytes = options.addressBytes;
    this.#stride = options.addressBytes + 4;
    this.#seed = options.seed;
    this.#bytes = new Uint8Array(CAPACITY_MIN * this.#stride);
  }

  get count(): number {
    return this.#count;
  }
  get leecherCount(): number {
    return this.#leecherCount;
  }
  get seederCount(): number {
    return this.#count - this.#leecherCount;
  }

  /** @returns the peer's place, or -1 */
  find(address: Uint8Array, port: number): number {
    const index = this.#index;
    if (index === undefined) {
      for (let place = 0; place < this.#count; place++) if (this.#isAt(place, address, port)) return place;
      return -1;
    }
    const mask = index.length - 1;
    for (let slot = this.#hash(address, 0, port) & mask; ; slot = (slot + 1) & mask) {
      const place = (index[slot] as number) - 1;
      if (place < 0) return -1;
      if (this.#isAt(place, address, port)) return place;
    }
  }

  isSeederAt(place: number): boolean {
    return place >= this.#leecherCount;
  }
  tickAt(place: number): number {
    return readU16(this.#bytes, place * this.#stride + this.#addressBytes + 2);
  }
  touch(place: number, tick: number): void {
    writeU16(this.#bytes, place * this.#stride + this.#addressBytes + 2, tick);
  }

  /** Adds a peer that is not there. */
  add(address: Uint8Array, options: { port: number; isSeeder: boolean; tick: number }): void {
    this.#reserve(this.#count + 1);
    let place = this.#count++;
    if (!options.isSeeder) {
      // The first seeder makes room at the border.
      if (place !== this.#leecherCount) this.#move(this.#leecherCount, place);
      place = this.#leecherCount++;
    }
    const at = place * this.#stride;
    this.#bytes.set(address, at);
    writeU16(this.#bytes, at + this.#addressBytes, options.port);
    writeU16(this.#bytes, at + this.#addressBytes + 2, options.tick);
    if (this.#index === undefined && this.#count > INDEX_FROM) this.#buildIndex();
    else this.#indexAdd(place);
  }

  /** Moves a peer across the border between leechers and seeders. */
  setSeeder(place: number, isSeeder: boolean): void {
    if (this.isSeederAt(place) === isSeeder) return;
    if (isSeeder) this.#swap(place, --this.#leecherCount);
    else this.#swap(place, this.#leecherCount++);
  }

  /** The last leecher fills the hole of a leecher, and the last peer the hole that leaves. Peers before `place` stay where they are. */
  remove(place: number): void {
    assert(place >= 0 && place < this.#count, 'peer to remove is there');
    this.#indexRemove(place);
    let hole = place;
    if (hole < this.#leecherCount) {
      const last = --this.#leecherCount;
      if (hole !== last) this.#move(last, hole);
      hole = last;
    }
    const last = --this.#count;
    if (hole !== last) this.#move(last, hole);
    this.#shrink();
  }

  /** How many peers could be given to this asker. @param asker its place, or -1 */
  availableTo(asker: number, leechersOnly: boolean): number {
    const pool = leechersOnly ? this.#leecherCount : this.#count;
    return asker >= 0 && asker < pool ? pool - 1 : pool;
  }

  /**
   * Copies `count` different peers, chosen at random, as address and port.
   *
   * The pool is cut into `count` parts of equal size, beginning anywhere, and one peer is drawn from each: nobody comes twice, everybody
   * is as likely, and no list of who was drawn is needed.
   *
   * @param options.count at most `availableTo` of the same asker
   * @returns the end of what was written
   */
  sample(
    rng: Rng,
    options: { asker: number; leechersOnly: boolean; count: number; into: Uint8Array; at: number },
  ): number {
    const { asker, count, into } = options;
    const bytes = this.#bytes;
    const available = this.availableTo(asker, options.leechersOnly);
    const itemBytes = this.#addressBytes + 2;
    const start = available > 0 ? rng.below(available) : 0;
    let { at } = options;
    for (let i = 0; i < count; i++) {
      const from = Math.floor((i * available) / count);
      const size = Math.floor(((i + 1) * available) / count) - from;
      // One draw of 32 bits: `below` takes two, and parts are small.
      let place = start + from + Math.floor((rng.u32() * size) / 0x1_0000_0000);
      if (place >= available) place -= available;
      if (asker >= 0 && place >= asker) place++;
      const begin = place * this.#stride;
      for (let j = 0; j < itemBytes; j++) into[at++] = bytes[begin + j] as number;
    }
    return at;
  }

  #isAt(place: number, address: Uint8Array, port: number): boolean {
    const at = place * this.#stride;
    // Last bytes first: they differ most.
    for (let i = this.#addressBytes - 1; i >= 0; i--) if (this.#bytes[at + i] !== address[i]) return false;
    return readU16(this.#bytes, at + this.#addressBytes) === port;
  }

  /** Copies a peer onto a place whose own peer is not needed there any more. */
  #move(from: number, to: number): void {
    if (this.#index !== undefined) this.#index[this.#slotOf(from)] = to + 1;
    this.#bytes.copyWithin(to * this.#stride, from * this.#stride, (from + 1) * this.#stride);
  }

  #swap(a: number, b: number): void {
    if (a === b) return;
    const index = this.#index;
    if (index !== undefined) {
      const slotA = this.#slotOf(a);
      const slotB = this.#slotOf(b);
      index[slotA] = b + 1;
      index[slotB] = a + 1;
    }
    for (let i = 0; i < this.#stride; i++) {
      const kept = this.#bytes[a * this.#stride + i] as number;
      this.#bytes[a * this.#stride + i] = this.#bytes[b * this.#stride + i] as number;
      this.#bytes[b * this.#stride + i] = kept;
    }
  }

  #reserve(count: number): void {
    const capacity = this.#bytes.length / this.#stride;
    // Half as much again: doubling would leave a quarter of the memory unused on average.
    if (count > capacity) this.#resize(Math.max(count, Math.ceil(capacity * 1.5)));
  }

  #shrink(): void {
    const capacity = this.#bytes.length / this.#stride;
    if (capacity > CAPACITY_MIN && this.#count < capacity / 4) this.#resize(Math.max(CAPACITY_MIN, this.#count * 2));
  }

  #resize(capacity: number): void {
    const bytes = new Uint8Array(capacity * this.#stride);
    bytes.set(this.#bytes.subarray(0, this.#count * this.#stride));
    this.#bytes = bytes;
    this.#index = undefined;
    if (this.#count >= INDEX_FROM) this.#buildIndex();
  }

  #buildIndex(): void {
    // As large as the capacity needs, so that it lasts until the next growth.
    let slots = 64;
    while (slots * this.#stride < this.#bytes.length * 2) slots *= 2;
    this.#index = new Int32Array(slots);
    for (let place = 0; place < this.#count; place++) this.#indexAdd(place);
  }

  #hash(b: Uint8Array, at: number, port: number): number {
    let h = this.#seed ^ port;
    for (let i = 0; i < this.#addressBytes; i += 4) {
      h = Math.imul(h ^ readU32(b, at + i), 0x85ebca6b);
      h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
      h ^= h >>> 16;
    }
    return h >>> 0;
  }

  #hashAt(place: number): number {
    const at = place * this.#stride;
    return this.#hash(this.#bytes, at, readU16(this.#bytes, at + this.#addressBytes));
  }

  #slotOf(place: number): number {
    const index = this.#index as Int32Array;
    const mask = index.length - 1;
    let slot = this.#hashAt(place) & mask;
    while (index[slot] !== place + 1) slot = (slot + 1) & mask;
    return slot;
  }

  #indexAdd(place: number): void {
    const index = this.#index;
    if (index === undefined) return;
    const mask = index.length - 1;
    let slot = this.#hashAt(place) & mask;
    while (index[slot] !== 0) slot = (slot + 1) & mask;
    index[slot] = place + 1;
  }

  /** Takes a peer out of the index and moves later ones of its chain up, so that no search ends early. Reads the peer's bytes. */
  #indexRemove(place: number): void {
    const index = this.#index;
    if (index === undefined) return;
    const mask = index.length - 1;
    let hole = this.#slotOf(place);
    for (let slot = (hole + 1) & mask; index[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#hashAt((index[slot] as number) - 1) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      index[hole] = index[slot] as number;
      hole = slot;
    }
    index[hole] = 0;
  }
}

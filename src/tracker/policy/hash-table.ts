import { assert } from '../../base/index.ts';

/** A table as it is posted to other threads: the buffer is shared, so posting costs nothing. */
export interface HashTableData {
  /** Bytes of a key, a multiple of 4. */
  readonly keyBytes: number;
  /** Slots. */
  readonly capacity: number;
  /** Two secret words: who does not know them cannot choose keys that fall together. */
  readonly seed: readonly [number, number];
  readonly buffer: SharedArrayBuffer | ArrayBuffer;
}

/** Share of slots in use, dead ones too, above which a table takes no more. */
const LOAD_MAX = 0.8;
const HEADER_WORDS = 4;
const LIVE = 0;
const USED = 1;

/**
 * Keys of a fixed length, each with a 32-bit value, in one flat buffer: a million info-hashes are 34 MB and no object.
 *
 *     header 16 bytes: live, used | values u32[capacity] | keys u8[capacity][keyBytes] | states u8[capacity]
 *
 * One thread changes it, any number read it meanwhile without a lock: a slot's key is written before its state says so, the slot of a
 * removed key is not used again until the table is rebuilt (`rebuilt`), and a value is one word. A reader sees a change within
 * nanoseconds or just misses it.
 *
 * Slots are found by HalfSipHash-1-3 (Aumasson, Bernstein) and linear probing over states: 0 = free, 1 = removed, otherwise 7 bits of hash.
 */
export class HashTable {
  readonly data: HashTableData;
  readonly #header: Uint32Array;
  readonly #values: Uint32Array;
  readonly #keys: Uint8Array;
  readonly #states: Uint8Array;
  readonly #capacity: number;
  readonly #keyBytes: number;

  /** Another view of a table, in this thread or in another. */
  constructor(data: HashTableData) {
    const { keyBytes, capacity, buffer } = data;
    this.data = data;
    this.#capacity = capacity;
    this.#keyBytes = keyBytes;
    this.#header = new Uint32Array(buffer, 0, HEADER_WORDS);
    this.#values = new Uint32Array(buffer, HEADER_WORDS * 4, capacity);
    this.#keys = new Uint8Array(buffer, (HEADER_WORDS + capacity) * 4, capacity * keyBytes);
    this.#states = new Uint8Array(buffer, (HEADER_WORDS + capacity) * 4 + capacity * keyBytes, capacity);
  }

  /**
   * @param o.count keys it has room for at least
   * @param o.isShared whether other threads will read it
   */
  static make(o: { keyBytes: number; count: number; seed: readonly [number, number]; isShared: boolean }): HashTable {
    assert(o.keyBytes % 4 === 0, 'key of whole words');
    const capacity = Math.ceil(o.count / LOAD_MAX) + 8;
    const bytes = HEADER_WORDS * 4 + capacity * (4 + o.keyBytes + 1);
    const buffer = o.isShared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
    return new HashTable({ keyBytes: o.keyBytes, capacity, seed: o.seed, buffer });
  }

  /** Keys in it. */
  get count(): number {
    return this.#header[LIVE] as number;
  }
  /** Slots, for walking over them: see `isLive`. */
  get capacity(): number {
    return this.#capacity;
  }
  /** No key can be added: take `rebuilt`. */
  get isFull(): boolean {
    return (this.#header[USED] as number) >= Math.floor(this.#capacity * LOAD_MAX);
  }
  get byteLength(): number {
    return this.data.buffer.byteLength;
  }

  /** @returns the slot of a key, -1 where there is none */
  find(bytes: Uint8Array, at: number): number {
    const hash = this.#hash(bytes, at);
    const tag = (hash & 0x7f) | 0x80;
    const states = this.#states;
    const capacity = this.#capacity;
    let slot = Math.floor((hash / 0x1_0000_0000) * capacity);
    for (let looks = 0; looks < capacity; looks++) {
      const state = states[slot] as number;
      if (state === 0) return -1;
      if (state === tag && Atomics.load(states, slot) === tag && this.#isKeyAt(slot, bytes, at)) return slot;
      if (++slot === capacity) slot = 0;
    }
    return -1;
  }

  has(bytes: Uint8Array, at: number): boolean {
    return this.find(bytes, at) >= 0;
  }

  /**
   * Adds a key that is not in it; a known one gets the value.
   *
   * @returns its slot, -1 where the table is full
   */
  add(bytes: Uint8Array, at: number, value = 0): number {
    const known = this.find(bytes, at);
    if (known >= 0) {
      Atomics.store(this.#values, known, value);
      return known;
    }
    if (this.isFull) return -1;
    const hash = this.#hash(bytes, at);
    let slot = Math.floor((hash / 0x1_0000_0000) * this.#capacity);
    while (this.#states[slot] !== 0) if (++slot === this.#capacity) slot = 0;
    const to = slot * this.#keyBytes;
    for (let i = 0; i < this.#keyBytes; i++) this.#keys[to + i] = bytes[at + i] as number;
    this.#values[slot] = value;
    Atomics.store(this.#states, slot, (hash & 0x7f) | 0x80);
    this.#header[LIVE] = this.count + 1;
    this.#header[USED] = (this.#header[USED] as number) + 1;
    return slot;
  }

  /** @returns whether it was in it */
  remove(bytes: Uint8Array, at: number): boolean {
    const slot = this.find(bytes, at);
    if (slot >= 0) this.removeAt(slot);
    return slot >= 0;
  }

  /** @param slot of a key that is in it */
  removeAt(slot: number): void {
    Atomics.store(this.#states, slot, 1);
    this.#header[LIVE] = this.count - 1;
  }

  isLive(slot: number): boolean {
    return (this.#states[slot] as number) > 1;
  }
  valueAt(slot: number): number {
    return Atomics.load(this.#values, slot);
  }
  setValueAt(slot: number, value: number): void {
    Atomics.store(this.#values, slot, value);
  }
  /** A view, good until the table is changed. */
  keyAt(slot: number): Uint8Array {
    return this.#keys.subarray(slot * this.#keyBytes, (slot + 1) * this.#keyBytes);
  }

  /** The same keys and values in a new table, without dead slots. @param count keys it has room for at least */
  rebuilt(count: number): HashTable {
    const { keyBytes, seed, buffer } = this.data;
    const isShared = !(buffer instanceof ArrayBuffer);
    const table = HashTable.make({ keyBytes, seed, isShared, count: Math.max(count, this.count) });
    for (let slot = 0; slot < this.#capacity; slot++)
      if (this.isLive(slot)) table.add(this.#keys, slot * keyBytes, this.valueAt(slot));
    return table;
  }

  /** This table, or where it takes no more keys the same in a larger one. */
  withRoom(): HashTable {
    return this.isFull ? this.rebuilt(Math.max(64, Math.ceil(this.count * 1.5))) : this;
  }

  #isKeyAt(slot: number, bytes: Uint8Array, at: number): boolean {
    const keys = this.#keys;
    const from = slot * this.#keyBytes;
    for (let i = 0; i < this.#keyBytes; i++) if (keys[from + i] !== bytes[at + i]) return false;
    return true;
  }

  #hash(b: Uint8Array, at: number): number {
    const [k0, k1] = this.data.seed;
    let v0 = k0;
    let v1 = k1;
    let v2 = 0x6c796765 ^ k0;
    let v3 = 0x74656462 ^ k1;
    const words = this.#keyBytes >>> 2;
    // One round a word, the word with the length and three rounds at the end.
    for (let i = 0; i < words + 4; i++) {
      let word = 0;
      if (i < words) {
        const p = at + i * 4;
        word =
          (b[p] as number) | ((b[p + 1] as number) << 8) | ((b[p + 2] as number) << 16) | ((b[p + 3] as number) << 24);
      } else if (i === words) word = this.#keyBytes << 24;
      else if (i === words + 1) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return (v1 ^ v3) >>> 0;
  }
}

import { assert, readU32 } from '../../base/index.ts';
import { hashInfoHash, hashWords } from '../store/keyed-hash.ts';

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

const INFO_HASH_WORDS = 5;

/**
 * Keys of a fixed length, each with a 32-bit value, in one flat buffer: a million info-hashes are 34 MB and no object.
 *
 *     header 16 bytes: live, used | values u32[capacity] | slots u8[capacity][keyBytes + 1]: key, state
 *
 * One thread changes it, any number read it meanwhile without a lock: a slot's key is written before its state says so, the slot of a
 * removed key is not used again until the table is rebuilt (`rebuilt`), and a value is one word. A reader sees a change within
 * nanoseconds or just misses it.
 *
 * Slots are found by HalfSipHash-1-3 and linear probing. States: 0 = free, 1 = removed, otherwise 7 bits of the hash. Key and state lie
 * side by side: finding a key reads one place of memory, which is what it costs.
 */
export class HashTable {
  readonly data: HashTableData;
  readonly #header: Uint32Array;
  readonly #values: Uint32Array;
  readonly #slots: Uint8Array;
  readonly #words: Int32Array;
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
    this.#slots = new Uint8Array(buffer, (HEADER_WORDS + capacity) * 4, capacity * (keyBytes + 1));
    this.#words = new Int32Array(keyBytes / 4);
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
    const slots = this.#slots;
    const keyBytes = this.#keyBytes;
    const capacity = this.#capacity;
    let slot = Math.floor((hash / 0x1_0000_0000) * capacity);
    for (let looks = 0; looks < capacity; looks++) {
      const stateAt = slot * (keyBytes + 1) + keyBytes;
      const state = slots[stateAt] as number;
      if (state === 0) return -1;
      if (state === tag && Atomics.load(slots, stateAt) === tag && this.#isKeyAt(slot, bytes, at)) return slot;
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
    const slots = this.#slots;
    const stride = this.#keyBytes + 1;
    let slot = Math.floor((hash / 0x1_0000_0000) * this.#capacity);
    while (slots[slot * stride + this.#keyBytes] !== 0) if (++slot === this.#capacity) slot = 0;
    for (let i = 0; i < this.#keyBytes; i++) slots[slot * stride + i] = bytes[at + i] as number;
    this.#values[slot] = value;
    Atomics.store(slots, slot * stride + this.#keyBytes, (hash & 0x7f) | 0x80);
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
    Atomics.store(this.#slots, slot * (this.#keyBytes + 1) + this.#keyBytes, 1);
    this.#header[LIVE] = this.count - 1;
  }

  isLive(slot: number): boolean {
    return (this.#slots[slot * (this.#keyBytes + 1) + this.#keyBytes] as number) > 1;
  }
  valueAt(slot: number): number {
    return Atomics.load(this.#values, slot);
  }
  setValueAt(slot: number, value: number): void {
    Atomics.store(this.#values, slot, value);
  }
  /** A view, good until the table is changed. */
  keyAt(slot: number): Uint8Array {
    const at = slot * (this.#keyBytes + 1);
    return this.#slots.subarray(at, at + this.#keyBytes);
  }
  /** The first four bytes of a key, as a big-endian number. */
  headAt(slot: number): number {
    return readU32(this.#slots, slot * (this.#keyBytes + 1));
  }

  /** The same keys and values in a new table, without dead slots. @param count keys it has room for at least */
  rebuilt(count: number): HashTable {
    const { keyBytes, seed, buffer } = this.data;
    const isShared = !(buffer instanceof ArrayBuffer);
    const table = HashTable.make({ keyBytes, seed, isShared, count: Math.max(count, this.count) });
    for (let slot = 0; slot < this.#capacity; slot++)
      if (this.isLive(slot)) table.add(this.#slots, slot * (keyBytes + 1), this.valueAt(slot));
    return table;
  }

  /** This table, or where it does not take `more` further keys the same in a larger one. */
  withRoom(more = 1): HashTable {
    const isRoomy = (this.#header[USED] as number) + more <= Math.floor(this.#capacity * LOAD_MAX);
    return isRoomy ? this : this.rebuilt(Math.max(64, Math.ceil(this.count * 1.5), this.count + more));
  }

  #isKeyAt(slot: number, bytes: Uint8Array, at: number): boolean {
    const slots = this.#slots;
    const from = slot * (this.#keyBytes + 1);
    for (let i = 0; i < this.#keyBytes; i++) if (slots[from + i] !== bytes[at + i]) return false;
    return true;
  }

  #hash(bytes: Uint8Array, at: number): number {
    const words = this.#words;
    for (let i = 0; i < words.length; i++) words[i] = readU32(bytes, at + i * 4);
    const [key0, key1] = this.data.seed;
    const isInfoHash = words.length === INFO_HASH_WORDS;
    return (isInfoHash ? hashInfoHash(words, 0, key0, key1) : hashWords(words, 0, words.length, key0, key1)) >>> 0;
  }
}

import { assert } from './assert.ts';

const ONES = new Uint8Array(256);
for (let i = 1; i < 256; i++) ONES[i] = (ONES[i >> 1] as number) + (i & 1);

/**
 * A set of indexes 0..size-1 in the bit order of BEP 3: index 0 is the highest bit of byte 0.
 * Keeps its count, so `count` and `isFull` cost nothing. Bytes are made when it is neither empty nor full: most peers are one of both.
 */
export class Bitfield {
  readonly size: number;
  /** Undefined: the set is empty or full, as `#count` says. */
  #bytes: Uint8Array | undefined;
  #count = 0;

  constructor(size: number) {
    this.size = size;
  }

  static full(size: number): Bitfield {
    const field = new Bitfield(size);
    field.setAll();
    return field;
  }

  /** @returns undefined where the length is not exactly ceil(size / 8) or a spare bit is set (BEP 3: drop the peer). */
  static fromBytes(size: number, bytes: Uint8Array): Bitfield | undefined {
    const field = new Bitfield(size);
    if (bytes.length !== Math.ceil(size / 8)) return undefined;
    const spare = bytes.length * 8 - size;
    if (spare > 0 && ((bytes[bytes.length - 1] as number) & ((1 << spare) - 1)) !== 0) return undefined;
    let count = 0;
    for (let i = 0; i < bytes.length; i++) count += ONES[bytes[i] as number] as number;
    field.#count = count;
    if (count > 0 && count < size) field.#bytes = new Uint8Array(bytes);
    return field;
  }

  get count(): number {
    return this.#count;
  }
  get isFull(): boolean {
    return this.#count === this.size;
  }
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  has(index: number): boolean {
    if (this.#bytes === undefined) return this.#count > 0 && index < this.size;
    return ((this.#bytes[index >> 3] as number) & (0x80 >> (index & 7))) !== 0;
  }

  /** @returns true where the index was not in the set before. */
  set(index: number): boolean {
    assert(index >= 0 && index < this.size, 'bitfield index in range');
    if (this.#bytes === undefined && this.#count > 0) return false;
    const bytes = this.#own();
    const at = index >> 3;
    const mask = 0x80 >> (index & 7);
    const byte = bytes[at] as number;
    if ((byte & mask) !== 0) return false;
    bytes[at] = byte | mask;
    this.#count++;
    if (this.#count === this.size) this.#bytes = undefined;
    return true;
  }

  /** @returns true where the index was in the set before. */
  clear(index: number): boolean {
    assert(index >= 0 && index < this.size, 'bitfield index in range');
    if (this.#bytes === undefined && this.#count === 0) return false;
    const bytes = this.#own();
    const at = index >> 3;
    const mask = 0x80 >> (index & 7);
    const byte = bytes[at] as number;
    if ((byte & mask) === 0) return false;
    bytes[at] = byte & ~mask;
    this.#count--;
    if (this.#count === 0) this.#bytes = undefined;
    return true;
  }

  setAll(): void {
    this.#bytes = undefined;
    this.#count = this.size;
  }

  clearAll(): void {
    this.#bytes = undefined;
    this.#count = 0;
  }

  /** First index >= from that is in the set, or -1. */
  nextSet(from: number): number {
    if (this.#bytes === undefined) return this.#count > 0 && from < this.size ? from : -1;
    for (let i = from; i < this.size; ) {
      const byte = this.#bytes[i >> 3] as number;
      if (byte === 0) {
        i = (i | 7) + 1;
        continue;
      }
      if ((byte & (0x80 >> (i & 7))) !== 0) return i;
      i++;
    }
    return -1;
  }

  /** First index >= from that is in this set and in `other` (of the same size), or -1. */
  nextShared(other: Bitfield, from: number): number {
    if (this.isFull) return other.nextSet(from);
    if (other.isFull) return this.nextSet(from);
    if (this.isEmpty || other.isEmpty) return -1;
    const mine = this.#bytes as Uint8Array;
    const theirs = other.#bytes as Uint8Array;
    for (let i = from; i < this.size; ) {
      const byte = (mine[i >> 3] as number) & (theirs[i >> 3] as number);
      if (byte === 0) i = (i | 7) + 1;
      else if ((byte & (0x80 >> (i & 7))) !== 0) return i;
      else i++;
    }
    return -1;
  }

  /** First index >= from that is not in the set, or -1. */
  nextClear(from: number): number {
    if (this.#bytes === undefined) return this.#count === 0 && from < this.size ? from : -1;
    for (let i = from; i < this.size; ) {
      const byte = this.#bytes[i >> 3] as number;
      if (byte === 0xff) {
        i = (i | 7) + 1;
        continue;
      }
      if ((byte & (0x80 >> (i & 7))) === 0) return i;
      i++;
    }
    return -1;
  }

  /** True where `other` (of the same size) has an index that this set lacks. */
  lacksAnyOf(other: Bitfield): boolean {
    if (other.#count > this.#count) return true;
    if (this.isFull || other.isEmpty) return false;
    const mine = this.#bytes as Uint8Array;
    const theirs = other.#bytes as Uint8Array;
    for (let i = 0; i < mine.length; i++) {
      if (((theirs[i] as number) & ~(mine[i] as number)) !== 0) return true;
    }
    return false;
  }

  /** True where the two sets (of the same size) share an index. */
  meets(other: Bitfield): boolean {
    if (this.isEmpty || other.isEmpty) return false;
    if (this.isFull || other.isFull) return true;
    const mine = this.#bytes as Uint8Array;
    const theirs = other.#bytes as Uint8Array;
    for (let i = 0; i < mine.length; i++) {
      if (((theirs[i] as number) & (mine[i] as number)) !== 0) return true;
    }
    return false;
  }

  /** What this set has and `other` (of the same size) lacks. */
  without(other: Bitfield): Bitfield {
    if (this.isEmpty || other.isEmpty) return this.clone();
    const left = new Bitfield(this.size);
    if (other.isFull) return left;
    const bytes = this.#bytes?.slice() ?? this.#fill();
    const theirs = other.#bytes as Uint8Array;
    let count = 0;
    for (let i = 0; i < bytes.length; i++) {
      const byte = (bytes[i] as number) & ~(theirs[i] as number);
      bytes[i] = byte;
      count += ONES[byte] as number;
    }
    left.#count = count;
    if (count > 0) left.#bytes = bytes;
    return left;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let i = this.nextSet(0); i >= 0; i = this.nextSet(i + 1)) yield i;
  }

  clone(): Bitfield {
    const copy = new Bitfield(this.size);
    copy.#bytes = this.#bytes?.slice();
    copy.#count = this.#count;
    return copy;
  }

  /** A copy in wire order, spare bits zero. */
  toBytes(): Uint8Array {
    return this.#bytes?.slice() ?? this.#fill();
  }

  /** Bytes that can be changed. */
  #own(): Uint8Array {
    this.#bytes ??= this.#fill();
    return this.#bytes;
  }

  #fill(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(this.size / 8));
    if (this.#count === 0) return bytes;
    bytes.fill(0xff);
    const spare = bytes.length * 8 - this.size;
    if (spare > 0) bytes[bytes.length - 1] = (0xff << spare) & 0xff;
    return bytes;
  }
}

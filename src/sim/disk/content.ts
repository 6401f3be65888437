import { seededRng } from '../../base/index.ts';

/** Unit in which content is made; each page differs from all others. */
const PAGE_BYTES = 4096;
const TABLE_BYTES = 262_144;

/**
 * The bytes of a made-up torrent as a function of (seed, offset in torrent space): 100 GB cost no memory. Pads and gaps are zeros.
 *
 * A page is a stretch of one random table, beginning at a place that depends on the page's number, with the number itself in front:
 * copying is faster than computing, and no two pages are equal.
 */
export class Content {
  readonly seed: number;
  readonly #table: Uint8Array;
  readonly #words: Uint32Array;
  readonly #page = new Uint32Array(PAGE_BYTES / 4);
  readonly #pageBytes: Uint8Array;
  /** Runs of torrent space that belong to no file, ascending. */
  #gaps: { readonly from: number; readonly to: number }[] = [];

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#table = seededRng(seed).bytes(TABLE_BYTES);
    this.#words = new Uint32Array(this.#table.buffer);
    this.#pageBytes = new Uint8Array(this.#page.buffer);
  }

  /** Says where files lie; before that, everything is content. */
  layOut(info: {
    /** Ascending by offset. */
    readonly files: readonly { readonly offset: number; readonly length: number }[];
    readonly pieceCount: number;
    readonly pieceLength: number;
  }): void {
    this.#gaps = [];
    let at = 0;
    for (const file of info.files) {
      if (file.length === 0) continue;
      if (file.offset > at) this.#gaps.push({ from: at, to: file.offset });
      at = file.offset + file.length;
    }
    const end = info.pieceCount * info.pieceLength;
    if (at < end) this.#gaps.push({ from: at, to: end });
  }

  /** Fills `into` with the bytes from `offset` of torrent space on. */
  read(offset: number, into: Uint8Array): void {
    let at = 0;
    while (at < into.length) {
      const page = Math.floor((offset + at) / PAGE_BYTES);
      const from = offset + at - page * PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - from, into.length - at);
      const start = this.#place(page);
      into.set(this.#table.subarray(start + from, start + from + length), at);
      for (let i = from; i < 8 && i < from + length; i++) into[at + i - from] = this.#headByte(page, i);
      at += length;
    }
    this.#eachGap(offset, into.length, (begin, end) => into.fill(0, begin, end));
  }

  /** Whether `bytes` are what lies at `offset`. */
  equals(offset: number, bytes: Uint8Array): boolean {
    if (offset % 4 === 0 && bytes.byteOffset % 4 === 0 && !this.#meetsGap(offset, bytes.length)) {
      return this.#equalWords(offset, bytes);
    }
    const expected = new Uint8Array(Math.min(bytes.length, PAGE_BYTES));
    for (let at = 0; at < bytes.length; at += expected.length) {
      const length = Math.min(expected.length, bytes.length - at);
      this.read(offset + at, expected.subarray(0, length));
      for (let i = 0; i < length; i++) if (bytes[at + i] !== expected[i]) return false;
    }
    return true;
  }

  #equalWords(offset: number, bytes: Uint8Array): boolean {
    const wordCount = bytes.length >> 2;
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, wordCount);
    let at = 0;
    while (at < wordCount) {
      const page = Math.floor((offset + at * 4) / PAGE_BYTES);
      const from = (offset + at * 4 - page * PAGE_BYTES) >> 2;
      const length = Math.min(PAGE_BYTES / 4 - from, wordCount - at);
      const start = this.#place(page) >> 2;
      let i = 0;
      for (; from + i < 2 && i < length; i++) if (words[at + i] !== this.#headWord(page, from + i)) return false;
      for (; i < length; i++) if (words[at + i] !== this.#words[start + from + i]) return false;
      at += length;
    }
    const tail = bytes.length & 3;
    if (tail === 0) return true;
    const last = this.#pageBytes.subarray(0, tail);
    this.read(offset + wordCount * 4, last);
    for (let i = 0; i < tail; i++) if (bytes[wordCount * 4 + i] !== last[i]) return false;
    return true;
  }

  /** Where in the table a page begins; a multiple of 4. */
  #place(page: number): number {
    let z = Math.imul((page % 0x1_0000_0000) ^ this.seed, 0x9e3779b1);
    z = Math.imul(z ^ (z >>> 15), 0x85ebca77);
    return (((z ^ (z >>> 13)) >>> 0) % ((TABLE_BYTES - PAGE_BYTES) / 4)) * 4;
  }

  #headWord(page: number, word: number): number {
    return word === 0 ? page >>> 0 : (this.seed ^ Math.floor(page / 0x1_0000_0000)) >>> 0;
  }

  #headByte(page: number, i: number): number {
    return (this.#headWord(page, i >> 2) >>> ((i & 3) * 8)) & 255;
  }

  #meetsGap(offset: number, length: number): boolean {
    return this.#gaps.length > 0 && this.#gaps.some((gap) => gap.from < offset + length && gap.to > offset);
  }

  #eachGap(offset: number, length: number, visit: (begin: number, end: number) => void): void {
    for (const gap of this.#gaps) {
      if (gap.from >= offset + length) return;
      if (gap.to > offset) visit(Math.max(0, gap.from - offset), Math.min(length, gap.to - offset));
    }
  }
}

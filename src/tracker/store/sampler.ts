// Hot path: tracker-store
import type { Rng } from '../../base/index.ts';
import { META_NODE, NODE_FANOUT, NODE_LEECHERS_OF, NODE_PARTS, NODE_SEEDERS_OF, peerWords } from './layout.ts';

/** A sample of at least `WINDOWED_FROM` out of at least twice as many is taken from this many places. */
const WINDOWS = 4;
const WINDOWED_FROM = 8;
const TWO_32 = 0x1_0000_0000;
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Chooses peers at random and writes them as they are on the wire.
 *
 * All peers of a part have an order: runs as they stand, in a tree one after the other by hash. A sample is four windows into that order,
 * evenly apart, beginning anywhere, without the asker: everybody is exactly as likely, whatever the order is, and nobody comes twice. What
 * it is not is independent: neighbours come together. Where windows begin is drawn anew for every answer.
 */
export class Sampler {
  readonly #m: Int32Array;
  readonly #rng: Rng;
  #out: Uint8Array = new Uint8Array(0);
  /** The same bytes, where they are aligned for it; made when a front end uses the same buffer a second time. */
  #halves: Uint16Array | undefined;
  #words: Int32Array | undefined;
  #at = 0;
  #stride = 2;

  constructor(options: { words: Int32Array; rng: Rng }) {
    this.#m = options.words;
    this.#rng = options.rng;
  }

  /** Where the next sample is written. */
  begin(out: Uint8Array, at: number): void {
    if (out !== this.#out) {
      this.#out = out;
      this.#halves = undefined;
      this.#words = undefined;
    } else if (this.#halves === undefined && isLittleEndian && (out.byteOffset & 1) === 0) {
      this.#halves = new Uint16Array(out.buffer, out.byteOffset, out.length >> 1);
      if ((out.byteOffset & 3) === 0) this.#words = new Int32Array(out.buffer, out.byteOffset, out.length >> 2);
    }
    this.#at = at;
  }

  /**
   * @param o.pool peers in all, of the kind that may be given; the asker among them, where `asker` is its position
   * @param o.asker position in the order of the part, or -1
   * @param o.count at most as many as there are without the asker
   */
  take(o: { part: number; net: number; leechersOnly: boolean; pool: number; asker: number; count: number }): void {
    const { part, leechersOnly, asker, count } = o;
    if (count === 0) return;
    this.#stride = peerWords[o.net]!;
    const available = asker >= 0 ? o.pool - 1 : o.pool;
    const windows = count >= WINDOWED_FROM && available >= 2 * count ? WINDOWS : 1;
    const start = count === available ? 0 : Math.floor((this.#rng.u32() * available) / TWO_32);
    for (let i = 0; i < windows; i++) {
      const length = Math.floor(((i + 1) * count) / windows) - Math.floor((i * count) / windows);
      let from = start + Math.floor((i * available) / windows);
      if (from >= available) from -= available;
      const first = Math.min(length, available - from);
      this.#takeAround(part, leechersOnly, from, first, asker);
      if (first < length) this.#takeAround(part, leechersOnly, 0, length - first, asker);
    }
  }

  /** Positions without the asker to positions with it. */
  #takeAround(part: number, leechersOnly: boolean, from: number, count: number, asker: number): void {
    if (asker < 0 || from + count <= asker) this.#takeRange(part, leechersOnly, from, count);
    else if (from >= asker) this.#takeRange(part, leechersOnly, from + 1, count);
    else {
      this.#takeRange(part, leechersOnly, from, asker - from);
      this.#takeRange(part, leechersOnly, asker + 1, from + count - asker);
    }
  }

  #takeRange(part: number, leechersOnly: boolean, from: number, count: number): void {
    const m = this.#m;
    if ((m[part + 1]! & META_NODE) === 0) {
      const run = m[part]! + 1;
      if (this.#stride === 2) this.#pack2(run + from * 2, count);
      else this.#pack5(run + from * 5, count);
      return;
    }
    const node = m[part]!;
    let skip = from;
    let missing = count;
    for (let i = 0; i < NODE_FANOUT && missing > 0; i++) {
      const size = m[node + NODE_LEECHERS_OF + i]! + (leechersOnly ? 0 : m[node + NODE_SEEDERS_OF + i]!);
      if (skip >= size) {
        skip -= size;
        continue;
      }
      const taken = Math.min(missing, size - skip);
      this.#takeRange(node + NODE_PARTS + 2 * i, leechersOnly, skip, taken);
      missing -= taken;
      skip = 0;
    }
  }

  /** 8 bytes a peer to 6. */
  #pack2(start: number, count: number): void {
    const m = this.#m;
    const end = start + count * 2;
    const halves = this.#halves;
    const words = this.#words;
    let from = start;
    if (words !== undefined && (this.#at & 3) === 0) {
      // Two peers are three words.
      const pairsEnd = start + (count & ~1) * 2;
      let to = this.#at >> 2;
      for (; from < pairsEnd; from += 4) {
        const address = m[from + 2]!;
        words[to] = m[from]!;
        words[to + 1] = (m[from + 1]! & 0xffff) | (address << 16);
        words[to + 2] = (address >>> 16) | (m[from + 3]! << 16);
        to += 3;
      }
      this.#at = to * 4;
    }
    if (halves !== undefined && (this.#at & 1) === 0) {
      let to = this.#at >> 1;
      for (let at = from; at < end; at += 2) {
        const address = m[at]!;
        halves[to] = address;
        halves[to + 1] = address >>> 16;
        halves[to + 2] = m[at + 1]!;
        to += 3;
      }
      this.#at = to * 2;
      return;
    }
    for (let at = from; at < end; at += 2) {
      this.#put(m[at]!, 4);
      this.#put(m[at + 1]!, 2);
    }
  }

  /** 20 bytes a peer to 18. */
  #pack5(from: number, count: number): void {
    const m = this.#m;
    const end = from + count * 5;
    const halves = this.#halves;
    const isAligned = halves !== undefined && (this.#at & 1) === 0;
    for (let at = from; at < end; at += 5) {
      if (isAligned) {
        const to = this.#at >> 1;
        for (let i = 0; i < 4; i++) {
          halves[to + 2 * i] = m[at + i]!;
          halves[to + 2 * i + 1] = m[at + i]! >>> 16;
        }
        halves[to + 8] = m[at + 4]!;
        this.#at += 18;
      } else {
        for (let i = 0; i < 4; i++) this.#put(m[at + i]!, 4);
        this.#put(m[at + 4]!, 2);
      }
    }
  }

  #put(word: number, byteCount: number): void {
    for (let i = 0; i < byteCount; i++) this.#out[this.#at++] = word >>> (8 * i);
  }
}

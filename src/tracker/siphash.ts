// Hot path: tracker-udp
import { readWordLe } from '../base/index.ts';

/**
 * SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash of short inputs, unforgeable without the key, in 32-bit halves because JavaScript
 * has no fast 64-bit integers. Words are little-endian.
 */
export class SipHash {
  readonly #k0: number;
  readonly #k1: number;
  readonly #k2: number;
  readonly #k3: number;
  /** First and second half of the last hash, as little-endian words: the first byte of the hash is the lowest of `low`. */
  low = 0;
  high = 0;

  /** @param key 16 unpredictable bytes, copied */
  constructor(key: Uint8Array) {
    this.#k0 = readWordLe(key, 0);
    this.#k1 = readWordLe(key, 4);
    this.#k2 = readWordLe(key, 8);
    this.#k3 = readWordLe(key, 12);
  }

  /**
   * Writes the 8 bytes of the hash of `data`.
   *
   * @param into at least `at` + 8 bytes long, may be `data` itself
   */
  hash(data: Uint8Array, into: Uint8Array, at: number): void {
    const words = new Int32Array((data.length >>> 3) * 2 + 2);
    for (let i = 0; i < data.length; i++)
      words[i >>> 2] = (words[i >>> 2] as number) | ((data[i] as number) << ((i & 3) * 8));
    words[words.length - 1] = (words[words.length - 1] as number) | ((data.length & 0xff) << 24);
    this.hashWords(words);
    for (let i = 0; i < 4; i++) {
      into[at + i] = this.low >>> (i * 8);
      into[at + 4 + i] = this.high >>> (i * 8);
    }
  }

  /**
   * Hashes an input that stands in 32-bit words already; the hash is in `low` and `high`.
   *
   * @param words an even number; the top byte of the last one is the length of the input in bytes, modulo 256
   */
  hashWords(words: Int32Array): void {
    // The four 64-bit words of the state in halves: `a` to `d`, each low half first. Local variables stay in registers.
    let a0 = this.#k0 ^ 0x70736575;
    let a1 = this.#k1 ^ 0x736f6d65;
    let b0 = this.#k2 ^ 0x6e646f6d;
    let b1 = this.#k3 ^ 0x646f7261;
    let c0 = this.#k0 ^ 0x6e657261;
    let c1 = this.#k1 ^ 0x6c796765;
    let d0 = this.#k2 ^ 0x79746573;
    let d1 = this.#k3 ^ 0x74656462;
    let t = 0;
    const length = words.length;
    // Two rounds a word, and four at the end, where the message word is 0 and the state has been marked.
    for (let i = 0; i <= length + 2; i += 2) {
      const isWord = i < length;
      const m0 = isWord ? (words[i] as number) : 0;
      const m1 = isWord ? (words[i + 1] as number) : 0;
      d0 ^= m0;
      d1 ^= m1;
      if (i === length) c0 ^= 0xff;
      for (let round = 0; round < 2; round++) {
        // a += b; b = rotl(b, 13) ^ a; a = rotl(a, 32). The carry is got without a branch: nobody could predict it.
        t = (a0 + b0) | 0;
        a1 = (a1 + b1 + (((a0 & b0) | ((a0 | b0) & ~t)) >>> 31)) | 0;
        a0 = t;
        t = ((b0 << 13) | (b1 >>> 19)) ^ a0;
        b1 = ((b1 << 13) | (b0 >>> 19)) ^ a1;
        b0 = t;
        t = a0;
        a0 = a1;
        a1 = t;
        // c += d; d = rotl(d, 16) ^ c
        t = (c0 + d0) | 0;
        c1 = (c1 + d1 + (((c0 & d0) | ((c0 | d0) & ~t)) >>> 31)) | 0;
        c0 = t;
        t = ((d0 << 16) | (d1 >>> 16)) ^ c0;
        d1 = ((d1 << 16) | (d0 >>> 16)) ^ c1;
        d0 = t;
        // a += d; d = rotl(d, 21) ^ a
        t = (a0 + d0) | 0;
        a1 = (a1 + d1 + (((a0 & d0) | ((a0 | d0) & ~t)) >>> 31)) | 0;
        a0 = t;
        t = ((d0 << 21) | (d1 >>> 11)) ^ a0;
        d1 = ((d1 << 21) | (d0 >>> 11)) ^ a1;
        d0 = t;
        // c += b; b = rotl(b, 17) ^ c; c = rotl(c, 32)
        t = (c0 + b0) | 0;
        c1 = (c1 + b1 + (((c0 & b0) | ((c0 | b0) & ~t)) >>> 31)) | 0;
        c0 = t;
        t = ((b0 << 17) | (b1 >>> 15)) ^ c0;
        b1 = ((b1 << 17) | (b0 >>> 15)) ^ c1;
        b0 = t;
        t = c0;
        c0 = c1;
        c1 = t;
      }
      a0 ^= m0;
      a1 ^= m1;
    }
    this.low = a0 ^ b0 ^ c0 ^ d0;
    this.high = a1 ^ b1 ^ c1 ^ d1;
  }
}

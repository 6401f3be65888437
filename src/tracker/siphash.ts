import { readU32, writeU32 } from '../base/index.ts';

/**
 * SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash of short inputs, unforgeable without the key, in 32-bit halves because JavaScript
 * has no fast 64-bit integers. Words are little-endian.
 */
export class SipHash {
  readonly #key = new Uint32Array(4);
  /** Four 64-bit words, low half first. Reused: a hash allocates nothing. */
  readonly #v = new Uint32Array(8);

  /** @param key 16 unpredictable bytes, copied */
  constructor(key: Uint8Array) {
    for (let i = 0; i < 4; i++) this.#key[i] = readU32Le(key, i * 4);
  }

  /**
   * Writes the 8 bytes of the hash of `data`.
   *
   * @param into at least `at` + 8 bytes long, may be `data` itself
   */
  hash(data: Uint8Array, into: Uint8Array, at: number): void {
    const v = this.#v;
    const [k0, k1, k2, k3] = this.#key as unknown as [number, number, number, number];
    v[0] = k0 ^ 0x70736575;
    v[1] = k1 ^ 0x736f6d65;
    v[2] = k2 ^ 0x6e646f6d;
    v[3] = k3 ^ 0x646f7261;
    v[4] = k0 ^ 0x6e657261;
    v[5] = k1 ^ 0x6c796765;
    v[6] = k2 ^ 0x79746573;
    v[7] = k3 ^ 0x74656462;
    const wholeBytes = data.length & ~7;
    for (let i = 0; i < wholeBytes; i += 8) absorb(v, readU32Le(data, i), readU32Le(data, i + 4));
    // The last word holds the rest of the data and, in its top byte, the length.
    let low = 0;
    let high = (data.length & 0xff) << 24;
    for (let i = wholeBytes; i < data.length; i++) {
      const shift = (i & 3) * 8;
      if (i - wholeBytes < 4) low |= (data[i] as number) << shift;
      else high |= (data[i] as number) << shift;
    }
    absorb(v, low, high);
    v[4] = (v[4] as number) ^ 0xff;
    for (let i = 0; i < 4; i++) round(v);
    writeU32Le(into, at, (v[0] as number) ^ (v[2] as number) ^ (v[4] as number) ^ (v[6] as number));
    writeU32Le(into, at + 4, (v[1] as number) ^ (v[3] as number) ^ (v[5] as number) ^ (v[7] as number));
  }
}

function absorb(v: Uint32Array, low: number, high: number): void {
  v[6] = (v[6] as number) ^ low;
  v[7] = (v[7] as number) ^ high;
  round(v);
  round(v);
  v[0] = (v[0] as number) ^ low;
  v[1] = (v[1] as number) ^ high;
}

function round(v: Uint32Array): void {
  add(v, 0, 2);
  add(v, 4, 6);
  rotateXor(v, 2, 13, 0);
  rotateXor(v, 6, 16, 4);
  swapHalves(v, 0);
  add(v, 4, 2);
  add(v, 0, 6);
  rotateXor(v, 2, 17, 4);
  rotateXor(v, 6, 21, 0);
  swapHalves(v, 4);
}

/** v[a] += v[b], 64 bits. */
function add(v: Uint32Array, a: number, b: number): void {
  const low = (v[a] as number) + (v[b] as number);
  v[a + 1] = (v[a + 1] as number) + (v[b + 1] as number) + (low > 0xffff_ffff ? 1 : 0);
  v[a] = low;
}

/** v[a] = rotateLeft(v[a], bits) ^ v[b]; bits below 32. */
function rotateXor(v: Uint32Array, a: number, bits: number, b: number): void {
  const low = v[a] as number;
  const high = v[a + 1] as number;
  v[a] = ((low << bits) | (high >>> (32 - bits))) ^ (v[b] as number);
  v[a + 1] = ((high << bits) | (low >>> (32 - bits))) ^ (v[b + 1] as number);
}

/** Rotation by 32 bits. */
function swapHalves(v: Uint32Array, a: number): void {
  const low = v[a] as number;
  v[a] = v[a + 1] as number;
  v[a + 1] = low;
}

function readU32Le(b: Uint8Array, at: number): number {
  const big = readU32(b, at);
  return swapBytes(big);
}

function writeU32Le(b: Uint8Array, at: number, value: number): void {
  writeU32(b, at, swapBytes(value));
}

function swapBytes(x: number): number {
  return ((x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0;
}

/**
 * HalfSipHash-1-3 (Aumasson, Bernstein: the 32-bit SipHash) of whole words. Info-hashes and addresses are chosen by strangers: without the
 * key nobody can foresee which of them collide. The length is not part of it, so one key is for inputs of one length.
 */
export function hashWords(words: Int32Array, at: number, count: number, key0: number, key1: number): number {
  let v0 = key0;
  let v1 = key1;
  let v2 = 0x6c796765 ^ key0;
  let v3 = 0x74656462 ^ key1;
  for (let i = 0; i < count + 3; i++) {
    let m = 0;
    if (i < count) m = words[at + i]!;
    else if (i === count) v2 ^= 0xff;
    v3 ^= m;
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
    v0 ^= m;
  }
  return v1 ^ v3;
}

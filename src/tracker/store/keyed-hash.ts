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

/**
 * A keyed hash of the 5 words of an info-hash, a third as dear as HalfSipHash: a multiplication and a fold a word, in two lanes that a
 * processor works on at once. Its result is seen by nobody, and what could be forced without the key is little: differences of the
 * highest bits cross a multiplication unchanged, so of any info-hash a handful of others can be made that collide with it, and one page
 * of the index has room for hundreds.
 */
export function hashInfoHash(words: Int32Array, at: number, key0: number, key1: number): number {
  let a = Math.imul(words[at]! ^ key0, 0x9e3779b1);
  let b = Math.imul(words[at + 1]! ^ key1, 0x85ebca6b);
  a = Math.imul((a ^ (a >>> 15)) + words[at + 2]!, 0xc2b2ae35 ^ (key1 << 1));
  b = Math.imul((b ^ (b >>> 13)) + words[at + 3]!, 0x27d4eb2f ^ (key0 << 1));
  a = Math.imul((a ^ (a >>> 16)) + words[at + 4]!, 0x165667b1);
  let h = a + ((b << 7) | (b >>> 25)) + key0;
  h = Math.imul(h ^ (h >>> 15), 0x85ebca77);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae3d);
  return h ^ (h >>> 16);
}

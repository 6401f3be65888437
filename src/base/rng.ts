/** The only source of chance in pure rooms; every draw comes from a seed, so a run can be repeated. */
export interface Rng {
  /** Uniform in 0 .. 2^32 - 1. */
  u32(): number;
  /** Uniform in 0 .. below - 1; `below` is 1 .. 2^32. */
  below(below: number): number;
  /** Uniform in [0, 1). */
  unit(): number;
  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<T>(items: T[]): T[];
  bytes(length: number): Uint8Array;
  /** An independent generator whose stream depends only on this one's seed and `label`. */
  fork(label: string): Rng;
}

/** xoshiro128** seeded by splitmix32. Not for secrets. */
export function seededRng(seed: number): Rng {
  return new Xoshiro(seed >>> 0);
}

class Xoshiro implements Rng {
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    this.#seed = seed;
    let s = seed;
    const split = () => {
      s = (s + 0x9e3779b9) | 0;
      let z = s ^ (s >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z ^= z >>> 15;
      z = Math.imul(z, 0x735a2d97);
      return (z ^ (z >>> 15)) | 0;
    };
    this.#a = split();
    this.#b = split();
    this.#c = split();
    this.#d = split() | 1;
  }

  u32(): number {
    const x = Math.imul(this.#b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  below(below: number): number {
    return Math.floor(this.unit() * below);
  }

  unit(): number {
    return (this.u32() * 0x20_0000 + (this.u32() >>> 11)) / 0x20_0000_0000_0000;
  }

  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const t = items[i] as T;
      items[i] = items[j] as T;
      items[j] = t;
    }
    return items;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = this.u32() >>> 24;
    return out;
  }

  fork(label: string): Rng {
    let h = this.#seed ^ 0x811c9dc5;
    for (let i = 0; i < label.length; i++) h = Math.imul(h ^ label.charCodeAt(i), 0x01000193);
    return new Xoshiro(h >>> 0);
  }
}

/** Bounds of the decoder: what one message may make us spend. */
export const limits = {
  /**
   * Containers inside each other. A BEP 52 file tree needs one level a folder plus five; the deepest seen in use is below 40.
   * Bounds the call stack of everything that walks decoded values.
   */
  depthMax: 200,
  /** Values and keys together: about 100 bytes of memory each. 50,000 files of v1 take 350,000; libtorrent allows 2,000,000 too. */
  tokensMax: 2_000_000,
  /** Digits of one integer. BEP 3 sets no limit; 64-bit values have 20, and conversion is quadratic in this. */
  intDigitsMax: 1000,
} as const;

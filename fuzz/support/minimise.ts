/**
 * Makes a failing input as short and as plain as it becomes within `triesMax` tries: stretches are left out, halves first, then single
 * bytes; then bytes become zeros, or the digit 0, or smaller.
 *
 * @param fails whether an input still fails in the same way
 */
export function minimise(input: Uint8Array, fails: (input: Uint8Array) => boolean, triesMax = 4_000): Uint8Array {
  let best = input;
  let tries = 0;
  const accept = (candidate: Uint8Array): boolean => {
    if (tries++ >= triesMax || !fails(candidate)) return false;
    best = candidate;
    return true;
  };
  let before: Uint8Array;
  do {
    before = best;
    for (let size = Math.max(1, best.length >> 1); ; size >>= 1) {
      for (let at = 0; at < best.length && tries < triesMax; ) {
        const shorter = new Uint8Array([...best.subarray(0, at), ...best.subarray(at + size)]);
        if (!accept(shorter)) at += size;
      }
      if (size <= 1) break;
    }
    for (let at = 0; at < best.length && tries < triesMax; at++) {
      for (const plain of [0, 0x30, best[at]! >> 1, best[at]! - 1]) {
        if (plain < 0 || plain >= best[at]!) continue;
        const changed = best.slice();
        changed[at] = plain;
        if (accept(changed)) break;
      }
    }
  } while (best !== before && tries < triesMax);
  return best;
}

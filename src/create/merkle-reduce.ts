import { hash } from 'node:crypto';

/** Roots of subtrees without data: [0] is the zero leaf, [n] the root over 2^n of them (BEP 52). */
const zeroRoots: Buffer[] = [Buffer.alloc(32)];

function zeroRoot(level: number): Buffer {
  while (zeroRoots.length <= level) {
    const below = zeroRoots.at(-1) as Buffer;
    zeroRoots.push(hash('sha256', Buffer.concat([below, below]), 'buffer'));
  }
  return zeroRoots[level] as Buffer;
}

/**
 * Root over `count` nodes of 32 bytes that begin `nodes`, as if zero leaves filled the level up to the next power of two of `width`.
 *
 * @param nodes overwritten: its upper levels take the place of the lower ones; `count` nodes, and one more where `count` is odd, must fit
 * @param level what a node stands for: 0 leaves; n roots over 2^n leaves (a piece layer)
 * @returns a view of the first node
 */
export function reduceLeaves(nodes: Buffer, count: number, width: number, level = 0): Uint8Array {
  let left = count;
  let wide = 1;
  while (wide < width) wide *= 2;
  for (let height = level; wide > 1; wide /= 2, height++) {
    if (left % 2 === 1) {
      nodes.set(zeroRoot(height), left * 32);
      left++;
    }
    left /= 2;
    for (let i = 0; i < left; i++) nodes.set(hash('sha256', nodes.subarray(i * 64, i * 64 + 64), 'buffer'), i * 32);
  }
  return nodes.subarray(0, 32);
}

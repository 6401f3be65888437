// Hot path: read-run
import { assert } from '../../base/index.ts';
import { BLOCK_LENGTH } from '../../metainfo/index.ts';
import type { blockHeaderBytes } from '../../wire/index.ts';

/** By value, since the worker would have to load all of `wire` for it. */
const headerBytes: typeof blockHeaderBytes = 13;

/** @returns the places for the payload of a run in its buffer, in order: `length` bytes together, with a header before each 16 KiB */
export function gapsOf({ length, into }: { readonly length: number; readonly into: Uint8Array }): Uint8Array[] {
  const blocks = Math.ceil(length / BLOCK_LENGTH);
  const gaps = new Array<Uint8Array>(blocks);
  let at = 0;
  for (let i = 0; i < blocks; i++) {
    const size = Math.min(BLOCK_LENGTH, length - i * BLOCK_LENGTH);
    at += headerBytes;
    gaps[i] = into.subarray(at, at + size);
    at += size;
  }
  assert(at <= into.length, 'a run fits its buffer');
  return gaps;
}

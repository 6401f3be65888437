// Hot path: read-run
import { assert } from '../../base/index.ts';
import { BLOCK_LENGTH } from '../../metainfo/index.ts';
import { writeBlockHeader } from '../../wire/index.ts';

/**
 * Writes the headers of a run's `piece` messages into its buffer, one before each 16 KiB.
 *
 * @returns the gaps between them, in order, for the payload to be read into: `length` bytes together
 */
export function frameRun(run: {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
  readonly into: Uint8Array;
}): Uint8Array[] {
  const { piece, begin, length, into } = run;
  const blocks = Math.ceil(length / BLOCK_LENGTH);
  const gaps = new Array<Uint8Array>(blocks);
  let at = 0;
  for (let i = 0; i < blocks; i++) {
    const size = Math.min(BLOCK_LENGTH, length - i * BLOCK_LENGTH);
    at = writeBlockHeader(into, at, piece, begin + i * BLOCK_LENGTH, size);
    gaps[i] = into.subarray(at, at + size);
    at += size;
  }
  assert(at <= into.length, 'a run fits its buffer');
  return gaps;
}

// Hot path: piece-hash
import { createHash, hash } from 'node:crypto';
import { assert, equalBytes } from '../../base/index.ts';
import { nodeCrypto } from '../../hash/index.ts';
import { BLOCK_LENGTH, HASH_BYTES, Merkle } from '../../metainfo/index.ts';
import type { PieceExpectation } from '../../swarm/index.ts';
import type { PieceStore } from './piece-store.ts';

export type Verdict = 'ok' | 'bad' | 'inconsistent';

/** Gives the bytes of one piece in order, in parts that are multiples of 16 KiB except the last; may be called more than once. */
export type PieceParts = (visit: (part: Uint8Array, begin: number) => void) => void;

const merkle = new Merkle(nodeCrypto);

/** The bytes of a stored piece, read part by part into one buffer. */
export function partsOnDisk(store: PieceStore, piece: number, pieceBytes: number, buffer: Uint8Array): PieceParts {
  return (visit) => {
    for (let begin = 0; begin < pieceBytes; begin += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, pieceBytes - begin));
      store.read(piece, begin, [part]);
      visit(part, begin);
    }
  };
}

/**
 * Judges a piece.
 *
 * @param dataBytes  bytes of it that are content of files: what the v2 hash covers
 * @returns 'inconsistent' where both hashes are there and only one holds: the torrent contradicts itself
 */
export function judgePiece(parts: PieceParts, dataBytes: number, expect: PieceExpectation): Verdict {
  assert(expect.v1 !== undefined || expect.v2 !== undefined, 'something is expected of a piece');
  const v1 = expect.v1 === undefined ? undefined : createHash('sha1');
  const leaves = expect.v2 === undefined ? undefined : new Leaves(dataBytes);
  parts((part, begin) => {
    v1?.update(part);
    leaves?.add(part, begin);
  });
  const isV1 = v1 === undefined ? undefined : equalBytes(v1.digest(), expect.v1 as Uint8Array);
  const isV2 =
    leaves === undefined || expect.v2 === undefined
      ? undefined
      : leaves.bytes.length <= expect.v2.leaves * HASH_BYTES &&
        equalBytes(merkle.root(leaves.bytes, 0, expect.v2.leaves), expect.v2.hash);
  if (isV1 !== undefined && isV2 !== undefined && isV1 !== isV2) return 'inconsistent';
  return isV1 !== false && isV2 !== false ? 'ok' : 'bad';
}

/** SHA-256 of each 16 KiB of a piece's data, the last block as short as the data is. */
export function hashLeaves(parts: PieceParts, dataBytes: number): Uint8Array {
  const leaves = new Leaves(dataBytes);
  parts((part, begin) => leaves.add(part, begin));
  return leaves.bytes;
}

/** SHA-1 of each 16 KiB of a piece, 20 bytes a block: tells whose block was the bad one. */
export function hashBlocks(parts: PieceParts, pieceBytes: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(pieceBytes / BLOCK_LENGTH) * 20);
  parts((part, begin) => {
    for (let at = 0; at < part.length; at += BLOCK_LENGTH) {
      const block = part.subarray(at, Math.min(at + BLOCK_LENGTH, part.length));
      out.set(hash('sha1', block, 'buffer'), ((begin + at) / BLOCK_LENGTH) * 20);
    }
  });
  return out;
}

class Leaves {
  readonly bytes: Uint8Array;
  readonly #dataBytes: number;

  constructor(dataBytes: number) {
    this.#dataBytes = dataBytes;
    this.bytes = new Uint8Array(Math.ceil(dataBytes / BLOCK_LENGTH) * HASH_BYTES);
  }

  add(part: Uint8Array, begin: number): void {
    const end = Math.min(part.length, this.#dataBytes - begin);
    for (let at = 0; at < end; at += BLOCK_LENGTH) {
      const leaf = hash('sha256', part.subarray(at, Math.min(at + BLOCK_LENGTH, end)), 'buffer');
      this.bytes.set(leaf, ((begin + at) / BLOCK_LENGTH) * HASH_BYTES);
    }
  }
}

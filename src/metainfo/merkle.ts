import { assert, type CryptoPort } from '../base/index.ts';
import { BLOCK_LENGTH } from './geometry.ts';

/** Bytes of one hash. */
export const HASH_BYTES = 32;

/** Leaves of a file: its blocks, before padding. */
export function leafCount(fileLength: number): number {
  return Math.ceil(fileLength / BLOCK_LENGTH);
}

/** Smallest power of two that is not below `n`; exact up to 2^53, where shifts are not. */
export function nextPow2(n: number): number {
  let power = 1;
  while (power < n) power *= 2;
  return power;
}

/** log2 of a power of two. */
export function levelOf(width: number): number {
  let level = 0;
  for (let w = width; w > 1; w /= 2) level++;
  return level;
}

/**
 * Hash trees of BEP 52. Leaves are SHA-256 of 16 KiB blocks (the last one of a file as short as it is); a file's tree is filled up to
 * a power of two with leaves of 32 zero bytes. A *layer* is a row of hashes, 32 bytes each, without the filling; *level* 0 are the
 * leaves.
 */
export class Merkle {
  readonly #crypto: Pick<CryptoPort, 'sha256'>;
  readonly #pads: Uint8Array[] = [new Uint8Array(HASH_BYTES)];
  readonly #pair = new Uint8Array(HASH_BYTES * 2);

  constructor(crypto: Pick<CryptoPort, 'sha256'>) {
    this.#crypto = crypto;
  }

  /** The hash of a subtree of `level` levels that holds nothing but filling. Not to be changed. */
  pad(level: number): Uint8Array {
    for (let i = this.#pads.length; i <= level; i++) {
      const below = this.#pads[i - 1] as Uint8Array;
      this.#pads.push(this.parent(below, below));
    }
    return this.#pads[level] as Uint8Array;
  }

  parent(left: Uint8Array, right: Uint8Array): Uint8Array {
    this.#pair.set(left, 0);
    this.#pair.set(right, HASH_BYTES);
    return this.#crypto.sha256(this.#pair);
  }

  /**
   * The layer `levels` above another.
   *
   * @param layer of `level`; what it lacks at its end counts as filling
   */
  layerAbove(layer: Uint8Array, level: number, levels: number): Uint8Array {
    assert(layer.length % HASH_BYTES === 0, 'a layer is of whole hashes');
    let row = layer;
    for (let i = level; i < level + levels; i++) {
      const count = row.length / HASH_BYTES;
      const above = new Uint8Array(Math.ceil(count / 2) * HASH_BYTES);
      for (let at = 0; at < count; at += 2) {
        const left = hashAt(row, at);
        const right = at + 1 < count ? hashAt(row, at + 1) : this.pad(i);
        above.set(this.parent(left, right), (at / 2) * HASH_BYTES);
      }
      row = above;
    }
    return row;
  }

  /**
   * The root over `width` hashes of one level.
   *
   * @param layer at most `width` hashes; the rest is filling
   * @param width a power of two
   */
  root(layer: Uint8Array, level: number, width: number): Uint8Array {
    assert(layer.length <= width * HASH_BYTES, 'a layer fits into its width');
    const levels = levelOf(width);
    return layer.length === 0 ? this.pad(level + levels) : this.layerAbove(layer, level, levels);
  }

  /** The `pieces root` of a file from its leaves. */
  fileRoot(leaves: Uint8Array): Uint8Array {
    return this.root(leaves, 0, nextPow2(leaves.length / HASH_BYTES));
  }

  /**
   * The `piece layers` value of a file from its leaves: one hash a piece.
   *
   * @param pieceLength a power of two, at least 16 KiB and less than the file's length
   */
  pieceLayer(leaves: Uint8Array, pieceLength: number): Uint8Array {
    return this.layerAbove(leaves, 0, levelOf(pieceLength / BLOCK_LENGTH));
  }

  /** Whether a piece layer is that of a file of this root and length. */
  isPieceLayer(
    layer: Uint8Array,
    file: { readonly root: Uint8Array; readonly length: number; readonly pieceLength: number },
  ): boolean {
    const pieces = Math.ceil(file.length / file.pieceLength);
    if (layer.length !== pieces * HASH_BYTES) return false;
    const width = nextPow2(leafCount(file.length)) / (file.pieceLength / BLOCK_LENGTH);
    return isHash(this.root(layer, levelOf(file.pieceLength / BLOCK_LENGTH), width), file.root, 0);
  }
}

/** A view of the hash at `index` of a layer. */
export function hashAt(layer: Uint8Array, index: number): Uint8Array {
  return layer.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
}

/** Whether the hash at `index` of a layer is `hash`. */
export function isHash(hash: Uint8Array, layer: Uint8Array, index: number): boolean {
  const at = index * HASH_BYTES;
  if (at + HASH_BYTES > layer.length) return false;
  for (let i = 0; i < HASH_BYTES; i++) if (hash[i] !== layer[at + i]) return false;
  return true;
}

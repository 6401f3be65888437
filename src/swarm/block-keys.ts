// Hot path: self
import { BLOCK_LENGTH, type Geometry } from '../metainfo/index.ts';

/** Numbers for the blocks of a torrent, so that requests are kept by a number: they run on from piece to piece. */
export class BlockKeys {
  readonly #geometry: Geometry;
  readonly #blocksPerPiece: number;

  constructor(geometry: Geometry) {
    this.#geometry = geometry;
    this.#blocksPerPiece = Math.ceil(geometry.pieceLength / BLOCK_LENGTH);
  }

  of(piece: number, block: number): number {
    return piece * this.#blocksPerPiece + block;
  }
  pieceOf(key: number): number {
    return Math.floor(key / this.#blocksPerPiece);
  }
  /** Its number in its piece. */
  blockOf(key: number): number {
    return key - this.pieceOf(key) * this.#blocksPerPiece;
  }

  /** @returns the block that a message means, or -1: we never ask for such a thing */
  blockAt(piece: number, begin: number, length: number): number {
    const block = begin / BLOCK_LENGTH;
    if (piece >= this.#geometry.pieceCount || !Number.isInteger(block)) return -1;
    if (block >= this.#geometry.blockCount(piece) || length === 0) return -1;
    return length === this.#geometry.blockBytes(piece, block) ? block : -1;
  }
}

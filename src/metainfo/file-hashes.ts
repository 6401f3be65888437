import { assert, Bitfield } from '../base/index.ts';
import { BLOCK_LENGTH } from './geometry.ts';
import { HASH_BYTES, hashAt, isHash, leafCount, levelOf, type Merkle, nextPow2 } from './merkle.ts';

/** A range of one layer of a file's tree, as in BEP 52 `hash request` messages (whose `root` names the file). */
export interface LayerRange {
  /** Level of the range; 0 = leaves. */
  readonly baseLayer: number;
  /** First hash, counted in its layer; a multiple of `length`. */
  readonly index: number;
  /** A power of two, at least 2. */
  readonly length: number;
  /** Layers above `baseLayer` that proof is asked of. */
  readonly proofLayers: number;
}

/** Hashes of one answer at most, as BEP 52 recommends. */
const RANGE_LENGTH_MAX = 512;

/**
 * What is known of one file's hash tree: its root always, its piece layer in parts as peers send them (BEP 52). Nothing unproven is
 * ever taken in, so whatever this gives out is true.
 *
 * A file no longer than a piece has no piece layer: its root is the hash of its one piece, on a level of its own.
 */
export class FileHashes {
  readonly root: Uint8Array;
  readonly pieceCount: number;
  readonly #merkle: Merkle;
  readonly #leafCount: number;
  /** Level of the root. */
  readonly #height: number;
  readonly #pieceLevel: number;
  readonly #known: Bitfield;
  /** From the piece layer upwards; the higher ones are computed when the piece layer is complete and they are asked for. */
  readonly #layers: Uint8Array[] = [];

  /**
   * @param file  `root` 32 bytes, not copied; `length` more than 0
   * @param merkle  may be shared by all files
   */
  constructor(
    merkle: Merkle,
    file: { readonly root: Uint8Array; readonly length: number; readonly pieceLength: number },
  ) {
    assert(file.length > 0, 'an empty file has no tree');
    this.#merkle = merkle;
    this.root = file.root;
    this.#leafCount = leafCount(file.length);
    this.#height = levelOf(nextPow2(this.#leafCount));
    this.#pieceLevel = Math.min(this.#height, levelOf(file.pieceLength / BLOCK_LENGTH));
    this.pieceCount = Math.ceil(file.length / file.pieceLength);
    this.#known = new Bitfield(this.pieceCount);
    if (this.pieceCount === 1) {
      this.#layers.push(file.root);
      this.#known.setAll();
    }
  }

  get isComplete(): boolean {
    return this.#known.isFull;
  }

  /** Whether the hash of a piece (counted from the file's first) is known. */
  hasPiece(piece: number): boolean {
    return this.#known.has(piece);
  }

  /** The file's whole piece layer once it is complete; for a file of one piece its root. A view. */
  get pieceLayer(): Uint8Array | undefined {
    return this.isComplete ? this.#layers[0] : undefined;
  }

  /** @returns hash of a piece and how many leaves it is over; a view; undefined where not known */
  pieceHash(piece: number): { readonly hash: Uint8Array; readonly leaves: number } | undefined {
    if (!this.#known.has(piece)) return undefined;
    return { hash: hashAt(this.#layers[0] as Uint8Array, piece), leaves: 2 ** this.#pieceLevel };
  }

  /** Takes a whole piece layer in, copied. @returns false where it is not the one of this root */
  acceptLayer(layer: Uint8Array): boolean {
    if (layer.length !== this.pieceCount * HASH_BYTES) return false;
    const root = this.#merkle.root(layer, this.#pieceLevel, 2 ** (this.#height - this.#pieceLevel));
    if (!isHash(root, this.root, 0)) return false;
    this.#layers[0] = new Uint8Array(layer);
    this.#known.setAll();
    return true;
  }

  /** The request that brings the hash of a piece, and those around it, with proof up to the root; only for files of several pieces. */
  requestFor(piece: number): LayerRange {
    assert(this.pieceCount > 1, 'a file of one piece has no piece layer');
    const levels = this.#height - this.#pieceLevel;
    const length = Math.min(RANGE_LENGTH_MAX, 2 ** levels);
    return {
      baseLayer: this.#pieceLevel,
      index: Math.floor(piece / length) * length,
      length,
      proofLayers: levels - 1,
    };
  }

  /** Whether the tree has such a range and such proof at all. */
  isValidRange(range: LayerRange): boolean {
    const { baseLayer, index, length, proofLayers } = range;
    if (length < 2 || nextPow2(length) !== length || index < 0 || index % length !== 0) return false;
    if (baseLayer < 0 || baseLayer >= this.#height || proofLayers < 0) return false;
    return proofLayers < this.#height - baseLayer && index + length <= 2 ** (this.#height - baseLayer);
  }

  /**
   * Takes the hashes of an answer in, if they prove true: climbs from the range with the uncle hashes until it meets a hash that is
   * known. Piece hashes that follow from them are kept; leaves are not, they are the caller's.
   *
   * @param hashes  `range.length` hashes of the range, then the uncles, lowest first; copied
   */
  accept(range: LayerRange, hashes: Uint8Array): boolean {
    const { baseLayer, length } = range;
    if (!this.isValidRange(range)) return false;
    if (hashes.length !== (length + uncleCount(range)) * HASH_BYTES) return false;
    const row = hashes.subarray(0, length * HASH_BYTES);
    if (!this.#isFilledRight(range, row) || !this.#proves(range, row, hashes.subarray(row.length))) return false;
    if (baseLayer <= this.#pieceLevel && baseLayer + levelOf(length) >= this.#pieceLevel) this.#keep(range, row);
    return true;
  }

  /** Pieces that leaves are needed of to serve a range below the piece layer: first to before end; undefined where none are. */
  leavesNeeded(range: LayerRange): { readonly first: number; readonly end: number } | undefined {
    if (range.baseLayer >= this.#pieceLevel) return undefined;
    const perPiece = 2 ** (this.#pieceLevel - range.baseLayer);
    const end = Math.min(this.pieceCount, Math.ceil((range.index + range.length) / perPiece));
    return { first: Math.min(end - 1, Math.floor(range.index / perPiece)), end };
  }

  /**
   * Hashes that answer a request: the range, then its uncles.
   *
   * @param leaves  of the pieces that `leavesNeeded` names, one after the other; ignored where it names none
   * @returns undefined where the range is not one of this tree, or the piece layer is not complete
   */
  serve(range: LayerRange, leaves?: Uint8Array): Uint8Array | undefined {
    if (!this.isValidRange(range) || !this.isComplete) return undefined;
    const needed = this.leavesNeeded(range);
    if (needed !== undefined && leaves === undefined) return undefined;
    const local =
      needed === undefined
        ? undefined
        : new LocalTree(this.#merkle, leaves as Uint8Array, needed.first * 2 ** this.#pieceLevel);
    const { baseLayer, index, length } = range;
    const uncles = uncleCount(range);
    const out = new Uint8Array((length + uncles) * HASH_BYTES);
    for (let i = 0; i < length; i++) out.set(this.#node(baseLayer, index + i, local), i * HASH_BYTES);
    for (let i = 0; i < uncles; i++) {
      const levelsUp = levelOf(length) + i;
      const own = Math.floor(index / 2 ** levelsUp);
      out.set(this.#node(baseLayer + levelsUp, own % 2 === 0 ? own + 1 : own - 1, local), (length + i) * HASH_BYTES);
    }
    return out;
  }

  /** Hashes of a level that are not filling. */
  #realCount(level: number): number {
    return Math.ceil(this.#leafCount / 2 ** level);
  }

  #node(level: number, index: number, local: LocalTree | undefined): Uint8Array {
    if (index >= this.#realCount(level)) return this.#merkle.pad(level);
    if (level < this.#pieceLevel) return (local as LocalTree).node(level, index);
    return hashAt(this.#upperLayer(level), index);
  }

  /** A layer at or above the piece layer, which is complete. */
  #upperLayer(level: number): Uint8Array {
    for (let have = this.#layers.length; have <= level - this.#pieceLevel; have++) {
      this.#layers.push(this.#merkle.layerAbove(this.#layers[have - 1] as Uint8Array, this.#pieceLevel + have - 1, 1));
    }
    return this.#layers[level - this.#pieceLevel] as Uint8Array;
  }

  #isFilledRight(range: LayerRange, row: Uint8Array): boolean {
    const pad = this.#merkle.pad(range.baseLayer);
    for (let i = Math.max(0, this.#realCount(range.baseLayer) - range.index); i < range.length; i++) {
      if (!isHash(pad, row, i)) return false;
    }
    return true;
  }

  #proves(range: LayerRange, row: Uint8Array, uncles: Uint8Array): boolean {
    let level = range.baseLayer + levelOf(range.length);
    let index = range.index / range.length;
    let hash = this.#merkle.root(row, range.baseLayer, range.length);
    for (let used = 0; ; used++) {
      const trusted = this.#trusted(level, index);
      if (trusted !== undefined) return isHash(hash, trusted, 0);
      if ((used + 1) * HASH_BYTES > uncles.length) return false;
      const uncle = hashAt(uncles, used);
      hash = index % 2 === 0 ? this.#merkle.parent(hash, uncle) : this.#merkle.parent(uncle, hash);
      index = Math.floor(index / 2);
      level++;
    }
  }

  #trusted(level: number, index: number): Uint8Array | undefined {
    if (level === this.#height) return this.root;
    if (level === this.#pieceLevel && index < this.pieceCount && this.#known.has(index)) {
      return hashAt(this.#layers[0] as Uint8Array, index);
    }
    return undefined;
  }

  #keep(range: LayerRange, row: Uint8Array): void {
    if (this.isComplete) return;
    const levels = this.#pieceLevel - range.baseLayer;
    const pieces = this.#merkle.layerAbove(row, range.baseLayer, levels);
    const first = range.index / 2 ** levels;
    const count = Math.min(pieces.length / HASH_BYTES, this.pieceCount - first);
    const layer = (this.#layers[0] ??= new Uint8Array(this.pieceCount * HASH_BYTES));
    for (let i = 0; i < count; i++) {
      layer.set(hashAt(pieces, i), (first + i) * HASH_BYTES);
      this.#known.set(first + i);
    }
  }
}

/**
 * Uncles of an answer: one of each proof layer, but for those that the range itself gives: its own log2(length) - 1 lowest ancestor
 * layers, which are left out and yet counted.
 */
function uncleCount(range: LayerRange): number {
  return Math.max(0, range.proofLayers - (levelOf(range.length) - 1));
}

/** Layers between leaves and piece layer of a few neighbouring pieces. */
class LocalTree {
  readonly #merkle: Merkle;
  readonly #layers: Uint8Array[];
  readonly #firstLeaf: number;

  constructor(merkle: Merkle, leaves: Uint8Array, firstLeaf: number) {
    this.#merkle = merkle;
    this.#layers = [leaves];
    this.#firstLeaf = firstLeaf;
  }

  node(level: number, index: number): Uint8Array {
    while (this.#layers.length <= level) {
      const below = this.#layers.length - 1;
      this.#layers.push(this.#merkle.layerAbove(this.#layers[below] as Uint8Array, below, 1));
    }
    return hashAt(this.#layers[level] as Uint8Array, index - this.#firstLeaf / 2 ** level);
  }
}

import type { Bitfield, ConnId } from '../base/index.ts';
import { concatBytes } from '../base/index.ts';
import type { FileHashes, Geometry } from '../metainfo/index.ts';
import { type HashRange, peerLimits } from '../wire/index.ts';
import type { HashBook, HashTree } from './hash-book.ts';
import { limits } from './limits.ts';

export type HashAnswer =
  /** Send them. */
  | { readonly kind: 'hashes'; readonly hashes: Uint8Array }
  | { readonly kind: 'reject' }
  /** Leaves of these pieces must be read from disk first (DiskPort.hashLeaves); the answer comes out of onLeaves. */
  | { readonly kind: 'wait'; readonly hashLeavesOf: readonly number[] };

/** An answer that had to wait. */
export interface LateAnswer {
  readonly conn: ConnId;
  readonly range: HashRange;
  /** undefined: reject */
  readonly hashes: Uint8Array | undefined;
}

interface Waiting {
  readonly conn: ConnId;
  readonly range: HashRange;
  /** Pieces whose leaves are needed, in order. */
  readonly pieces: readonly number[];
}

/**
 * Answers hash requests of peers (BEP 52). The piece layer and what is above it is at hand. What lies below, down to the leaves, is
 * made from our own data, so the disk is asked first; leaves just read are kept for the requests for the rest of the piece.
 */
export class HashServer {
  readonly #book: HashBook;
  readonly #geometry: Geometry;
  readonly #waiting: Waiting[] = [];
  readonly #asked = new Set<number>();
  /** Leaves by piece, least recently used first. */
  readonly #leaves = new Map<number, Uint8Array>();
  #leafBytes = 0;

  /** Bytes of leaves in memory. */
  get heldBytes(): number {
    return this.#leafBytes;
  }

  constructor(options: { book: HashBook; geometry: Geometry }) {
    this.#book = options.book;
    this.#geometry = options.geometry;
  }

  /**
   * @param range copied where it is kept
   * @param have  pieces we have: nothing is said about others' leaves
   */
  onRequest(conn: ConnId, range: HashRange, have: Bitfield): HashAnswer {
    const tree = this.#book.treeOf(range.root);
    const isFair = range.length <= peerLimits.hashRequestLengthMax && tree?.hashes.isValidRange(range) === true;
    if (tree === undefined || !isFair || !tree.hashes.isComplete) return { kind: 'reject' };
    const pieces = this.#piecesNeeded(tree, range);
    if (pieces.length === 0) return toAnswer(tree.hashes.serve(range));
    if (pieces.some((piece) => !have.has(piece))) return { kind: 'reject' };
    if (pieces.every((piece) => this.#leaves.has(piece))) return toAnswer(this.#serve(tree.hashes, range, pieces));
    if (this.#waiting.filter((w) => w.conn === conn).length >= limits.hashes.waitingPerPeerMax)
      return { kind: 'reject' };
    const hashLeavesOf = pieces.filter((piece) => !this.#leaves.has(piece) && !this.#asked.has(piece));
    // A request of a hundred bytes can make the disk read and hash eight mebibytes: what we fetch and serve comes first.
    const readBytes = (this.#asked.size + hashLeavesOf.length) * this.#geometry.pieceLength;
    if (this.#asked.size > 0 && readBytes > limits.hashes.leafReadBytesMax) return { kind: 'reject' };
    this.#waiting.push({ conn, range: { ...range, root: new Uint8Array(range.root) }, pieces });
    for (const piece of hashLeavesOf) this.#asked.add(piece);
    return { kind: 'wait', hashLeavesOf };
  }

  /**
   * Leaves of a piece have been read.
   * @param leaves 32 bytes a block, kept; undefined where reading failed
   * @returns requests that can be answered now
   */
  onLeaves(piece: number, leaves: Uint8Array | undefined): LateAnswer[] {
    this.#asked.delete(piece);
    // Data that went bad on disk must not be vouched for.
    const isGood = leaves !== undefined && this.#book.isPieceOf(piece, leaves);
    if (isGood) {
      this.#leaves.set(piece, leaves);
      this.#leafBytes += leaves.length;
    }
    const out: LateAnswer[] = [];
    for (let i = 0; i < this.#waiting.length; ) {
      const { conn, range, pieces } = this.#waiting[i] as Waiting;
      const isReady = pieces.every((p) => this.#leaves.has(p));
      const isLost = !isReady && pieces.some((p) => !this.#leaves.has(p) && !this.#asked.has(p));
      if (!isReady && !isLost) {
        i++;
        continue;
      }
      this.#waiting.splice(i, 1);
      const tree = this.#book.treeOf(range.root) as HashTree;
      out.push({ conn, range, hashes: isReady ? this.#serve(tree.hashes, range, pieces) : undefined });
    }
    this.#trim();
    return out;
  }

  onClosed(conn: ConnId): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--) if (this.#waiting[i]?.conn === conn) this.#waiting.splice(i, 1);
  }

  #piecesNeeded(tree: HashTree, range: HashRange): number[] {
    const needed = tree.hashes.leavesNeeded(range);
    if (needed === undefined) return [];
    const { first } = this.#geometry.filePieces(tree.file);
    return Array.from({ length: needed.end - needed.first }, (_, i) => first + needed.first + i);
  }

  #serve(tree: FileHashes, range: HashRange, pieces: readonly number[]): Uint8Array | undefined {
    const parts: Uint8Array[] = [];
    for (const piece of pieces) {
      const leaves = this.#leaves.get(piece) as Uint8Array;
      this.#leaves.delete(piece);
      this.#leaves.set(piece, leaves);
      parts.push(leaves);
    }
    return tree.serve(range, concatBytes(parts));
  }

  /** Leaves that a waiting request needs stay. */
  #trim(): void {
    if (this.#leafBytes <= limits.hashes.leafCacheBytes) return;
    const needed = new Set(this.#waiting.flatMap((w) => w.pieces));
    for (const [piece, leaves] of this.#leaves) {
      if (this.#leafBytes <= limits.hashes.leafCacheBytes) return;
      if (needed.has(piece)) continue;
      this.#leaves.delete(piece);
      this.#leafBytes -= leaves.length;
    }
  }
}

function toAnswer(hashes: Uint8Array | undefined): HashAnswer {
  return hashes === undefined ? { kind: 'reject' } : { kind: 'hashes', hashes };
}

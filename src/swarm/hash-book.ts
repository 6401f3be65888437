import { type ConnId, type CryptoPort, type Millis, toHex } from '../base/index.ts';
import { FileHashes, type Geometry, type Info, type LayerRange, Merkle } from '../metainfo/index.ts';
import type { HashRange } from '../wire/index.ts';
import { HashGaps } from './hash-gaps.ts';
import type { PieceExpectation } from './ports.ts';

export type HashesOutcome =
  /** Pieces whose hash is known now, first to before end; several ranges where files have the same content. */
  | { readonly kind: 'accepted'; readonly pieces: readonly { readonly first: number; readonly end: number }[] }
  /** They do not prove what they claim: the peer lies or is broken, drop it. */
  | { readonly kind: 'bad' }
  /** Nobody asked this peer for them; nothing was looked at. */
  | { readonly kind: 'unasked' };

export interface HashBookOptions {
  readonly info: Info;
  readonly geometry: Geometry;
  readonly crypto: Pick<CryptoPort, 'sha256'>;
  /** Piece layers by hex of the root, from a .torrent or resume data; checked when they are first needed. */
  readonly layers?: ReadonlyMap<string, Uint8Array>;
}

/** The tree of all files of one content. */
export interface HashTree {
  readonly hashes: FileHashes;
  /** Index of the first such file. */
  readonly file: number;
}

/**
 * What every piece must hash to. For v1 that is in the info dictionary; for v2 it is in the piece layers, which a magnet link does
 * not bring: they are asked of peers in ranges and proven against the files' roots (BEP 52). Nothing unproven is ever given out.
 *
 * A hybrid torrent has both hashes; while a layer is missing its pieces are judged by SHA-1 alone.
 */
export class HashBook {
  readonly #info: Info;
  readonly #geometry: Geometry;
  readonly #merkle: Merkle;
  /** Files by hex of their root, those of the same length as the first one with that root. */
  readonly #files = new Map<string, number[]>();
  /** Made when they are first needed: most torrents of a large session are never asked about. */
  readonly #trees = new Map<string, FileHashes>();
  /** The same by file index, for the picker's sake. */
  readonly #treeOfFile: (FileHashes | undefined)[] = [];
  /** Layers not looked at yet. */
  readonly #given: Map<string, Uint8Array>;
  readonly #gaps = new HashGaps();

  constructor(options: HashBookOptions) {
    this.#info = options.info;
    this.#geometry = options.geometry;
    this.#merkle = new Merkle(options.crypto);
    this.#given = new Map(options.layers);
    for (const file of options.info.files) {
      if (file.piecesRoot === undefined || file.length === 0) continue;
      const root = toHex(file.piecesRoot);
      const same = this.#files.get(root);
      if (same === undefined) {
        this.#files.set(root, [file.index]);
        if (file.length > options.info.pieceLength && !this.#given.has(root)) this.#addGaps(root);
      } else if (options.info.files[same[0] as number]?.length === file.length) same.push(file.index);
    }
  }

  /** Every hash is known. */
  get isComplete(): boolean {
    return this.#gaps.size === 0;
  }

  /** Ranges of hashes still to be fetched. */
  get missingCount(): number {
    return this.#gaps.size;
  }

  /** What the piece must hash to; undefined: not known yet, so it cannot be verified and must not be fetched. */
  expectation(piece: number): PieceExpectation | undefined {
    const { pieces } = this.#info;
    const v1 = pieces === undefined ? undefined : pieces.subarray(piece * 20, piece * 20 + 20);
    const v2 = this.#pieceHash(piece);
    if (v1 === undefined) return v2 === undefined ? undefined : { v2 };
    return v2 === undefined ? { v1 } : { v1, v2 };
  }

  /** Whether `expectation` has an answer; cheap. */
  isVerifiable(piece: number): boolean {
    return this.#info.pieces !== undefined || this.#pieceHash(piece) !== undefined;
  }

  /** The tree that a peer's message means; undefined where this torrent has no such file. */
  treeOf(root: Uint8Array): HashTree | undefined {
    const key = toHex(root);
    const file = this.#files.get(key)?.[0];
    return file === undefined ? undefined : { hashes: this.#tree(key), file };
  }

  /** Root of a piece from its leaves, to be compared with its hash. */
  isPieceOf(piece: number, leaves: Uint8Array): boolean {
    const expected = this.#pieceHash(piece);
    if (expected === undefined || leaves.length > expected.leaves * 32) return false;
    const root = this.#merkle.root(leaves, 0, expected.leaves);
    return toHex(root) === toHex(expected.hash);
  }

  /** Complete piece layers by hex of the root: for a .torrent file and for resume data. */
  layers(): Map<string, Uint8Array> {
    const out = new Map<string, Uint8Array>();
    for (const [root, [file]] of this.#files) {
      if ((this.#info.files[file as number]?.length ?? 0) <= this.#info.pieceLength) continue;
      const layer = this.#tree(root).pieceLayer;
      if (layer !== undefined) out.set(root, layer);
    }
    return out;
  }

  // --- fetching what is missing

  /**
   * Hash requests to send to a peer who understands v2, as many as may be open at it.
   * @param isWanted whether a file is to be downloaded, now and for good; hashes of others are not fetched
   */
  nextRequests(now: Millis, conn: ConnId, isWanted: (file: number) => boolean): HashRange[] {
    if (this.#gaps.size === 0) return [];
    return this.#gaps.ask(now, conn, ({ root }) => (this.#files.get(root) as number[]).some(isWanted));
  }

  /** @param hashes borrowed */
  onHashes(conn: ConnId, range: HashRange, hashes: Uint8Array): HashesOutcome {
    const root = toHex(range.root);
    const gap = this.#gaps.answered(conn, root, range);
    if (gap === undefined) return { kind: 'unasked' };
    if (!this.#tree(root).accept(range, hashes)) return { kind: 'bad' };
    this.#gaps.close(gap);
    const pieces = (this.#files.get(root) as number[]).map((file) => {
      const { first } = this.#geometry.filePieces(file);
      return { first: first + gap.first, end: first + gap.end };
    });
    return { kind: 'accepted', pieces };
  }

  /** @returns false where nobody asked this peer for it */
  onReject(now: Millis, conn: ConnId, range: HashRange): boolean {
    return this.#gaps.onReject(now, conn, toHex(range.root), range);
  }

  /** What the peer was asked for is free for others. */
  onClosed(conn: ConnId): void {
    this.#gaps.onClosed(conn);
  }

  #pieceHash(piece: number): { readonly hash: Uint8Array; readonly leaves: number } | undefined {
    const index = this.#geometry.fileOfPiece(piece);
    if (index < 0) return undefined;
    const tree = this.#treeOfFile[index] ?? this.#findTree(index);
    return tree?.pieceHash(piece - this.#geometry.filePieces(index).first);
  }

  #findTree(file: number): FileHashes | undefined {
    const root = this.#info.files[file]?.piecesRoot;
    if (root === undefined) return undefined;
    const key = toHex(root);
    // Two files of one root and two lengths: one of them is a lie, and only the first can be right.
    const first = this.#files.get(key)?.[0];
    if (first === undefined || this.#info.files[first]?.length !== this.#info.files[file]?.length) return undefined;
    const tree = this.#tree(key);
    this.#treeOfFile[file] = tree;
    return tree;
  }

  #tree(root: string): FileHashes {
    const known = this.#trees.get(root);
    if (known !== undefined) return known;
    const file = this.#info.files[(this.#files.get(root) as number[])[0] as number];
    const tree = new FileHashes(this.#merkle, {
      root: file?.piecesRoot as Uint8Array,
      length: file?.length as number,
      pieceLength: this.#info.pieceLength,
    });
    this.#trees.set(root, tree);
    const layer = this.#given.get(root);
    this.#given.delete(root);
    // A layer from damaged resume data is as good as none.
    if (layer !== undefined && !tree.isComplete && !tree.acceptLayer(layer)) this.#addGaps(root);
    return tree;
  }

  #addGaps(root: string): void {
    const tree = this.#tree(root);
    for (let piece = 0; piece < tree.pieceCount; ) {
      const range: LayerRange = tree.requestFor(piece);
      const first = range.index;
      const end = Math.min(tree.pieceCount, range.index + range.length);
      this.#gaps.add({ range: { root: tree.root, ...range }, root, first, end });
      piece = end;
    }
  }
}

import { addMs, type ConnId, type CryptoPort, type Millis, NEVER, toHex } from '../base/index.ts';
import { FileHashes, type Geometry, type Info, type LayerRange, Merkle } from '../metainfo/index.ts';
import type { HashRange } from '../wire/index.ts';
import { limits } from './limits.ts';
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

/** A range of a piece layer that is missing. */
interface Gap {
  readonly range: HashRange;
  readonly root: string;
  /** Pieces of the file, counted from its first. */
  readonly first: number;
  readonly end: number;
  askedOf: ConnId | undefined;
  askedAt: Millis;
  /** Peers that rejected or did not answer, until they may be asked again; late answers of theirs are welcome. */
  readonly refused: Map<ConnId, Millis>;
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
  readonly #gaps = new Map<string, Gap>();

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
   * @param isWanted whether a file is to be downloaded; hashes of others are not fetched
   */
  nextRequests(now: Millis, conn: ConnId, isWanted: (file: number) => boolean): HashRange[] {
    const out: HashRange[] = [];
    if (this.#gaps.size === 0) return out;
    this.#expire(now);
    let open = 0;
    for (const gap of this.#gaps.values()) if (gap.askedOf === conn) open++;
    for (const gap of this.#gaps.values()) {
      if (open >= limits.hashes.perPeerMax) break;
      if (gap.askedOf !== undefined || (gap.refused.get(conn) ?? now) > now) continue;
      if (!(this.#files.get(gap.root) as number[]).some(isWanted)) continue;
      gap.askedOf = conn;
      gap.askedAt = now;
      open++;
      out.push(gap.range);
    }
    return out;
  }

  /** When `nextRequests` may have something new to ask, because an answer is overdue or a peer may be asked again; else NEVER. */
  nextAt(now: Millis): Millis {
    this.#expire(now);
    let at: number = NEVER;
    for (const gap of this.#gaps.values()) {
      if (gap.askedOf !== undefined) at = Math.min(at, addMs(gap.askedAt, limits.hashes.timeoutMs));
      else for (const until of gap.refused.values()) if (until > now) at = Math.min(at, until);
    }
    return at as Millis;
  }

  /** @param hashes borrowed */
  onHashes(conn: ConnId, range: HashRange, hashes: Uint8Array): HashesOutcome {
    const root = toHex(range.root);
    const key = gapKey(root, range);
    const gap = this.#gaps.get(key);
    if (gap === undefined || !isSameRange(gap.range, range)) return { kind: 'unasked' };
    if (gap.askedOf !== conn && !gap.refused.has(conn)) return { kind: 'unasked' };
    if (gap.askedOf === conn) gap.askedOf = undefined;
    if (!this.#tree(root).accept(range, hashes)) return { kind: 'bad' };
    this.#gaps.delete(key);
    const pieces = (this.#files.get(root) as number[]).map((file) => {
      const { first } = this.#geometry.filePieces(file);
      return { first: first + gap.first, end: first + gap.end };
    });
    return { kind: 'accepted', pieces };
  }

  /** @returns false where nobody asked this peer for it */
  onReject(now: Millis, conn: ConnId, range: HashRange): boolean {
    const gap = this.#gaps.get(gapKey(toHex(range.root), range));
    if (gap?.askedOf !== conn) return false;
    this.#refuse(now, gap);
    return true;
  }

  /** What the peer was asked for is free for others. */
  onClosed(conn: ConnId): void {
    for (const gap of this.#gaps.values()) {
      if (gap.askedOf === conn) gap.askedOf = undefined;
      gap.refused.delete(conn);
    }
  }

  #expire(now: Millis): void {
    for (const gap of this.#gaps.values()) {
      if (gap.askedOf !== undefined && now >= addMs(gap.askedAt, limits.hashes.timeoutMs)) this.#refuse(now, gap);
    }
  }

  #refuse(now: Millis, gap: Gap): void {
    gap.refused.set(gap.askedOf as ConnId, addMs(now, limits.hashes.refusedMs));
    gap.askedOf = undefined;
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
    if (this.#files.get(key)?.includes(file) !== true) return undefined;
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
      this.#gaps.set(gapKey(root, range), {
        range: { root: tree.root, ...range },
        root,
        first,
        end,
        askedOf: undefined,
        askedAt: 0 as Millis,
        refused: new Map(),
      });
      piece = end;
    }
  }
}

function gapKey(root: string, range: LayerRange): string {
  return `${root}/${range.index}`;
}

function isSameRange(a: LayerRange, b: LayerRange): boolean {
  return a.baseLayer === b.baseLayer && a.index === b.index && a.length === b.length && a.proofLayers === b.proofLayers;
}

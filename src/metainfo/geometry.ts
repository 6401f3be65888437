// Hot path: geometry
import { assert } from '../base/index.ts';
import type { FileEntry, Info } from './model.ts';
import { RunTable } from './run-table.ts';

/** Bytes of a request (BEP 3), and of a leaf of a BEP 52 tree. */
export const BLOCK_LENGTH = 16_384;

/**
 * All arithmetic of pieces, blocks and files; the only place that divides by the piece length.
 *
 * Torrent space is one line of bytes on which files, pad files (BEP 47) and alignment gaps (BEP 52) lie; piece p begins at
 * p * pieceLength. How long a piece is on the wire depends on the format:
 *
 *     v1, hybrid   pieceLength, the last one what remains: pads are bytes like others, zero, and part of the SHA-1
 *     v2           cut where its file ends: a gap is no content
 *
 * What is asked of peers (`blockBytes`) leaves trailing pads and gaps out in every format. Calls take O(log files) and allocate
 * nothing but where an object is returned.
 */
export class Geometry {
  readonly info: Info;
  readonly pieceCount: number;
  readonly pieceLength: number;
  readonly blockLength: number = BLOCK_LENGTH;
  readonly #isV2Only: boolean;
  /** Runs of data: neighbouring files without pads between them are one run. */
  readonly #data: RunTable;
  /** Bytes of data before each run. */
  readonly #before: Float64Array;
  /** Files with bytes, and their indexes in `info.files`. */
  readonly #files: RunTable;
  readonly #fileIndexes: Int32Array;
  readonly #isGapless: boolean;

  constructor(info: Info) {
    this.info = info;
    this.pieceCount = info.pieceCount;
    this.pieceLength = info.pieceLength;
    this.#isV2Only = info.format === 'v2';
    const files = info.files.filter((f) => f.length > 0);
    this.#files = new RunTable(files.map((f) => ({ start: f.offset, end: f.offset + f.length })));
    this.#fileIndexes = Int32Array.from(files, (f) => f.index);
    const runs = joinRuns(files);
    this.#data = new RunTable(runs);
    this.#before = new Float64Array(runs.length);
    let sum = 0;
    runs.forEach((run, i) => {
      this.#before[i] = sum;
      sum += run.end - run.start;
    });
    this.#isGapless = sum === info.spaceLength;
  }

  /** Where a piece begins in torrent space. */
  pieceStart(piece: number): number {
    return piece * this.pieceLength;
  }

  /** Bytes of a piece on the wire. */
  pieceBytes(piece: number): number {
    const start = piece * this.pieceLength;
    const end = this.#isV2Only ? (this.#data.ends[this.#data.find(start)] as number) : this.info.spaceLength;
    return Math.min(this.pieceLength, end - start);
  }

  /** Bytes of a piece that are content of files: pads left out. */
  dataBytes(piece: number): number {
    if (this.#isGapless) return this.pieceBytes(piece);
    const start = piece * this.pieceLength;
    return this.#dataBefore(start + this.pieceLength) - this.#dataBefore(start);
  }

  /** Blocks of a piece, the last one perhaps shorter. */
  blockCount(piece: number): number {
    return Math.ceil(this.pieceBytes(piece) / BLOCK_LENGTH);
  }

  /** Bytes of a block on the wire where pads are not left out. */
  blockSpan(piece: number, block: number): number {
    return Math.min(BLOCK_LENGTH, this.pieceBytes(piece) - block * BLOCK_LENGTH);
  }

  /**
   * Bytes to ask for of a block: its span without the pad bytes at its end; 0 = nothing but pad, never ask. In v2 and hybrid torrents
   * also the bytes that the block's BEP 52 leaf is the hash of.
   */
  blockBytes(piece: number, block: number): number {
    const span = this.blockSpan(piece, block);
    if (this.#isGapless) return span;
    const begin = piece * this.pieceLength + block * BLOCK_LENGTH;
    const run = this.#data.find(begin + span - 1);
    if (run < 0) return 0;
    return Math.max(0, Math.min(begin + span, this.#data.ends[run] as number) - begin);
  }

  /**
   * Bytes of a piece that a peer may ask for. In v2-only torrents up to the full piece length: libtorrent before 2.0.13 asks for whole
   * blocks at the end of a file, and drops who answers less; what lies beyond the file is served as zeros.
   */
  servedBytes(piece: number): number {
    return this.#isV2Only ? this.pieceLength : this.pieceBytes(piece);
  }

  /** Whether a peer's request lies inside a piece. How much may be asked for at once is for the wire to say. */
  isValidRequest(piece: number, begin: number, length: number): boolean {
    if (!Number.isSafeInteger(piece) || piece < 0 || piece >= this.pieceCount) return false;
    if (!Number.isSafeInteger(begin) || begin < 0 || !Number.isSafeInteger(length) || length <= 0) return false;
    return begin + length <= this.servedBytes(piece);
  }

  /** The piece that a byte of torrent space lies in. */
  pieceAt(offset: number): number {
    return Math.floor(offset / this.pieceLength);
  }

  /** v2 and hybrid: the one file that a piece is of, as index in `info.files`; -1 for v1, where a piece may hold many. */
  fileOfPiece(piece: number): number {
    if (this.info.format === 'v1') return -1;
    const at = this.#files.find(piece * this.pieceLength);
    return at < 0 ? -1 : (this.#fileIndexes[at] as number);
  }

  /** Pieces that hold bytes of a file: first to before end; first = end for empty files and symlinks. */
  filePieces(fileIndex: number): { readonly first: number; readonly end: number } {
    const file = this.info.files[fileIndex];
    assert(file !== undefined, 'file index in range');
    const first = Math.floor(file.offset / this.pieceLength);
    if (file.length === 0) return { first, end: first };
    return { first, end: Math.ceil((file.offset + file.length) / this.pieceLength) };
  }

  /** Bytes of data before a place in torrent space. */
  #dataBefore(position: number): number {
    const run = this.#data.find(position);
    if (run < 0) return 0;
    const start = this.#data.starts[run] as number;
    return (this.#before[run] as number) + Math.min(position, this.#data.ends[run] as number) - start;
  }
}

function joinRuns(files: readonly FileEntry[]): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  for (const file of files) {
    const last = runs.at(-1);
    const end = file.offset + file.length;
    if (last !== undefined && last.end === file.offset) last.end = end;
    else runs.push({ start: file.offset, end });
  }
  return runs;
}

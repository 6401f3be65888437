import { BtError, compareBytes, encodeUtf8 } from '../base/index.ts';
import { BLOCK_LENGTH } from './geometry.ts';
import { limits } from './limits.ts';
import type { TorrentFormat } from './model.ts';
import { beyondLimit, invalid } from './raw-files.ts';
import { utf8Length } from './safe-path.ts';

/** One file, link or empty file that a torrent shall hold. */
export interface SourceFile {
  /** Parts below the torrent's folder; empty for the file of a single-file torrent, which takes the torrent's name. */
  readonly path: readonly string[];
  /** Bytes; 0 for symlinks. */
  readonly length: number;
  readonly executable?: boolean;
  readonly hidden?: boolean;
  /** Target of a symlink, parts below the torrent's folder (BEP 47). */
  readonly symlink?: readonly string[];
}

export interface PlannedEntry {
  /** undefined: a pad file (BEP 47). */
  readonly file: SourceFile | undefined;
  /** In torrent space. */
  readonly offset: number;
  readonly length: number;
}

/** How a torrent's content will lie in torrent space: decided before anything is hashed, for it decides what is hashed. */
export interface TorrentPlan {
  readonly format: TorrentFormat;
  readonly pieceLength: number;
  readonly singleFile: boolean;
  /** In order of torrent space; pad files only in hybrids. */
  readonly entries: readonly PlannedEntry[];
  readonly spaceLength: number;
  readonly pieceCount: number;
  /** Sum of the files. */
  readonly totalLength: number;
}

/**
 * Puts files in their order and place.
 *
 * Order: by path, part by part, as raw UTF-8: the order of a BEP 52 tree, and the same on every machine. Place: v1 one after the
 * other; v2 every file with bytes at the start of a piece; hybrid the same by pad files, right after each file that does not end a
 * piece, the last one too (as libtorrent makes them since 2.0, so that the last piece hashes alike in both formats).
 *
 * @throws BtError `metainfo/invalid`, `metainfo/unsafe-path`, `metainfo/limit`
 */
export function planTorrent(options: {
  readonly files: readonly SourceFile[];
  readonly format: TorrentFormat;
  /** 0 = choose by the size. */
  readonly pieceLength: number;
}): TorrentPlan {
  const { format } = options;
  const files = sortFiles(options.files);
  const totalLength = files.reduce((sum, f) => sum + f.length, 0);
  if (totalLength === 0) throw invalid('length', 'there is nothing to share: no file has any bytes');
  const pieceLength = options.pieceLength === 0 ? chooseAutoPieceLength(totalLength) : options.pieceLength;
  checkPieceLength(pieceLength, format);
  const singleFile = files.length === 1 && (files[0] as SourceFile).path.length === 0;
  const entries: PlannedEntry[] = [];
  let end = 0;
  for (const file of files) {
    const gap = file.length > 0 && format === 'v2' ? gapAfter(end, pieceLength) : 0;
    entries.push({ file, offset: end + gap, length: file.length });
    end += gap + file.length;
    const pad = file.length > 0 && format === 'hybrid' && !singleFile ? gapAfter(end, pieceLength) : 0;
    if (pad > 0) entries.push({ file: undefined, offset: end, length: pad });
    end += pad;
  }
  const pieceCount = Math.ceil(end / pieceLength);
  if (pieceCount > limits.pieceCountMax) {
    throw beyondLimit('pieces', `${pieceCount}, at most ${limits.pieceCountMax}: choose a greater piece length`);
  }
  return { format, pieceLength, singleFile, entries, spaceLength: end, pieceCount, totalLength };
}

/**
 * A power of two from 16 KiB to 16 MiB that makes about 1000 to 2000 pieces: few enough for small .torrent files and bitfields, many
 * enough that peers soon have something to give. Beyond 32 GiB the number of pieces grows instead, up to the limit.
 */
export function chooseAutoPieceLength(totalLength: number): number {
  const most = 16 * 1024 * 1024;
  let length = BLOCK_LENGTH;
  while (totalLength / length > 2048 && length < most) length *= 2;
  while (totalLength / length > limits.pieceCountMax && length < limits.pieceLengthMax) length *= 2;
  return length;
}

function gapAfter(end: number, pieceLength: number): number {
  return Math.ceil(end / pieceLength) * pieceLength - end;
}

function checkPieceLength(length: number, format: TorrentFormat): void {
  if (!Number.isSafeInteger(length) || length <= 0 || length > limits.pieceLengthMax) {
    throw invalid('piece length', `${length}; from 1 to ${limits.pieceLengthMax} is allowed`);
  }
  if (format !== 'v1' && (length < BLOCK_LENGTH || (length & (length - 1)) !== 0)) {
    throw invalid('piece length', `${length}; ${format} wants a power of two, at least ${BLOCK_LENGTH}`);
  }
}

function sortFiles(files: readonly SourceFile[]): SourceFile[] {
  if (files.length === 0) throw invalid('files', 'there is nothing to share');
  if (files.length > limits.fileCountMax) throw beyondLimit('files', `more than ${limits.fileCountMax}`);
  const keyed = files.map((file) => {
    checkSource(file, files.length);
    return { file, key: file.path.map(encodeUtf8) };
  });
  keyed.sort((a, b) => comparePaths(a.key, b.key));
  keyed.forEach(({ file, key }, i) => {
    const before = keyed[i - 1];
    // In this order a folder follows right after a file of its name.
    if (before === undefined || comparePaths(before.key, key.slice(0, before.key.length)) !== 0) return;
    throw new BtError('metainfo/unsafe-path', {
      path: file.path.join('/'),
      what: 'there twice, or both a file and a folder',
    });
  });
  return keyed.map(({ file }) => file);
}

function comparePaths(a: readonly Uint8Array[], b: readonly Uint8Array[]): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const order = compareBytes(a[i] as Uint8Array, b[i] as Uint8Array);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function checkSource(file: SourceFile, fileCount: number): void {
  const path = file.path.join('/');
  if (!Number.isSafeInteger(file.length) || file.length < 0) throw invalid('length', `${file.length} of ${path}`);
  if (file.symlink !== undefined && file.length !== 0) throw invalid('length', `${path} is a link and has none`);
  if (file.path.length === 0 && fileCount > 1) throw invalid('path', 'empty, and not the only file');
  for (const part of [...file.path, ...(file.symlink ?? [])]) checkName(part, path);
}

/** Only what no reader could accept is refused here; names that others change are the user's choice. */
export function checkName(name: string, path: string): void {
  const isBad = name === '' || name === '.' || name === '..' || /[/\u0000]/.test(name);
  if (isBad) throw new BtError('metainfo/unsafe-path', { path, what: `${JSON.stringify(name)} is no file name` });
  if (utf8Length(name) > limits.nameBytesMax) {
    throw new BtError('metainfo/unsafe-path', { path, what: `a name is longer than ${limits.nameBytesMax} bytes` });
  }
}

import { join } from 'node:path';
import { BtError, compareBytes, toHex } from '../base/index.ts';
import type { PieceHashes } from '../hash/index.ts';
import { type HashOptions, hashPieces, merkle } from '../hash/index.ts';
import {
  type FileEntry,
  Geometry,
  HASH_BYTES,
  isHash,
  type TorrentFile,
  v1PieceHash,
  v2PieceHash,
} from '../metainfo/index.ts';
import { type Located, Locator } from './locate.ts';

/** What is known of one piece: some of its bytes are not there, all are there and right, or they are wrong. */
export const pieceStates = { missing: 0, good: 1, bad: 2 } as const;

export type FileStatus =
  | 'ok'
  | 'missing'
  /** There, but shorter or longer than it should be. A longer one may hold the right bytes at its start. */
  | 'short'
  | 'long'
  | 'bad'
  /** Nothing is known to be wrong, but pieces that it shares with missing files could not be checked (v1). */
  | 'unchecked'
  | 'not-a-file'
  /** Reached only through a symbolic link that leads out of the folder: not looked at. */
  | 'outside'
  | 'unreadable';

export interface VerifiedFile {
  readonly file: FileEntry;
  /** Where it should lie: the folder and the torrent's names. */
  readonly path: string;
  readonly status: FileStatus;
  /** Bytes found, where there is a file. */
  readonly foundLength?: number;
  /** Pieces with bytes of this file that are wrong; in v1 torrents a neighbour may be to blame. */
  readonly badPieces: readonly number[];
  readonly missingPieces: readonly number[];
  /** Why it is 'unreadable'. */
  readonly what?: string;
}

export interface VerifyResult {
  /** Every file is 'ok'. */
  readonly ok: boolean;
  readonly files: readonly VerifiedFile[];
  /** One of `pieceStates` a piece. */
  readonly pieces: Uint8Array;
  readonly goodPieceCount: number;
  /** Pieces of a hybrid torrent whose v1 and v2 hashes disagree about the same bytes: the torrent itself is wrong there. They count as bad. */
  readonly contradictions: readonly number[];
}

/**
 * Checks data on disk against a torrent: v1 pieces, v2 trees, or both.
 *
 * @param torrent without a piece layer for some file, that file is checked as a whole against its root
 * @param dir the parent of the torrent's name
 * @throws BtError `disk/…` where `dir` cannot be read, `client/aborted`; trouble with single files is a result, not an error
 */
export async function verifyTorrent(
  torrent: Pick<TorrentFile, 'info' | 'pieceLayers'>,
  dir: string,
  options: HashOptions = {},
): Promise<VerifyResult> {
  const { info } = torrent;
  const geometry = new Geometry(info);
  const located = await locateAll(info.files, await Locator.open(dir), options.signal);
  const planned = info.files.flatMap((file, i) => {
    if (file.length === 0) return [];
    const at = located[i] as Located;
    return [{ path: at.kind === 'file' ? at.path : undefined, offset: file.offset, length: file.length }];
  });
  const hashes = await hashPieces(
    {
      files: planned.sort((a, b) => a.offset - b.offset),
      pieceLength: info.pieceLength,
      spaceLength: info.spaceLength,
      v1: info.hashV1 !== undefined,
      v2: info.hashV2 !== undefined,
      onMissing: 'report',
    },
    options,
  );
  const { pieces, contradictions } = judgePieces(torrent, geometry, hashes);
  const problems = new Map(hashes.problems.map((p) => [p.path, p.what]));
  const files = info.files.map((file, i) => judgeFile(file, dir, located[i] as Located, geometry, pieces, problems));
  return {
    ok: files.every((f) => f.status === 'ok') && contradictions.length === 0,
    files,
    pieces,
    goodPieceCount: pieces.reduce((sum, state) => sum + (state === pieceStates.good ? 1 : 0), 0),
    contradictions,
  };
}

async function locateAll(
  files: readonly FileEntry[],
  locator: Locator,
  signal: AbortSignal | undefined,
): Promise<Located[]> {
  const batch = 64; // in flight at a time
  const located: Located[] = [];
  for (let i = 0; i < files.length; i += batch) {
    if (signal?.aborted) throw new BtError('client/aborted', { what: 'verifying' }, { cause: signal.reason });
    located.push(...(await Promise.all(files.slice(i, i + batch).map((file) => locator.locate(file)))));
  }
  return located;
}

function judgePieces(
  torrent: Pick<TorrentFile, 'info' | 'pieceLayers'>,
  geometry: Geometry,
  hashes: PieceHashes,
): { pieces: Uint8Array; contradictions: number[] } {
  const { info } = torrent;
  const layers = withFoundLayers(torrent, geometry, hashes);
  const pieces = new Uint8Array(info.pieceCount);
  const contradictions: number[] = [];
  for (let piece = 0; piece < info.pieceCount; piece++) {
    if (hashes.read[piece] !== 1) continue;
    const v1 = v1PieceHash(info, piece);
    const isV1Good =
      v1 === undefined ? undefined : compareBytes(v1, hashes.sha1.subarray(piece * 20, piece * 20 + 20)) === 0;
    // A hybrid's piece of nothing but pad has no tree.
    const hasTree = info.hashV2 !== undefined && geometry.fileOfPiece(piece) >= 0;
    const v2 = hasTree ? v2PieceHash(geometry, layers, piece)?.hash : undefined;
    const isV2Good = hasTree ? v2 !== undefined && isHash(v2, hashes.sha256, piece) : undefined;
    if (isV1Good !== undefined && isV2Good !== undefined && isV1Good !== isV2Good) contradictions.push(piece);
    pieces[piece] = isV1Good !== false && isV2Good !== false ? pieceStates.good : pieceStates.bad;
  }
  return { pieces, contradictions };
}

/**
 * The torrent's piece layers, and for files that lack theirs the one found on disk where its root is right: then all of the file is.
 */
function withFoundLayers(
  { info, pieceLayers }: Pick<TorrentFile, 'info' | 'pieceLayers'>,
  geometry: Geometry,
  hashes: PieceHashes,
): ReadonlyMap<string, Uint8Array> {
  if (info.hashV2 === undefined) return pieceLayers;
  const layers = new Map(pieceLayers);
  for (const file of info.files) {
    if (file.piecesRoot === undefined || file.length <= info.pieceLength) continue;
    const key = toHex(file.piecesRoot);
    if (layers.has(key)) continue;
    const { first, end } = geometry.filePieces(file.index);
    const layer = hashes.sha256.subarray(first * HASH_BYTES, end * HASH_BYTES);
    const shape = { root: file.piecesRoot, length: file.length, pieceLength: info.pieceLength };
    if (merkle.isPieceLayer(layer, shape)) layers.set(key, layer);
  }
  return layers;
}

function judgeFile(
  file: FileEntry,
  dir: string,
  located: Located,
  geometry: Geometry,
  pieces: Uint8Array,
  problems: ReadonlyMap<string, string>,
): VerifiedFile {
  const badPieces: number[] = [];
  const missingPieces: number[] = [];
  const { first, end } = geometry.filePieces(file.index);
  for (let piece = first; piece < end; piece++) {
    if (pieces[piece] === pieceStates.bad) badPieces.push(piece);
    else if (pieces[piece] === pieceStates.missing) missingPieces.push(piece);
  }
  const result = { file, path: join(dir, ...file.path), badPieces, missingPieces };
  if (located.kind === 'link') return { ...result, status: located.isRight ? 'ok' : 'bad' };
  if (located.kind === 'unreadable') return { ...result, status: 'unreadable', what: located.what };
  if (located.kind !== 'file') return { ...result, status: located.kind };
  const foundLength = located.length;
  const what = problems.get(located.path);
  if (what !== undefined) return { ...result, status: 'unreadable', foundLength, what };
  const status: FileStatus =
    foundLength < file.length
      ? 'short'
      : foundLength > file.length
        ? 'long'
        : badPieces.length > 0
          ? 'bad'
          : missingPieces.length > 0
            ? 'unchecked'
            : 'ok';
  return { ...result, status, foundLength };
}

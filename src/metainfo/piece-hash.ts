import { toHex } from '../base/index.ts';
import { BLOCK_LENGTH, type Geometry } from './geometry.ts';
import { HASH_BYTES, leafCount, nextPow2 } from './merkle.ts';
import type { Info } from './model.ts';

/** SHA-1 that a piece must have (pads as zeros), a view of 20 bytes; undefined for v2-only torrents. */
export function v1PieceHash(info: Info, piece: number): Uint8Array | undefined {
  return info.pieces?.subarray(piece * 20, piece * 20 + 20);
}

/**
 * Root that the blocks of a piece must have (BEP 52), over `leaves` leaves, missing ones zero. A file no longer than a piece has its
 * own root and a width of its own; a longer one has an entry in its piece layer.
 *
 * @param layers by hex of the file's root, as in `TorrentFile.pieceLayers`; they must be verified
 * @returns undefined for v1-only torrents, and where the file's layer is not known (yet)
 */
export function v2PieceHash(
  geometry: Geometry,
  layers: ReadonlyMap<string, Uint8Array>,
  piece: number,
): { readonly hash: Uint8Array; readonly leaves: number } | undefined {
  const file = geometry.info.files[geometry.fileOfPiece(piece)];
  if (file?.piecesRoot === undefined) return undefined;
  if (file.length <= geometry.pieceLength) return { hash: file.piecesRoot, leaves: nextPow2(leafCount(file.length)) };
  const layer = layers.get(toHex(file.piecesRoot));
  const at = (piece - geometry.filePieces(file.index).first) * HASH_BYTES;
  if (layer === undefined || at + HASH_BYTES > layer.length) return undefined;
  return { hash: layer.subarray(at, at + HASH_BYTES), leaves: geometry.pieceLength / BLOCK_LENGTH };
}

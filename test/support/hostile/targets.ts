import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTorrent } from 'eider/create';
import { parseTorrentFile } from '#metainfo';
import { nodeCrypto } from '../node-crypto.ts';
import { makeBytes } from '../temp-folder.ts';

const BLOCK = 16_384;

/** A torrent of one file whose content everybody in the arena knows. */
export interface Target {
  readonly name: string;
  /** Path of the .torrent file. */
  readonly file: string;
  readonly torrent: Uint8Array;
  /** As handshakes carry it. */
  readonly infoHash: Uint8Array;
  readonly isV2: boolean;
  readonly info: Uint8Array;
  /** `magnet:?xt=…`, with nothing else in it. */
  readonly magnet: string;
  readonly bytes: Buffer;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly blocksPerPiece: number;
  /** Root of the file's hash tree, for v2. */
  readonly root: Uint8Array | undefined;
  read(piece: number, begin: number, length: number): Buffer;
}

export type TargetName = 'small' | 'wide' | 'v2' | 'large';

/** Bytes and piece length, bytes. `wide`: pieces that several peers send together · `v2`: hashes of more than one request · `large`: metadata of more than one piece. */
const made: Readonly<Record<TargetName, { size: number; pieceLength: number; format: 'v1' | 'v2'; seed: number }>> = {
  small: { size: 4_000_000, pieceLength: 65_536, format: 'v1', seed: 1 },
  wide: { size: 6_000_000, pieceLength: 524_288, format: 'v1', seed: 2 },
  v2: { size: 12_000_000, pieceLength: 16_384, format: 'v2', seed: 3 },
  large: { size: 24_000_000, pieceLength: 16_384, format: 'v1', seed: 4 },
};

/** Writes the content to `folder` and makes its torrent beside it. */
export async function makeTarget(folder: string, name: TargetName): Promise<Target> {
  const { size, pieceLength, format, seed } = made[name];
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.bin`);
  const bytes = makeBytes(size, seed);
  writeFileSync(path, bytes);
  const { bytes: torrent } = await createTorrent(path, { format, pieceLength });
  const file = join(folder, `${name}.torrent`);
  writeFileSync(file, torrent);
  const { info } = parseTorrentFile(torrent, nodeCrypto);
  const isV2 = format === 'v2';
  const hash = Buffer.from((isV2 ? info.hashV2 : info.hashV1) as string, 'hex');
  return {
    name: `${name}.bin`,
    file,
    torrent,
    infoHash: hash.subarray(0, 20),
    isV2,
    info: info.bytes,
    magnet: isV2 ? `magnet:?xt=urn:btmh:1220${hash.toString('hex')}` : `magnet:?xt=urn:btih:${hash.toString('hex')}`,
    bytes,
    pieceLength,
    pieceCount: info.pieceCount,
    blocksPerPiece: pieceLength / BLOCK,
    root: info.files[0]?.piecesRoot,
    read: (piece, begin, length) => {
      const at = piece * pieceLength + begin;
      return bytes.subarray(at, Math.min(at + length, bytes.length));
    },
  };
}

/**
 * metainfo: Torrent files, magnet links, piece and file arithmetic, Merkle trees, safe names.
 *
 * May know: base, bencode.
 * Must never know: the network, piece states.
 */
export * from './build.ts';
export * from './file-hashes.ts';
export * from './file-map.ts';
export { BLOCK_LENGTH, Geometry } from './geometry.ts';
export { parseInfo } from './info.ts';
export { limits as metainfoLimits } from './limits.ts';
export * from './magnet.ts';
export * from './merkle.ts';
export * from './model.ts';
export * from './piece-hash.ts';
export { chooseAutoPieceLength, type PlannedEntry, planTorrent, type SourceFile, type TorrentPlan } from './plan.ts';
export { safePart, safeText } from './safe-path.ts';
export { parseTorrentFile } from './torrent-file.ts';

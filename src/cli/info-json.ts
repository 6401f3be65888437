import { toHex } from '../base/index.ts';
import type { FileEntry, Magnet, TorrentFile } from '../metainfo/index.ts';

/** The object of `eider info --json`: lengths in bytes, dates in seconds since 1970, hashes in lower-case hex, null for what is not said. */
export function torrentToJson(torrent: TorrentFile): Record<string, unknown> {
  const { info } = torrent;
  return {
    format: info.format,
    infoHashV1: info.hashV1 ?? null,
    infoHashV2: info.hashV2 ?? null,
    name: info.name,
    totalLength: info.totalLength,
    pieceLength: info.pieceLength,
    pieceCount: info.pieceCount,
    private: info.isPrivate,
    trackers: torrent.trackers,
    webSeeds: torrent.webSeeds,
    comment: torrent.comment ?? null,
    createdBy: torrent.createdBy ?? null,
    creationDate: torrent.creationDate ?? null,
    source: info.source ?? null,
    dhtNodes: torrent.dhtNodes,
    files: info.files.map(fileToJson),
  };
}

/** `path` is below the download folder, parts joined with '/'; `index` counts from 0. */
function fileToJson(file: FileEntry): Record<string, unknown> {
  return {
    index: file.index,
    path: file.path.join('/'),
    length: file.length,
    offset: file.offset,
    ...(file.piecesRoot !== undefined && { piecesRoot: toHex(file.piecesRoot) }),
    ...(file.executable && { executable: true }),
    ...(file.hidden && { hidden: true }),
    ...(file.symlink !== undefined && { symlink: file.symlink.join('/') }),
    ...(file.originalPath !== undefined && { originalPath: file.originalPath }),
  };
}

/** The same fields for a link, which knows little of its torrent; `selectOnly` counts from 0 (BEP 53), null for all files. */
export function magnetToJson(magnet: Magnet): Record<string, unknown> {
  return {
    format: null,
    infoHashV1: magnet.hashV1 ?? null,
    infoHashV2: magnet.hashV2 ?? null,
    name: magnet.name ?? null,
    totalLength: null,
    pieceLength: null,
    pieceCount: null,
    private: null,
    // BEP 9 knows no tiers: each tracker of a link is one of its own.
    trackers: magnet.trackers.map((url) => [url]),
    webSeeds: magnet.webSeeds,
    comment: null,
    createdBy: null,
    creationDate: null,
    source: null,
    dhtNodes: [],
    files: [],
    peers: magnet.peers,
    selectOnly: magnet.selectOnly ?? null,
    keywords: magnet.keywords,
  };
}

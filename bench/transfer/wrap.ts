import { nodeCrypto } from 'eider/create';
import { type Info, parseTorrentFile, wrapInfo } from '#metainfo';

/** A torrent that is given a tracker at each run: the tracker's port is another one each time, the info-hash the same. */
export interface BuiltTorrent {
  readonly info: Info;
  withTracker(url: string): Uint8Array;
}

export function toBuilt(bytes: Uint8Array): BuiltTorrent {
  const { info, pieceLayers } = parseTorrentFile(bytes, nodeCrypto);
  return { info, withTracker: (url) => wrapInfo(info.bytes, { trackers: [[url]], webSeeds: [], pieceLayers }) };
}

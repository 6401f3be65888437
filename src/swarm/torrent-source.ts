import type { InfoHash, PeerAddress } from '../base/index.ts';
import type { Info } from '../metainfo/index.ts';
import type { Policies } from './policies.ts';

/** What a torrent is made from: a .torrent file (info known) or a magnet link (hashes only). */
export interface TorrentSource {
  readonly info?: Info;
  readonly hashV1?: InfoHash;
  readonly hashV2?: InfoHash;
  /** For people, until the metadata is known. */
  readonly name?: string;
  readonly layers?: ReadonlyMap<string, Uint8Array>;
  readonly trackers: readonly (readonly string[])[];
  /** Dialled first, and again however often they fail. */
  readonly peers?: readonly PeerAddress[];
  /** Which files to fetch; all where it is absent. Asked once, when the info dictionary is known. May throw BtError. */
  readonly select?: (info: Info) => readonly boolean[];
  /** The data was hashed a moment ago: files of the right length are believed. */
  readonly verified?: boolean;
  /** The session's state has the .torrent file: `ports.loadTorrent` brings it. The torrent may sleep, and begins so if it is complete. */
  readonly isKept?: boolean;
  /** It was complete when it was seen last. */
  readonly wasComplete?: boolean;
  /** Other than the default ones. */
  readonly policies?: Partial<Policies>;
  /** ms to wait before the first announce. */
  readonly announceAfterMs?: number;
}

/** Payload bytes. */
export interface Totals {
  readonly uploaded: number;
  readonly downloaded: number;
}

import type { InfoHash } from '../base/index.ts';

/** Which hashes a torrent carries (BEP 3, BEP 52). */
export type TorrentFormat = 'v1' | 'v2' | 'hybrid';

/** One real file of a torrent. Pad files (BEP 47) are not listed: they exist only as gaps between `offset`s. */
export interface FileEntry {
  /** Position in the torrent's list without pad files: what `--files` and BEP 53 `so=` count (from 0). */
  readonly index: number;
  /** Safe parts below the download folder; the first is the torrent's name, and the only one in a single-file torrent. */
  readonly path: readonly string[];
  /** Bytes; 0 for symlinks. */
  readonly length: number;
  /** Where the file begins in torrent space (bytes). In v2 and hybrid torrents always a multiple of the piece length, unless empty. */
  readonly offset: number;
  /** BEP 52 root of the file's merkle tree, 32 bytes; undefined for v1-only torrents and empty files. */
  readonly piecesRoot?: Uint8Array;
  readonly executable: boolean;
  readonly hidden: boolean;
  /** Target of a symlink, as safe parts below the download folder (BEP 47): never leaves the torrent's own folder. */
  readonly symlink?: readonly string[];
  /** The name as the torrent gave it, joined with '/', where making it safe changed it. */
  readonly originalPath?: string;
}

/** A parsed and validated info dictionary: all that a swarm needs, and all that a magnet link fetches (BEP 9). */
export interface Info {
  readonly format: TorrentFormat;
  /** The dictionary exactly as it stands in its file: what is hashed and what is served to peers. */
  readonly bytes: Uint8Array;
  readonly hashV1?: InfoHash;
  readonly hashV2?: InfoHash;
  /** Safe as a single path part. */
  readonly name: string;
  readonly pieceLength: number;
  /** True where there is exactly one file and no folder around it. */
  readonly singleFile: boolean;
  readonly files: readonly FileEntry[];
  /** Torrent space: bytes from the first file's start to the last byte, pad files and alignment gaps included. */
  readonly spaceLength: number;
  readonly pieceCount: number;
  /** Sum of file lengths: pads left out. */
  readonly totalLength: number;
  /** Concatenated SHA-1 of the pieces, 20 bytes each; undefined for v2-only. */
  readonly pieces?: Uint8Array;
  readonly isPrivate: boolean;
  readonly source?: string;
}

/** A whole .torrent file. */
export interface TorrentFile {
  readonly info: Info;
  /**
   * Tiers of announce URLs (BEP 12), blanks around them trimmed, repeats dropped; `announce` is the only tier where the list names
   * nobody. Any scheme, or none: what Eider does not speak is shown all the same, and whoever opens one looks at its scheme first.
   */
  readonly trackers: readonly (readonly string[])[];
  /** BEP 19 `url-list` as it stands, repeats too, blanks escaped. Any scheme: whoever opens one looks at it first. */
  readonly webSeeds: readonly string[];
  readonly comment?: string;
  readonly createdBy?: string;
  /** Seconds since 1970. */
  readonly creationDate?: number;
  /** BEP 5 `nodes`. */
  readonly dhtNodes: readonly { readonly host: string; readonly port: number }[];
  /**
   * BEP 52 piece layers by hex of the file's root; each value is 32 bytes a piece and verified against the root.
   * A file longer than one piece without its layer here has to be fetched from peers.
   */
  readonly pieceLayers: ReadonlyMap<string, Uint8Array>;
}

import type { BtError, ConnId, InfoHash, Millis, PeerAddress, TorrentId } from '../base/index.ts';
import type { Info } from '../metainfo/index.ts';
import type { AnnounceRequest, AnnounceResponse, CloseReason } from '../wire/index.ts';

/**
 * Everything the brains may ask of the world, and everything the world may tell them.
 *
 * Three rules make runs repeatable and state easy to reason about:
 * 1. A port call returns nothing and never calls back before the input that caused it has returned: answers come later, as new inputs.
 * 2. An input runs to completion. There are no locks and no awaits inside.
 * 3. A buffer has one owner. Where a call takes or brings a buffer, ownership goes with it; the giver must not touch it again. (In Node
 *    this is enforced: buffers that go to the disk worker are transferred, and reading one that has been given away fails.)
 */
export interface SwarmPorts extends NetPort, DiskPort, TrackerPort {
  /** One timer for the whole session: asks for `onWake` at or soon after `at`. A new call replaces the old. */
  wakeAt(at: Millis): void;
}

/** What the world tells; `now` never goes backwards. Implemented by `session/Session`. */
export interface SwarmInputs extends NetInputs, DiskInputs, TrackerInputs {
  onWake(now: Millis): void;
}

// --- connections -----------------------------------------------------------------------------------------------------------------

export interface NetPort {
  /** Connects out. -> onConnected or onClosed, exactly one of them. */
  dial(conn: ConnId, to: PeerAddress): void;
  /** Sends control messages. Takes the buffer. Order with writePayload is kept. */
  write(conn: ConnId, bytes: Uint8Array): void;
  /** Sends payload without copying it. Lends the view until onWritten(conn, ticket) or onClosed(conn) comes. */
  writePayload(conn: ConnId, bytes: Uint8Array, ticket: number): void;
  /** Stops or resumes reading: back-pressure and bandwidth limits. Bytes read already may still arrive. */
  reading(conn: ConnId, on: boolean): void;
  /** From now on one read of any connection brings so many bytes at most (what is under way may bring more): the grain of download limits. */
  readUpTo(bytes: number): void;
  /** Closes after what was written is flushed. No inputs for `conn` come afterwards: not even onClosed, but lent views are returned by onWritten. */
  close(conn: ConnId, reason: CloseReason): void;
}

export interface NetInputs {
  /** A peer has connected to us. @returns its name from now on, or undefined to drop it at once */
  onIncoming(now: Millis, from: PeerAddress): ConnId | undefined;
  onConnected(now: Millis, conn: ConnId): void;
  /** @param bytes borrowed until the call returns */
  onBytes(now: Millis, conn: ConnId, bytes: Uint8Array): void;
  /** The view lent with `ticket` may be used again. */
  onWritten(now: Millis, conn: ConnId, ticket: number): void;
  /** The dial failed, or the other side or the network ended it. Views lent to this connection are free again. */
  onClosed(now: Millis, conn: ConnId, reason: CloseReason): void;
}

// --- disk ------------------------------------------------------------------------------------------------------------------------

/** What a piece must hash to. At least one is present; a hybrid torrent has both and both must hold. */
export interface PieceExpectation {
  /** SHA-1 of the piece, pad bytes counted as zeros (BEP 3). */
  readonly v1?: Uint8Array;
  /** Root over `leaves` SHA-256 leaves of 16 KiB blocks, missing leaves zero (BEP 52). */
  readonly v2?: { readonly hash: Uint8Array; readonly leaves: number };
}

/** What came of looking at a piece on disk. */
export const PieceCheck = {
  bad: 0,
  good: 1,
  /** A file of it does not exist. */
  missing: 2,
  /** The disk has failed, or somebody was changing the file meanwhile. */
  unknown: 3,
} as const;
export type PieceCheck = (typeof PieceCheck)[keyof typeof PieceCheck];

/** State of one file on disk; times in milliseconds since 1970. */
export interface FileState {
  readonly length: number;
  readonly modifiedMs: number;
}

export interface OpenStore {
  readonly info: Info;
  /** By file index; false: the file is not selected, is never created, and its share of boundary pieces lives in the part file. */
  readonly wanted: readonly boolean[];
}

export interface CommitPiece {
  readonly torrent: TorrentId;
  readonly piece: number;
  /**
   * The piece's bytes in order: whole-piece view, or, for pieces longer than a slot, one view a segment (`segmentBytes` each, the last
   * shorter), where undefined stands for a segment that went to disk by `storeSegment` before. Pad bytes are zeros.
   */
  readonly segments: (Uint8Array | undefined)[];
  readonly segmentBytes: number;
  readonly expect: PieceExpectation;
  /** Ask for SHA-1 of every 16 KiB block even where the piece is good (blame: who sent what before). */
  readonly blockHashes: boolean;
}

export type CommitOutcome =
  | { readonly kind: 'ok' }
  /** Nothing was stored (segments already stored are simply not believed). */
  | { readonly kind: 'bad' }
  /** v1 and v2 hashes disagree: the torrent itself contradicts itself. */
  | { readonly kind: 'inconsistent' }
  | { readonly kind: 'failed'; readonly error: BtError };

export interface DiskPort {
  /** Reads the .torrent file that the session's state keeps under this info-hash. -> onTorrentLoaded */
  loadTorrent(torrent: TorrentId, infoHash: InfoHash): void;
  /** -> onStoreOpened */
  openStore(torrent: TorrentId, open: OpenStore): void;
  /** Verifies, then stores. Takes the segments. -> onCommitted brings them back */
  commit(job: CommitPiece): void;
  /** Stores a part of a large piece before it can be verified. Takes the view. -> onSegmentStored brings it back */
  storeSegment(torrent: TorrentId, piece: number, offset: number, bytes: Uint8Array): void;
  /**
   * Reads `length` bytes from `begin` of a stored piece into the gaps of `into`, where the 13-byte headers of piece messages stand
   * already, one before each 16 KiB: one view carries many messages with no copy. Pad bytes are zeros. Takes `into`. -> onRun brings it
   * back
   * @param begin multiple of 16 KiB
   * @param into at least framedLength(length) bytes
   */
  readRun(torrent: TorrentId, run: number, piece: number, begin: number, length: number, into: Uint8Array): void;
  /** Hashes pieces that may be on disk. -> onRechecked, in order, possibly in several parts */
  recheck(torrent: TorrentId, first: number, expect: readonly PieceExpectation[]): void;
  /** SHA-256 of each 16 KiB data block of a stored piece (BEP 52 hash requests). -> onLeaves */
  hashLeaves(torrent: TorrentId, piece: number): void;
  /** Writes resume data after all data committed before it. `final`: data and record are forced to the medium (stop). -> onResumeSaved */
  saveResume(torrent: TorrentId, bytes: Uint8Array, final: boolean): void;
  /**
   * Moves an open store to another folder, in the background: reads are answered meanwhile, writes and checks must not be asked for.
   * -> onStoreMoved; before it closes at the latest, with `client/aborted`
   */
  moveStore(torrent: TorrentId, folder: string): void;
  /** -> onStoreClosed after everything before has been answered */
  closeStore(torrent: TorrentId): void;
}

/** A resume record as the store keeps it: the brain's bytes, and how the files stood when they were saved. */
export interface SavedResume {
  readonly bytes: Uint8Array;
  /** By file index, right after the data that the bytes describe was written. */
  readonly files: readonly (FileState | undefined)[];
  readonly partFile: FileState | undefined;
  /** True: saved by a clean stop, data synced, nothing written since. False: work was going on, files may be newer. */
  readonly final: boolean;
  /** When it was saved, or when the last of `committed` was noted. */
  readonly savedMs: number;
  /** Pieces verified and stored after the record was saved: each is noted as soon as it is written, so that a killed process loses none. */
  readonly committed: readonly number[];
  /** By file index, -1 the part file: how it stood after the last write to it that was noted since the record. */
  readonly written: ReadonlyMap<number, FileState>;
  /** The write that was going on when the process died: its files may be newer than all that was noted. */
  readonly underWay: { readonly piece: number; readonly sinceMs: number } | undefined;
  /** False: the machine was started anew since; what had not been forced to the medium may be lost. */
  readonly isSameBoot: boolean;
  /** False: the newest record is damaged and this is the one before: what has become of the data since is not known. */
  readonly isBelieved: boolean;
}

export type StoreOpened =
  | {
      readonly kind: 'ok';
      /** By file index; undefined where there is no such file. Files of another type than regular count as an error. */
      readonly files: readonly (FileState | undefined)[];
      readonly partFile: FileState | undefined;
      /** What was last saved by saveResume for this torrent and folder, if anything readable. */
      readonly resume: SavedResume | undefined;
      /** Why the newest record, or any, could not be used. */
      readonly resumeTrouble: BtError | undefined;
      /** Why nothing can be written to the folder, where that is known already. */
      readonly writeTrouble: BtError | undefined;
      /** A move that was broken off had come about: the store is in this folder. */
      readonly movedTo: string | undefined;
      /** Wall clock, milliseconds since 1970, to compare with SavedResume.savedMs. */
      readonly wallMs: number;
    }
  | { readonly kind: 'failed'; readonly error: BtError };

export interface DiskInputs {
  /** @param bytes undefined: there is none that could be read */
  onTorrentLoaded(now: Millis, torrent: TorrentId, bytes: Uint8Array | undefined): void;
  onStoreOpened(now: Millis, torrent: TorrentId, result: StoreOpened): void;
  onCommitted(
    now: Millis,
    torrent: TorrentId,
    piece: number,
    outcome: CommitOutcome,
    /** The buffers given to commit, same order. */
    segments: (Uint8Array | undefined)[],
    /** 20 bytes a block: always after 'bad', and where it was asked for. */
    blockHashes: Uint8Array | undefined,
  ): void;
  onSegmentStored(
    now: Millis,
    torrent: TorrentId,
    piece: number,
    offset: number,
    bytes: Uint8Array,
    error: BtError | undefined,
  ): void;
  onRun(now: Millis, torrent: TorrentId, run: number, bytes: Uint8Array, error: BtError | undefined): void;
  /** @param good one `PieceCheck` a piece */
  onRechecked(now: Millis, torrent: TorrentId, first: number, good: Uint8Array, error: BtError | undefined): void;
  onLeaves(
    now: Millis,
    torrent: TorrentId,
    piece: number,
    leaves: Uint8Array | undefined,
    error: BtError | undefined,
  ): void;
  onResumeSaved(now: Millis, torrent: TorrentId, error: BtError | undefined): void;
  /** @param error undefined: the store is there now; otherwise it is where it was */
  onStoreMoved(now: Millis, torrent: TorrentId, folder: string, error: BtError | undefined): void;
  onStoreClosed(now: Millis, torrent: TorrentId): void;
}

// --- trackers --------------------------------------------------------------------------------------------------------------------

export type AnnounceResult =
  | { readonly ok: true; readonly response: AnnounceResponse }
  /** `retryInSec`: the tracker said when to come back, Infinity = never (BEP 31). */
  | { readonly ok: false; readonly error: BtError; readonly retryInSec?: number };

export type ScrapeResult =
  | { readonly ok: true; readonly complete: number; readonly incomplete: number; readonly downloaded: number }
  | { readonly ok: false; readonly error: BtError };

export interface TrackerPort {
  /** -> onAnnounced with the same url and request */
  announce(torrent: TorrentId, url: string, request: AnnounceRequest): void;
  /** -> onScraped */
  scrape(torrent: TorrentId, url: string, infoHash: Uint8Array): void;
}

export interface TrackerInputs {
  onAnnounced(now: Millis, torrent: TorrentId, url: string, request: AnnounceRequest, result: AnnounceResult): void;
  onScraped(now: Millis, torrent: TorrentId, url: string, result: ScrapeResult): void;
}

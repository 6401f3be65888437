import { BtError, type ErrorCode, type ErrorDetail, type InfoHash, type TorrentId } from '../../base/index.ts';
import type { Info } from '../../metainfo/index.ts';
import type { CommitOutcome, CommitPiece, FileState, PieceExpectation, StoreOpened } from '../../swarm/index.ts';

/**
 * What passes between the loop and whoever does the disk's work, on this thread or another. Requests are done in order, except that
 * rechecks run in the background in small steps.
 *
 * Everything here can be cloned; payload buffers are not cloned but change hands (`transfersOf`).
 */
export type DiskRequest =
  | { readonly verb: 'load'; readonly torrent: TorrentId; readonly infoHash: InfoHash }
  | {
      readonly verb: 'open';
      readonly torrent: TorrentId;
      readonly info: Info;
      readonly wanted: readonly boolean[];
      /** Absolute path of the download folder: the parent of the torrent's name. */
      readonly folder: string;
    }
  | { readonly verb: 'commit'; readonly job: CommitPiece }
  | {
      readonly verb: 'segment';
      readonly torrent: TorrentId;
      readonly piece: number;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  | {
      readonly verb: 'run';
      readonly torrent: TorrentId;
      readonly run: number;
      readonly piece: number;
      readonly begin: number;
      readonly length: number;
      readonly into: Uint8Array;
    }
  | {
      readonly verb: 'recheck';
      readonly torrent: TorrentId;
      readonly first: number;
      readonly expect: PackedExpectations;
    }
  | { readonly verb: 'leaves'; readonly torrent: TorrentId; readonly piece: number }
  | { readonly verb: 'save'; readonly torrent: TorrentId; readonly bytes: Uint8Array; readonly final: boolean }
  | { readonly verb: 'move'; readonly torrent: TorrentId; readonly folder: string }
  /** Has no answer. */
  | { readonly verb: 'settle'; readonly torrent: TorrentId }
  | { readonly verb: 'close'; readonly torrent: TorrentId };

/** A `BtError` on its way between threads, where classes do not survive. */
export interface PackedError {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail[ErrorCode];
  /** The system's message, for the curious. */
  readonly cause: string;
}

type Packed<T> = T extends { readonly error: BtError }
  ? { readonly kind: 'failed'; readonly error: PackedError }
  : T extends { readonly resumeTrouble: BtError | undefined }
    ? Omit<T, 'resumeTrouble' | 'writeTrouble'> & {
        readonly resumeTrouble: PackedError | undefined;
        readonly writeTrouble: PackedError | undefined;
      }
    : T;

/**
 * How files stand, by index, that have been written or looked at anew since it was told last. Whoever reads them elsewhere knows by this what
 * is ours and what somebody else has done to them.
 */
export type FilesNow = ReadonlyMap<number, FileState>;

export type DiskReply =
  | { readonly verb: 'load'; readonly torrent: TorrentId; readonly bytes: Uint8Array | undefined }
  | {
      readonly verb: 'open';
      readonly torrent: TorrentId;
      readonly result: Packed<StoreOpened>;
      /** The folder is on a file system of this machine: reading what is in the page cache never waits for anybody. */
      readonly isLocal: boolean;
    }
  | {
      readonly verb: 'commit';
      readonly torrent: TorrentId;
      readonly piece: number;
      readonly outcome: Packed<CommitOutcome>;
      readonly segments: (Uint8Array | undefined)[];
      readonly blockHashes: Uint8Array | undefined;
      readonly files: FilesNow | undefined;
    }
  | {
      readonly verb: 'segment';
      readonly torrent: TorrentId;
      readonly piece: number;
      readonly offset: number;
      readonly bytes: Uint8Array;
      readonly error: PackedError | undefined;
      readonly files: FilesNow | undefined;
    }
  | {
      readonly verb: 'run';
      readonly torrent: TorrentId;
      readonly run: number;
      readonly into: Uint8Array;
      readonly error: PackedError | undefined;
      /** How long the disk took. */
      readonly tookMs: number;
    }
  | {
      readonly verb: 'recheck';
      readonly torrent: TorrentId;
      readonly first: number;
      readonly good: Uint8Array;
      readonly error: PackedError | undefined;
      /** What the threads hold that hash for the disk, after this part. */
      readonly threadBytes: number;
      readonly files: FilesNow | undefined;
    }
  | {
      readonly verb: 'leaves';
      readonly torrent: TorrentId;
      readonly piece: number;
      readonly leaves: Uint8Array | undefined;
      readonly error: PackedError | undefined;
    }
  | {
      readonly verb: 'save';
      readonly torrent: TorrentId;
      readonly error: PackedError | undefined;
      /** Of the final one: files that were too long are cut. */
      readonly files: FilesNow | undefined;
    }
  | {
      readonly verb: 'move';
      readonly torrent: TorrentId;
      readonly folder: string;
      readonly error: PackedError | undefined;
      /** Where it has come about: all of them, in the new place. */
      readonly files: FilesNow | undefined;
    }
  | { readonly verb: 'close'; readonly torrent: TorrentId };

/** The payload buffers of a message, each once: the transfer list of `postMessage`. The sender can no longer read them. */
export function transfersOf(message: DiskRequest | DiskReply): ArrayBuffer[] {
  switch (message.verb) {
    case 'commit': {
      const buffers = new Set<ArrayBuffer>();
      const segments = 'job' in message ? message.job.segments : message.segments;
      for (const segment of segments) if (segment !== undefined) buffers.add(segment.buffer as ArrayBuffer);
      return [...buffers];
    }
    case 'segment':
      return [message.bytes.buffer as ArrayBuffer];
    case 'run':
      return [message.into.buffer as ArrayBuffer];
    default:
      return [];
  }
}

/**
 * A request as it goes to the other thread: a view takes its whole buffer along, and hashes are views of the .torrent file. They are left
 * out where nobody asks for them, and are copies of their own bytes elsewhere.
 */
export function withoutLargeViews(request: DiskRequest): DiskRequest {
  if (request.verb === 'open') return { ...request, info: withoutHashes(request.info) };
  if (request.verb === 'commit') return { ...request, job: { ...request.job, expect: toOwn(request.job.expect) } };
  return request;
}

function withoutHashes(info: Info): Info {
  const { pieces: _pieces, ...rest } = info;
  const files = info.files.map(({ piecesRoot: _root, ...file }) => file);
  return { ...rest, bytes: new Uint8Array(0), files };
}

function toOwn({ v1, v2 }: PieceExpectation): PieceExpectation {
  return {
    ...(v1 === undefined ? {} : { v1: v1.slice() }),
    ...(v2 === undefined ? {} : { v2: { hash: v2.hash.slice(), leaves: v2.leaves } }),
  };
}

/** Expectations of many pieces as three flat arrays: a recheck of 100,000 pieces is one message without 100,000 objects. */
export interface PackedExpectations {
  readonly count: number;
  /** 20 bytes a piece, or empty. */
  readonly v1: Uint8Array;
  /** 32 bytes a piece, or empty. */
  readonly v2: Uint8Array;
  /** Leaves a piece; 0: the piece has no v2 hash. */
  readonly leaves: Uint32Array;
}

export function packExpectations(expect: readonly PieceExpectation[]): PackedExpectations {
  const count = expect.length;
  const hasV1 = expect.some((e) => e.v1 !== undefined);
  const hasV2 = expect.some((e) => e.v2 !== undefined);
  const v1 = new Uint8Array(hasV1 ? count * 20 : 0);
  const v2 = new Uint8Array(hasV2 ? count * 32 : 0);
  const leaves = new Uint32Array(hasV2 ? count : 0);
  for (let i = 0; i < count; i++) {
    const e = expect[i] as PieceExpectation;
    if (e.v1 !== undefined) v1.set(e.v1, i * 20);
    if (e.v2 !== undefined) {
      v2.set(e.v2.hash, i * 32);
      leaves[i] = e.v2.leaves;
    }
  }
  return { count, v1, v2, leaves };
}

export function unpackExpectation(packed: PackedExpectations, i: number): PieceExpectation {
  const leaves = packed.leaves[i] ?? 0;
  return {
    ...(packed.v1.length > 0 ? { v1: packed.v1.subarray(i * 20, i * 20 + 20) } : {}),
    ...(leaves > 0 ? { v2: { hash: packed.v2.subarray(i * 32, i * 32 + 32), leaves } } : {}),
  };
}

export function toFilesNow(files: readonly (FileState | undefined)[]): FilesNow {
  const now = new Map<number, FileState>();
  for (const [i, state] of files.entries()) if (state !== undefined) now.set(i, state);
  return now;
}

export function packError(error: BtError): PackedError {
  return { code: error.code, detail: error.detail, cause: error.cause === undefined ? '' : String(error.cause) };
}

export function unpackError(packed: PackedError): BtError {
  return new BtError(packed.code, packed.detail, packed.cause === '' ? undefined : { cause: new Error(packed.cause) });
}

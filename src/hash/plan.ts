import type { ErrorCode, ErrorDetail } from '../base/index.ts';

/** Bytes of one file that lie in torrent space. What no file covers (pads, alignment gaps) counts as zeros. */
export interface PlannedFile {
  /** Where the operating system finds it; undefined: known to be absent, do not look. */
  readonly path: string | undefined;
  /** In torrent space. Files come in order of `offset` and do not overlap. */
  readonly offset: number;
  readonly length: number;
}

export interface HashPlan {
  /** Files of length 0 may be left out. */
  readonly files: readonly PlannedFile[];
  /** A multiple of 16 KiB where `v2` is asked for; then every file also begins at a multiple of it. */
  readonly pieceLength: number;
  /** End of the last piece. */
  readonly spaceLength: number;
  readonly v1: boolean;
  readonly v2: boolean;
  /** What a file that is absent, too short or unreadable does: ends the work with an error, or leaves its pieces unread. */
  readonly onMissing: 'fail' | 'report';
}

/** One range of pieces for one thread, with the files that overlap it: threads keep nothing between jobs. */
export interface HashJob {
  readonly firstPiece: number;
  readonly pieceCount: number;
  readonly files: readonly PlannedFile[];
  /** Bytes of files in the range: what progress counts. */
  readonly dataBytes: number;
}

/** A file of a 'report' plan that exists but could not be read. */
export interface ReadProblem {
  readonly path: string;
  readonly what: string;
}

export interface HashedRange {
  readonly firstPiece: number;
  /** One byte a piece: 1 all of it was read, 0 something was missing (then its hashes are zeros). */
  readonly read: Uint8Array;
  /** SHA-1, 20 bytes a piece, pads as zeros (BEP 3); empty without v1. */
  readonly sha1: Uint8Array;
  /**
   * 32 bytes a piece (BEP 52): of a file longer than one piece, its piece layer; of a shorter one, its root. Empty without v2.
   * A piece that no file begins in stays zero.
   */
  readonly sha256: Uint8Array;
  readonly problems: readonly ReadProblem[];
}

/** All pieces of a plan; same form as a range that begins at piece 0. */
export type PieceHashes = Omit<HashedRange, 'firstPiece'>;

/** What a thread answers to a task; errors travel as data because a class does not survive the way between threads. */
export type HashAnswer =
  | { readonly kind: 'hashed'; readonly range: HashedRange }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly detail: ErrorDetail[ErrorCode] }
  | { readonly kind: 'crashed'; readonly what: string };

/** What a thread needs of a plan besides its job. */
export type HashSettings = Pick<HashPlan, 'pieceLength' | 'spaceLength' | 'v1' | 'v2' | 'onMissing'>;

/** All that a thread needs: threads know nothing of torrents. */
export interface HashTask {
  readonly settings: HashSettings;
  readonly job: HashJob;
}

/** Bytes of data a thread takes on at once: large enough that messages cost nothing, small enough for a lively progress bar. */
const jobBytesMax = 16 << 20;
const jobBytesMin = 1 << 20;

/** Cuts a plan into jobs in order of torrent space, about eight a worker where there is less to do than that. */
export function* toJobs(plan: HashPlan, workerCount: number): Generator<HashJob> {
  const pieceTotal = Math.ceil(plan.spaceLength / plan.pieceLength);
  const jobBytes = Math.min(jobBytesMax, Math.max(jobBytesMin, Math.ceil(plan.spaceLength / (workerCount * 8))));
  const piecesPerJob = Math.max(1, Math.floor(jobBytes / plan.pieceLength));
  const files = plan.files.filter((f) => f.length > 0);
  let next = 0; // first file that does not end before the job
  for (let firstPiece = 0; firstPiece < pieceTotal; firstPiece += piecesPerJob) {
    const pieceCount = Math.min(piecesPerJob, pieceTotal - firstPiece);
    const start = firstPiece * plan.pieceLength;
    const end = start + pieceCount * plan.pieceLength;
    const from = next;
    let dataBytes = 0;
    let to = from;
    for (; to < files.length; to++) {
      const f = files[to] as PlannedFile;
      if (f.offset >= end) break;
      dataBytes += Math.min(end, f.offset + f.length) - Math.max(start, f.offset);
    }
    next = to;
    const last = files[to - 1];
    if (to > from && last !== undefined && last.offset + last.length > end) next = to - 1;
    yield { firstPiece, pieceCount, files: files.slice(from, to), dataBytes };
  }
}

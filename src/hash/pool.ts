import { BtError } from '../base/index.ts';
import { PieceHasher } from './piece-hasher.ts';
import { type HashedRange, type HashJob, type HashPlan, type PieceHashes, toJobs } from './plan.ts';
import { defaultThreadCount, HashThreads } from './threads.ts';

export interface HashProgress {
  /** Bytes of files hashed so far. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface HashOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called a few dozen times a second at most on fast disks; the last call has doneBytes = totalBytes. */
  readonly onProgress?: ((progress: HashProgress) => void) | undefined;
  /** Default: one a core, at most four. */
  readonly workerCount?: number | undefined;
}

/** Less data than this is hashed on the calling thread at once: starting workers would take longer. */
const inlineBytesMax = 4 << 20;

/**
 * Hashes all pieces of a plan, over several threads where that pays.
 *
 * @throws BtError `client/aborted` when the signal fires (the threads are ended at once); `disk/…` where the plan says 'fail'
 */
export async function hashPieces(plan: HashPlan, options: HashOptions = {}): Promise<PieceHashes> {
  const totalBytes = plan.files.reduce((sum, f) => sum + f.length, 0);
  const workerCount = Math.max(1, options.workerCount ?? defaultThreadCount());
  const collector = new Collector(plan, totalBytes, options.onProgress);
  throwIfAborted(options.signal);
  if (totalBytes <= inlineBytesMax && options.workerCount === undefined) {
    const hasher = new PieceHasher();
    for (const job of toJobs(plan, 1)) collector.add(hasher.run(plan, job), job.dataBytes);
  } else {
    await runThreads(plan, workerCount, options.signal, (range, job) => collector.add(range, job.dataBytes));
  }
  return collector.finish();
}

/** Puts ranges together; they arrive in any order. */
class Collector {
  readonly #hashes: { read: Uint8Array; sha1: Uint8Array; sha256: Uint8Array };
  readonly #problems = new Map<string, string>();
  readonly #totalBytes: number;
  readonly #onProgress: HashOptions['onProgress'];
  #doneBytes = 0;

  constructor(plan: HashPlan, totalBytes: number, onProgress: HashOptions['onProgress']) {
    const pieceCount = Math.ceil(plan.spaceLength / plan.pieceLength);
    this.#totalBytes = totalBytes;
    this.#onProgress = onProgress;
    this.#hashes = {
      read: new Uint8Array(pieceCount),
      sha1: new Uint8Array(plan.v1 ? pieceCount * 20 : 0),
      sha256: new Uint8Array(plan.v2 ? pieceCount * 32 : 0),
    };
    onProgress?.({ doneBytes: 0, totalBytes });
  }

  add(range: HashedRange, dataBytes: number): void {
    this.#hashes.read.set(range.read, range.firstPiece);
    if (range.sha1.length > 0) this.#hashes.sha1.set(range.sha1, range.firstPiece * 20);
    if (range.sha256.length > 0) this.#hashes.sha256.set(range.sha256, range.firstPiece * 32);
    for (const { path, what } of range.problems) this.#problems.set(path, what);
    this.#doneBytes += dataBytes;
    this.#onProgress?.({ doneBytes: this.#doneBytes, totalBytes: this.#totalBytes });
  }

  finish(): PieceHashes {
    return { ...this.#hashes, problems: Array.from(this.#problems, ([path, what]) => ({ path, what })) };
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new BtError('client/aborted', { what: 'hashing' }, { cause: signal.reason });
}

/** Feeds the jobs in order to whichever thread is free, so that reads stay close to sequential. */
async function runThreads(
  plan: HashPlan,
  threadCount: number,
  signal: AbortSignal | undefined,
  onRange: (range: HashedRange, job: HashJob) => void,
): Promise<void> {
  const { pieceLength, spaceLength, v1, v2, onMissing } = plan;
  const settings = { pieceLength, spaceLength, v1, v2, onMissing };
  const jobs = toJobs(plan, threadCount);
  const threads = new HashThreads(threadCount);
  let onAbort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      onAbort = () => reject(new BtError('client/aborted', { what: 'hashing' }, { cause: signal?.reason }));
      signal?.addEventListener('abort', onAbort, { once: true });
      const feed = () => {
        while (!threads.isFull) {
          const { done, value: job } = jobs.next();
          if (done) break;
          threads.run({ settings, job }, (outcome) => {
            if ('error' in outcome) return reject(outcome.error);
            try {
              onRange(outcome.range, job);
            } catch (error) {
              return reject(error as Error); // the caller's onProgress threw
            }
            feed();
          });
        }
        if (threads.isIdle) resolve();
      };
      feed();
    });
  } finally {
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    await threads.close();
  }
}

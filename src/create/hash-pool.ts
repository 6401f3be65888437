import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { AssertionError, BtError } from '../base/index.ts';
import {
  type HashAnswer,
  type HashedRange,
  type HashJob,
  type HashPlan,
  type PieceHashes,
  toJobs,
} from './hash-plan.ts';
import { PieceHasher } from './piece-hasher.ts';

export interface HashProgress {
  /** Bytes of files hashed so far. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface HashOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called a few dozen times a second at most on fast disks; the last call has doneBytes = totalBytes. */
  readonly onProgress?: ((progress: HashProgress) => void) | undefined;
  /** Default: one a core, at most 4: beyond that the memory bus and the disk are the limit. */
  readonly workerCount?: number | undefined;
}

/** Less data than this is hashed on the calling thread at once: starting workers would take longer. */
const inlineBytesMax = 4 << 20;
/** Jobs handed to a worker ahead of its answers, so that it never waits for us. */
const jobsAhead = 2;

/**
 * Hashes all pieces of a plan, over several threads where that pays.
 *
 * @throws BtError `client/aborted` when the signal fires (the threads are ended at once); `disk/…` where the plan says 'fail'
 */
export async function hashPieces(plan: HashPlan, options: HashOptions = {}): Promise<PieceHashes> {
  const totalBytes = plan.files.reduce((sum, f) => sum + f.length, 0);
  const workerCount = Math.max(1, options.workerCount ?? Math.min(availableParallelism(), 4));
  const collector = new Collector(plan, totalBytes, options.onProgress);
  throwIfAborted(options.signal);
  if (totalBytes <= inlineBytesMax && options.workerCount === undefined) {
    const hasher = new PieceHasher(plan);
    for (const job of toJobs(plan, 1)) collector.add(hasher.run(job), job.dataBytes);
  } else {
    await runWorkers(plan, workerCount, options.signal, (range, job) => collector.add(range, job.dataBytes));
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

/** Feeds the jobs in order to whichever worker is free, so that reads stay close to sequential. */
async function runWorkers(
  plan: HashPlan,
  workerCount: number,
  signal: AbortSignal | undefined,
  onRange: (range: HashedRange, job: HashJob) => void,
): Promise<void> {
  const { pieceLength, spaceLength, v1, v2, onMissing } = plan;
  const jobs = toJobs(plan, workerCount);
  const workers: Worker[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      let running = 0;
      const onAbort = () => reject(new BtError('client/aborted', { what: 'hashing' }, { cause: signal?.reason }));
      signal?.addEventListener('abort', onAbort, { once: true });
      const settle = (error?: Error) => {
        signal?.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      for (let i = 0; i < workerCount; i++) {
        const worker = new Worker(new URL('./hash-worker.js', import.meta.url), {
          workerData: { pieceLength, spaceLength, v1, v2, onMissing },
        });
        workers.push(worker);
        const given: HashJob[] = [];
        const feed = () => {
          while (given.length < jobsAhead) {
            const next = jobs.next();
            if (next.done) break;
            given.push(next.value);
            worker.postMessage(next.value);
          }
          return given.length > 0;
        };
        worker.on('message', (answer: HashAnswer) => {
          const job = given.shift() as HashJob;
          if (answer.kind === 'failed') return settle(new BtError(answer.code, answer.detail));
          if (answer.kind === 'crashed') return settle(new AssertionError(`a hashing thread failed: ${answer.what}`));
          try {
            onRange(answer.range, job);
          } catch (error) {
            return settle(error as Error); // the caller's onProgress threw
          }
          if (!feed() && --running === 0) settle();
        });
        worker.on('error', settle);
        if (!feed()) {
          workers.pop();
          void worker.terminate();
          break;
        }
        running++;
      }
      if (running === 0) settle();
    });
  } finally {
    await Promise.all(workers.map((w) => w.terminate()));
  }
}

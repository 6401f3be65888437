import { parentPort, workerData } from 'node:worker_threads';
import { BtError } from '../base/index.ts';
import type { HashAnswer, HashJob, HashSettings } from './hash-plan.ts';
import { PieceHasher } from './piece-hasher.ts';

/** Entry of a hashing thread: one answer to every job, in order. Keeps nothing between jobs but its window. */
const hasher = new PieceHasher(workerData as HashSettings);

parentPort?.on('message', (job: HashJob) => {
  let answer: HashAnswer;
  try {
    answer = { kind: 'hashed', range: hasher.run(job) };
  } catch (error) {
    answer = BtError.is(error)
      ? { kind: 'failed', code: error.code, detail: error.detail }
      : { kind: 'crashed', what: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  parentPort?.postMessage(answer);
});

import { parentPort } from 'node:worker_threads';
import { BtError } from '../base/index.ts';
import { PieceHasher } from './piece-hasher.ts';
import type { HashAnswer, HashTask } from './plan.ts';

/** Entry of a hashing thread: one answer to every task, in order. Keeps nothing between tasks but its window. */
const hasher = new PieceHasher();

parentPort?.on('message', ({ settings, job }: HashTask) => {
  let answer: HashAnswer;
  try {
    answer = { kind: 'hashed', range: hasher.run(settings, job) };
  } catch (error) {
    answer = BtError.is(error)
      ? { kind: 'failed', code: error.code, detail: error.detail }
      : { kind: 'crashed', what: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  parentPort?.postMessage(answer);
});

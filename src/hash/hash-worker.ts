import { parentPort } from 'node:worker_threads';
import { PieceHasher } from './piece-hasher.ts';
import type { HashTask } from './plan.ts';

/** Entry of a hashing thread: one answer to every task, in order. Keeps nothing between tasks but its window. */
const hasher = new PieceHasher();

parentPort?.on('message', (task: HashTask) => parentPort?.postMessage(hasher.answer(task)));

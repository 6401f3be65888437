import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { AssertionError, assert, BtError } from '../base/index.ts';
import { windowBytes } from './piece-hasher.ts';
import type { HashAnswer, HashedRange, HashTask } from './plan.ts';

/** What comes of a task: its hashes, or why there are none. */
export type HashOutcome = { readonly range: HashedRange } | { readonly error: Error };

/** Tasks handed to a thread ahead of its answers, so that it never waits for us. */
const tasksAhead = 2;
/** Beyond this many threads the memory bus and the disk are the limit. */
const threadsMax = 4;

interface Thread {
  readonly worker: Worker;
  /** Given to it and not answered, oldest first. */
  readonly given: ((outcome: HashOutcome) => void)[];
}

/** How many threads hash where nobody says: one a core, four at most. */
export function defaultThreadCount(): number {
  return Math.min(availableParallelism(), threadsMax);
}

/**
 * Threads that hash ranges of pieces of any torrent. They start with the first task, one by one as there is work for them, and stay until
 * `close`: each keeps one window of memory (`windowBytes`) and no file open between tasks.
 */
export class HashThreads {
  readonly #count: number;
  readonly #threads: Thread[] = [];
  #isClosed = false;

  constructor(count: number = defaultThreadCount()) {
    this.#count = Math.max(1, count);
  }

  /** Another task would only wait behind others: whoever has many gives the next one when an outcome comes. */
  get isFull(): boolean {
    return this.#threads.length === this.#count && this.#threads.every(({ given }) => given.length >= tasksAhead);
  }
  /** Nothing is being hashed. */
  get isIdle(): boolean {
    return this.#threads.every(({ given }) => given.length === 0);
  }
  /** What the threads hold: their windows. */
  get bufferBytes(): number {
    return this.#threads.length * windowBytes;
  }

  /** @param onOutcome is called once, later, unless the threads are closed first */
  run(task: HashTask, onOutcome: (outcome: HashOutcome) => void): void {
    assert(!this.#isClosed, 'no tasks after close');
    const thread = this.#choose();
    thread.given.push(onOutcome);
    thread.worker.postMessage(task);
  }

  /** Ends the threads at once; what they are at has no outcome. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.splice(0).map(({ worker }) => worker.terminate()));
  }

  /** The least busy thread, or a new one where all have something to do. */
  #choose(): Thread {
    const least = this.#threads.reduce<Thread | undefined>(
      (best, thread) => (best === undefined || thread.given.length < best.given.length ? thread : best),
      undefined,
    );
    const canStart = this.#threads.length < this.#count;
    return least === undefined || (least.given.length > 0 && canStart) ? this.#start() : least;
  }

  #start(): Thread {
    // On Node 20 a worker cannot be started from .ts: this runs from the build.
    const worker = new Worker(new URL('./worker.js', import.meta.url), { name: 'eider-hash' });
    const thread: Thread = { worker, given: [] };
    this.#threads.push(thread);
    worker.on('message', (answer: HashAnswer) => {
      if (!this.#isClosed) thread.given.shift()?.(toOutcome(answer));
    });
    worker.on('error', (error) => {
      if (this.#isClosed) return;
      this.#threads.splice(this.#threads.indexOf(thread), 1);
      for (const onOutcome of thread.given.splice(0)) onOutcome({ error });
    });
    return thread;
  }
}

function toOutcome(answer: HashAnswer): HashOutcome {
  switch (answer.kind) {
    case 'hashed':
      return { range: answer.range };
    case 'failed':
      return { error: new BtError(answer.code, answer.detail) };
    case 'crashed':
      return { error: new AssertionError(`a hashing thread failed: ${answer.what}`) };
  }
}

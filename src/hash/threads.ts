import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { AssertionError, assert, BtError } from '../base/index.ts';
import { PieceHasher, windowBytes } from './piece-hasher.ts';
import type { HashAnswer, HashedRange, HashTask } from './plan.ts';

/** What comes of a task: its hashes, or why there are none. */
export type HashOutcome = { readonly range: HashedRange } | { readonly error: Error };

/** Tasks handed to a thread ahead of its answers, so that it never waits for us. */
const tasksAhead = 2;
/** Beyond this many threads the memory bus and the disk are the limit. */
const threadsMax = 4;

interface Given {
  readonly task: HashTask;
  readonly onOutcome: (outcome: HashOutcome) => void;
}

interface Thread {
  readonly worker: Worker;
  /** Given to it and not answered, oldest first. */
  readonly given: Given[];
}

/** How many threads hash where nobody says: one a core, four at most. */
export function defaultThreadCount(): number {
  return Math.min(availableParallelism(), threadsMax);
}

/**
 * Threads that hash ranges of pieces of any torrent. They start with the first task, one by one as there is work for them, and stay until
 * `close`: each keeps one window of memory (`windowBytes`) and no file open between tasks.
 *
 * A system that is short of descriptors, memory or threads refuses some or ends them: what they were at is done by the others, and by the
 * caller's own thread where there is none.
 */
export class HashThreads {
  /** How many there may be: fewer once one was refused. */
  #count: number;
  readonly #threads: Thread[] = [];
  /** What waits to be hashed on this thread. */
  readonly #here: Given[] = [];
  #hasher: PieceHasher | undefined;
  #isClosed = false;

  constructor(count: number = defaultThreadCount()) {
    this.#count = Math.max(1, count);
  }

  /** Another task would only wait behind others: whoever has many gives the next one when an outcome comes. */
  get isFull(): boolean {
    if (this.#count === 0) return this.#here.length > 0;
    return this.#threads.length >= this.#count && this.#threads.every(({ given }) => given.length >= tasksAhead);
  }
  /** Nothing is being hashed. */
  get isIdle(): boolean {
    return this.#here.length === 0 && this.#threads.every(({ given }) => given.length === 0);
  }
  /** What the threads hold: their windows. */
  get bufferBytes(): number {
    return (this.#threads.length + (this.#hasher === undefined ? 0 : 1)) * windowBytes;
  }

  /** @param onOutcome is called once, later, unless the threads are closed first */
  run(task: HashTask, onOutcome: (outcome: HashOutcome) => void): void {
    assert(!this.#isClosed, 'no tasks after close');
    this.#give({ task, onOutcome });
  }

  /** Ends the threads at once; what they are at has no outcome. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.splice(0).map(({ worker }) => worker.terminate()));
  }

  #give(given: Given): void {
    const thread = this.#choose();
    if (thread !== undefined) {
      thread.given.push(given);
      thread.worker.postMessage(given.task);
      return;
    }
    this.#here.push(given);
    if (this.#here.length === 1) setImmediate(() => this.#hashHere());
  }

  /** The least busy thread, or a new one where all have something to do; undefined: there is none to be had. */
  #choose(): Thread | undefined {
    const least = this.#threads.reduce<Thread | undefined>(
      (best, thread) => (best === undefined || thread.given.length < best.given.length ? thread : best),
      undefined,
    );
    const canStart = this.#threads.length < this.#count;
    return canStart && least?.given.length !== 0 ? (this.#start() ?? least) : least;
  }

  #start(): Thread | undefined {
    let worker: Worker;
    try {
      // On Node 20 a worker cannot be started from .ts: this runs from the build.
      worker = new Worker(new URL('./hash-worker.js', import.meta.url), { name: 'eider-hash' });
    } catch {
      // The system has no thread left.
      this.#count = this.#threads.length;
      return undefined;
    }
    const thread: Thread = { worker, given: [] };
    this.#threads.push(thread);
    worker.on('message', (answer: HashAnswer) => {
      if (!this.#isClosed) thread.given.shift()?.onOutcome(toOutcome(answer));
    });
    // It answers with what goes wrong in a task: this is a thread that could not begin, or that the system has ended.
    worker.on('error', () => this.#onLost(thread));
    return thread;
  }

  #onLost(thread: Thread): void {
    const at = this.#threads.indexOf(thread);
    if (this.#isClosed || at < 0) return;
    this.#threads.splice(at, 1);
    this.#count = this.#threads.length;
    for (const given of thread.given.splice(0)) this.#give(given);
  }

  /** One task a turn, so that the caller's other work goes on. */
  #hashHere(): void {
    const given = this.#here[0];
    if (this.#isClosed || given === undefined) return;
    this.#hasher ??= new PieceHasher();
    const answer = this.#hasher.answer(given.task);
    this.#here.shift();
    if (this.#here.length > 0) setImmediate(() => this.#hashHere());
    given.onOutcome(toOutcome(answer));
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

/** The thread that runs one target: the main thread can end it where an input never ends, or needs more memory than there is. */
import { parentPort, workerData } from 'node:worker_threads';
import { readCorpus } from './corpus.ts';
import { Coverage, type Share } from './coverage.ts';
import { type FuzzResult, fuzz } from './engine.ts';
import { loadTarget } from './targets.ts';

export interface Task {
  readonly name: string;
  readonly seed: number;
  /** Undefined: as many as the seconds allow. */
  readonly runsMax: number | undefined;
  /** Undefined: until the runs are done, and nothing goes by the clock. */
  readonly seconds: number | undefined;
  /** The input that is being run: its length, how many there were, and its bytes. */
  readonly current: SharedArrayBuffer;
  readonly isLoud: boolean;
}

export interface Report extends Omit<FuzzResult, 'failure'> {
  readonly failure?: { readonly input: Uint8Array; readonly error: string };
  readonly shares: readonly Share[];
  readonly unreached: readonly string[];
}

const task = workerData as Task;
const coverage = new Coverage();
const target = await loadTarget(task.name);
coverage.watch(target.files);
const numbers = new Int32Array(task.current, 0, 2);
const bytes = new Uint8Array(task.current, 8);
const { failure, ...result } = fuzz(target, {
  seed: task.seed,
  runsMax: task.runsMax ?? Number.MAX_SAFE_INTEGER,
  ...(task.seconds === undefined ? {} : { until: performance.now() + task.seconds * 1000 }),
  corpus: readCorpus(task.name).values(),
  coverage,
  isTimed: true,
  onInput: (input) => {
    numbers[0] = input.length;
    Atomics.add(numbers, 1, 1);
    bytes.set(input.subarray(0, bytes.length));
  },
});
const unreached = task.isLoud
  ? target.files.flatMap((file) => [...coverage.unreached(file)].map(([start, end]) => `${file} ${start} ${end}`))
  : [];
const report: Report = {
  ...result,
  ...(failure === undefined ? {} : { failure: { input: failure.input, error: textOf(failure.error) } }),
  shares: coverage.shares(),
  unreached,
};
coverage.end();
parentPort?.postMessage(report);

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${textOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

/**
 * `npm run fuzz` lists the targets, `npm run fuzz -- TARGET` runs one, `npm run fuzz -- all` runs all of them, with a share of the time
 * each.
 *
 *     --seconds S   10 by default, for all that are run together
 *     --runs N      N inputs a target instead, whatever time they take: with the same seed the same ones on every machine
 *     --times N     as --runs: N times the inputs that `npm test` gives each target, fewer to slow ones
 *     --seed K      by the clock where it is left out; always printed
 *     --input HEX   runs that one input and nothing else
 *     --keep TEXT   with --input: keeps it in fuzz/corpus/, as one that shows TEXT
 *     --unreached   prints the code that no input has reached
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { fromHex, toHex } from '#base';
import { keepInCorpus, readCorpus } from './support/corpus.ts';
import { type FuzzTarget, testRunsOf, textOf } from './support/target.ts';
import { loadTarget, targetNames } from './support/targets.ts';
import type { Report, Task } from './support/worker.ts';

/** An input that takes longer never ends, for all that matters. */
const STUCK_MS = 20_000;
const HEAP_MIB_MAX = 768;
const INPUT_BYTES_MAX = 1 << 20;

const { values, positionals } = readArguments();

// What is optimised counts other blocks than what is not, so when it is optimised must not depend on how fast another thread is.
if (values.runs !== undefined || values.times !== undefined) setFlagsFromString('--no-concurrent-recompilation');

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seconds: { type: 'string', default: '10' },
        runs: { type: 'string' },
        times: { type: 'string' },
        seed: { type: 'string' },
        input: { type: 'string' },
        keep: { type: 'string' },
        unreached: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    const { message } = error as Error;
    process.stderr.write(
      `${message}\n(the comment at the head of fuzz/main.ts and docs/testing.md have the options)\n`,
    );
    process.exit(2);
  }
}

interface Outcome {
  readonly report?: Report;
  /** Where the thread ended without a word: the input it was at. */
  readonly lost?: { readonly input: Uint8Array; readonly error: string };
}

/** Runs one target in a thread of its own. */
function runTarget(task: Omit<Task, 'current'>): Promise<Outcome> {
  const current = new SharedArrayBuffer(8 + INPUT_BYTES_MAX);
  const numbers = new Int32Array(current, 0, 2);
  const worker = new Worker(new URL('./support/worker.js', import.meta.url), {
    workerData: { ...task, current } satisfies Task,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
  });
  return new Promise((resolve) => {
    let countBefore = -1;
    const finish = (outcome: Outcome) => {
      clearInterval(watch);
      resolve(outcome);
      void worker.terminate();
    };
    const lose = (error: string) => {
      const input = new Uint8Array(current, 8, Math.min(numbers[0] ?? 0, INPUT_BYTES_MAX)).slice();
      finish({ lost: { input, error } });
    };
    const watch = setInterval(() => {
      const count = Atomics.load(numbers, 1);
      // What comes before the first input is loading, and what comes after the last is counting.
      if (count === countBefore && count > 0) lose(`an input has not ended within ${STUCK_MS / 1000} s`);
      countBefore = count;
    }, STUCK_MS);
    worker.on('message', (report: Report) => finish({ report }));
    worker.on('error', (error) => lose(error.stack ?? String(error)));
  });
}

function percent(shares: Report['shares']): string {
  const sum = (pick: 'reached' | 'all') => shares.reduce((total, share) => total + share[pick], 0);
  return sum('all') === 0 ? '-' : `${((100 * sum('reached')) / sum('all')).toFixed(1)} %`;
}

/** @returns inputs for a target that is bound by their number, undefined where it is bound by time */
function runsOf(target: FuzzTarget): number | undefined {
  if (values.runs !== undefined) return Number(values.runs);
  return values.times === undefined ? undefined : Number(values.times) * testRunsOf(target);
}

function shareOf(target: FuzzTarget): number {
  return target.share ?? 1;
}

/** @param secondsMax where no number of inputs is asked for */
async function fuzzOne(name: string, target: FuzzTarget, secondsMax: number, seed: number): Promise<boolean> {
  const startedAt = performance.now();
  const runsMax = runsOf(target);
  const seconds = runsMax === undefined ? secondsMax : undefined;
  const { report, lost } = await runTarget({ name, seed, runsMax, seconds, isLoud: values.unreached });
  const failure = lost ?? report?.failure;
  if (report !== undefined) {
    const { runs, kept, features, shares } = report;
    const time = ((performance.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(
      `${name.padEnd(22)} ${String(runs).padStart(8)} inputs, ${String(kept).padStart(4)} kept, ` +
        `${String(features).padStart(4)} outcomes, ${percent(shares).padStart(7)} of its code, ${time} s\n`,
    );
    if (positionals[0] !== 'all') {
      for (const share of shares) process.stdout.write(`  ${share.file.padEnd(40)} ${percent([share])}\n`);
    }
    if (failure === undefined) printUnreached(report.unreached);
  }
  if (failure === undefined) return true;
  const hex = toHex(failure.input);
  process.stdout.write(
    `\n${name} failed, seed ${seed}:\n${failure.error}\n\ninput of ${failure.input.length} bytes: ` +
      `${JSON.stringify(textOf(failure.input).slice(0, 400))}\n\n` +
      `again (and kept, with --keep 'what it shows'):\n  npm run fuzz -- ${name} --input '${hex}'\n\n`,
  );
  return false;
}

function printUnreached(stretches: readonly string[]): void {
  for (const stretch of stretches) {
    const [file = '', start, end] = stretch.split(' ');
    const text = readFileSync(join(import.meta.dirname, `../../dist/${file}.js`), 'utf8');
    const line = text.slice(0, Number(start)).split('\n').length;
    const code = text.slice(Number(start), Number(end)).replaceAll(/\s+/g, ' ').trim();
    if (code.length > 2) process.stdout.write(`  dist/${file}.js:${line} ${code.slice(0, 160)}\n`);
  }
}

async function replay(name: string, hex: string): Promise<void> {
  const input = fromHex(hex);
  if (input === undefined) throw new Error('--input is not hexadecimal');
  const target = await loadTarget(name);
  if (values.keep !== undefined) keepInCorpus(name, target, values.keep, input);
  process.stdout.write(`${name}: ${target.run(input) ?? 'nothing'}\n`);
}

async function list(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const { about } = await loadTarget(name);
    process.stdout.write(`${name.padEnd(22)} ${String(readCorpus(name).size).padStart(3)} kept  ${about}\n`);
  }
}

const names = targetNames();
const chosen = positionals[0] === 'all' ? names : positionals;
const unknown = chosen.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`no such target: ${unknown.join(' ')}; npm run fuzz lists them\n`);
  process.exitCode = 2;
} else if (chosen.length === 0) await list(names);
else if (values.input !== undefined) await replay(chosen[0] ?? '', values.input);
else {
  const seed = values.seed === undefined ? Date.now() % 1_000_000_007 : Number(values.seed);
  const targets = new Map<string, FuzzTarget>();
  for (const name of chosen) targets.set(name, await loadTarget(name));
  const shareSeconds = Number(values.seconds) / [...targets.values()].reduce((sum, t) => sum + shareOf(t), 0);
  process.stdout.write(`seed ${seed}\n`);
  let failures = 0;
  for (const [name, target] of targets)
    if (!(await fuzzOne(name, target, shareSeconds * shareOf(target), seed))) failures++;
  process.stdout.write(failures === 0 ? 'fuzz: all good\n' : `fuzz: ${failures} of ${chosen.length} targets failed\n`);
  process.exitCode = failures === 0 ? 0 : 1;
}

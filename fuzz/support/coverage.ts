import { Session } from 'node:inspector';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}
interface FunctionCoverage {
  readonly functionName: string;
  readonly ranges: readonly [Range, ...Range[]];
}
interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly FunctionCoverage[];
}

/** One function of a source: which of its characters have been run. */
interface Known {
  readonly file: string;
  readonly name: string;
  readonly start: number;
  readonly reached: Uint8Array;
}

/** A place in a function that was run for the first time. */
export interface Spot {
  readonly key: string;
  readonly at: number;
}

/** Share of the code inside functions that has been run, in characters of the built file. */
export interface Share {
  readonly file: string;
  readonly reached: number;
  readonly all: number;
}

const dist = pathToFileURL(join(import.meta.dirname, '../../../dist')).href;

/**
 * Which blocks of our own sources have been run, from the counters of the JavaScript engine itself, in this thread. Has to begin before
 * the sources are loaded: what was compiled before has no counters of blocks. Blocks only: no edges, no comparisons, no values.
 */
export class Coverage {
  readonly #session = new Session();
  readonly #known = new Map<string, Known>();
  #files: ReadonlySet<string> | undefined;

  constructor() {
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Looks at these sources only (without `src/` and `.ts`). */
  watch(files: readonly string[]): void {
    this.#files = new Set(files);
  }

  /** Takes what has been run since the last call. @returns the places that were new, one for each stretch */
  take(): Spot[] {
    const spots: Spot[] = [];
    for (const [key, known, ranges] of this.#read()) {
      const now = new Uint8Array(known.reached.length);
      for (const { startOffset, endOffset, count } of ranges) {
        now.fill(count > 0 ? 1 : 0, startOffset - known.start, endOffset - known.start);
      }
      let isOpen = false;
      for (let at = 0; at < now.length; at++) {
        const isNew = now[at] === 1 && known.reached[at] === 0;
        if (isNew) known.reached[at] = 1;
        if (isNew && !isOpen) spots.push({ key, at });
        isOpen = isNew;
      }
    }
    return spots;
  }

  /** Takes what has been run since the last call. @returns those of the places that were run in it */
  seen(spots: readonly Spot[]): Spot[] {
    const found: Spot[] = [];
    for (const [key, known, ranges] of this.#read()) {
      for (const spot of spots) {
        if (spot.key !== key) continue;
        const at = spot.at + known.start;
        // Inner ranges follow outer ones.
        const inner = ranges.findLast(({ startOffset, endOffset }) => startOffset <= at && at < endOffset);
        if (inner !== undefined && inner.count > 0) found.push(spot);
      }
    }
    return found;
  }

  /** What is known of each source that is watched. */
  shares(): Share[] {
    return [...(this.#files ?? [])].sort().map((file) => {
      const map = this.#mapOf(file);
      return { file, reached: map.filter((c) => c === 2).length, all: map.filter((c) => c > 0).length };
    });
  }

  /** Offsets in the built file: 0 outside of functions, 1 not run, 2 run. */
  #mapOf(file: string): Uint8Array {
    const functions = [...this.#known.values()].filter((known) => known.file === file);
    const map = new Uint8Array(Math.max(0, ...functions.map(({ start, reached }) => start + reached.length)));
    // Inner functions begin later or end sooner than those around them.
    functions.sort((a, b) => a.start - b.start || b.reached.length - a.reached.length);
    for (const { start, reached, name } of functions) {
      // The whole of a module is a function too.
      for (let i = 0; i < reached.length; i++) map[start + i] = start === 0 && name === '' ? 0 : 1 + reached[i]!;
    }
    return map;
  }

  /** Stretches of the built file that no input has reached. */
  *unreached(file: string): Generator<[start: number, end: number]> {
    const map = this.#mapOf(file);
    for (let at = 0; at < map.length; at++) {
      if (map[at] !== 1) continue;
      const start = at;
      while (map[at] === 1) at++;
      yield [start, at];
    }
  }

  /** Whether a function of that name, or for a class anything in the file, has been run. */
  hasRun(file: string, name: string): boolean {
    const isClass = /^[A-Z]/.test(name);
    return [...this.#known.values()].some(
      (known) =>
        known.file === file && (known.name === name || isClass) && known.name !== '' && known.reached.includes(1),
    );
  }

  end(): void {
    this.#session.disconnect();
  }

  *#read(): Generator<[string, Known, readonly Range[]]> {
    const { result } = this.#post('Profiler.takePreciseCoverage') as { result: readonly ScriptCoverage[] };
    for (const { url, functions } of result) {
      if (!url.startsWith(dist)) continue;
      const file = url.slice(dist.length + 1).replace(/\.js$/, '');
      if (this.#files?.has(file) === false) continue;
      for (const { functionName, ranges } of functions) {
        const [{ startOffset, endOffset }] = ranges;
        const key = `${file} ${startOffset} ${endOffset}`;
        let known = this.#known.get(key);
        if (known === undefined) {
          known = { file, name: functionName, start: startOffset, reached: new Uint8Array(endOffset - startOffset) };
          this.#known.set(key, known);
        }
        yield [key, known, ranges];
      }
    }
  }

  #post(method: string, parameters: object = {}): unknown {
    let answer: unknown;
    let failure: Error | null = null;
    // The inspector of the own thread answers before `post` returns.
    this.#session.post(method, parameters, (error, result) => {
      failure = error;
      answer = result;
    });
    if (failure !== null) throw failure;
    return answer;
  }
}

import { type Rng, seededRng } from '#base';
import type { Coverage, Spot } from './coverage.ts';
import { minimise } from './minimise.ts';
import { mutate } from './mutate.ts';
import { type FuzzTarget, utf8 } from './target.ts';

/** Inputs between two looks at the counters, at most: where something was new, they are run again to find out which it was. */
const BATCH_MAX = 128;
/** How much longer than a look the inputs between two of them take, at least: a look costs some 3 ms. */
const LOOK_FACTOR = 10;
/** Inputs kept as a base for others. */
const POOL_MAX = 4_000;
const MS_MAX = 50;

export interface FuzzOptions {
  readonly seed: number;
  readonly runsMax: number;
  /** By `performance.now()`. Without it nothing goes by the clock, and the same seed makes the same inputs wherever it runs. */
  readonly until?: number;
  /** Sound inputs beside those of the target: the corpus. */
  readonly corpus: Iterable<Uint8Array>;
  readonly coverage?: Coverage;
  /** Told of every input before it is run. */
  onInput?(input: Uint8Array): void;
  /** Whether a run that takes too long is a failure. */
  readonly isTimed?: boolean;
}

export interface FuzzFailure {
  /** Minimised, where the time allowed it. */
  readonly input: Uint8Array;
  readonly error: unknown;
}

export interface FuzzResult {
  readonly runs: number;
  /** Inputs that reached something new. */
  readonly kept: number;
  readonly features: number;
  readonly failure?: FuzzFailure;
}

/** Runs a target on its corpus, its seeds, inputs of its grammar, and changes of all inputs that reached something new. */
export function fuzz(target: FuzzTarget, options: FuzzOptions): FuzzResult {
  const run = new Run(target, options);
  const failure = run.go();
  const { runs, kept } = run;
  return { runs, kept, features: run.features.size, ...(failure === undefined ? {} : { failure }) };
}

class Run {
  readonly #target: FuzzTarget;
  readonly #options: FuzzOptions;
  readonly #rng: Rng;
  readonly #tokens: readonly Uint8Array[];
  readonly #pool: Uint8Array[] = [];
  #batch: Uint8Array[] = [];
  #lookedAt = 0;
  #lookMs = 0;
  readonly features = new Set<string>();
  runs = 0;
  kept = 0;

  constructor(target: FuzzTarget, options: FuzzOptions) {
    this.#target = target;
    this.#options = options;
    this.#rng = seededRng(options.seed);
    this.#tokens = (target.tokens ?? []).map((token) => (typeof token === 'string' ? utf8(token) : token));
  }

  go(): FuzzFailure | undefined {
    const { coverage, corpus, runsMax, until } = this.#options;
    coverage?.take();
    const given = [new Uint8Array(0), ...corpus, ...(this.#target.seeds?.() ?? [])];
    for (let i = 0; i < given.length + runsMax; i++) {
      if (until !== undefined && performance.now() >= until) break;
      const base = given[i];
      const failure = this.#try(base ?? this.#next());
      if (failure !== undefined) return failure;
      if (base !== undefined) this.#keep(base);
    }
    this.#look();
    return undefined;
  }

  #next(): Uint8Array {
    const rng = this.#rng;
    const { make, bytesMax = 4_096, form } = this.#target;
    const isMade = make !== undefined && rng.below(3) === 0;
    let input: Uint8Array;
    if (isMade) input = make.call(this.#target, rng);
    else if (this.#pool.length === 0 || (form === 'choices' && rng.below(8) === 0)) {
      input = rng.bytes(Math.floor(rng.unit() ** 2 * bytesMax));
    } else {
      // What was found last leads on most often.
      const { length } = this.#pool;
      const at =
        rng.below(2) === 0 ? rng.below(length) : length - 1 - Math.floor(rng.unit() ** 2 * Math.min(length, 60));
      input = this.#pool[at]!;
    }
    if (isMade && rng.below(2) === 0) return input.subarray(0, bytesMax);
    return mutate(input, rng, { tokens: this.#tokens, pool: this.#pool, bytesMax });
  }

  #try(input: Uint8Array): FuzzFailure | undefined {
    this.runs++;
    this.#options.onInput?.(input);
    try {
      const feature = this.#execute(input);
      if (feature !== undefined && !this.features.has(feature)) {
        this.features.add(feature);
        this.#keep(input);
      }
    } catch (error) {
      return this.#toFailure(input, error);
    }
    if (this.#options.coverage === undefined) return undefined;
    if (this.#batch.push(input) >= BATCH_MAX || this.#isTimeToLook()) this.#look();
    return undefined;
  }

  #execute(input: Uint8Array): string | undefined {
    const startedAt = performance.now();
    const feature = this.#target.run(input);
    const msMax = this.#target.msMax ?? MS_MAX;
    if (this.#options.isTimed !== true || performance.now() - startedAt < msMax) return feature;
    // Once may be the collector's doing, or that of whoever else uses the machine.
    for (let i = 0; i < 3; i++) {
      const before = process.cpuUsage();
      this.#target.run(input);
      const { user, system } = process.cpuUsage(before);
      if ((user + system) / 1_000 < msMax) return feature;
    }
    throw new Error(`an input of ${input.length} bytes takes more than ${msMax} ms of CPU, again and again`);
  }

  #isTimeToLook(): boolean {
    const { until } = this.#options;
    return until !== undefined && performance.now() - this.#lookedAt > this.#lookMs * LOOK_FACTOR;
  }

  #keep(input: Uint8Array): void {
    this.kept++;
    if (this.#pool.length < POOL_MAX) this.#pool.push(input);
    else this.#pool[this.#rng.below(POOL_MAX)] = input;
  }

  /** Finds the inputs of the batch that ran something new, by halves. */
  #look(): void {
    const { coverage, until } = this.#options;
    const batch = this.#batch;
    this.#batch = [];
    const startedAt = performance.now();
    const spots = coverage?.take() ?? [];
    this.#lookMs = performance.now() - startedAt;
    // Where both inputs and looks are slow, it is cheaper to keep a few too many than to tell the last of them apart.
    const runMs = (startedAt - this.#lookedAt) / batch.length;
    const isSlow = until !== undefined && runMs > 1;
    const few = isSlow ? Math.min(4, Math.max(1, Math.floor((2 * this.#lookMs) / runMs))) : 1;
    if (coverage !== undefined && spots.length > 0 && batch.length > 0) this.#find(coverage, batch, spots, few);
    this.#lookedAt = performance.now();
  }

  /** @param few inputs that are not told apart any more */
  #find(coverage: Coverage, inputs: readonly Uint8Array[], spots: readonly Spot[], few: number): void {
    if (inputs.length <= few) {
      for (const input of inputs) this.#keep(input);
      return;
    }
    const half = inputs.length >> 1;
    for (const input of inputs.slice(0, half)) this.#target.run(input);
    const found = coverage.seen(spots);
    const rest = spots.filter((spot) => !found.includes(spot));
    if (found.length > 0) this.#find(coverage, inputs.slice(0, half), found, few);
    if (rest.length > 0) this.#find(coverage, inputs.slice(half), rest, few);
  }

  #toFailure(input: Uint8Array, error: unknown): FuzzFailure {
    const kind = kindOf(error);
    const fails = (candidate: Uint8Array): boolean => {
      this.#options.onInput?.(candidate);
      try {
        this.#execute(candidate);
        return false;
      } catch (other) {
        return kindOf(other) === kind;
      }
    };
    // Something that depends on what went before would be minimised to nothing in particular.
    if (!fails(input)) return { input, error: new Error('fails only after other inputs', { cause: error }) };
    const least = minimise(input, fails);
    try {
      this.#execute(least);
    } catch (last) {
      return { input: least, error: last };
    }
    return { input, error };
  }
}

/** Two errors of one kind come from the same place, whatever values they name. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const places = [...(error.stack ?? '').matchAll(/\/(?:dist|build)\/[^)\s]*:\d+/g)].slice(0, 2);
  return [error.name, ...places.map(([place]) => place)].join(' ');
}

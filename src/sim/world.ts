import { addMs, assert, type Millis, type Rng, seededRng } from '../base/index.ts';

/** Handle of something that will happen. */
export interface SimEvent {
  readonly at: Millis;
  cancel(): void;
}

export interface RunOptions {
  /** Asked after every event; true ends the run. */
  readonly until?: () => boolean;
  /** Virtual instant at which the run ends. */
  readonly deadline: Millis;
  /** Events of this run after which the world counts as stuck. */
  readonly eventsMax?: number;
}

/** `done`: the condition holds · `deadline`: time is over · `idle`: nothing is left that could happen. */
export type RunEnd = 'done' | 'deadline' | 'idle';

/** Something went wrong in a simulated world; says where and how to see it again. */
export class SimFailure extends Error {
  override readonly name: string = 'SimFailure';
  readonly seed: number;
  readonly at: Millis;

  constructor(what: string, world: SimWorld, options?: ErrorOptions) {
    super(`${what}\n${world.report()}`, options);
    this.seed = world.seed;
    this.at = world.now;
  }
}

export const worldLimits = {
  /** One run. A swarm of 200 with 1,000 pieces needs about 20 million. */
  eventsMax: 100_000_000,
  /** Events while the clock stands still: more is a loop of inputs that answer each other at once. */
  eventsPerInstantMax: 200_000,
  /** Events kept for the report. */
  reportEvents: 24,
} as const;

/** Wall clock of a world when it begins, milliseconds since 1970. */
const EPOCH_MS = 1_700_000_000_000;

/**
 * A virtual clock and all that will happen: a heap of (time, sequence, action). Everything random comes from `seed`, so a run can be
 * repeated exactly; `digest` tells two runs apart.
 */
export class SimWorld {
  readonly seed: number;
  /** For the world's own use. Parts take `rng.fork(label)`, so that one part's draws do not shift another's. */
  readonly rng: Rng;
  /** Gets one line an event of interest; undefined costs nothing. */
  log: ((line: string) => void) | undefined;
  readonly #heap: Entry[] = [];
  readonly #hooks: (() => void)[] = [];
  readonly #recent: Entry[] = [];
  #now = 0 as Millis;
  #wallShiftMs = 0;
  #order = 0;
  #eventCount = 0;
  #instantEvents = 0;
  #digest = 0x811c9dc5;
  #isRunning = false;
  #failure: { readonly cause: unknown } | undefined;

  constructor(seed: number) {
    this.seed = seed;
    this.rng = seededRng(seed);
  }

  get now(): Millis {
    return this.#now;
  }
  /** Milliseconds since 1970; `jumpWallClock` moves it, `now` goes on undisturbed. */
  get wallMs(): number {
    return EPOCH_MS + this.#now + this.#wallShiftMs;
  }
  get eventCount(): number {
    return this.#eventCount;
  }
  /** Hash of everything that happened so far: equal for equal runs. */
  get digest(): number {
    return this.#digest >>> 0;
  }

  jumpWallClock(ms: number): void {
    this.#wallShiftMs += ms;
  }

  /** @param at not before `now`; events of one instant happen in the order they were asked for */
  at(at: Millis, label: string, action: () => void): SimEvent {
    assert(at >= this.#now && at < Number.POSITIVE_INFINITY, `event ${label} lies in the past or never`);
    const entry = new Entry(at, this.#order++, label, action);
    push(this.#heap, entry);
    return entry;
  }

  after(ms: number, label: string, action: () => void): SimEvent {
    return this.at(addMs(this.#now, ms), label, action);
  }

  /** Runs after every event; meant for checks of what must always hold, which throw. */
  afterEvent(hook: () => void): void {
    this.#hooks.push(hook);
  }

  /** Ends the run when the event that goes on now is over: for whoever must not throw where he is. The first failure counts. */
  fail(failure: unknown): void {
    this.#failure ??= { cause: failure };
  }

  /** Mixes a number into the digest: what the parts want compared between runs. */
  fold(value: number): void {
    this.#digest = Math.imul(this.#digest ^ value, 0x01000193);
  }

  /** @throws SimFailure where an event throws, or where the world is stuck */
  run(options: RunOptions): RunEnd {
    assert(!this.#isRunning, 'a world runs once at a time');
    this.#isRunning = true;
    try {
      return this.#run(options);
    } finally {
      this.#isRunning = false;
    }
  }

  /** Runs for `ms` of virtual time, whatever happens. */
  runFor(ms: number): void {
    this.run({ deadline: addMs(this.#now, ms) });
  }

  #run({ until, deadline, eventsMax = worldLimits.eventsMax }: RunOptions): RunEnd {
    if (until?.() === true) return 'done';
    const last = this.#eventCount + eventsMax;
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > deadline) {
        if (deadline < Number.POSITIVE_INFINITY) this.#now = Math.max(this.#now, deadline) as Millis;
        return next === undefined ? 'idle' : 'deadline';
      }
      pop(this.#heap);
      if (next.isCancelled) continue;
      this.#step(next);
      if (this.#eventCount >= last) throw new SimFailure(`stuck: ${eventsMax} events and no end`, this);
      if (until?.() === true) return 'done';
    }
  }

  #step(entry: Entry): void {
    if (entry.at > this.#now) {
      this.#now = entry.at;
      this.#instantEvents = 0;
    } else if (++this.#instantEvents > worldLimits.eventsPerInstantMax) {
      throw new SimFailure('stuck: the clock stands still', this);
    }
    this.#eventCount++;
    this.#recent[this.#eventCount % worldLimits.reportEvents] = entry;
    // Times are fractions of a millisecond; the sequence number covers who asked for what in which order.
    this.fold((entry.at * 1024) | 0);
    this.fold(entry.order);
    try {
      entry.action();
      if (this.#failure !== undefined) throw this.#failure.cause;
      for (const hook of this.#hooks) hook();
    } catch (error) {
      if (error instanceof SimFailure) throw error;
      const what = error instanceof Error ? error.message : String(error);
      throw new SimFailure(`${what} (in ${entry.label})`, this, { cause: error });
    }
  }

  /** Where the world stands, in a few lines. */
  report(): string {
    const recent = this.#recent.filter((e) => e !== undefined).sort((a, b) => a.at - b.at || a.order - b.order);
    const waiting = new Map<string, number>();
    for (const entry of this.#heap) {
      if (!entry.isCancelled) waiting.set(entry.label, (waiting.get(entry.label) ?? 0) + 1);
    }
    return [
      `seed ${this.seed}, at ${(this.#now / 1000).toFixed(3)} s, after ${this.#eventCount} events`,
      `last: ${recent.map((e) => `${e.label}@${e.at.toFixed(1)}`).join(' ')}`,
      `waiting: ${[...waiting].map(([label, count]) => `${count} ${label}`).join(', ') || 'nothing'}`,
    ].join('\n');
  }
}

class Entry implements SimEvent {
  readonly at: Millis;
  readonly order: number;
  readonly label: string;
  action: () => void;
  isCancelled = false;

  constructor(at: Millis, order: number, label: string, action: () => void) {
    this.at = at;
    this.order = order;
    this.label = label;
    this.action = action;
  }

  cancel(): void {
    this.isCancelled = true;
    // The entry stays in the heap until its time; what it would have touched need not.
    this.action = nothing;
  }
}

function nothing(): void {}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up] as Entry;
    if (!isBefore(entry, parent)) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): void {
  const entry = heap.pop() as Entry;
  const size = heap.length;
  if (size === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child++;
    const lower = heap[child] as Entry;
    if (!isBefore(lower, entry)) break;
    heap[at] = lower;
    at = child;
  }
  heap[at] = entry;
}

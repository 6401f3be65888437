/** Monotonic milliseconds since an arbitrary origin. Only `node` (its loop) and `sim` create them. */
export type Millis = number & { readonly __unit: 'ms' };

export function addMs(at: Millis, ms: number): Millis {
  return (at + ms) as Millis;
}

/** Later than everything: the deadline of a timer that is not set. */
export const NEVER: Millis = Number.POSITIVE_INFINITY as Millis;

/**
 * Zero, as a fraction. V8 keeps a field that begins with a whole number as one; with the first fraction it changes all objects of that kind
 * and throws away what was compiled for them. So fields for measured times and averages begin with this: on the path of every block that
 * saved a tenth of a download's CPU. It equals 0 and counts as 0, but is shown as -0 where it gets out: for fields that are not told as they
 * are.
 */
export const FRACTION_ZERO: number = -0;

/**
 * A small table of named timers with one next deadline: an owner of state needs one real timer whatever it waits for.
 * Meant for tens of names; setting and asking cost O(names).
 */
export class Deadlines<Name extends string | number> {
  readonly #at = new Map<Name, Millis>();

  set(name: Name, at: Millis): void {
    this.#at.set(name, at);
  }
  /** Sets the timer only where it would fire sooner than it does now. */
  sooner(name: Name, at: Millis): void {
    const old = this.#at.get(name);
    if (old === undefined || at < old) this.#at.set(name, at);
  }
  clear(name: Name): void {
    this.#at.delete(name);
  }
  has(name: Name): boolean {
    return this.#at.has(name);
  }
  get(name: Name): Millis {
    return this.#at.get(name) ?? NEVER;
  }
  next(): Millis {
    let best: number = NEVER;
    for (const at of this.#at.values()) if (at < best) best = at;
    return best as Millis;
  }
  /** Takes the names that are due out of the table, soonest first (ties in the order they were first set). */
  takeDue(now: Millis): Name[] {
    const due: [Name, Millis][] = [];
    for (const entry of this.#at) if (entry[1] <= now) due.push(entry);
    due.sort((a, b) => a[1] - b[1]);
    for (const [name] of due) this.#at.delete(name);
    return due.map(([name]) => name);
  }
}

/**
 * A lock in one word of shared memory, for critical sections of microseconds. It is not re-entrant, and a thread that is terminated while
 * it holds one leaves it held: workers end themselves between two calls.
 *
 *     0 free    1 held    2 held, and somebody may sleep
 */
/** Some microseconds: longer than an announce holds a lock. */
const SPINS = 1_000;
/** Only a bound for the case that a wake-up is lost. */
const SLEEP_MS = 1;

export function acquire(words: Int32Array, at: number): void {
  if (Atomics.compareExchange(words, at, 0, 1) !== 0) acquireContended(words, at);
}

function acquireContended(words: Int32Array, at: number): void {
  for (let i = 0; i < SPINS; i++) {
    if (Atomics.load(words, at) === 0 && Atomics.compareExchange(words, at, 0, 1) === 0) return;
  }
  while (Atomics.exchange(words, at, 2) !== 0) Atomics.wait(words, at, 2, SLEEP_MS);
}

export function release(words: Int32Array, at: number): void {
  if (Atomics.exchange(words, at, 0) === 2) Atomics.notify(words, at, 1);
}

import { assert } from '../../base/index.ts';

/**
 * A lock in one word of shared memory, for critical sections of microseconds. It is not re-entrant.
 *
 *     0 free    1 held    2 held, and somebody may sleep    3 given up
 *
 * A thread that is terminated in the middle of a section leaves its lock held. Whoever waits for it gives it up after some seconds, and
 * from then on an attempt to take it throws at once: what it guards may be half changed, and is better refused than waited for.
 */
/** Some microseconds: longer than an announce holds a lock. */
const SPINS = 1_000;
/** Only a bound for the case that a wake-up is lost. */
const SLEEP_MS = 1;
/** Sleeps without being woken; counted, so that a machine that stands still does not count. */
const SLEEPS_MAX = 3_000;
const GIVEN_UP = 3;

/** @throws AssertionError where the lock was left held by a thread that ended */
export function acquire(words: Int32Array, at: number): void {
  if (Atomics.compareExchange(words, at, 0, 1) !== 0) acquireContended(words, at);
}

function acquireContended(words: Int32Array, at: number): void {
  for (let i = 0; i < SPINS; i++) {
    if (Atomics.load(words, at) === 0 && Atomics.compareExchange(words, at, 0, 1) === 0) return;
  }
  for (let sleeps = 0; sleeps < SLEEPS_MAX; ) {
    assert(Atomics.load(words, at) !== GIVEN_UP, 'no thread ended with a lock');
    if (Atomics.exchange(words, at, 2) === 0) return;
    if (Atomics.wait(words, at, 2, SLEEP_MS) === 'timed-out') sleeps++;
  }
  // The next attempt throws, unless the lock has become free or somebody else's in the meantime.
  Atomics.compareExchange(words, at, 2, GIVEN_UP);
  acquireContended(words, at);
}

export function release(words: Int32Array, at: number): void {
  if (Atomics.exchange(words, at, 0) === 2) Atomics.notify(words, at, 1);
}

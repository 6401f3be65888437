/** Lines of one message in a window. */
const PER_WINDOW = 10;
const WINDOW_MS = 60_000;
/** Messages remembered; at the bound the oldest is forgotten. */
const MESSAGES_MAX = 1_000;

/** Bounds how often one message is written: strangers can cause some of them at will. */
export class RepeatGuard {
  readonly #messages = new Map<string, { since: number; count: number; dropped: number }>();

  /**
   * @param key what makes two messages the same
   * @param now milliseconds, of any clock
   * @returns undefined: do not write it; else how many were not written since the last that was
   */
  take(key: string, now: number): number | undefined {
    let entry = this.#messages.get(key);
    if (entry === undefined) {
      entry = { since: now, count: 0, dropped: 0 };
      this.#messages.set(key, entry);
      if (this.#messages.size > MESSAGES_MAX) this.#forgetOldest();
    } else if (now - entry.since >= WINDOW_MS) {
      entry.since = now;
      entry.count = 0;
    }
    if (entry.count >= PER_WINDOW) {
      entry.dropped++;
      return undefined;
    }
    entry.count++;
    const { dropped } = entry;
    entry.dropped = 0;
    return dropped;
  }

  #forgetOldest(): void {
    const [oldest] = this.#messages.keys();
    if (oldest !== undefined) this.#messages.delete(oldest);
  }
}

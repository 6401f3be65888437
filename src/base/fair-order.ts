/**
 * Who has had least goes first (start-time fair queueing, by bytes). Who was away, or could take less than was his, is ahead of the others
 * for `lagBytes` at most when he comes back: what was not used is gone to others.
 */
export class FairOrder<Key> {
  /** Bytes that anybody may catch up. */
  lagBytes: number;
  readonly #had = new Map<Key, number>();
  /** Where those stand who are served now. */
  #level = 0;

  constructor(lagBytes: number) {
    this.lagBytes = lagBytes;
  }

  /** Lower goes first. Who is asked for the first time stands with those who are served now, and stays there while they go on. */
  standing(key: Key): number {
    let had = this.#had.get(key);
    if (had === undefined) this.#had.set(key, (had = this.#level));
    return Math.max(had, this.#level - this.lagBytes);
  }

  took(key: Key, bytes: number): void {
    const from = this.standing(key);
    this.#level = Math.max(this.#level, from);
    this.#had.set(key, from + bytes);
  }

  /** The first of `keys`; undefined where there is none. */
  first(keys: Iterable<Key>): Key | undefined {
    let best: Key | undefined;
    let lowest = Number.POSITIVE_INFINITY;
    for (const key of keys) {
      const at = this.standing(key);
      if (at >= lowest) continue;
      lowest = at;
      best = key;
    }
    return best;
  }

  forget(key: Key): void {
    this.#had.delete(key);
  }
}

import type { Millis } from './time.ts';

/**
 * Wake-up times of many owners, each with at most one: setting O(log n), soonest O(1). What is set anew leaves its old place behind, to
 * be skipped when it comes up; places left behind are cleared out when they outnumber the live ones.
 */
export class WakeHeap<Owner> {
  readonly #at = new Map<Owner, Millis>();
  readonly #heap: { at: Millis; owner: Owner }[] = [];

  set(owner: Owner, at: Millis): void {
    if (this.#at.get(owner) === at) return;
    this.#at.set(owner, at);
    if (at === Number.POSITIVE_INFINITY) return;
    this.#push({ at, owner });
    if (this.#heap.length > 64 && this.#heap.length > this.#at.size * 4) this.#rebuild();
  }

  delete(owner: Owner): void {
    this.#at.delete(owner);
  }

  /** Infinity where the owner does not wait. */
  get(owner: Owner): Millis {
    return this.#at.get(owner) ?? (Number.POSITIVE_INFINITY as Millis);
  }

  /** The soonest time, Infinity where nobody waits. */
  next(): Millis {
    this.#skipStale();
    return this.#heap[0]?.at ?? (Number.POSITIVE_INFINITY as Millis);
  }

  /** Takes one owner that is due; undefined where none is. */
  takeDue(now: Millis): Owner | undefined {
    this.#skipStale();
    const top = this.#heap[0];
    if (top === undefined || top.at > now) return undefined;
    this.#pop();
    this.#at.delete(top.owner);
    return top.owner;
  }

  #skipStale(): void {
    for (let top = this.#heap[0]; top !== undefined && this.#at.get(top.owner) !== top.at; top = this.#heap[0])
      this.#pop();
  }

  #rebuild(): void {
    this.#heap.length = 0;
    for (const [owner, at] of this.#at) if (at !== Number.POSITIVE_INFINITY) this.#push({ at, owner });
  }

  #push(item: { at: Millis; owner: Owner }): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((heap[parent] as { at: Millis }).at <= item.at) break;
      heap[i] = heap[parent] as { at: Millis; owner: Owner };
      i = parent;
    }
    heap[i] = item;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = i * 2 + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && right.at < (heap[child] as { at: Millis }).at) child++;
      if ((heap[child] as { at: Millis }).at >= last.at) break;
      heap[i] = heap[child] as { at: Millis; owner: Owner };
      i = child;
    }
    heap[i] = last;
  }
}

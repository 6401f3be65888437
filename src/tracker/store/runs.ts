// Hot path: tracker-store
import type { Arena } from './arena.ts';
import { META_CLASS_SHIFT, peerWords } from './layout.ts';
import { classOf, netOfMeta, peersOf } from './meta.ts';

/** Runs as records: new ones, larger and smaller ones, none. Under the lock of the shard. */
export class Runs {
  readonly #arena: Arena;
  readonly #m: Int32Array;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#m = arena.words;
  }

  /** Makes an empty run of a part. @returns false where memory is used up */
  start(shard: number, part: number, meta: number): boolean {
    const m = this.#m;
    const run = this.#arena.allocate(shard, classOf(meta));
    if (run === 0) return false;
    m[run] = part;
    m[part] = run;
    m[part + 1] = meta;
    return true;
  }

  /** Moves the peers of a part to a run of another class, that holds them. @returns false where memory is used up: nothing has changed */
  resize(shard: number, part: number, toClass: number): boolean {
    const m = this.#m;
    const meta = m[part + 1]!;
    const fresh = this.#arena.allocate(shard, toClass);
    if (fresh === 0) return false;
    const old = m[part]!;
    const words = peersOf(meta) * peerWords[netOfMeta(meta)]!;
    m[fresh] = part;
    for (let i = 1; i <= words; i++) m[fresh + i] = m[old + i]!;
    m[part] = fresh;
    m[part + 1] = (meta & ~(63 << META_CLASS_SHIFT)) | (toClass << META_CLASS_SHIFT);
    this.free(shard, classOf(meta), old);
    return true;
  }

  /** Frees a run that no part refers to any more; another one may move to its place. */
  free(shard: number, runClass: number, run: number): void {
    const m = this.#m;
    if (this.#arena.free(shard, runClass, run) !== 0) m[m[run]!] = run;
  }

  copyPeer(from: number, to: number, stride: number): void {
    const m = this.#m;
    m[to] = m[from]!;
    m[to + 1] = m[from + 1]!;
    if (stride === 2) return;
    m[to + 2] = m[from + 2]!;
    m[to + 3] = m[from + 3]!;
    m[to + 4] = m[from + 4]!;
  }
}

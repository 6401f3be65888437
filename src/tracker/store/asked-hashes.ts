// Hot path: tracker-store
import { SHARD_COUNT } from './layout.ts';
import type { SwarmIndex } from './swarm-index.ts';
import { WireWords } from './wire-words.ts';

/** Hashes of a scrape that are looked up together. */
export const ASKED_MAX = 128;

/** The info-hashes of a scrape, ready to be looked up: sorted by shard, as lists. */
export class AskedHashes {
  /** Five words each. */
  readonly keys: Int32Array = new Int32Array(ASKED_MAX * 5);
  /** What the index goes by. */
  readonly hashes: Int32Array = new Int32Array(ASKED_MAX);
  /** The first hash of each shard, -1 = none. */
  readonly firstOf: Int32Array = new Int32Array(SHARD_COUNT);
  /** The next hash of the same shard, -1 = none. */
  readonly next: Int32Array = new Int32Array(ASKED_MAX);

  /** Where each probably is in the index; 0 = not known. */
  readonly slots: Int32Array = new Int32Array(ASKED_MAX);

  readonly #wire = new WireWords();

  /** @param bytes holds `count` hashes of 20 bytes at `at`; at most `ASKED_MAX` */
  load(index: SwarmIndex, bytes: Uint8Array, at: number, count: number): void {
    const { firstOf, hashes, keys, next } = this;
    firstOf.fill(-1);
    this.#wire.copy(bytes, at, count * 5, keys, 0);
    for (let i = 0; i < count; i++) {
      const hash = index.hash(keys, i * 5);
      const shard = hash & (SHARD_COUNT - 1);
      hashes[i] = hash;
      next[i] = firstOf[shard]!;
      firstOf[shard] = i;
    }
    if (count > 1) index.guess(hashes, count, this.slots);
    else this.slots[0] = 0;
  }
}

// Hot path: tracker-store
import type { Arena } from './arena.ts';
import { HEADER_PART, META_NODE, META_SPLIT, NET_6, NODE_WORDS, peerWords, RUN_PEERS_MAX } from './layout.ts';
import { netOfMeta, peersOf } from './meta.ts';
import type { SwarmIndex } from './swarm-index.ts';
import { WireWords } from './wire-words.ts';

/** Info-hashes that are looked up together. */
const AHEAD_MAX = 128;
/** Words that a processor fetches at a time: 64 bytes. */
const LINE_WORDS = 16;
const RUN_WORDS_MAX = 1 + RUN_PEERS_MAX * peerWords[NET_6]!;

/**
 * Has the processor fetch the swarms of several announces before they are worked on: alone, each would wait for memory three times, for
 * its slot of the index, its header and its peers; here all wait together. Needs no lock: what is read is not believed, only touched.
 */
export class LookAhead {
  readonly #m: Int32Array;
  readonly #index: SwarmIndex;
  readonly #wire = new WireWords();
  readonly #key = new Int32Array(5);
  readonly #hashes = new Int32Array(AHEAD_MAX);
  readonly #slots = new Int32Array(AHEAD_MAX);
  /** Kept, or a compiler might leave out the reading. */
  touched = 0;

  constructor(options: { arena: Arena; index: SwarmIndex }) {
    this.#m = options.arena.words;
    this.#index = options.index;
  }

  /** @param ats where in `bytes` the info-hashes are; those beyond the first 128 are left out */
  fetch(bytes: Uint8Array, ats: Int32Array, askedCount: number): void {
    const count = Math.min(askedCount, AHEAD_MAX);
    const hashes = this.#hashes;
    const slots = this.#slots;
    for (let i = 0; i < count; i++) {
      this.#wire.copy(bytes, ats[i]!, 5, this.#key, 0);
      hashes[i] = this.#index.hash(this.#key, 0);
    }
    this.#index.guess(hashes, count, slots);
    for (let i = 0; i < count; i++) this.#fetchPeers(this.#index.headerAt(slots[i]!));
  }

  #fetchPeers(header: number): void {
    const m = this.#m;
    const meta = m[header + HEADER_PART + 1]!;
    const from = m[header + HEADER_PART]!;
    // Of a swarm without peers it is no address; of one that changes meanwhile it may be anything.
    if (meta === 0 || from < 0 || from + RUN_WORDS_MAX > m.length) return;
    const isRun = (meta & (META_NODE | META_SPLIT)) === 0;
    const words = isRun ? 1 + peersOf(meta) * (netOfMeta(meta) === NET_6 ? 5 : 2) : NODE_WORDS;
    let touched = 0;
    for (let at = from; at < from + words; at += LINE_WORDS) touched ^= m[at]!;
    this.touched ^= touched;
  }
}

import { assert, Bitfield, type Rng } from '../base/index.ts';

/**
 * Missing pieces in order of rarity. Pieces of the same availability form a bucket; inside a bucket the order is random, so that peers
 * do not all fetch the same rare piece. A HAVE moves a piece by one bucket in O(1); adding and removing cost one swap a bucket above.
 *
 *     order:  [ bucket 0 | bucket 1 | bucket 2 ... ]     ends[b] = index behind the last piece of bucket b
 *
 * Peers that have everything are counted apart (`Picker.seeds`), since they change no order.
 */
export class PickerOrder {
  /** The pieces in the order. Not to be changed by others. */
  readonly pieces: Bitfield;
  readonly #rng: Rng;
  readonly #order: Int32Array;
  /** Where a piece stands in `#order`, or -1. */
  readonly #at: Int32Array;
  readonly #rarity: Uint16Array;
  /** ends[b] for b in 0..; at least one bucket. */
  readonly #ends: number[] = [0];
  #size = 0;

  constructor(pieceCount: number, rng: Rng) {
    this.#rng = rng;
    this.pieces = new Bitfield(pieceCount);
    this.#order = new Int32Array(pieceCount);
    this.#at = new Int32Array(pieceCount).fill(-1);
    this.#rarity = new Uint16Array(pieceCount);
  }

  get size(): number {
    return this.#size;
  }
  /** Peers (without seeds) that have the piece. */
  rarity(piece: number): number {
    return this.#rarity[piece] as number;
  }
  has(piece: number): boolean {
    return (this.#at[piece] as number) >= 0;
  }
  /** Where the piece stands; -1: it is not in the order. */
  rankOf(piece: number): number {
    return this.#at[piece] as number;
  }
  /** Rank of the first piece that is not the rarest there can be: one that some peer has. */
  get firstHad(): number {
    return this.#ends[0] as number;
  }
  /** The piece at `rank` (0 = rarest). */
  pieceAt(rank: number): number {
    return this.#order[rank] as number;
  }
  /** Pieces in the bucket of rank: how many were equally rare. */
  bucketSizeAt(rank: number): number {
    const b = this.#rarity[this.#order[rank] as number] as number;
    return (this.#ends[b] as number) - this.#start(b);
  }

  add(piece: number): void {
    assert(!this.has(piece), 'a piece is in the order once');
    this.pieces.set(piece);
    const bucket = this.#rarity[piece] as number;
    this.#grow(bucket);
    // Open a hole at the end, and carry it down: each bucket above gives its first piece's place to its own end.
    let hole = this.#size++;
    for (let b = this.#ends.length - 1; b > bucket; b--) {
      const first = this.#start(b);
      if (first !== hole) this.#put(hole, this.#order[first] as number);
      this.#ends[b] = (this.#ends[b] as number) + 1;
      hole = first;
    }
    this.#ends[bucket] = (this.#ends[bucket] as number) + 1;
    this.#put(hole, piece);
    this.#shuffleInto(bucket, hole);
  }

  remove(piece: number): void {
    let hole = this.#at[piece] as number;
    assert(hole >= 0, 'only a piece in the order is removed');
    this.#at[piece] = -1;
    this.pieces.clear(piece);
    for (let b = this.#rarity[piece] as number; b < this.#ends.length; b++) {
      const last = (this.#ends[b] as number) - 1;
      // An empty bucket above has nothing to move down, only its bounds shift.
      if (last >= hole && last !== hole) this.#put(hole, this.#order[last] as number);
      this.#ends[b] = last;
      hole = last;
    }
    this.#size--;
  }

  /** One more peer has the piece. */
  increment(piece: number): void {
    const bucket = this.#rarity[piece] as number;
    this.#rarity[piece] = bucket + 1;
    const at = this.#at[piece] as number;
    if (at < 0) return;
    this.#grow(bucket + 1);
    const last = (this.#ends[bucket] as number) - 1;
    this.#swap(at, last);
    this.#ends[bucket] = last;
    this.#shuffleInto(bucket + 1, last);
  }

  /** One peer less has the piece. */
  decrement(piece: number): void {
    const bucket = this.#rarity[piece] as number;
    assert(bucket > 0, 'availability is never negative');
    this.#rarity[piece] = bucket - 1;
    const at = this.#at[piece] as number;
    if (at < 0) return;
    const first = this.#start(bucket);
    this.#swap(at, first);
    this.#ends[bucket - 1] = first + 1;
    this.#shuffleInto(bucket - 1, first);
  }

  assertInvariants(): void {
    assert(this.#ends[this.#ends.length - 1] === this.#size, 'the last bucket ends at the end');
    assert(this.pieces.count === this.#size, 'the set has what is in the order');
    for (let rank = 0; rank < this.#size; rank++) {
      const piece = this.#order[rank] as number;
      const b = this.#rarity[piece] as number;
      assert(this.#at[piece] === rank && this.pieces.has(piece), 'place and order agree');
      assert(rank >= this.#start(b) && rank < (this.#ends[b] as number), 'piece stands in the bucket of its rarity');
    }
  }

  #start(bucket: number): number {
    return bucket === 0 ? 0 : (this.#ends[bucket - 1] as number);
  }
  #grow(bucket: number): void {
    while (this.#ends.length <= bucket) this.#ends.push(this.#size);
  }
  #put(rank: number, piece: number): void {
    this.#order[rank] = piece;
    this.#at[piece] = rank;
  }
  #swap(a: number, b: number): void {
    if (a === b) return;
    const pa = this.#order[a] as number;
    this.#put(a, this.#order[b] as number);
    this.#put(b, pa);
  }
  /** Swaps the newcomer at `rank` with a random member of its bucket. */
  #shuffleInto(bucket: number, rank: number): void {
    const start = this.#start(bucket);
    const size = (this.#ends[bucket] as number) - start;
    if (size > 1) this.#swap(rank, start + this.#rng.below(size));
  }
}

// Hot path: tracker-udp
import { type Millis, readWordLe } from '../base/index.ts';
import { SipHash } from './siphash.ts';

/** `expired`: we gave it to this address, but too long ago. `forged`: we never did, or hours ago. */
export type ConnectionIdVerdict = 'ok' | 'expired' | 'forged';

/** Buckets that one key serves. An id that is accepted is of this epoch or one of the two before. */
const EPOCH_BUCKETS = 128;
const KEYS_KEPT = 4;
/** Ids older than the 8 bits of their bucket tell cannot be told from younger ones: a lifetime has fewer buckets. */
const LIFETIME_BUCKETS_MAX = 240;
const BUCKET_MS_MIN = 30_000;

/**
 * Connection ids of the UDP tracker protocol (BEP 15) without a table: who can repeat an id has received a packet at that address.
 *
 *      0  low 8 bits of the time bucket it was issued in
 *      1  7 bytes of SipHash-2-4(key of the bucket's epoch, address, bucket as 24 bits)
 *
 * The bucket in the id makes checking one hash whatever the lifetime is, and tells an old id from an invented one. The port is not part
 * of it: NATs change ports between two packets. 56 bits: at a million guesses a second one hit in 2,000 years.
 *
 * A bucket is 30 s long, or longer where the lifetime is above two hours. Keys rotate every 128 buckets (64 minutes). Each is derived from the secret and the number of its epoch, so all threads with one secret and one clock
 * agree without a word between them; an old key is used as long as ids of its time are accepted.
 */
export class ConnectionIds {
  readonly #bucketMs: number;
  readonly #clockMs: number;
  readonly #master: SipHash;
  readonly #lifetimeBuckets: number;
  readonly #keys: SipHash[] = [];
  /** Which epoch each of `#keys` is of. */
  readonly #keyEpochs: number[] = new Array<number>(KEYS_KEPT).fill(-1);
  /** What is hashed: the address, then 3 bytes of the bucket and the length, as SipHash wants its last word. */
  readonly #words4 = new Int32Array(2);
  readonly #words6 = new Int32Array(6);
  #low = 0;
  #high = 0;

  /**
   * @param options.secret 16 unpredictable bytes
   * @param options.clockMs Unix time of `now` 0, where ids of another process with the same secret are to be accepted; default 0
   * @param options.lifetimeMs ids are accepted for this long, and up to a bucket longer. BEP 15 says two minutes; real clients reuse
   *   theirs for much longer
   */
  constructor(options: { secret: Uint8Array; lifetimeMs: number; clockMs?: number }) {
    this.#master = new SipHash(options.secret);
    this.#clockMs = options.clockMs ?? 0;
    this.#bucketMs = Math.max(BUCKET_MS_MIN, Math.ceil(options.lifetimeMs / LIFETIME_BUCKETS_MAX));
    this.#lifetimeBuckets = Math.max(1, Math.ceil(options.lifetimeMs / this.#bucketMs));
    for (let i = 0; i < KEYS_KEPT; i++) this.#keys.push(this.#master);
  }

  /**
   * Writes the 8 bytes of an id.
   *
   * @param address holds the 4 or 16 bytes (`addressLength`) of the asking address at `addressAt`
   */
  issue(
    now: Millis,
    address: Uint8Array,
    addressAt: number,
    addressLength: 4 | 16,
    into: Uint8Array,
    at: number,
  ): void {
    this.#compute(this.#bucketAt(now), address, addressAt, addressLength);
    for (let i = 0; i < 4; i++) {
      into[at + i] = this.#low >>> (i * 8);
      into[at + 4 + i] = this.#high >>> (i * 8);
    }
  }

  /**
   * @param address holds the 4 or 16 bytes (`addressLength`) of the address that the request came from at `addressAt`
   * @param id holds what the request brought, 8 bytes at `at`
   */
  verify(
    now: Millis,
    address: Uint8Array,
    addressAt: number,
    addressLength: 4 | 16,
    id: Uint8Array,
    at: number,
  ): ConnectionIdVerdict {
    const current = this.#bucketAt(now);
    const age = (current - (id[at] as number)) & 0xff;
    if (age > current) return 'forged';
    this.#compute(current - age, address, addressAt, addressLength);
    // No early end: how long this takes must not tell how many bytes were right.
    const difference = (this.#low ^ readWordLe(id, at)) | (this.#high ^ readWordLe(id, at + 4));
    if (difference !== 0) return 'forged';
    return age <= this.#lifetimeBuckets ? 'ok' : 'expired';
  }

  #bucketAt(now: Millis): number {
    return Math.floor((now + this.#clockMs) / this.#bucketMs);
  }

  #compute(bucket: number, address: Uint8Array, at: number, length: 4 | 16): void {
    const words = length === 4 ? this.#words4 : this.#words6;
    for (let i = 0; i < length; i += 4) words[i >>> 2] = readWordLe(address, at + i);
    const counted = bucket & 0xff_ffff;
    if (length === 4) {
      words[1] = counted | (7 << 24);
    } else {
      words[4] = counted;
      words[5] = 19 << 24;
    }
    const key = this.#keyOf(Math.floor(bucket / EPOCH_BUCKETS));
    key.hashWords(words);
    this.#low = (key.low & ~0xff) | (bucket & 0xff);
    this.#high = key.high;
  }

  #keyOf(epoch: number): SipHash {
    const slot = epoch & (KEYS_KEPT - 1);
    if (this.#keyEpochs[slot] !== epoch) {
      const key = new Uint8Array(16);
      const input = new Uint8Array(8);
      for (let i = 0; i < 4; i++) input[i] = epoch >>> (i * 8);
      this.#master.hash(input, key, 0);
      input[7] = 1;
      this.#master.hash(input, key, 8);
      this.#keys[slot] = new SipHash(key);
      this.#keyEpochs[slot] = epoch;
    }
    return this.#keys[slot] as SipHash;
  }
}

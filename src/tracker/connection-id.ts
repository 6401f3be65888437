import { type Millis, writeU32 } from '../base/index.ts';
import { SipHash } from './siphash.ts';

/** `expired`: we gave it to this address, but too long ago. `forged`: we never did, or hours ago. */
export type ConnectionIdVerdict = 'ok' | 'expired' | 'forged';

/**
 * Connection ids of the UDP tracker protocol (BEP 15) without a table: who can repeat an id has received a packet at that address.
 *
 *      0  low 8 bits of the time bucket it was issued in
 *      1  7 bytes of SipHash-2-4(key, bucket as u32, address)
 *
 * The bucket in the id makes checking one hash whatever the lifetime is, and tells an old id from an invented one. The port is not part
 * of it: NATs change ports between two packets. 56 bits: at a million guesses a second one hit in 2,000 years.
 */
export class ConnectionIds {
  static readonly bucketMs = 30_000;
  readonly #hash: SipHash;
  readonly #lifetimeBuckets: number;
  readonly #input4 = new Uint8Array(8);
  readonly #input6 = new Uint8Array(20);
  readonly #expected = new Uint8Array(8);

  /**
   * @param options.key 16 unpredictable bytes
   * @param options.lifetimeMs ids are accepted for this long, and up to 30 s longer. BEP 15 says two minutes; real clients reuse theirs
   *   for much longer. At most 2 hours, where the bucket's 8 bits run out.
   */
  constructor(options: { key: Uint8Array; lifetimeMs: number }) {
    this.#hash = new SipHash(options.key);
    this.#lifetimeBuckets = Math.min(Math.max(1, Math.ceil(options.lifetimeMs / ConnectionIds.bucketMs)), 240);
  }

  /** @param address 4 or 16 bytes, borrowed. @returns 8 bytes of the caller's own */
  issue(now: Millis, address: Uint8Array): Uint8Array {
    const id = new Uint8Array(8);
    this.#write(id, bucketAt(now), address);
    return id;
  }

  /**
   * @param address 4 or 16 bytes that the datagram came from
   * @param id the first 8 bytes of the request
   */
  verify(now: Millis, address: Uint8Array, id: Uint8Array): ConnectionIdVerdict {
    const current = bucketAt(now);
    const age = (current - (id[0] as number)) & 0xff;
    this.#write(this.#expected, (current - age) >>> 0, address);
    // No early end: how long this takes must not tell how many bytes were right.
    let difference = 0;
    for (let i = 0; i < 8; i++) difference |= (this.#expected[i] as number) ^ (id[i] as number);
    if (difference !== 0) return 'forged';
    return age <= this.#lifetimeBuckets ? 'ok' : 'expired';
  }

  #write(into: Uint8Array, bucket: number, address: Uint8Array): void {
    const input = address.length === 4 ? this.#input4 : this.#input6;
    writeU32(input, 0, bucket);
    input.set(address, 4);
    this.#hash.hash(input, into, 0);
    into[0] = bucket & 0xff;
  }
}

function bucketAt(now: Millis): number {
  return Math.floor(now / ConnectionIds.bucketMs) >>> 0;
}

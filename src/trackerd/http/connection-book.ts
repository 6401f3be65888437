import { toBinaryString } from '../../base/index.ts';

/**
 * How many connections there are, in all and of each address, whoever serves them. IPv6 addresses count by their /64, which one host
 * commands as a whole. One book may serve several listeners.
 */
export class ConnectionBook {
  readonly #max: number;
  readonly #perAddressMax: number;
  readonly #byAddress = new Map<string, number>();
  #count = 0;

  constructor(limits: { max: number; perAddressMax: number }) {
    this.#max = limits.max;
    this.#perAddressMax = limits.perAddressMax;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * @param source 4 or 16 bytes
   * @param isFree for trusted proxies: only the number of all connections counts
   * @returns what `release` wants once the connection is over; undefined where there is no place
   */
  take(source: Uint8Array, isFree: boolean): string | undefined {
    const key = isFree ? '' : toBinaryString(source.length === 4 ? source : source.subarray(0, 8));
    const held = this.#byAddress.get(key) ?? 0;
    if (this.#count >= this.#max || (!isFree && held >= this.#perAddressMax)) return undefined;
    this.#count++;
    this.#byAddress.set(key, held + 1);
    return key;
  }

  release(key: string): void {
    this.#count--;
    const left = (this.#byAddress.get(key) ?? 1) - 1;
    if (left > 0) this.#byAddress.set(key, left);
    else this.#byAddress.delete(key);
  }
}

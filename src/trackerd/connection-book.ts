import { toAddressKey } from './address-key.ts';

/**
 * How many connections there are, in all and of each address, whoever serves them. IPv6 addresses count by their /64. One
 * book may serve several listeners.
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
   * @returns why there is no place for one more; undefined where there is
   */
  judge(source: Uint8Array, isFree = false): 'full' | 'address-full' | undefined {
    if (this.#count >= this.#max) return 'full';
    const held = isFree ? 0 : (this.#byAddress.get(toAddressKey(source)) ?? 0);
    return held >= this.#perAddressMax ? 'address-full' : undefined;
  }

  /**
   * Takes a place. Parameters as for `judge`.
   *
   * @returns what `release` wants once the connection is over; undefined where there is no place
   */
  take(source: Uint8Array, isFree = false): string | undefined {
    if (this.judge(source, isFree) !== undefined) return undefined;
    const key = isFree ? '' : toAddressKey(source);
    this.#count++;
    this.#byAddress.set(key, (this.#byAddress.get(key) ?? 0) + 1);
    return key;
  }

  release(key: string): void {
    this.#count--;
    const left = (this.#byAddress.get(key) ?? 1) - 1;
    if (left > 0) this.#byAddress.set(key, left);
    else this.#byAddress.delete(key);
  }
}

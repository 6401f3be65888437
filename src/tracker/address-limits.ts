// Hot path: tracker-udp
import { isLocalNetwork, type Millis, readWordLe } from '../base/index.ts';

/**
 * What one address may ask. The defaults are 250 requests a second over two minutes: a seedbox announces 20,000 torrents within two
 * minutes of its start, and behind one address of a provider sit thousands of users with one announce each in ten seconds; both stay well
 * below. A flood of one host is hundreds of times above.
 */
export interface AddressLimitOptions {
  /** Requests of one address in a window that are answered, once it has proven to be there (all HTTP requests have). 0 = no limit. At most 1,000,000. */
  readonly requestsMax: number;
  /** Connects and bad connection ids of one address in a window that are answered. 0 = no limit. At most 1,000,000. */
  readonly unprovenMax: number;
  /** After it counting begins anew. Shorter ones would punish the burst of a client's start. */
  readonly windowMs: number;
  /** Whether loopback and private addresses are free of limits: proxies and the operator's own machines are there. */
  readonly exemptsLocal: boolean;
}

export const addressLimitDefaults: AddressLimitOptions = {
  requestsMax: 30_000,
  unprovenMax: 30_000,
  windowMs: 120_000,
  exemptsLocal: true,
};

/** What is counted apart. */
const KINDS = 2;
/** Cells of a row: 2^16. With two rows, 50,000,000 requests of others in a window add about 760 to what an address is taken for. */
const ROW_BITS = 16;
const ROW_CELLS = 1 << ROW_BITS;
const ROW_MASK = ROW_CELLS - 1;
const ROWS = 2;
const HEADER_CELLS = 16;
/** A cell: 12 bits of window number, 20 of count. */
const COUNT_BITS = 20;
const COUNT_MAX = (1 << COUNT_BITS) - 1;
const REQUESTS_MAX = 0;
const UNPROVEN_MAX = 1;
const WINDOW_MS = 2;
const EXEMPTS_LOCAL = 3;
const SEEDS = 4;

/**
 * How often each address asks, in fixed memory that all threads share: a count-min sketch (Cormode, Muthukrishnan 2005) with conservative
 * update, whose cells start again with each window. An address is never taken for less than it asked in this window but for what two
 * threads count at the same instant, and for more only where both its cells are shared. IPv6 addresses count by their /64, which one
 * host commands as a whole.
 *
 * Cells are plain words, not atomic: a count lost now and then does not matter, time does.
 */
export class AddressLimits {
  /** For `new AddressLimits` in another thread: 1 MiB. */
  readonly shared: SharedArrayBuffer;
  readonly #cells: Int32Array;
  readonly #seed0: number;
  readonly #seed1: number;

  /** @param from the memory of limits made elsewhere, or four unpredictable words to make new ones with */
  constructor(from: SharedArrayBuffer | Uint32Array) {
    if (from instanceof Uint32Array) {
      this.shared = new SharedArrayBuffer((HEADER_CELLS + KINDS * ROWS * ROW_CELLS) * 4);
      this.#cells = new Int32Array(this.shared);
      this.#cells.set(from.subarray(0, 4), SEEDS);
      this.set(addressLimitDefaults);
    } else {
      this.shared = from;
      this.#cells = new Int32Array(from);
    }
    this.#seed0 = this.#cells[SEEDS] as number;
    this.#seed1 = this.#cells[SEEDS + 1] as number;
  }

  /** Changes the limits for all threads, from the next request on. */
  set(options: Partial<AddressLimitOptions>): void {
    const cells = this.#cells;
    if (options.requestsMax !== undefined) cells[REQUESTS_MAX] = Math.min(options.requestsMax, COUNT_MAX - 1);
    if (options.unprovenMax !== undefined) cells[UNPROVEN_MAX] = Math.min(options.unprovenMax, COUNT_MAX - 1);
    if (options.windowMs !== undefined) cells[WINDOW_MS] = Math.min(Math.max(1_000, options.windowMs), 86_400_000);
    if (options.exemptsLocal !== undefined) cells[EXEMPTS_LOCAL] = options.exemptsLocal ? 1 : 0;
  }

  /**
   * Counts a request of an address that is surely the sender's.
   *
   * @param address holds its 4 or 16 bytes (`length`) at `at`
   * @returns whether it is within the limit
   */
  takeRequest(now: Millis, address: Uint8Array, at: number, length: 4 | 16): boolean {
    return this.#take(now, REQUESTS_MAX, address, at, length);
  }

  /** Counts a request whose sender may be anybody. @returns whether it is within the limit */
  takeUnproven(now: Millis, address: Uint8Array, at: number, length: 4 | 16): boolean {
    return this.#take(now, UNPROVEN_MAX, address, at, length);
  }

  /** Seconds until the window of `now` is over and half of the next one has passed. */
  retryInSec(now: Millis): number {
    const windowMs = this.#cells[WINDOW_MS] as number;
    return Math.ceil((windowMs * 1.5 - (now % windowMs)) / 1_000);
  }

  #take(now: Millis, kind: number, address: Uint8Array, at: number, length: 4 | 16): boolean {
    const cells = this.#cells;
    const max = cells[kind] as number;
    if (max === 0) return true;
    if (cells[EXEMPTS_LOCAL] === 1 && isLocalNetwork(address, at, length)) return true;
    // Two multiplications keyed by seeds nobody outside knows: who floods cannot choose whose cells he fills.
    let h = Math.imul(readWordLe(address, at) ^ this.#seed0, 0x85eb_ca6b);
    h = Math.imul(h ^ (h >>> 15), 0xc2b2_ae35);
    h ^= h >>> 13;
    if (length === 16) {
      h = Math.imul((h + readWordLe(address, at + 4)) ^ this.#seed1, 0x85eb_ca6b);
      h = Math.imul(h ^ (h >>> 15), 0xc2b2_ae35);
    } else {
      h = Math.imul(h ^ this.#seed1, 0x27d4_eb2f);
    }
    h ^= h >>> 16;
    const window = Math.floor(now / (cells[WINDOW_MS] as number)) & 0xfff;
    const row = HEADER_CELLS + kind * ROWS * ROW_CELLS;
    const a = row + (h & ROW_MASK);
    const b = row + ROW_CELLS + (h >>> 16);
    const countA = countOf(cells[a] as number, window);
    const countB = countOf(cells[b] as number, window);
    const count = countA < countB ? countA : countB;
    // Once over the limit, nothing is written: a flood leaves the memory alone.
    if (count >= max) return false;
    const next = (window << COUNT_BITS) | (count + 1);
    if (countA === count) cells[a] = next;
    if (countB === count) cells[b] = next;
    return true;
  }
}

function countOf(cell: number, window: number): number {
  return cell >>> COUNT_BITS === window ? cell & COUNT_MAX : 0;
}

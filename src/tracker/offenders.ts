import { formatIp, readWordLe } from '../base/index.ts';

/** What an address did: repeated an id that is too old, brought one we never gave, asked too much. */
export type Offence = 'expired' | 'forged' | 'limited';

export interface Offender {
  readonly address: string;
  /** Offences since it was first noted; at most `error` of them may be of others. */
  readonly count: number;
  readonly expired: number;
  readonly forged: number;
  readonly limited: number;
  readonly error: number;
}

/** Addresses remembered by each thread. */
const ENTRIES = 32;
/** Words of an entry: address 0 to 3, its length 4, count 5, error 6, then one for each offence. */
const ENTRY_WORDS = 10;
const OFFENCES: Readonly<Record<Offence, number>> = { expired: 7, forged: 8, limited: 9 };

/**
 * The addresses that offend most, in fixed shared memory: one table a thread, written by it alone, in which a newcomer takes the place
 * and the count of the least (Space-Saving: Metwally, Agrawal, El Abbadi 2005). Whoever offends more than 1/32 of all is surely in it. Of
 * addresses that may be forged: a list to look at, nothing to ban by.
 */
export class Offenders {
  /** For `new Offenders` in another thread. */
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #from: number;

  /**
   * @param from how many threads, or the memory of a table made elsewhere
   * @param thread whose part is written, 0 to threads - 1
   */
  constructor(from: number | SharedArrayBuffer, thread = 0) {
    this.shared = typeof from === 'number' ? new SharedArrayBuffer(from * ENTRIES * ENTRY_WORDS * 4) : from;
    this.#words = new Int32Array(this.shared);
    this.#from = thread * ENTRIES * ENTRY_WORDS;
  }

  /** @param address holds the 4 or 16 bytes (`length`) of the address at `at` */
  note(address: Uint8Array, at: number, length: 4 | 16, offence: Offence): void {
    const words = this.#words;
    const end = this.#from + ENTRIES * ENTRY_WORDS;
    const first = readWordLe(address, at);
    let least = this.#from;
    let found = -1;
    for (let entry = this.#from; entry < end; entry += ENTRY_WORDS) {
      if (words[entry] === first && words[entry + 4] === length && isSame(words, entry, address, at, length)) {
        found = entry;
        break;
      }
      if ((words[entry + 5] as number) < (words[least + 5] as number)) least = entry;
    }
    if (found < 0) {
      found = least;
      for (let i = 0; i < 4; i++) words[found + i] = i * 4 < length ? readWordLe(address, at + i * 4) : 0;
      words[found + 4] = length;
      words[found + 6] = words[found + 5] as number;
      for (const at of [7, 8, 9]) words[found + at] = 0;
    }
    words[found + 5] = Math.min((words[found + 5] as number) + 1, 0x7fff_ffff);
    const what = found + OFFENCES[offence];
    words[what] = Math.min((words[what] as number) + 1, 0x7fff_ffff);
  }

  /** The worst of all threads, worst first. */
  top(count = 10): Offender[] {
    const words = this.#words;
    const byAddress = new Map<string, { -readonly [K in keyof Offender]: Offender[K] }>();
    for (let entry = 0; entry < words.length; entry += ENTRY_WORDS) {
      if (words[entry + 5] === 0) continue;
      const bytes = new Uint8Array(words.slice(entry, entry + 4).buffer).subarray(0, words[entry + 4]);
      const address = formatIp(bytes);
      const row = byAddress.get(address) ?? { address, count: 0, expired: 0, forged: 0, limited: 0, error: 0 };
      row.count += words[entry + 5] as number;
      row.error += words[entry + 6] as number;
      row.expired += words[entry + 7] as number;
      row.forged += words[entry + 8] as number;
      row.limited += words[entry + 9] as number;
      byAddress.set(address, row);
    }
    return [...byAddress.values()].sort((a, b) => b.count - a.count).slice(0, count);
  }
}

function isSame(words: Int32Array, entry: number, address: Uint8Array, at: number, length: 4 | 16): boolean {
  for (let i = 4; i < length; i += 4) if (words[entry + (i >>> 2)] !== readWordLe(address, at + i)) return false;
  return true;
}

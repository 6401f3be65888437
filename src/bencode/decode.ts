import { BtError, compareBytes, equalBytes } from '../base/index.ts';
import { limits } from './limits.ts';
import { BDict, type BList, type BValue } from './value.ts';

export interface DecodeOptions {
  /** Refuses unsorted and repeated dictionary keys, so that encoding the result gives the same bytes. Default: they are allowed. */
  readonly strict?: boolean;
  /** Containers inside each other; at most, and by default, `limits.depthMax`. */
  readonly depthMax?: number;
  /** Values and keys together; default `limits.tokensMax`. */
  readonly tokensMax?: number;
}

/**
 * Decodes exactly one value (BEP 3). Always refused: leading zeros, `-0`, empty and signed lengths, keys that are no strings, and
 * lengths beyond the end. Allowed unless `strict`: dictionary keys unsorted or repeated, because real torrents have them.
 *
 * @param bytes byte strings in the result are views into it
 * @throws BtError `bencode/syntax`, also for bytes after the value; `bencode/limit`
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): BValue {
  const { value, end } = decodePrefix(bytes, options);
  if (end !== bytes.length) throw new BtError('bencode/syntax', { at: end, what: 'bytes after the value' });
  return value;
}

/**
 * Decodes the value at the start of `bytes` and tells where it ends: what follows is the caller's (BEP 9 appends metadata to a
 * dictionary, and some .torrent files end in a newline).
 */
export function decodePrefix(
  bytes: Uint8Array,
  options: DecodeOptions = {},
): { readonly value: BValue; readonly end: number } {
  const decoder = new Decoder(bytes, options);
  const value = decoder.readValue(0);
  return { value, end: decoder.at };
}

const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const MINUS = 0x2d;
const INT = 0x69;
const LIST = 0x6c;
const DICT = 0x64;
const END = 0x65;

/** Keys up to this length are looked for among those that were read before; longer ones are names. */
const SHARED_KEY_MAX = 16;
const SHARED_KEYS = 64;

/**
 * Recursive, at most `depthMax` deep.
 *
 * A torrent of 50,000 files has as many dictionaries with the same keys, and what is decoded of it lives as long as it takes to read it: arrays
 * are as long as they have to be, not as long as they grow by `push`, and equal keys are one view.
 */
class Decoder {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #isStrict: boolean;
  readonly #depthMax: number;
  #tokensLeft: number;
  /** Members of the containers that are open, the innermost last. */
  readonly #members: BValue[] = [];
  readonly #keys: Uint8Array[] = [];
  readonly #spans: number[] = [];
  /** By length and first byte. */
  readonly #shared = new Array<Uint8Array | undefined>(SHARED_KEYS).fill(undefined);

  constructor(bytes: Uint8Array, options: DecodeOptions) {
    this.#bytes = bytes;
    this.#isStrict = options.strict ?? false;
    this.#depthMax = Math.min(options.depthMax ?? limits.depthMax, limits.depthMax);
    this.#tokensLeft = options.tokensMax ?? limits.tokensMax;
  }

  /** @param depth containers around this value */
  readValue(depth: number): BValue {
    if (--this.#tokensLeft < 0) throw this.#beyond('too many values');
    const kind = this.#bytes[this.at];
    if (kind === undefined) throw this.#bad('ends too early');
    if (kind >= ZERO && kind <= NINE) return this.#readString();
    if (kind === INT) return this.#readInt();
    if (kind !== LIST && kind !== DICT) throw this.#bad('no value begins with this byte');
    if (depth >= this.#depthMax) throw this.#beyond(`nested deeper than ${this.#depthMax}`);
    this.at++;
    return kind === LIST ? this.#readList(depth + 1) : this.#readDict(depth + 1);
  }

  #readList(depth: number): BList {
    const from = this.#members.length;
    while (this.#bytes[this.at] !== END) this.#members.push(this.readValue(depth));
    this.at++;
    return takeFrom(this.#members, from);
  }

  #readDict(depth: number): BDict {
    const membersFrom = this.#members.length;
    const keysFrom = this.#keys.length;
    const spansFrom = this.#spans.length;
    let isSorted = true;
    let before: Uint8Array | undefined;
    while (this.#bytes[this.at] !== END) {
      const keyAt = this.at;
      if (--this.#tokensLeft < 0) throw this.#beyond('too many values');
      const key = this.#readKey();
      if (before !== undefined && compareBytes(before, key) >= 0) {
        isSorted = false;
        if (this.#isStrict) throw this.#bad(equalBytes(before, key) ? 'repeated key' : 'keys out of order', keyAt);
      }
      before = key;
      const start = this.at;
      this.#keys.push(key);
      this.#members.push(this.readValue(depth));
      this.#spans.push(start, this.at);
    }
    this.at++;
    return new BDict({
      keys: takeFrom(this.#keys, keysFrom),
      values: takeFrom(this.#members, membersFrom),
      isSorted,
      source: this.#bytes,
      spans: takeFrom(this.#spans, spansFrom),
    });
  }

  #readKey(): Uint8Array {
    const length = this.#readLength();
    const begin = this.at;
    this.at += length;
    if (length === 0 || length > SHARED_KEY_MAX) return this.#bytes.subarray(begin, this.at);
    const slot = ((this.#bytes[begin] as number) * 5 + length) % SHARED_KEYS;
    const known = this.#shared[slot];
    if (known !== undefined && this.#isAt(begin, known)) return known;
    const key = this.#bytes.subarray(begin, this.at);
    this.#shared[slot] = key;
    return key;
  }

  #isAt(begin: number, key: Uint8Array): boolean {
    if (key.length !== this.at - begin) return false;
    for (let i = 0; i < key.length; i++) if (key[i] !== this.#bytes[begin + i]) return false;
    return true;
  }

  #readString(): Uint8Array {
    const length = this.#readLength();
    const begin = this.at;
    this.at += length;
    return this.#bytes.subarray(begin, this.at);
  }

  /** Of a string whose bytes follow at `at`, all of them there. */
  #readLength(): number {
    const bytes = this.#bytes;
    const begin = this.at;
    let at = begin;
    let length = 0;
    for (let digit = bytes[at]; digit !== undefined && digit >= ZERO && digit <= NINE; digit = bytes[++at]) {
      length = length * 10 + (digit - ZERO);
      // Also keeps the sum exact: no length of a string that is there has more digits than that of all bytes.
      if (length > bytes.length) throw this.#bad('string longer than the rest');
    }
    if (at === begin) throw this.#bad(at < bytes.length ? 'a string was expected' : 'ends too early');
    if (bytes[begin] === ZERO && at > begin + 1) throw this.#bad('leading zero in a length');
    if (bytes[at] !== COLON) throw this.#bad(at < bytes.length ? 'no colon after a length' : 'ends too early', at);
    if (at + 1 + length > bytes.length) throw this.#bad('string longer than the rest');
    this.at = at + 1;
    return length;
  }

  #readInt(): number | bigint {
    const bytes = this.#bytes;
    const begin = this.at + 1;
    const isNegative = bytes[begin] === MINUS;
    const firstDigit = isNegative ? begin + 1 : begin;
    let at = firstDigit;
    let value = 0;
    for (let digit = bytes[at]; digit !== undefined && digit >= ZERO && digit <= NINE; digit = bytes[++at]) {
      value = value * 10 + (digit - ZERO);
      if (at - firstDigit >= limits.intDigitsMax) throw this.#beyond('integer with too many digits');
    }
    if (at === firstDigit) throw this.#bad('integer without digits');
    if (bytes[at] !== END) throw this.#bad(at < bytes.length ? 'not a digit' : 'ends too early', at);
    if (bytes[firstDigit] === ZERO && (isNegative || at > firstDigit + 1)) throw this.#bad('leading or negative zero');
    this.at = at + 1;
    if (value <= Number.MAX_SAFE_INTEGER) return isNegative ? -value : value;
    let digits = isNegative ? '-' : '';
    for (let i = firstDigit; i < at; i++) digits += String.fromCharCode(bytes[i] as number);
    return BigInt(digits);
  }

  #bad(what: string, at: number = this.at): BtError {
    return new BtError('bencode/syntax', { at, what });
  }

  #beyond(what: string): BtError {
    return new BtError('bencode/limit', { at: this.at, what });
  }
}

/** Cuts off what lies behind `from`. @returns it, in an array of just its length */
function takeFrom<T>(stack: T[], from: number): T[] {
  const taken = stack.slice(from);
  stack.length = from;
  return taken;
}

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

/** Recursive, at most `depthMax` deep. */
class Decoder {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #isStrict: boolean;
  readonly #depthMax: number;
  #tokensLeft: number;

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
    const items: BValue[] = [];
    while (this.#bytes[this.at] !== END) items.push(this.readValue(depth));
    this.at++;
    return items;
  }

  #readDict(depth: number): BDict {
    const keys: Uint8Array[] = [];
    const values: BValue[] = [];
    const spans: number[] = [];
    let isSorted = true;
    let before: Uint8Array | undefined;
    while (this.#bytes[this.at] !== END) {
      const keyAt = this.at;
      if (--this.#tokensLeft < 0) throw this.#beyond('too many values');
      const key = this.#readString();
      if (before !== undefined && compareBytes(before, key) >= 0) {
        isSorted = false;
        if (this.#isStrict) throw this.#bad(equalBytes(before, key) ? 'repeated key' : 'keys out of order', keyAt);
      }
      before = key;
      const start = this.at;
      keys.push(key);
      values.push(this.readValue(depth));
      spans.push(start, this.at);
    }
    this.at++;
    return new BDict({ keys, values, isSorted, source: this.#bytes, spans });
  }

  #readString(): Uint8Array {
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
    const end = at + 1 + length;
    if (end > bytes.length) throw this.#bad('string longer than the rest');
    this.at = end;
    return bytes.subarray(at + 1, end);
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

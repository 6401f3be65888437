import { encodeUtf8, toBinaryString } from '../base/index.ts';

/**
 * A decoded value. Integers are numbers where they are safe and bigints beyond; byte strings are views into the decoded bytes:
 * who keeps one keeps all of them alive, and who reuses a buffer must copy first.
 */
export type BValue = number | bigint | Uint8Array | BList | BDict;
export type BList = readonly BValue[];

/** Beyond this many keys, looking one up goes through a map. */
const SMALL = 8;

/**
 * A dictionary as it stood in its bytes: keys raw and in their order, repeated ones kept. Of a repeated key the first one counts, for
 * its value and for its raw bytes alike, so that no two readers can be shown different content.
 */
export class BDict {
  readonly keys: readonly Uint8Array[];
  readonly values: readonly BValue[];
  /** True where the keys ascend strictly as raw bytes, as BEP 3 demands. */
  readonly isSorted: boolean;
  readonly #source: Uint8Array;
  /** Start and end of every value in `#source`, two numbers each. */
  readonly #spans: readonly number[];
  #index: Map<string, number> | undefined;

  constructor(parts: {
    keys: readonly Uint8Array[];
    values: readonly BValue[];
    isSorted: boolean;
    source: Uint8Array;
    spans: readonly number[];
  }) {
    this.keys = parts.keys;
    this.values = parts.values;
    this.isSorted = parts.isSorted;
    this.#source = parts.source;
    this.#spans = parts.spans;
  }

  get size(): number {
    return this.keys.length;
  }

  /** @param key text (its UTF-8 is looked up) or raw bytes */
  get(key: string | Uint8Array): BValue | undefined {
    const at = this.#find(key);
    return at < 0 ? undefined : this.values[at];
  }

  has(key: string | Uint8Array): boolean {
    return this.#find(key) >= 0;
  }

  /** The encoded form of a value exactly as it stood: what an info-hash is taken of. A view. */
  rawOf(key: string | Uint8Array): Uint8Array | undefined {
    const at = this.#find(key);
    return at < 0 ? undefined : this.#source.subarray(this.#spans[at * 2], this.#spans[at * 2 + 1]);
  }

  #find(key: string | Uint8Array): number {
    const wanted = toKeyText(key);
    if (this.keys.length > SMALL) {
      this.#index ??= indexKeys(this.keys);
      return this.#index.get(wanted) ?? -1;
    }
    for (let i = 0; i < this.keys.length; i++) if (isKey(this.keys[i] as Uint8Array, wanted)) return i;
    return -1;
  }
}

/** Keys are compared as binary strings, one character a byte. */
function toKeyText(key: string | Uint8Array): string {
  if (typeof key !== 'string') return toBinaryString(key);
  for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) > 0x7f) return toBinaryString(encodeUtf8(key));
  return key;
}

function isKey(raw: Uint8Array, wanted: string): boolean {
  if (raw.length !== wanted.length) return false;
  for (let i = 0; i < raw.length; i++) if (raw[i] !== wanted.charCodeAt(i)) return false;
  return true;
}

function indexKeys(keys: readonly Uint8Array[]): Map<string, number> {
  const index = new Map<string, number>();
  keys.forEach((raw, i) => {
    const text = toBinaryString(raw);
    if (!index.has(text)) index.set(text, i);
  });
  return index;
}

import { assert, compareBytes, encodeUtf8, toBinaryString } from '../base/index.ts';
import { BDict, type BValue } from './value.ts';

/** What `encode` takes: text becomes UTF-8, members that are `undefined` are left out, a `Map` may have raw keys. */
export type BInput =
  | BValue
  | string
  | EncodedBencode
  | readonly BInput[]
  | ReadonlyMap<string | Uint8Array, BInput>
  | { readonly [key: string]: BInput | undefined };

/** Bytes that are bencode already and are to stand in the output as they are: an info dictionary keeps its hash that way. */
export class EncodedBencode {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/**
 * The canonical encoding (BEP 3): keys sorted as raw bytes, each once.
 *
 * @returns fresh bytes
 * @throws AssertionError for a repeated key, or a number that is no safe integer: both are our own mistakes
 */
export function encode(value: BInput): Uint8Array {
  const sink = new Sink();
  writeValue(sink, value);
  return sink.toBytes();
}

function writeValue(sink: Sink, value: BInput): void {
  if (typeof value === 'string') return writeString(sink, encodeUtf8(value));
  if (typeof value === 'bigint') return sink.text(`i${value}e`);
  if (typeof value === 'number') {
    assert(Number.isSafeInteger(value), 'only safe integers are encoded as numbers');
    return sink.text(`i${Object.is(value, -0) ? 0 : value}e`);
  }
  if (value instanceof Uint8Array) return writeString(sink, value);
  if (value instanceof EncodedBencode) return sink.bytes(value.bytes);
  if (isList(value)) {
    sink.text('l');
    for (const item of value) writeValue(sink, item);
    return sink.text('e');
  }
  writeEntries(sink, toEntries(value));
}

// `Array.isArray` does not narrow readonly arrays.
function isList(value: object): value is readonly BInput[] {
  return Array.isArray(value);
}

type Entry = readonly [key: Uint8Array, value: BInput];

function toEntries(
  value: BDict | ReadonlyMap<string | Uint8Array, BInput> | { readonly [key: string]: BInput | undefined },
): Entry[] {
  if (value instanceof BDict) return value.keys.map((key, i) => [key, value.values[i] as BValue]);
  const pairs: Iterable<readonly [string | Uint8Array, BInput | undefined]> =
    value instanceof Map ? value : Object.entries(value);
  const entries: Entry[] = [];
  for (const [key, member] of pairs) {
    if (member !== undefined) entries.push([typeof key === 'string' ? encodeUtf8(key) : key, member]);
  }
  return entries;
}

function writeEntries(sink: Sink, entries: Entry[]): void {
  entries.sort((a, b) => compareBytes(a[0], b[0]));
  sink.text('d');
  let before: Uint8Array | undefined;
  for (const [key, value] of entries) {
    assert(before === undefined || compareBytes(before, key) !== 0, `key ${toBinaryString(key)} stands twice`);
    before = key;
    writeString(sink, key);
    writeValue(sink, value);
  }
  sink.text('e');
}

function writeString(sink: Sink, bytes: Uint8Array): void {
  sink.text(`${bytes.length}:`);
  sink.bytes(bytes);
}

/** Output that doubles as it fills. */
class Sink {
  #buffer = new Uint8Array(256);
  #length = 0;

  text(ascii: string): void {
    this.#reserve(ascii.length);
    for (let i = 0; i < ascii.length; i++) this.#buffer[this.#length++] = ascii.charCodeAt(i);
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  toBytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

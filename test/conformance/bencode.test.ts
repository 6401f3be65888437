import assert from 'node:assert/strict';
import { BtError, fromHex, toHex } from '#base';
import { BDict, type BInput, type BValue, decode, decodePrefix, encode } from '#bencode';
import { conformance } from '../support/conformance.ts';

type Json = { int: string } | { hex: string } | { list: Json[] } | { dict: [Json, Json][] };
interface Case {
  _id: string;
  hex?: string;
  construct?: string;
}
interface Vectors {
  valid: (Case & { value: Json })[];
  invalid: Case[];
  lenient: (Case & { if_accepted: Json; consumed: number })[];
  encode: (Case & { value: Json })[];
}
const path = 'vectors/bencode.json';
const id = (c: Case) => c._id;

/** `'l'*100000` is written out only here. */
function bytesOf(c: Case): Uint8Array {
  if (c.hex !== undefined) return fromHex(c.hex)!;
  const [, text, count] = /^'(.*)'\*(\d+)$/.exec(c.construct!)!;
  return new TextEncoder().encode(text!.repeat(Number(count)));
}

function toJson(value: BValue): Json {
  if (typeof value === 'number' || typeof value === 'bigint') return { int: `${value}` };
  if (value instanceof Uint8Array) return { hex: toHex(value) };
  if (value instanceof BDict) return { dict: value.keys.map((k, i) => [{ hex: toHex(k) }, toJson(value.values[i]!)]) };
  return { list: value.map(toJson) };
}

/** The vectors spell byte strings as text too. */
function withoutText(json: Json): Json {
  return JSON.parse(JSON.stringify(json, (key, value) => (key === 'text' ? undefined : value)));
}

function toInput(json: Json): BInput {
  if ('int' in json) return BigInt(json.int);
  if ('hex' in json) return fromHex(json.hex)!;
  if ('list' in json) return json.list.map(toInput);
  return new Map(json.dict.map(([k, v]) => [toInput(k) as Uint8Array, toInput(v)]));
}

conformance(
  'bencode: valid',
  path,
  (v: Vectors) => v.valid,
  (c) => {
    const bytes = bytesOf(c);
    assert.deepEqual(toJson(decode(bytes)), withoutText(c.value));
    assert.deepEqual(toJson(decode(bytes, { strict: true })), withoutText(c.value));
    assert.equal(toHex(encode(decode(bytes))), toHex(bytes));
  },
  id,
);

conformance(
  'bencode: invalid',
  path,
  (v: Vectors) => v.invalid,
  (c) =>
    assert.throws(
      () => decode(bytesOf(c)),
      (e) => BtError.is(e) && e.code.startsWith('bencode/'),
    ),
  id,
);

conformance(
  'bencode: departures are refused or read as agreed',
  path,
  (v: Vectors) => v.lenient,
  (c) => {
    const bytes = bytesOf(c);
    assert.throws(
      () => decode(bytes, { strict: true }),
      (e) => BtError.is(e),
    );
    try {
      const { value, end } = decodePrefix(bytes);
      assert.deepEqual(toJson(value), withoutText(c.if_accepted));
      assert.equal(end, c.consumed);
    } catch (e) {
      if (!BtError.is(e)) throw e;
    }
  },
  id,
);

conformance(
  'bencode: encode',
  path,
  (v: Vectors) => v.encode,
  (c) => assert.equal(toHex(encode(toInput(c.value))), c.hex),
  id,
);

import assert from 'node:assert/strict';
import { compareBytes, type Rng, toHex } from '#base';
import { BDict, type BInput, type BValue, decode, decodePrefix, encode } from '#bencode';
import { type FuzzTarget, magnitude, refusal, utf8 } from '../support/target.ts';

const codes = ['bencode/syntax', 'bencode/limit'] as const;

function makeValue(rng: Rng, depth: number): BInput {
  switch (rng.below(depth > 0 ? 6 : 3)) {
    case 0:
      return rng.below(2) === 0 ? rng.below(300) - 100 : BigInt(rng.u32()) * BigInt(rng.u32()) - 5n;
    case 1:
    case 2:
      return rng.bytes(rng.below(12));
    case 3:
      return Array.from({ length: rng.below(4) }, () => makeValue(rng, depth - 1));
    default: {
      const keys = [...new Set(Array.from({ length: rng.below(14) }, () => String(rng.below(40))))];
      return Object.fromEntries(keys.map((key) => [key, makeValue(rng, depth - 1)]));
    }
  }
}

interface Walk {
  count: number;
  hasRepeatedKey: boolean;
}

/** What each value says of itself is so, and strings lie in the input. */
function check(value: BValue, input: Uint8Array, walk: Walk): Walk {
  walk.count++;
  if (value instanceof Uint8Array) assert.equal(value.buffer, input.buffer, 'strings are views, not copies');
  else if (Array.isArray(value)) for (const member of value) check(member, input, walk);
  else if (value instanceof BDict) checkDict(value, input, walk);
  return walk;
}

function checkDict(dict: BDict, input: Uint8Array, walk: Walk): void {
  let isSorted = true;
  const seen = new Set<string>();
  for (const [i, key] of dict.keys.entries()) {
    if (i > 0 && compareBytes(dict.keys[i - 1]!, key) >= 0) isSorted = false;
    const member = dict.values[i]!;
    if (!seen.has(toHex(key))) {
      assert.equal(dict.get(key), member, 'the first of a key counts');
      const raw = dict.rawOf(key)!;
      assert.equal(raw.buffer, input.buffer);
      if (i < 3) assert.deepEqual(decode(raw), member, 'its raw bytes are itself');
    } else walk.hasRepeatedKey = true;
    seen.add(toHex(key));
    check(member, input, walk);
  }
  assert.equal(dict.isSorted, isSorted);
  assert.equal(dict.has('no such key'), false);
}

export const target: FuzzTarget = {
  about: 'any bytes are decoded or refused; strict decoding and encoding are inverse',
  form: 'bytes',
  files: ['bencode/decode', 'bencode/encode', 'bencode/value'],
  parsers: ['bencode/decode decode', 'bencode/decode decodePrefix'],
  bytesMax: 8_192,
  tokens: [
    '01:a',
    `i${'9'.repeat(4_400)}e`,
    'd'.repeat(130),
    `${'l'.repeat(30)}${'e'.repeat(30)}`,
    'd',
    'l',
    'e',
    'i',
    '0:',
    '1:a',
    '3:abc',
    'i5e',
    'i-0e',
    'i-1e',
    'le',
    'de',
    'd1:ai1ee',
    '4294967296:',
  ],
  make: (rng) => encode(makeValue(rng, 5)),
  seeds: () => [utf8('d1:ad1:bli1ei-2e3:abcee1:ci9007199254740993ee'), utf8('li0e0:dee')],
  run(input) {
    let outcome: string;
    try {
      const value = decode(input);
      const { count, hasRepeatedKey } = check(value, input, { count: 0, hasRepeatedKey: false });
      outcome = `${magnitude(count)}${hasRepeatedKey ? ' repeated' : ''}`;
      // A key cannot be written twice.
      if (!hasRepeatedKey) {
        const canonical = encode(value);
        assert.equal(toHex(encode(decode(canonical, { strict: true }))), toHex(canonical));
      }
    } catch (error) {
      outcome = refusal(error, ...codes);
    }
    try {
      assert.equal(toHex(encode(decode(input, { strict: true }))), toHex(input), 'strict means canonical');
      assert.match(outcome, /^\d|^2\^/, 'what is canonical is accepted at all');
    } catch (error) {
      refusal(error, ...codes);
    }
    try {
      const { value, end } = decodePrefix(input);
      assert.deepEqual(decode(input.subarray(0, end)), value);
    } catch (error) {
      refusal(error, ...codes);
      // What is a whole is a beginning too.
      assert.doesNotMatch(outcome, /^\d|^2\^/);
    }
    return outcome;
  },
};

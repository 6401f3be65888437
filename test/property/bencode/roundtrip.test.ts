import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareBytes, toHex } from '#base';
import { BDict, type BInput, type BValue, decode, decodePrefix, encode } from '#bencode';

const values = fc.letrec<{ value: BInput }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.bigInt(),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .uniqueArray(fc.tuple(fc.uint8Array({ maxLength: 5 }), tie('value')), {
        maxLength: 12,
        selector: ([k]) => toHex(k),
      })
      .map((entries) => new Map(entries)),
  ),
})).value;

/** Every view inside a value, checked to be in order as it goes. */
function checkSorted(value: BValue): void {
  if (value instanceof BDict) {
    assert.ok(value.isSorted);
    for (let i = 1; i < value.size; i++) assert.ok(compareBytes(value.keys[i - 1]!, value.keys[i]!) < 0);
    value.values.forEach(checkSorted);
  } else if (Array.isArray(value)) value.forEach(checkSorted);
}

test('decoding gives back what was encoded, and encoding that the same bytes', () => {
  fc.assert(
    fc.property(values, fc.uint8Array({ maxLength: 5 }), (input, rest) => {
      const bytes = encode(input);
      const value = decode(bytes, { strict: true });
      checkSorted(value);
      assert.equal(toHex(encode(value)), toHex(bytes));
      const followed = new Uint8Array([...bytes, ...rest]);
      assert.equal(decodePrefix(followed).end, bytes.length);
    }),
  );
});

test('raw spans of a dictionary are the encodings of its values', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ maxLength: 6 }), values, { maxKeys: 12, noNullPrototype: true }), (input) => {
      const dict = decode(encode(input)) as BDict;
      for (const [key, member] of Object.entries(input)) assert.equal(toHex(dict.rawOf(key)!), toHex(encode(member)));
    }),
  );
});

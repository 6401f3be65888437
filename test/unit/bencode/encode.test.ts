import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssertionError, fromBinaryString, toBinaryString } from '#base';
import { type BInput, decode, EncodedBencode, encode } from '#bencode';

function check(value: BInput, text: string): void {
  assert.equal(toBinaryString(encode(value)), text);
}

test('values of every kind', () => {
  check(0, 'i0e');
  check(-0, 'i0e');
  check(-3n, 'i-3e');
  check(2n ** 64n, 'i18446744073709551616e');
  check('é', '2:\xc3\xa9');
  check(new Uint8Array(), '0:');
  check([], 'le');
  check([1, ['x']], 'li1el1:xee');
  check({}, 'de');
});

test('keys are sorted as raw bytes, undefined members are left out', () => {
  check({ b: 1, a: 2, B: 3, aa: undefined, é: 4 }, 'd1:Bi3e1:ai2e1:bi1e2:\xc3\xa9i4ee');
  check(
    new Map<string | Uint8Array, BInput>([
      [Uint8Array.of(0xff), 1],
      ['a', 2],
    ]),
    'd1:ai2e1:\xffi1ee',
  );
});

test('a decoded dictionary is written in order', () => {
  check(decode(fromBinaryString('d1:bi1e1:ai2ee')), 'd1:ai2e1:bi1ee');
});

test('encoded parts stand as they are', () => {
  check({ info: new EncodedBencode(fromBinaryString('d1:bi1e1:ai2ee')) }, 'd4:infod1:bi1e1:ai2eee');
});

test('our own mistakes are asserted', () => {
  for (const value of [1.5, Number.NaN, 2 ** 53]) assert.throws(() => encode(value), AssertionError);
  assert.throws(
    () =>
      encode(
        new Map<string | Uint8Array, BInput>([
          ['a', 1],
          [Uint8Array.of(0x61), 2],
        ]),
      ),
    AssertionError,
  );
});

test('output larger than its first buffer', () => {
  const long = 'x'.repeat(10_000);
  check([long, long], `l10000:${long}10000:${long}e`);
});

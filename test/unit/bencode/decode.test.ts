import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, encodeUtf8, fromBinaryString, toBinaryString } from '#base';
import { type BDict, bencodeLimits, decode, decodePrefix, getBytes, getDict, getInt, getList, getText } from '#bencode';

const bytes = fromBinaryString;

function check(text: string, code: 'bencode/syntax' | 'bencode/limit', at: number, what: RegExp): void {
  assert.throws(
    () => decode(bytes(text)),
    (e) => {
      assert.ok(BtError.is(e, code), String(e));
      assert.equal(e.detail.at, at);
      assert.match(e.detail.what, what);
      return true;
    },
    text,
  );
}

test('what is wrong is named with its place', () => {
  check('', 'bencode/syntax', 0, /too early/);
  check('x', 'bencode/syntax', 0, /no value/);
  check('i', 'bencode/syntax', 0, /without digits/);
  check('i-e', 'bencode/syntax', 0, /without digits/);
  check('i1', 'bencode/syntax', 2, /too early/);
  check('i1x', 'bencode/syntax', 2, /not a digit/);
  check('i+1e', 'bencode/syntax', 0, /without digits/);
  check('i-0e', 'bencode/syntax', 0, /zero/);
  check('i00e', 'bencode/syntax', 0, /zero/);
  check('i-01e', 'bencode/syntax', 0, /zero/);
  check('00:', 'bencode/syntax', 0, /leading zero/);
  check('3:ab', 'bencode/syntax', 0, /longer than the rest/);
  check('99999999999999999999999:ab', 'bencode/syntax', 0, /longer than the rest/);
  check('1x', 'bencode/syntax', 1, /colon/);
  check('1', 'bencode/syntax', 1, /too early/);
  check('l', 'bencode/syntax', 1, /too early/);
  check('d', 'bencode/syntax', 1, /too early/);
  check('d1:a', 'bencode/syntax', 4, /too early/);
  check('di1ei2ee', 'bencode/syntax', 1, /string was expected/);
  check('i1ei2e', 'bencode/syntax', 3, /after the value/);
  check('l'.repeat(100_000), 'bencode/limit', bencodeLimits.depthMax, /deeper/);
  check('d1:a'.repeat(100_000), 'bencode/limit', 4 * bencodeLimits.depthMax, /deeper/);
  check(`i${'1'.repeat(2000)}e`, 'bencode/limit', 0, /too many digits/);
});

test('limits can be narrowed, never widened', () => {
  assert.throws(
    () => decode(bytes('llee'), { depthMax: 1 }),
    (e) => BtError.is(e, 'bencode/limit'),
  );
  assert.deepEqual(decode(bytes('llee'), { depthMax: 2 }), [[]]);
  assert.throws(
    () => decode(bytes('l'.repeat(300) + 'e'.repeat(300)), { depthMax: 1000 }),
    (e) => BtError.is(e, 'bencode/limit'),
  );
  assert.throws(
    () => decode(bytes('li1ei2ee'), { tokensMax: 2 }),
    (e) => BtError.is(e, 'bencode/limit'),
  );
  assert.throws(
    () => decode(bytes('d1:ai1ee'), { tokensMax: 2 }),
    (e) => BtError.is(e, 'bencode/limit'),
  );
});

test('integers are numbers where they are safe and exact beyond', () => {
  assert.equal(decode(bytes('i9007199254740991e')), Number.MAX_SAFE_INTEGER);
  assert.equal(decode(bytes('i9007199254740992e')), 9007199254740992n);
  assert.equal(decode(bytes('i-9007199254740991e')), -Number.MAX_SAFE_INTEGER);
  assert.equal(decode(bytes('i-18446744073709551616e')), -18446744073709551616n);
  assert.equal(decode(bytes(`i${'9'.repeat(1000)}e`)), BigInt('9'.repeat(1000)));
  assert.equal(Object.is(decode(bytes('i0e')), 0), true);
});

test('strict mode refuses unsorted and repeated keys at any depth', () => {
  for (const text of ['d1:bi1e1:ai2ee', 'd1:ai1e1:ai2ee', 'ld1:bi1e1:ai2eee']) {
    assert.throws(
      () => decode(bytes(text), { strict: true }),
      (e) => BtError.is(e, 'bencode/syntax'),
    );
    assert.doesNotThrow(() => decode(bytes(text)));
  }
});

test('a dictionary keeps order and repeats; the first of a repeated key counts', () => {
  const dict = decode(bytes('d1:bi1e1:ai2e1:bl1:xee')) as BDict;
  assert.equal(dict.isSorted, false);
  assert.deepEqual(dict.keys.map(toBinaryString), ['b', 'a', 'b']);
  assert.equal(dict.get('b'), 1);
  assert.equal(toBinaryString(dict.rawOf('b')!), 'i1e');
  assert.equal(dict.rawOf('c'), undefined);
});

test('lookups work the same in small and large dictionaries, by text and by raw bytes', () => {
  for (const extra of [0, 50]) {
    const filler = Array.from({ length: extra }, (_, i) => `3:z${String(i).padStart(2, '0')}i0e`).join('');
    const text = `d1:ai1e2:\xc3\xa9i2e2:\xff\x00i3e${filler}e`;
    const dict = decode(bytes(text)) as BDict;
    assert.equal(dict.get('a'), 1);
    assert.equal(dict.get('é'), 2);
    assert.equal(dict.get(Uint8Array.of(0xff, 0)), 3);
    assert.equal(dict.has('b'), false);
    assert.equal(dict.has('__proto__'), false);
    assert.equal(toBinaryString(dict.rawOf('é')!), 'i2e');
  }
});

test('a prefix tells where it ends, and raw values are views of the source', () => {
  const source = bytes('d4:infod4:name1:xee--rest');
  const { value, end } = decodePrefix(source);
  assert.equal(end, 19);
  const raw = (value as BDict).rawOf('info')!;
  assert.equal(toBinaryString(raw), 'd4:name1:xe');
  assert.equal(raw.buffer, source.buffer);
});

test('keys that many dictionaries have are one view, and each keeps its own values', () => {
  const text = 'ld6:lengthi1e4:pathl1:aee' + 'd6:lengthi2e4:pathl1:bee' + 'd6:lengthi3e6:lfngth1:c6:lgngthd1:xi4eeee';
  const [first, second, third] = decode(encodeUtf8(text)) as BDict[];
  assert.equal(first?.keys[0], second?.keys[0]);
  assert.deepEqual(second?.values.map(String), ['2', String([bytes('b')])]);
  assert.equal(toBinaryString(second?.rawOf('path') as Uint8Array), 'l1:be');
  // Of the same length and first byte.
  assert.deepEqual(third?.keys.map(toBinaryString), ['length', 'lfngth', 'lgngth']);
  assert.equal(third?.isSorted, true);
  assert.equal(toBinaryString(third?.rawOf('lgngth') as Uint8Array), 'd1:xi4ee');
  assert.equal(toBinaryString((third!.get('lgngth') as BDict).rawOf('x') as Uint8Array), 'i4e');
});

test('typed access gives undefined for what is absent or of another type', () => {
  const root = decode(encodeUtf8('d4:biggi99999999999999999999e1:dd1:xi1ee1:ii7e1:lli1ee1:s2:hie'));
  assert.equal(getInt(root, 'i'), 7);
  assert.equal(getInt(root, 'bigg'), undefined);
  assert.equal(getInt(root, 's'), undefined);
  assert.equal(getText(root, 's'), 'hi');
  assert.deepEqual(getBytes(root, 's'), encodeUtf8('hi'));
  assert.deepEqual(getList(root, 'l'), [1]);
  assert.equal(getList(root, 's'), undefined);
  assert.equal(getInt(getDict(root, 'd'), 'x'), 1);
  assert.equal(getInt(getDict(getDict(root, 'nope'), 'd'), 'x'), undefined);
  assert.equal(getInt(5, 'x'), undefined);
});

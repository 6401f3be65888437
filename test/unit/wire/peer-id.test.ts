import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinaryString } from '#base';
import { describePeerId, makePeerId } from '#wire';

test('our own id is 20 bytes and describes itself', () => {
  const id = makePeerId(new Uint8Array(12).fill(0xff));
  assert.equal(id.length, 20);
  assert.equal(describePeerId(id), 'Eider 0.1.0');
});

const names: [id: string, name: string][] = [
  ['-TR4060-abcdefghijkl', 'Transmission 4.0.6'],
  ['-TR3000-abcdefghijkl', 'Transmission 3.00'],
  ['-TR0006-abcdefghijkl', 'Transmission 0.6'],
  ['-LT2080-abcdefghijkl', 'libtorrent (Rasterbar) 2.0.8.0'],
  ['-qB4650-abcdefghijkl', 'qBittorrent 4.6.5'],
  ['-UT2210-abcdefghijkl', 'µTorrent 2.2.1'],
  ['A2-1-36-0-abcdefghij', 'aria2 1.36.0'],
  ['M7-10-3--abcdefghijk', 'BitTorrent 7.10.3'],
  ['exbc\x01\x02LORDabcdefghij', 'BitLord 1.02'],
  ['-__proto__-abcdefghi', '-__proto'],
  ['\x1b[2J\r\n%\x7f............', '%1B[2J%0D%0A%25%7F'],
  ['', ''],
];
for (const [id, name] of names) {
  test(`peer id ${JSON.stringify(id)} is ${JSON.stringify(name)}`, () => {
    assert.equal(describePeerId(fromBinaryString(id)), name);
  });
}

test('any id is printed as one short line', () => {
  for (let seed = 0; seed < 5000; seed++) {
    const id = Uint8Array.from({ length: 20 }, (_, i) => (Math.imul(seed * 31 + i, 0x9e37_79b1) >>> 13) & 0xff);
    assert.match(describePeerId(id), /^[\x20-\x7eµ]{0,60}$/);
  }
});

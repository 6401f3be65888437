import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeUtf8 } from '#base';

test('text becomes the bytes that the runtime makes of it, short or long', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc.string({ unit: 'binary-ascii', maxLength: 100 }),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const bytes = encodeUtf8(text);
      assert.deepEqual([...bytes], [...new TextEncoder().encode(text)]);
    }),
  );
});

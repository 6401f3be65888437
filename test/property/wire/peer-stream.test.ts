import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeHandshake, encodeHandshake, HandshakeDecoder } from '#wire';
import {
  cut,
  cutBytewise,
  cutPlaces,
  decodeItems,
  encodeItem,
  encodeItems,
  messages,
  record,
  streamItems,
} from '../../support/peer-stream.ts';

const twenty = () => fc.uint8Array({ minLength: 20, maxLength: 20 });
const handshakes = () =>
  record({
    infoHash: twenty(),
    peerId: twenty(),
    flags: record({ extensions: fc.boolean(), fast: fc.boolean(), dht: fc.boolean(), v2: fc.boolean() }),
  });

test('every message decodes to what was encoded', () => {
  fc.assert(
    fc.property(messages(), (message) => assert.deepEqual(decodeItems([encodeItem(message)]), [message])),
    { numRuns: 1000 },
  );
});

test('any chunking of a stream decodes alike', () => {
  fc.assert(
    fc.property(streamItems(), cutPlaces(), (items, places) => {
      const bytes = encodeItems(items);
      assert.deepEqual(decodeItems(cut(bytes, places)), items);
      assert.deepEqual(decodeItems(cutBytewise(bytes)), items);
    }),
    { numRuns: 300 },
  );
});

test('handshake: decode of encode is identity, any chunking, and the rest is handed back', () => {
  fc.assert(
    fc.property(handshakes(), fc.uint8Array({ maxLength: 50 }), cutPlaces(), (handshake, after, places) => {
      const encoded = encodeHandshake(handshake);
      const { reserved: _, ...decoded } = decodeHandshake(encoded);
      assert.deepEqual(decoded, handshake);
      const decoder = new HandshakeDecoder();
      const chunks = cut(new Uint8Array([...encoded, ...after]), places);
      for (let i = 0; i < chunks.length; i++) {
        const result = decoder.push(chunks[i] as Uint8Array);
        if (result === undefined) continue;
        assert.deepEqual({ ...result.handshake, reserved: 0 }, { ...handshake, reserved: 0 });
        assert.deepEqual([...Buffer.concat([result.rest, ...chunks.slice(i + 1)])], [...after]);
        return;
      }
      assert.fail('the handshake did not end');
    }),
  );
});

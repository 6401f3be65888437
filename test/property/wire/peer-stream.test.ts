import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BtError } from '#base';
import { decodeHandshake, encodeHandshake, HandshakeDecoder, PeerDecoder, peerLimits } from '#wire';
import {
  cut,
  cutBytewise,
  cutPlaces,
  decodeItems,
  encodeItem,
  encodeItems,
  ItemCollector,
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

test('a damaged stream is refused with BtError or read as something else, whatever the chunking', () => {
  const damages = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(streamItems(), damages, cutPlaces(), (items, damage, places) => {
      const bytes = encodeItems(items);
      if (bytes.length === 0) return;
      for (const [at, value] of damage) bytes[at % bytes.length] = value;
      assert.deepEqual(outcome(cut(bytes, places)), outcome([bytes]));
    }),
    { numRuns: 1000 },
  );
});

test('random bytes throw nothing but BtError, and hold no more memory than has come', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (chunks) => {
      // Short lengths, or nearly every stream would end at its first prefix.
      for (const chunk of chunks) if (chunk.length > 4) chunk.set([0, 0, 0], 0);
      outcome(chunks);
    }),
    { numRuns: 1000 },
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

/** What comes out of a stream: its items and the error that ended it. Fails on any other kind of error. */
function outcome(chunks: readonly Uint8Array[]): unknown {
  const decoder = new PeerDecoder();
  const collector = new ItemCollector();
  let pushedBytes = 0;
  try {
    for (const chunk of chunks) {
      pushedBytes += chunk.length;
      decoder.push(chunk, collector);
      assert.ok(decoder.carryBytes <= Math.max(32, 2 * pushedBytes), 'the carry grows only as bytes come');
      assert.ok(decoder.carryBytes <= 5 + peerLimits.bitfieldBytesMax);
    }
  } catch (error) {
    assert.ok(BtError.is(error, 'wire/invalid'), String(error));
    return [collector.items, error.message];
  }
  return [collector.items];
}

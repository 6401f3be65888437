import assert from 'node:assert/strict';
import { toHex } from '#base';
import { decodeHandshake, encodeHandshake, HandshakeDecoder, handshakeBytes } from '#wire';
import { cutAt } from '../support/cuts.ts';
import { type FuzzTarget, refusal } from '../support/target.ts';

const protocol = '\x13BitTorrent protocol';

function whole(bytes: Uint8Array): { text: string; isGood: boolean } {
  try {
    const { infoHash, peerId, flags, reserved } = decodeHandshake(bytes);
    for (const copy of [infoHash, peerId, reserved]) assert.notEqual(copy.buffer, bytes.buffer, 'copies');
    const known = Uint8Array.from([0, 0, 0, 0, 0, 0x10, 0, 0x15], (mask, i) => mask & reserved[i]!);
    const again = encodeHandshake({ infoHash, peerId, flags });
    assert.equal(toHex(again.subarray(20, 28)), toHex(known), 'the bits we know');
    again.set(reserved, 20);
    assert.equal(toHex(again), toHex(bytes));
    return { text: JSON.stringify(flags), isGood: true };
  } catch (error) {
    return { text: refusal(error, 'wire/invalid', 'wire/truncated'), isGood: false };
  }
}

/** The same from a stream, cut as the first bytes of the input say. */
function streamed(bytes: Uint8Array, chunks: readonly Uint8Array[]): { isGood: boolean; isEnded: boolean } {
  const decoder = new HandshakeDecoder();
  let taken = 0;
  for (const chunk of chunks) {
    const lent = chunk.slice();
    let result: ReturnType<HandshakeDecoder['push']>;
    try {
      result = decoder.push(lent);
    } catch (error) {
      refusal(error, 'wire/invalid');
      return { isGood: false, isEnded: true };
    }
    assert.equal(decoder.length, Math.min(handshakeBytes, taken + chunk.length));
    assert.equal(decoder.start !== undefined, decoder.length >= 48);
    if (decoder.start !== undefined) assert.equal(toHex(decoder.start.infoHash), toHex(bytes.subarray(28, 48)));
    if (result !== undefined) {
      assert.equal(toHex(result.rest), toHex(chunk.subarray(handshakeBytes - taken)));
      const found = structuredClone(result.handshake);
      lent.fill(0xee);
      assert.deepEqual(structuredClone(result.handshake), found, 'nothing is kept of what was lent');
      assert.deepEqual(found, structuredClone(decodeHandshake(bytes.subarray(0, handshakeBytes))));
      return { isGood: true, isEnded: true };
    }
    lent.fill(0xee);
    taken += chunk.length;
  }
  return { isGood: false, isEnded: false };
}

export const target: FuzzTarget = {
  about: 'the first 68 bytes, whole and cut anywhere: both readers agree, nothing lent is kept',
  form: 'bytes',
  files: ['wire/peer/handshake'],
  parsers: ['wire/peer/handshake decodeHandshake', 'wire/peer/handshake HandshakeDecoder'],
  bytesMax: 200,
  tokens: [protocol, '\x13BitTorrent'],
  make: (rng) => new Uint8Array([rng.below(80), ...Buffer.from(protocol, 'latin1'), ...rng.bytes(48 + rng.below(9))]),
  run(input) {
    const bytes = input.slice(1);
    const { text, isGood } = whole(bytes);
    const result = streamed(bytes, cutAt(bytes, [input[0] ?? 0, (input[0] ?? 0) >> 1]));
    if (isGood) assert.ok(result.isGood);
    if (result.isGood) assert.ok(bytes.length >= handshakeBytes);
    // A wrong byte ends it at once; whatever is only too short does not.
    if (!isGood && bytes.length < handshakeBytes) assert.equal(result.isEnded, text.startsWith('wire/invalid'));
    return text;
  },
};

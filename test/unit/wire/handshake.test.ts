import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, encodeUtf8 } from '#base';
import { decodeHandshake, encodeHandshake, HandshakeDecoder } from '#wire';

const handshake = {
  infoHash: new Uint8Array(20).fill(1),
  peerId: new Uint8Array(20).fill(2),
  flags: { extensions: true, fast: true, dht: false, v2: true },
};

test('handshake decoder fails at the first wrong byte', () => {
  const decoder = new HandshakeDecoder();
  assert.equal(decoder.push(encodeUtf8('\x13BitTor')), undefined);
  assert.throws(
    () => decoder.push(encodeUtf8('x')),
    (error) => BtError.is(error, 'wire/invalid'),
  );
  for (const first of ['GET / HTTP/1.1\r\n', '\0', '\x14BitTorrent']) {
    assert.throws(() => new HandshakeDecoder().push(encodeUtf8(first)));
  }
});

test('handshake decoder knows the info-hash before the peer id', () => {
  const bytes = encodeHandshake(handshake);
  const decoder = new HandshakeDecoder();
  decoder.push(bytes.subarray(0, 47));
  assert.equal(decoder.start, undefined);
  decoder.push(bytes.subarray(47, 48));
  assert.deepEqual(decoder.start, { infoHash: handshake.infoHash, flags: handshake.flags });
  assert.equal(decoder.length, 48);
});

test('handshake of a wrong size is refused', () => {
  const bytes = encodeHandshake(handshake);
  assert.throws(
    () => decodeHandshake(bytes.subarray(0, 67)),
    (error) => BtError.is(error, 'wire/truncated'),
  );
  assert.throws(
    () => decodeHandshake(new Uint8Array([...bytes, 0])),
    (error) => BtError.is(error, 'wire/invalid'),
  );
  assert.throws(() => encodeHandshake({ ...handshake, infoHash: new Uint8Array(32) }));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, concatBytes, encodeUtf8, fromBinaryString } from '#base';
import { encode } from '#bencode';
import {
  decodeExtendedHandshake,
  decodeMetadataMessage,
  decodePex,
  encodeExtendedHandshake,
  encodeMetadataMessage,
  encodePex,
  peerLimits,
  pexFlags,
} from '#wire';

const isInvalid = (error: unknown): boolean => BtError.is(error, 'wire/invalid');

test('extended handshake: whatever makes no sense is as if absent', () => {
  const payload = encode({
    m: new Map<string, number | string>([
      ['ut_pex', 1],
      ['ut_metadata', 'two'],
      ['off', 0],
      ['high', 256],
      ['low', -1],
      ['n'.repeat(65), 3],
    ]),
    metadata_size: 0,
    p: 70_000,
    reqq: -5,
    v: 7,
    yourip: new Uint8Array(5),
    ipv4: new Uint8Array(16),
    ipv6: 'x',
    upload_only: 'yes',
    nonsense: [{ a: [1] }],
  });
  assert.deepEqual(decodeExtendedHandshake(payload), {
    m: new Map([
      ['off', 0],
      ['ut_pex', 1],
    ]),
  });
  assert.deepEqual(decodeExtendedHandshake(encodeUtf8('d1:mi1ee')), { m: new Map() });
  assert.deepEqual(decodeExtendedHandshake(encodeUtf8('deTRAILING')), { m: new Map() });
});

test('extended handshake: bounds', () => {
  const names = new Map(Array.from({ length: 400 }, (_, i) => [`x${i}`, 1] as const));
  assert.equal(decodeExtendedHandshake(encode({ m: names })).m.size, peerLimits.extensionsMax);
  const flood = new Map(Array.from({ length: 2000 }, (_, i) => [`x${i}`, 1] as const));
  assert.throws(() => decodeExtendedHandshake(encode({ m: flood })), isInvalid);
  assert.throws(() => decodeExtendedHandshake(encodeUtf8(`d1:m${'l'.repeat(20)}${'e'.repeat(20)}e`)), isInvalid);
  const big = decodeExtendedHandshake(
    encode({ reqq: 1e9, metadata_size: peerLimits.metadataBytesMax + 1, v: 'v'.repeat(999) }),
  );
  assert.deepEqual(big, {
    m: new Map(),
    reqq: peerLimits.requestQueueMax,
    version: 'v'.repeat(peerLimits.clientNameBytesMax),
  });
});

test('extended handshake: a client name cannot forge a line of a log', () => {
  const payload = encode({ v: fromBinaryString('a\x1b[2J\r\nb\xff\xe2\x80\xae') });
  assert.equal(decodeExtendedHandshake(payload).version, 'a\ufffd[2J\ufffd\ufffdb\ufffd\ufffd');
});

for (const payload of ['', 'i1e', 'le', '4:spam', 'd1:m', '\0\0\0']) {
  test(`extension messages that begin with ${JSON.stringify(payload)} are refused`, () => {
    for (const decode of [decodeExtendedHandshake, decodeMetadataMessage, decodePex]) {
      assert.throws(() => decode(encodeUtf8(payload)), isInvalid);
    }
  });
}

test('ut_metadata: size and piece of data', () => {
  const full = new Uint8Array(16_384);
  const payload = encodeMetadataMessage({ kind: 'data', piece: 3, totalSize: 60_000, bytes: full });
  assert.deepEqual(decodeMetadataMessage(payload), { kind: 'data', piece: 3, totalSize: 60_000, bytes: full });
  assert.throws(() => decodeMetadataMessage(concatBytes([payload, new Uint8Array(1)])), isInvalid);
  assert.throws(() => decodeMetadataMessage(encodeUtf8('d8:msg_typei0ee')), isInvalid);
  assert.throws(() => decodeMetadataMessage(encodeUtf8('d8:msg_typei0e5:piecei-1ee')), isInvalid);
  assert.throws(() => decodeMetadataMessage(encodeUtf8('d5:piecei0ee')), isInvalid);
  assert.deepEqual(decodeMetadataMessage(encodeUtf8('d8:msg_typei9ee')), { kind: 'unknown', type: 9 });
});

test('ut_pex: flags stay with their peers when others are dropped', () => {
  const message = {
    added: [
      { host: '1.2.3.4', port: 0, flags: pexFlags.utp },
      { host: '2001:db8::1', port: 6881, flags: pexFlags.reachable },
      { host: '5.6.7.8', port: 6881, flags: pexFlags.uploadOnly },
      { host: 'example.org', port: 6881, flags: pexFlags.utp },
    ],
    dropped: [{ host: '9.9.9.9', port: 9 }],
  };
  assert.deepEqual(decodePex(encodePex(message)), {
    added: [message.added[2], message.added[1]],
    dropped: message.dropped,
  });
});

test('ut_pex: missing and short flags are 0, lists of a wrong type are absent, long lists are cut', () => {
  const two = Uint8Array.of(1, 2, 3, 4, 0, 80, 1, 2, 3, 5, 0, 80);
  const flagsOf = (payload: Uint8Array) => decodePex(payload).added.map((peer) => peer.flags);
  assert.deepEqual(flagsOf(encode({ added: two })), [0, 0]);
  assert.deepEqual(flagsOf(encode({ added: two, 'added.f': Uint8Array.of(16) })), [16, 0]);
  assert.deepEqual(decodePex(encode({ added: [two], dropped: 7 })), { added: [], dropped: [] });
  const long = concatBytes(Array.from({ length: 1000 }, () => two));
  assert.equal(decodePex(encode({ added: long })).added.length, peerLimits.pexPeersMax);
});

test('extended handshake: members that were not given are not sent', () => {
  assert.deepEqual(encodeExtendedHandshake({ m: new Map() }), encodeUtf8('d1:mdee'));
});

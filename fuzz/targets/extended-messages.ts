import assert from 'node:assert/strict';
import { isDialable, type Rng } from '#base';
import { type BInput, encode } from '#bencode';
import {
  decodeDontHave,
  decodeExtendedHandshake,
  decodeHolepunch,
  decodeMetadataMessage,
  decodePex,
  decodeUploadOnly,
  encodeDontHave,
  encodeExtendedHandshake,
  encodeHolepunch,
  encodeMetadataMessage,
  encodePex,
  encodeUploadOnly,
  peerLimits,
} from '#wire';
import { type FuzzTarget, magnitude, refusal } from '../support/target.ts';

/** Each codec reads what it has written as the same. */
const codecs: readonly [string, (payload: Uint8Array) => unknown, (value: never) => Uint8Array][] = [
  ['handshake', decodeExtendedHandshake, encodeExtendedHandshake],
  ['metadata', decodeMetadataMessage, encodeMetadataMessage],
  ['pex', decodePex, encodePex],
  ['dont-have', decodeDontHave, encodeDontHave],
  ['upload-only', decodeUploadOnly, encodeUploadOnly],
  ['holepunch', decodeHolepunch, encodeHolepunch],
];

function checkBounds(payload: Uint8Array): string {
  try {
    const { m, version = '', metadataSize = 1, reqq = 1, port = 1 } = decodeExtendedHandshake(payload);
    assert.ok(m.size <= peerLimits.extensionsMax);
    for (const id of m.values()) assert.ok(Number.isInteger(id) && id >= 0 && id <= 255);
    assert.ok(version.length <= peerLimits.clientNameBytesMax && !/[\0-\x1f\x7f-\x9f]/.test(version), version);
    assert.ok(metadataSize >= 1 && metadataSize <= peerLimits.metadataBytesMax);
    assert.ok(reqq >= 1 && reqq <= peerLimits.requestQueueMax && port >= 1 && port <= 65_535);
    const { added, dropped } = decodePex(payload);
    for (const peer of [...added, ...dropped]) assert.ok(isDialable(peer));
    assert.ok(added.length + dropped.length <= 4 * peerLimits.pexPeersMax);
    return `${magnitude(m.size)} ${magnitude(added.length)} ${magnitude(dropped.length)}`;
  } catch (error) {
    return refusal(error, 'wire/invalid');
  }
}

function makePayload(rng: Rng): Uint8Array {
  const members: [string, BInput][] = [
    ['m', { ut_metadata: rng.below(4), ut_pex: rng.below(300), upload_only: 3, lt_donthave: -1 }],
    ['metadata_size', [0, 1, 31_235, 33_554_433, -1][rng.below(5)]!],
    ['v', rng.below(2) === 0 ? 'Name 1.2' : rng.bytes(rng.below(80))],
    ['reqq', rng.below(70_000)],
    ['p', rng.below(70_000)],
    ['yourip', rng.bytes([4, 16, 5, 0][rng.below(4)]!)],
    ['ipv4', rng.bytes(4)],
    ['ipv6', rng.bytes(16)],
    ['upload_only', rng.below(2)],
    ['e', rng.below(2)],
    ['msg_type', rng.below(4)],
    ['piece', rng.below(20) - 1],
    ['total_size', rng.below(40_000)],
    ['added', rng.bytes(rng.below(5) * 6 + (rng.below(4) === 0 ? 1 : 0))],
    ['added.f', rng.bytes(rng.below(6))],
    ['added6', rng.bytes(rng.below(3) * 18)],
    ['added6.f', rng.bytes(rng.below(3))],
    ['dropped', rng.bytes(rng.below(3) * 6)],
    ['dropped6', rng.bytes(rng.below(3) * 18)],
  ];
  const dict = encode(Object.fromEntries(members.filter(() => rng.below(3) > 0)));
  return new Uint8Array([...dict, ...rng.bytes(rng.below(4) === 0 ? rng.below(20) : 0)]);
}

export const target: FuzzTarget = {
  about: 'payloads of BEP 9, 10, 11, 21, 54, 55: read within their bounds or refused, and read again as the same',
  form: 'bytes',
  files: [
    'wire/peer/bencoded',
    'wire/peer/extended',
    'wire/peer/metadata',
    'wire/peer/pex',
    'wire/peer/donthave',
    'wire/peer/upload-only',
    'wire/peer/holepunch',
  ],
  parsers: [
    'wire/peer/bencoded decodeDictPrefix',
    'wire/peer/extended decodeExtendedHandshake',
    'wire/peer/metadata decodeMetadataMessage',
    'wire/peer/pex decodePex',
    'wire/peer/donthave decodeDontHave',
    'wire/peer/upload-only decodeUploadOnly',
    'wire/peer/holepunch decodeHolepunch',
  ],
  tokens: [
    'de',
    'd1:md',
    '6:ut_pexi2e',
    '5:added6:',
    '7:added.f',
    '8:msg_typei1e',
    '5:piecei0e',
    '1:v',
    'i-1e',
    'i256e',
    '6:yourip4:',
  ],
  seeds: () => [
    Uint8Array.of(1),
    Uint8Array.of(0, 0, 0, 9),
    encodeHolepunch({ kind: 'error', peer: { host: '1.2.3.4', port: 5 }, error: 3 }),
    encodeHolepunch({ kind: 'connect', peer: { host: '2001:db8::1', port: 5 } }),
  ],
  make: makePayload,
  run(input) {
    let outcome = checkBounds(input);
    for (const [name, decode, encode] of codecs) {
      // Nothing in a result may be of the payload, but for data of BEP 9, which is a view.
      const lent = input.slice();
      let value: unknown;
      try {
        value = decode(lent);
      } catch (error) {
        outcome += ` ${refusal(error, 'wire/invalid', 'wire/truncated').split(' ')[0]}`;
        continue;
      }
      if (name !== 'metadata') {
        const before = structuredClone(value);
        lent.fill(0xee);
        assert.deepEqual(structuredClone(value), before, `${name} keeps what was lent`);
      }
      // What is sent is bounded below what is taken.
      if (name === 'pex' && input.length > 6 * peerLimits.pexPeersSentMax) continue;
      // What does not print has become U+FFFD, which takes more bytes than it had.
      if (name === 'handshake') delete (value as { version?: string }).version;
      assert.deepEqual(structuredClone(decode(encode(value as never))), structuredClone(value), name);
      outcome += ` ${name}`;
    }
    return outcome;
  },
};

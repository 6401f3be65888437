import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIp } from '#base';
import {
  decodeCompactPeers,
  decodeExtendedHandshake,
  decodeHolepunch,
  decodeMetadataMessage,
  decodePex,
  type ExtendedHandshake,
  encodeCompactPeers,
  encodeExtendedHandshake,
  encodeHolepunch,
  encodeMetadataMessage,
  encodePex,
  type HolepunchMessage,
  type MetadataMessage,
  type PexMessage,
  peerPriority,
} from '#wire';
import { record } from '../../support/peer-stream.ts';

const ip = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => formatIp(bytes));
const u16 = () => fc.integer({ min: 1, max: 65_535 });
/** Addresses that can be dialled and are in their own family's range. */
const host = (length: number, first: fc.Arbitrary<number>) =>
  fc
    .tuple(first, fc.uint8Array({ minLength: length - 1, maxLength: length - 1 }))
    .map(([a, rest]) => formatIp(Uint8Array.of(a, ...rest)));
const v4 = () => record({ host: host(4, fc.integer({ min: 1, max: 223 })), port: u16() });
const v6 = () => record({ host: host(16, fc.constant(0x20)), port: u16() });
const addresses = () => fc.oneof(v4(), v6());

function same<T>(name: string, values: fc.Arbitrary<T>, through: (value: T) => T): void {
  test(`${name}: decode of encode is identity`, () => {
    fc.assert(fc.property(values, (value) => assert.deepEqual(through(value), value)));
  });
}

const handshakes = (): fc.Arbitrary<ExtendedHandshake> =>
  fc.record(
    {
      m: fc
        .dictionary(fc.string({ maxLength: 60 }), fc.integer({ min: 0, max: 255 }))
        .map((m) => new Map(Object.entries(m))),
      metadataSize: fc.integer({ min: 1, max: 33_554_432 }),
      version: fc.stringMatching(/^[ -~]{0,60}$/),
      reqq: u16(),
      port: u16(),
      yourIp: fc.oneof(ip(4), ip(16)),
      ipv4: ip(4),
      ipv6: host(16, fc.constant(0x20)),
      uploadOnly: fc.boolean(),
      prefersEncryption: fc.boolean(),
    },
    { noNullPrototype: true, requiredKeys: ['m'] },
  );
same('extended handshake', handshakes(), (value) => decodeExtendedHandshake(encodeExtendedHandshake(value)));

const metadata = (): fc.Arbitrary<MetadataMessage> =>
  fc.oneof(
    record({ kind: fc.constant('request' as const), piece: fc.nat() }),
    record({ kind: fc.constant('reject' as const), piece: fc.nat() }),
    record({
      kind: fc.constant('data' as const),
      piece: fc.nat(),
      totalSize: fc.option(fc.nat(), { nil: undefined }),
      bytes: fc.uint8Array(),
    }),
    record({ kind: fc.constant('unknown' as const), type: fc.integer({ min: 3 }) }),
  );
same('ut_metadata', metadata(), (value) => decodeMetadataMessage(encodeMetadataMessage(value)));

const pexPeer = (address: fc.Arbitrary<{ host: string; port: number }>) =>
  fc.tuple(address, fc.integer({ min: 0, max: 255 })).map(([{ host, port }, flags]) => ({ host, port, flags }));
const pex = (): fc.Arbitrary<PexMessage> =>
  fc
    .tuple(fc.array(pexPeer(v4())), fc.array(pexPeer(v6())), fc.array(v4()), fc.array(v6()))
    .map(([a4, a6, d4, d6]) => ({ added: [...a4, ...a6], dropped: [...d4, ...d6] }));
same('ut_pex', pex(), (value) => decodePex(encodePex(value)));

const holepunch = (): fc.Arbitrary<HolepunchMessage> =>
  fc.oneof(
    record({ kind: fc.constantFrom('rendezvous' as const, 'connect' as const), peer: addresses() }),
    record({ kind: fc.constant('error' as const), peer: addresses(), error: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  );
same('ut_holepunch', holepunch(), (value) => decodeHolepunch(encodeHolepunch(value)));

same('compact peers', record({ a: fc.array(v4()), b: fc.array(v6()) }), ({ a, b }) => {
  const { v4: bytes4, v6: bytes6 } = encodeCompactPeers([...b, ...a]);
  const decode = (bytes: Uint8Array, family: 4 | 6) => decodeCompactPeers(bytes, { family, countMax: 100 }).peers;
  return { a: decode(bytes4, 4), b: decode(bytes6, 6) };
});

test('peer priority is the same from both ends', () => {
  fc.assert(fc.property(addresses(), addresses(), (a, b) => assert.equal(peerPriority(a, b), peerPriority(b, a))));
});

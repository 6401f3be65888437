import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BtError, type InfoHash, writeU32 } from '#base';
import { encode } from '#bencode';
import { decodeState, encodeState, type TorrentRow } from '#session';
import { crc32c } from '#wire';

const plain = { noNullPrototype: true } as const;
const hex = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b).toString('hex') as InfoHash);
const bytes = fc.nat(2 ** 40);
const url = fc.constantFrom('udp://a.example:1/announce', 'http://b.example/announce', 'https://ü.example/x?p=1');
const tiers = fc.array(fc.array(url, { minLength: 1, maxLength: 3 }), { maxLength: 3 });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const row: fc.Arbitrary<TorrentRow> = fc
  .record(
    {
      hashes: fc.oneof(
        hex(20).map((hashV1) => ({ hashV1, hashV2: undefined })),
        hex(32).map((hashV2) => ({ hashV1: undefined, hashV2 })),
        fc.tuple(hex(20), hex(32)).map(([hashV1, hashV2]) => ({ hashV1, hashV2 })),
      ),
      folder: fc.constantFrom('/data', '/home/somebody/Übersicht', 'C:\\films'),
      trackers: tiers,
      peers: fc.array(fc.constantFrom({ host: '192.0.2.7', port: 6881 }, { host: '2001:db8::1', port: 1 }), {
        maxLength: 2,
      }),
      wanted: maybe(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 })),
      picked: maybe(fc.array(fc.nat(1000), { maxLength: 5 })),
      uploadLimit: maybe(fc.nat(2 ** 31)),
      downloadLimit: maybe(fc.nat(2 ** 31)),
      rank: fc.nat(100_000),
      addedMs: bytes,
      isPaused: fc.boolean(),
      isKept: fc.boolean(),
      uploaded: bytes,
      downloaded: bytes,
      known: fc.record(
        {
          name: maybe(fc.string({ unit: 'grapheme' })),
          totalBytes: maybe(bytes),
          pieceCount: maybe(fc.nat(100_000)),
          piecesHave: maybe(fc.nat(100_000)),
          wantedBytes: maybe(bytes),
          doneBytes: maybe(bytes),
          isComplete: fc.boolean(),
        },
        plain,
      ),
    },
    plain,
  )
  .map(({ hashes, ...rest }) => ({ ...hashes, ...rest }))
  // What is not known of a part is not known of the whole either, and the other way round.
  .map((r) => {
    const { wantedBytes, doneBytes, pieceCount, piecesHave } = r.known;
    const done = wantedBytes === undefined ? undefined : (doneBytes ?? wantedBytes);
    const have = pieceCount === undefined ? undefined : (piecesHave ?? pieceCount);
    return { ...r, known: { ...r.known, doneBytes: done, piecesHave: have } };
  });
const state = fc.record({ rows: fc.array(row, { maxLength: 6 }), gone: fc.array(hex(20), { maxLength: 3 }) }, plain);

test('session state: decode of encode is identity', () => {
  fc.assert(fc.property(state, (s) => assert.deepEqual(decodeState(encodeState(s)), s)));
});

test('session state: any flipped bit, and any missing end, is damage', () => {
  fc.assert(
    fc.property(state, fc.nat(), fc.nat(7), (s, at, bit) => {
      const good = encodeState(s);
      const flipped = good.slice();
      const place = at % good.length;
      flipped[place] = (flipped[place] as number) ^ (1 << bit);
      const isDamage = (error: unknown) => BtError.is(error, 'swarm/state-damaged');
      assert.throws(() => decodeState(flipped), isDamage);
      assert.throws(() => decodeState(good.subarray(0, at % good.length)), isDamage);
    }),
  );
});

test('session state: whatever bytes with a right checksum are read or refused, never crash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
      try {
        decodeState(withCrc(body));
      } catch (error) {
        assert.ok(BtError.is(error, 'swarm/state-damaged') || BtError.is(error, 'swarm/state-newer'), String(error));
      }
    }),
  );
});

test('session state: a newer version is refused, unknown keys are passed over', () => {
  const newer = withCrc(encode({ v: 2, rows: [] }));
  assert.throws(
    () => decodeState(newer),
    (error) => BtError.is(error, 'swarm/state-newer'),
  );
  assert.deepEqual(decodeState(withCrc(encode({ v: 1, folders: [], tiers: [], rows: [], later: 'x' }))), {
    rows: [],
    gone: [],
  });
});

function withCrc(body: Uint8Array): Uint8Array {
  const out = new Uint8Array(body.length + 4);
  out.set(body, 4);
  writeU32(out, 0, crc32c(body));
  return out;
}

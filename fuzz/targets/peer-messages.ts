import assert from 'node:assert/strict';
import { concatBytes, type Rng, toHex } from '#base';
import { encodeMessage, PeerDecoder, type PeerMessage, peerLimits, writeBlockHeader } from '#wire';
import { encodeItems, ItemCollector, type StreamItem } from '../../test/support/peer-stream.ts';
import { cutAt } from '../support/cuts.ts';
import { type FuzzTarget, refusal } from '../support/target.ts';

const oddNumbers = [0, 1, 16_383, 16_384, 0x7fff_ffff, 0xffff_ffff];
const bare = ['keep-alive', 'choke', 'unchoke', 'interested', 'not-interested', 'have-all', 'have-none'] as const;

function makeItem(rng: Rng): Uint8Array {
  const n = () => oddNumbers[rng.below(6)]!;
  const block = () => ({ piece: n(), begin: n(), length: n() });
  const range = () => ({ root: rng.bytes(32), baseLayer: n(), index: n(), length: n(), proofLayers: n() });
  const made: (() => PeerMessage)[] = [
    () => ({ kind: bare[rng.below(bare.length)]! }),
    () => ({ kind: (['have', 'suggest', 'allowed-fast'] as const)[rng.below(3)]!, piece: n() }),
    () => ({ kind: (['request', 'cancel', 'reject'] as const)[rng.below(3)]!, ...block() }),
    () => ({ kind: 'bitfield', bits: rng.bytes(rng.below(80)) }),
    () => ({ kind: 'port', port: rng.below(65_536) }),
    () => ({ kind: 'extended', id: rng.below(256), payload: rng.bytes(rng.below(80)) }),
    () => ({ kind: (['hash-request', 'hash-reject'] as const)[rng.below(2)]!, ...range() }),
    () => ({ kind: 'hashes', ...range(), hashes: rng.bytes(32 * rng.below(4)) }),
    () => ({ kind: 'unknown', id: [10, 11, 12, 18, 24, 255][rng.below(6)]! }),
  ];
  if (rng.below(4) > 0) return encodeMessage(made[rng.below(made.length)]!());
  const length = rng.below(100);
  const out = new Uint8Array(13 + length);
  writeBlockHeader(out, 0, n(), n(), length);
  out.set(rng.bytes(length), 13);
  return out;
}

interface Heard {
  readonly items: readonly StreamItem[];
  readonly refused: string | undefined;
}

function hear(chunks: readonly Uint8Array[]): Heard {
  const decoder = new PeerDecoder({ bitfieldBytesMax: 64 });
  const collector = new ItemCollector();
  let pushed = 0;
  for (const chunk of chunks) {
    pushed += chunk.length;
    const lent = chunk.slice();
    try {
      decoder.push(lent, collector);
    } catch (error) {
      assert.ok(decoder.isStopped);
      return { items: collector.items, refused: refusal(error, 'wire/invalid') };
    }
    // Whoever kept a view of what was lent is found out.
    lent.fill(0xee);
    assert.ok(decoder.carryBytes <= Math.max(32, 2 * pushed), 'memory only for what has come');
    assert.ok(decoder.carryBytes <= 6 + peerLimits.extendedBytesMax);
  }
  return { items: collector.items, refused: undefined };
}

export const target: FuzzTarget = {
  about: 'the stream after the handshake, in any chunks: heard alike, encoded again the same bytes, memory bounded',
  form: 'bytes',
  files: ['wire/peer/decoder', 'wire/peer/message', 'wire/peer/hashes'],
  parsers: ['wire/peer/decoder PeerDecoder'],
  tokens: [
    '\0\0\0\x01',
    '\0\0\0\x05\x04',
    '\0\0\0\x0d\x06',
    '\0\0\x40\x09\x07',
    '\0\0\0\x31\x15',
    '\0\0\0\0',
    '\0\0\0\x09\x07',
  ],
  make: (rng) => concatBytes([rng.bytes(4), ...Array.from({ length: rng.below(6) }, () => makeItem(rng))]),
  run(input) {
    const stream = input.slice(4);
    const places = [0, 1, 2, 3].map((i) => (input[i] ?? 0) * (i + 1));
    const heard = hear([stream]);
    assert.deepEqual(hear(cutAt(stream, places)), heard, 'cut');
    if (stream.length < 300)
      assert.deepEqual(hear(Array.from(stream, (byte) => Uint8Array.of(byte))), heard, 'bytewise');
    // The bodies of unknown messages are skipped, so what follows one lies elsewhere.
    const known = heard.items.findIndex(({ kind }) => kind === 'unknown');
    const items = known < 0 ? heard.items : heard.items.slice(0, known);
    const again = encodeItems(items);
    assert.equal(toHex(again), toHex(stream.subarray(0, again.length)));
    return (
      heard.refused ??
      heard.items
        .slice(-2)
        .map(({ kind }) => kind)
        .join(' ')
    );
  },
};

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, fromHex } from '#base';
import { encodeMessage, encodeRequests, PeerDecoder, type PeerMessage, type PeerMessageSink, peerLimits } from '#wire';
import { decodeItems, encodeItem, encodeItems, ItemCollector } from '../../support/peer-stream.ts';

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(' ', '')) as Uint8Array;

/** Length prefixes that are refused as soon as the id is known, with nothing but these five bytes here. */
const refused: [what: string, prefix: string][] = [
  ['choke with a payload', '00000002 00'],
  ['have without a piece', '00000001 04'],
  ['have too long', '00000006 04'],
  ['request too short', '0000000c 06'],
  ['piece without begin', '00000008 07'],
  ['piece longer than any block we ask for', '0000400a 07'],
  ['piece of 4 GiB', 'ffffffff 07'],
  ['bitfield of 4 GiB', 'ffffffff 05'],
  ['bitfield of more than 2 Mi pieces', '00040002 05'],
  ['port too long', '00000004 09'],
  ['have-all with a payload', '00000002 0e'],
  ['extended without its id', '00000001 14'],
  ['extended of 1 MiB', '00100000 14'],
  ['hash request too short', '00000030 15'],
  ['hashes of 1 MiB', '00100000 16'],
  ['an unknown message of 2 MiB', '00200000 63'],
];

for (const [what, prefix] of refused) {
  test(`decoder refuses ${what}`, () => {
    for (const chunks of [[hex(prefix)], [...hex(prefix)].map((byte) => Uint8Array.of(byte))]) {
      assert.throws(
        () => decodeItems(chunks),
        (error) => BtError.is(error, 'wire/invalid'),
      );
    }
  });
}

test('decoder hands block bytes on as views of the pushed chunk', () => {
  const chunk = encodeItems([
    { kind: 'piece', piece: 7, begin: 16384, bytes: new Uint8Array(1000).fill(5) },
    { kind: 'choke' },
  ]);
  const seen: unknown[] = [];
  const sink: PeerMessageSink = {
    onMessage: (message) => seen.push(message.kind),
    onBlockStart: (piece, begin, length) => seen.push([piece, begin, length]),
    onBlockBytes: (bytes) => seen.push([bytes.buffer === chunk.buffer, bytes.byteOffset, bytes.length]),
    onBlockEnd: () => seen.push('end'),
  };
  const decoder = new PeerDecoder();
  decoder.push(chunk, sink);
  assert.deepEqual(seen, [[7, 16384, 1000], [true, 13, 1000], 'end', 'choke']);
});

test('decoder takes a block without bytes and an empty bitfield', () => {
  const items = [
    { kind: 'piece', piece: 1, begin: 0, bytes: new Uint8Array() } as const,
    { kind: 'bitfield', bits: new Uint8Array() } as const,
  ];
  assert.deepEqual(decodeItems([encodeItems(items)]), items);
});

test('decoder skips the payload of unknown messages without holding it', () => {
  const decoder = new PeerDecoder();
  const collector = new ItemCollector();
  decoder.push(hex('000f4240 63'), collector);
  for (let left = 999_999; left > 0; left -= 10_000) decoder.push(new Uint8Array(Math.min(left, 10_000)), collector);
  assert.ok(decoder.carryBytes <= 32);
  decoder.push(encodeMessage({ kind: 'unchoke' }), collector);
  assert.deepEqual(collector.items, [{ kind: 'unknown', id: 99 }, { kind: 'unchoke' }]);
});

test('decoder lets go of a large carry', () => {
  const decoder = new PeerDecoder();
  const collector = new ItemCollector();
  const bits = new Uint8Array(100_000).fill(0xff);
  const bytes = encodeItem({ kind: 'bitfield', bits });
  decoder.push(bytes.subarray(0, 50_000), collector);
  assert.ok(decoder.carryBytes >= 50_000 && decoder.carryBytes <= 100_005);
  decoder.push(bytes.subarray(50_000), collector);
  assert.ok(decoder.carryBytes <= 32);
  assert.deepEqual(collector.items, [{ kind: 'bitfield', bits }]);
});

test('decoder accepts the longest messages of each kind', () => {
  const decoder = new PeerDecoder({ bitfieldBytesMax: 3 });
  const collector = new ItemCollector();
  decoder.push(encodeItem({ kind: 'bitfield', bits: new Uint8Array(3) }), collector);
  decoder.bitfieldBytesMax = 2;
  assert.throws(() => decoder.push(encodeItem({ kind: 'bitfield', bits: new Uint8Array(3) }), collector));
  assert.ok(decoder.isStopped);
  decodeItems([encodeItem({ kind: 'piece', piece: 0, begin: 0, bytes: new Uint8Array(peerLimits.blockBytesMax) })]);
  decodeItems([encodeItem({ kind: 'extended', id: 1, payload: new Uint8Array(peerLimits.extendedBytesMax) })]);
});

for (const stopAt of ['message', 'start', 'bytes', 'end']) {
  test(`decoder falls silent when stopped in ${stopAt}`, () => {
    const calls: string[] = [];
    const decoder = new PeerDecoder();
    const note = (call: string) => {
      calls.push(call);
      if (call === stopAt) decoder.stop();
    };
    const sink: PeerMessageSink = {
      onMessage: () => note('message'),
      onBlockStart: () => note('start'),
      onBlockBytes: () => note('bytes'),
      onBlockEnd: () => note('end'),
    };
    const chunk = encodeItems([
      { kind: 'piece', piece: 0, begin: 0, bytes: new Uint8Array(3) },
      { kind: 'choke' },
      { kind: 'piece', piece: 0, begin: 0, bytes: new Uint8Array(0) },
    ]);
    decoder.push(chunk, sink);
    decoder.push(chunk, sink);
    const all = ['start', 'bytes', 'end', 'message'];
    assert.deepEqual(calls, all.slice(0, all.indexOf(stopAt) + 1));
  });
}

test('requests are encoded in one run', () => {
  const run = encodeRequests(Uint32Array.of(1, 2, 3, 0xffff_ffff, 16384, 16384));
  const expected: PeerMessage[] = [
    { kind: 'request', piece: 1, begin: 2, length: 3 },
    { kind: 'request', piece: 0xffff_ffff, begin: 16384, length: 16384 },
  ];
  assert.deepEqual(decodeItems([run]), expected);
});

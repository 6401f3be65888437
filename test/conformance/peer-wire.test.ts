import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { encodeUtf8, fromHex, toHex } from '#base';
import {
  allowedFastSet,
  crc32c,
  decodeCompactPeers,
  decodeExtendedHandshake,
  decodeHandshake,
  decodeHolepunch,
  decodeMetadataMessage,
  decodePex,
  describePeerId,
  encodeCompactPeers,
  encodeExtendedHandshake,
  encodeHandshake,
  encodeHolepunch,
  encodeMessage,
  encodeMetadataMessage,
  encodePex,
  type PeerMessage,
  peerPriority,
  priorityInput,
} from '#wire';
import { conformance } from '../support/conformance.ts';
import { cutBytewise, decodeItems, encodeItems } from '../support/peer-stream.ts';

const hex = (text: string): Uint8Array => fromHex(text) as Uint8Array;
const idOf = (c: { readonly _id: string }): string => c._id;
const address = ([host, port]: readonly [string, number]) => ({ host, port });

interface WireCase {
  readonly name: string;
  readonly hex: string;
  readonly _id: string;
}

/** What a case of each name must be read as; extended ones say what their payload must encode to again. */
const expected: Readonly<Record<string, PeerMessage | ((payload: Uint8Array) => Uint8Array)>> = {
  choke: { kind: 'choke' },
  interested: { kind: 'interested' },
  'have 5': { kind: 'have', piece: 5 },
  'request 1,16384,16384': { kind: 'request', piece: 1, begin: 16384, length: 16384 },
  'port 6881': { kind: 'port', port: 6881 },
  'suggest 7': { kind: 'suggest', piece: 7 },
  'have all': { kind: 'have-all' },
  'extension handshake': (payload) => {
    const handshake = decodeExtendedHandshake(payload);
    const m = new Map([
      ['ut_metadata', 1],
      ['ut_pex', 2],
    ]);
    assert.deepEqual(handshake, { m, metadataSize: 31235, port: 6881, reqq: 250, version: 'Test 1.0' });
    return encodeExtendedHandshake(handshake);
  },
  'ut_metadata request 0': (payload) => {
    const message = decodeMetadataMessage(payload);
    assert.deepEqual(message, { kind: 'request', piece: 0 });
    return encodeMetadataMessage(message);
  },
  'ut_metadata data 0': (payload) => {
    const message = decodeMetadataMessage(payload);
    assert.deepEqual(message, { kind: 'data', piece: 0, totalSize: 34256, bytes: encodeUtf8('x'.repeat(16)) });
    return encodeMetadataMessage(message);
  },
  'holepunch rendezvous 1.2.3.4:6881': (payload) => {
    const message = decodeHolepunch(payload);
    assert.deepEqual(message, { kind: 'rendezvous', peer: { host: '1.2.3.4', port: 6881 } });
    return encodeHolepunch(message);
  },
  'holepunch error no such peer': (payload) => {
    const message = decodeHolepunch(payload);
    assert.deepEqual(message, { kind: 'error', peer: { host: '1.2.3.4', port: 6881 }, error: 1 });
    return encodeHolepunch(message);
  },
};

conformance(
  'peer wire: messages',
  'vectors/peer_wire.json',
  (file: { messages: WireCase[] }) => file.messages,
  (c) => {
    const bytes = hex(c.hex);
    if (c.name.startsWith('handshake')) return checkHandshake(c, bytes);
    const items = decodeItems([bytes]);
    assert.deepEqual(decodeItems(cutBytewise(bytes)), items);
    assert.equal(toHex(encodeItems(items)), c.hex);
    const message = items[0] as PeerMessage;
    assert.equal(items.length, 1);
    assert.notEqual(message.kind, 'unknown');
    const want = expected[c.name];
    if (typeof want !== 'function') return want === undefined ? undefined : assert.deepEqual(message, want);
    assert.ok(message.kind === 'extended');
    assert.equal(toHex(encodeMessage({ ...message, payload: want(message.payload) })), c.hex);
  },
  idOf,
);

function checkHandshake(c: WireCase, bytes: Uint8Array): void {
  const handshake = decodeHandshake(bytes);
  assert.equal(toHex(encodeHandshake(handshake)), c.hex);
  const isV2 = c.name.includes('v2');
  assert.deepEqual(handshake.flags, { extensions: isV2, fast: isV2, dht: isV2, v2: isV2 });
}

interface CompactFile {
  readonly valid: { ip: string; port: number; hex: string; _id: string }[];
  readonly suspect: { hex: string; family: 4 | 6; why: string; _id: string }[];
  readonly ut_pex: {
    payload_hex: string;
    added: [string, number, number][];
    dropped: [string, number][];
    _id: string;
  }[];
}

conformance(
  'compact peers: valid',
  'vectors/compact_peers.json',
  (file: CompactFile) => file.valid,
  (c) => {
    const family = c.hex.length === 12 ? 4 : 6;
    const { peers } = decodeCompactPeers(hex(c.hex), { family, countMax: 10 });
    assert.deepEqual(peers, [{ host: c.ip, port: c.port }]);
    const { v4, v6 } = encodeCompactPeers(peers);
    assert.equal(toHex(family === 4 ? v4 : v6), c.hex);
  },
  idOf,
);

conformance(
  'compact peers: suspect',
  'vectors/compact_peers.json',
  (file: CompactFile) => file.suspect,
  (c) => {
    const { peers, droppedCount, trailingBytes } = decodeCompactPeers(hex(c.hex), { family: c.family, countMax: 10 });
    if (c.why.startsWith('length')) assert.ok(trailingBytes > 0);
    else assert.deepEqual([peers.length, droppedCount], [0, 1]);
  },
  idOf,
);

conformance(
  'compact peers: ut_pex',
  'vectors/compact_peers.json',
  (file: CompactFile) => file.ut_pex,
  (c) => {
    const message = decodePex(hex(c.payload_hex));
    assert.deepEqual(
      message.added,
      c.added.map(([host, port, flags]) => ({ host, port, flags })),
    );
    assert.deepEqual(message.dropped, c.dropped.map(address));
    assert.equal(toHex(encodePex(message)), c.payload_hex);
  },
  idOf,
);

interface PeerIdFile {
  readonly transmission: { prefix_hex: string; name: string; _id: string }[];
  readonly libtorrent: { peer_id_hex: string; name: string; _id: string }[];
  readonly must_not_crash: string[];
}

conformance(
  'peer ids: names as Transmission has them',
  'vectors/peer_id.json',
  (file: PeerIdFile) => file.transmission,
  (c) => assert.equal(describePeerId(hex(c.prefix_hex.padEnd(40, '2e'))), c.name),
  idOf,
);

conformance(
  'peer ids: names as libtorrent has them',
  'vectors/peer_id.json',
  (file: PeerIdFile) => file.libtorrent,
  (c) => assert.equal(describePeerId(hex(c.peer_id_hex)), c.name),
  idOf,
);

conformance(
  'peer ids: hostile ones are printed safely',
  'vectors/peer_id.json',
  (file: PeerIdFile) => file.must_not_crash,
  (c) => assert.match(describePeerId(hex(c)), /^[\x20-\x7e]{1,60}$/),
);

conformance(
  'allowed-fast sets',
  'vectors/bep6_fast_set.json',
  (file: { vectors: { ip: string; num_pieces: number; info_hash: string; k: number; set: number[]; _id: string }[] }) =>
    file.vectors,
  (c) => {
    const sha1 = (data: Uint8Array) => new Uint8Array(createHash('sha1').update(data).digest());
    const set = allowedFastSet({ ip: c.ip, infoHash: hex(c.info_hash), pieceCount: c.num_pieces, count: c.k, sha1 });
    assert.deepEqual(set, c.set);
  },
  idOf,
);

interface PriorityFile {
  readonly vectors: { a: [string, number]; b: [string, number]; hashed: string; priority: string; _id: string }[];
  readonly crc32c: { hex: string; crc: string; _id: string }[];
}

conformance(
  'peer priority',
  'vectors/bep40.json',
  (file: PriorityFile) => file.vectors,
  (c) => {
    for (const [a, b] of [
      [address(c.a), address(c.b)],
      [address(c.b), address(c.a)],
    ] as const) {
      assert.equal(toHex(priorityInput(a, b) as Uint8Array), c.hashed);
      assert.equal(peerPriority(a, b)?.toString(16).padStart(8, '0'), c.priority);
    }
  },
  idOf,
);

conformance(
  'crc32c',
  'vectors/bep40.json',
  (file: PriorityFile) => file.crc32c,
  (c) => assert.equal(crc32c(hex(c.hex)).toString(16).padStart(8, '0'), c.crc),
  idOf,
);

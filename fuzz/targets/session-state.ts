import assert from 'node:assert/strict';
import { type InfoHash, type Rng, writeU32 } from '#base';
import { type BInput, encode } from '#bencode';
import { crc32 } from '#room/node/crc32';
import { decodeEntries } from '#room/node/journaled-file';
import { decodeState, encodeState, type SessionState, type TorrentRow } from '#session';
import { crc32c } from '#wire';
import { type FuzzTarget, magnitude, refusal } from '../support/target.ts';

const row: TorrentRow = {
  hashV1: 'ab'.repeat(20) as InfoHash,
  hashV2: 'cd'.repeat(32) as InfoHash,
  folder: '/f',
  trackers: [['http://a/', 'udp://b:1'], ['x']],
  peers: [
    { host: '1.2.3.4', port: 5 },
    { host: '2001:db8::1', port: 6 },
  ],
  wanted: [true, false, true],
  picked: [0, 2],
  uploadLimit: 5,
  downloadLimit: undefined,
  rank: 3,
  addedMs: 1_700_000_000_000,
  isPaused: true,
  isKept: true,
  uploaded: 7,
  downloaded: 8,
  known: { name: 'n', totalBytes: 9, pieceCount: 2, wantedBytes: 6, isComplete: false, doneBytes: 3, piecesHave: 1 },
};
const state: SessionState = { rows: [row, { ...row, hashV1: undefined, wanted: undefined }], gone: [row.hashV1!] };

/** Inside a row only a grammar gets far: it is a byte string, whose length would have to fit. */
function makeRow(rng: Rng): Uint8Array {
  const n = () => [0, 1, 7, 2 ** 40, -1][rng.below(5)]!;
  const members: [string, BInput][] = [
    ['h', rng.bytes([20, 20, 3][rng.below(3)]!)],
    ['H', rng.bytes(32)],
    ['f', rng.below(3)],
    ['t', rng.below(3)],
    ['P', ['1.2.3.4:5', '[::1]:6', 'x']],
    ['s', [rng.below(10), rng.bytes(rng.below(3)).map((byte) => byte & 0x80)]],
    ['g', [n(), n(), 'x']],
    ['l', [n(), n()]],
    ...['q', 'a', 'p', 'k', 'u', 'd', 'z', 'i', 'w', 'c', 'x', 'j'].map((key): [string, BInput] => [key, n()]),
    ['n', rng.bytes(rng.below(4))],
  ];
  const isNeeded = (key: string) => key === 'h' || key === 'f' || key === 't';
  const kept = members.filter(([key]) => rng.below(isNeeded(key) ? 8 : 2) > 0);
  return encode(new Map(kept));
}

/** A journal of entries, the first one whole: as it comes, and with what a crash leaves behind it. */
function readJournal(input: Uint8Array): number {
  const { entries, end } = decodeEntries(input);
  assert.ok(end <= input.length && entries.every((entry) => entry.length > 0));
  if (input.length === 0) return entries.length;
  const journal = new Uint8Array(8 + input.length + 40);
  journal.set(input, 8);
  writeU32(journal, 0, input.length);
  writeU32(journal, 4, crc32(input));
  for (const tail of [0, 1, 40]) {
    const read = decodeEntries(journal.subarray(0, 8 + input.length + tail));
    assert.equal(read.end, 8 + input.length, 'zeros behind it are nothing');
    assert.deepEqual(read.entries, [input]);
  }
  return entries.length;
}

export const target: FuzzTarget = {
  about: 'what a session remembers of its torrents: read and written as the same, or damaged, or newer',
  form: 'bytes',
  files: ['session/state'],
  parsers: ['session/state decodeState', 'node/journaled-file decodeEntries'],
  tokens: [
    '1:vi1e',
    '1:vi2e',
    '7:foldersl',
    '5:tiersl',
    '4:rowsl',
    '4:gonel',
    'i-1e',
    'i9007199254740993e',
    'le',
    'de',
    '1:hi0e',
    '1:s',
    '1:gli1ee',
    '1:lli-1ei5ee',
    'd1:fi0e1:ti0ee',
  ],
  seeds: () => [state, { rows: [], gone: [] }].map((one) => encodeState(one).subarray(4)),
  make: (rng) =>
    encode({
      v: 1,
      folders: ['/a', '/b'],
      tiers: [[], [['u', 'v'], []]],
      rows: Array.from({ length: rng.below(3) }, () => makeRow(rng)),
      gone: [rng.bytes([20, 32, 20, 5][rng.below(4)]!)],
    }),
  run(input) {
    readJournal(input);
    try {
      decodeState(input);
    } catch (error) {
      refusal(error, 'swarm/state-damaged', 'swarm/state-newer');
    }
    const file = new Uint8Array(4 + input.length);
    file.set(input, 4);
    writeU32(file, 0, crc32c(input));
    let read: SessionState;
    try {
      read = decodeState(file);
    } catch (error) {
      return refusal(error, 'swarm/state-damaged', 'swarm/state-newer');
    }
    const before = structuredClone(read);
    file.fill(0xee);
    assert.deepEqual(read, before, 'nothing of what was lent is kept');
    assert.deepEqual(decodeState(encodeState(read)), read);
    for (const hash of read.gone) assert.match(hash, /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/);
    const [first] = read.rows;
    return `${magnitude(read.rows.length)} ${read.gone.length} ${first === undefined ? '' : Object.values(first).filter((v) => v !== undefined).length}`;
  },
};

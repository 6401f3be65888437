import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield, BtError, formatAddress, type InfoHash, isDialable, type PeerAddress, toHex } from '#base';
import { encode } from '#bencode';
import type { FileEntry, Info } from '#metainfo';
import type { FileState, SavedResume } from '#room/swarm/ports';
import { decodeResume, encodeResume, type ResumeData } from '#room/swarm/resume';
import { judgeResume } from '#room/swarm/resume-judge';
import { crc32c } from '#wire';

// --- coding ----------------------------------------------------------------------------------------------------------------------

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const hash = fc.oneof(bytes(20), bytes(32)).map((b) => toHex(b) as InfoHash);
const count = fc.nat(2 ** 40);
const address: fc.Arbitrary<PeerAddress> = fc.oneof(
  fc.record({
    host: fc.ipV4().filter((host) => /^\d+(\.\d+){3}$/.test(host)),
    port: fc.integer({ min: 1, max: 65_535 }),
  }),
  fc.record({ host: fc.constantFrom('2001:db8::1', '::1', 'fe80::5'), port: fc.integer({ min: 1, max: 65_535 }) }),
);
const field = fc.array(fc.boolean(), { maxLength: 70 }).map((flags) => {
  const f = new Bitfield(flags.length);
  flags.forEach((flag, i) => {
    if (flag) f.set(i);
  });
  return f;
});
const resumeData: fc.Arbitrary<ResumeData> = fc.record({
  infoHashes: fc.array(hash, { maxLength: 2 }),
  have: fc.option(field, { nil: undefined }),
  wanted: fc.option(fc.array(fc.boolean(), { maxLength: 20 }), { nil: undefined }),
  uploaded: count,
  downloaded: count,
  peers: fc.array(address.filter(isDialable), { maxLength: 5 }),
  trackers: fc.option(fc.array(fc.array(fc.webUrl(), { maxLength: 3 }), { maxLength: 3 }), { nil: undefined }),
  info: fc.option(fc.uint8Array({ maxLength: 50 }), { nil: undefined }),
  layers: fc.option(
    fc.array(fc.tuple(bytes(32).map(toHex), bytes(64)), { maxLength: 3 }).map((entries) => new Map(entries)),
    { nil: undefined },
  ),
  addedMs: fc.option(count, { nil: undefined }),
  completedMs: fc.option(count, { nil: undefined }),
});

/** Comparable: byte strings as hex, sets as their bytes. */
function plain(data: ResumeData): unknown {
  return {
    ...data,
    peers: data.peers.map(formatAddress),
    have: data.have === undefined ? undefined : [data.have.size, data.have.count, toHex(data.have.toBytes())],
    info: data.info === undefined ? undefined : toHex(data.info),
    layers: data.layers === undefined ? undefined : [...data.layers].map(([k, v]) => [k, toHex(v)]).sort(),
  };
}

test('resume data: what is written is what is read', () => {
  fc.assert(
    fc.property(resumeData, (data) => {
      assert.deepEqual(plain(decodeResume(encodeResume(data))), plain(data));
    }),
  );
});

test('resume data: any damage is noticed', () => {
  fc.assert(
    fc.property(resumeData, fc.nat(), fc.boolean(), (data, where, cut) => {
      const good = encodeResume(data);
      const bad = cut ? good.slice(0, where % good.length) : good.slice();
      if (!cut) bad[where % bad.length] = (bad[where % bad.length] as number) ^ (1 << (where % 8));
      assert.throws(
        () => decodeResume(bad),
        (e) => BtError.is(e, 'swarm/state-damaged'),
      );
    }),
  );
});

function sealed(body: Uint8Array): Uint8Array {
  const out = new Uint8Array(body.length + 4);
  out.set(body, 4);
  new DataView(out.buffer).setUint32(0, crc32c(body));
  return out;
}

const records: { name: string; body: Uint8Array; code: string }[] = [
  { name: 'a later version', body: encode({ v: 2 }), code: 'swarm/state-newer' },
  { name: 'no version', body: encode({ uploaded: 1, downloaded: 1 }), code: 'swarm/state-damaged' },
  { name: 'no totals', body: encode({ v: 1 }), code: 'swarm/state-damaged' },
  { name: 'no dictionary', body: encode([1]), code: 'swarm/state-damaged' },
  { name: 'no bencode', body: new Uint8Array([1, 2]), code: 'swarm/state-damaged' },
  {
    name: 'a bitfield of another length',
    body: encode({ v: 1, uploaded: 0, downloaded: 0, pieces: 20, have: new Uint8Array(2) }),
    code: 'swarm/state-damaged',
  },
  {
    name: 'spare bits in a bitfield',
    body: encode({ v: 1, uploaded: 0, downloaded: 0, pieces: 4, have: new Uint8Array([0xff]) }),
    code: 'swarm/state-damaged',
  },
];
for (const { name, body, code } of records) {
  test(`resume data with ${name} is refused`, () => {
    assert.throws(
      () => decodeResume(sealed(body)),
      (e) => BtError.is(e) && e.code === code,
    );
  });
}

test('resume data with keys of a later program is read', () => {
  const body = encode({ v: 1, uploaded: 5, downloaded: 6, novelty: 'x', peers: ['1.2.3.4:5', 'nonsense', 'host:1'] });
  const data = decodeResume(sealed(body));
  assert.deepEqual([data.uploaded, data.peers], [5, [{ host: '1.2.3.4', port: 5 }]]);
});

// --- judging ---------------------------------------------------------------------------------------------------------------------

const infoHash = 'a'.repeat(40) as InfoHash;
const pieceLength = 100;

/** Files of these lengths, one after the other as in v1, so that pieces of 100 bytes span them. */
function infoOf(lengths: readonly number[]): Info {
  let offset = 0;
  const files: FileEntry[] = lengths.map((length, index) => {
    const file = { index, path: ['t', String(index)], length, offset, executable: false, hidden: false };
    offset += length;
    return file;
  });
  const pieceCount = Math.ceil(offset / pieceLength);
  return {
    format: 'v1',
    bytes: new Uint8Array(),
    hashV1: infoHash,
    name: 't',
    pieceLength,
    singleFile: false,
    files,
    spaceLength: offset,
    pieceCount,
    totalLength: offset,
    pieces: new Uint8Array(20 * pieceCount),
    isPrivate: false,
  };
}

/** `length@time`, or `-` for no file. */
function states(text: string): (FileState | undefined)[] {
  return text.split(' ').map((word) => {
    const [length, time] = word.split('@');
    return word === '-' ? undefined : { length: Number(length), modifiedMs: Number(time) };
  });
}

/** One letter a piece: `x` in the set. */
function pieces(text: string): Bitfield {
  const f = new Bitfield(text.length);
  for (let i = 0; i < text.length; i++) if (text[i] === 'x') f.set(i);
  return f;
}

interface JudgeCase {
  files: number[];
  have: string;
  /** As saved and as now. */
  before: string;
  now: string;
  final?: boolean;
  savedMs?: number;
  wallMs?: number;
  partBefore?: string;
  partNow?: string;
  /** Selected then and now: `1` and `0` a file. */
  wantedBefore?: string;
  wantedNow?: string;
  hash?: string;
  /** Pieces noted after the record. */
  committed?: readonly number[];
  isSameBoot?: boolean;
  /** As noted after the last write, in the form of `before`; `-`: nothing noted. */
  written?: string;
  /** The write that was going on: `piece@time`. */
  underWay?: string;
  isBelieved?: boolean;
  /** One letter a piece: `x` trusted, `?` to be hashed, `.` not here. */
  expect: string;
  notes?: string;
}

function check(name: string, c: JudgeCase): void {
  test(`resume: ${name}`, () => {
    const flags = (text: string | undefined) => c.files.map((_, i) => text?.[i] !== '0');
    const written = new Map<number, FileState>();
    for (const [i, state] of states(c.written ?? '-').entries()) if (state !== undefined) written.set(i, state);
    const [piece = 0, sinceMs = 0] = (c.underWay ?? '').split('@').map(Number);
    const saved: SavedResume = {
      bytes: new Uint8Array(),
      files: states(c.before),
      partFile: states(c.partBefore ?? '-')[0],
      final: c.final ?? false,
      savedMs: c.savedMs ?? 100_000,
      committed: c.committed ?? [],
      isSameBoot: c.isSameBoot ?? true,
      written,
      underWay: c.underWay === undefined ? undefined : { piece, sinceMs },
      isBelieved: c.isBelieved ?? true,
    };
    const verdict = judgeResume({
      saved,
      data: {
        infoHashes: [(c.hash ?? infoHash) as InfoHash],
        have: pieces(c.have),
        wanted: flags(c.wantedBefore),
        uploaded: 0,
        downloaded: 0,
        peers: [],
      },
      info: infoOf(c.files),
      files: states(c.now),
      partFile: states(c.partNow ?? '-')[0],
      wanted: flags(c.wantedNow),
      wallMs: c.wallMs ?? 1_000_000,
    });
    const got = [...c.have].map((_, p) => {
      if (verdict.trusted.has(p)) return 'x';
      return verdict.recheck.some((r) => p >= r.first && p < r.end) ? '?' : '.';
    });
    assert.equal(got.join(''), c.expect);
    const notes = verdict.notes.map((n) => `${n.file} ${n.verdict} ${n.reason}`).join(', ');
    if (c.notes !== undefined) assert.equal(notes, c.notes);
    assert.ok(
      [...verdict.trusted].every((p) => c.have[p] === 'x' || c.committed?.includes(p) === true),
      'nothing is believed that was not claimed',
    );
  });
}

check('after a clean stop, files as they were are believed', {
  files: [300],
  have: 'x.x',
  before: '300@5000',
  now: '300@5000',
  final: true,
  expect: 'x.x',
  notes: '',
});
check('after a clean stop, another time means another content', {
  files: [300],
  have: 'x.x',
  before: '300@5000',
  now: '300@5001',
  final: true,
  expect: '???',
  notes: '0 recheck modified',
});
check('only the changed file is hashed', {
  files: [200, 200],
  have: 'xxxx',
  before: '200@5000 200@5000',
  now: '200@9000 200@5000',
  final: true,
  expect: '??xx',
});
check('a piece over two files needs both', {
  files: [150, 150],
  have: 'xxx',
  before: '150@5000 150@5000',
  now: '150@5000 150@7000',
  final: true,
  expect: 'x??',
});
check('a missing file takes its pieces with it, and those it shares', {
  files: [150, 150],
  have: 'xxx',
  before: '150@5000 150@5000',
  now: '150@5000 -',
  final: true,
  expect: 'x..',
  notes: '1 gone missing',
});
check('of a file that was cut the rest is hashed', {
  files: [300],
  have: 'xxx',
  before: '300@5000',
  now: '200@5000',
  expect: '??.',
  notes: '0 recheck shorter-than-saved',
});
check('a file that grew beyond its length is hashed', {
  files: [300],
  have: 'xxx',
  before: '300@5000',
  now: '301@5000',
  expect: '???',
  notes: '0 recheck longer-than-it-should-be',
});
check('after a crash what was noted since the record is as good as the record', {
  files: [300],
  have: 'x..',
  committed: [2, 7],
  before: '100@99000',
  written: '300@110000',
  now: '300@110000',
  expect: 'x.x',
  notes: '',
});
check('after a crash a file is newer than what was noted only by the write that was going on', {
  files: [300],
  have: 'xx.',
  before: '200@99000',
  underWay: '2@110000',
  now: '300@110100',
  expect: 'xx.',
  notes: '0 trusted written-until-the-end',
});
check('a change after that was not ours', {
  files: [300],
  have: 'xx.',
  before: '200@99000',
  underWay: '2@110000',
  now: '300@110101',
  expect: '???',
  notes: '0 recheck modified',
});
check('nor one of a file that was not being written', {
  files: [200, 200],
  have: 'xxx.',
  before: '200@99000 200@99000',
  underWay: '3@110000',
  now: '200@110001 200@110001',
  expect: '??x.',
  notes: '0 recheck modified, 1 trusted written-until-the-end',
});
check('nor one where nothing was being written', {
  files: [300],
  have: 'x..',
  committed: [1],
  before: '200@99000',
  written: '300@99500',
  now: '300@99501',
  expect: '???',
  notes: '0 recheck modified',
});
check('what a journal says that should have been emptied does not make the record old', {
  files: [300],
  have: 'xxx',
  committed: [1],
  before: '300@99000',
  written: '300@98000',
  now: '300@99000',
  final: true,
  expect: 'xxx',
  notes: '',
});
check('of a record before a damaged one nothing is believed', {
  files: [300],
  have: 'xx.',
  isBelieved: false,
  before: '300@99000',
  now: '300@99000',
  final: true,
  expect: '???',
  notes: '0 recheck record-damaged',
});
check('after the machine went down, everything is hashed', {
  files: [300],
  have: 'x..',
  committed: [2],
  isSameBoot: false,
  before: '300@99000',
  now: '300@99000',
  expect: '???',
  notes: '0 recheck power-lost',
});
check('after a clean stop the machine may go down', {
  files: [300],
  have: 'xx.',
  final: true,
  isSameBoot: false,
  before: '300@99000',
  now: '300@99000',
  expect: 'xx.',
});
check('after a crash a much later change is not ours', {
  files: [300],
  have: 'xx.',
  before: '200@99000',
  now: '300@110001',
  expect: '???',
  notes: '0 recheck modified',
});
check('after a crash an older file is another file', {
  files: [300],
  have: 'xxx',
  before: '300@99000',
  now: '300@98999',
  expect: '???',
});
check('after a crash with the clock gone back, only what is the same is believed', {
  files: [200, 200],
  have: 'xxxx',
  before: '200@99000 200@99000',
  underWay: '3@99450',
  now: '200@99000 200@99500',
  wallMs: 99_999,
  expect: 'xx??',
});
check('a claim beyond the end of a file is dropped even where the file is believed', {
  files: [300],
  have: 'xxx',
  before: '250@5000',
  now: '250@5000',
  final: true,
  expect: 'xx.',
});
check('a file that appeared is hashed', {
  files: [100, 200],
  have: 'x..',
  before: '100@5000 -',
  now: '100@5000 200@6000',
  final: true,
  expect: 'x??',
  notes: '1 recheck appeared',
});
check('a file created between record and crash is not', {
  files: [100, 200],
  have: 'x..',
  before: '100@5000 -',
  underWay: '1@104990',
  now: '100@5000 200@105000',
  expect: 'x..',
});
check('unless the record claims something of it: it was deleted while we ran', {
  files: [100, 200],
  have: 'xx.',
  before: '100@5000 -',
  underWay: '1@104990',
  now: '100@5000 200@105000',
  expect: 'x??',
});
check('files that were never there are not worth a word', {
  files: [100, 200],
  have: 'x..',
  before: '100@5000 -',
  now: '100@5000 -',
  final: true,
  expect: 'x..',
  notes: '',
});
check('shares of files that are not selected are in the part file', {
  files: [150, 150],
  have: 'xx.',
  before: '150@5000 -',
  now: '150@5000 -',
  partBefore: '50@5000',
  partNow: '50@5000',
  wantedBefore: '10',
  wantedNow: '10',
  final: true,
  expect: 'xx.',
  notes: '',
});
check('without the part file the pieces at the boundary are gone', {
  files: [150, 150],
  have: 'xx.',
  before: '150@5000 -',
  now: '150@5000 -',
  partBefore: '50@5000',
  wantedBefore: '10',
  wantedNow: '10',
  final: true,
  expect: 'x..',
  notes: '-1 gone missing',
});
check('a changed part file is hashed where it matters', {
  files: [150, 150],
  have: 'xx.',
  before: '150@5000 -',
  now: '150@5000 -',
  partBefore: '50@5000',
  partNow: '50@6000',
  wantedBefore: '10',
  wantedNow: '10',
  final: true,
  expect: 'x??',
});
check('another selection: what moved is looked at again', {
  files: [150, 150],
  have: 'xx.',
  before: '150@5000 -',
  now: '150@5000 150@6000',
  partBefore: '50@5000',
  partNow: '50@5000',
  wantedBefore: '10',
  wantedNow: '11',
  final: true,
  expect: 'x??',
  notes: '1 recheck selection-changed',
});
check('a record of another torrent is not believed, what is there is hashed', {
  files: [150, 150],
  have: 'xxx',
  before: '150@5000 150@5000',
  now: '150@5000 -',
  hash: 'b'.repeat(40),
  final: true,
  expect: '?..',
  notes: '0 recheck not-this-torrent, 1 gone not-this-torrent',
});
check('a record of another size is not believed', {
  files: [300],
  have: 'xxxx',
  before: '300@5000',
  now: '300@5000',
  final: true,
  expect: '???.',
});

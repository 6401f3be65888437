import assert from 'node:assert/strict';
import { Bitfield, BtError, type InfoHash, toHex, writeU32 } from '#base';
import { crc32 } from '#room/node/crc32';
import { decodeResume as decodeContainer, encodeResume as encodeContainer } from '#room/node/disk/resume-file';
import { decodeJournal } from '#room/node/disk/resume-journal';
import { decodeResume, encodeResume, type ResumeData } from '#room/swarm/resume';
import { crc32c } from '#wire';
import { type FuzzTarget, refusal, utf8 } from '../support/target.ts';

const data: ResumeData = {
  infoHashes: ['ab'.repeat(20), 'cd'.repeat(32)] as InfoHash[],
  have: Bitfield.fromBytes(11, Uint8Array.of(0xa5, 0x20))!,
  wanted: [true, false, true],
  uploaded: 5,
  downloaded: 7,
  peers: [
    { host: '1.2.3.4', port: 5 },
    { host: '2001:db8::1', port: 6 },
  ],
  trackers: [['http://a/', 'udp://b:1'], ['x']],
  info: utf8('d4:name1:ae'),
  layers: new Map([['ef'.repeat(32), new Uint8Array(64)]]),
  addedMs: 1_700_000_000_000,
  completedMs: 1_700_000_000_001,
};
const bare: ResumeData = { infoHashes: [], uploaded: 0, downloaded: 0, peers: [] };

/** What is equal, whatever class its bytes have. */
function plain(record: ResumeData): unknown {
  const { have, info, layers } = record;
  return {
    ...record,
    have: have && [have.size, toHex(have.toBytes())],
    info: info && toHex(info),
    layers: layers && [...layers].map(([root, layer]) => [root, toHex(layer)]),
  };
}

function readBrain(body: Uint8Array): string {
  const record = new Uint8Array(4 + body.length);
  record.set(body, 4);
  writeU32(record, 0, crc32c(body));
  try {
    const read = decodeResume(record);
    const before = JSON.stringify(plain(read));
    record.fill(0xee);
    assert.equal(JSON.stringify(plain(read)), before, 'copies');
    assert.ok(read.have === undefined || read.have.size >= 0);
    assert.deepEqual(plain(decodeResume(encodeResume(read))), plain(read));
    return `brain ${Object.values(read).filter((v) => v !== undefined).length}`;
  } catch (error) {
    return refusal(error, 'swarm/state-damaged', 'swarm/state-newer');
  }
}

function readContainer(body: Uint8Array): string {
  const file = new Uint8Array(body.length + 4);
  file.set(body);
  writeU32(file, body.length, crc32(body));
  try {
    const read = decodeContainer(file);
    // A record of the version before is written as one of this.
    assert.deepEqual(decodeContainer(encodeContainer(read)), { ...read, journal: true });
    return `file ${read.files.length} ${read.partFile !== undefined} ${read.final}`;
  } catch (error) {
    return refusal(error, 'swarm/state-damaged', 'swarm/state-newer');
  }
}

const entryBytes = 28;

/** With the checksum of each entry made right, but for the last one. */
function readNotes(bytes: Uint8Array): string {
  const journal = bytes.slice();
  for (let at = 0; at + 2 * entryBytes <= journal.length; at += entryBytes) {
    writeU32(journal, at + 24, crc32(journal.subarray(at, at + 24)));
  }
  const { committed, written, underWay, notedMs } = decodeJournal(journal);
  const count = Math.max(0, Math.floor(journal.length / entryBytes));
  assert.ok(committed.length + written.size <= count);
  for (const { length, modifiedMs } of written.values()) assert.ok(length >= 0 && modifiedMs <= notedMs);
  assert.ok(underWay === undefined || underWay.sinceMs <= notedMs);
  // What is cut short says what its whole entries say.
  const cut = decodeJournal(journal.subarray(0, journal.length - (journal.length % entryBytes)));
  assert.deepEqual(cut, { committed, written, underWay, notedMs });
  return `${Math.min(committed.length, 2)} ${Math.min(written.size, 2)} ${underWay !== undefined}`;
}

export const target: FuzzTarget = {
  about: 'resume records, the brain’s and the file around it: read and written as the same, or damaged, or newer',
  form: 'bytes',
  files: ['swarm/resume', 'node/disk/resume-file', 'node/disk/resume-journal'],
  parsers: [
    'swarm/resume decodeResume',
    'node/disk/resume-file decodeResume',
    'node/disk/resume-journal decodeJournal',
  ],
  tokens: [
    ...[0xffff_fffc, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff, 0].map((word) =>
      Uint8Array.of(0, 0, 0, 1, word >>> 24, word >>> 16, word >>> 8, word, ...new Uint8Array(20)),
    ),
    '1:vi1e',
    '1:vi2e',
    '6:piecesi9e',
    '4:have2:',
    '5:filesi3e',
    '6:wanted1:',
    '6:hashesl',
    '6:layersd',
    '5:finali1e',
    '4:part16:',
    '5:addedi-1e',
    'i9007199254740993e',
    'le',
    'de',
  ],
  seeds: () => {
    const file = {
      bytes: utf8('x'),
      files: [{ length: 5, modifiedMs: 6 }, undefined],
      partFile: undefined,
      final: true,
      savedMs: 7,
      folder: '/f',
    };
    const brains = [data, bare].map((record) => encodeResume(record).subarray(4));
    return [...brains, encodeContainer(file).subarray(0, -4)];
  },
  run(input) {
    // As they come, the checksum nearly always ends it.
    for (const decode of [decodeResume, decodeContainer]) {
      try {
        decode(input);
      } catch (error) {
        assert.ok(BtError.is(error));
        refusal(error, 'swarm/state-damaged', 'swarm/state-newer');
      }
    }
    return `${readBrain(input)} ${readContainer(input)} ${readNotes(input)}`;
  },
};

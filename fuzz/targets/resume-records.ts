import assert from 'node:assert/strict';
import { Bitfield, BtError, type InfoHash, toHex, writeU32 } from '#base';
import { crc32 } from '#room/node/crc32';
import { decodeResume as decodeContainer, encodeResume as encodeContainer } from '#room/node/disk/resume-file';
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
    assert.deepEqual(decodeContainer(encodeContainer(read)), read);
    return `file ${read.files.length} ${read.partFile !== undefined} ${read.final}`;
  } catch (error) {
    return refusal(error, 'swarm/state-damaged', 'swarm/state-newer');
  }
}

export const target: FuzzTarget = {
  about: 'resume records, the brain’s and the file around it: read and written as the same, or damaged, or newer',
  form: 'bytes',
  files: ['swarm/resume', 'node/disk/resume-file'],
  parsers: ['swarm/resume decodeResume', 'node/disk/resume-file decodeResume'],
  tokens: [
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
    return `${readBrain(input)} ${readContainer(input)}`;
  },
};

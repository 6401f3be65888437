import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, toHex } from '#base';
import { type BDict, decode, getBytes, getInt, getText } from '#bencode';
import {
  buildTorrent,
  chooseAutoPieceLength,
  parseTorrentFile,
  planTorrent,
  type SourceFile,
  type TorrentFormat,
  wrapInfo,
} from '#metainfo';
import { content } from '../../support/content.ts';
import { hashPlan } from '../../support/hash-plan.ts';
import { nodeCrypto } from '../../support/node-crypto.ts';
import { makeTorrent } from '../../support/torrents.ts';

const KIB = 1024;
const file = (path: string, length: number, more: Partial<SourceFile> = {}): SourceFile => ({
  path: path.split('/'),
  length,
  ...more,
});
const plan = (files: SourceFile[], format: TorrentFormat = 'v1', pieceLength = 16 * KIB) =>
  planTorrent({ files, format, pieceLength });
const refused = (make: () => unknown) => assert.throws(make, (e) => BtError.is(e) && e.code.startsWith('metainfo/'));

test('files are put in order of their parts as raw bytes', () => {
  const { entries } = plan(['b', 'a/z', 'a.b', 'a/é', 'Z', 'a/y/x', '\uffff', '😀'].map((path) => file(path, 1)));
  assert.deepEqual(
    entries.map((e) => e.file!.path.join('/')),
    ['Z', 'a/y/x', 'a/z', 'a/é', 'a.b', 'b', '\uffff', '😀'],
  );
});

test('places: v1 dense, v2 aligned, hybrid aligned by pads', () => {
  const files = [file('a', 100), file('b', 0), file('c', 16_384), file('d', 1)];
  const places = (format: TorrentFormat) =>
    plan(files, format).entries.map((e) => [e.file?.path[0], e.offset, e.length]);
  assert.deepEqual(places('v1'), [
    ['a', 0, 100],
    ['b', 100, 0],
    ['c', 100, 16_384],
    ['d', 16_484, 1],
  ]);
  assert.deepEqual(places('v2'), [
    ['a', 0, 100],
    ['b', 100, 0],
    ['c', 16_384, 16_384],
    ['d', 32_768, 1],
  ]);
  assert.deepEqual(places('hybrid'), [
    ['a', 0, 100],
    [undefined, 100, 16_284],
    ['b', 16_384, 0],
    ['c', 16_384, 16_384],
    ['d', 32_768, 1],
    [undefined, 32_769, 16_383],
  ]);
  assert.equal(plan(files, 'v2').pieceCount, 3);
  assert.equal(plan(files, 'hybrid').spaceLength, 49_152);
  assert.equal(plan([{ path: [], length: 5 }], 'hybrid').spaceLength, 5);
});

test('plans that cannot be', () => {
  for (const files of [
    [],
    [file('a', 0)],
    [file('a', -1)],
    [file('a', 1.5)],
    [file('a', 1), file('a', 1)],
    [file('a', 1), file('a/b', 1)],
    [file('a', 1), { path: [], length: 1 }],
  ]) {
    refused(() => plan(files));
  }
  for (const path of ['..', 'a//b', './a', 'a\0', 'n'.repeat(256)]) refused(() => plan([file(path, 1)]));
  refused(() => plan([file('a', 1), file('l', 1, { symlink: ['a'] })]));
  refused(() => plan([file('a', 1), file('l', 0, { symlink: ['..', 'x'] })]));
  for (const length of [-1, 1.5, 2 ** 30]) refused(() => plan([file('a', 1)], 'v1', length));
  for (const length of [8 * KIB, 24 * KIB]) refused(() => plan([file('a', 1)], 'v2', length));
  refused(() => plan([file('a', 2 ** 45)], 'v1', 16 * KIB));
});

test('piece length chosen by the size', () => {
  assert.equal(chooseAutoPieceLength(1), 16 * KIB);
  assert.equal(chooseAutoPieceLength(32 * KIB * KIB), 16 * KIB);
  assert.equal(chooseAutoPieceLength(2 ** 30), 512 * KIB);
  assert.equal(chooseAutoPieceLength(2 ** 40), 16 * KIB * KIB);
  assert.equal(chooseAutoPieceLength(2 ** 46), 32 * KIB * KIB);
  assert.equal(planTorrent({ files: [file('a', 2 ** 30)], format: 'v1', pieceLength: 0 }).pieceLength, 512 * KIB);
});

test('attributes and links come back from all formats', () => {
  const files = [
    file('bin', 20_000, { executable: true }),
    file('.h', 5, { hidden: true }),
    file('d/link', 0, { symlink: ['bin'] }),
    file('empty', 0),
  ];
  for (const format of ['v1', 'v2', 'hybrid'] as const) {
    const made = plan(files, format);
    const read = (path: readonly string[]) =>
      content(path.join('/'), files.find((f) => f.path.join() === path.join())!.length);
    const spec = { plan: made, name: 'n', ...hashPlan(made, read) };
    const { info } = parseTorrentFile(buildTorrent(spec, nodeCrypto), nodeCrypto);
    assert.equal(info.format, format);
    assert.deepEqual(
      info.files.map((f) => [f.path.join('/'), f.length, f.executable, f.hidden, f.symlink?.join('/')]),
      [
        ['n/.h', 5, false, true, undefined],
        ['n/bin', 20_000, true, false, undefined],
        ['n/d/link', 0, false, false, 'n/bin'],
        ['n/empty', 0, false, false, undefined],
      ],
    );
    assert.deepEqual(
      info.files.filter((f) => f.originalPath !== undefined),
      [],
    );
  }
});

test('what stands around the info dictionary', () => {
  const made = plan([{ path: [], length: 5, executable: true }]);
  const base = { plan: made, name: 'n', sha1: new Uint8Array(20) };
  const bare = decode(buildTorrent(base, nodeCrypto), { strict: true }) as BDict;
  assert.deepEqual(
    bare.keys.map((k) => new TextDecoder().decode(k)),
    ['info'],
  );
  assert.equal(getText(bare.get('info'), 'attr'), 'x');
  const bytes = buildTorrent(
    {
      ...base,
      isPrivate: true,
      source: 'S',
      trackers: [['http://a', 'http://b'], [], ['udp://c']],
      webSeeds: ['http://w'],
      comment: 'c',
      createdBy: 'me',
      creationDate: 7,
    },
    nodeCrypto,
  );
  const t = parseTorrentFile(bytes, nodeCrypto);
  assert.deepEqual(t.trackers, [['http://a', 'http://b'], ['udp://c']]);
  assert.deepEqual([t.webSeeds, t.comment, t.createdBy, t.creationDate], [['http://w'], 'c', 'me', 7]);
  assert.deepEqual([t.info.isPrivate, t.info.source], [true, 'S']);
  const dict = decode(bytes, { strict: true }) as BDict;
  assert.equal(getText(dict, 'announce'), 'http://a');
  assert.equal(getInt(dict.get('info'), 'private'), 1);
  const one = decode(buildTorrent({ ...base, trackers: [['http://a']] }, nodeCrypto)) as BDict;
  assert.equal(one.has('announce-list'), false);
  refused(() => buildTorrent({ ...base, name: '../x' }, nodeCrypto));
});

test('a v2 folder whose one file has its name cannot be told from a file', () => {
  refused(() => makeTorrent({ files: { x: 5 }, format: 'v2', name: 'x' }));
  assert.equal(makeTorrent({ files: { x: 5 }, format: 'hybrid', name: 'x' }).torrent.info.singleFile, false);
  assert.equal(makeTorrent({ files: { x: 5 }, format: 'v2', name: 'y' }).torrent.info.singleFile, false);
});

test('an info dictionary from peers becomes a torrent of the same hash', () => {
  const { torrent } = makeTorrent({ files: { a: 100_000, b: 100_000 }, format: 'hybrid' });
  const again = parseTorrentFile(
    wrapInfo(torrent.info.bytes, { pieceLayers: torrent.pieceLayers, trackers: [['http://t']] }),
    nodeCrypto,
  );
  assert.deepEqual(again.info, torrent.info);
  assert.deepEqual([...again.pieceLayers.keys()].sort(), [...torrent.pieceLayers.keys()].sort());
  assert.equal(toHex(getBytes(decode(again.info.bytes), 'pieces')!), toHex(torrent.info.pieces!));
});

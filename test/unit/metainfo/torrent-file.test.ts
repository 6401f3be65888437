import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, concatBytes, encodeUtf8, fromBinaryString, toHex } from '#base';
import { type BInput, EncodedBencode, encode } from '#bencode';
import { metainfoLimits, parseInfo, parseTorrentFile, type TorrentFile } from '#metainfo';
import { nodeCrypto } from '../../support/node-crypto.ts';
import { makeTorrent } from '../../support/torrents.ts';

type Dict = { readonly [key: string]: BInput | undefined };
const pieces = new Uint8Array(20).fill(0x61);
const root = new Uint8Array(32).fill(0x72);
const KIB = 1024;

/** A sound v1 torrent of one file, changed. */
function single(info: Dict = {}, outer: Dict = {}): TorrentFile {
  return parse({ info: { length: 100, name: 'x', 'piece length': 16 * KIB, pieces, ...info }, ...outer });
}
/** A sound v1 torrent of these files. */
function multi(files: BInput, info: Dict = {}): TorrentFile {
  return parse({ info: { files, name: 'x', 'piece length': 16 * KIB, pieces, ...info } });
}
/** A sound v2 torrent of this tree. */
function tree(files: BInput, info: Dict = {}): TorrentFile {
  return parse({
    info: { 'file tree': files, 'meta version': 2, name: 'x', 'piece length': 16 * KIB, ...info },
    'piece layers': {},
  });
}
function parse(torrent: BInput): TorrentFile {
  return parseTorrentFile(encode(torrent), nodeCrypto);
}
function refused(load: () => unknown, field: string | RegExp): void {
  assert.throws(load, (e) => {
    assert.ok(BtError.is(e), String(e));
    assert.match(e.message, typeof field === 'string' ? new RegExp(`: ${field}: `) : field);
    return true;
  });
}
const paths = (t: TorrentFile) => t.info.files.map((f) => f.path.join('/'));
const leaf = (length: number, more: Dict = {}) => ({
  '': { length, 'pieces root': length > 0 ? root : undefined, ...more },
});

test('the info-hash is that of the bytes as they stand, unsorted keys and all', () => {
  const raw = fromBinaryString(`d4:name1:x6:lengthi100e6:pieces20:${'a'.repeat(20)}12:piece lengthi16384ee`);
  const t = parse({ info: new EncodedBencode(raw) });
  assert.equal(t.info.hashV1, toHex(nodeCrypto.sha1(raw)));
  assert.equal(t.info.hashV2, undefined);
  assert.deepEqual(t.info.bytes, raw);
});

test('of repeated keys the first counts, for hash and content', () => {
  const info = (name: string) => `d6:lengthi100e4:name1:${name}12:piece lengthi16384e6:pieces20:${'a'.repeat(20)}e`;
  const t = parseTorrentFile(fromBinaryString(`d4:info${info('a')}4:info${info('b')}e`), nodeCrypto);
  assert.equal(t.info.name, 'a');
  assert.equal(t.info.hashV1, toHex(nodeCrypto.sha1(fromBinaryString(info('a')))));
});

test('bytes after the torrent are ignored, of an info dictionary alone refused', () => {
  const { bytes, torrent } = makeTorrent({ files: { a: 1 } });
  assert.deepEqual(
    parseTorrentFile(concatBytes([bytes, encodeUtf8('\n')]), nodeCrypto).info.hashV1,
    torrent.info.hashV1,
  );
  refused(() => parseInfo(concatBytes([torrent.info.bytes, encodeUtf8('\n')]), nodeCrypto), /after the value/);
  refused(() => parseInfo(encodeUtf8('le'), nodeCrypto), 'info');
});

test('what is no torrent', () => {
  refused(() => parse('x'), 'file');
  refused(() => parse({}), 'info');
  refused(() => parse({ info: [] }), 'info');
  refused(() => parseTorrentFile(new Uint8Array(metainfoLimits.torrentBytesMax + 1), nodeCrypto), 'file');
});

test('lengths, pieces, piece length', () => {
  for (const length of [-1, 2n ** 63n, 'x', undefined]) refused(() => single({ length }), /length|files/);
  refused(() => single({ length: 0, pieces: new Uint8Array() }), 'length');
  for (const n of [0, 19, 21, 40]) refused(() => single({ pieces: new Uint8Array(n) }), 'pieces');
  refused(() => single({ pieces: undefined }), 'pieces');
  for (const length of [0, -1, 'x', undefined, 2n ** 64n, 2 ** 29 + 1])
    refused(() => single({ 'piece length': length }), 'piece length');
  assert.equal(single({ 'piece length': 2 ** 29 }).info.pieceCount, 1);
  refused(
    () =>
      multi([
        { length: 2 ** 52, path: ['a'] },
        { length: 2 ** 52, path: ['b'] },
      ]),
    'length',
  );
  refused(() => single({ length: 2 ** 40, 'piece length': 1 }), 'pieces');
});

test('file lists', () => {
  refused(() => multi([]), 'files');
  refused(() => multi(['x']), 'files');
  for (const path of [undefined, [], 'a', [1], [['a']]]) refused(() => multi([{ length: 1, path }]), 'path');
  refused(() => multi([{ attr: 'p', length: 100 }]), 'files');
  refused(() => multi([{ length: 1, path: Array.from({ length: 2000 }, () => 'd') }]), /unsafe file path/);
  const t = multi([
    { length: 10, path: ['a'] },
    { attr: 'p', length: 30 },
    { attr: 'xh', length: 5, path: ['b', 'c'], 'path.utf-8': ['b', 'é'] },
    { length: 0, path: ['e'] },
  ]);
  assert.deepEqual(paths(t), ['x/a', 'x/b/é', 'x/e']);
  assert.deepEqual(
    t.info.files.map((f) => [f.index, f.offset, f.length]),
    [
      [0, 0, 10],
      [1, 40, 5],
      [2, 45, 0],
    ],
  );
  assert.deepEqual(
    [t.info.files[1]!.executable, t.info.files[1]!.hidden, t.info.files[0]!.executable],
    [true, true, false],
  );
  assert.deepEqual([t.info.spaceLength, t.info.totalLength, t.info.singleFile], [45, 15, false]);
});

test('names', () => {
  for (const name of [undefined, '', 5, '\0\0', '\u202e']) refused(() => single({ name }), 'name');
  assert.equal(single({ name: '..' }).info.name, '__');
  assert.equal(single({ name: 'a', 'name.utf-8': 'b' }).info.name, 'b');
  assert.equal(single({ name: 'a', 'name.utf-8': '' }).info.name, 'a');
  const t = multi([
    { length: 1, path: ['..', 'a'] },
    { length: 1, path: ['__', 'a'] },
    { length: 1, path: ['a'] },
  ]);
  assert.deepEqual(paths(t), ['x/__/a', 'x/__/a.1', 'x/a']);
  assert.deepEqual(
    t.info.files.map((f) => f.originalPath),
    ['x/../a', 'x/__/a', undefined],
  );
});

test('symlinks point inside the torrent, whatever they say', () => {
  const link = (path: string[], target: BInput) => ({ attr: 'l', length: 5, path, 'symlink path': target });
  const t = multi([
    link(['l1'], ['real', 'f']),
    link(['l2'], ['..', '..', 'etc']),
    link(['sub', 'l3'], ['beside']),
    link(['l4'], ['real']),
    link(['l5'], ['twin']),
    { length: 1, path: ['real', 'f'] },
    { length: 1, path: ['sub', 'beside'] },
    { length: 1, path: ['twin'] },
    { length: 1, path: ['twin', 'x'] },
  ]);
  const targets = t.info.files.map((f) => f.symlink?.join('/'));
  assert.deepEqual(targets.slice(0, 5), ['x/real/f', 'x/__/__/etc', 'x/sub/beside', 'x/real', 'x/twin.1']);
  assert.equal(t.info.totalLength, 4);
  // Without a target it is a file.
  assert.equal(multi([{ attr: 'l', length: 5, path: ['a'] }]).info.files[0]!.symlink, undefined);
});

test('privacy: 1 is private, other numbers are taken for it, text is not', () => {
  assert.equal(single({ private: 1 }).info.isPrivate, true);
  assert.equal(single({ private: 2 }).info.isPrivate, true);
  for (const value of [0, '1', undefined]) assert.equal(single({ private: value }).info.isPrivate, false);
});

test('trackers: tiers, blanks, repeats, junk', () => {
  const list = [[' http://a ', 'http://b'], ['http://a', '', 5, ['x']], 'http://flat', ['udp://c\n']];
  assert.deepEqual(single({}, { announce: 'http://z', 'announce-list': list }).trackers, [
    ['http://a', 'http://b'],
    ['udp://c'],
  ]);
  for (const junk of [[], [[]], [['']], 'x', 5]) {
    assert.deepEqual(single({}, { announce: ' http://z', 'announce-list': junk }).trackers, [['http://z']]);
  }
  for (const announce of [undefined, '', 5, 'a\nb', `http://${'x'.repeat(5000)}`]) {
    assert.deepEqual(single({}, { announce }).trackers, []);
  }
  const many = single({}, { 'announce-list': [Array.from({ length: 10_000 }, (_, i) => `http://${i}`)] });
  assert.equal(many.trackers[0]!.length, metainfoLimits.trackerCountMax);
});

test('an announce URL of blanks takes no time', () => {
  const before = process.cpuUsage();
  assert.deepEqual(single({}, { announce: `x${' '.repeat(1_000_000)}x` }).trackers, []);
  assert.ok(process.cpuUsage(before).user < 1_000_000);
});

test('what stands beside the content is taken where it makes sense', () => {
  const t = single(
    { source: 'S' },
    {
      comment: 'c',
      'created by': 'me',
      'creation date': 5,
      'url-list': ['', 'http://a/b c ', 7],
      nodes: [['h', 1], ['h', '2'], ['h', 0], 'x', [5, 5]],
    },
  );
  assert.deepEqual([t.comment, t.createdBy, t.creationDate, t.info.source], ['c', 'me', 5, 'S']);
  assert.deepEqual(t.webSeeds, ['http://a/b%20c']);
  assert.deepEqual(t.dhtNodes, [{ host: 'h', port: 1 }]);
  const none = single(
    { source: 1 },
    { comment: 1, 'created by': [], 'creation date': '2020', 'url-list': '', nodes: 5 },
  );
  assert.deepEqual(
    [none.comment, none.createdBy, none.creationDate, none.info.source],
    [undefined, undefined, undefined, undefined],
  );
  assert.deepEqual([none.webSeeds, none.dhtNodes], [[], []]);
});

test('v2: trees', () => {
  const t = tree({ a: leaf(100), d: { b: leaf(0), c: leaf(16_385 - 16_384) } });
  assert.deepEqual(paths(t), ['x/a', 'x/d/b', 'x/d/c']);
  assert.deepEqual(
    t.info.files.map((f) => f.offset),
    [0, 100, 16_384],
  );
  assert.deepEqual([t.info.format, t.info.pieceCount, t.info.hashV1, t.info.pieces], ['v2', 2, undefined, undefined]);
  // A lone file of the torrent's name is a single-file torrent, of another name is in a folder.
  assert.deepEqual(paths(tree({ x: leaf(1) })), ['x']);
  assert.deepEqual(paths(tree({ y: leaf(1) })), ['x/y']);
  assert.deepEqual(paths(tree({ x: { x: leaf(1) } })), ['x/x/x']);
  refused(() => tree({}), 'file tree');
  refused(() => tree([]), 'file tree');
  refused(() => tree(leaf(1)), 'file tree');
  refused(() => tree({ a: 5 }), 'file tree');
  refused(() => tree({ a: { '': 5 } }), 'file tree');
  refused(() => tree({ a: { length: 5 } }), 'file tree');
  refused(() => tree({ a: { ...leaf(1), b: leaf(1) } }), 'file tree');
  refused(() => tree({ a: leaf(1, { attr: 'p' }) }), 'file tree');
  refused(() => tree({ a: leaf(1, { 'pieces root': undefined }) }), 'pieces root');
  refused(() => tree({ a: leaf(1, { 'pieces root': new Uint8Array(32) }) }), 'pieces root');
  refused(() => tree({ a: leaf(1, { 'pieces root': root.subarray(1) }) }), 'pieces root');
  refused(() => tree({ a: leaf(-1) }), 'length');
  refused(() => tree({ a: leaf(2 ** 45) }), 'pieces');
  refused(() => tree({ a: leaf(0) }), 'length');
  for (const length of [16 * KIB + 1, 24 * KIB, 8 * KIB])
    refused(() => tree({ a: leaf(1) }, { 'piece length': length }), 'piece length');
  refused(() => tree({ a: leaf(1) }, { 'meta version': 3 }), 'meta version');
  refused(() => tree({ a: leaf(1) }, { 'meta version': undefined }), 'meta version');
  const unsorted = new EncodedBencode(fromBinaryString(`d1:bd0:d6:lengthi0eee1:ad0:d6:lengthi0eeee`));
  refused(() => tree({ a: unsorted, b: leaf(1) }), 'file tree');
});

test('v2: piece layers must prove true; absent ones are left for peers', () => {
  const { bytes, torrent } = makeTorrent({ files: { a: 100_000, b: 10 }, format: 'v2', pieceLength: 32 * KIB });
  const [[key, layer]] = [...torrent.pieceLayers] as [[string, Uint8Array]];
  const outer = (layers: BInput | undefined) =>
    parse({ info: new EncodedBencode(torrent.info.bytes), 'piece layers': layers });
  const rootBytes = torrent.info.files[0]!.piecesRoot!;
  assert.equal(key, toHex(rootBytes));
  assert.equal(parseTorrentFile(bytes, nodeCrypto).pieceLayers.size, 1);
  assert.equal(outer(undefined).pieceLayers.size, 0);
  assert.equal(outer({}).pieceLayers.size, 0);
  const wrong = layer.slice();
  wrong[0]! ^= 1;
  for (const bad of [wrong, layer.subarray(1), layer.subarray(32), concatBytes([layer, layer]), 5]) {
    refused(() => outer(new Map([[rootBytes, bad]])), 'piece layers');
  }
  refused(
    () =>
      outer(
        new Map([
          [rootBytes, layer],
          [torrent.info.files[1]!.piecesRoot!, layer],
        ]),
      ),
    'piece layers',
  );
  refused(() => outer({ short: layer }), 'piece layers');
  refused(() => outer([]), 'piece layers');
});

test('hybrid: both lists must tell of the same files', () => {
  const files = [
    { length: 100, path: ['a'] },
    { attr: 'p', length: 16_284, path: ['.pad', '16284'] },
    { length: 0, path: ['b'] },
    { length: 50, path: ['c'] },
  ];
  const tail = { attr: 'p', length: 16_334 };
  const make = (list: BInput, names: BInput = { a: leaf(100), b: leaf(0), c: leaf(50) }) =>
    tree(names, { files: list, pieces: new Uint8Array(40) });
  for (const list of [files, [...files, tail]]) {
    const { info } = make(list);
    assert.equal(info.format, 'hybrid');
    assert.deepEqual(
      info.files.map((f) => [f.path.join('/'), f.offset]),
      [
        ['x/a', 0],
        ['x/b', 16_384],
        ['x/c', 16_384],
      ],
    );
    assert.equal(info.hashV1, toHex(nodeCrypto.sha1(info.bytes)));
    assert.equal(info.hashV2, toHex(nodeCrypto.sha256(info.bytes)));
  }
  assert.equal(make(files).info.spaceLength, 16_434);
  assert.equal(make([...files, tail]).info.spaceLength, 32_768);
  refused(() => make([...files, { attr: 'p', length: 16_333 }]), 'files');
  refused(() => make([files[0]!, files[2]!, files[3]!]), 'files');
  refused(() => make(files, { a: leaf(100), b: leaf(0) }), 'files');
  refused(() => make(files, { a: leaf(100), b: leaf(0), d: leaf(50) }), 'files');
  refused(() => make(files, { a: leaf(101), b: leaf(0), c: leaf(50) }), 'files');
  const one = (info: Dict, names: BInput) => tree(names, { pieces, ...info });
  assert.equal(one({ length: 100 }, { x: leaf(100) }).info.singleFile, true);
  refused(() => one({ length: 100 }, { y: leaf(100) }), 'file tree');
  refused(() => one({ length: 99 }, { x: leaf(100) }), 'files');
  // A folder whose one file has its name.
  assert.deepEqual(paths(one({ files: [{ length: 100, path: ['x'] }] }, { x: leaf(100) })), ['x/x']);
});

test('50,000 files load fast, also when all have one name', () => {
  for (const nameOf of [(i: number) => `f${i}`, () => 'same']) {
    const bytes = encode({
      info: {
        files: Array.from({ length: 50_000 }, (_, i) => ({ length: 1, path: ['d', nameOf(i)] })),
        name: 'x',
        'piece length': 65_536,
        pieces,
      },
    });
    const before = process.cpuUsage();
    const { info } = parseTorrentFile(bytes, nodeCrypto);
    assert.equal(new Set(info.files.map((f) => f.path.join('/'))).size, 50_000);
    assert.ok(process.cpuUsage(before).user < 3_000_000);
  }
});

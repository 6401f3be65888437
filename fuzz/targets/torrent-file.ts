import assert from 'node:assert/strict';
import type { Rng } from '#base';
import { type BInput, encode } from '#bencode';
import { FileMap, Geometry, parseInfo, parseTorrentFile, type TorrentFile } from '#metainfo';
import { nodeCrypto } from '../../test/support/node-crypto.ts';
import { makeTorrent } from '../../test/support/torrents.ts';
import { type FuzzTarget, magnitude, refusal } from '../support/target.ts';

const codes = [
  'bencode/syntax',
  'bencode/limit',
  'metainfo/invalid',
  'metainfo/limit',
  'metainfo/unsafe-path',
] as const;
const files = { 'a b': 100, 'd/é': 40_000, 'd/empty': 0, 'd/e/f': 70_000 };

/** Whatever loads is sound: nothing outside the folder, all of space accounted for, the hash that of the bytes. */
function checkSound({ info, trackers, pieceLayers }: TorrentFile): void {
  const names = new Set<string>();
  for (const file of info.files) {
    for (const part of [...file.path, ...(file.symlink ?? [])]) {
      assert.ok(part !== '' && !/[/\\\0-\x1f]|^\.\.?$/.test(part), JSON.stringify(part));
      assert.ok(Buffer.byteLength(part) <= 255);
    }
    const name = file.path.join('/');
    assert.ok(!names.has(name), `two files are called ${name}`);
    names.add(name);
  }
  for (const name of names) {
    const parts = name.split('/');
    for (let i = 1; i < parts.length; i++) assert.ok(!names.has(parts.slice(0, i).join('/')), `${name} is in a file`);
  }
  if (info.hashV1 !== undefined) assert.equal(info.hashV1, Buffer.from(nodeCrypto.sha1(info.bytes)).toString('hex'));
  if (info.hashV2 !== undefined) assert.equal(info.hashV2, Buffer.from(nodeCrypto.sha256(info.bytes)).toString('hex'));
  assert.equal(
    info.files.reduce((sum, { length }) => sum + length, 0),
    info.totalLength,
  );
  checkSpace(info);
  assert.ok(trackers.every((tier) => tier.length > 0 && tier.every((url) => url.trim() === url && url !== '')));
  for (const layer of pieceLayers.values()) assert.equal(layer.length % 32, 0);
  // The info dictionary alone is read as the same: that is what peers send.
  assert.deepEqual(parseInfo(info.bytes, nodeCrypto), info);
}

function checkSpace(info: TorrentFile['info']): void {
  const geometry = new Geometry(info);
  if (info.pieceCount < 1_000) {
    let data = 0;
    for (let piece = 0; piece < info.pieceCount; piece++) data += geometry.dataBytes(piece);
    assert.equal(data, info.totalLength);
  }
  let space = 0;
  for (const span of new FileMap(info).spans(0, info.spaceLength)) space += span.length;
  assert.equal(space, info.spaceLength);
  if (info.pieces !== undefined) assert.equal(info.pieces.length, info.pieceCount * 20);
}

const oddNames = [
  'a',
  '..',
  '.',
  '',
  'x/y',
  'con',
  'a\0b',
  'é',
  '\u202egpj.exe',
  'a'.repeat(300),
  '.pad',
  'A',
  'a.txt',
];

function makeFile(rng: Rng): BInput {
  const name = () => oddNames[rng.below(oddNames.length)]!;
  return {
    length: [0, 1, 100, 16_384, 70_000, -1][rng.below(6)]!,
    path: Array.from({ length: 1 + rng.below(3) }, name),
    attr: [undefined, undefined, 'p', 'x', 'h', 'l', 'pl'][rng.below(7)] as string,
    'symlink path': rng.below(4) === 0 ? [name(), name()] : (undefined as unknown as string[]),
  };
}

function makeTree(rng: Rng, depth: number): BInput {
  const tree = new Map<string, BInput>();
  for (let n = 1 + rng.below(3); n > 0; n--) {
    const name = oddNames[rng.below(oddNames.length)]!;
    if (depth > 0 && rng.below(3) === 0) tree.set(name, makeTree(rng, depth - 1));
    else tree.set(name, { '': makeLeaf(rng) });
  }
  return tree;
}

function makeLeaf(rng: Rng): BInput {
  const length = [0, 1, 100, 16_384, 70_000][rng.below(5)]!;
  const root = length === 0 || rng.below(9) === 0 ? [] : [['pieces root', rng.bytes(32)] as const];
  const link = rng.below(6) === 0 ? [['symlink path', [oddNames[rng.below(oddNames.length)]!]] as const] : [];
  const attr = rng.below(3) === 0 ? [['attr', ['x', 'h', 'l', 'p'][rng.below(4)]!] as const] : [];
  return new Map<string, BInput>([['length', length], ...root, ...link, ...attr]);
}

function makeV1(rng: Rng, pieceLength: number): [string, BInput][] {
  const list = Array.from({ length: 1 + rng.below(4) }, () => makeFile(rng)) as { length: number }[];
  const bytes = Math.max(
    0,
    list.reduce((sum, { length }) => sum + length, 0),
  );
  const pieces = Math.ceil(bytes / Math.max(1, pieceLength)) + (rng.below(5) === 0 ? 1 : 0);
  return [
    ['pieces', new Uint8Array(Math.min(pieces, 200) * 20)],
    rng.below(4) === 0 ? ['length', bytes] : ['files', list as unknown as BInput],
  ];
}

/** A torrent of random files, whose hashes nobody checks against anything. */
function make(rng: Rng): Uint8Array {
  const pieceLength = [16_384, 131_072, 32_768, 1, 0, 2 ** 31][rng.below(6)]!;
  const format = rng.below(3);
  const members: [string, BInput][] = [
    ['name', oddNames[rng.below(oddNames.length)]!],
    ['piece length', pieceLength],
    ['private', rng.below(2)],
    ['source', 'x'],
    ...(format < 2 ? makeV1(rng, pieceLength) : []),
    ...(format > 0
      ? ([
          ['file tree', makeTree(rng, 3)],
          ['meta version', 2],
        ] as [string, BInput][])
      : []),
  ];
  const outer: [string, BInput][] = [
    ['announce', 'http://t/a'],
    ['announce-list', [['udp://t:1', ' x '], []]],
    ['comment', 'c'],
    ['created by', rng.bytes(3)],
    ['creation date', rng.below(9) - 1],
    ['info', new Map(members)],
    ['nodes', [['h', 1]]],
    ['url-list', rng.below(2) === 0 ? 'http://w/' : ['http://w/', 'x y']],
    ['piece layers', new Map([[rng.bytes(32), rng.bytes(32 * rng.below(3))]])],
  ];
  return encode(new Map(outer.filter(([name]) => name === 'info' || rng.below(2) === 0)));
}

export const target: FuzzTarget = {
  about: 'torrent files, v1, v2 and hybrid: what loads has safe, different names, adds up, and is what its hash says',
  form: 'bytes',
  files: [
    'metainfo/torrent-file',
    'metainfo/info',
    'metainfo/raw-files',
    'metainfo/run-table',
    'metainfo/safe-path',
    'metainfo/urls',
    'metainfo/file-map',
    'metainfo/geometry',
  ],
  parsers: ['metainfo/info parseInfo', 'metainfo/torrent-file parseTorrentFile'],
  testRuns: 3_000,
  tokens: [
    'd',
    'e',
    'l',
    'i-1e',
    'i0e',
    'i9007199254740993e',
    '2:..',
    '1:/',
    '4:attr1:p',
    '4:attr1:l',
    'de',
    'd0:',
    '12:symlink pathl1:ae',
    '6:lengthi5e',
    '12:meta versioni2e',
    '1:.',
    '3:\xef\xbb\xbf',
    '10:path.utf-8l1:be',
    '10:name.utf-81:c',
    '9:publisher1:x',
    '8:url-list3:x/y',
    '5:nodesll1:hi1eee',
  ],
  seeds: () =>
    (['v1', 'v2', 'hybrid'] as const).map((format) => makeTorrent({ files, format, pieceLength: 16_384 }).bytes),
  make,
  run(input) {
    let torrent: TorrentFile;
    try {
      torrent = parseTorrentFile(input, nodeCrypto);
    } catch (error) {
      return refusal(error, ...codes);
    }
    checkSound(torrent);
    const { format, singleFile, pieceCount, isPrivate } = torrent.info;
    const isRenamed = torrent.info.files.some(({ originalPath }) => originalPath !== undefined);
    const isLink = torrent.info.files.some(({ symlink }) => symlink !== undefined);
    return [format, singleFile, isPrivate, isRenamed, isLink, magnitude(pieceCount), torrent.info.files.length].join(
      ' ',
    );
  },
};

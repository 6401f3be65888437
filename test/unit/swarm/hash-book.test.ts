import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield, type ConnId, concatBytes, type Millis, type Rng, seededRng, toHex } from '#base';
import { type FileEntry, Geometry, type Info } from '#metainfo';
import { HashBook } from '#room/swarm/hash-book';
import { HashServer } from '#room/swarm/hash-server';
import type { HashRange } from '#wire';

const crypto = { sha256: (data: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(data).digest()) };
const blockLength = 16_384;
const conn = (n: number) => n as ConnId;
const at = (ms: number) => ms as Millis;

/** A tree written down plainly: rows[0] are the leaves, filled with zeros to a power of two; the last row is the root. */
function plainTree(leaves: readonly Uint8Array[]): Uint8Array[][] {
  let row = [...leaves];
  while ((row.length & (row.length - 1)) !== 0) row.push(new Uint8Array(32));
  const rows = [row];
  while (row.length > 1) {
    row = Array.from({ length: row.length / 2 }, (_, i) =>
      crypto.sha256(concatBytes([row[2 * i] as Uint8Array, row[2 * i + 1] as Uint8Array])),
    );
    rows.push(row);
  }
  return rows;
}

interface World {
  info: Info;
  geometry: Geometry;
  layers: Map<string, Uint8Array>;
  /** Leaves by piece of the torrent, joined. */
  leaves: Uint8Array[];
  trees: Uint8Array[][][];
}

/** A torrent of random leaves: nobody looks at content here. */
function world(options: { blocks: number[]; pieceBlocks: number; v1?: boolean; rng: Rng; same?: boolean }): World {
  const { pieceBlocks, rng } = options;
  const pieceLength = pieceBlocks * blockLength;
  const files: FileEntry[] = [];
  const layers = new Map<string, Uint8Array>();
  const leavesOfPieces: Uint8Array[] = [];
  const trees: Uint8Array[][][] = [];
  let offset = 0;
  let content: Uint8Array[] = [];
  for (const [index, blocks] of options.blocks.entries()) {
    if (index === 0 || options.same !== true) content = Array.from({ length: blocks }, () => rng.bytes(32));
    const tree = plainTree(content);
    const root = (tree.at(-1) as Uint8Array[])[0] as Uint8Array;
    trees.push(tree);
    const pieces = Math.ceil(blocks / pieceBlocks);
    const level = Math.log2(pieceBlocks);
    if (pieces > 1) layers.set(toHex(root), concatBytes((tree[level] as Uint8Array[]).slice(0, pieces)));
    for (let p = 0; p < pieces; p++) {
      leavesOfPieces.push(concatBytes(content.slice(p * pieceBlocks, (p + 1) * pieceBlocks)));
    }
    const length = blocks * blockLength - 7;
    files.push({
      index,
      path: ['t', String(index)],
      length,
      offset,
      piecesRoot: root,
      executable: false,
      hidden: false,
    });
    offset += pieces * pieceLength;
  }
  const pieceCount = offset / pieceLength;
  const info: Info = {
    format: options.v1 === true ? 'hybrid' : 'v2',
    bytes: new Uint8Array(),
    name: 't',
    pieceLength,
    singleFile: false,
    files,
    spaceLength: offset,
    pieceCount,
    totalLength: files.reduce((sum, f) => sum + f.length, 0),
    isPrivate: false,
    ...(options.v1 === true ? { pieces: rng.bytes(20 * pieceCount) } : {}),
  };
  return { info, geometry: new Geometry(info), layers, leaves: leavesOfPieces, trees };
}

function bookOf(w: World, layers?: ReadonlyMap<string, Uint8Array>): HashBook {
  return new HashBook({ info: w.info, geometry: w.geometry, crypto, ...(layers === undefined ? {} : { layers }) });
}

function serverOf(w: World): { server: HashServer; have: Bitfield } {
  return {
    server: new HashServer({ book: bookOf(w, w.layers), geometry: w.geometry }),
    have: Bitfield.full(w.info.pieceCount),
  };
}

/** Answers as a seed would, reading leaves where they are needed. */
function ask(w: World, seed: ReturnType<typeof serverOf>, range: HashRange): Uint8Array | undefined {
  const answer = seed.server.onRequest(conn(1), range, seed.have);
  if (answer.kind === 'hashes') return answer.hashes;
  if (answer.kind === 'reject') return undefined;
  const late = answer.hashLeavesOf.flatMap((piece) => seed.server.onLeaves(piece, w.leaves[piece]));
  assert.equal(late.length, 1);
  return late[0]?.hashes;
}

const all = () => true;

const shapes: { name: string; blocks: number[]; pieceBlocks: number; requests: number }[] = [
  { name: 'one piece', blocks: [1], pieceBlocks: 1, requests: 0 },
  { name: 'a file shorter than a piece', blocks: [3], pieceBlocks: 4, requests: 0 },
  { name: 'two pieces', blocks: [2], pieceBlocks: 1, requests: 1 },
  { name: 'an odd number of pieces', blocks: [13], pieceBlocks: 2, requests: 1 },
  { name: 'exactly 512 pieces', blocks: [1024], pieceBlocks: 2, requests: 1 },
  { name: '513 pieces', blocks: [1025], pieceBlocks: 2, requests: 2 },
  { name: 'three ranges of 512', blocks: [1300], pieceBlocks: 1, requests: 3 },
  { name: 'many files', blocks: [5, 1, 9, 2], pieceBlocks: 2, requests: 2 },
];

for (const { name, blocks, pieceBlocks, requests } of shapes) {
  test(`hash book: layers are fetched and proven: ${name}`, () => {
    const w = world({ blocks, pieceBlocks, rng: seededRng(5) });
    const book = bookOf(w);
    const seed = serverOf(w);
    const ranges = book.nextRequests(at(0), conn(1), all);
    assert.equal(ranges.length, requests);
    for (const range of ranges) {
      const outcome = book.onHashes(conn(1), range, ask(w, seed, range) as Uint8Array);
      assert.equal(outcome.kind, 'accepted');
    }
    assert.ok(book.isComplete);
    assert.equal(book.missingCount, 0);
    const known = bookOf(w, w.layers);
    for (let p = 0; p < w.info.pieceCount; p++) {
      assert.deepEqual(book.expectation(p), known.expectation(p));
      assert.ok(book.isPieceOf(p, w.leaves[p] as Uint8Array), `piece ${p}`);
    }
    assert.deepEqual(
      [...book.layers()].map(([k, v]) => [k, toHex(v)]),
      [...w.layers].map(([k, v]) => [k, toHex(v)]),
    );
  });
}

test('hash book: a v2 piece without its layer has no expectation, a hybrid one has SHA-1', () => {
  const v2 = bookOf(world({ blocks: [8], pieceBlocks: 2, rng: seededRng(1) }));
  assert.equal(v2.expectation(1), undefined);
  assert.equal(v2.isVerifiable(1), false);
  const w = world({ blocks: [8], pieceBlocks: 2, v1: true, rng: seededRng(1) });
  const hybrid = bookOf(w);
  assert.deepEqual(Object.keys(hybrid.expectation(1) as object), ['v1']);
  assert.ok(hybrid.isVerifiable(1));
  assert.deepEqual(Object.keys(bookOf(w, w.layers).expectation(1) as object), ['v1', 'v2']);
});

test('hash book: files of the same content are fetched once', () => {
  const w = world({ blocks: [6, 6], pieceBlocks: 2, same: true, rng: seededRng(1) });
  const book = bookOf(w);
  const ranges = book.nextRequests(at(0), conn(1), (file) => file === 1);
  assert.equal(ranges.length, 1);
  const range = ranges[0] as HashRange;
  assert.deepEqual(book.onHashes(conn(1), range, ask(w, serverOf(w), range) as Uint8Array), {
    kind: 'accepted',
    pieces: [
      { first: 0, end: 3 },
      { first: 3, end: 6 },
    ],
  });
  assert.deepEqual(book.expectation(4), book.expectation(1));
});

test('hash book: hashes of files nobody wants are not asked for', () => {
  const w = world({ blocks: [6, 6], pieceBlocks: 2, rng: seededRng(1) });
  const book = bookOf(w);
  assert.deepEqual(
    book.nextRequests(at(0), conn(1), (file) => file === 1).map((r) => toHex(r.root)),
    [toHex(w.info.files[1]?.piecesRoot as Uint8Array)],
  );
});

test('hash book: a silent or refusing peer is passed over for a while, another is asked', () => {
  const w = world({ blocks: [6], pieceBlocks: 2, rng: seededRng(1) });
  const book = bookOf(w);
  const count = (ms: number, who: number) => book.nextRequests(at(ms), conn(who), all).length;
  assert.equal(count(0, 1), 1);
  assert.equal(count(1, 2), 0);
  assert.equal(count(9_999, 2), 0, 'it still has time');
  assert.equal(count(10_000, 1), 0, 'timed out');
  assert.equal(count(10_000, 2), 1);
  const range = rangeOf(w);
  assert.equal(book.onReject(at(11_000), conn(1), range), false, 'not asked of it now');
  assert.equal(book.onReject(at(11_000), conn(2), range), true);
  assert.equal(count(11_000, 2), 0);
  assert.equal(count(69_999, 1), 0);
  assert.equal(count(70_000, 1), 1);
  book.onClosed(conn(1));
  assert.equal(count(70_001, 3), 1);
  // A late answer of somebody else is as good.
  assert.equal(book.onHashes(conn(2), rangeOf(w), ask(w, serverOf(w), rangeOf(w)) as Uint8Array).kind, 'accepted');
});

function rangeOf(w: World): HashRange {
  return bookOf(w).nextRequests(at(0), conn(9), all)[0] as HashRange;
}

test('hash book: only a few requests are open at one peer', () => {
  const w = world({ blocks: Array.from({ length: 9 }, () => 3), pieceBlocks: 1, rng: seededRng(1) });
  const book = bookOf(w);
  assert.equal(book.nextRequests(at(0), conn(1), all).length, 4);
  assert.equal(book.nextRequests(at(0), conn(1), all).length, 0);
  assert.equal(book.nextRequests(at(0), conn(2), all).length, 4);
});

test('hash book: what one message costs does not grow with the files', () => {
  const looks = (fileCount: number): number => {
    const w = world({ blocks: Array.from({ length: fileCount }, () => 3), pieceBlocks: 2, rng: seededRng(1) });
    const book = bookOf(w);
    const server = serverOf(w);
    let count = 0;
    // Every second file is left out: it is looked at once.
    const isWanted = (file: number) => {
      count++;
      return file % 2 === 0;
    };
    let ranges = book.nextRequests(at(0), conn(1), isWanted);
    let answers = 0;
    while (ranges.length > 0) {
      for (const range of ranges) {
        assert.equal(book.onHashes(conn(1), range, ask(w, server, range) as Uint8Array).kind, 'accepted');
        answers++;
      }
      for (let other = 2; other < 12; other++) book.onClosed(conn(other));
      ranges = book.nextRequests(at(answers), conn(1), isWanted);
    }
    assert.equal(answers, fileCount / 2);
    return count / fileCount;
  };
  assert.equal(looks(64), 1);
  assert.equal(looks(512), 1);
});

test('hash book: unasked hashes are not looked at', () => {
  const w = world({ blocks: [6], pieceBlocks: 2, rng: seededRng(1) });
  const book = bookOf(w);
  const hashes = ask(w, serverOf(w), rangeOf(w)) as Uint8Array;
  assert.equal(book.onHashes(conn(1), rangeOf(w), hashes).kind, 'unasked');
  book.nextRequests(at(0), conn(1), all);
  assert.equal(book.onHashes(conn(2), rangeOf(w), hashes).kind, 'unasked');
  assert.equal(book.onHashes(conn(1), { ...rangeOf(w), proofLayers: 0 }, hashes).kind, 'unasked');
  assert.equal(book.onHashes(conn(1), rangeOf(w), hashes).kind, 'accepted');
  assert.equal(book.onHashes(conn(1), rangeOf(w), hashes).kind, 'unasked');
});

test('hash book: a damaged layer from resume data is fetched again', () => {
  const w = world({ blocks: [6], pieceBlocks: 2, rng: seededRng(1) });
  const [root, layer] = [...w.layers][0] as [string, Uint8Array];
  const bad = layer.slice();
  bad[5] = (bad[5] as number) ^ 1;
  const book = bookOf(w, new Map([[root, bad]]));
  assert.equal(book.expectation(0), undefined);
  assert.equal(book.isComplete, false);
  assert.equal(book.nextRequests(at(0), conn(1), all).length, 1);
});

test('hash book: any changed byte of an answer is found', () => {
  const shape = fc.record({
    blocks: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }),
    level: fc.integer({ min: 0, max: 3 }),
    seed: fc.nat(),
    flip: fc.option(fc.nat()),
  });
  fc.assert(
    fc.property(shape, ({ blocks, level, seed, flip }) => {
      const w = world({ blocks, pieceBlocks: 2 ** level, rng: seededRng(seed) });
      const book = bookOf(w);
      const server = serverOf(w);
      for (const range of book.nextRequests(at(0), conn(1), all)) {
        const hashes = Uint8Array.from(ask(w, server, range) as Uint8Array);
        if (flip !== null) hashes[flip % hashes.length] = (hashes[flip % hashes.length] as number) ^ (1 << (flip % 8));
        const outcome = book.onHashes(conn(1), range, hashes);
        assert.equal(outcome.kind, flip === null ? 'accepted' : 'bad');
        if (flip !== null) assert.equal(book.layers().has(toHex(range.root)), false);
      }
      assert.ok(flip !== null || book.isComplete);
    }),
    { numRuns: 300 },
  );
});

// --- serving ---------------------------------------------------------------------------------------------------------------------

test('hash server: every range of every layer is what the tree has, or rejected', () => {
  const w = world({ blocks: [11], pieceBlocks: 4, rng: seededRng(2) });
  const tree = w.trees[0] as Uint8Array[][];
  const seed = serverOf(w);
  let served = 0;
  for (let baseLayer = 0; baseLayer < tree.length + 1; baseLayer++) {
    for (let length = 1; length <= 16; length++) {
      for (let index = 0; index <= 16; index++) {
        const range = { root: w.info.files[0]?.piecesRoot as Uint8Array, baseLayer, index, length, proofLayers: 0 };
        const hashes = ask(w, seed, range);
        const row = tree[baseLayer];
        const isRange =
          row !== undefined &&
          length >= 2 &&
          (length & (length - 1)) === 0 &&
          index % length === 0 &&
          index + length <= row.length;
        assert.equal(hashes !== undefined, isRange, JSON.stringify(range));
        if (hashes === undefined) continue;
        served++;
        assert.equal(toHex(hashes), toHex(concatBytes((row as Uint8Array[]).slice(index, index + length))));
      }
    }
  }
  assert.ok(served > 10);
});

function leafRange(w: World, index: number): HashRange {
  return { root: w.info.files[0]?.piecesRoot as Uint8Array, baseLayer: 0, index, length: 4, proofLayers: 3 };
}

test('hash server: leaves are read once for all who wait, and kept', () => {
  const w = world({ blocks: [16], pieceBlocks: 4, rng: seededRng(2) });
  const { server, have } = serverOf(w);
  assert.deepEqual(server.onRequest(conn(1), leafRange(w, 4), have), { kind: 'wait', hashLeavesOf: [1] });
  assert.deepEqual(server.onRequest(conn(2), leafRange(w, 4), have), { kind: 'wait', hashLeavesOf: [] });
  assert.deepEqual(server.onRequest(conn(3), leafRange(w, 4), have), { kind: 'wait', hashLeavesOf: [] });
  server.onClosed(conn(3));
  const late = server.onLeaves(1, w.leaves[1]);
  assert.deepEqual(
    late.map((a) => [a.conn, a.hashes?.length]),
    [
      [1, 6 * 32],
      [2, 6 * 32],
    ],
  );
  assert.equal(server.onRequest(conn(1), leafRange(w, 4), have).kind, 'hashes');
});

const refusals: { name: string; range: (w: World) => HashRange; lacks?: number }[] = [
  { name: 'another root', range: (w) => ({ ...leafRange(w, 0), root: new Uint8Array(32) }) },
  { name: 'a piece we lack', range: (w) => leafRange(w, 4), lacks: 1 },
  { name: 'more hashes than BEP 52 allows', range: (w) => ({ ...leafRange(w, 0), length: 1024 }) },
  { name: 'more proof than there is', range: (w) => ({ ...leafRange(w, 0), proofLayers: 40 }) },
  { name: 'no hashes', range: (w) => ({ ...leafRange(w, 0), length: 0 }) },
];
for (const { name, range, lacks } of refusals) {
  test(`hash server rejects ${name}`, () => {
    const w = world({ blocks: [2048], pieceBlocks: 4, rng: seededRng(2) });
    const { server, have } = serverOf(w);
    if (lacks !== undefined) have.clear(lacks);
    assert.deepEqual(server.onRequest(conn(1), range(w), have), { kind: 'reject' });
  });
}

test('hash server rejects when the data on disk is bad or cannot be read', () => {
  const w = world({ blocks: [16], pieceBlocks: 4, rng: seededRng(2) });
  for (const leaves of [undefined, w.leaves[2]]) {
    const { server, have } = serverOf(w);
    server.onRequest(conn(1), leafRange(w, 4), have);
    assert.deepEqual(
      server.onLeaves(1, leaves).map((a) => a.hashes),
      [undefined],
    );
  }
});

test('hash server: a peer may have a few requests waiting, no more', () => {
  const w = world({ blocks: [64], pieceBlocks: 4, rng: seededRng(2) });
  const { server, have } = serverOf(w);
  const kinds = Array.from({ length: 10 }, (_, i) => server.onRequest(conn(1), leafRange(w, i * 4), have).kind);
  assert.deepEqual(kinds, [...Array.from({ length: 8 }, () => 'wait'), 'reject', 'reject']);
  assert.equal(server.onRequest(conn(2), leafRange(w, 36), have).kind, 'wait');
});

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { TorrentId } from '#base';
import { diskLimits } from '#node';
import { QuickReader } from '#room/node/disk/quick-reader';
import { type FileState, framedLength } from '#swarm';
import { makeTempFolder, writeTree } from '../../support/temp-folder.ts';
import { makeTorrent } from '../../support/torrents.ts';

const id = 1 as TorrentId;

function stateOf(path: string): FileState {
  const { size, mtimeMs } = fs.statSync(path);
  return { length: size, modifiedMs: Math.floor(mtimeMs) };
}

function setUp(t: TestContext): {
  reader: QuickReader;
  slow: { ms: number; blocks: number };
  read: (piece: number) => Uint8Array | false;
  pathOf: (file: string) => string;
} {
  const made = makeTorrent({ files: { a: 40_000, b: 60_000 } });
  const { info } = made.torrent;
  const folder = writeTree(makeTempFolder(t), { 'made/a': made.contents[0]!, 'made/b': made.contents[1]! });
  const slow = { ms: 0, blocks: 10 };
  const calls = {
    ...fs,
    uptime,
    readvSync: ((fd, views, position) => {
      // A disk that the call waits for.
      for (const until = performance.now() + slow.ms; performance.now() < until; );
      return fs.readvSync(fd, views, position);
    }) as typeof fs.readvSync,
  };
  const reader = new QuickReader({
    limits: { ...diskLimits, quickAfter: 2, quickAfterMax: 4, quickReadMs: 5 },
    calls,
    countBlocks: () => slow.blocks,
  });
  t.after(() => reader.close());
  const states = info.files.map((file, i) => [i, stateOf(join(folder, ...file.path))] as const);
  reader.add(id, { info, wanted: [true, true], folder }, new Map(states));
  const read = (piece: number): Uint8Array | false => {
    const into = new Uint8Array(framedLength(16_384));
    const isDone = reader.read({ verb: 'run', torrent: id, run: 0, piece, begin: 0, length: 16_384, into });
    return isDone && into.subarray(13);
  };
  return { reader, slow, read, pathOf: (file) => join(folder, 'made', file) };
}

describe('quick reads', () => {
  test('begin when the worker has been quick for a while', (t) => {
    const { reader, read } = setUp(t);
    assert.equal(reader.isOn(id), false);
    assert.equal(read(0), false);
    reader.onWorkerRead(id, 0.1);
    reader.onWorkerRead(id, 0.1);
    assert.equal(reader.isOn(id), true);
    const bytes = read(1);
    assert.ok(bytes);
    const content = makeTorrent({ files: { a: 40_000, b: 60_000 } }).contents;
    const space = Buffer.concat(content as Uint8Array[]);
    assert.ok(space.subarray(32_768, 49_152).equals(bytes), 'gathered from two files');
  });

  test('a very slow one ends them, and the next try comes later', (t) => {
    const { reader, slow, read } = setUp(t);
    for (let i = 0; i < 2; i++) reader.onWorkerRead(id, 0);
    slow.ms = 101;
    assert.ok(read(0), 'what was read counts');
    assert.equal(reader.isOn(id), false);
    for (let i = 0; i < 3; i++) reader.onWorkerRead(id, 0);
    assert.equal(reader.isOn(id), false);
    reader.onWorkerRead(id, 0);
    assert.equal(reader.isOn(id), true);
  });

  test('a busy processor is no slow disk', (t) => {
    const { reader, slow, read } = setUp(t);
    for (let i = 0; i < 2; i++) reader.onWorkerRead(id, 0);
    slow.ms = 6;
    assert.ok(read(0));
    assert.equal(reader.isOn(id), true);
    slow.blocks += 512;
    assert.ok(read(0));
    assert.equal(reader.isOn(id), false, 'now it was the disk');
  });

  test('what goes wrong is left to the worker', (t) => {
    const { reader, read } = setUp(t);
    for (let i = 0; i < 2; i++) reader.onWorkerRead(id, 0);
    const made = makeTorrent({ files: { a: 10 }, name: 'gone' });
    reader.add(
      2 as TorrentId,
      { info: made.torrent.info, wanted: [true], folder: join(makeTempFolder(t), 'no') },
      new Map(),
    );
    for (let i = 0; i < 2; i++) reader.onWorkerRead(2 as TorrentId, 0);
    const into = new Uint8Array(framedLength(10));
    assert.equal(
      reader.read({ verb: 'run', torrent: 2 as TorrentId, run: 0, piece: 0, begin: 0, length: 10, into }),
      false,
    );
    assert.equal(reader.isOn(2 as TorrentId), false);
    assert.ok(read(0), 'another torrent is not concerned');
  });

  test("a file that differs from what the worker knows of it is the worker's, from the first read on", (t) => {
    const { reader, read, pathOf } = setUp(t);
    for (let i = 0; i < 2; i++) reader.onWorkerRead(id, 0);
    fs.truncateSync(pathOf('a'), 39_000);
    assert.equal(read(0), false, 'changed before it was ever read here');
    assert.ok(read(2), 'the other file is read');
    reader.learn(id, new Map([[0, stateOf(pathOf('a'))]]));
    assert.ok(read(0), 'it was hashed again');
    assert.ok(read(2), 'of the other nothing new is said');
  });

  test('our own writes are no change by others', (t) => {
    const { reader, read, pathOf } = setUp(t);
    for (let i = 0; i < 2; i++) reader.onWorkerRead(id, 0);
    assert.ok(read(0));
    reader.onWrite(id, 0);
    fs.utimesSync(pathOf('a'), 1, 1);
    assert.ok(read(0), 'while we write');
    reader.onWritten(id, 0);
    reader.learn(id, new Map([[0, stateOf(pathOf('a'))]]));
    assert.ok(read(0), 'after that');
    fs.utimesSync(pathOf('a'), 2, 2);
    assert.equal(read(0), false, 'this was somebody else');
  });

  test('what we write is no excuse for a change of another file', (t) => {
    const { reader, read, pathOf } = setUp(t);
    for (let i = 0; i < 2; i++) reader.onWorkerRead(id, 0);
    // Piece 0 lies in the first file alone, and is written twice.
    reader.onWrite(id, 0);
    reader.onWrite(id, 0);
    fs.utimesSync(pathOf('b'), 1, 1);
    assert.equal(read(2), false);
    fs.utimesSync(pathOf('a'), 1, 1);
    reader.onWritten(id, 0);
    assert.ok(read(0), 'one of the two is under way');
    reader.onWritten(id, 0);
    assert.equal(read(0), false);
  });

  test('a file that was shunned, and that the worker has written since, is read again', (t) => {
    const { reader, read, pathOf } = setUp(t);
    for (let i = 0; i < 2; i++) reader.onWorkerRead(id, 0);
    fs.utimesSync(pathOf('a'), 1, 1);
    assert.equal(read(0), false);
    reader.learn(id, new Map([[0, stateOf(pathOf('a'))]]));
    assert.ok(read(0));
  });
});

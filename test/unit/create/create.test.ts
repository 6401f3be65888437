import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BtError } from '#base';
import { createTorrent } from '#create';
import { makeBytes, makeTempFolder, writeTree } from '../../support/temp-folder.ts';

test('the torrent says what the options say', async (t) => {
  const share = writeTree(join(makeTempFolder(t), 'share'), { a: makeBytes(20_000), 'd/b': 'b' });
  const { torrent } = await createTorrent(share, {
    format: 'hybrid',
    pieceLength: 32_768,
    name: 'other name',
    trackers: [['http://a.example/announce', 'udp://b.example:1'], ['https://c.example/x']],
    webSeeds: ['https://w.example/'],
    isPrivate: true,
    source: 'SRC',
    comment: 'hello',
    createdBy: 'me',
    creationDate: 1_700_000_000,
  });
  assert.equal(torrent.info.format, 'hybrid');
  assert.equal(torrent.info.name, 'other name');
  assert.equal(torrent.info.pieceLength, 32_768);
  assert.equal(torrent.info.isPrivate, true);
  assert.equal(torrent.info.source, 'SRC');
  assert.deepEqual(torrent.trackers, [['http://a.example/announce', 'udp://b.example:1'], ['https://c.example/x']]);
  assert.deepEqual(torrent.webSeeds, ['https://w.example/']);
  assert.equal(torrent.comment, 'hello');
  assert.equal(torrent.createdBy, 'me');
  assert.equal(torrent.creationDate, 1_700_000_000);
  assert.deepEqual(
    torrent.info.files.map((f) => f.path.join('/')),
    ['other name/a', 'other name/d/b'],
  );
});

test('defaults: v1, a date, our name; without a date the same bytes every time', async (t) => {
  const folder = makeTempFolder(t);
  const share = writeTree(join(folder, 'share'), { a: makeBytes(100_000) });
  const { torrent } = await createTorrent(join(share, 'a'));
  assert.equal(torrent.info.format, 'v1');
  assert.equal(torrent.info.singleFile, true);
  assert.equal(torrent.info.name, 'a');
  assert.match(torrent.createdBy ?? '', /^Eider\/\d/);
  assert.ok(Math.abs((torrent.creationDate ?? 0) - Date.now() / 1000) < 60);
  const bytes = await Promise.all([1, 2].map(async () => (await createTorrent(share, { noDate: true })).bytes));
  assert.deepEqual(bytes[0], bytes[1]);
  const elsewhere = writeTree(join(folder, 'elsewhere/share'), { a: makeBytes(100_000) });
  assert.deepEqual((await createTorrent(elsewhere, { noDate: true })).bytes, bytes[0]);
});

test('threads or not: the same hashes', async (t) => {
  const share = writeTree(join(makeTempFolder(t), 'share'), {
    a: makeBytes(3_000_000),
    b: makeBytes(10),
    c: makeBytes(70_000),
  });
  for (const format of ['v1', 'v2', 'hybrid'] as const) {
    const [inline, threads] = await Promise.all(
      [undefined, 2].map((workerCount) => createTorrent(share, { format, noDate: true }, { workerCount })),
    );
    assert.deepEqual(inline?.bytes, threads?.bytes);
  }
});

test('a file that is written to meanwhile is an error, not a wrong torrent', async (t) => {
  const share = writeTree(join(makeTempFolder(t), 'share'), { a: makeBytes(1000), b: 'b' });
  const onProgress = () => appendFileSync(join(share, 'b'), 'more');
  await assert.rejects(createTorrent(share, {}, { onProgress }), (e) => BtError.is(e, 'disk/changed'));
  const sameLength = () => writeFileSync(join(share, 'a'), makeBytes(1000, 7));
  await assert.rejects(createTorrent(share, {}, { onProgress: sameLength }), (e) => BtError.is(e, 'disk/changed'));
});

const refused: {
  name: string;
  files: Record<string, string>;
  options: Parameters<typeof createTorrent>[1];
  says: RegExp;
}[] = [
  { name: 'nothing but empty files', files: { a: '', b: '' }, options: {}, says: /no file has any bytes/ },
  {
    name: 'a v2 piece length of 24 KiB',
    files: { a: 'x' },
    options: { format: 'v2', pieceLength: 24_576 },
    says: /piece length/,
  },
  { name: 'a name with a slash', files: { a: 'x' }, options: { name: 'a/b' }, says: /no file name/ },
  { name: 'a name that climbs', files: { a: 'x' }, options: { name: '..' }, says: /no file name/ },
];
for (const { name, files, options, says } of refused) {
  test(`refused: ${name}`, async (t) => {
    const share = writeTree(join(makeTempFolder(t), 'share'), files);
    await assert.rejects(createTorrent(share, options), (e) => {
      assert.ok(BtError.is(e, 'client/invalid'));
      assert.match(e.message, says);
      return true;
    });
  });
}

test('aborting rejects with client/aborted', async (t) => {
  const share = writeTree(join(makeTempFolder(t), 'share'), { a: makeBytes(1000) });
  await assert.rejects(createTorrent(share, {}, { signal: AbortSignal.abort() }), (e) =>
    BtError.is(e, 'client/aborted'),
  );
});

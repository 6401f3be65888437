import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BtError } from '#base';
import { createTorrent, pieceStates, type VerifyResult, verifyTorrent } from '#create';
import type { TorrentFile, TorrentFormat } from '#metainfo';
import { makeBytes, makeTempFolder, writeTree } from '../../support/temp-folder.ts';

const pieceLength = 16_384;
const formats: readonly TorrentFormat[] = ['v1', 'v2', 'hybrid'];

/** Three files; in v1 the second begins and ends inside pieces of its neighbours. */
const content = { a: makeBytes(40_000, 1), 'd/b': makeBytes(60_000, 2), 'd/c': makeBytes(30_000, 3), e: '' };

interface Shared {
  readonly folder: string;
  readonly share: string;
  readonly torrent: TorrentFile;
}

async function shareContent(t: TestContext, format: TorrentFormat): Promise<Shared> {
  const folder = makeTempFolder(t);
  const share = writeTree(join(folder, 'share'), content);
  const { torrent } = await createTorrent(share, { format, pieceLength });
  return { folder, share, torrent };
}

function statuses(result: VerifyResult): Record<string, string> {
  return Object.fromEntries(result.files.map((f) => [f.file.path.slice(1).join('/'), f.status]));
}

const allOk = { a: 'ok', 'd/b': 'ok', 'd/c': 'ok', e: 'ok' };

interface Case {
  readonly name: string;
  readonly damage: (share: string) => void;
  readonly expect: (format: TorrentFormat) => Record<string, string>;
}

const cases: Case[] = [
  { name: 'whole data', damage: () => {}, expect: () => allOk },
  {
    name: 'a byte inside a file',
    damage: (share) => {
      const bytes = Buffer.from(content['d/b']);
      bytes[30_000] = (bytes[30_000] as number) ^ 1;
      writeFileSync(join(share, 'd/b'), bytes);
    },
    expect: () => ({ ...allOk, 'd/b': 'bad' }),
  },
  {
    name: 'a missing file: v1 cannot check what its neighbours share with it',
    damage: (share) => rmSync(join(share, 'd/b')),
    expect: (format) =>
      format === 'v1'
        ? { a: 'unchecked', 'd/b': 'missing', 'd/c': 'unchecked', e: 'ok' }
        : { ...allOk, 'd/b': 'missing' },
  },
  {
    name: 'a missing empty file',
    damage: (share) => rmSync(join(share, 'e')),
    expect: () => ({ ...allOk, e: 'missing' }),
  },
  {
    name: 'a short file',
    damage: (share) => truncateSync(join(share, 'd/c'), 29_999),
    expect: () => ({ ...allOk, 'd/c': 'short' }),
  },
  {
    name: 'a long file whose beginning is right',
    damage: (share) => appendFileSync(join(share, 'a'), 'x'),
    expect: () => ({ ...allOk, a: 'long' }),
  },
  {
    name: 'an empty file that is not empty',
    damage: (share) => appendFileSync(join(share, 'e'), 'x'),
    expect: () => ({ ...allOk, e: 'long' }),
  },
  {
    name: 'a folder in place of a file',
    damage: (share) => {
      rmSync(join(share, 'e'));
      mkdirSync(join(share, 'e'));
    },
    expect: () => ({ ...allOk, e: 'not-a-file' }),
  },
  {
    name: 'a link to a file inside is as good as the file',
    damage: (share) => {
      renameSync(join(share, 'a'), join(share, 'moved'));
      symlinkSync('moved', join(share, 'a'));
    },
    expect: () => allOk,
  },
  {
    name: 'a link that leads out is not followed, though the data there is right',
    damage: (share) => {
      renameSync(join(share, 'e'), join(share, '../../outside-file'));
      symlinkSync('../../outside-file', join(share, 'e'));
    },
    expect: () => ({ ...allOk, e: 'outside' }),
  },
  {
    name: 'a folder that is a link leading out',
    damage: (share) => {
      renameSync(join(share, 'd'), join(share, '../../outside-folder'));
      symlinkSync('../../outside-folder', join(share, 'd'));
    },
    expect: (format) => ({ a: format === 'v1' ? 'unchecked' : 'ok', 'd/b': 'outside', 'd/c': 'outside', e: 'ok' }),
  },
  {
    name: 'a link to nothing',
    damage: (share) => {
      rmSync(join(share, 'e'));
      symlinkSync('nowhere', join(share, 'e'));
    },
    expect: () => ({ ...allOk, e: 'missing' }),
  },
];

for (const { name, damage, expect } of cases) {
  for (const format of formats) {
    test(`verify ${format}: ${name}`, async (t) => {
      // One level more, so that "outside" is removed with the rest.
      const folder = join(makeTempFolder(t), 'downloads');
      const share = writeTree(join(folder, 'share'), content);
      const { torrent } = await createTorrent(share, { format, pieceLength });
      damage(share);
      const result = await verifyTorrent(torrent, folder);
      const expected = expect(format);
      assert.deepEqual(statuses(result), expected);
      assert.equal(
        result.ok,
        Object.values(expected).every((s) => s === 'ok'),
      );
    });
  }
}

test('pieces are told apart: good, bad, not there', async (t) => {
  const { folder, share, torrent } = await shareContent(t, 'v2');
  const bytes = Buffer.from(content.a);
  bytes[20_000] = (bytes[20_000] as number) ^ 0x80;
  writeFileSync(join(share, 'a'), bytes);
  truncateSync(join(share, 'd/b'), 3 * pieceLength);
  for (const workerCount of [undefined, 2]) {
    const result = await verifyTorrent(torrent, folder, { workerCount });
    const { good, bad, missing } = pieceStates;
    assert.deepEqual([...result.pieces], [good, bad, good, good, good, good, missing, good, good]);
    assert.equal(result.goodPieceCount, 7);
    assert.deepEqual(result.files[0]?.badPieces, [1]);
    assert.deepEqual(result.files[1]?.missingPieces, [6]);
    assert.equal(result.files[1]?.foundLength, 3 * pieceLength);
  }
});

test('a file without its piece layer is checked as a whole', async (t) => {
  const { folder, share, torrent } = await shareContent(t, 'v2');
  const bare = { info: torrent.info, pieceLayers: new Map() };
  assert.equal((await verifyTorrent(bare, folder)).ok, true);
  const bytes = Buffer.from(content.a);
  bytes[0] = (bytes[0] as number) ^ 1;
  writeFileSync(join(share, 'a'), bytes);
  const result = await verifyTorrent(bare, folder);
  assert.deepEqual(statuses(result), { ...allOk, a: 'bad' });
  assert.deepEqual(result.files[0]?.badPieces, [0, 1, 2]);
});

test('a hybrid whose hashes contradict each other is never ok', async (t) => {
  const { folder, torrent } = await shareContent(t, 'hybrid');
  const pieces = Uint8Array.from(torrent.info.pieces ?? []);
  pieces[20] = (pieces[20] as number) ^ 1;
  const result = await verifyTorrent({ ...torrent, info: { ...torrent.info, pieces } }, folder);
  assert.equal(result.ok, false);
  assert.deepEqual(result.contradictions, [1]);
});

test('a folder that is not there, and aborting, are errors', async (t) => {
  const { folder, torrent } = await shareContent(t, 'v1');
  await assert.rejects(verifyTorrent(torrent, join(folder, 'absent')), (e) => BtError.is(e, 'disk/not-found'));
  await assert.rejects(verifyTorrent(torrent, join(folder, 'share/a')), (e) => BtError.is(e, 'disk/access'));
  const signal = AbortSignal.abort();
  await assert.rejects(verifyTorrent(torrent, folder, { signal }), (e) => BtError.is(e, 'client/aborted'));
});

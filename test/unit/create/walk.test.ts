import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BtError } from '#base';
import { checkUnchanged, type WalkOptions, walk } from '#room/create/walk';
import { makeTempFolder } from '../../support/temp-folder.ts';

/** A folder `share` with these files (their content is their name), removed after the test. */
function makeTree(t: TestContext, files: readonly (string | Buffer)[]): string {
  const share = join(makeTempFolder(t), 'share');
  mkdirSync(share);
  for (const file of files) {
    const path = Buffer.concat([Buffer.from(`${share}/`), Buffer.from(file)]);
    mkdirSync(dirname(path.toString()), { recursive: true });
    writeFileSync(path, file.toString());
  }
  return share;
}

async function namesOf(path: string, options?: WalkOptions): Promise<string[]> {
  return (await walk(path, options)).files.map((f) => f.parts.join('/'));
}

test('files come in order of their bytes, folder by folder', async (t) => {
  const share = makeTree(t, ['b', 'a/z', 'a.txt', 'a/b/c', 'B', 'é', 'z', '\u{1F986}', '\u{FF5E}']);
  assert.deepEqual(await namesOf(share), ['B', 'a/b/c', 'a/z', 'a.txt', 'b', 'z', 'é', '\u{FF5E}', '\u{1F986}']);
});

test('one file is a torrent of its own', async (t) => {
  const share = makeTree(t, ['film.mkv']);
  const found = await walk(join(share, 'film.mkv'));
  assert.equal(found.singleFile, true);
  assert.equal(found.name, 'film.mkv');
  assert.deepEqual(found.files[0]?.parts, []);
  assert.equal(found.files[0]?.length, 8);
});

test('hidden files are content, what systems leave in folders is not', async (t) => {
  const share = makeTree(t, ['.hidden', '.DS_Store', 'd/Thumbs.db', 'd/x']);
  const found = await walk(share);
  assert.deepEqual(
    found.files.map((f) => f.parts.join('/')),
    ['.hidden', 'd/x'],
  );
  assert.deepEqual(
    found.leftOut.map((l) => l.why),
    ['junk', 'junk'],
  );
});

test('exclude patterns take whole folders; the file to be written is ignored', async (t) => {
  const share = makeTree(t, ['keep', 'skip/a', 'skip/b/c', 'x.tmp', 'out.torrent']);
  const options = { exclude: ['skip/', '*.tmp'], ignorePaths: [join(share, 'out.torrent')] };
  assert.deepEqual(await namesOf(share, options), ['keep']);
});

test('links stand for what they point to, or are left out', async (t) => {
  const share = makeTree(t, ['a/file', 'plain']);
  symlinkSync('../plain', join(share, 'a/link'));
  symlinkSync('a', join(share, 'folder-link'));
  assert.deepEqual(await namesOf(share), ['a/file', 'a/link', 'folder-link/file', 'folder-link/link', 'plain']);
  assert.deepEqual(await namesOf(share, { links: 'skip' }), ['a/file', 'plain']);
});

test('a link to nothing and a link in a circle are errors that say what to do', async (t) => {
  const share = makeTree(t, ['a/file']);
  symlinkSync('..', join(share, 'a/up'));
  await assert.rejects(
    walk(share),
    (e) => BtError.is(e, 'client/invalid') && /back to a folder.*exclude/.test(e.message),
  );
  await assert.rejects(
    walk(share, { exclude: ['up'] }).then(() => walk(join(share, 'a'))),
    /exclude/,
  );
  const other = makeTree(t, ['file']);
  symlinkSync('nowhere', join(other, 'dangling'));
  await assert.rejects(walk(other), /dangling is a link to something that is not there/);
  assert.deepEqual(await namesOf(other, { exclude: ['dangling'] }), ['file']);
});

test('nothing there, nothing in it, nothing left', async (t) => {
  const share = makeTree(t, ['x.tmp']);
  mkdirSync(join(share, 'empty'));
  await assert.rejects(walk(join(share, 'absent')), (e) => BtError.is(e, 'disk/not-found'));
  await assert.rejects(walk(join(share, 'empty')), /holds no files/);
  await assert.rejects(walk(share, { exclude: ['*.tmp'] }), /everything in it is left out/);
  await assert.rejects(walk('/dev/null'), /neither a file nor a folder/);
});

test('a folder that cannot be read is an error', { skip: process.getuid?.() === 0 }, async (t) => {
  const share = makeTree(t, ['ok', 'secret/x']);
  chmodSync(join(share, 'secret'), 0);
  t.after(() => chmodSync(join(share, 'secret'), 0o755));
  await assert.rejects(walk(share), (e) => BtError.is(e, 'disk/access') && e.message.includes('secret'));
  assert.deepEqual(await namesOf(share, { exclude: ['secret'] }), ['ok']);
});

test('a name that is not UTF-8 is an error that names it', { skip: process.platform !== 'linux' }, async (t) => {
  const share = makeTree(t, [Buffer.from([0x61, 0xff, 0x62])]);
  await assert.rejects(walk(share), /not valid UTF-8: rename or exclude/);
});

test('a file that changes after it was found is noticed', async (t) => {
  const share = makeTree(t, ['a', 'b', 'c']);
  const { files } = await walk(share);
  await checkUnchanged(files);
  utimesSync(join(share, 'b'), 1, 1);
  await assert.rejects(checkUnchanged(files), (e) => BtError.is(e, 'disk/changed') && /b changed/.test(e.message));
  const again = await walk(share);
  appendFileSync(join(share, 'c'), 'more');
  await assert.rejects(checkUnchanged(again.files), /c changed/);
  rmSync(join(share, 'a'));
  await assert.rejects(checkUnchanged((await walk(share)).files.concat(files)), /vanished|changed/);
});

test('an aborted walk ends with client/aborted', async (t) => {
  const share = makeTree(t, ['a']);
  await assert.rejects(walk(share, { signal: AbortSignal.abort() }), (e) => BtError.is(e, 'client/aborted'));
});

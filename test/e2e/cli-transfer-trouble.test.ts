import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { test as nodeTest, type TestContext } from 'node:test';
import { type CliResult, eiderPath } from '../support/run-cli.ts';
import { makeBytes } from '../support/temp-folder.ts';
import { TransferPlace } from '../support/transfer-place.ts';

const test = (name: string, run: (t: TestContext) => Promise<void>) => nodeTest(name, { timeout: 30_000 }, run);

/** One clear line on stderr, and the exit code; nothing of our inside. */
function assertFailure(result: CliResult, code: number, message: RegExp): void {
  assert.equal(result.code, code, result.stderr);
  assert.match(result.stderr, message);
  assert.doesNotMatch(result.stderr, /internal error|at .*\.js:\d+/);
}

/** A place with `share.torrent` made. */
async function withTorrent(t: TestContext): Promise<TransferPlace> {
  const place = new TransferPlace(t);
  const made = await place.run('create', 'share', '--piece-length', '16K');
  assert.equal(made.code, 0, made.stderr);
  return place;
}

test('torrents that are none: exit code 3', async (t) => {
  const place = await withTorrent(t);
  writeFileSync(place.path('cut.torrent'), readFileSync(place.path('share.torrent')).subarray(0, 300));
  const cases: readonly [string, RegExp][] = [
    ['nowhere.torrent', /no such file or directory: nowhere\.torrent/],
    ['share', /share: is a folder/],
    ['cut.torrent', /cut\.torrent is not a torrent that can be used/],
    ['share/a.bin', /share\/a\.bin is not a torrent that can be used/],
    ['magnet:?xt=urn:btih:tooshort', /bad magnet link/],
  ];
  for (const [torrent, message] of cases) assertFailure(await place.run('download', torrent), 3, message);
  assertFailure(await place.run('seed', 'nowhere'), 3, /no such file or directory: nowhere/);
  assertFailure(await place.run('seed', 'cut.torrent'), 3, /not a torrent that can be used/);
});

test('--files beyond the torrent: exit code 2', async (t) => {
  const place = await withTorrent(t);
  assertFailure(
    await place.run('download', 'share.torrent', '--files', '9'),
    2,
    /there is no file 9: the torrent has 4/,
  );
});

test('a port in use: exit code 1, and how to go on', async (t) => {
  const place = await withTorrent(t);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const args of [
    ['download', 'share.torrent', '--dir', 'got'],
    ['seed', 'share'],
  ]) {
    assertFailure(
      await place.run(...args, '--listen', at),
      1,
      /^eider: port \d+ on 127\.0\.0\.1 is in use: choose another/m,
    );
  }
});

test('a file where the folder should be: exit code 1', async (t) => {
  const place = await withTorrent(t);
  writeFileSync(place.path('got'), 'in the way');
  assertFailure(
    await place.run('download', 'share.torrent', '--dir', 'got'),
    1,
    /got: a file stands where a folder has to be/,
  );
});

test('bytes behind the end of a file, or in an empty one, are cut: what is done is what verify calls good', async (t) => {
  const place = await withTorrent(t);
  cpSync(place.path('share'), place.path('got/share'), { recursive: true });
  for (const file of ['a.bin', 'b/d.bin']) appendFileSync(place.path('got/share', file), 'more');
  const client = await place.run('download', 'share.torrent', '--dir', 'got', '--listen', '127.0.0.1:0');
  assert.equal(client.code, 0, client.stderr);
  assert.equal((await place.run('verify', 'share.torrent', '--dir', 'got')).code, 0);
});

test('folders where nothing can be made are told at once', async (t) => {
  if (!existsSync('/proc/self')) {
    t.skip('needs /proc');
    return;
  }
  const place = await withTorrent(t);
  assertFailure(await place.run('download', 'share.torrent', '--dir', '/proc/nope'), 3, /\/proc\/nope/);
});

test('seed: what is missing, of another size, or other data', async (t) => {
  const place = await withTorrent(t);
  const seed = (...args: string[]) => place.run('seed', 'share.torrent', '--listen', '127.0.0.1:0', ...args);
  assertFailure(await seed('--dir', 'nowhere'), 3, /there is no folder nowhere/);
  assertFailure(
    await seed('--dir', 'share'),
    3,
    /share\/share\/a\.bin is missing, and 3 other files are wrong too: --dir is the folder/,
  );
  const bytes = readFileSync(place.path('share/a.bin'));
  bytes[100] = (bytes[100] as number) ^ 1;
  writeFileSync(place.path('share/a.bin'), bytes);
  assertFailure(await seed(), 5, /share is not what the torrent says: 1 of 23 pieces are bad or missing/);
  truncateSync(place.path('share/a.bin'), 9);
  assertFailure(await seed(), 5, /a\.bin has 9 bytes instead of 300001/);
  rmSync(place.path('share/a.bin'));
  assertFailure(await seed(), 3, /a\.bin is missing: `eider download --seed` fetches/);
});

test('seed PATH: nothing is served through a symbolic link', async (t) => {
  const place = await withTorrent(t);
  writeFileSync(place.path('secret'), 'secret');
  symlinkSync(place.path('secret'), place.path('share/link'));
  assertFailure(await place.run('seed', 'share'), 1, /cannot seed through symbolic links: .*share\/link/);
  const excluded = await place.seed('share', '--exclude', 'link');
  excluded.kill('SIGTERM');
  await excluded.end(0);
});

test('seed: options that do not go together are told, not passed over', async (t) => {
  const place = await withTorrent(t);
  assertFailure(await place.run('seed', 'share.torrent', '--format', 'v2'), 2, /--format is for making a torrent/);
  assertFailure(await place.run('seed', 'share', '--dir', '.'), 2, /share is a folder: --dir goes with/);
});

test('a state folder that cannot be written to is no obstacle', async (t) => {
  const place = await withTorrent(t);
  const seeder = await place.seed();
  writeFileSync(place.path('file'), '');
  const client = place.download(
    ...(['share.torrent', '--dir', 'got', '--peer', await seeder.address()] as const),
    ...['--state-dir', place.path('file/state')],
  );
  await client.waitFor('warning', (e) => /the next run will check all data again/.test(e['message'] as string));
  await client.end(0);
  assert.deepEqual(place.differences('got'), []);
});

/** Whether this user may mount a file system of a few hundred KiB in a namespace of its own. */
const canMount = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs /mnt']).status === 0;

nodeTest('a full disk: exit code 9, and what is there is kept', { skip: !canMount, timeout: 30_000 }, async (t) => {
  const place = new TransferPlace(t);
  mkdirSync(place.path('small'));
  writeFileSync(place.path('film'), makeBytes(1_000_000, 3));
  const seeder = await place.seed('film');
  const command = ['download', 'film.torrent', '--dir', 'small', '--listen', '127.0.0.1:0', '--json'];
  const mounted = `mount -t tmpfs -o size=500k tmpfs small && exec "$@"`;
  const result = spawnSync(
    'unshare',
    ['-rm', 'sh', '-c', mounted, 'sh', process.execPath, eiderPath, ...command, '--peer', await seeder.address()],
    { cwd: place.folder, encoding: 'utf8', env: { ...process.env, EIDER_STATE_DIR: place.path('state') } },
  );
  assert.equal(result.status, 9, result.stderr);
  assert.match(result.stderr, /eider: no space left on the disk of .*: free some space and run the same command again/);
  const last = JSON.parse(result.stdout.trim().split('\n').at(-1) as string);
  assert.deepEqual([last.event, last.code], ['error', 'disk/no-space']);
});

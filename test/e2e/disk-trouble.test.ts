import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test as nodeTest, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createSession, type Session, type SessionOptions, type Torrent } from 'eider';
import { createTorrent } from 'eider/create';
import { makeBytes, makeTempFolder, writeTree } from '../support/temp-folder.ts';
import { TransferPlace } from '../support/transfer-place.ts';

const test = (name: string, run: (t: TestContext) => Promise<void>) => nodeTest(name, { timeout: 60_000 }, run);
const loopback: SessionOptions = { listen: { host: '127.0.0.1', port: 0 } };
const signal = () => AbortSignal.timeout(40_000);
const sizes = { 'a.bin': 1_500_001, 'b/c.bin': 700_003, 'b/d.bin': 30 };

interface Place {
  readonly base: string;
  readonly bytes: Uint8Array;
  open(options?: SessionOptions): Promise<Session>;
  path(...parts: readonly string[]): string;
  check(folder: string): Promise<void>;
}

async function makePlace(t: TestContext): Promise<Place> {
  const sessions: Session[] = [];
  // Before the folder is removed.
  t.after(() => Promise.all(sessions.map((session) => session.close())));
  const base = makeTempFolder(t);
  const files = Object.entries(sizes).map(([path, size], i) => [`seed/share/${path}`, makeBytes(size, i)] as const);
  writeTree(base, Object.fromEntries(files));
  const { bytes } = await createTorrent(join(base, 'seed/share'), { pieceLength: 16_384 });
  const path = (...parts: readonly string[]) => join(base, ...parts);
  return {
    base,
    bytes,
    path,
    open: async (options = {}) => {
      const session = await createSession({ ...loopback, ...options });
      sessions.push(session);
      return session;
    },
    check: async (folder) => {
      for (const [i, [name, size]] of Object.entries(sizes).entries()) {
        assert.ok((await readFile(join(folder, 'share', name))).equals(makeBytes(size, i)), name);
      }
    },
  };
}

async function untilPieces(torrent: Torrent, count: number): Promise<void> {
  for await (const state of torrent.progress({ every: 20, signal: signal() })) if (state.piecesHave >= count) return;
}

test('a torrent is moved while it is downloaded, and its seed while it serves', async (t) => {
  const place = await makePlace(t);
  const seeder = await place.open({ path: place.path('seed') });
  const seeding = await seeder.add(place.bytes);
  await seeding.ready({ signal: signal() });
  const stateDir = place.path('state');
  const leecher = await place.open({ path: place.path('got'), stateDir, downloadLimit: 1_000_000 });
  const torrent = await leecher.add(place.bytes, { peers: seeder.addresses });
  await untilPieces(torrent, 20);
  await Promise.all([
    torrent.move(place.path('there'), { signal: signal() }),
    seeding.move(place.path('seed2'), { signal: signal() }),
  ]);
  assert.equal(torrent.path, place.path('there'));
  assert.equal(existsSync(place.path('got/share')), false);
  assert.equal(existsSync(place.path('seed/share')), false);
  assert.ok(torrent.state.piecesHave >= 20);
  leecher.setRates({ download: Number.POSITIVE_INFINITY });
  await torrent.done({ signal: signal() });
  await place.check(place.path('there'));
  await place.check(place.path('seed2'));
  assert.equal(seeding.state.waitingFor, undefined);
  // What is remembered has followed: nothing is hashed again.
  await leecher.close();
  const again = await place.open({ path: place.path('there'), stateDir });
  const events = again.events({ types: ['torrent.checking', 'torrent.done'] });
  await again.add(place.bytes);
  assert.equal((await events.next()).value?.type, 'torrent.done');
});

const otherDisk = '/dev/shm';
const isOther = existsSync(otherDisk) && statSync(otherDisk).dev !== statSync(makeTempFolder({ after: () => {} })).dev;

nodeTest(
  'a torrent is moved to another file system',
  { skip: !isOther && `${otherDisk} is none`, timeout: 60_000 },
  async (t) => {
    const place = await makePlace(t);
    const far = mkdtempSync(join(otherDisk, 'eider-test-'));
    t.after(() => rmSync(far, { recursive: true, force: true }));
    const seeder = await place.open({ path: place.path('seed'), stateDir: place.path('state') });
    const seeding = await seeder.add(place.bytes);
    await seeding.ready({ signal: signal() });
    writeFileSync(place.path('seed/share/notes.txt'), 'of somebody else');
    await seeding.move(far, { signal: signal() });
    await place.check(far);
    assert.deepEqual(readdirSync(far), ['share']);
    assert.deepEqual(readdirSync(place.path('seed/share')), ['notes.txt'], 'what is not the torrent’s stays');
    const leecher = await place.open({ path: place.path('got') });
    const torrent = await leecher.add(place.bytes, { peers: seeder.addresses });
    await torrent.done({ signal: signal() });
    await place.check(place.path('got'));
  },
);

test('a move to where the name is taken is refused, and all goes on', async (t) => {
  const place = await makePlace(t);
  const seeder = await place.open({ path: place.path('seed') });
  const seeding = await seeder.add(place.bytes);
  await seeding.ready({ signal: signal() });
  mkdirSync(place.path('taken/share'), { recursive: true });
  await assert.rejects(seeding.move(place.path('taken'), { signal: signal() }), { code: 'disk/exists' });
  await assert.rejects(seeding.move(place.path('seed/share/deeper'), { signal: signal() }), { code: 'client/invalid' });
  await seeding.move(place.path('seed'), { signal: signal() });
  const leecher = await place.open({ path: place.path('got') });
  const torrent = await leecher.add(place.bytes, { peers: seeder.addresses });
  await torrent.done({ signal: signal() });
  await place.check(place.path('got'));
});

test('a file that vanishes under a seed is missed, and served again when it is back', async (t) => {
  const place = await makePlace(t);
  const seeder = await place.open({ path: place.path('seed') });
  const seeding = await seeder.add(place.bytes);
  await seeding.ready({ signal: signal() });
  // Not by its name alone: what is open under it could still be read.
  copyFileSync(place.path('seed/share/a.bin'), place.path('hidden'));
  rmSync(place.path('seed/share/a.bin'));
  const events = seeder.events({ types: ['torrent.waiting'] });
  const leecher = await place.open({ path: place.path('got') });
  const torrent = await leecher.add(place.bytes, { peers: seeder.addresses });
  const { value } = await events.next();
  assert.ok(value?.type === 'torrent.waiting' && value.error.code === 'disk/not-found');
  assert.match(seeding.state.waitingFor?.message ?? '', /a\.bin/);
  assert.equal(seeding.state.phase, 'seeding');
  renameSync(place.path('hidden'), place.path('seed/share/a.bin'));
  await torrent.done({ signal: signal() });
  await place.check(place.path('got'));
  assert.equal(torrent.state.badPieces, 0, 'no wrong byte was sent');
});

test('eider seed says what is wrong with the disk and goes on', async (t) => {
  const place = new TransferPlace(t);
  const seeder = await place.seed();
  copyFileSync(place.path('share/a.bin'), place.path('hidden'));
  rmSync(place.path('share/a.bin'));
  const client = place.download('share.torrent', '--dir', 'got', '--peer', await seeder.address());
  const { message } = await seeder.waitFor('warning', (e) => e['code'] === 'disk/not-found');
  assert.match(message as string, /no such file or directory: .*a\.bin; it goes on by itself when that is over/);
  await seeder.waitFor('progress', (e) => (e['reason'] as { code?: string } | null)?.code === 'waiting');
  renameSync(place.path('hidden'), place.path('share/a.bin'));
  await client.end(0);
  assert.deepEqual(place.differences('got'), []);
  seeder.kill('SIGTERM');
  await seeder.end(0);
});

test('resume data of a newer version: exit code 1, what to do, and the file is left alone', async (t) => {
  const place = new TransferPlace(t);
  const seeder = await place.seed();
  const args = ['share.torrent', '--dir', 'got', '--state-dir', place.path('state')] as const;
  await place.download(...args, '--peer', await seeder.address()).end(0);
  const [name] = readdirSync(place.path('state/resume')).filter((n) => n.endsWith('.resume'));
  const record = place.path('state/resume', name as string);
  const newer = encodeNewer();
  writeFileSync(record, newer);
  const result = await place.download(...args).end(1);
  assert.match(
    result.stderr,
    /resume data in .* was written by a newer version of Eider: use that version, or move it away/,
  );
  assert.ok((await readFile(record)).equals(newer));
});

/** Version 99, with the right checksum. */
function encodeNewer(): Buffer {
  const body = Buffer.from('d1:vi99ee');
  const crc = Buffer.alloc(4);
  let value = 0xffff_ffff;
  for (const byte of body) {
    value ^= byte;
    for (let k = 0; k < 8; k++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1;
  }
  crc.writeUInt32BE((value ^ 0xffff_ffff) >>> 0);
  return Buffer.concat([body, crc]);
}

const canMount = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs /mnt']).status === 0;

nodeTest(
  'a full file system: the download waits, and goes on by itself when there is room',
  {
    skip: !canMount && 'mounting needs root',
    timeout: 60_000,
  },
  async (t) => {
    const place = new TransferPlace(t);
    mkdirSync(place.path('small'));
    writeFileSync(place.path('film'), makeBytes(1_000_000, 3));
    const seeder = await place.seed('film');
    const [host = '', port = ''] = (await seeder.address()).split(':');
    const program = fileURLToPath(new URL('../support/full-disk.js', import.meta.url));
    const mounted = 'mount -t tmpfs -o size=1400k tmpfs small && exec "$@"';
    const args = [process.execPath, program, 'small', 'film.torrent', host, port, '1000000'];
    const child = spawn('unshare', ['-rm', 'sh', '-c', mounted, 'sh', ...args], { cwd: place.folder });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    const [code] = await once(child, 'close');
    assert.equal(code, 0, stderr);
    const { atWaiting, downloaded, isWaiting } = JSON.parse(stdout);
    assert.equal(atWaiting.code, 'disk/no-space');
    assert.equal(atWaiting.phase, 'downloading');
    assert.ok(atWaiting.doneBytes > 0, 'what fits is there');
    assert.equal(isWaiting, false);
    assert.ok(downloaded < 1_300_000, `${downloaded} bytes for 1,000,000`);
  },
);

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test as nodeTest, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createSession, type Session, type SessionOptions } from 'eider';
import { createTorrent } from 'eider/create';
import { BtError } from '#base';
import { makeBytes, makeTempFolder, writeTree } from '../support/temp-folder.ts';

const test = (name: string, run: (t: TestContext) => Promise<void>) => nodeTest(name, { timeout: 30_000 }, run);
const local = { host: '127.0.0.1', port: 0 };

/** A folder with content, its torrent, and sessions that remember in one state folder. */
class Place {
  readonly folder: string;
  readonly stateDir: string;
  readonly #sessions: Session[] = [];

  constructor(t: TestContext) {
    // Hooks run in this order: what is open is closed before its folder goes.
    t.after(() => Promise.all(this.#sessions.map((session) => session.close())));
    this.folder = makeTempFolder(t);
    this.stateDir = join(this.folder, 'state');
  }

  async make(name: string, format: 'v1' | 'v2' | 'hybrid' = 'v1') {
    writeTree(join(this.folder, name), { 'a.bin': makeBytes(300_001, 1), 'b.bin': makeBytes(70_003, 2) });
    return createTorrent(join(this.folder, name), { pieceLength: 16_384, format });
  }

  async session(options: SessionOptions = {}): Promise<Session> {
    const session = await createSession({ stateDir: this.stateDir, remember: true, listen: local, ...options });
    this.#sessions.push(session);
    return session;
  }

  /** Fetches all of a torrent from `seed` by a session of its own. */
  async fetch(input: Uint8Array | string, from: Session): Promise<Buffer> {
    const path = join(this.folder, `fetched-${this.#sessions.length}`);
    const session = await createSession({ listen: false });
    this.#sessions.push(session);
    const torrent = await session.add(input, { path, peers: from.addresses });
    await torrent.done();
    const bytes = readFileSync(join(path, torrent.name, 'a.bin'));
    await session.close();
    return bytes;
  }
}

for (const format of ['v1', 'v2', 'hybrid'] as const) {
  test(`${format}: what was added comes back asleep, is found, serves, and shows its files`, async (t) => {
    const place = new Place(t);
    const made = await place.make('share', format);
    const first = await place.session();
    const added = await first.add(made.bytes, { path: place.folder, uploadLimit: 50_000_000 });
    await added.done();
    await first.close();

    const second = await place.session();
    const [torrent] = second.torrents;
    assert.ok(torrent !== undefined);
    assert.equal(torrent.state.phase, 'dormant');
    assert.equal(torrent.state.isComplete, true);
    assert.equal(torrent.name, 'share');
    assert.equal(torrent.path, place.folder);
    assert.deepEqual(
      torrent.files.map((f) => f.path),
      ['share/a.bin', 'share/b.bin'],
    );
    assert.deepEqual(await torrent.torrentFile(), made.bytes);
    assert.equal(torrent.state.phase, 'dormant', 'nobody needed it for that');
    await torrent.ready();
    await torrent.done();
    const bytes = await place.fetch(made.bytes, second);
    assert.deepEqual(bytes, readFileSync(join(place.folder, 'share', 'a.bin')));
    assert.equal(torrent.state.phase, 'seeding');
    assert.equal(torrent.state.uploaded, 370_004);
  });
}

test('a sleeper wakes for its own program: files are read, data is verified', async (t) => {
  const place = new Place(t);
  const made = await place.make('share');
  const first = await place.session();
  await (await first.add(made.bytes, { path: place.folder })).done();
  await first.close();
  const second = await place.session({ listen: false });
  const torrent = second.torrents[0] as NonNullable<(typeof second.torrents)[0]>;
  const chunks: Uint8Array[] = [];
  for await (const chunk of torrent.file('a.bin').stream()) chunks.push(chunk as Uint8Array);
  assert.deepEqual(Buffer.concat(chunks), readFileSync(join(place.folder, 'share', 'a.bin')));
  await second.close();
  const third = await place.session({ listen: false });
  assert.deepEqual(await third.torrents[0]?.verify(), { good: 23, pieces: 23 });
});

test('a seed that has lost data is no sleeper at the next start, even where the program is killed', async (t) => {
  const place = new Place(t);
  const made = await place.make('share');
  const first = await place.session();
  const torrent = await first.add(made.bytes, { path: place.folder });
  await torrent.done();
  const events = first.events({ types: ['torrent.lost'] });
  truncateSync(join(place.folder, 'share', 'a.bin'), 100_000);
  const stream = torrent.file('a.bin').stream().getReader();
  const read = async () => {
    while (!(await stream.read()).done);
  };
  const reading = read().catch(() => {});
  assert.equal((await events.next()).value?.type, 'torrent.lost');
  // What a kill would leave now.
  const left = join(place.folder, 'left');
  cpSync(place.stateDir, left, { recursive: true, filter: (path) => !path.endsWith('.lock') });
  await first.close();
  await reading;
  const second = await place.session({ stateDir: left, listen: false });
  await second.torrents[0]?.ready();
  assert.equal(second.torrents[0]?.state.phase, 'downloading');
});

test('a torrent ends under a reader: reading ends too', async (t) => {
  const place = new Place(t);
  const made = await place.make('share');
  const session = await place.session({ listen: false });
  const torrent = await session.add(made.bytes, { path: place.folder });
  await torrent.done();
  const reader = torrent.file('a.bin').reader();
  const readOn = async () => {
    for (;;) assert.equal((await reader.read(0, 1_000)).length, 1_000);
  };
  const reading = assert.rejects(readOn(), (error) => BtError.is(error, 'client/closed'));
  await torrent.stop();
  await reading;
});

test('a torrent that has failed keeps neither the session nor the others from ending', async (t) => {
  const place = new Place(t);
  const [bad, good] = [await place.make('bad'), await place.make('good')];
  const session = await place.session();
  const path = join(place.folder, 'other');
  mkdirSync(join(path, 'bad'), { recursive: true });
  symlinkSync(join(place.folder, 'bad', 'a.bin'), join(path, 'bad', 'a.bin'));
  const failed = await session.add(bad.bytes, { path });
  const works = await session.add(good.bytes, { path: place.folder });
  await works.done();
  await assert.rejects(failed.ready(), (error) => BtError.is(error, 'disk/unsafe-path'));
  await session.close();
  assert.deepEqual([failed.state.phase, works.state.phase], ['stopped', 'stopped']);
  assert.equal(failed.state.error?.code, 'disk/unsafe-path');
  // The folder is free, and both are remembered.
  assert.equal((await place.session({ listen: false })).torrents.length, 2);
});

test('magnet links, half downloads, pauses and places in the queue come back; what was removed does not', async (t) => {
  const place = new Place(t);
  const [one, two, gone] = [await place.make('one'), await place.make('two'), await place.make('gone')];
  const path = join(place.folder, 'down');
  const first = await place.session();
  await first.add(one.bytes, { path, downloadLimit: 1_000 });
  const paused = await first.add(two.bytes, { path, files: [1] });
  paused.pause();
  const magnet = 'magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=somewhere';
  await first.add(magnet, { path: place.folder, trackers: ['http://127.0.0.1:1/announce'] });
  await (await first.add(gone.bytes, { path })).remove();
  paused.moveTo(1);
  await first.close();

  const second = await place.session();
  assert.deepEqual(
    second.torrents.map((torrent) => [torrent.name, torrent.state.phase]),
    [
      ['two', 'paused'],
      ['one', 'waking'],
      ['somewhere', 'fetching-metadata'],
    ],
  );
  const [back, half, link] = second.torrents;
  assert.equal(back?.state.restReason, 'paused');
  assert.equal(link?.path, place.folder);
  assert.deepEqual(
    link?.trackers.map((tracker) => tracker.url),
    ['http://127.0.0.1:1/announce'],
  );
  await half?.ready();
  assert.equal(half?.state.phase, 'downloading');
  back?.resume();
  await back?.ready();
  assert.equal(back?.state.wantedBytes, 70_003);
  assert.deepEqual(readdirSync(join(place.stateDir, 'torrents')).length, 2);
});

test('metadata that a magnet link brought is kept', async (t) => {
  const place = new Place(t);
  const made = await place.make('share', 'hybrid');
  const seeder = await createSession({ listen: local });
  t.after(() => seeder.close());
  await (await seeder.add(made.bytes, { path: place.folder, verified: true })).ready();
  const magnet = `magnet:?xt=urn:btmh:1220${made.torrent.info.hashV2}`;
  const first = await place.session({ listen: false });
  const torrent = await first.add(magnet, { path: join(place.folder, 'down'), peers: seeder.addresses });
  await torrent.done();
  await first.close();
  const second = await place.session();
  assert.deepEqual(
    second.torrents.map((back) => [back.name, back.state.phase, back.infoHashV1]),
    [['share', 'dormant', made.torrent.info.hashV1]],
  );
  assert.deepEqual(await place.fetch(made.bytes, second), readFileSync(join(place.folder, 'share', 'a.bin')));
});

test('one session at a time; the state of one that was killed is taken over', async (t) => {
  const place = new Place(t);
  const made = await place.make('share');
  const torrentFile = join(place.folder, 'share.torrent');
  writeFileSync(torrentFile, made.bytes);
  const program = fileURLToPath(new URL('../support/remembering-process.js', import.meta.url));
  const child = spawn(process.execPath, [program, place.stateDir, torrentFile, place.folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await assert.rejects(place.session(), (error) => {
    assert.ok(BtError.is(error, 'client/invalid'));
    return error.message.includes(`in use by process ${child.pid}`);
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  const session = await place.session();
  assert.deepEqual(
    session.torrents.map((torrent) => [torrent.name, torrent.state.phase]),
    [['share', 'dormant']],
  );
  await assert.rejects(place.session(), (error) => BtError.is(error, 'client/invalid'));
});

test('of several processes that begin at once after one was killed, one gets the state', async (t) => {
  const place = new Place(t);
  const made = await place.make('share');
  const torrentFile = join(place.folder, 'share.torrent');
  writeFileSync(torrentFile, made.bytes);
  const program = fileURLToPath(new URL('../support/remembering-process.js', import.meta.url));
  const begin = () => {
    const child = spawn(process.execPath, [program, place.stateDir, torrentFile, place.folder], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    t.after(() => child.kill('SIGKILL'));
    return child;
  };
  const killed = begin();
  await once(killed.stdout, 'data');
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const children = Array.from({ length: 5 }, begin);
  const outcomes = await Promise.all(
    children.map((child) =>
      Promise.race([once(child.stdout, 'data').then(() => 'in'), once(child, 'exit').then(() => 'refused')]),
    ),
  );
  assert.deepEqual(outcomes.sort(), ['in', 'refused', 'refused', 'refused', 'refused']);
});

test('a damaged state falls back to the one before it, and to what was noted since', async (t) => {
  const place = new Place(t);
  const [one, two] = [await place.make('one'), await place.make('two')];
  for (const made of [one, two]) {
    const session = await place.session({ listen: false });
    await (await session.add(made.bytes, { path: place.folder })).done();
    await session.close();
  }
  const state = join(place.stateDir, 'session.state');
  const damaged = readFileSync(state);
  damaged[damaged.length - 3] = (damaged[damaged.length - 3] as number) ^ 1;
  writeFileSync(state, damaged);
  const session = await place.session({ listen: false });
  assert.deepEqual(session.torrents.map((torrent) => torrent.name).sort(), ['one', 'two']);
  await session.close();
});

test('downloads wait for a place, and say so', async (t) => {
  const place = new Place(t);
  const [one, two] = [await place.make('one'), await place.make('two')];
  const path = join(place.folder, 'down');
  const session = await place.session({ activeDownloads: 1 });
  const first = await session.add(one.bytes, { path });
  const second = await session.add(two.bytes, { path });
  await first.ready();
  assert.deepEqual([first.state.phase, second.state.phase], ['downloading', 'queued']);
  assert.deepEqual([second.state.queuePosition, second.state.restReason], [1, 'active-downloads']);
  assert.equal((await second.metadata()).name, 'two');
  second.moveTo(1);
  await second.ready();
  assert.equal(first.state.phase, 'queued');
});

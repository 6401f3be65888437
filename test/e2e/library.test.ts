import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BtError, createSession, parseMagnet, type Session, type SessionOptions } from 'eider';
import { createTorrent } from 'eider/create';
import { startTracker } from '#trackerd';
import { makeBytes, withTempFolder } from '../support/temp-folder.ts';

const loopback: SessionOptions = { listen: { host: '127.0.0.1', port: 0 } };

/** A tree with all that makes trouble: empty, tiny, block-sized, odd, nested, UTF-8. */
async function makeTree(folder: string): Promise<string> {
  const root = join(folder, 'Beispiel – 例');
  const files: [string, number][] = [
    ['a large one.bin', 3_000_001],
    ['b/deep/er/odd.bin', 70_001],
    ['b/empty', 0],
    ['b/exact.bin', 65_536],
    ['c tiny ü.txt', 1],
  ];
  for (const [path, length] of files) {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), makeBytes(length, length));
  }
  return root;
}

async function assertSame(a: string, b: string): Promise<void> {
  const list = async (root: string) =>
    (await readdir(root, { recursive: true, withFileTypes: true }))
      .filter((e) => e.isFile())
      .map((e) => join(e.parentPath ?? e.path, e.name).slice(root.length))
      .sort();
  assert.deepEqual(await list(b), await list(a));
  for (const path of await list(a))
    assert.ok((await readFile(join(a, path))).equals(await readFile(join(b, path))), path);
}

const signal = () => AbortSignal.timeout(20_000);

interface Pair {
  readonly folder: string;
  readonly root: string;
  readonly torrent: Uint8Array;
  readonly seeder: Session;
  readonly leecher: Session;
}

/** A seeder at work and a leecher with nothing, in one process over real sockets. */
async function withPair(
  format: 'v1' | 'v2' | 'hybrid',
  run: (pair: Pair) => Promise<void>,
  options: { leecher?: SessionOptions } = {},
): Promise<void> {
  await withTempFolder(async (folder) => {
    const root = await makeTree(join(folder, 'from'));
    const { bytes } = await createTorrent(root, { format, pieceLength: 32_768 });
    await using seeder = await createSession(loopback);
    await using leecher = await createSession({ ...loopback, path: join(folder, 'to'), ...options.leecher });
    const seeding = await seeder.add(bytes, { path: join(folder, 'from') });
    await seeding.ready({ signal: signal() });
    assert.equal(seeding.state.phase, 'seeding');
    await run({ folder, root, torrent: bytes, seeder, leecher });
  });
}

for (const format of ['v1', 'v2', 'hybrid'] as const) {
  test(`${format}: a folder crosses, byte for byte`, () =>
    withPair(format, async ({ folder, root, torrent, seeder, leecher }) => {
      const t = await leecher.add(torrent, { peers: seeder.addresses });
      await t.done({ signal: signal() });
      assert.equal(t.state.progress, 1);
      await t.stop();
      await assertSame(root, join(folder, 'to', 'Beispiel – 例'));
      assert.equal(leecher.memory.pieceBytes, 0, 'no buffer is lost');
      // What is always there is left: the receive buffer, and that of the disk's worker.
      const left = leecher.budgets.held.filter((one) => one.bytes > 0).map((one) => one.holder);
      assert.deepEqual(left, ['receive-buffer', 'disk-buffers']);
      assert.deepEqual(leecher.budgets.heldBack, []);
    }));

  test(`${format}: by magnet link, metadata and piece layers from the peer`, () =>
    withPair(format, async ({ folder, root, seeder, leecher }) => {
      const [seeding] = seeder.torrents;
      const { host, port } = seeder.addresses[0] as { host: string; port: number };
      const topics = [
        seeding?.infoHashV1 === undefined ? [] : [`xt=urn:btih:${seeding.infoHashV1}`],
        seeding?.infoHashV2 === undefined ? [] : [`xt=urn:btmh:1220${seeding.infoHashV2}`],
      ].flat();
      const magnet = `magnet:?${topics.join('&')}&x.pe=${host}:${port}`;
      assert.equal(parseMagnet(magnet).peers.length, 1);
      const t = await leecher.add(magnet);
      const info = await t.metadata({ signal: signal() });
      assert.equal(info.files.length, 5);
      await t.done({ signal: signal() });
      await assertSame(root, join(folder, 'to', 'Beispiel – 例'));
      const made = await t.torrentFile();
      await t.stop();
      // What was learnt is a whole .torrent file: the data is found good by it, without any peer.
      const again = await leecher.add(made);
      await again.ready({ signal: signal() });
      assert.equal(again.state.isComplete, true);
    }));
}

test('files that were not selected are never created; the rest comes later', () =>
  withPair('v1', async ({ folder, root, torrent, seeder, leecher }) => {
    const to = join(folder, 'to', 'Beispiel – 例');
    const t = await leecher.add(torrent, { peers: seeder.addresses, files: (f) => f.path.at(-1) === 'odd.bin' });
    await t.done({ signal: signal() });
    assert.ok((await readFile(join(to, 'b/deep/er/odd.bin'))).equals(await readFile(join(root, 'b/deep/er/odd.bin'))));
    assert.ok(!existsSync(join(to, 'a large one.bin')) && !existsSync(join(to, 'c tiny ü.txt')));
    await t.stop();
    const all = await leecher.add(torrent, { peers: seeder.addresses });
    await all.done({ signal: signal() });
    await all.stop();
    await assertSame(root, to);
  }));

test('a file can be read while it comes in: reading is prioritising', () =>
  withPair('hybrid', async ({ root, torrent, seeder, leecher }) => {
    const t = await leecher.add(torrent, { peers: seeder.addresses });
    const whole = await readFile(join(root, 'a large one.bin'));
    const parts: Uint8Array[] = [];
    for await (const part of t.file('a large one.bin').stream({ start: 100_000, end: 2_000_000, signal: signal() }))
      parts.push(part);
    assert.ok(Buffer.concat(parts).equals(whole.subarray(100_000, 2_000_000)));
    const reader = t.file('a large one.bin').reader();
    assert.ok(whole.subarray(2_999_999).equals(await reader.read(2_999_999, 10, { signal: signal() })));
    assert.equal((await reader.read(3_000_001, 10)).length, 0);
    reader.close();
    await assert.rejects(reader.read(0, 1), (e) => BtError.is(e, 'client/closed'));
  }));

test('resume: a second session believes the record, and finds what was damaged meanwhile', async () => {
  await withTempFolder(async (state) => {
    const leecherOptions = { ...loopback, stateDir: join(state, 'state') };
    await withPair(
      'v1',
      async ({ folder, torrent, seeder, leecher }) => {
        const path = join(folder, 'to');
        const first = await leecher.add(torrent, { peers: seeder.addresses });
        await first.done({ signal: signal() });
        await leecher.close();
        {
          await using second = await createSession({ ...leecherOptions, path });
          const events = second.events({ types: ['torrent.checking'] });
          const t = await second.add(torrent);
          await t.ready({ signal: signal() });
          assert.equal(t.state.isComplete, true);
          await second.close();
          assert.equal((await events.next()).done, true, 'nothing had to be hashed');
        }
        await truncate(join(path, 'Beispiel – 例', 'a large one.bin'), 1_000_000);
        await using third = await createSession({ ...leecherOptions, path });
        const t = await third.add(torrent);
        await t.ready({ signal: signal() });
        assert.equal(t.state.isComplete, false);
        assert.ok(t.state.piecesHave > 20, 'the good part is still good');
        await t.addPeers(seeder.addresses);
        await t.done({ signal: signal() });
      },
      { leecher: leecherOptions },
    );
  });
});

test('verify finds a flipped byte and the swarm heals it', () =>
  withPair('v2', async ({ folder, root, torrent, seeder, leecher }) => {
    const t = await leecher.add(torrent, { peers: seeder.addresses });
    await t.done({ signal: signal() });
    const file = join(folder, 'to', 'Beispiel – 例', 'b/exact.bin');
    const bytes = await readFile(file);
    bytes[1234] = (bytes[1234] as number) ^ 1;
    await writeFile(file, bytes);
    const { good, pieces } = await t.verify({ signal: signal() });
    assert.equal(good, pieces - 1);
    await t.addPeers(seeder.addresses);
    await t.done({ signal: signal() });
    await t.stop();
    await assertSame(root, join(folder, 'to', 'Beispiel – 例'));
  }));

test('peers find each other through the tracker, over HTTP and over UDP, and feed each other', async () => {
  for (const protocol of ['http', 'udp'] as const) {
    const tracker = await startTracker({ [protocol]: [{ host: '127.0.0.1', port: 0 }] });
    try {
      const at = tracker.addresses[0] as { host: string; port: number };
      const url = `${protocol}://${at.host}:${at.port}/announce`;
      await withPair('v1', async ({ folder, root, torrent, seeder, leecher }) => {
        const [seeding] = seeder.torrents;
        await seeding?.stop();
        const announced = await seeder.add(torrent, { path: join(folder, 'from'), trackers: [url] });
        await announced.ready({ signal: signal() });
        const t = await leecher.add(torrent, { trackers: [url] });
        await t.done({ signal: signal() });
        await assertSame(root, join(folder, 'to', 'Beispiel – 例'));
        assert.deepEqual(
          t.trackers.map((x) => x.url),
          [url],
        );
        const [counts] = await t.scrape({ signal: signal() });
        assert.ok(counts?.ok === true && counts.complete >= 1, JSON.stringify(counts));
      });
    } finally {
      await tracker.close();
    }
  }
});

test('what cannot be done is said by stable codes', async () => {
  await using session = await createSession(loopback);
  const rejects = (promise: Promise<unknown>, code: string) =>
    assert.rejects(promise, (error) => BtError.is(error) && error.code === code);
  await rejects(session.add(new Uint8Array([1, 2, 3])), 'bencode/syntax');
  await rejects(session.add('magnet:?dn=nothing'), 'magnet/invalid');
  await withTempFolder(async (folder) => {
    const root = await makeTree(folder);
    const { bytes } = await createTorrent(root, { format: 'v1' });
    await rejects(session.add(bytes, { path: folder, files: [] }), 'client/invalid');
    const t = await session.add(bytes, { path: folder });
    await rejects(session.add(bytes, { path: folder }), 'client/duplicate');
    await t.remove();
    await rejects(t.ready(), 'client/closed');
  });
  const magnet = await session.add('1'.repeat(40));
  await rejects(magnet.metadata({ signal: AbortSignal.abort() }), 'client/aborted');
  await session.close();
  await rejects(session.add('0'.repeat(40)), 'client/closed');
  const [taken] = [await createSession(loopback)];
  await rejects(createSession({ listen: taken.addresses[0] as { host: string; port: number } }), 'net/port-in-use');
  await taken.close();
});

test('limits hold over real sockets', () =>
  withPair('v1', async ({ torrent, seeder, leecher }) => {
    const limit = 1_500_000;
    const t = await leecher.add(torrent, { peers: seeder.addresses, downloadLimit: limit });
    const from = performance.now();
    await t.done({ signal: signal() });
    const seconds = (performance.now() - from) / 1000;
    const bytes = t.state.downloaded;
    assert.ok(bytes / seconds < limit * 1.25, `${Math.round(bytes / seconds)} bytes/s`);
  }));

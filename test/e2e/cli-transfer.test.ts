import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test as nodeTest, type TestContext } from 'node:test';
import { decodeTrace } from '#trace';
import type { CliProcess } from '../support/cli-process.ts';
import type { CliEvent } from '../support/run-cli.ts';
import { makeBytes } from '../support/temp-folder.ts';
import { TransferPlace } from '../support/transfer-place.ts';

/** Bounds every test: one that waits for an event that never comes must not hold up the others. */
const test = (name: string, run: (t: TestContext) => Promise<void>) => nodeTest(name, { timeout: 30_000 }, run);

const kinds = (client: CliProcess) => client.events.map((e) => e.event).filter((e) => e !== 'progress');

/** What a tracker says of a torrent's swarm, for its v1 hash or, where there is none, its v2 hash cut short. */
async function scrape(announce: string, created: CliEvent): Promise<string> {
  const hash = ((created['infoHashV1'] ?? created['infoHashV2']) as string).slice(0, 40);
  const response = await fetch(`${announce.replace(/announce$/, 'scrape')}?info_hash=${hash.replace(/../g, '%$&')}`);
  return response.text();
}

for (const protocol of ['http', 'udp'] as const) {
  for (const format of ['v1', 'v2', 'hybrid']) {
    test(`seed PATH and download by an ${protocol} tracker, ${format}`, async (t) => {
      const place = new TransferPlace(t);
      const tracker = await place.tracker();
      const web = ['--tracker', 'wss://tracker.example/announce'];
      const seeder = await place.seed('share', '--tracker', tracker[protocol], ...web, '--format', format);
      const client = place.download('share.torrent', '--dir', 'got');
      const { stdout } = await client.end(0);
      assert.deepEqual(place.differences('got'), []);
      assert.deepEqual(kinds(client), ['listening', 'checking', 'ready', 'done', 'stopped']);
      assert.ok(stdout.split('\n').every((line) => line === '' || line.startsWith('{"v":1,"event":"')));
      const done = await client.waitFor('done');
      assert.equal(done['path'], place.path('got', 'share'));
      assert.equal(done['downloadedFromSeeds'], 370_009);
      // The tracker has been told that the downloader left.
      assert.match(await scrape(tracker.http, await seeder.waitFor('created')), /8:completei1e.*10:incompletei0e/);
      seeder.kill('SIGTERM');
      await seeder.end(0);
      assert.deepEqual(kinds(seeder), ['listening', 'created', 'checking', 'ready', 'done', 'stopped']);
    });
  }
}

test('for people: the magnet link is what seed prints, the place what download prints', async (t) => {
  const place = new TransferPlace(t);
  const seeder = await place.seed('share');
  const { magnet } = await seeder.waitFor('created');
  assert.match(magnet as string, /^magnet:\?xt=urn:btih:[0-9a-f]{40}&dn=share&x\.pe=127\.0\.0\.1:\d+$/);
  const client = await place.run('download', magnet as string, '--dir', 'got', '--listen', '127.0.0.1:0');
  assert.equal(client.code, 0, client.stderr);
  assert.equal(client.stdout, `${place.path('got', 'share')}\n`);
  assert.match(client.stderr, /this is share: 4 files/);
  assert.deepEqual(place.differences('got'), []);
  // Again: nothing to do, and it says so.
  const again = await place.run('download', 'share.torrent', '--dir', 'got', '--listen', '127.0.0.1:0');
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /everything was here already/);
});

test('by --peer alone, and onwards from a downloader that stays', async (t) => {
  const place = new TransferPlace(t);
  const seeder = await place.seed();
  const first = place.download('share.torrent', '--dir', 'one', '--seed', '--peer', await seeder.address());
  await first.waitFor('done');
  seeder.kill('SIGTERM');
  await seeder.end(0);
  const second = place.download('share.torrent', '--dir', 'two', '--peer', await first.address());
  await second.end(0);
  assert.deepEqual(place.differences('two'), []);
  first.kill('SIGINT');
  await first.end(0);
  assert.equal((await first.waitFor('stopped'))['uploadedBytes'], 370_009);
  assert.equal(first.events.filter((e) => e.event === 'done').length, 1);
});

test('magnet: metadata from a peer, files by so=, then by --files', async (t) => {
  const place = new TransferPlace(t);
  const seeder = await place.seed();
  const link = (await seeder.waitFor('created'))['magnet'] as string;
  const state = ['--state-dir', place.path('same-state')];
  const client = place.download(`${link}&so=1`, '--dir', 'got', ...state);
  await client.end(0);
  assert.deepEqual(kinds(client), ['listening', 'metadata', 'checking', 'ready', 'done', 'stopped']);
  assert.equal((await client.waitFor('done'))['totalBytes'], 70_003);
  assert.deepEqual(place.differences('got'), ['a.bin', 'b/d.bin', 'e.bin']);
  // What was not chosen is not there; its share of the pieces at the borders lies in the part file.
  assert.ok(!existsSync(place.path('got/share/a.bin')) && !existsSync(place.path('got/share/b/d.bin')));
  const parts = `.${(await client.waitFor('metadata'))['infoHashV1']}.parts`;
  assert.ok(existsSync(place.path('got', parts)));
  const rest = place.download(link, '--dir', 'got', '--files', '1-', ...state);
  await rest.end(0);
  assert.deepEqual(place.differences('got'), []);
  assert.ok(!existsSync(place.path('got', parts)), 'nothing is left of the part file');
  const fetched = (await rest.waitFor('done'))['downloadedBytes'] as number;
  assert.ok(fetched < 300_001, `pieces that were here are not fetched again, but ${fetched} bytes were`);
});

/** A seeder so slow that a download can be broken off in the middle. */
async function slowSwarm(t: TestContext): Promise<{ place: TransferPlace; begin: () => CliProcess }> {
  const place = new TransferPlace(t);
  writeFileSync(place.path('film'), makeBytes(800_000, 7));
  const seeder = await place.seed('film', '--upload-limit', '300K');
  const address = await seeder.address();
  const state = place.path('same-state');
  const begin = () => place.download('film.torrent', '--dir', 'got', '--peer', address, '--state-dir', state);
  return { place, begin };
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} in the middle: what is verified stays, the same command goes on`, async (t) => {
    const { place, begin } = await slowSwarm(t);
    const client = begin();
    const { doneBytes: before } = await client.waitFor('progress', (e) => (e['doneBytes'] as number) > 150_000);
    client.kill(signal);
    const { stderr } = await client.end(7);
    assert.deepEqual(kinds(client).slice(-2), ['stopped', 'error']);
    assert.match(stderr, /interrupted: film is not complete .* the same command resumes it/);
    const again = begin();
    const ready = await again.waitFor('ready');
    assert.ok(
      (ready['doneBytes'] as number) >= (before as number),
      `${ready['doneBytes']} of ${before} bytes are left`,
    );
    await again.end(0);
    assert.ok(place.read('got/film').equals(place.read('film')));
    const fetched = (await again.waitFor('done'))['downloadedBytes'] as number;
    assert.ok(fetched <= 800_000 - (before as number), `${fetched} bytes fetched again`);
  });
}

test('kill -9 in the middle: nothing that was verified is lost', async (t) => {
  const { place, begin } = await slowSwarm(t);
  let before = 0;
  // The first kill comes before any record could be saved on a timer, the second while one holds a part.
  for (const more of [100_000, 150_000]) {
    const client = begin();
    const ready = (await client.waitFor('ready'))['doneBytes'] as number;
    assert.ok(ready >= before, `${ready} of ${before} bytes are left`);
    const progress = await client.waitFor('progress', (e) => (e['doneBytes'] as number) > ready + more);
    client.kill('SIGKILL');
    await client.end(null);
    before = progress['doneBytes'] as number;
  }
  const last = begin();
  const ready = (await last.waitFor('ready'))['doneBytes'] as number;
  assert.ok(ready >= before, `${ready} of ${before} bytes are left`);
  await last.end(0);
  assert.ok(place.read('got/film').equals(place.read('film')));
  assert.ok(((await last.waitFor('done'))['downloadedBytes'] as number) <= 800_000 - before);
});

test('a second Ctrl-C ends at once, whatever is waited for', async (t) => {
  const place = new TransferPlace(t);
  // A tracker that takes every connection and never answers.
  const silent = createServer(() => {});
  const client = await withServer(t, silent, async (url) => {
    await place.seed('share', '--tracker', `${url}/announce`);
    return place.download('share.torrent', '--dir', 'got');
  });
  await client.waitFor('ready');
  client.kill('SIGINT');
  await client.waitForStderr(/^stopping \(once more to stop at once\)$/m);
  client.kill('SIGINT');
  await client.end(130);
});

test('trackers that are down or talk nonsense are told once, and do no harm', async (t) => {
  const place = new TransferPlace(t);
  const nonsense = createServer((_request, response) => response.end('<html>hello</html>'));
  await withServer(t, nonsense, async (url) => {
    const trackers = ['--tracker', `${url}/announce`, '--tracker', 'http://127.0.0.1:1/announce'];
    const seeder = await place.seed('share', ...trackers);
    const client = place.download('share.torrent', '--dir', 'got', '--seed', '--peer', await seeder.address());
    await Promise.all([
      client.waitFor('done'),
      client.waitFor('warning', (e) => e['code'] === 'tracker/garbage'),
      client.waitFor('warning', (e) => e['code'] === 'tracker/unreachable'),
    ]);
    client.kill('SIGTERM');
    const { stderr } = await client.end(0);
    assert.equal(stderr.match(/warning:/g)?.length, 2);
    assert.deepEqual(place.differences('got'), []);
  });
});

test('--timeout without peers: exit code 4, and the reason', async (t) => {
  const place = new TransferPlace(t);
  const made = await place.run('create', 'share', '--tracker', 'http://127.0.0.1:1/announce');
  assert.equal(made.code, 0);
  const client = place.download('share.torrent', '--dir', 'got', '--timeout', '1');
  const { stderr } = await client.end(4);
  assert.match(
    stderr,
    /eider: gave up on share: nothing came for 1 s \(no peers yet: tracker http:\S+ cannot be reached/,
  );
  assert.deepEqual(kinds(client).slice(-2), ['stopped', 'error']);
  assert.equal(client.events.at(-1)?.['code'], 'client/timeout');
});

test('--trace writes down why', async (t) => {
  const place = new TransferPlace(t);
  const seeder = await place.seed();
  const client = place.download('share.torrent', '--dir', 'got', '--peer', await seeder.address(), '--trace', 'why');
  await client.end(0);
  const { header, events, skippedLines } = decodeTrace(readFileSync(place.path('why'), 'utf8'));
  assert.equal(header.subject, 'share');
  assert.equal(skippedLines, 0);
  assert.ok(events.some((e) => e.kind === 'pick'));
});

test('a torrent by URL; an answer that is none is exit code 3', async (t) => {
  const place = new TransferPlace(t);
  const seeder = await place.seed();
  const server = createServer((request, response) => {
    if (request.url !== '/share.torrent') response.statusCode = 404;
    response.end(request.url === '/share.torrent' ? place.read('share.torrent') : 'no');
  });
  await withServer(t, server, async (url) => {
    const client = place.download(`${url}/share.torrent`, '--dir', 'got', '--peer', await seeder.address());
    await client.end(0);
    assert.deepEqual(place.differences('got'), []);
    const lost = await place.run('download', `${url}/lost.torrent`);
    assert.equal(lost.code, 3);
    assert.match(lost.stderr, /^eider: cannot fetch http:\S+: the server answered 404/);
  });
});

async function withServer<T>(
  t: TestContext,
  server: ReturnType<typeof createServer>,
  act: (url: string) => Promise<T>,
): Promise<T> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return act(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test as nodeTest, type TestContext } from 'node:test';
import { TransferPlace } from '../support/transfer-place.ts';

const test = (name: string, run: (t: TestContext) => Promise<void>) => nodeTest(name, { timeout: 30_000 }, run);

/** `eider run`, with a state folder that it keeps from run to run. */
function run(place: TransferPlace, ...args: readonly string[]) {
  return place.start('run', '--listen', '127.0.0.1:0', '--state-dir', place.path('run-state'), ...args);
}

test('run: downloads what it is given, remembers it though it is killed, and shares it from then on', async (t) => {
  const place = new TransferPlace(t);
  const seeder = await place.seed('share');
  const peer = ['--peer', await seeder.address()];
  const first = run(place, 'share.torrent', '--dir', 'got', ...peer);
  const added = await first.waitFor('added');
  assert.deepEqual([added['name'], added['dir']], ['share', place.path('got')]);
  await first.waitFor('done');
  assert.deepEqual(place.differences('got'), []);
  first.kill('SIGKILL');
  await first.ended;
  seeder.kill('SIGTERM');
  await seeder.end(0);

  const second = run(place);
  assert.equal((await second.waitFor('restored'))['torrentCount'], 1);
  const progress = await second.waitFor('progress');
  assert.deepEqual(progress['phases'], { dormant: 1 });
  const client = place.download('share.torrent', '--dir', 'again', '--peer', await second.address());
  await client.end(0);
  assert.deepEqual(place.differences('again'), []);
  assert.equal((await second.waitFor('waking'))['reason'], 'a peer');
  second.kill('SIGINT');
  await second.end(0);
  assert.equal((await second.waitFor('stopped'))['torrentCount'], 1);
});

test('run: several inputs, one of them here already; places for downloads', async (t) => {
  const place = new TransferPlace(t);
  const magnet = (n: number) => `magnet:?xt=urn:btih:${String(n).repeat(40)}&dn=number-${n}`;
  const first = run(place, magnet(1), magnet(2), magnet(3), magnet(1), '--active-downloads', '2');
  await first.waitForStderr(/is here already/);
  const { phases, active } = await first.waitFor('progress', (e) => e['torrentCount'] === 3);
  assert.deepEqual(phases, { 'fetching-metadata': 2, queued: 1 });
  // Nobody is known, and nobody is asked: it says so.
  const reasons = (active as { reason: { code: string } | null }[]).map(({ reason }) => reason?.code);
  assert.deepEqual(reasons, ['no-tracker', 'no-tracker']);
  first.kill('SIGTERM');
  await first.end(0);
  const second = run(place, '--active-downloads', 'all');
  assert.deepEqual((await second.waitFor('progress'))['phases'], { 'fetching-metadata': 3 });
  second.kill('SIGTERM');
  await second.end(0);
});

test('run: with nothing to run it says what to do; for people it shows sums', async (t) => {
  const place = new TransferPlace(t);
  const nothing = await place.run('run', '--listen', '127.0.0.1:0');
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /there is nothing to run yet: name a torrent or a magnet link/);
  const help = await place.run('run', '--help');
  assert.match(help.stdout, /--active-downloads <count>/);
  assert.doesNotMatch(help.stdout, /--trace/);
  const wrong = await place.run('run', '--active-downloads', '0');
  assert.equal(wrong.code, 2);
});

test('run: a state that cannot be read is named with its place, and left alone', async (t) => {
  const place = new TransferPlace(t);
  const state = place.path('state', 'session.state');
  mkdirSync(place.path('state'));
  writeFileSync(state, 'rubbish');
  const result = await place.run('run', '--listen', '127.0.0.1:0', '--state-dir', 'state');
  assert.equal(result.code, 1);
  assert.match(
    result.stderr,
    /^eider: the state of the session in .*session\.state is damaged: move it away to begin without/m,
  );
  assert.equal(readFileSync(state, 'utf8'), 'rubbish');
});

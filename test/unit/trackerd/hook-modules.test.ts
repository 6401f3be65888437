import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Millis, parseIp, seededRng } from '#base';
import { loadHookModules } from '#room/trackerd/policy/index';
import { AnnounceCall, DenseStore, type TrackerHooks, TrackerLogic, toTrackerLimits } from '#tracker';
import { makeTempFolder, writeTree } from '../../support/temp-folder.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const examples = ['only-our-network.mjs', 'favour-seeders.mjs', 'count-clients.mjs'];

function exampleUrl(name: string): string {
  return pathToFileURL(join(root, 'examples/tracker-hooks', name)).href;
}

/** @returns the refusal, or the call with its answer */
function announce(
  hooks: TrackerHooks[],
  o: { source?: string; uploaded?: number; downloaded?: number; now?: number } = {},
): string | AnnounceCall {
  const limits = toTrackerLimits({});
  const store = DenseStore.create({ limits, rng: seededRng(1) });
  const logic = new TrackerLogic({ store, limits, hooks, rng: seededRng(2) });
  const call = new AnnounceCall();
  call.ask(
    {
      infoHash: new Uint8Array(20),
      peerId: Buffer.from('-qB4650-xxxxxxxxxxxx'),
      port: 1,
      uploaded: o.uploaded ?? 0,
      downloaded: o.downloaded ?? 0,
      left: 1,
      event: 'none',
      numWant: -1,
      key: 0,
    },
    {
      via: 'udp',
      source: parseIp(o.source ?? '10.20.1.2') as Uint8Array,
      families: 4,
      peersMax: 100,
      out: new Uint8Array(600),
    },
  );
  return logic.announce((o.now ?? 0) as Millis, call)?.reason ?? call;
}

test('example: only our network', async () => {
  const hooks = await loadHookModules([exampleUrl('only-our-network.mjs')]);
  assert(announce(hooks) instanceof AnnounceCall);
  assert.equal(announce(hooks, { source: '198.51.100.1' }), 'this tracker serves the campus only');
  assert.equal(announce(hooks, { source: '2001:db8::1' }), 'this tracker serves the campus only');
});

test('example: favour seeders', async () => {
  const hooks = await loadHookModules([exampleUrl('favour-seeders.mjs')]);
  const poor = announce(hooks, { downloaded: 2 ** 31 }) as AnnounceCall;
  assert.equal(poor.numGiven, 10);
  assert.match(poor.warning, /upload something/);
  const good = announce(hooks, { downloaded: 2 ** 31, uploaded: 2 ** 31 }) as AnnounceCall;
  assert.equal(good.numGiven, 50);
  assert.equal(good.warning, '');
});

test('example: count clients', async (t) => {
  const hooks = await loadHookModules([exampleUrl('count-clients.mjs')]);
  const lines: unknown[] = [];
  t.mock.method(console, 'log', (line: unknown) => lines.push(line));
  for (const now of [0, 1, 60_000, 60_001]) announce(hooks, { now });
  assert.deepEqual(lines, ['-qB,3']);
});

test('the examples of the document are those that are tested', () => {
  const text = readFileSync(join(root, 'docs/tracker-hooks.md'), 'utf8');
  for (const name of examples) {
    const code = readFileSync(join(root, 'examples/tracker-hooks', name), 'utf8');
    assert(text.includes(`<!-- ${name} -->\n\`\`\`js\n${code}\`\`\`\n`), name);
    assert(code.trim().split('\n').length <= 13, `${name} is short`);
  }
});

const wrong: readonly [name: string, source: string, what: RegExp][] = [
  ['nothing', 'export const x = 1;', /exports none of preAnnounce, postAnnounce, preScrape/],
  ['a function by default', 'export default () => {};', /exports function in place of an object of hooks/],
  ['no function', 'export const preAnnounce = 1;', /preAnnounce is no function/],
  ['an async hook', 'export const hooks = { async preScrape() {} };', /preScrape must not be async/],
  ['no JavaScript', 'export const', /hooks .*wrong\.mjs: /],
  ['an exception', 'throw new Error("no database")', /no database/],
];

for (const [name, source, what] of wrong) {
  test(`a module with ${name} is refused`, async (t) => {
    const folder = writeTree(makeTempFolder(t), { 'wrong.mjs': source });
    const url = pathToFileURL(join(folder, 'wrong.mjs')).href;
    await assert.rejects(loadHookModules([url]), (error: Error & { code: string }) => {
      assert.equal(error.code, 'config/invalid');
      assert.match(error.message, what);
      return error.message.includes(url);
    });
  });
}

test('named exports, an object, a list, a default: all are hooks', async (t) => {
  const folder = writeTree(makeTempFolder(t), {
    '1.mjs': 'export function preAnnounce() { return { reason: "1" }; }',
    '2.mjs': 'export const hooks = { preAnnounce() { return { reason: "2" }; } };',
    '3.mjs': 'export const hooks = [{ postAnnounce() {} }, { preAnnounce() { return { reason: "3" }; } }];',
    '4.mjs': 'export default { reason: "4", preAnnounce() { return { reason: this.reason }; } };',
  });
  for (const name of ['1', '2', '3', '4']) {
    const hooks = await loadHookModules([pathToFileURL(join(folder, `${name}.mjs`)).href]);
    assert.equal(announce(hooks), name);
  }
});

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createTorrent } from '#create';
import { eiderPath } from '../support/run-cli.ts';
import { makeTempFolder, writeTree } from '../support/temp-folder.ts';
import { compareTree, contents, toTree } from './support/contents.ts';
import { describeUnless, whyNoInterop } from './support/describe.ts';
import { EventProgram } from './support/event-program.ts';
import { libtorrent } from './support/libtorrent.ts';
import { makeNetwork, type NetworkSide } from './support/network.ts';

// What people type, from end to end. All else is tried with the library: test/interop/libtorrent.test.ts and its like.
const what = contents.multi;
const whole = { keepsPads: false, skipsEmpty: false };
const obstacle = await whyNoInterop(libtorrent);
const timeout = 60_000;

function start(side: NetworkSide, work: string, ...args: string[]): EventProgram {
  const env = { EIDER_STATE_DIR: join(work, 'state') };
  return new EventProgram(side, [process.execPath, eiderPath, ...args, '--json'], { env });
}

async function urlOf(tracker: EventProgram, protocol: 'http' | 'udp'): Promise<string> {
  await tracker.until('ready');
  const { host, port } = await tracker.until('listening', (said) => said['protocol'] === protocol);
  return `${protocol}://${String(host)}:${String(port)}/announce`;
}

function makeWork(t: TestContext): { work: string; given: string; taken: string } {
  const work = makeTempFolder(t);
  const given = writeTree(join(work, 'given'), toTree(what));
  return { work, given, taken: writeTree(join(work, 'taken'), {}) };
}

describeUnless(obstacle, 'interop of the commands', () => {
  test('eider tracker and eider seed: libtorrent downloads by the link that is printed', { timeout }, async (t) => {
    const { work, given, taken } = makeWork(t);
    await using network = await makeNetwork();
    const { near, far } = network;
    await using tracker = start(near, work, 'tracker', '--http', `${near.host}:0`, '--udp', `${near.host}:0`);
    const trackers = ['--tracker', await urlOf(tracker, 'http')];
    const path = join(given, what.name);
    const listen = ['--listen', `${near.host}:0`, '--output', join(work, 'made.torrent')];
    await using seed = start(near, work, 'seed', path, '--format', 'hybrid', ...trackers, ...listen);
    const { magnet } = await seed.until('created');
    await seed.until('ready');
    const task = { side: far, workFolder: work, tracker: 'http', isSeeder: false } as const;
    await using foreign = await libtorrent.start({ ...task, input: String(magnet), folder: taken });
    await Promise.race([foreign.complete, seed.fails, tracker.fails]);
    await foreign[Symbol.asyncDispose]();
    assert.deepEqual(compareTree(taken, what, whole), []);
  });

  test('eider download: takes from libtorrent by a magnet link, and ends by itself', { timeout }, async (t) => {
    const { work, given, taken } = makeWork(t);
    await using network = await makeNetwork();
    const { near, far } = network;
    await using tracker = start(near, work, 'tracker', '--udp', `${near.host}:0`);
    const url = await urlOf(tracker, 'udp');
    const { bytes, torrent } = await createTorrent(join(given, what.name), { format: 'v2', trackers: [[url]] });
    const file = join(work, 'made.torrent');
    await writeFile(file, bytes);
    const task = { side: far, workFolder: work, tracker: 'udp', isSeeder: true } as const;
    await using foreign = await libtorrent.start({ ...task, input: file, folder: given });
    await foreign.complete;
    const magnet = `magnet:?xt=urn:btmh:1220${torrent.info.hashV2}&tr=${encodeURIComponent(url)}`;
    await using download = start(near, work, 'download', magnet, '--dir', taken, '--listen', `${near.host}:0`);
    assert.equal(await download.program.ended, 0, download.program.output);
    assert.ok(download.hasSaid('done', () => true));
    assert.deepEqual(compareTree(taken, what, whole), []);
  });
});

/** Eider's client with trackers of others. */
import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createTorrent } from '#create';
import { makeBytes, makeTempFolder, writeTree } from '../support/temp-folder.ts';
import { type Contents, compareTree, toTree } from './support/contents.ts';
import { describeUnless } from './support/describe.ts';
import { EiderSide } from './support/eider.ts';
import { announceUrl, bittorrentTracker, type ForeignTracker, openTracker } from './support/foreign-tracker.ts';
import { makeNetwork, whyNoNetwork } from './support/network.ts';

const shared: Contents = { name: 'shared.bin', files: { '': makeBytes(300_001, 1) } };
const timeout = 30_000;
const noNetwork = await whyNoNetwork();

/** Two of us find each other through it, and are told how many there are. */
async function runTransfer(t: TestContext, tracker: ForeignTracker, protocol: 'http' | 'udp'): Promise<void> {
  const work = makeTempFolder(t);
  await using network = await makeNetwork();
  const { near, far } = network;
  const given = writeTree(join(work, 'given'), toTree(shared));
  const taken = writeTree(join(work, 'taken'), {});
  const trackers = [[announceUrl(near, protocol)]];
  const { bytes, torrent } = await createTorrent(join(given, shared.name), { format: 'v1', trackers });
  const input = join(work, 'shared.torrent');
  await writeFile(input, bytes);
  const folder = join(work, 'tracker');
  await mkdir(folder);
  // The tracker's user must be able to come this far.
  await chmod(work, 0o755);
  await using program = await tracker.start(near, folder, torrent.info.hashV1 as string);
  await using seeder = new EiderSide(near);
  await using taker = new EiderSide(far);
  const fails = Promise.race([program.untilItDies(), seeder.fails, taker.fails]);

  seeder.tell({ do: 'add', host: near.host, input, folder: given });
  await Promise.race([seeder.until('ready'), fails]);
  taker.tell({ do: 'add', host: far.host, input, folder: taken });
  await Promise.race([taker.until('done'), fails]);
  assert.deepEqual(compareTree(taken, shared, { keepsPads: false, skipsEmpty: false }), []);

  if (protocol === 'http' && !tracker.scrapesByHttp) return;
  await untilScraped(taker, { complete: 2, incomplete: 0, ...(tracker.countsDownloads && { downloaded: 1 }) });
  assert.equal(await seeder.quit(), 0);
  await untilScraped(taker, { complete: 1, incomplete: 0 });
  assert.equal(await taker.quit(), 0);
}

/** What we tell the tracker is on its way when we say it: asks until it has come. */
async function untilScraped(side: EiderSide, wanted: Readonly<Record<string, number>>): Promise<void> {
  for (let n = 0; ; n++) {
    side.tell({ do: 'scrape', n });
    const { answers } = await side.until('scrape', (said) => said['n'] === n);
    const [answer] = answers as readonly Record<string, unknown>[];
    assert.equal(answer?.['ok'], true, JSON.stringify(answers));
    if (Object.entries(wanted).every(([key, value]) => answer?.[key] === value)) return;
  }
}

for (const tracker of [openTracker, bittorrentTracker]) {
  const obstacle = noNetwork ?? tracker.missing();
  if (obstacle !== undefined && process.env['CI'] === 'true') throw new Error(`must run in CI, but ${obstacle}`);
  describeUnless(obstacle, `Eider's client with ${tracker.name}`, () => {
    for (const protocol of ['http', 'udp'] as const) {
      const what = protocol === 'http' && !tracker.scrapesByHttp ? 'announces' : 'announces and scrapes';
      test(`${what} over ${protocol}`, { timeout }, (t) => runTransfer(t, tracker, protocol));
    }
  });
}

/** The tracker as operators run it, with the clients that people have. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { loadUdpBatches } from '#node';
import { writeTree } from '../support/temp-folder.ts';
import { aria2 } from './support/aria2.ts';
import { describeUnless, whyNoInterop } from './support/describe.ts';
import type { ForeignClient } from './support/foreign.ts';
import { libtorrent } from './support/libtorrent.ts';
import { type ClientTask, sharedBytes, TrackerPlace, within } from './support/tracker-place.ts';
import { transmission } from './support/transmission.ts';
import type { TrackerProtocol } from './support/whole-tracker.ts';

const clients: readonly ForeignClient[] = [libtorrent, aria2, transmission];
const obstacles = await Promise.all(clients.map(whyNoInterop));
const batches = await loadUdpBatches();
const noBatches = batches.isAvailable ? undefined : `no batched UDP: ${batches.reason}`;
if (noBatches !== undefined && process.env['CI'] === 'true') throw new Error(`must run in CI, but ${noBatches}`);
const obstacle = obstacles.find((why) => why !== undefined) ?? noBatches;
const workMs = 45_000;
const timeout = workMs + 15_000;
/** A connection id that a client holds is of no use to it for a minute: BEP 15. */
const restartMs = 90_000;

interface Transfer {
  readonly from: readonly [ForeignClient, TrackerProtocol];
  readonly to: readonly [ForeignClient, TrackerProtocol];
  readonly ipv6?: boolean;
}

// Of IPv6, aria2 knows HTTP only, and Transmission 3.00 reads no address in the announce URL.
const transfers: readonly Transfer[] = [
  { from: [libtorrent, 'udp'], to: [aria2, 'udp'] },
  { from: [aria2, 'udp'], to: [transmission, 'http'] },
  { from: [transmission, 'udp'], to: [libtorrent, 'https'] },
  { from: [libtorrent, 'http'], to: [transmission, 'udp'] },
  { from: [transmission, 'https'], to: [aria2, 'https'] },
  { from: [aria2, 'http'], to: [libtorrent, 'udp'] },
  { from: [libtorrent, 'udp'], to: [aria2, 'http'], ipv6: true },
  { from: [aria2, 'https'], to: [libtorrent, 'udp'], ipv6: true },
];

function nameOf({ from, to, ipv6 }: Transfer): string {
  return `${from[0].name} by ${from[1]} to ${to[0].name} by ${to[1]}${ipv6 === true ? ', IPv6' : ''}`;
}

/** Everything that a tracker is for: they find each other, and it knows who has what. */
async function runTransfer(t: TestContext, { from, to, ipv6 = false }: Transfer): Promise<void> {
  await using place = await TrackerPlace.open(t, { ipv6 });
  const { tracker, infoHash } = place;
  await within(place, workMs, async () => {
    const seeder = await place.start(from[0], { isSeeder: true, protocol: from[1] });
    await tracker.untilCounts(infoHash, { seeders: 1, leechers: 0, downloads: 0 });
    const taker = await place.start(to[0], { isSeeder: false, protocol: to[1] });
    await Promise.race([taker.complete, tracker.fails]);
    await tracker.untilCounts(infoHash, { seeders: 2, leechers: 0, downloads: 1 });
    const { near, far } = place.network;
    assert.deepEqual(await tracker.peerHosts(infoHash), [near.host, far.host]);
    await place.stop(taker);
    await tracker.untilCounts(infoHash, { seeders: 1, leechers: 0, downloads: 1 });
    assert.deepEqual(place.compare(taker), []);
    await place.stop(seeder);
    await tracker.untilCounts(infoHash, { seeders: 0, leechers: 0, downloads: 1 });
    assert.equal(await tracker.stop(), 0);
  });
}

/** What libtorrent is told of the swarm's size when it asks. */
async function runScrapes(t: TestContext): Promise<void> {
  await using place = await TrackerPlace.open(t);
  const { tracker, infoHash } = place;
  await within(place, workMs, async () => {
    const byUdp = await place.start(libtorrent, { isSeeder: true, protocol: 'udp' });
    const byHttp = await place.start(libtorrent, { isSeeder: false, protocol: 'http' });
    await byHttp.complete;
    // It looks by itself after each announce.
    const asksByHttp = await place.start(transmission, { isSeeder: true, protocol: 'http' });
    const asksByUdp = await place.start(transmission, { isSeeder: false, protocol: 'udp' });
    await asksByUdp.complete;
    await tracker.untilCounts(infoHash, { seeders: 4, leechers: 0, downloads: 2 });
    for (const run of [byUdp, byHttp]) {
      await run.scrape?.();
      await place.untilSays(run, /"scrape", "complete": 4, "incomplete": 0/);
    }
    for (const run of [asksByHttp, asksByUdp]) {
      await place.untilSays(run, /Tracker had [1-4] seeders and [01] leechers/);
    }
  });
}

interface User {
  readonly user: { readonly id: number };
  readonly passkey: string;
}

const privateConfig = (folder: string) => [
  `[private]\nenabled = true\nusers = "${folder}/users.json"\naccounts = "${folder}/accounts"`,
];

/** What one user sent is what the other got, and both are on the accounts. */
async function runAccounts(t: TestContext, { from, to }: Transfer): Promise<void> {
  await using place = await TrackerPlace.open(t, { config: privateConfig });
  const { tracker, infoHash } = place;
  await within(place, workMs, async () => {
    const ann = (await tracker.api('POST', '/users', { name: 'ann' })) as User;
    const bob = (await tracker.api('POST', '/users', { name: 'bob' })) as User;
    const seeder = await place.start(from[0], { isSeeder: true, protocol: from[1], passkey: ann.passkey });
    await tracker.untilCounts(infoHash, { seeders: 1 });
    const taker = await place.start(to[0], { isSeeder: false, protocol: to[1], passkey: bob.passkey });
    await Promise.race([taker.complete, tracker.fails]);
    await tracker.untilCounts(infoHash, { seeders: 2, downloads: 1 });
    await place.stop(taker);
    await place.stop(seeder);
    await tracker.untilCounts(infoHash, { seeders: 0 });
    for (const [{ user }, uploaded, downloaded] of [
      [ann, sharedBytes, 0],
      [bob, 0, sharedBytes],
    ] as const) {
      const sums = async () => {
        const account = (await tracker.api('GET', `/users/${user.id}`)) as Record<string, unknown>;
        return [account['uploaded'], account['downloaded']];
      };
      await tracker.until(async () => isEqual(await sums(), [uploaded, downloaded]));
    }
  });
}

function isEqual(a: readonly unknown[], b: readonly unknown[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

interface Refusal {
  readonly client: ForeignClient;
  readonly task: ClientTask;
  readonly says: RegExp;
}

/** All of them are turned away, and show why. */
async function runRefusals(
  t: TestContext,
  config: (folder: string) => readonly string[],
  refusals: readonly Refusal[],
  prepare: (place: TrackerPlace) => Promise<unknown> = async () => {},
): Promise<void> {
  await using place = await TrackerPlace.open(t, { config });
  await within(place, workMs, async () => {
    await prepare(place);
    await Promise.all(
      refusals.map(async ({ client, task, says }) => place.untilSays(await place.start(client, task), says)),
    );
    assert.equal(await place.tracker.countsOf(place.infoHash), undefined);
  });
}

const announcesEvery = (interval: string) => `[intervals]\nannounce = "${interval}"\njitter = "0s"\nminimum = "1s"`;

/** With a snapshot a restart is nothing that clients notice: they go on with the connection ids that they have. */
async function runRestart(t: TestContext, client: ForeignClient): Promise<void> {
  const config = (folder: string) => [announcesEvery('12s'), `[snapshot]\nfile = "${folder}/swarms"`];
  await using place = await TrackerPlace.open(t, { config });
  const { tracker, infoHash } = place;
  await within(place, workMs, async () => {
    const run = await place.start(client, { isSeeder: true, protocol: 'udp' });
    await tracker.untilCounts(infoHash, { seeders: 1 });
    // What is asked of a tracker that is down, it waits for for a minute.
    if (client === transmission) await place.untilSays(run, /Tracker had 1 seeders/);
    assert.equal(await tracker.stop(), 0);
    await tracker.start();
    await tracker.untilCounts(infoHash, { seeders: 1 });
    // It announces every five minutes at the most.
    if (client === libtorrent) await run.announce?.();
    await tracker.until(async () => /kind="announce",network="ipv4"\} [1-9]/.test(await tracker.metrics()));
    assert.match(await tracker.metrics(), /^eider_tracker_requests_total\{transport="udp",kind="connect"\} 0$/m);
  });
}

/**
 * The tracker forgets everything, its secret for connection ids too. Who has an id of before is told, and connects again when the id is
 * as old as ids may get.
 */
async function runOblivion(t: TestContext, client: ForeignClient): Promise<void> {
  const config = () => [announcesEvery('5s')];
  await using place = await TrackerPlace.open(t, { config });
  const { tracker, infoHash } = place;
  await within(place, restartMs, async () => {
    // libtorrent can be told not to take a minute for it.
    const settings = { udp_tracker_token_expiry: 5, tracker_backoff: 0 };
    const run = await place.start(client, { isSeeder: true, protocol: 'udp', settings });
    await tracker.untilCounts(infoHash, { seeders: 1 });
    assert.equal(await tracker.stop(), 0);
    await tracker.start();
    assert.equal(await tracker.countsOf(infoHash), undefined);
    // It announces every five minutes at the most.
    if (client === libtorrent) await run.announce?.();
    await tracker.untilCounts(infoHash, { seeders: 1 });
    assert.match(await tracker.metrics(), /^eider_tracker_requests_total\{transport="udp",kind="forged_ids"\} [1-9]/m);
  });
}

const unknown = /the passkey is not known, take the torrent file again/;
const missing = /no passkey came, take the torrent file again or announce by HTTP/;
const denied = /this torrent is not allowed here/;
/** libtorrent 2.0.8 takes the reason from the wrong place of a UDP packet, and has an empty one. */
const nothing = /tracker sent a failure message \\"\\" \(1\)/;
const unwanted = /this client or version is not allowed here/;
const passkey = 'x'.repeat(32);

describeUnless(obstacle, 'the whole tracker', describeClients, 7);

function describeClients(): void {
  // Transmission 3.00 gives up for 5 to 15 minutes when its second try comes within the same minute.
  for (const client of [aria2, libtorrent]) {
    const name = `${client.name} is back when the tracker has forgotten its connection ids`;
    test(name, { timeout: restartMs + 15_000 }, (t) => runOblivion(t, client));
  }
  for (const client of clients) {
    test(`${client.name} goes on after a restart`, { timeout }, (t) => runRestart(t, client));
  }
  for (const transfer of transfers) test(nameOf(transfer), { timeout }, (t) => runTransfer(t, transfer));
  test('scrapes by UDP and HTTP', { timeout }, (t) => runScrapes(t));
  for (const transfer of [
    { from: [libtorrent, 'udp'], to: [libtorrent, 'http'] },
    { from: [aria2, 'http'], to: [libtorrent, 'udp'] },
    { from: [libtorrent, 'udp'], to: [transmission, 'https'] },
  ] as const) {
    test(`accounts: ${nameOf(transfer)}`, { timeout }, (t) => runAccounts(t, transfer));
  }
  test('a wrong passkey is told', { timeout }, (t) =>
    runRefusals(t, privateConfig, [
      { client: libtorrent, task: { isSeeder: true, protocol: 'http', passkey }, says: unknown },
      { client: libtorrent, task: { isSeeder: false, protocol: 'udp', passkey }, says: nothing },
      { client: aria2, task: { isSeeder: true, protocol: 'http', passkey }, says: unknown },
      { client: transmission, task: { isSeeder: true, protocol: 'http', passkey }, says: unknown },
      // These two do not send the path of a UDP tracker (BEP 41).
      { client: aria2, task: { isSeeder: false, protocol: 'udp', passkey }, says: missing },
      { client: transmission, task: { isSeeder: false, protocol: 'udp', passkey }, says: missing },
    ]),
  );
  test('a torrent that is on the deny list is told', { timeout }, async (t) => {
    const config = (folder: string) => {
      writeTree(folder, { 'deny.txt': Buffer.alloc(0) });
      return [`[lists]\nmode = "deny"\ndeny = "${folder}/deny.txt"`];
    };
    const refusals = [
      { client: libtorrent, task: { isSeeder: true, protocol: 'udp' }, says: nothing },
      { client: aria2, task: { isSeeder: true, protocol: 'http' }, says: denied },
      { client: transmission, task: { isSeeder: true, protocol: 'udp' }, says: denied },
    ] as const;
    // All threads know it at once.
    await runRefusals(t, config, refusals, ({ tracker, infoHash }) => tracker.api('PUT', `/lists/deny/${infoHash}`));
  });
  test('a client that a rule turns away is told', { timeout }, (t) =>
    runRefusals(t, () => ['[clients]\ndeny = ["-LT >=2.0 <3", "A2-1-36", "-TR >=3.0.0 <4"]'], [
      { client: libtorrent, task: { isSeeder: true, protocol: 'http' }, says: unwanted },
      { client: aria2, task: { isSeeder: true, protocol: 'udp' }, says: unwanted },
      { client: transmission, task: { isSeeder: true, protocol: 'http' }, says: unwanted },
    ]),
  );
}

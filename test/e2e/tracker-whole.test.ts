/** The parts of a tracker together: what one of them learns, the others know. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { BtError, formatAddress, type PeerAddress, swarmKeyBytes, toHex } from '#base';
import { parseTorrentFile } from '#metainfo';
import { loadUdpBatches, TrackerClient } from '#node';
import { startTracker, type Tracker, type TrackerEvent, type TrackerOptions } from '#trackerd';
import type { AnnounceRequest } from '#wire';
import { nodeCrypto } from '../support/node-crypto.ts';
import { makeTempFolder } from '../support/temp-folder.ts';
import { makeTorrent } from '../support/torrents.ts';

const TOKEN = 'f00dfeedf00dfeedf00dfeedf00dfeed';
const here = [{ host: '127.0.0.1', port: 0 }];
const batches = await loadUdpBatches();
const client = new TrackerClient({ timeoutMs: 5_000 });
after(() => client.close());
const made = makeTorrent({ name: 'made', format: 'hybrid', files: { 'a.bin': 40_000, 'b.bin': 50_000 } });
const hashOf = (torrent = made) => swarmKeyBytes(torrent.torrent.info.hashV1 as never);

class Place {
  readonly events: TrackerEvent[] = [];
  tracker!: Tracker;

  static async start(t: TestContext, options: TrackerOptions): Promise<Place> {
    const place = new Place();
    place.tracker = await startTracker({ http: here, udp: here, onEvent: (e) => place.events.push(e), ...options });
    t.after(() => place.tracker.close());
    return place;
  }

  at(protocol: 'http' | 'udp'): string {
    const found = this.tracker.addresses.find((a) => a.protocol === protocol);
    return formatAddress(found as PeerAddress);
  }

  async announce(protocol: 'http' | 'udp', over: Partial<AnnounceRequest>, passkey?: string) {
    const path = passkey === undefined ? '/announce' : `/${passkey}/announce`;
    return await client.announce(`${protocol}://${this.at(protocol)}${path}`, {
      infoHash: hashOf(),
      peerId: new Uint8Array(20).fill(over.port ?? 1),
      port: 1,
      uploaded: 0,
      downloaded: 0,
      left: 100,
      event: 'started',
      numWant: 50,
      key: 1,
      ...over,
    });
  }

  /** @returns how many peers were given, or the reason of the refusal */
  async given(protocol: 'http' | 'udp', over: Partial<AnnounceRequest>, passkey?: string): Promise<number | string> {
    const result = await this.announce(protocol, over, passkey);
    if (result.ok) return result.response.peers.length;
    assert(BtError.is(result.error, 'tracker/refused'), String(result.error));
    return result.error.detail.reason;
  }

  async api(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(`http://${this.at('http')}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  }
}

const policy = {
  private: undefined,
  listMode: 'open' as const,
  allowFile: undefined,
  denyFile: undefined,
  clientsAllow: [],
  clientsDeny: [],
  clientsBanned: [],
};

test('one swarm, whatever it is announced by', async (t) => {
  const place = await Place.start(t, {});
  assert.equal(await place.given('http', { port: 1 }), 0);
  assert.equal(await place.given('udp', { port: 2 }), 1);
  assert.equal(await place.given('http', { port: 3 }), 2);
  const mode = place.events.find((e) => e.type === 'udp.mode');
  assert.equal(mode?.mode, batches.isAvailable ? 'batched' : 'dgram');
});

test('batched UDP can be demanded, and done without', async (t) => {
  const functions = { hooks: [{}], udpBatch: 'on' as const };
  const demanded = startTracker({ udp: here, ...functions });
  await assert.rejects(demanded, (error) => BtError.is(error, 'config/invalid'));
  const place = await Place.start(t, { udpBatch: 'off' });
  const mode = place.events.find((e) => e.type === 'udp.mode');
  assert.deepEqual([mode?.mode, mode?.reason], ['dgram', 'switched off']);
  assert.equal(await place.given('udp', { port: 1 }), 0);
});

test('what is changed over the API while the UDP threads begin holds for them', async (t) => {
  const file = join(makeTempFolder(t), 'denied.txt');
  writeFileSync(file, '');
  let reloading: Promise<Response> | undefined;
  const place = await Place.start(t, {
    admin: { token: TOKEN },
    policy: { ...policy, listMode: 'deny', denyFile: file },
    onEvent: (event) => {
      if (event.type !== 'listening' || event.protocol !== 'http') return;
      writeFileSync(file, toHex(hashOf()));
      const headers = { authorization: `Bearer ${TOKEN}` };
      reloading = fetch(`http://${formatAddress(event)}/api/v1/reload`, { method: 'POST', headers });
    },
  });
  assert.equal((await reloading)?.status, 200);
  // Threads are told by a message: they follow in a moment.
  while (typeof (await place.given('udp', { port: 1 })) === 'number');
});

test('who stops a tracker does not wait until its snapshot is read', async (t) => {
  const file = join(makeTempFolder(t), 'swarms');
  const snapshot = { file, everyMs: 3_600_000 };
  await (await startTracker({ http: here, snapshot })).close();
  const before = readFileSync(file);
  await assert.rejects(startTracker({ http: here, snapshot, signal: AbortSignal.abort() }), (error) => {
    assert(BtError.is(error, 'client/aborted'));
    assert.match(error.message, /reading/);
    return true;
  });
  assert.deepEqual(readFileSync(file), before);
});

test('only the pages of named origins may open a WebSocket; programs may', async (t) => {
  const place = await Place.start(t, { webOrigins: ['https://a.example'] });
  const status = (origin: string | undefined) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = {
        ...{ connection: 'Upgrade', upgrade: 'websocket' },
        ...{ 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' },
        ...(origin !== undefined && { origin }),
      };
      const asked = request(`http://${place.at('http')}/announce`, { headers });
      asked.on('response', (response) => resolve(response.resume().statusCode));
      asked.on('upgrade', (response, socket) => {
        socket.destroy();
        resolve(response.statusCode);
      });
      asked.on('error', reject);
      asked.end();
    });
  assert.equal(await status('https://a.example'), 101);
  assert.equal(await status(undefined), 101);
  assert.equal(await status('https://b.example'), 403);
});

test('a catalogue that is the allow list: what is uploaded is tracked at once, by all threads, and what is removed is not', async (t) => {
  const folder = makeTempFolder(t);
  const place = await Place.start(t, {
    admin: { token: TOKEN },
    catalogue: { folder, canUpload: true, isListedOnly: true },
  });
  const unlisted = 'this tracker serves only the torrents of its catalogue';
  for (const protocol of ['http', 'udp'] as const) assert.equal(await place.given(protocol, { port: 1 }), unlisted);
  const torrent = Buffer.from(made.bytes).toString('base64');
  const { id } = await place.api('POST', '/catalogue', { torrent, title: 'Made' });
  assert.equal(id, toHex(hashOf()));
  assert.equal(await place.given('udp', { port: 1, left: 0 }), 0);
  assert.equal(await place.given('http', { port: 2 }), 1);
  // The other swarm of a hybrid is listed too.
  const infoHash = swarmKeyBytes(made.torrent.info.hashV2 as never);
  assert.equal(await place.given('udp', { port: 3, infoHash }), 0);

  const base = `http://${place.at('http')}/torrents`;
  const list = await (await fetch(base)).text();
  assert.match(list, /Made/);
  const page = await (await fetch(`${base}/${id}`)).text();
  assert.match(page, /<dt>Seeders<\/dt><dd>1<\/dd><dt>Leechers<\/dt><dd>2<\/dd>/);
  const file = new Uint8Array(await (await fetch(`${base}/${id}.torrent`)).arrayBuffer());
  const urls = parseTorrentFile(file, nodeCrypto).trackers.flat();
  const udpPort = place.at('udp').split(':')[1];
  assert.deepEqual(urls, [
    `http://${place.at('http')}/announce`,
    `udp://127.0.0.1:${udpPort}/announce`,
    `ws://${place.at('http')}/announce`,
  ]);
  assert.match(await (await fetch(`${base}/feed.xml`)).text(), new RegExp(`${id}\\.torrent`));
  // A form is as good as the API; who has no token gets nowhere.
  const form = async (token: string) => {
    const body = new FormData();
    body.set('token', token);
    body.set('magnet', `magnet:?xt=urn:btih:${'cd'.repeat(20)}&dn=By+form`);
    return await fetch(`${base}/upload`, { method: 'POST', body, redirect: 'manual' });
  };
  assert.equal((await form('guess')).status, 401);
  assert.equal((await form(TOKEN)).status, 303);
  assert.equal(await place.given('udp', { port: 4, infoHash: new Uint8Array(20).fill(0xcd) }), 0);

  await place.api('DELETE', `/catalogue/${id}`);
  for (const protocol of ['http', 'udp'] as const) assert.equal(await place.given(protocol, { port: 1 }), unlisted);
  // What lies in the folder is taken up by a reload.
  writeFileSync(join(folder, 'any name.torrent'), made.bytes);
  const report = await place.tracker.reload();
  assert.deepEqual(report, { done: ['catalogue: 2 torrents'], failed: [] });
  assert.notEqual(await place.given('http', { port: 1 }), unlisted);
  // Other threads are told by a message: they follow in a moment.
  while ((await place.given('udp', { port: 1 })) === unlisted);
});

test('private: what a user uploads by UDP and HTTP is on his account, and is there after a restart', async (t) => {
  const folder = makeTempFolder(t);
  const options: TrackerOptions = {
    admin: { token: TOKEN },
    policy: {
      ...policy,
      private: {
        usersFile: join(folder, 'users.json'),
        accountsFile: join(folder, 'accounts'),
        saveEveryMs: 3_600_000,
        torrentsMax: 0,
        placesMax: 0,
        ratioMinimum: 0,
        ratioAfterBytes: 0,
        lineBytesPerSec: 0,
        creditImplausible: false,
        scrape: 'users',
        catalogue: 'users',
      },
    },
    catalogue: { folder: join(folder, 'torrents'), canUpload: true, isListedOnly: false },
    snapshot: { file: join(folder, 'swarms'), everyMs: 3_600_000 },
  };
  const first = await Place.start(t, options);
  const create = async (name: string) => (await first.api('POST', '/users', { name })) as { passkey: string };
  const ann = (await create('ann')).passkey;
  const bob = (await create('bob')).passkey;
  assert.match(String(await first.given('udp', { port: 1 })), /passkey/);
  assert.match(String(await first.given('http', { port: 1 }, 'x'.repeat(32))), /passkey/);
  await first.given('udp', { port: 1, left: 0 }, ann);
  assert.equal(await first.given('http', { port: 2 }, bob), 1);
  await first.given('udp', { port: 1, left: 0, uploaded: 90_000, event: 'none' }, ann);
  await first.given('http', { port: 2, downloaded: 90_000, left: 0, event: 'completed' }, bob);
  // The catalogue is for members, and gives them torrents with their passkey.
  const base = `http://${first.at('http')}/torrents`;
  assert.equal((await fetch(base)).status, 401);
  const { id } = await first.api('POST', '/catalogue', { torrent: Buffer.from(made.bytes).toString('base64') });
  const file = new Uint8Array(await (await fetch(`${base}/${id}.torrent?passkey=${ann}`)).arrayBuffer());
  assert(parseTorrentFile(file, nodeCrypto).trackers.flat()[0]?.endsWith(`/${ann}/announce`));
  // Who adds to it is for the operator to say.
  const upload = async (passkey: string) => {
    const body = new FormData();
    body.set('token', passkey);
    body.set('magnet', `magnet:?xt=urn:btih:${'cd'.repeat(20)}&dn=By+a+member`);
    return (await fetch(`${base}/upload`, { method: 'POST', body, redirect: 'manual' })).status;
  };
  assert.equal(await upload(ann), 401);
  await first.api('PATCH', '/users/1', { mayUpload: true });
  assert.equal(await upload(ann), 303);
  assert.equal((await first.api('GET', `/catalogue/${'cd'.repeat(20)}`))['addedBy'], 'ann');
  await first.tracker.close();

  assert(existsSync(join(folder, 'swarms')) && existsSync(join(folder, 'accounts')));
  const second = await Place.start(t, options);
  const { users } = (await second.api('GET', '/users')) as { users: Record<string, unknown>[] };
  assert.deepEqual(
    users.map(({ name, uploaded, downloaded }) => [name, uploaded, downloaded]),
    [
      ['ann', 90_000, 0],
      ['bob', 0, 90_000],
    ],
  );
  // The swarm is back: two seeders and one download, and a newcomer is given both.
  assert.equal(await second.given('udp', { port: 3 }, bob), 2);
  const swarm = await second.api('GET', `/swarms/${toHex(hashOf())}`);
  assert.deepEqual([swarm['seeders'], swarm['leechers'], swarm['downloads']], [2, 1, 1]);
});

test('a snapshot that is cut or no snapshot: the one before counts; a file of something else is left alone', async (t) => {
  const file = join(makeTempFolder(t), 'swarms');
  const options: TrackerOptions = { snapshot: { file, everyMs: 3_600_000 } };
  writeFileSync(file, 'x'.repeat(100));
  await assert.rejects(startTracker({ ...options, http: here }), (error) => BtError.is(error, 'swarm/state-damaged'));
  assert.equal(readFileSync(file, 'utf8').length, 100);
  rmSync(file);
  const first = await Place.start(t, options);
  await first.given('http', { port: 1 });
  await first.tracker.close();
  // Saved again by one that knew nothing new, and cut.
  const second = await Place.start(t, options);
  await second.tracker.close();
  writeFileSync(file, readFileSync(file).subarray(0, 20));
  const third = await Place.start(t, options);
  assert.equal(await third.given('udp', { port: 2 }), 1);
});

test('one address asks for so many pages and no more, and is still answered its announces', async (t) => {
  const place = await Place.start(t, {
    addressLimits: { requestsMax: 30_000, unprovenMax: 30_000, windowMs: 120_000, exemptsLocal: false },
  });
  const base = `http://${place.at('http')}`;
  let refusedCount = 0;
  // More than two windows hold, should one begin meanwhile.
  for (let i = 0; i < 2_500; i += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(`${base}/health`)));
    refusedCount += answers.filter(({ status }) => status === 429).length;
  }
  assert(refusedCount >= 100, `${refusedCount} were refused`);
  assert.equal(await place.given('http', { port: 1 }), 0);
});

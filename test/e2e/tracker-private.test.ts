import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  type AnnounceEvent,
  decodeUdpResponse,
  encodeUdpAnnounceRequest,
  encodeUdpConnectRequest,
  encodeUdpScrapeRequest,
} from '#wire';
import { CliProcess } from '../support/cli-process.ts';
import { makeTempFolder, writeTree } from '../support/temp-folder.ts';

const TOKEN = 'f00dfeedf00dfeedf00dfeedf00dfeed';
const MIB = 1_048_576;
const a = 'aa'.repeat(20);
const b = 'bb'.repeat(20);

interface User {
  readonly id: number;
  readonly uploaded: number;
  readonly downloaded: number;
}

interface Report {
  readonly hash?: string;
  readonly passkey?: string;
  readonly uploaded?: number;
  readonly downloaded?: number;
  readonly left?: number;
  readonly event?: AnnounceEvent;
}

/** A private tracker as a process, its operator, and one client that announces by HTTP and by UDP. */
class Place {
  readonly #t: TestContext;
  readonly #config: string;
  readonly #peerId = Buffer.from('-qB4650-abcdefghijkl');
  readonly #socket: Socket;
  #child!: CliProcess;
  #udp: { host: string; port: number } = { host: '', port: 0 };
  #http = '';

  constructor(t: TestContext, threads: number, batch: string) {
    this.#t = t;
    const folder = writeTree(makeTempFolder(t), { 'allow.txt': `${a} The one torrent\n` });
    this.#config = join(folder, 'tracker.toml');
    writeTree(folder, {
      'tracker.toml': [
        '[listen]\nhttp = "127.0.0.1:0"\nudp = "127.0.0.1:0"',
        `[udp]\nthreads = ${threads}\nbatch = "${batch}"`,
        `[admin]\ntoken = "${TOKEN}"`,
        `[private]\nenabled = true\nusers = "${folder}/users.json"\naccounts = "${folder}/accounts"`,
        `[lists]\nmode = "allow"\nallow = "${folder}/allow.txt"\n`,
      ].join('\n'),
    });
    this.#socket = createSocket('udp4');
    t.after(() => this.#socket.close());
  }

  async start(): Promise<this> {
    this.#child = new CliProcess(this.#t, ['tracker', '--config', this.#config]);
    await this.#child.waitFor('ready');
    this.#http = `http://${await this.#child.address('http')}`;
    const [host = '', port] = (await this.#child.address('udp')).split(':');
    this.#udp = { host, port: Number(port) };
    return this;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#child.end(0);
  }

  async api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.#http}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    assert(response.ok, `${method} ${path}: ${response.status}`);
    return (await response.json()) as T;
  }

  /** Writes other rules into the configuration, and has them taken up. */
  async reload(rules: { readonly private: string; readonly rest: string }): Promise<void> {
    const before = readFileSync(this.#config, 'utf8');
    writeFileSync(this.#config, `${before.replace('enabled = true', `$&\n${rules.private}`)}${rules.rest}`);
    const { failed } = await this.api<{ failed: string[] }>('POST', '/reload');
    assert.deepEqual(failed, []);
  }

  async metrics(): Promise<string> {
    return (await fetch(`${this.#http}/metrics`)).text();
  }

  /** @returns the answer of the tracker, bencoded */
  async byHttp({ hash = a, passkey, uploaded = 0, downloaded = 0, left = 1, event = 'none' }: Report): Promise<string> {
    const query = [
      `info_hash=${hash.replace(/../g, '%$&')}&peer_id=${this.#peerId}&port=6881&key=12345678&compact=1`,
      `uploaded=${uploaded}&downloaded=${downloaded}&left=${left}${event === 'none' ? '' : `&event=${event}`}`,
    ].join('&');
    const path = passkey === undefined ? '' : `/${passkey}`;
    return (await fetch(`${this.#http}${path}/announce?${query}`)).text();
  }

  /** @returns the reason of a refusal, or `announce` */
  async byUdp({ hash = a, passkey, uploaded = 0, left = 1, event = 'none' }: Report): Promise<string> {
    const connectionId = await this.#connect();
    const answer = await this.#ask(
      encodeUdpAnnounceRequest({
        connectionId,
        transactionId: 7,
        request: {
          infoHash: Buffer.from(hash, 'hex'),
          peerId: this.#peerId,
          port: 6881,
          uploaded,
          downloaded: 0,
          left,
          event,
          numWant: -1,
          key: 0x1234_5678,
        },
        ...(passkey === undefined ? {} : { urlData: `/announce/${passkey}` }),
      }),
    );
    return answer.kind === 'error' ? answer.reason : answer.kind;
  }

  async scrapeByUdp(): Promise<string> {
    const connectionId = await this.#connect();
    const infoHashes = [Buffer.from(a, 'hex')];
    return (await this.#ask(encodeUdpScrapeRequest({ connectionId, transactionId: 9, infoHashes }))).kind;
  }

  /** Resolves when the accounts of the user are so: records of other threads come a moment later. */
  async accounted(id: number, uploaded: number): Promise<void> {
    for (;;) {
      const user = await this.api<User>('GET', `/users/${id}`);
      assert(user.uploaded <= uploaded, `${user.uploaded} are more than ${uploaded}`);
      if (user.uploaded === uploaded) return;
    }
  }

  async #connect(): Promise<Uint8Array> {
    const answer = await this.#ask(encodeUdpConnectRequest(1));
    assert(answer.kind === 'connect');
    return answer.connectionId;
  }

  #ask(bytes: Uint8Array): Promise<ReturnType<typeof decodeUdpResponse>> {
    return new Promise((resolve) => {
      this.#socket.once('message', (answer) => resolve(decodeUdpResponse(answer, 4)));
      this.#socket.send(bytes, this.#udp.port, this.#udp.host);
    });
  }
}

for (const [threads, batch] of [
  [2, 'auto'],
  [1, 'off'],
] as const) {
  test(`one client by HTTP and UDP is judged alike and counted once (${threads} threads, batches ${batch})`, async (t) => {
    const place = await new Place(t, threads, batch).start();
    const { user, passkey } = await place.api<{ user: User; passkey: string }>('POST', '/users', { name: 'alice' });
    const { id } = user;

    assert.match(await place.byUdp({}), /passkey/);
    assert.match(await place.byHttp({}), /failure reason/);
    assert.match(await place.byUdp({ passkey: 'x'.repeat(32) }), /not known/);
    assert.match(await place.byUdp({ passkey, hash: b }), /does not serve/);
    assert.equal(await place.scrapeByUdp(), 'error');

    assert.match(await place.byHttp({ passkey, event: 'started' }), /^d8:complete/);
    assert.equal(await place.byUdp({ passkey, event: 'started' }), 'announce');
    assert.match(await place.byHttp({ passkey, uploaded: 5 * MIB }), /^d8:complete/);
    await place.accounted(id, 5 * MIB);
    assert.equal(await place.byUdp({ passkey, uploaded: 5 * MIB + 1 }), 'announce');
    await place.accounted(id, 5 * MIB + 1);

    // What the operator is told, torrent by torrent and of the whole.
    const { torrents } = await place.api<{ torrents: Record<string, unknown>[] }>('GET', `/users/${id}/torrents`);
    const { seenAt, seedSec, ...torrent } = torrents[0] ?? {};
    const uploaded = 5 * MIB + 1;
    assert.deepEqual(torrent, { infoHash: a, uploaded, downloaded: 0, left: 1, clients: 1, completedAt: null });
    const imbalance = {
      infoHash: a,
      uploaded,
      downloaded: 0,
      imbalance: uploaded,
      leechers: 1,
      seeders: 0,
      completed: 0,
    };
    assert.deepEqual(await place.api('GET', '/accounts/torrents'), { torrents: [imbalance] });
    assert.deepEqual(await place.api('GET', '/accounts/suspicions'), { total: 0, suspicions: [] });
    assert.deepEqual(await place.api('GET', '/offenders'), { offenders: [] });
    const metrics = await place.metrics();
    for (const line of ['users 1', 'account_sessions 1', 'account_pairs 1', 'account_suspicions_total 0'])
      assert.match(metrics, new RegExp(`^eider_tracker_${line}$`, 'm'));
    assert.match(metrics, /^eider_tracker_store_bytes [1-9]\d*$/m);

    // A single change is in force on every thread at once.
    await place.api('PUT', `/lists/allow/${b}`);
    for (let i = 0; i < 4; i++) assert.equal(await place.byUdp({ passkey, hash: b }), 'announce');
    await place.api('DELETE', `/lists/allow/${b}`);
    for (let i = 0; i < 4; i++) assert.match(await place.byUdp({ passkey, hash: b }), /does not serve/);
    await place.api('PATCH', `/users/${id}`, { isEnabled: false });
    for (let i = 0; i < 4; i++) assert.match(await place.byUdp({ passkey }), /disabled/);
    await place.api('PATCH', `/users/${id}`, { isEnabled: true });

    // The last report is counted although it came just before the stop, and counting goes on after it.
    assert.equal(await place.byUdp({ passkey, uploaded: 6 * MIB }), 'announce');
    await place.stop();
    await place.start();
    await place.accounted(id, 6 * MIB);
    assert.equal(await place.byUdp({ passkey, uploaded: 7 * MIB, event: 'stopped' }), 'announce');
    assert.match(await place.byHttp({ passkey, uploaded: 7 * MIB, event: 'stopped' }), /^d8:complete/);
    await place.accounted(id, 7 * MIB);
    await place.stop();
  });
}

test('a reload takes up the ratio, banned clients and who may scrape', async (t) => {
  const place = await new Place(t, 1, 'auto').start();
  const { passkey } = await place.api<{ passkey: string }>('POST', '/users', { name: 'alice' });
  assert.match(await place.byHttp({ passkey, event: 'started' }), /^d8:complete/);
  assert.match(await place.byHttp({ passkey, downloaded: 2_000 }), /^d8:complete/);
  await place.reload({ private: 'ratio_minimum = 0.5\nratio_after = 1000\nscrape = "public"', rest: '' });
  assert.match(await place.byHttp({ passkey, downloaded: 2_000 }), /ratio is too low/);
  assert.match(await place.byHttp({ passkey, downloaded: 2_000, left: 0 }), /^d8:complete/);
  while ((await place.scrapeByUdp()) === 'error');
  await place.reload({ private: '', rest: '[clients]\nbanned = ["-qB4650-abcdefghijkl"]\n' });
  assert.match(await place.byHttp({ passkey, downloaded: 2_000, left: 0 }), /client or version is not allowed/);
  await place.stop();
});

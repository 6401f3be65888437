import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Millis } from '#base';
import { AdminGate } from '#room/trackerd/web/admin-gate';
import { TrackerWeb, type WebOptions } from '#room/trackerd/web/app';
import { visitedHost } from '#room/trackerd/web/ports';
import type { TrackerControl, TrackerFacts } from '#trackerd';
import { controlOf, countersOf, factsOf, numbersOf } from '../../support/tracker-facts.ts';

const TOKEN = '0123456789abcdef0123456789abcdef';

/** The web of a tracker without sockets. */
class Scene {
  now = 0 as Millis;
  readonly bugs: unknown[] = [];
  readonly web: TrackerWeb;

  constructor(
    o: {
      facts?: Partial<TrackerFacts>;
      control?: Partial<TrackerControl>;
      options?: Partial<WebOptions>;
      token?: string;
    } = {},
  ) {
    const now = () => this.now;
    this.web = new TrackerWeb(factsOf(o.facts), controlOf(o.control), {
      hasPage: true,
      hasMetrics: true,
      gate: new AdminGate({ token: () => o.token ?? TOKEN, now }),
      addressOf: (_env, headers) => headers.get('x-test-address') ?? '192.0.2.1',
      now,
      onBug: (error) => this.bugs.push(error),
      ...o.options,
    });
  }

  async ask(path: string, init: RequestInit = {}): Promise<{ status: number; text: string; headers: Headers }> {
    const response = await this.web.fetch(new Request(`http://tracker.example${path}`, init));
    return { status: response.status, text: await response.text(), headers: response.headers };
  }

  /** Of the API, with the right token. */
  async call(method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }> {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
    const { status, text } = await this.ask(`/api/v1${path}`, init);
    return { status, json: JSON.parse(text) };
  }
}

/** A scene that is closed after the test. */
function scene(t: { after(fn: () => void): void }, o: ConstructorParameters<typeof Scene>[0] = {}): Scene {
  const made = new Scene(o);
  t.after(() => made.web.close());
  return made;
}

test('the page is drawn by the server, escapes what it shows and loads nothing from elsewhere', async (t) => {
  const s = scene(t, {
    facts: {
      topSwarms: () => [
        { infoHash: 'ab'.repeat(20), seeders: 1, leechers: 2, downloads: 3, name: '<script>x</script>' },
      ],
      clients: () => [{ prefix: '-TR"<', count: 3 }],
      replication: () => ({ isConnected: false, lagMs: 10, others: ['b'] }),
      health: () => ({ state: 'degraded', reasons: ['<b>redis</b> is away'] }),
    },
  });
  const { status, text, headers } = await s.ask('/');
  assert.equal(status, 200);
  assert.match(text, /A &lt;tracker&gt;/);
  assert.match(text, /&lt;script&gt;x&lt;\/script&gt;/);
  assert.match(text, /&lt;b&gt;redis&lt;\/b&gt; is away/);
  assert.match(text, /udp:\/\/tracker\.example:6969\/announce/);
  assert.doesNotMatch(text, /<[^>]+ (?:src|style|on\w+)=/i, 'no resource, no inline style, no handler');
  for (const [, href = ''] of text.matchAll(/(?:href|action)="([^"]*)"/g)) assert.match(href, /^(?:\/|data:,|magnet:)/);
  const policy = headers.get('content-security-policy') ?? '';
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
});

test("the page's script and style are those that its policy allows", async (t) => {
  const { text, headers } = await scene(t).ask('/');
  const policy = headers.get('content-security-policy') ?? '';
  for (const tag of ['script', 'style']) {
    const inline = [...text.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, 'g'))].map((m) => m[1] as string);
    assert.equal(inline.length, 1, tag);
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(inline[0]));
    assert.ok(policy.includes(`${tag}-src 'sha256-${Buffer.from(digest).toString('base64')}'`), tag);
  }
});

test('the page names the machine as its visitor does, also what was drawn for another', async (t) => {
  const s = scene(t, { facts: { announceUrls: () => [`udp://${visitedHost}:6969/announce`] } });
  const ask = async (host: string) => await (await s.web.fetch(new Request(`http://${host}/`))).text();
  assert.match(await ask('a.example:8000'), /<code>udp:\/\/a\.example:6969\/announce<\/code>/);
  assert.match(await ask('[::1]:8000'), /<code>udp:\/\/\[::1\]:6969\/announce<\/code>/);
  assert.doesNotMatch(await ask('a&b.example'), /a&b/);
});

test('a private tracker shows neither torrents nor announce URLs', async (t) => {
  const topSwarms = () => [{ infoHash: 'ab'.repeat(20), seeders: 1, leechers: 2, downloads: 3 }];
  const s = scene(t, { facts: { isPrivate: true, topSwarms } });
  for (const path of ['/', '/stats.json']) assert.doesNotMatch((await s.ask(path)).text, /abab|\/announce"?</, path);
});

test('page, numbers and metrics are made once a second, however often they are asked for', async (t) => {
  for (const path of ['/', '/stats.json', '/metrics']) {
    let made = 0;
    const health = () => ({ state: 'degraded' as const, reasons: [`reason ${made++}`] });
    const s = scene(t, { facts: { health } });
    const first = await s.ask(path);
    assert.equal((await s.ask(path)).text, first.text, path);
    assert.equal(made, 1, path);
    s.now = 1_000 as Millis;
    await s.ask(path);
    assert.equal(made, 2, path);
  }
});

test('health: 503 only where the tracker cannot serve', async (t) => {
  const cases = [
    ['ok', [], 200, 'ok\n'],
    ['degraded', ['redis is away'], 200, 'degraded\nredis is away\n'],
    ['failing', ['no place answers'], 503, 'failing\nno place answers\n'],
  ] as const;
  for (const [state, reasons, status, text] of cases) {
    const answer = await scene(t, { facts: { health: () => ({ state, reasons }) } }).ask('/health');
    assert.deepEqual([answer.status, answer.text], [status, text]);
  }
});

test('rates are of the time between two samples, an hour of them', async (t) => {
  let step = 0;
  const numbers = () =>
    numbersOf({ uptimeMs: step * 10_000, counters: countersOf({ udpAnnounces4: step * 500, wsAnnounces: step * 10 }) });
  const s = scene(t, { facts: { numbers } });
  for (; step < 5; step++) s.web.sample();
  const { history } = JSON.parse((await s.ask('/stats.json')).text);
  assert.deepEqual(history.announceRates, { udp: [50, 50, 50, 50], http: [0, 0, 0, 0], ws: [1, 1, 1, 1] });
  assert.deepEqual(history.peers, [9, 9, 9, 9]);
  assert.match((await s.ask('/')).text, /<polyline class="udp" points="0\.0,2\.0 200\.0,2\.0 400\.0,2\.0 600\.0,2\.0"/);
  for (; step < 1_000; step++) s.web.sample();
  assert.equal(s.web.stats().history.peers.length, 360);
});

test('parts that are switched off are not there', async (t) => {
  const s = scene(t, { options: { hasPage: false, hasMetrics: false, gate: undefined as never } });
  for (const path of ['/', '/stats.json', '/metrics', '/api/v1/stats', '/api/v1/openapi.json', '/nothing']) {
    assert.equal((await s.ask(path)).status, 404, path);
  }
  assert.equal((await s.ask('/health')).status, 200);
});

test('a failure of ours is told to the operator, not to the visitor', async (t) => {
  const s = scene(t, {
    facts: {
      numbers: () => {
        throw new Error('secret place');
      },
    },
  });
  const { status, text } = await s.ask('/metrics');
  assert.deepEqual([status, text], [500, 'the tracker has failed\n']);
  assert.equal(s.bugs.length, 1);
});

test('pages and operations of other components', async (t) => {
  const { Hono } = await import('hono');
  const { createApi } = await import('#room/trackerd/web/api-common');
  const operations = createApi();
  operations.get('/x', (c) => c.json({ ok: true }));
  const s = scene(t, {
    options: {
      pages: [{ path: '/torrents', app: new Hono().get('/', (c) => c.text('list')), link: 'torrents' }],
      operations: [{ path: '/catalogue', app: operations }],
    },
  });
  assert.equal((await s.ask('/torrents')).text, 'list');
  assert.match((await s.ask('/')).text, /<a href="\/torrents">torrents<\/a>/);
  assert.equal((await s.ask('/api/v1/catalogue/x')).status, 401);
  assert.deepEqual(await s.call('GET', '/catalogue/x'), { status: 200, json: { ok: true } });
});

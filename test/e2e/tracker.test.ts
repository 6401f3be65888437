import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { BtError, formatAddress, isIpv6, type PeerAddress, seededRng } from '#base';
import { type TrackerCalls, TrackerClient } from '#node';
import { startTracker, type Tracker, type TrackerEvent } from '#trackerd';
import type { AnnounceRequest } from '#wire';

// Containers without IPv6 exist.
const hasSix = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const needsSix = { skip: hasSix ? false : 'this machine has no IPv6 loopback' };
const hosts = hasSix ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
const quick = { timeoutMs: 400 };
let tracker: Tracker;
const events: TrackerEvent[] = [];
const client = new TrackerClient({ timeoutMs: 5_000 }) satisfies TrackerCalls;
const rng = seededRng(42);

before(async () => {
  tracker = await startTracker({
    http: hosts.map((host) => ({ host, port: 0 })),
    udp: hosts.map((host) => ({ host, port: 0 })),
    limits: { intervalSec: 60, minIntervalSec: 30 },
    frontLimits: { httpHeadTimeoutMs: 700, httpIdleTimeoutMs: 5_000 },
    onEvent: (event) => events.push(event),
  });
});
after(async () => {
  await client.close();
  await tracker.close();
  // Closed handles are listed until the event loop has gone round.
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    process.getActiveResourcesInfo().filter((name) => /TCP|UDP|Server/.test(name)),
    [],
  );
});

function addressOf(protocol: 'http' | 'udp', host: string): PeerAddress {
  const found = tracker.addresses.find((a) => a.protocol === protocol && a.host === host);
  assert(found !== undefined);
  return found;
}

function urlOf(protocol: 'http' | 'udp', host: string): string {
  return `${protocol}://${formatAddress(addressOf(protocol, host))}/announce`;
}

function request(over: Partial<AnnounceRequest> = {}): AnnounceRequest {
  return {
    infoHash: rng.bytes(20),
    peerId: rng.bytes(20),
    port: 6881,
    uploaded: 0,
    downloaded: 0,
    left: 100,
    event: 'started',
    numWant: -1,
    key: 7,
    ...over,
  };
}

async function announce(url: string, r: AnnounceRequest) {
  const result = await client.announce(url, r);
  assert(result.ok, result.ok ? '' : result.error.message);
  return result.response;
}

test('says where it listens, then that it is ready', () => {
  assert.deepEqual(
    events
      .filter((e) => e.type !== 'udp.mode')
      .map((e) => (e.type === 'listening' ? `${e.protocol} ${e.host}` : e.type)),
    [...hosts.map((host) => `http ${host}`), ...hosts.map((host) => `udp ${host}`), 'ready'],
  );
});

for (const protocol of ['http', 'udp'] as const) {
  for (const host of hosts) {
    test(`${protocol} ${host}: a leecher's life, counted right`, async () => {
      const url = urlOf(protocol, host);
      const infoHash = rng.bytes(20);
      const seed = await announce(url, request({ infoHash, port: 1001, left: 0 }));
      assert.deepEqual(seed.peers, []);
      assert.equal(seed.complete, 1);
      assert(seed.intervalSec >= 60 && seed.intervalSec <= 70);

      const leecher = request({ infoHash, port: 1002 });
      const first = await announce(url, leecher);
      assert.deepEqual(first.peers, [{ host, port: 1001 }]);
      assert.deepEqual([first.complete, first.incomplete], [1, 1]);

      const second = await announce(url, request({ infoHash, port: 1003 }));
      assert.deepEqual(second.peers.map((p) => p.port).sort(), [1001, 1002]);

      await announce(url, { ...leecher, event: 'completed', left: 0 });
      // A seeder is not given seeders.
      const again = await announce(url, { ...leecher, event: 'none', left: 0 });
      assert.deepEqual(again.peers, [{ host, port: 1003 }]);
      assert.deepEqual(await client.scrape(url, infoHash), { ok: true, complete: 2, incomplete: 1, downloaded: 1 });

      const stopped = await announce(url, { ...leecher, event: 'stopped', left: 0 });
      assert.deepEqual(stopped.peers, []);
      assert.deepEqual(await client.scrape(url, infoHash), { ok: true, complete: 1, incomplete: 1, downloaded: 1 });
    });
  }
}

test('HTTP gives peers of both families, whichever way they came; UDP its own', needsSix, async () => {
  const infoHash = rng.bytes(20);
  await announce(urlOf('udp', '127.0.0.1'), request({ infoHash, port: 2001 }));
  await announce(urlOf('udp', '::1'), request({ infoHash, port: 2002 }));
  const byHttp = await announce(urlOf('http', '127.0.0.1'), request({ infoHash, port: 2003 }));
  assert.deepEqual(byHttp.peers.map(formatAddress).sort(), ['127.0.0.1:2001', '[::1]:2002']);
  const byUdp = await announce(urlOf('udp', '::1'), request({ infoHash, port: 2004 }));
  assert.deepEqual(byUdp.peers.map(formatAddress), ['[::1]:2002']);
});

test('a name with both kinds of address: announced by both, one merged answer', needsSix, async () => {
  await using both = await startTracker({ http: [{ host: '::', port: 0 }], udp: [{ host: '::', port: 0 }] });
  const dual = new TrackerClient({ timeoutMs: 5_000, resolve: async () => hosts });
  try {
    for (const { protocol, port } of both.addresses) {
      const infoHash = rng.bytes(20);
      const url = `${protocol}://tracker.test:${port}/announce`;
      const first = await dual.announce(url, request({ infoHash, port: 3001 }));
      assert(first.ok);
      const second = await dual.announce(url, request({ infoHash, port: 3002 }));
      assert(second.ok);
      // A mapped IPv4 sender on the dual-stack socket counts as IPv4. By HTTP we may be given our own other address.
      const others = second.response.peers.filter((peer) => peer.port !== 3002);
      assert.deepEqual(others.map(formatAddress).sort(), ['127.0.0.1:3001', '[::1]:3001']);
      const onlySix = await dual.announce(url, request({ infoHash, port: 3003 }), { families: [6] });
      assert(onlySix.ok && onlySix.response.peers.length >= 2);
    }
  } finally {
    await dual.close();
  }
});

test('BEP 41: path and query of a UDP URL reach the hooks', async () => {
  const seen: string[] = [];
  await using own = await startTracker({
    udp: [{ host: '127.0.0.1', port: 0 }],
    hooks: [
      {
        preAnnounce: (a) => {
          seen.push(a.target);
          return a.target.includes('key=good') ? undefined : { reason: 'no key', retryInSec: 120 };
        },
      },
    ],
  });
  const at = formatAddress(own.addresses[0] as PeerAddress);
  assert.equal((await client.announce(`udp://${at}/announce?key=good`, request())).ok, true);
  const refused = await client.announce(`udp://${at}`, request());
  assert(!refused.ok && BtError.is(refused.error, 'tracker/refused'));
  // By UDP there is only the text.
  assert.equal(refused.error.detail.reason, 'no key (retry in 2 minutes)');
  // Asked twice: the first no came on a connection id of the announce before, which the tracker might have forgotten.
  assert.deepEqual(seen, ['/announce?key=good', '', '']);
});

test('a hook that throws costs its client a refusal, and nothing else', async () => {
  const errors: unknown[] = [];
  await using own = await startTracker({
    http: [{ host: '127.0.0.1', port: 0 }],
    udp: [{ host: '127.0.0.1', port: 0 }],
    hooks: [{ preAnnounce: () => assert.fail('a bug') }],
    onEvent: (event) => {
      if (event.type === 'error') errors.push(event.error);
    },
  });
  for (const { protocol, ...at } of own.addresses) {
    const result = await client.announce(`${protocol}://${formatAddress(at)}/announce`, request());
    assert(!result.ok && BtError.is(result.error, 'tracker/refused'));
  }
  assert.equal(errors.length, 2);
});

test('failures have codes: nobody there, silence, refusal, garbage, other protocols', async () => {
  const code = async (url: string, over: Partial<AnnounceRequest> = {}): Promise<string> => {
    const result = await client.announce(url, request(over), quick);
    return result.ok ? 'ok' : result.error.code;
  };
  const silent = createSocket('udp4');
  await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve));
  const closed = await unusedPort();
  try {
    assert.equal(await code(`http://127.0.0.1:${closed}/announce`), 'tracker/unreachable');
    assert.equal(await code(`udp://127.0.0.1:${silent.address().port}`), 'tracker/timeout');
    assert.equal(await code(urlOf('http', '127.0.0.1'), { port: 0 }), 'tracker/refused');
    assert.equal(await code(urlOf('udp', '127.0.0.1'), { port: 0 }), 'tracker/refused');
    assert.equal(await code(urlOf('http', '127.0.0.1').replace('announce', 'nothing')), 'tracker/refused');
    assert.equal(await code('http://no-such-host.invalid/announce'), 'tracker/unreachable');
    assert.equal(await code('wss://127.0.0.1/'), 'tracker/unsupported');
    assert.equal(await code('nonsense'), 'tracker/unsupported');
    const noScrape = await client.scrape(`http://127.0.0.1:${closed}/x`, new Uint8Array(20));
    assert(!noScrape.ok && noScrape.error.code === 'tracker/unsupported');
  } finally {
    silent.close();
  }
});

test('aborting rejects with the reason', async () => {
  const silent = createSocket('udp4');
  await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve));
  const controller = new AbortController();
  const call = client.announce(`udp://127.0.0.1:${silent.address().port}`, request(), { signal: controller.signal });
  controller.abort(new Error('enough'));
  await assert.rejects(call, /enough/);
  silent.close();
});

async function unusedPort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** An HTTP server that answers as told, path by path. */
async function withServer(
  pages: Record<string, { status?: number; headers?: Record<string, string>; body?: string | Buffer }>,
  run: (base: string) => Promise<void>,
): Promise<void> {
  const server: Server = createServer((req, res) => {
    const page = pages[(req.url ?? '').split('?')[0] as string];
    res.writeHead(page?.status ?? (page === undefined ? 404 : 200), page?.headers);
    res.end(page?.body ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test('foreign HTTP servers: redirects, compression, size, status', async () => {
  const good = 'd8:intervali900e5:peers0:e';
  await withServer(
    {
      '/good': { body: good },
      '/gzip': { body: gzipSync(good), headers: { 'content-encoding': 'gzip' } },
      '/bomb': { body: gzipSync(Buffer.alloc(50_000_000)), headers: { 'content-encoding': 'gzip' } },
      '/brotli': { body: 'x', headers: { 'content-encoding': 'br' } },
      '/long': { body: `d8:intervali900e5:peers2000000:${'x'.repeat(2_000_000)}e` },
      '/moved': { status: 302, headers: { location: '/good' } },
      '/loop': { status: 302, headers: { location: '/loop' } },
      '/file': { status: 302, headers: { location: 'file:///etc/passwd' } },
      '/udp': { status: 301, headers: { location: 'udp://127.0.0.1:1/announce' } },
      '/html': { body: '<html>hello</html>' },
      '/busy': { status: 503, headers: { 'retry-after': '120' }, body: 'busy' },
      '/refused': { status: 400, body: 'd14:failure reason2:noe' },
    },
    async (base) => {
      const outcome = async (path: string): Promise<string> => {
        const result = await client.announce(`${base}${path}?own=1`, request());
        return result.ok ? `ok ${result.response.intervalSec}` : result.error.code;
      };
      assert.equal(await outcome('/good'), 'ok 900');
      assert.equal(await outcome('/gzip'), 'ok 900');
      assert.equal(await outcome('/moved'), 'ok 900');
      for (const path of ['/bomb', '/brotli', '/long', '/loop', '/file', '/udp', '/html']) {
        assert.equal(await outcome(path), 'tracker/garbage', path);
      }
      assert.equal(await outcome('/nothing'), 'tracker/refused');
      assert.equal(await outcome('/refused'), 'tracker/refused');
      const busy = await client.announce(`${base}/busy`, request());
      assert(!busy.ok && BtError.is(busy.error, 'tracker/refused'));
      assert.equal(busy.error.detail.retryInSec, 120);
      assert.equal(busy.retryInSec, 120);
    },
  );
});

test('a port that is taken is named', async () => {
  for (const { protocol, host, port } of tracker.addresses) {
    await assert.rejects(
      startTracker({ [protocol]: [{ host, port }] }),
      (error) => BtError.is(error, 'net/port-in-use') && error.detail.port === port,
    );
  }
});

/** Sends bytes over one connection; resolves with all that came back once the server closes or `until` is met. */
function converse(parts: readonly (string | Buffer)[], until?: (text: string) => boolean): Promise<string> {
  const { host, port } = addressOf('http', '127.0.0.1');
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let text = '';
    const done = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      if (until?.(text) === true) done();
    });
    socket.on('close', done);
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? done() : reject(error),
    );
    for (const part of parts) socket.write(part);
  });
}

test('keep-alive and pipelining: answers come in order; HTTP/1.0 closes', async () => {
  const get = (path: string, version = '1.1'): string => `GET ${path} HTTP/${version}\r\nHost: x\r\n\r\n`;
  const text = await converse([get('/health') + get('/nothing') + get('/announce'), get('/health', '1.0')]);
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200', 'HTTP/1.1 200']);
  assert.match(text, /failure reason20:info_hash is missing/);
  const absolute = await converse([`GET http://x.test:80/announce?x HTTP/1.1\r\nConnection: close\r\n\r\n`]);
  assert.match(absolute, /failure reason20:info_hash is missing/);
});

test('a request that comes byte by byte is read; one that never ends is dropped', async () => {
  const bytes = 'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  assert.match(await converse([...bytes]), /ok\n$/);
  assert.equal(await converse(['GET /health HTT']), '');
  assert.equal(await converse([]), '');
});

test('bad requests get a status and the connection is closed', async () => {
  const status = async (text: string): Promise<string> => (await converse([text])).split(' ')[1] ?? 'nothing';
  assert.equal(await status('hello\r\n\r\n'), '400');
  assert.equal(await status('GET /health HTTP/2.0\r\n\r\n'), '505');
  assert.equal(await status(`GET /${'x'.repeat(7_000)} HTTP/1.1\r\n\r\n`), '414');
  assert.equal(await status(`GET /announce HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`), '431');
  assert.equal(await status('GET /announce HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello'), '413');
  assert.equal(await status('GET /scrape HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'), '413');
  assert.equal(await status('POST /announce HTTP/1.1\r\nConnection: close\r\n\r\n'), '405');
});

test('the page for people, and the same numbers as JSON', async () => {
  assert.match(await converse(['GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n']), /<title>Eider tracker</);
  const { host, port } = addressOf('http', '127.0.0.1');
  const stats = (await (await fetch(`http://${host}:${port}/stats.json`)).json()) as Record<string, unknown>;
  assert.equal(stats['torrents'], tracker.stats().swarmCount);
});

test('a client that asks and never reads is not fed without bound', async () => {
  const { host, port } = addressOf('http', '127.0.0.1');
  const socket = connect({ host, port });
  socket.on('error', () => {});
  socket.pause();
  const flood = 'GET /announce HTTP/1.1\r\n\r\n'.repeat(1_000);
  for (let i = 0; i < 50; i++) socket.write(flood);
  assert.match(await converse(['GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n']), /ok\n$/);
  socket.destroy();
});

test('seeded noise on both front ends: the tracker answers as before', async () => {
  const noise = seededRng(7);
  const sockets = { 4: createSocket('udp4'), 6: createSocket('udp6') };
  const answers: number[] = [];
  for (const socket of Object.values(sockets)) socket.on('message', (bytes) => answers.push(bytes.length));
  for (let i = 0; i < 4_000; i++) {
    const host = hosts[i % hosts.length] as string;
    const bytes = noise.bytes(noise.below(i % 100 === 0 ? 1_400 : 130));
    // Half of them look like requests.
    if (noise.below(2) === 0 && bytes.length >= 16) bytes.set([0, 0, 0, noise.below(5)], 8);
    sockets[isIpv6(host) ? 6 : 4].send(bytes, addressOf('udp', host).port, host);
    if (i % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  for (let i = 0; i < 60; i++) {
    const text = `GET /announce?${Buffer.from(noise.bytes(60))
      .toString('latin1')
      .replace(/[\r\n ]/g, '')} HTTP/1.1\r\n\r\n`;
    const whole = i % 2 === 0 ? Buffer.from(text, 'latin1') : Buffer.from(noise.bytes(200));
    await converse([whole, '\r\n\r\n'], (answer) => answer.length > 0);
  }
  await announce(urlOf('udp', '127.0.0.1'), request());
  await announce(urlOf('http', hosts.at(-1) as string), request());
  for (const socket of Object.values(sockets)) socket.close();
  const { udp } = tracker.stats();
  assert(udp.malformed > 0 && udp.forgedIds > 0);
  assert(answers.every((length) => length <= 1_400));
  assert.deepEqual(
    events.filter((e) => e.type === 'error'),
    [],
  );
});

import assert from 'node:assert/strict';
import { type Agent, get, Agent as HttpAgent, request as httpRequest, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { BtError, type PeerAddress } from '#base';
import { ConnectionBook } from '#room/trackerd/connection-book';
import { HttpFront, type HttpFrontOptions } from '#room/trackerd/http/front';
import { FullScrape } from '#room/trackerd/http/full-scrape';
import type { FrontLimits } from '#room/trackerd/limits';
import { AnnounceCall, counter } from '#tracker';
import { decodeHttpAnnounceResponse, decodeHttpScrapeResponse } from '#wire';
import { makeCertificate } from '../../support/certificate.ts';
import { announceText, createPages, HttpParts } from '../../support/http-front.ts';
import { makeBytes, makeTempFolder, writeTree } from '../../support/temp-folder.ts';

interface Started {
  readonly parts: HttpParts;
  readonly front: HttpFront;
  readonly at: PeerAddress;
  readonly pages: Server;
}

/** A listener with pages beside it, closed after the test. */
async function start(
  t: TestContext,
  options: { limits?: Partial<FrontLimits>; path?: string; hasFullScrape?: boolean } & Partial<
    Omit<HttpFrontOptions, 'limits'>
  > = {},
): Promise<Started> {
  const { limits = {}, path, hasFullScrape, ...rest } = options;
  const parts = new HttpParts({
    limits,
    routes: (p) =>
      hasFullScrape === true
        ? { fullScrape: new FullScrape({ store: p.store, limits: p.limits, onBug: (error) => p.errors.push(error) }) }
        : {},
  });
  const { routes, counts } = parts;
  const source = Uint8Array.of(127, 0, 0, 1);
  const pages = createPages((request, response) => routes.answerRequest(parts.now, request, response, source));
  const front = new HttpFront({
    ...{ routes, counts, limits: parts.limits },
    now: () => parts.now,
    other: { give: (socket) => pages.emit('connection', socket) },
    ...rest,
  });
  t.after(async () => {
    await front.close();
    pages.closeAllConnections();
    assert.deepEqual(parts.errors, []);
  });
  return {
    parts,
    front,
    pages,
    at: await front.listen(path === undefined ? { host: '127.0.0.1', port: 0 } : { path }),
  };
}

/** Sends pieces, each after the last one has left; resolves with what came back when the other side closes, or `until` says so. */
function converse(open: () => Socket, pieces: readonly string[], until?: (text: string) => boolean): Promise<string> {
  return new Promise((resolve) => {
    const socket = open();
    let text = '';
    const done = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      if (until?.(text) === true) done();
    });
    socket.on('error', done);
    socket.on('close', done);
    void (async () => {
      for (const piece of pieces) await new Promise((sent) => socket.write(piece, 'latin1', sent));
    })();
  });
}

const last = { headers: ['Connection: close'] };
const statuses = (text: string): string[] => text.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(9)) ?? [];

test('announces by our parser, everything else by node:http, on one connection, in any order', async (t) => {
  const { at } = await start(t);
  const post = 'POST /api?x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello';
  const requests = [
    announceText({ port: 1 }),
    'GET /page HTTP/1.1\r\nHost: x\r\n\r\n',
    announceText({ port: 2 }),
    post,
    `GET /scrape?info_hash=${'a'.repeat(20)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    announceText({ port: 3, headers: ['Connection: close'] }),
  ];
  for (const pieces of [requests, [requests.join('')], [...requests.join('')]]) {
    const text = await converse(() => connect(at), pieces);
    assert.deepEqual(statuses(text), ['200', '200', '200', '200', '200', '200'], text);
    assert.match(text, /GET \/page 0.*POST \/api\?x 5.*incompletei[123]ee/s);
    assert.equal(text.match(/8:intervali1800e/g)?.length, 3);
  }
});

test('a keep-alive client of node:http that mixes paths keeps its connection', async (t) => {
  const { at, front } = await start(t);
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const target = announceText().split(' ')[1] as string;
  for (const path of [target, '/page', target, '/other', target]) {
    const body = await getBody(at, path, agent);
    if (path === target) assert(decodeHttpAnnounceResponse(body).ok);
    else assert.equal(body.toString(), `GET ${path} 0`);
  }
  assert.equal(front.connectionCount, 1);
});

function getBody(at: PeerAddress, path: string, agent: Agent): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get({ ...at, path, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks)));
    }).on('error', reject);
  });
}

test('a place for pages gives them every connection', async (t) => {
  const { at, parts, pages } = await start(t, { pagesOnly: true });
  pages.removeAllListeners('request');
  pages.on('request', (request, response) => response.end(request.url?.split('?')[0]));
  assert.match(await converse(() => connect(at), [...announceText(last)]), /\r\n\r\n\/announce$/);
  assert.equal(parts.counts[counter.httpAnnounces4], 0);
});

test('an upgrade goes to the server of pages with every byte behind it, from an announce path too', async (t) => {
  const { at, pages } = await start(t);
  pages.on('upgrade', (_request, socket, head: Buffer) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.write(head);
    socket.pipe(socket);
  });
  for (const path of ['/announce', '/']) {
    const upgrade = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`;
    const isDone = (text: string): boolean => text.endsWith('first then more');
    const text = await converse(() => connect(at), [announceText(), `${upgrade}first`, ' then', ' more'], isDone);
    assert.deepEqual(statuses(text), ['200', '101']);
    assert(isDone(text));
  }
});

test('long uploads and long conversations of upgraded connections lose nothing on the way', async (t) => {
  const { at, pages } = await start(t);
  pages.on('upgrade', (_request, socket, head: Buffer) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.write(head);
    socket.pipe(socket);
  });
  const block = makeBytes(3_000_000).toString('latin1');
  const post = `POST /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${block.length}\r\n\r\n${block}`;
  const uploaded = await converse(() => connect(at), [announceText() + post]);
  assert.deepEqual(statuses(uploaded), ['200', '200']);
  assert.match(uploaded, /POST \/api 3000000$/);
  const upgrade = 'GET /announce HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
  const isDone = (text: string): boolean => text.length > block.length && text.endsWith(block.slice(-100));
  const echoed = await converse(() => connect(at), [announceText() + upgrade + block], isDone);
  assert(echoed.endsWith(block));
});

test('connections are bounded in all and by address, handed over or not, and counted until they end', async (t) => {
  const book = new ConnectionBook({ max: 100, perAddressMax: 3 });
  const { at, parts } = await start(t, { connections: book });
  const page = 'GET /page HTTP/1.1\r\nHost: x\r\n\r\n';
  const held: Socket[] = [];
  t.after(() => {
    for (const socket of held) socket.destroy();
  });
  for (const first of [announceText(), page, page]) {
    const socket = connect(at);
    held.push(socket);
    await new Promise((resolve) => {
      socket.once('data', resolve);
      socket.write(first);
    });
  }
  assert.equal(await converse(() => connect(at), [announceText(last)]), '');
  assert.equal(book.count, 3);
  assert.equal(parts.counts[counter.httpConnections], 3);
  const closed = new Promise((resolve) => held[1]?.once('close', resolve));
  held[1]?.destroy();
  await closed;
  let text = '';
  while (text === '') text = await converse(() => connect(at), [announceText(last)]);
  assert.deepEqual(statuses(text), ['200']);
});

test('who was handed over and does not take its answer is dropped', async (t) => {
  const { at, front, parts, pages } = await start(t, { limits: { httpIdleTimeoutMs: 5_000 } });
  pages.removeAllListeners('request');
  const block = Buffer.alloc(1_048_576);
  pages.on('request', (_request, response) => {
    for (let i = 0; i < 64; i++) response.write(block);
  });
  const socket = connect(at);
  socket.on('error', () => {});
  socket.pause();
  socket.write('GET /page HTTP/1.1\r\nHost: x\r\n\r\n');
  const served = new Promise<void>((resolve) => {
    pages.on('request', (request) => request.socket.once('close', () => resolve()));
  });
  // The clock of the test runs, the client sleeps.
  let isDropped = false;
  void served.then(() => {
    isDropped = true;
  });
  for (let i = 0; i < 1_000 && !isDropped; i++) {
    parts.now = (parts.now + 1_000) as typeof parts.now;
    front.check();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert(isDropped);
  socket.destroy();
});

test('a Unix socket is a listener whose clients are proxies; what a dead tracker left is removed', async (t) => {
  const path = join(makeTempFolder(t), 'tracker.sock');
  const first = await start(t, { path });
  const forwarded = { headers: ['X-Forwarded-For: 9.8.7.6', 'Connection: close'] };
  const text = await converse(() => connect(path), [announceText(forwarded)]);
  assert.match(text, /external ip4:\u0009\u0008\u0007\u0006/);
  await assert.rejects(start(t, { path }), (error) => BtError.is(error, 'net/port-in-use'));
  await first.front.close();
  await start(t, { path });
});

async function startTls(t: TestContext, options: { limits?: Partial<FrontLimits> } = {}) {
  const made = makeCertificate('tracker one');
  const folder = writeTree(makeTempFolder(t), { 'cert.pem': made.cert, 'key.pem': made.key });
  const tls = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  const started = await start(t, { ...options, tls });
  const open = (ca: string) => connectTls({ ...started.at, ca, servername: 'localhost' });
  return { ...started, folder, ca: made.cert, open };
}

test('HTTPS: announces, pages and upgrades as over HTTP', async (t) => {
  const { open, ca, pages } = await startTls(t);
  const requests = [
    announceText({ port: 1 }) + announceText({ port: 2 }),
    'GET /page HTTP/1.1\r\nHost: x\r\n\r\n',
    announceText({ port: 3, headers: ['Connection: close'] }),
  ];
  const text = await converse(() => open(ca), requests);
  assert.deepEqual(statuses(text), ['200', '200', '200', '200']);
  pages.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  const upgrade = 'GET /announce HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
  const echoed = await converse(
    () => open(ca),
    [upgrade, 'hello'],
    (all) => all.endsWith('hello'),
  );
  assert.match(echoed, / 101 .*hello$/s);
});

test('HTTPS: a reload serves the new certificate to new connections and leaves the old ones alone', async (t) => {
  const { open, ca, folder, front } = await startTls(t);
  const old = open(ca);
  await new Promise((resolve) => old.once('secureConnect', resolve));
  const next = makeCertificate('tracker two');
  writeTree(folder, { 'cert.pem': next.cert });
  // A certificate without its key: the old pair stays.
  await assert.rejects(front.reload());
  assert.deepEqual(statuses(await converse(() => open(ca), [announceText(last)])), ['200']);
  writeTree(folder, { 'key.pem': next.key });
  await front.reload();
  assert.deepEqual(statuses(await converse(() => open(next.cert), [announceText(last)])), ['200']);
  assert.equal(await converse(() => open(ca), [announceText(last)]), '');
  assert.deepEqual(statuses(await converse(() => old, [announceText(last)])), ['200']);
});

test('HTTPS: what is no hand-shake, and one that never ends, cost a connection for a while only', async (t) => {
  const { at, front, ca, open } = await startTls(t, { limits: { httpHeadTimeoutMs: 300 } });
  await converse(() => connect(at), [announceText(last)]);
  await converse(() => connect(at), []);
  assert.deepEqual(statuses(await converse(() => open(ca), [announceText(last)])), ['200']);
  while (front.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('a certificate that cannot be read is an error of listening', async (t) => {
  const tls = { certFile: join(makeTempFolder(t), 'none'), keyFile: 'none' };
  await assert.rejects(start(t, { tls }), /no such file or directory: .*none/);
});

test('HTTPS through the ordinary client of Node', async (t) => {
  const { at, ca } = await startTls(t);
  const target = announceText().split(' ')[1] as string;
  const status = await new Promise((resolve, reject) => {
    httpsRequest({ ...at, path: target, ca }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
  assert.equal(status, 200);
});

/** Puts torrents with one leecher each into the store. */
function addTorrents(parts: HttpParts, count: number): void {
  const call = new AnnounceCall();
  call.hashBytes = new Uint8Array(20);
  call.peerBytes = Uint8Array.of(1, 2, 3, 4);
  call.port = 1;
  call.left = 1;
  for (let i = 0; i < count; i++) {
    call.hashBytes.set([(i * 7) & 0xff, i >> 8, i]);
    parts.store.announce(parts.now, call);
  }
}

function scrapeAll(
  at: PeerAddress,
  o: { method?: string; gzip?: boolean } = {},
): Promise<{ body: Buffer; encoding: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = o.gzip === true ? { 'accept-encoding': 'br, gzip' } : {};
    httpRequest({ ...at, path: '/scrape', method: o.method ?? 'GET', headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ body: Buffer.concat(chunks), encoding: response.headers['content-encoding'] }),
      );
    })
      .on('error', reject)
      .end();
  });
}

test('a full scrape names every torrent, in the order of bencode, compressed or not', async (t) => {
  const { at, parts } = await start(t, { hasFullScrape: true });
  addTorrents(parts, 900);
  const plain = await scrapeAll(at);
  const reply = decodeHttpScrapeResponse(plain.body);
  assert(reply.ok);
  assert.equal(reply.rows.size, 900);
  assert.deepEqual([...reply.rows.keys()], [...reply.rows.keys()].sort());
  assert([...reply.rows.values()].every((row) => row.incomplete === 1 && row.complete === 0));
  const compressed = await scrapeAll(at, { gzip: true });
  assert.equal(compressed.encoding, 'gzip');
  assert.deepEqual(gunzipSync(compressed.body), plain.body);
  assert.equal((await scrapeAll(at, { method: 'HEAD' })).body.length, 0);
});

test('full scrapes are so many a minute; without the option they are refused', async (t) => {
  const { at, parts } = await start(t, { hasFullScrape: true, limits: { fullScrapesPerMinute: 2 } });
  const isGood = async (): Promise<boolean> => decodeHttpScrapeResponse((await scrapeAll(at)).body).ok;
  assert.deepEqual([await isGood(), await isGood(), await isGood()], [true, true, false]);
  parts.now = (parts.now + 60_000) as typeof parts.now;
  assert.equal(await isGood(), true);
  const plain = await start(t);
  const refused = decodeHttpScrapeResponse((await scrapeAll(plain.at)).body);
  assert(!refused.ok && refused.refusal.reason.includes('info_hash'));
});

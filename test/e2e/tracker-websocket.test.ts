import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ClientOptions, WebSocket } from 'ws';
import { parseIp } from '#base';
import type { TrackerHooks } from '#tracker';
import { startTracker } from '#trackerd';
import { encodeWsRequest } from '#wire';
import { makeCertificate } from '../support/certificate.ts';
import { makeTempFolder, writeTree } from '../support/temp-folder.ts';
import { torrent, WebSocketClient, WebSocketPlace } from '../support/websocket-place.ts';

test('offers and answers go between two sockets; who closes is gone', async () => {
  await using place = await WebSocketPlace.open();
  const [a, b] = [await place.client(), await place.client('/')];
  b.announce('b');
  assert.equal((await b.next()).kind, 'announce');
  a.announce('a', ['one', 'two']);
  assert.equal((await a.next()).kind, 'announce');
  const offer = await b.next();
  assert.deepEqual(offer, {
    kind: 'offer',
    infoHash: torrent,
    peerId: 'a'.padEnd(20),
    offerId: offer.kind === 'offer' ? offer.offerId : '',
    sdp: offer.kind === 'offer' ? `offer ${offer.offerId}` : '',
  });
  const answer = { infoHash: torrent, peerId: 'b'.padEnd(20), offerId: offer.offerId, sdp: 'the answer' };
  b.say({ kind: 'answer', ...answer, toPeerId: offer.peerId });
  assert.deepEqual(await a.next(), { kind: 'answer', ...answer });
  b.socket.close();
  await b.closed;
  a.scrape();
  const scraped = await a.next();
  assert.deepEqual(scraped.kind === 'scrape' && scraped.files[0]?.counts, {
    complete: 0,
    incomplete: 1,
    downloaded: 0,
  });
  assert.deepEqual(place.bugs, []);
});

test('binary messages are read as text; what is no JSON is refused and the connection stays', async () => {
  await using place = await WebSocketPlace.open();
  const a = await place.client();
  a.socket.send(Buffer.from(encodeWsRequest({ kind: 'scrape', infoHashes: [torrent] })), { binary: true });
  assert.equal((await a.next()).kind, 'scrape');
  a.socket.send(Buffer.of(0xff, 0xfe), { binary: true });
  a.socket.send('{'.repeat(60_000));
  assert.equal((await a.next()).kind, 'failure');
  assert.equal((await a.next()).kind, 'failure');
  a.scrape();
  assert.equal((await a.next()).kind, 'scrape');
  assert.equal(place.counts.wsRefusedInvalid, 2);
});

test('what is too long, or no UTF-8, closes the connection', async () => {
  await using place = await WebSocketPlace.open();
  const [long, wrong] = [await place.client(), await place.client()];
  long.socket.send('x'.repeat(65_537));
  wrong.socket.send(Buffer.of(0xff, 0xfe), { binary: false });
  assert.equal(await long.closed, 1009);
  assert.equal(await wrong.closed, 1007);
  assert.equal(place.counts.wsBad, 2);
});

test('path, origin, source and number of connections are judged before the upgrade', async () => {
  await using place = await WebSocketPlace.open({
    origins: ['https://example.org'],
    limits: { connectionsMax: 4, connectionsPerAddressMax: 2, targetCharsMax: 100 },
    sourceOf: (request) => parseIp(String(request.headers['x-from'] ?? '192.0.2.1')),
  });
  const from = (address: string): ClientOptions => ({ headers: { 'x-from': address } });
  assert.equal(await place.status('/stats'), 404);
  assert.equal(await place.status('/announcements'), 404);
  assert.equal(await place.status('/not-a-passkey!/x'), 404);
  assert.equal(await place.status(`/${'x'.repeat(100)}/announce`), 414);
  assert.equal(await place.status('/announce', { origin: 'https://example.com' }), 403);
  assert.equal(await place.status('/announce', from('nobody')), 400);
  const first = await place.client('/key/announce?x=1', { origin: 'https://example.org' });
  await place.client('/announce', from('192.0.2.1'));
  assert.equal(await place.status('/announce', from('192.0.2.1')), 429);
  await place.client('/announce', from('2001:db8::1'));
  await place.client('/announce', from('2001:db8::2'));
  assert.equal(await place.status('/announce', from('2001:db8:1::2')), 503);
  first.socket.close();
  await first.closed;
  assert.equal(await place.status('/announce', from('2001:db8::3')), 429, 'one network of IPv6');
  await place.client('/announce', from('192.0.2.1'));
  assert.deepEqual([place.counts.wsConnections, place.counts.wsTurnedAway], [4, 9]);
});

test('the target and source of a connection reach the hooks', async () => {
  const seen: string[] = [];
  const hook: TrackerHooks = {
    preAnnounce: (call) => {
      seen.push(`${call.target} ${call.source.join('.')} ${call.event}`);
      return undefined;
    },
  };
  await using place = await WebSocketPlace.open({}, [hook]);
  const a = await place.client('/passkey/announce?x=1');
  a.announce('a');
  await a.next();
  a.socket.close();
  await a.closed;
  await place[Symbol.asyncDispose]();
  assert.deepEqual(seen, ['/passkey/announce?x=1 127.0.0.1 started', '/passkey/announce?x=1 127.0.0.1 stopped']);
});

test('a bug of a hook is reported; the client hears of a failure and stays', async () => {
  const hook: TrackerHooks = {
    preScrape: () => {
      throw new Error('bug');
    },
  };
  await using place = await WebSocketPlace.open({}, [hook]);
  const a = await place.client();
  a.scrape();
  assert.equal((await a.next()).kind, 'failure');
  a.announce('a');
  assert.equal((await a.next()).kind, 'announce');
  assert.equal(place.bugs.length, 1);
});

test('who sends too fast is answered later, and wholly', async () => {
  await using place = await WebSocketPlace.open({ limits: { messagesPerSec: 1_000, messageBurst: 20 } });
  const a = await place.client();
  const count = 300;
  for (let i = 0; i < count; i++) a.scrape();
  for (let i = 0; i < count; i++) assert.equal((await a.next()).kind, 'scrape');
  assert(place.counts.wsHeldBack > 0);
  a.scrape();
  assert.equal((await a.next()).kind, 'scrape', 'it is read again');
});

test('who does not take what is sent is dropped', async () => {
  await using place = await WebSocketPlace.open({ limits: { messageBurst: 1e6, unsentBytesMax: 10_000 } });
  const a = await place.client();
  a.announce('a');
  await a.next();
  a.socket.pause();
  const dropped = once(a.socket, 'close');
  // The answers are larger than the requests; asking goes on until the tracker has had enough.
  const work = (): void => {
    if (place.counts.wsDroppedSlow > 0) a.socket.resume();
    else for (let i = 0; i < 20 && a.socket.readyState === WebSocket.OPEN; i++) a.scrape(74);
    if (a.socket.readyState === WebSocket.OPEN) setImmediate(work);
  };
  work();
  await dropped;
  assert.equal(place.counts.wsDroppedSlow, 1);
});

test('who falls silent is dropped, who answers pings stays', async () => {
  await using place = await WebSocketPlace.open({ limits: { pingEveryMs: 250 } });
  const silent = await place.client('/announce', { autoPong: false });
  const alive = await place.client();
  silent.announce('silent');
  assert.equal(await silent.closed, 1006);
  assert.equal(place.counts.wsDroppedSilent, 1);
  assert.equal(alive.socket.readyState, WebSocket.OPEN);
});

test('who is alone has as long to answer a ping as one of many', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  await using place = await WebSocketPlace.open({ limits: { pingEveryMs: 60_000 } });
  const slow = await place.client('/announce', { autoPong: false });
  const pinged = once(slow.socket, 'ping');
  t.mock.timers.tick(250);
  await pinged;
  t.mock.timers.tick(5_000);
  assert.equal(place.counts.wsDroppedSilent, 0);
});

test('pings of a client are answered', async () => {
  await using place = await WebSocketPlace.open();
  const a = await place.client();
  a.socket.ping('hello');
  assert.equal(String((await once(a.socket, 'pong'))[0]), 'hello');
});

test('closing says goodbye to all and leaves nobody; later upgrades are turned away', async () => {
  await using place = await WebSocketPlace.open();
  const clients = await Promise.all(Array.from({ length: 20 }, () => place.client()));
  for (const [i, client] of clients.entries()) client.announce(`p${i}`);
  await Promise.all(clients.map((client) => client.next()));
  assert.equal(place.store.stats().peerCountWeb, 20);
  await Promise.all([place.front.close(), place.front.close()]);
  assert.deepEqual(new Set(await Promise.all(clients.map((client) => client.closed))), new Set([1001]));
  assert.equal(place.front.connectionCount, 0);
  assert.equal(place.store.stats().peerCountWeb, 0);
  assert.equal(await place.status('/announce'), 503);
});

test('closing does not wait for who does not answer', async () => {
  await using place = await WebSocketPlace.open({ limits: { closeTimeoutMs: 50 } });
  const dead = connect(place.port, '127.0.0.1');
  dead.on('error', () => {});
  dead.write(
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  await once(dead, 'data');
  await place.front.close();
  assert.equal(place.front.connectionCount, 0);
  dead.destroy();
});

test('passkeys may be the path', async () => {
  await using place = await WebSocketPlace.open();
  for (const path of ['/0123456789abcdef', '/announce/0123456789abcdef', '/0123456789abcdef/announce']) {
    const client = await place.client(path);
    client.scrape();
    assert.equal((await client.next()).kind, 'scrape');
  }
});

test('in a whole tracker, peers of ws, wss and HTTP are one swarm', async (t) => {
  const { cert, key } = makeCertificate('a tracker');
  const folder = writeTree(makeTempFolder(t), { 'cert.pem': cert, 'key.pem': key });
  const anyPort = { host: '127.0.0.1', port: 0 };
  await using tracker = await startTracker({
    http: [anyPort],
    https: [anyPort],
    tls: { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') },
  });
  const [plain = 0, secure = 0] = tracker.addresses.map(({ port }) => port);
  const at = `http://127.0.0.1:${plain}/announce?info_hash=${encodeURIComponent(torrent)}`;
  const asHttp = async (port: number, left: number): Promise<string> => {
    const answer = await fetch(`${at}&peer_id=-a-peer-of-the-tests&port=${port}&left=${left}&compact=1`);
    return await answer.text();
  };
  const open = async (url: string, options: ClientOptions = {}): Promise<WebSocketClient> => {
    const client = new WebSocketClient(new WebSocket(url, options));
    await once(client.socket, 'open');
    return client;
  };
  await asHttp(6_881, 0);
  const a = await open(`ws://127.0.0.1:${plain}/announce`);
  a.announce('a', ['never handed out']);
  const heard = await a.next();
  assert(heard.kind === 'announce');
  assert.deepEqual([heard.complete, heard.incomplete], [1, 1]);
  const b = await open(`wss://127.0.0.1:${secure}/announce`, { ca: cert });
  b.announce('b', ['for a']);
  assert.equal((await a.next()).kind, 'offer');
  assert.match(await asHttp(6_882, 1), /^d8:completei1e.*10:incompletei3e.*5:peers6:/s, 'addresses only');
  for (const { socket, closed } of [a, b]) {
    socket.close();
    await closed;
  }
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { type ClientOptions, WebSocket } from 'ws';
import { type Millis, parseIp, seededRng } from '#base';
import { WsFront, type WsFrontOptions, zeroWsCounts } from '#room/trackerd/ws/front';
import {
  DenseStore,
  relayLimits,
  type TrackerHooks,
  TrackerLogic,
  toTrackerLimits,
  WebRelay,
  zeroRelayCounts,
} from '#tracker';
import { decodeWsResponse, encodeWsRequest, type WsRequest, type WsResponse } from '#wire';

const torrent = 'torrent of the tests';

/** A node:http server that hands its upgrades to the front end. */
class Place implements AsyncDisposable {
  readonly counts = zeroWsCounts();
  readonly relayCounts = zeroRelayCounts();
  readonly bugs: unknown[] = [];
  readonly store: DenseStore;
  readonly front: WsFront;
  readonly #http = createServer((_, response) => response.writeHead(404).end());

  private constructor(options: Partial<WsFrontOptions>, hooks: TrackerHooks[]) {
    const limits = toTrackerLimits({ swarmsMax: 5_000, peersMax: 10_000 });
    this.store = DenseStore.create({ limits, rng: seededRng(1) });
    const logic = new TrackerLogic({ store: this.store, limits, hooks, rng: seededRng(2) });
    this.front = new WsFront({
      relay: new WebRelay({ logic, store: this.store, limits: relayLimits, counts: this.relayCounts }),
      counts: this.counts,
      now: () => performance.now() as Millis,
      onBug: (error) => this.bugs.push(error),
      ...options,
    });
    this.#http.on('upgrade', (request, socket, head) => this.front.handleUpgrade(request, socket, head));
  }

  static async open(options: Partial<WsFrontOptions> = {}, hooks: TrackerHooks[] = []): Promise<Place> {
    const place = new Place(options, hooks);
    place.#http.listen(0, '127.0.0.1');
    await once(place.#http, 'listening');
    return place;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  async client(path = '/announce', options: ClientOptions = {}): Promise<Client> {
    const client = new Client(new WebSocket(`ws://127.0.0.1:${this.port}${path}`, options));
    await once(client.socket, 'open');
    return client;
  }

  /** @returns the status of a request to upgrade that is turned away */
  async status(path: string, options: ClientOptions = {}): Promise<number | undefined> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}${path}`, options);
    socket.on('error', () => {});
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    response.resume();
    socket.terminate();
    return response.statusCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.front.close();
    this.#http.close();
    if (this.#http.listening) await once(this.#http, 'close');
    assert.equal(this.store.stats().peerCountWeb, 0, 'nobody is left in a swarm');
  }
}

class Client {
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  readonly #heard: WsResponse[] = [];
  #wake: (() => void) | undefined;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data, isBinary) => {
      assert.equal(isBinary, false, 'text is sent');
      const message = decodeWsResponse(String(data));
      assert(message.kind !== 'unreadable');
      this.#heard.push(message);
      this.#wake?.();
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }

  say(message: WsRequest): void {
    this.socket.send(encodeWsRequest(message));
  }

  announce(peerId: string, offers: string[] = []): void {
    this.say({
      kind: 'announce',
      infoHash: torrent,
      peerId: peerId.padEnd(20),
      uploaded: 0,
      downloaded: 0,
      left: 1,
      event: 'started',
      numWant: -1,
      offers: offers.map((offerId) => ({ offerId, sdp: `offer ${offerId}` })),
    });
  }

  scrape(count = 1): void {
    const infoHashes = Array.from({ length: count }, (_, i) => (i === 0 ? torrent : `torrent ${i}`.padEnd(20)));
    this.say({ kind: 'scrape', infoHashes });
  }

  async next(): Promise<WsResponse> {
    for (;;) {
      const message = this.#heard.shift();
      if (message !== undefined) return message;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

test('offers and answers go between two sockets; who closes is gone', async () => {
  await using place = await Place.open();
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
  await using place = await Place.open();
  const a = await place.client();
  a.socket.send(Buffer.from(encodeWsRequest({ kind: 'scrape', infoHashes: [torrent] })), { binary: true });
  assert.equal((await a.next()).kind, 'scrape');
  a.socket.send(Buffer.of(0xff, 0xfe), { binary: true });
  a.socket.send('{'.repeat(60_000));
  assert.equal((await a.next()).kind, 'failure');
  assert.equal((await a.next()).kind, 'failure');
  a.scrape();
  assert.equal((await a.next()).kind, 'scrape');
  assert.equal(place.relayCounts.bad, 2);
});

test('what is too long, or no UTF-8, closes the connection', async () => {
  await using place = await Place.open();
  const [long, wrong] = [await place.client(), await place.client()];
  long.socket.send('x'.repeat(65_537));
  wrong.socket.send(Buffer.of(0xff, 0xfe), { binary: false });
  assert.equal(await long.closed, 1009);
  assert.equal(await wrong.closed, 1007);
  assert.equal(place.counts.bad, 2);
});

test('path, origin, source and number of connections are judged before the upgrade', async () => {
  await using place = await Place.open({
    origins: ['https://example.org'],
    limits: { connectionsMax: 4, connectionsPerAddressMax: 2, targetCharsMax: 100 },
    sourceOf: (request) => parseIp(String(request.headers['x-from'] ?? '192.0.2.1')),
  });
  const from = (address: string): ClientOptions => ({ headers: { 'x-from': address } });
  assert.equal(await place.status('/stats'), 404);
  assert.equal(await place.status('/announcements'), 404);
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
  assert.deepEqual([place.counts.opened, place.counts.turnedAway], [5, 8]);
});

test('the target and source of a connection reach the hooks', async () => {
  const seen: string[] = [];
  const hook: TrackerHooks = {
    preAnnounce: (call) => {
      seen.push(`${call.target} ${call.source.join('.')} ${call.event}`);
      return undefined;
    },
  };
  await using place = await Place.open({}, [hook]);
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
  await using place = await Place.open({}, [hook]);
  const a = await place.client();
  a.scrape();
  assert.equal((await a.next()).kind, 'failure');
  a.announce('a');
  assert.equal((await a.next()).kind, 'announce');
  assert.equal(place.bugs.length, 1);
});

test('who sends too fast is answered later, and wholly', async () => {
  await using place = await Place.open({ limits: { messagesPerSec: 1_000, messageBurst: 20 } });
  const a = await place.client();
  const count = 300;
  for (let i = 0; i < count; i++) a.scrape();
  for (let i = 0; i < count; i++) assert.equal((await a.next()).kind, 'scrape');
  assert(place.counts.tooFast > 0);
  a.scrape();
  assert.equal((await a.next()).kind, 'scrape', 'it is read again');
});

test('who does not take what is sent is dropped', async () => {
  await using place = await Place.open({ limits: { messageBurst: 1e6, unsentBytesMax: 10_000 } });
  const a = await place.client();
  a.announce('a');
  await a.next();
  a.socket.pause();
  const dropped = once(a.socket, 'close');
  // The answers are larger than the requests; asking goes on until the tracker has had enough.
  const work = (): void => {
    if (place.counts.slow > 0) a.socket.resume();
    else for (let i = 0; i < 20 && a.socket.readyState === WebSocket.OPEN; i++) a.scrape(74);
    if (a.socket.readyState === WebSocket.OPEN) setImmediate(work);
  };
  work();
  await dropped;
  assert.equal(place.counts.slow, 1);
});

test('who falls silent is dropped, who answers pings stays', async () => {
  await using place = await Place.open({ limits: { pingEveryMs: 250 } });
  const silent = await place.client('/announce', { autoPong: false });
  const alive = await place.client();
  silent.announce('silent');
  assert.equal(await silent.closed, 1006);
  assert.equal(place.counts.silent, 1);
  assert.equal(alive.socket.readyState, WebSocket.OPEN);
});

test('pings of a client are answered', async () => {
  await using place = await Place.open();
  const a = await place.client();
  a.socket.ping('hello');
  assert.equal(String((await once(a.socket, 'pong'))[0]), 'hello');
});

test('closing says goodbye to all and leaves nobody; later upgrades are turned away', async () => {
  await using place = await Place.open();
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
  await using place = await Place.open({ limits: { closeTimeoutMs: 50 } });
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

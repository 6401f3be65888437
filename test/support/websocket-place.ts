import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';
import { type Millis, seededRng } from '#base';
import { WsFront, type WsFrontOptions } from '#room/trackerd/ws/front';
import {
  type CounterName,
  CounterTable,
  DenseStore,
  relayLimits,
  type TrackerHooks,
  TrackerLogic,
  toTrackerLimits,
  WebRelay,
} from '#tracker';
import { decodeWsResponse, encodeWsRequest, type WsRequest, type WsResponse } from '#wire';

/** 20 bytes, one character each. */
export const torrent = 'torrent of the tests';

/** The WebSocket side of a tracker by itself: a node:http server that hands its upgrades to the front end. */
export class WebSocketPlace implements AsyncDisposable {
  readonly #counters = new CounterTable(1);
  readonly bugs: unknown[] = [];
  readonly store: DenseStore;
  readonly front: WsFront;
  readonly #http = createServer((_, response) => response.writeHead(404).end());

  private constructor(options: Partial<WsFrontOptions>, hooks: TrackerHooks[]) {
    const counts = this.#counters.row(0);
    const limits = toTrackerLimits({ swarmsMax: 5_000, peersMax: 10_000 });
    this.store = DenseStore.create({ limits, rng: seededRng(1) });
    const logic = new TrackerLogic({ store: this.store, limits, hooks, rng: seededRng(2) });
    this.front = new WsFront({
      relay: new WebRelay({ logic, store: this.store, limits: relayLimits, counts }),
      counts,
      now: () => performance.now() as Millis,
      onBug: (error) => this.bugs.push(error),
      ...options,
    });
    this.#http.on('upgrade', (request, socket, head) => this.front.handleUpgrade(request, socket, head));
  }

  static async open(options: Partial<WsFrontOptions> = {}, hooks: TrackerHooks[] = []): Promise<WebSocketPlace> {
    const place = new WebSocketPlace(options, hooks);
    place.#http.listen(0, '127.0.0.1');
    await once(place.#http, 'listening');
    return place;
  }

  get counts(): Readonly<Record<CounterName, number>> {
    return this.#counters.sums();
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  async client(path = '/announce', options: ClientOptions = {}): Promise<WebSocketClient> {
    const client = new WebSocketClient(new WebSocket(`ws://127.0.0.1:${this.port}${path}`, options));
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

/** A client over a real socket. */
export class WebSocketClient {
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

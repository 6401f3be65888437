import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { after, test } from 'node:test';
import { BtError, type Millis, type PeerAddress, seededRng } from '#base';
import { loadUdpBatches, openUdp } from '#node';
import { startUdp, type UdpStart } from '#room/trackerd/udp/start-udp';
import type { UdpEvent, UdpFront, UdpThreading } from '#room/trackerd/udp/types';
import { AddressLimits, CounterTable, counter, DenseStore, Offenders, TrackerLogic, toTrackerLimits } from '#tracker';
import {
  decodeUdpResponse,
  encodeUdpAnnounceRequest,
  encodeUdpConnectRequest,
  encodeUdpScrapeRequest,
  type UdpResponse,
} from '#wire';

const loaded = await loadUdpBatches();
const needsBatches = { skip: loaded.isAvailable ? false : loaded.reason };
const hasSix = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const rng = seededRng(12);
const moduleUrl = (name: string): string => new URL(`../support/${name}.js`, import.meta.url).href;
const policyModule = moduleUrl('udp-worker-policy');

class Service {
  readonly events: UdpEvent[] = [];
  readonly data: unknown[] = [];
  readonly counters = new CounterTable(5);
  readonly store: DenseStore;
  front!: UdpFront;
  #onEvent: () => void = () => {};

  static async start(threading: Partial<UdpThreading> | string, over: Partial<UdpStart> = {}): Promise<Service> {
    const service = new Service();
    service.front = await startUdp(service.#options(threading, over));
    services.push(service);
    return service;
  }

  constructor() {
    this.store = DenseStore.create({ limits, rng: rng.fork('store') });
  }

  #options(threading: Partial<UdpThreading> | string, over: Partial<UdpStart>): UdpStart {
    return {
      addresses: [{ host: '127.0.0.1', port: 0 }],
      limits,
      answerBytesMax: 1_232,
      receiveBufferBytes: 1_000_000,
      connectionSecret: rng.bytes(16),
      counters: this.counters,
      addressLimits: new AddressLimits(Uint32Array.of(1, 2, 3, 4)),
      offenders: new Offenders(5),
      firstRow: 1,
      now: () => performance.now() as Millis,
      onEvent: (event) => {
        this.events.push(event);
        this.#onEvent();
      },
      logic: new TrackerLogic({ store: this.store, limits, rng: rng.fork('logic') }),
      threading:
        typeof threading === 'string'
          ? threading
          : {
              threads: 2,
              storeShare: this.store.share(),
              onData: (kind, data) => {
                this.data.push([kind, data]);
                this.#onEvent();
              },
              ...threading,
            },
      ...over,
    };
  }

  /** Resolves when events or data are as wanted. */
  async until(isThere: () => boolean): Promise<void> {
    while (!isThere()) await new Promise<void>((resolve) => (this.#onEvent = resolve));
  }

  at(i = 0): PeerAddress {
    return this.front.addresses[i] as PeerAddress;
  }
}

const limits = toTrackerLimits({ intervalSec: 60, intervalJitterSec: 0, swarmsMax: 10_000, peersMax: 100_000 });
const services: Service[] = [];
const clients: Client[] = [];
after(async () => {
  for (const client of clients) client.close();
  await Promise.all(services.map((service) => service.front.close()));
});

/** One UDP socket with one question at a time. */
class Client {
  readonly #socket: Socket;
  readonly #to: PeerAddress;
  #id: Uint8Array = new Uint8Array(8);
  #onAnswer: (bytes: Uint8Array) => void = () => {};

  static async open(to: PeerAddress): Promise<Client> {
    const isSix = to.host.includes(':');
    const client = new Client(createSocket(isSix ? 'udp6' : 'udp4'), to);
    await new Promise<void>((resolve) => client.#socket.bind(0, isSix ? '::1' : '127.0.0.1', resolve));
    clients.push(client);
    const connected = await client.ask(encodeUdpConnectRequest(1));
    assert(connected.kind === 'connect');
    client.#id = connected.connectionId;
    return client;
  }

  constructor(socket: Socket, to: PeerAddress) {
    this.#socket = socket;
    this.#to = to;
    socket.on('message', (bytes) => this.#onAnswer(bytes));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  ask(bytes: Uint8Array): Promise<UdpResponse> {
    return new Promise((resolve) => {
      this.#onAnswer = (answer) => resolve(decodeUdpResponse(answer, this.#to.host.includes(':') ? 6 : 4));
      this.#socket.send(bytes, this.#to.port, this.#to.host);
    });
  }

  announce(o: { infoHash: Uint8Array; port: number; left?: number; key?: number; urlData?: string }) {
    const { infoHash, port, left = 1, key = 0, urlData } = o;
    const request = { infoHash, peerId: new Uint8Array(20), port, uploaded: 0, downloaded: 0, left, key };
    const bytes = encodeUdpAnnounceRequest({
      connectionId: this.#id,
      transactionId: port,
      request: { ...request, event: 'started', numWant: -1 },
      ...(urlData === undefined ? {} : { urlData }),
    });
    return this.ask(bytes);
  }

  scrape(infoHashes: Uint8Array[]): Promise<UdpResponse> {
    return this.ask(encodeUdpScrapeRequest({ connectionId: this.#id, transactionId: 1, infoHashes }));
  }

  close(): void {
    this.#socket.close();
  }
}

test('two threads, one port, one store: the counts are right whoever served whom', needsBatches, async () => {
  const hosts = hasSix ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
  const service = await Service.start({}, { addresses: hosts.map((host) => ({ host, port: 0 })), batch: 'on' });
  const [mode] = service.events;
  assert(mode?.type === 'udp.mode' && mode.mode === 'batched' && mode.threads === 2);
  assert((mode.receiveBufferBytes ?? 0) >= 65_536);
  const infoHashes = Array.from({ length: 8 }, () => rng.bytes(20));
  const perClient = 200;
  const asked: Client[] = [];
  for (let i = 0; i < 32; i++) asked.push(await Client.open(service.at(i % hosts.length)));
  await Promise.all(
    asked.map(async (client, n) => {
      for (let i = 0; i < perClient; i++) {
        const infoHash = infoHashes[i % 8] as Uint8Array;
        const answer = await client.announce({ infoHash, port: 1 + n * perClient + i, left: i % 16 === 0 ? 0 : 5 });
        assert.equal(answer.kind, 'announce');
        assert.equal(answer.transactionId, 1 + n * perClient + i);
      }
    }),
  );
  const scraped = await (asked[0] as Client).scrape(infoHashes);
  assert(scraped.kind === 'scrape');
  const all = 32 * perClient;
  const sum = (name: 'complete' | 'incomplete') => scraped.rows.reduce((total, row) => total + row[name], 0);
  // Of 200 announces of a client 13 are the sixteenth.
  assert.deepEqual([sum('complete'), sum('complete') + sum('incomplete')], [32 * 13, all]);
  const { seederCount, peerCount4, peerCount6, swarmCount } = service.store.stats();
  assert.deepEqual([seederCount, peerCount4 + peerCount6, swarmCount], [32 * 13, all, 8]);
  assert.equal(service.counters.sum('udpAnnounces4') + service.counters.sum('udpAnnounces6'), all);
  for (const row of [1, 2]) {
    const connects = service.counters.row(row)[counter.udpConnects] as number;
    assert(connects > 0 && connects < 32, `thread ${row} had ${connects} of 32 clients`);
  }
  await service.front.close();
  // Free again, for anybody.
  const again = await openUdp({ ...service.at(), handlers: { onDatagram: () => {} } });
  await again.close();
});

test(
  'policies are data: given at the start, replaced while it runs, a bad one is told and not taken',
  needsBatches,
  async () => {
    const service = await Service.start({
      policyModule,
      policy: { refused: 'closed' },
      hookModules: [moduleUrl('udp-worker-hooks')],
      threads: 1,
    });
    const client = await Client.open(service.at());
    const announce = (urlData?: string) =>
      client.announce({ infoHash: new Uint8Array(20), port: 5, ...(urlData === undefined ? {} : { urlData }) });
    const refused = await announce();
    assert(refused.kind === 'error' && refused.reason === 'closed');
    service.front.setPolicy({});
    await service.until(() => service.events.some((event) => event.type === 'error'));
    assert.match(String((service.events[1] as { error: unknown }).error), /no such policy/);
    assert.equal((await announce()).kind, 'error');
    service.front.setPolicy({ refused: '' });
    while ((await announce()).kind === 'error');
    const byHook = await announce('/bad');
    assert(byHook.kind === 'error' && byHook.reason === 'not with this URL');
    service.front.setLimits({ ...limits, intervalSec: 99 });
    const isNew = (answer: UdpResponse) => answer.kind === 'announce' && answer.response.intervalSec === 99;
    // The policy let go the two announces before, and all of these.
    let passedCount = 3;
    while (!isNew(await announce())) passedCount++;
    await service.until(() => service.data.length > 0);
    await service.front.close();
    const passed = service.data.map((item) => (item as [string, Uint32Array])[1][0] as number);
    assert.equal(
      passed.reduce((a, b) => a + b, 0),
      passedCount,
    );
  },
);

test('a thread that dies is replaced, and its socket goes on', needsBatches, async () => {
  const service = await Service.start({ policyModule, policy: { refused: '' } });
  const several = await Promise.all(Array.from({ length: 12 }, () => Client.open(service.at())));
  const infoHash = rng.bytes(20);
  // The answer leaves, then the thread of the first client dies.
  assert.equal((await (several[0] as Client).announce({ infoHash, port: 6_000, key: 666 })).kind, 'announce');
  await service.until(() => service.events.some((event) => event.type === 'udp.worker-restarted'));
  const answers = await Promise.all(several.map((client, i) => client.announce({ infoHash, port: 7_000 + i })));
  assert.deepEqual(new Set(answers.map((a) => a.kind)), new Set(['announce']));
  const restarts = service.events.filter((event) => event.type === 'udp.worker-restarted');
  assert.equal(restarts.length, 1);
  assert.match((restarts[0] as { error: Error }).error.message, /a thread dies/);
  assert.equal(service.store.stats().peerCount4, 13);
});

test('what cannot start says so and leaves nothing', needsBatches, async () => {
  const holder = await openUdp({ host: '127.0.0.1', port: 0, handlers: { onDatagram: () => {} } });
  const inUse = Service.start({}, { addresses: [{ host: '127.0.0.1', port: 0 }, holder.local] });
  await assert.rejects(inUse, (e) => BtError.is(e, 'net/port-in-use'));
  await holder.close();
  await assert.rejects(Service.start({ hookModules: [policyModule] }), /exports none of/);
  await assert.rejects(Service.start({ policyModule, policy: {} }), /no such policy/);
  await assert.rejects(Service.start('no store to share', { batch: 'on' }), (e) => BtError.is(e, 'config/invalid'));
});

test('node:dgram answers alike, where threads cannot be', async () => {
  const service = await Service.start('asked for by a test', { addresses: [{ host: '127.0.0.1', port: 0 }] });
  assert.deepEqual(service.events, [
    { type: 'udp.mode', mode: 'dgram', threads: 1, reason: 'asked for by a test', receiveBufferBytes: undefined },
  ]);
  const client = await Client.open(service.at());
  const infoHash = rng.bytes(20);
  await client.announce({ infoHash, port: 1, left: 0 });
  const answer = await client.announce({ infoHash, port: 2 });
  assert(answer.kind === 'announce');
  assert.deepEqual(answer.response.peers, [{ host: '127.0.0.1', port: 1 }]);
  assert.equal(service.counters.sum('udpAnnounces4'), 2);
});

test('without koffi the tracker serves by node:dgram and says why', () => {
  const script = `
    const { startTracker } = await import('#trackerd');
    const { TrackerClient } = await import('#node');
    const events = [];
    const tracker = await startTracker({ udp: [{ host: '127.0.0.1', port: 0 }], onEvent: (e) => events.push(e) });
    const client = new TrackerClient({ timeoutMs: 5000 });
    const request = { infoHash: new Uint8Array(20), peerId: new Uint8Array(20), port: 9, uploaded: 0, downloaded: 0, left: 1, event: 'started', numWant: -1, key: 1 };
    const result = await client.announce('udp://127.0.0.1:' + tracker.addresses[0].port, request);
    await client.close();
    await tracker.close();
    console.log(JSON.stringify([events.filter((e) => e.type === 'udp.mode'), result.ok]));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, EIDER_WITHOUT: 'koffi' },
  });
  assert.equal(stderr, '');
  const [[mode], isAnswered] = JSON.parse(stdout) as [UdpEvent[], boolean];
  assert(mode?.type === 'udp.mode' && mode.mode === 'dgram');
  assert.match(mode.reason, process.platform === 'linux' ? /koffi/ : /Linux/);
  assert.equal(isAnswered, true);
});

import { type ChildProcess, fork } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Millis, type PeerAddress, seededRng, writeU16, writeU32 } from '#base';
import { loadUdpBatches, type UdpBatch } from '#node';
import { UdpAnswerer } from '#room/trackerd/udp/answerer';
import { startUdp } from '#room/trackerd/udp/start-udp';
import {
  AddressLimits,
  ConnectionIds,
  CounterTable,
  DenseStore,
  Offenders,
  TrackerLogic,
  toTrackerLimits,
} from '#tracker';
import { toCount } from '../support/arguments.ts';
import { hooks } from '../support/tracker-udp-hooks.ts';

/**
 * What UDP requests cost the tracker, with connection ids, address limits, counters and three hooks.
 *
 *     npm run bench -- tracker-udp [--seconds 3] [--torrents 10000] [--peers 100000] [--rounds 3] [--dgram]
 *
 * First without sockets, microseconds a request; then over loopback from a sender in this process to a tracker in another one, answers per
 * CPU-second of the tracker. The sender keeps 256 requests on their way.
 */

const ANSWER_BYTES_MAX = 1_232;
const WINDOW = 256;

interface Shape {
  readonly torrents: number;
  readonly peers: number;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '3' },
      torrents: { type: 'string', default: '10000' },
      peers: { type: 'string', default: '100000' },
      rounds: { type: 'string', default: '3' },
      dgram: { type: 'boolean', default: false },
      serve: { type: 'string' },
    },
  });
  if (values.serve !== undefined) return serve(values.serve === 'dgram');
  const [seconds, torrents, peers, rounds] = (['seconds', 'torrents', 'peers', 'rounds'] as const).map((name) =>
    toCount(values[name], `--${name}`),
  ) as [number, number, number, number];
  const shape = { torrents, peers };
  console.log('without sockets');
  console.table(withoutSockets(shape));
  const how = values.dgram ? 'dgram' : 'batched';
  console.log(`over loopback, ${how}`);
  const rows = [];
  for (let round = 0; round < rounds; round++) {
    rows.push(await overLoopback(shape, { seconds, how }));
  }
  console.table(rows);
}

/** Requests one after the other in a buffer, as `UdpBatch` would have received them. */
class Requests {
  readonly slotBytes = 2_048;
  readonly bytes: Uint8Array;
  readonly count: number;

  constructor(count: number) {
    this.count = count;
    this.bytes = new Uint8Array(count * this.slotBytes);
  }
}

/** Writes the announce of peer `peer` of the shape. */
function writeAnnounce(
  into: Uint8Array,
  at: number,
  o: { shape: Shape; peer: number; id: Uint8Array; tx: number },
): void {
  into.set(o.id, at);
  writeU32(into, at + 8, 1);
  writeU32(into, at + 12, o.tx);
  const torrent = o.peer % o.shape.torrents;
  writeU32(into, at + 16, Math.imul(torrent + 1, 0x9e37_79b1) >>> 0);
  writeU32(into, at + 20, torrent);
  into.fill(7, at + 24, at + 36);
  into.fill(8, at + 36, at + 56);
  writeU32(into, at + 56, 0);
  writeU32(into, at + 60, 1_000);
  writeU32(into, at + 64, 0);
  // One in four seeds.
  writeU32(into, at + 68, (o.peer & 3) === 0 ? 0 : 5_000_000);
  writeU32(into, at + 80, 0);
  writeU32(into, at + 84, 0);
  writeU32(into, at + 88, o.peer);
  writeU32(into, at + 92, 50);
  // A peer is its torrent and port here: all come from one address.
  writeU16(into, at + 96, 1 + Math.floor(o.peer / o.shape.torrents));
}

function withoutSockets(shape: Shape): Record<string, Record<string, number>> {
  const limits = toTrackerLimits();
  const rng = seededRng(1);
  const store = DenseStore.create({ limits, rng });
  const ids = new ConnectionIds({ secret: new Uint8Array(16), lifetimeMs: 120_000 });
  const addressLimits = new AddressLimits(randomFillSync(new Uint32Array(4)));
  addressLimits.set({ exemptsLocal: false, requestsMax: 1_000_000, unprovenMax: 1_000_000, windowMs: 1_000 });
  const requests = new Requests(1_024);
  const output = new Uint8Array(64 * 2_048);
  const rows: Record<string, Record<string, number>> = {};
  for (const family of [4, 6] as const) {
    const sourceBytes = family === 4 ? 4 : 16;
    const sources = new Uint8Array(16).fill(20 + family);
    const answerer = new UdpAnswerer({
      input: requests.bytes,
      output,
      sources,
      logic: new TrackerLogic({ store, limits, rng, hooks }),
      ids,
      counts: new CounterTable(1).row(0),
      limits: addressLimits,
      offenders: new Offenders(1),
      answerBytesMax: ANSWER_BYTES_MAX,
      onBug: (error) => {
        throw error;
      },
    });
    const id = new Uint8Array(8);
    let now = 1_000_000 as Millis;
    ids.issue(now, sources, 0, sourceBytes, id, 0);
    const measure = (lengthOf: number, fill: (at: number, i: number) => void): number => {
      const total = 400_000;
      ids.issue(now, sources, 0, sourceBytes, id, 0);
      let best = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 3; round++) {
        let took = 0;
        for (let done = 0; done < total; done += requests.count) {
          for (let i = 0; i < requests.count; i++) fill(i * requests.slotBytes, done + i);
          now = (now + 5) as Millis;
          const startedAt = performance.now();
          for (let i = 0; i < requests.count; i++) {
            const sent = answerer.answer(now, i * requests.slotBytes, lengthOf, 0, sourceBytes, (i & 63) * 2_048);
            if (sent === 0) throw new Error('no answer');
          }
          took += performance.now() - startedAt;
        }
        best = Math.min(best, took / total);
      }
      return Math.round(best * 1e6) / 1e3;
    };
    rows[`IPv${family}`] = {
      'announce, us': measure(98, (at, i) =>
        writeAnnounce(requests.bytes, at, { shape, peer: (i * 7_919) % shape.peers, id, tx: i }),
      ),
      'announce with /announce, us': measure(109, (at, i) => {
        writeAnnounce(requests.bytes, at, { shape, peer: (i * 7_919) % shape.peers, id, tx: i });
        requests.bytes.set(ANNOUNCE_OPTION, at + 98);
      }),
      'scrape of 1, us': measure(36, (at, i) => {
        writeAnnounce(requests.bytes, at, { shape, peer: (i * 7_919) % shape.peers, id, tx: i });
        requests.bytes[at + 11] = 2;
      }),
      'connect, us': measure(16, (at) => writeConnect(requests.bytes, at)),
    };
  }
  return rows;
}

const ANNOUNCE_OPTION = Uint8Array.from([2, 9, ...new TextEncoder().encode('/announce')]);

function writeConnect(into: Uint8Array, at: number): void {
  writeU32(into, at, 0x417);
  writeU32(into, at + 4, 0x2710_1980);
  writeU32(into, at + 8, 0);
  writeU32(into, at + 12, 5);
}

interface Loopback {
  readonly 'announces/CPU-s': number;
  readonly 'scrapes of 1/CPU-s': number;
  readonly 'connects/CPU-s': number;
}

/** Starts a tracker process, fills it, and asks until the time is over. */
async function overLoopback(shape: Shape, o: { seconds: number; how: string }): Promise<Loopback> {
  const child = fork(join(fileURLToPath(import.meta.url), '../../main.js'), ['tracker-udp', '--serve', o.how]);
  const loaded = await loadUdpBatches();
  if (!loaded.isAvailable) throw new Error(loaded.reason);
  try {
    const at = await ask<PeerAddress>(child);
    const { fd } = loaded.openSocket({ host: '127.0.0.1', port: 0, receiveBufferBytes: 4_194_304 });
    const batch = loaded.batch(fd, { timeoutMs: 1_000, destinations: 1 });
    const sender = new Sender(batch, batch.addDestination(at), shape);
    sender.connect();
    // Everybody in once, which also warms the code.
    sender.run('announce', { requests: shape.peers });
    const per = async (kind: Kind): Promise<number> => {
      const cpu = await ask<number>(child);
      const answers = sender.run(kind, { seconds: o.seconds });
      return Math.round(answers / ((await ask<number>(child)) - cpu));
    };
    const result = {
      'announces/CPU-s': await per('announce'),
      'scrapes of 1/CPU-s': await per('scrape'),
      'connects/CPU-s': await per('connect'),
    };
    loaded.closeSocket(fd);
    return result;
  } finally {
    child.disconnect();
  }
}

type Kind = 'announce' | 'scrape' | 'connect';

class Sender {
  readonly #batch: UdpBatch;
  readonly #to: number;
  readonly #shape: Shape;
  readonly #id = new Uint8Array(8);
  #next = 0;

  constructor(batch: UdpBatch, to: number, shape: Shape) {
    this.#batch = batch;
    this.#to = to;
    this.#shape = shape;
  }

  connect(): void {
    this.#send('connect');
    this.#batch.flush();
    if (this.#batch.receive() !== 1) throw new Error('no answer to a connect');
    this.#id.set(this.#batch.received.subarray(8, 16));
  }

  #send(kind: Kind): void {
    const batch = this.#batch;
    const peer = (this.#next++ * 7_919) % this.#shape.peers;
    const at = batch.sendAt;
    if (kind === 'connect') writeConnect(batch.sendRoom, at);
    else writeAnnounce(batch.sendRoom, at, { shape: this.#shape, peer, id: this.#id, tx: this.#next });
    if (kind === 'scrape') batch.sendRoom[at + 11] = 2;
    batch.queue(this.#to, kind === 'announce' ? 98 : kind === 'scrape' ? 36 : 16);
  }

  /** @returns answers */
  run(kind: Kind, until: { seconds?: number; requests?: number }): number {
    const batch = this.#batch;
    const endAt = performance.now() + (until.seconds ?? 1e6) * 1_000;
    const requests = until.requests ?? Number.POSITIVE_INFINITY;
    const action = kind === 'connect' ? 0 : kind === 'announce' ? 1 : 2;
    let sent = 0;
    let answers = 0;
    while (answers < requests && performance.now() < endAt) {
      while (sent - answers < WINDOW && sent < requests) {
        for (let i = 0; i < 64 && sent < requests; i++, sent++) this.#send(kind);
        batch.flush();
      }
      const count = batch.receive();
      if (count === 0) throw new Error(`an answer is missing: ${answers} of ${sent}`);
      for (let i = 0; i < count; i++) {
        if (batch.received[batch.receivedAt(i) + 3] !== action) throw new Error('not the answer to that');
      }
      answers += count;
    }
    while (answers < sent) {
      const count = batch.receive();
      if (count === 0) throw new Error(`an answer is missing: ${answers} of ${sent}`);
      answers += count;
    }
    return answers;
  }
}

/** Asks the tracker process for the next thing it tells: where it listens, then its CPU-seconds. */
function ask<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as T));
    child.send('');
  });
}

/** The tracker process. */
async function serve(isDgram: boolean): Promise<void> {
  const limits = toTrackerLimits({ connectionIdMs: 3_600_000 });
  const rng = seededRng(1);
  const store = DenseStore.create({ limits, rng });
  const addressLimits = new AddressLimits(randomFillSync(new Uint32Array(4)));
  addressLimits.set({ exemptsLocal: false, requestsMax: 1_000_000, unprovenMax: 1_000_000, windowMs: 1_000 });
  const front = await startUdp({
    addresses: [{ host: '127.0.0.1', port: 0 }],
    limits,
    answerBytesMax: ANSWER_BYTES_MAX,
    receiveBufferBytes: 4_194_304,
    connectionSecret: new Uint8Array(16),
    counters: new CounterTable(2),
    addressLimits,
    offenders: new Offenders(2),
    firstRow: 1,
    now: () => performance.now() as Millis,
    onEvent: (event) => {
      if (event.type !== 'udp.mode') console.error(event);
    },
    logic: new TrackerLogic({ store, limits, rng, hooks }),
    threading: isDgram
      ? 'asked for'
      : {
          threads: 1,
          storeShare: store.share(),
          hookModules: [new URL('../support/tracker-udp-hooks.js', import.meta.url).href],
        },
  });
  let isFirst = true;
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.(isFirst ? front.addresses[0] : (user + system) / 1e6);
    isFirst = false;
  });
  process.once('disconnect', () => void front.close());
}

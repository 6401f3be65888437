/**
 * The tracker's HTTP front end over a store of 1,000,000 peers in 10,000 torrents, 50 peers wanted: time of one announce without a network,
 * and of its parts; then answers per CPU-second of this process to another process over loopback, with keep-alive and without.
 *
 *     npm run bench -- tracker-http [SECONDS]
 */
import { type Millis, seededRng } from '#base';
import { HttpFront } from '#room/trackerd/http/front';
import { RequestHead } from '#room/trackerd/http/request-head';
import { HttpRoutes } from '#room/trackerd/http/routes';
import { frontLimits } from '#room/trackerd/limits';
import { AnnounceCall, CounterTable, DenseStore, TrackerLogic, toTrackerLimits } from '#tracker';
import { AnnounceQueryReader } from '#wire';
import { readCountsInOrder } from '../support/arguments.ts';
import { announceRequest, infoHashOf } from '../support/http-requests.ts';
import { JsonChild, median } from '../support/processes.ts';

const PEERS = 1_000_000;
const TORRENTS = 10_000;
const limits = toTrackerLimits();
const now = (): Millis => performance.now() as Millis;

function fillStore(): DenseStore {
  const store = DenseStore.create({ limits, rng: seededRng(1) });
  const call = new AnnounceCall();
  call.peerBytes = new Uint8Array(4);
  for (let torrent = 0; torrent < TORRENTS; torrent++) {
    call.hashBytes = infoHashOf(torrent);
    for (let i = 0; i < PEERS / TORRENTS; i++) {
      const mixed = Math.imul(torrent * 128 + i, 0x9e3779b1) >>> 0;
      call.peerBytes.set([1 + (mixed >>> 25), mixed >>> 16, mixed >>> 8, mixed]);
      call.port = 1_024 + (mixed % 60_000);
      call.left = i % 3;
      store.announce(now(), call);
    }
  }
  return store;
}

/** Nanoseconds of one call, the median of five rounds. */
function time(name: string, count: number, run: (i: number) => void): void {
  const rounds = Array.from({ length: 5 }, () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < count; i++) run(i);
    return Number(process.hrtime.bigint() - start) / count;
  });
  process.stdout.write(`${name.padEnd(44)} ${(median(rounds) / 1_000).toFixed(2).padStart(8)} us\n`);
}

function timeParts(routes: HttpRoutes): void {
  const requests = Array.from({ length: 4_096 }, (_, i) => announceRequest(i, true));
  const head = new RequestHead();
  const reader = new AnnounceQueryReader();
  const source = Uint8Array.of(93, 184, 216, 34);
  const parse = (bytes: Buffer) => head.parse(bytes, 0, bytes.length, frontLimits, false);
  time('head', 200_000, (i) => void parse(requests[i & 4_095] as Buffer));
  time('head and query', 200_000, (i) => {
    const bytes = requests[i & 4_095] as Buffer;
    parse(bytes);
    if (reader.read(bytes, head.queryFrom, head.targetTo) !== undefined) throw new Error('not read');
  });
  time('announce, request to answer', 200_000, (i) => {
    const bytes = requests[i & 4_095] as Buffer;
    parse(bytes);
    routes.answer(now(), head, bytes, source);
    if (routes.out.take().length < 400) throw new Error('no peers');
  });
}

async function timeLoopback(port: number, keepAlive: boolean, seconds: number): Promise<void> {
  const blaster = new JsonChild('./http-blaster.js', [String(port), keepAlive ? '1' : '0', '50']);
  const read = async (): Promise<{ answers: number; cpu: number; at: number }> => {
    blaster.child.stdin?.write('\n');
    const { answers } = await blaster.next('count');
    const { user, system } = process.cpuUsage();
    return { answers: answers as number, cpu: (user + system) / 1e6, at: performance.now() };
  };
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(700);
  const before = await read();
  await pause(seconds * 1_000);
  const after = await read();
  await blaster.end();
  const answers = after.answers - before.answers;
  const name = keepAlive ? 'keep-alive, 50 connections' : 'a connection each, 50 at once';
  const perCpu = Math.round(answers / (after.cpu - before.cpu));
  const perSecond = Math.round((answers * 1_000) / (after.at - before.at));
  process.stdout.write(
    `${name.padEnd(44)} ${perCpu.toLocaleString('en')} per CPU-s (${perSecond.toLocaleString('en')}/s)\n`,
  );
}

export async function run(args: readonly string[]): Promise<void> {
  const [seconds] = readCountsInOrder(args, [3]);
  const counts = new CounterTable(1).row(0);
  const logic = new TrackerLogic({ store: fillStore(), limits, rng: seededRng(2) });
  const onBug = (error: unknown): never => {
    throw error;
  };
  const routes = new HttpRoutes({ logic, counts, peersMax: limits.numWantMax, onBug });
  timeParts(routes);
  const front = new HttpFront({ routes, counts, limits: frontLimits, now });
  const { port } = await front.listen({ host: '127.0.0.1', port: 0 });
  await timeLoopback(port, true, seconds);
  await timeLoopback(port, false, seconds);
  await front.close();
}

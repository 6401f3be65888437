/**
 * What replication costs: one tracker tells another 2,000,000 announces through a Redis of its own, as fast as they can. CPU time of the
 * teller, the listener and Redis for each delta, bytes, and how long a snapshot takes.
 *
 *     npm run bench -- tracker-replication [10000|300000|zipf] [DELTAS]
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { deflateRawSync } from 'node:zlib';
import { type Millis, seededRng } from '#base';
import { Replication, storeSnapshots } from '#room/trackerd/replication/index';
import { AnnounceCall, DeltaLog, DenseStore, deltaBytes, toTrackerLimits } from '#tracker';
import { BadArgument, toChoice, toCount } from '../support/arguments.ts';

const PEERS = 1_000_000;
const now = (): Millis => performance.now() as Millis;

class Load {
  readonly call = new AnnounceCall();
  readonly #torrentOf: Uint32Array;

  constructor(kind: string) {
    const torrents = kind === 'zipf' ? 100_000 : Number(kind);
    const rng = seededRng(11);
    const sums = new Float64Array(torrents);
    let sum = 0;
    for (let i = 0; i < torrents; i++) sums[i] = sum += kind === 'zipf' ? 1 / (i + 1) : 1;
    this.#torrentOf = Uint32Array.from({ length: PEERS }, () => {
      const at = rng.unit() * sum;
      let low = 0;
      let high = torrents - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((sums[middle] as number) < at) low = middle + 1;
        else high = middle;
      }
      return low;
    });
    this.call.hashBytes = new Uint8Array(20);
    this.call.peerBytes = new Uint8Array(4);
    this.call.families = 4;
  }

  /** Fills in peer number `peer`, below `PEERS`; always the same. */
  fill(peer: number): AnnounceCall {
    const { call } = this;
    let x = (this.#torrentOf[peer] as number) + 1;
    for (let i = 0; i < 20; i++) {
      x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
      call.hashBytes[i] = x >>> 24;
      x += i;
    }
    const mixed = Math.imul(peer, 0x9e3779b1) >>> 0;
    for (let i = 0; i < 4; i++) call.peerBytes[i] = mixed >>> (i * 8);
    call.port = 1024 + (peer % 60_000);
    call.left = peer % 3 === 0 ? 0 : 1;
    return call;
  }
}

function row(what: string, value: string): void {
  process.stdout.write(`  ${what.padEnd(58)} ${value.padStart(12)}\n`);
}
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
/** CPU time of this thread: a stop that other programs cause is none of ours. */
function threadMs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function makeReplication(name: string, url: string, store: DenseStore): Replication {
  return new Replication({
    urls: [url],
    name,
    channel: 'bench',
    store,
    snapshots: storeSnapshots(store, now),
    peerTtlMs: 3_600_000,
    now,
  });
}

interface Told {
  readonly cpuUs: number;
  readonly ms: number;
  readonly deltas: number;
  readonly bytes: number;
  readonly entries: number;
  readonly stallMs: number;
}
const tell = (told: Told): void => void process.stdout.write(`${JSON.stringify(told)}\n`);

/** Announces that nobody answers: only what replication adds is measured. */
async function write(kind: string, url: string, deltas: number): Promise<void> {
  const load = new Load(kind);
  const store = DenseStore.create({ limits: toTrackerLimits(), rng: seededRng(1) });
  const replication = makeReplication('writer', url, store);
  await replication.start();
  for (let peer = 0; peer < 200_000; peer++) load.fill(peer);
  const fillStart = cpuUs();
  for (let i = 0; i < deltas; i++) load.fill(i % PEERS);
  const fillUs = cpuUs() - fillStart;
  const startUs = cpuUs();
  const startedAt = now();
  for (let i = 0; i < deltas; i++) {
    replication.log.postAnnounce(load.fill(i % PEERS), now());
    if (i % 2_000 !== 0) continue;
    await turn();
    if (i % 20_000 === 0) while (replication.facts().unsentBytes > 2_000_000) await pause(5);
  }
  await replication.stop();
  const { bytesOut, entriesOut } = replication.facts();
  tell({
    cpuUs: cpuUs() - startUs - fillUs,
    ms: now() - startedAt,
    deltas,
    bytes: bytesOut,
    entries: entriesOut,
    stallMs: 0,
  });
}

/** Listens until it has heard all; and once more as one that joins later. */
async function read(url: string, deltas: number, joins: boolean): Promise<void> {
  const store = DenseStore.create({ limits: toTrackerLimits(), rng: seededRng(2) });
  const replication = makeReplication(joins ? 'joiner' : 'reader', url, store);
  await import('iovalkey');
  let joinStart = now();
  let joinUs = cpuUs();
  let stallMs = 0;
  let last = threadMs();
  const watch = setInterval(() => {
    const at = threadMs();
    stallMs = Math.max(stallMs, at - last);
    last = at;
  }, 1);
  await replication.start();
  if (!joins) {
    process.stdout.write('live\n');
    while (replication.facts().deltasIn === 0) await pause(1);
    joinStart = now();
    joinUs = cpuUs();
    stallMs = 0;
    while (replication.facts().deltasIn < deltas || replication.facts().lagEntries > 0) {
      await pause(5);
    }
  }
  clearInterval(watch);
  const { deltasIn, bytesIn, entriesIn } = replication.facts();
  const peers = store.stats().peerCount4;
  tell({
    cpuUs: cpuUs() - joinUs,
    ms: now() - joinStart,
    deltas: joins ? peers : deltasIn,
    bytes: bytesIn,
    entries: entriesIn,
    stallMs,
  });
  if (joins) await replication.stop();
  else {
    process.stdin.resume();
    await once(process.stdin, 'end');
    await replication.stop();
  }
}

/** The deltas of 100 ms of 100,000 announces a second, deflated. */
function measureDeflate(kind: string): void {
  const load = new Load(kind);
  const batches: Uint8Array[] = [];
  const log = new DeltaLog({ streamCount: 8, batchBytesMax: 65_534, onBatch: ({ bytes }) => batches.push(bytes) });
  const rng = seededRng(5);
  for (let i = 0; i < 200_000; i++) {
    log.postAnnounce(load.fill(rng.below(PEERS)), 0 as Millis);
    if (i % 10_000 === 9_999) log.flush(0 as Millis, 0);
  }
  const bytes = batches.reduce((sum, batch) => sum + batch.length, 0);
  const startUs = cpuUs();
  const packed = batches.reduce((sum, batch) => sum + deflateRawSync(batch, { level: 1 }).length, 0);
  const us = cpuUs() - startUs;
  row('deflate (level 1): part that is left', (packed / bytes).toFixed(2));
  row('deflate: CPU a delta, us', (us / (bytes / deltaBytes[4])).toFixed(2));
}

function measureLog(kind: string): void {
  const load = new Load(kind);
  const log = new DeltaLog({ streamCount: 8, batchBytesMax: 65_534, onBatch: () => {} });
  const times = [false, true, false, true].map((isLogged) => {
    const startUs = cpuUs();
    for (let i = 0; i < PEERS; i++) {
      const call = load.fill(i);
      if (isLogged) log.postAnnounce(call, i as Millis);
    }
    return cpuUs() - startUs;
  });
  row('hook in the answering thread, us an announce', (((times[3] ?? 0) - (times[2] ?? 0)) / PEERS).toFixed(2));
}

function start(args: string[]): ChildProcess {
  return spawn(process.execPath, [process.argv[1] as string, 'tracker-replication', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}

async function linesOf(child: ChildProcess): Promise<AsyncIterator<string>> {
  return createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
}

export async function run(args: readonly string[]): Promise<void> {
  const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} });
  const [first = '10000', count = '2000000', part, url] = positionals;
  const kind = toChoice(first, 'torrents', ['10000', '300000', 'zipf']);
  const deltas = toCount(count, 'deltas');
  if (part === 'write') return write(kind, url as string, deltas);
  if (part === 'read' || part === 'join') return read(url as string, deltas, part === 'join');
  if (spawnSync('redis-server', ['--version']).status !== 0)
    throw new BadArgument('redis-server is not installed (tools/install-interop.sh)');
  const folder = mkdtempSync(join(tmpdir(), 'eider-bench-'));
  const socket = join(folder, 'redis.sock');
  const redis = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', ''], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const children: ChildProcess[] = [];
  try {
    for await (const line of createInterface({ input: redis.stdout })) if (line.includes('eady to accept')) break;
    const redisUs = (): number => {
      const info = execFileSync('redis-cli', ['-s', socket, 'info', 'cpu'], { encoding: 'utf8' });
      const seconds = ['used_cpu_user', 'used_cpu_sys'].map((key) =>
        Number(new RegExp(`${key}:([0-9.]+)`).exec(info)?.[1]),
      );
      return seconds.reduce((sum, one) => sum + one, 0) * 1e6;
    };
    const launch = async (name: string): Promise<AsyncIterator<string>> => {
      const child = start([kind, count, name, `redis://${socket}`]);
      children.push(child);
      return linesOf(child);
    };
    const reader = await launch('read');
    await reader.next();
    const before = redisUs();
    const writer = await launch('write');
    const out = JSON.parse((await writer.next()).value as string) as Told;
    const into = JSON.parse((await reader.next()).value as string) as Told;
    const redisSpent = redisUs() - before;
    process.stdout.write(`${deltas} announces of ${PEERS} peers, ${kind} torrents, one way\n`);
    row('deltas a second', Math.round((deltas / into.ms) * 1_000).toLocaleString('en'));
    measureLog(kind);
    row('teller: CPU a delta, hook and sending, us', (out.cpuUs / deltas).toFixed(2));
    row('listener: CPU a delta, store and all, us', (into.cpuUs / deltas).toFixed(2));
    row('Redis: CPU a delta, in and out once, us', (redisSpent / deltas).toFixed(2));
    row('bytes a delta', (out.bytes / deltas).toFixed(1));
    row('deltas an entry', (deltas / out.entries).toFixed(0));
    row('longest stop of the listener, CPU ms', into.stallMs.toFixed(1));
    const joiner = JSON.parse((await (await launch('join')).next()).value as string) as Told;
    row(`a tracker joins: ${joiner.deltas.toLocaleString('en')} peers by snapshot, ms`, joiner.ms.toFixed(0));
    row('its CPU a peer, us', (joiner.cpuUs / joiner.deltas).toFixed(2));
    row('longest stop of the joiner, CPU ms', joiner.stallMs.toFixed(1));
    measureDeflate(kind);
  } finally {
    for (const child of children) child.stdin?.end();
    redis.kill('SIGKILL');
    await once(redis, 'exit');
    rmSync(folder, { recursive: true, force: true });
  }
}

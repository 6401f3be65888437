/**
 * The tracker's store without a network: 1,000,000 IPv4 peers over 10,000 or 300,000 torrents, evenly or by Zipf's law; time of announces
 * with 50 wanted, resident bytes a peer, longest step of growing and sweeping, snapshot. Every kind of load has a process of its own.
 *
 *     npm run bench -- tracker-store [10000|300000|zipf] [PEERS]
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { type Millis, seededRng } from '#base';
import {
  AnnounceCall,
  DenseStore,
  SnapshotReader,
  SnapshotWriter,
  type TrackerLimits,
  toTrackerLimits,
} from '#tracker';
import { readCountsInOrder, toChoice } from '../support/arguments.ts';
import type { AnnouncerTask, Pauses } from '../support/store-announcer.js';

const kinds = ['10000', '300000', 'zipf'] as const;
const WANTED = 50;
const TIMED = 1_000_000;

class Load {
  readonly torrents: number;
  readonly #zipf: Float64Array | undefined;
  readonly #rng = seededRng(11);

  constructor(kind: string) {
    this.torrents = kind === 'zipf' ? 100_000 : Number(kind);
    if (kind !== 'zipf') return;
    this.#zipf = new Float64Array(this.torrents);
    let sum = 0;
    for (let i = 0; i < this.torrents; i++) this.#zipf[i] = sum += 1 / (i + 1);
  }

  /** Fills in peer number `peer`: always the same torrent, address and kind. */
  fill(call: AnnounceCall, peer: number, torrent: number): void {
    writeScrambled(call.hashBytes, torrent);
    const mixed = Math.imul(peer, 0x9e3779b1) >>> 0;
    const address = call.peerBytes;
    address[0] = mixed >>> 24;
    address[1] = mixed >>> 16;
    address[2] = mixed >>> 8;
    address[3] = mixed;
    call.port = 1024 + (peer % 60_000);
    call.left = peer % 3 === 0 ? 0 : 1;
  }

  torrentOf(): number {
    const zipf = this.#zipf;
    if (zipf === undefined) return this.#rng.below(this.torrents);
    const at = this.#rng.unit() * zipf[zipf.length - 1]!;
    let low = 0;
    let high = zipf.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (zipf[middle]! < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function writeScrambled(into: Uint8Array, n: number): void {
  let x = n + 1;
  for (let i = 0; i < 20; i++) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
    into[i] = x >>> 24;
    x += i;
  }
}

/** CPU time of the process, ms: what others do on the machine matters less. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function row(what: string, value: string): void {
  process.stdout.write(`  ${what.padEnd(58)} ${value.padStart(14)}\n`);
}

export async function run(args: readonly string[]): Promise<void> {
  const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} });
  if (positionals[0] === undefined) {
    for (const kind of kinds) {
      spawnSync(process.execPath, [...process.execArgv, process.argv[1]!, 'tracker-store', kind], { stdio: 'inherit' });
    }
    return;
  }
  const [peers] = readCountsInOrder(positionals.slice(1), [1_000_000]);
  await measure(toChoice(positionals[0], 'torrents', kinds), peers);
}

async function measure(kind: string, peers: number): Promise<void> {
  const load = new Load(kind);
  const torrentOf = new Uint32Array(peers);
  for (let i = 0; i < peers; i++) torrentOf[i] = load.torrentOf();
  const call = new AnnounceCall();
  call.hashBytes = new Uint8Array(20);
  call.peerBytes = new Uint8Array(4);
  call.out = new Uint8Array(WANTED * 18);
  call.families = 4;
  call.numGiven = 0;
  const limits = toTrackerLimits({ peerTtlMs: 600_000 });
  // The code is warm and its memory counted before the measurement begins.
  const warm = DenseStore.create({ limits, rng: seededRng(1) });
  for (let i = 0; i < 30_000; i++) {
    call.numGiven = i % 2 === 0 ? 0 : WANTED;
    load.fill(call, i, i % 300);
    warm.announce(0 as Millis, call);
  }
  const store = DenseStore.create({ limits, rng: seededRng(2) });
  const rssBefore = process.memoryUsage().rss;
  process.stdout.write(
    `${peers} peers, ${kind === 'zipf' ? `${load.torrents} torrents by Zipf's law` : `${kind} torrents`}\n`,
  );

  call.numGiven = 0;
  let longest = 0;
  let startedAt = cpuMs();
  for (let i = 0; i < peers; i++) {
    load.fill(call, i, torrentOf[i]!);
    const before = performance.now();
    store.announce((i % 2 === 0 ? 0 : 500_000) as Millis, call);
    longest = Math.max(longest, performance.now() - before);
    if (!call.isStored) throw new Error('the store is full');
  }
  row('first announces, us each', (((cpuMs() - startedAt) * 1_000) / peers).toFixed(2));
  row('longest of them, ms', longest.toFixed(2));
  row('resident, bytes a peer', ((process.memoryUsage().rss - rssBefore) / peers).toFixed(1));

  call.numGiven = WANTED;
  const order = Uint32Array.from({ length: TIMED }, () => Math.floor(Math.random() * peers));
  for (const what of ['warm-up', 'announces, 50 wanted']) {
    let given = 0;
    startedAt = cpuMs();
    for (let i = 0; i < TIMED; i++) {
      const peer = order[i]!;
      load.fill(call, peer, torrentOf[peer]!);
      store.announce((peer % 2 === 0 ? 0 : 500_000) as Millis, call);
      given += call.peerCount4;
    }
    if (what === 'warm-up') continue;
    row(`${what}, us each`, (((cpuMs() - startedAt) * 1_000) / TIMED).toFixed(3));
    row('peers given each', (given / TIMED).toFixed(1));
  }
  startedAt = cpuMs();
  for (let i = 0; i < TIMED; i++) load.fill(call, order[i]!, torrentOf[order[i]!]!);
  row('of which the load itself, us each', (((cpuMs() - startedAt) * 1_000) / TIMED).toFixed(3));

  measureSnapshot(store);
  // Code that has never run is slow once; here, not in the first step that is measured.
  while (warm.sweep(1_000_000 as Millis) > 0);
  // A swarm of 200,000 among them; of all peers, half are silent for long enough.
  call.numGiven = 0;
  for (let i = 0; i < 200_000; i++) {
    load.fill(call, peers + i, load.torrents + 1);
    store.announce((i % 2 === 0 ? 0 : 500_000) as Millis, call);
  }
  longest = 0;
  const times: number[] = [];
  const announcer = await startAnnouncer(store, limits);
  const sweepAt = performance.now();
  let removed = 0;
  let steps = 0;
  let quiet = 0;
  startedAt = cpuMs();
  while (quiet < 2_000) {
    const before = performance.now();
    const gone = store.sweep(1_000_000 as Millis);
    times.push(performance.now() - before);
    quiet = gone === 0 ? quiet + 1 : 0;
    removed += gone;
    steps++;
    const { peerCount4 } = store.stats();
    if (peerCount4 <= (peers + 200_000) / 2) break;
  }
  row('sweep: peers removed', String(removed));
  row('sweep: steps', String(steps));
  row('sweep: all steps, ms', (cpuMs() - startedAt).toFixed(0));
  const sweepMs = performance.now() - sweepAt;
  const swept = await announcer.next();
  burn(sweepMs);
  const burned = await announcer.next();
  times.sort((a, b) => a - b);
  // On a busy machine the longest is when somebody else was running.
  row('sweep: 99.5 % of steps below, ms', times[Math.floor(times.length * 0.995)]!.toFixed(2));
  row('sweep: longest step, ms', times[times.length - 1]!.toFixed(2));
  for (const [what, pauses] of [
    ['another thread meanwhile', swept],
    ['the same, this thread only busy', burned],
  ] as const) {
    const { announces, above1, above5 } = pauses;
    row(`${what}: announces, > 1 ms, > 5 ms`, `${announces} ${above1} ${above5}`);
  }
}

interface Announcer {
  /** What it has counted since it began, or since the last time. */
  next(): Promise<Pauses>;
}

async function startAnnouncer(store: DenseStore, limits: TrackerLimits): Promise<Announcer> {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const task: AnnouncerTask = { share: store.share(), limits, flag };
  const worker = new Worker(new URL('../support/store-announcer.js', import.meta.url), { workerData: task });
  await once(worker, 'message');
  return {
    next: async () => {
      Atomics.add(flag, 0, 1);
      const [pauses] = (await once(worker, 'message')) as [Pauses];
      return pauses;
    },
  };
}

/** Keeps this thread as busy as a sweep does, without the store. */
function burn(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

function measureSnapshot(store: DenseStore): void {
  const now = 500_000 as Millis;
  const writer = new SnapshotWriter({ store, now, unixMs: 1e12 });
  const file: Uint8Array[] = [];
  let longest = 0;
  let startedAt = cpuMs();
  for (;;) {
    const before = performance.now();
    const bytes = writer.next();
    longest = Math.max(longest, performance.now() - before);
    if (bytes === undefined) break;
    if (bytes.length > 0) file.push(bytes);
  }
  row('snapshot: written, ms', (cpuMs() - startedAt).toFixed(0));
  row('snapshot: longest step, ms', longest.toFixed(2));
  row('snapshot: MB', (file.reduce((sum, bytes) => sum + bytes.length, 0) / 1e6).toFixed(1));
  startedAt = cpuMs();
  const other = DenseStore.create({ limits: toTrackerLimits({ peerTtlMs: 600_000 }), rng: seededRng(5) });
  const reader = new SnapshotReader({ store: other, now, unixMs: 1e12 });
  for (const bytes of file) reader.push(bytes);
  const { peerCount, damage } = reader.finish();
  row('snapshot: loaded, ms', (cpuMs() - startedAt).toFixed(0));
  if (damage !== undefined || peerCount !== store.stats().peerCount4) throw new Error(`${peerCount} peers, ${damage}`);
}

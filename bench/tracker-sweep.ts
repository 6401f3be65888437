/**
 * `npm run bench -- tracker-sweep [--peers 1000000]`: half of the peers of Eider's tracker fall silent and expire, a fifth of
 * all peers being in one swarm. How long did requests take meanwhile, one at a time by UDP and by HTTP, and are exactly those gone that
 * were silent? Takes about six minutes; a minute and a half with 100,000 peers. Linux only.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRng } from '#base';
import { encodeScrapeQuery } from '#wire';
import { readCounts } from './support/arguments.ts';
import { Judge } from './tracker-load/judge.ts';
import { Population } from './tracker-load/population.ts';
import { type Latencies, probeHttp, probeUdp } from './tracker-load/probe.ts';
import { type RunningTracker, startEider } from './tracker-load/programs.ts';
import { UdpLoad } from './tracker-load/udp-load.ts';
import { Workload } from './tracker-load/workload.ts';

/** Milliseconds that a serving thread may stand still. */
const TARGET_MS = 5;
const BASELINE_MS = 10_000;
const SWEEP_MAX_MS = 400_000;
/** What Eider looks at as shipped: 2,000 peers four times a second. */
const SWEPT_PER_SEC = 8_000;
const WINDOW = 192;
const NUM_WANT = 50;

export async function run(args: readonly string[]): Promise<void> {
  const { peers: peerCount } = readCounts(args, { peers: 1_000_000 });
  // Those who live are heard again when the sweep can be done before they go too.
  const refreshSec = 15 + Math.ceil((peerCount / SWEPT_PER_SEC) * 1.3);
  const peerTtlSec = refreshSec + 20;
  const folder = await mkdtemp(join(tmpdir(), 'eider-sweep-'));
  const tracker = await startEider(folder, { variant: { peerTtlSec } });
  try {
    process.stdout.write(await play(tracker, { peerCount, peerTtlSec, refreshSec }));
  } finally {
    await tracker.stop();
    await rm(folder, { recursive: true });
  }
}

async function play(
  tracker: RunningTracker,
  o: { peerCount: number; peerTtlSec: number; refreshSec: number },
): Promise<string> {
  const { peerCount } = o;
  const torrentCount = Math.max(100, Math.round(peerCount / 100));
  const population = new Population({ peerCount, torrentCount, distribution: 'one-large', sourceCount: 16, seed: 1 });
  const rng = seededRng(1);
  const workload = new Workload(population, rng.fork('workload'));
  const rules = { seedersToSeeders: false, mayGiveSelf: false, countsDownloads: true };
  const judge = new Judge({ population, rules, numWant: NUM_WANT, slots: WINDOW });
  const options = { tracker: tracker.udp, population, workload, judge, rng, slots: WINDOW, numWant: NUM_WANT };
  const load = await UdpLoad.open(options);
  const hash = population.hashes.subarray(20, 40);
  const probe = async (isOver: () => boolean): Promise<{ udp: Latencies; http: Latencies }> => {
    const [udp, http] = await Promise.all([
      probeUdp(tracker.udp, hash, isOver),
      probeHttp(tracker.http, encodeScrapeQuery([hash]), isOver),
    ]);
    return { udp, http };
  };

  load.run({ work: 'fill', answers: peerCount, window: WINDOW });
  const filledAt = performance.now();
  const before = await probe(() => performance.now() > filledAt + BASELINE_MS);
  await until(filledAt + o.refreshSec * 1_000);
  load.run({ work: 'refresh', answers: peerCount / 2, window: WINDOW });
  workload.expireOthers();

  // The first expire a time to live after they came; from then on those who live are asked about.
  let isSwept = false;
  const watch = setInterval(() => {
    void countPeers(tracker).then((count) => {
      isSwept ||= count <= peerCount / 2;
    });
  }, 1_000);
  const giveUpAt = performance.now() + o.peerTtlSec * 1_000 + SWEEP_MAX_MS;
  const during = await probe(() => isSwept || performance.now() > giveUpAt);
  clearInterval(watch);
  if (!isSwept) throw new Error(`${await countPeers(tracker)} peers are left of ${peerCount}`);
  const sweptSec = (performance.now() - filledAt) / 1000;
  // The other half lives for the rest of its time only: this must be quick.
  load.run({ work: 'scrape', torrents: 50, answers: Math.ceil(torrentCount / 10), window: 64 });
  load.close();
  return [
    `${peerCount.toLocaleString('en')} peers, one swarm of ${(peerCount / 5).toLocaleString('en')}; half gone ${sweptSec.toFixed(0)} s after the fill`,
    `latency, ms                 count    median     99.9 %       max   above ${TARGET_MS} ms`,
    row('before, UDP', before.udp),
    row('before, HTTP', before.http),
    row('sweep, UDP', during.udp),
    row('sweep, HTTP', during.http),
    '',
  ].join('\n');
}

function row(head: string, l: Latencies): string {
  const numbers = [l.quantile(0.5), l.quantile(0.999), l.max].map((ms) => ms.toFixed(2).padStart(10)).join('');
  return `${head.padEnd(22)}${String(l.count).padStart(10)}${numbers}${String(l.above(TARGET_MS)).padStart(10)}`;
}

async function countPeers({ http }: RunningTracker): Promise<number> {
  const response = await fetch(`http://${http.host}:${http.port}/stats.json`);
  const stats = (await response.json()) as { peers: { ipv4: number } };
  return stats.peers.ipv4;
}

function until(at: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
}

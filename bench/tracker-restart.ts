/**
 * `npm run bench -- tracker-restart [--peers 1000000] [--runs 3]`: how long Eider's tracker takes to stop with a snapshot of its swarms
 * and to be ready again with it, beside the start of an empty one. After the restart every torrent is scraped and every peer of the
 * answers judged. Linux only.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCounts } from './support/arguments.ts';
import { median, spread } from './support/processes.ts';
import type { LoadOrder, LoadPhase } from './tracker-load/load-process.ts';
import { type RunningTracker, startEider } from './tracker-load/programs.ts';
import { playLoad } from './tracker-load/run-load.ts';

/** Seconds from start to ready, with a snapshot of 1,000,000 peers. */
const TARGET_SEC = 2;

export async function run(args: readonly string[]): Promise<void> {
  const { peers: peerCount, runs } = readCounts(args, { peers: 1_000_000, runs: 3 });
  const torrentCount = Math.max(100, Math.round(peerCount / 100));
  const fill: LoadPhase = { name: 'fill', work: 'fill', answers: peerCount, window: 192 };
  const checks: readonly LoadPhase[] = [
    { name: 'scrape', work: 'scrape', torrents: 50, answers: Math.ceil(torrentCount / 10), window: 64 },
    { name: 'announce', work: 'announce', answers: Math.ceil(peerCount / 5), window: 192 },
  ];
  const empty: number[] = [];
  const stopping: number[] = [];
  const starting: number[] = [];
  let megabytes = 0;
  for (let i = 0; i < runs; i++) {
    const folder = await mkdtemp(join(tmpdir(), 'eider-restart-'));
    try {
      let tracker = await timed(empty, () => startEider(folder));
      await judge(tracker, { peerCount, torrentCount, seed: i, isFilled: false, phases: [fill] });
      await timed(stopping, () => tracker.stop());
      megabytes = (await stat(join(folder, 'swarms'))).size / 1e6;
      tracker = await timed(starting, () => startEider(folder));
      await judge(tracker, { peerCount, torrentCount, seed: i, isFilled: true, phases: checks });
      await tracker.stop();
    } finally {
      await rm(folder, { recursive: true });
    }
  }
  const verdict = median(starting) <= TARGET_SEC ? 'reached' : 'MISSED';
  process.stdout.write(
    `${peerCount.toLocaleString('en')} peers over ${torrentCount.toLocaleString('en')} torrents, seconds, median (min - max) of ${runs}\n` +
      `start of an empty tracker     ${spread(empty)}\n` +
      `stop, snapshot of ${megabytes.toFixed(1)} MB   ${spread(stopping)}\n` +
      `start with it, to ready       ${spread(starting)}   at most ${TARGET_SEC}: ${verdict}\n`,
  );
}

async function timed<T>(into: number[], work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const result = await work();
  into.push((performance.now() - startedAt) / 1000);
  return result;
}

async function judge(
  tracker: RunningTracker,
  o: Pick<LoadOrder, 'peerCount' | 'torrentCount' | 'seed' | 'phases'> & { isFilled: boolean },
): Promise<void> {
  const { pid, udp, http } = tracker;
  const rules = { seedersToSeeders: false, mayGiveSelf: false, countsDownloads: true };
  await playLoad({ pid, udp, http, rules, distribution: 'uniform', sourceCount: 16, numWant: 50, ...o });
}

/** A thread of the lock test: announces of its own peers in swarms that it shares with other threads; answers with the peers it left. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Millis, seededRng } from '#base';
import { AnnounceCall, DenseStore, type StoreShare, type TrackerLimits } from '#tracker';
import { fillCall, lineOf, type PeerWord } from './store-model.js';

export interface HammerTask {
  readonly share: StoreShare;
  readonly limits: TrackerLimits;
  /** Threads have different ones. */
  readonly seed: number;
  readonly announces: number;
  readonly infoHashes: readonly Uint8Array[];
}

export interface HammerResult {
  /** As of `contentsOf`. */
  readonly lines: string[];
  readonly completed: number;
  readonly wrongAnswers: number;
}

const PEERS = 1_500;

function hammer(task: HammerTask): HammerResult {
  const rng = seededRng(task.seed);
  const store = DenseStore.attach(task.share, { limits: task.limits, rng: rng.fork('samples') });
  const call = new AnnounceCall();
  call.out = new Uint8Array(50 * 18);
  call.numGiven = 50;
  const left = new Map<string, PeerWord>();
  let completed = 0;
  let wrongAnswers = 0;
  for (let i = 0; i < task.announces; i++) {
    const swarm = rng.below(task.infoHashes.length);
    const peer = task.seed * 10_000 + rng.below(PEERS);
    const network = ([4, 4, 6, 'web'] as const)[rng.below(4)] ?? 4;
    const name = `${swarm} ${network} ${peer}`;
    const before = left.get(name);
    // Now more come, now more go, so that runs and nodes grow and shrink.
    const isLeaving = rng.below(100) < (Math.floor(i / 20_000) % 2 === 0 ? 20 : 60);
    const isSeeder = rng.below(3) === 0;
    const event = isLeaving ? 'stopped' : rng.below(4) === 0 ? 'completed' : 'none';
    const word: PeerWord = { infoHash: task.infoHashes[swarm] as Uint8Array, network, peer, isSeeder, event };
    fillCall(call, word);
    store.announce(1_000 as Millis, call);
    if (event === 'completed' && isSeeder && before?.isSeeder !== true) completed++;
    if (event === 'stopped') left.delete(name);
    else left.set(name, word);
    if (!call.isStored || call.complete < 0 || call.incomplete < 0) wrongAnswers++;
  }
  return { lines: [...left.values()].map(lineOf), completed, wrongAnswers };
}

parentPort?.postMessage(hammer(workerData as HammerTask));

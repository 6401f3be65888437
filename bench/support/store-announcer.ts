/** A serving thread while another one sweeps: announces all the time and notes how long each took. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Millis, seededRng } from '#base';
import { AnnounceCall, DenseStore, type StoreShare, type TrackerLimits } from '#tracker';

export interface AnnouncerTask {
  readonly share: StoreShare;
  readonly limits: TrackerLimits;
  /** The first count ends when it is 1, the second when it is 2. */
  readonly flag: Int32Array;
}

export interface Pauses {
  readonly announces: number;
  readonly above1: number;
  readonly above5: number;
}

const { share, limits, flag } = workerData as AnnouncerTask;
const rng = seededRng(77);
const store = DenseStore.attach(share, { limits, rng: rng.fork('samples') });
const call = new AnnounceCall();
call.hashBytes = new Uint8Array(20);
call.peerBytes = new Uint8Array(4);
call.out = new Uint8Array(50 * 6);
call.families = 4;
call.numGiven = 50;
call.port = 1;

/** Some of 5,000 peers in 500 swarms of their own, so that all shards are touched. */
function announce(): void {
  const n = rng.below(5_000);
  call.hashBytes[0] = n % 250;
  call.hashBytes[1] = n % 2;
  call.peerBytes[0] = 99;
  call.peerBytes[2] = n >> 8;
  call.peerBytes[3] = n;
  store.announce(1_000_000 as Millis, call);
}

for (let i = 0; i < 200_000; i++) announce();
parentPort?.postMessage('warm');
for (let phase = 1; phase <= 2; phase++) {
  const pauses = { announces: 0, above1: 0, above5: 0 };
  while (Atomics.load(flag, 0) < phase) {
    const before = performance.now();
    announce();
    const took = performance.now() - before;
    pauses.announces++;
    if (took > 1) pauses.above1++;
    if (took > 5) pauses.above5++;
  }
  parentPort?.postMessage(pauses satisfies Pauses);
}

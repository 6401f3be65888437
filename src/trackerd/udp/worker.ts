// Hot path: tracker-udp
import { randomBytes } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { type Millis, seededRng } from '../../base/index.ts';
import { loadUdpBatches, type UdpBatch, type UdpPoll } from '../../node/index.ts';
import {
  AddressLimits,
  ConnectionIds,
  CounterTable,
  counter,
  Offenders,
  OverloadGauge,
  OverloadHooks,
  type TrackerHooks,
  type TrackerLimits,
  TrackerLogic,
} from '../../tracker/index.ts';
import { loadHookModules } from '../policy/hook-modules.ts';
import { UdpAnswerer } from './answerer.ts';
import { BugReports } from './bug-reports.ts';
import { attachStore } from './store-share.ts';
import type {
  FromUdpWorker,
  MakeHooks,
  ToUdpWorker,
  UdpWorkerData,
  WorkerContext,
  WorkerPolicy,
} from './worker-protocol.ts';

/** How long a receive waits: a thread in a system call hears neither messages nor the stop flag. */
const RECEIVE_TIMEOUT_MS = 50;
/** Full batches answered before messages are looked for. */
const ROUNDS_MAX = 16;
/** How often what was learnt is sent, and the system is asked what it has lost. */
const FLUSH_EVERY_MS = 100;

/** One socket of this worker with its buffers. */
interface Serving {
  readonly batch: UdpBatch;
  readonly answerer: UdpAnswerer;
  /** Datagrams the system had lost when we last looked. */
  lostCount: number;
}

class UdpWorker {
  readonly bugs: BugReports = new BugReports({ now, send: (error) => post({ type: 'bug', error }) });
  readonly #data: UdpWorkerData;
  #limits: TrackerLimits;
  readonly #counts: Float64Array;
  readonly #control: Int32Array;
  readonly #logic: TrackerLogic;
  readonly #gauge = new OverloadGauge();
  readonly #serving: Serving[];
  readonly #poll: UdpPoll | undefined;
  readonly #context: WorkerContext = {
    now,
    send: (kind, data, transfer = []) => post({ type: 'data', kind, data }, transfer),
  };
  readonly #operatorHooks: readonly TrackerHooks[];
  #policy: WorkerPolicy = { hooks: [] };
  #flushAt = 0;

  static async start(data: UdpWorkerData): Promise<UdpWorker> {
    const batches = await loadUdpBatches();
    if (!batches.isAvailable) throw new Error(batches.reason);
    const serving = data.fds.map((fd) => batches.batch(fd, { timeoutMs: RECEIVE_TIMEOUT_MS }));
    const worker = new UdpWorker(data, {
      batches: serving,
      poll: serving.length === 1 ? undefined : batches.poll(serving),
      operatorHooks: await loadHookModules(data.hookModules),
    });
    await worker.setPolicy(data.policy);
    return worker;
  }

  private constructor(
    data: UdpWorkerData,
    o: { batches: UdpBatch[]; poll: UdpPoll | undefined; operatorHooks: readonly TrackerHooks[] },
  ) {
    this.#data = data;
    this.#limits = data.limits;
    this.#counts = new CounterTable(data.counters).row(data.row);
    this.#control = new Int32Array(data.control);
    this.#operatorHooks = o.operatorHooks;
    this.#poll = o.poll;
    const rng = seededRng(randomBytes(4).readUInt32BE());
    const store = attachStore(data.storeShare, { limits: data.limits, rng: rng.fork('store') });
    this.#logic = new TrackerLogic({ store, limits: data.limits, rng: rng.fork('intervals') });
    const shared = {
      logic: this.#logic,
      ids: new ConnectionIds({ secret: data.connectionSecret, lifetimeMs: data.limits.connectionIdMs }),
      counts: this.#counts,
      limits: new AddressLimits(data.addressLimits),
      offenders: new Offenders(data.offenders, data.row),
      answerBytesMax: data.answerBytesMax,
      onBug: (error: unknown) => this.bugs.report(error),
    };
    this.#serving = o.batches.map((batch) => ({
      batch,
      answerer: new UdpAnswerer({ ...shared, input: batch.received, output: batch.sendRoom, sources: batch.names }),
      // A thread before this one has counted these.
      lostCount: batch.readLostCount(),
    }));
  }

  async setPolicy(policy: unknown): Promise<void> {
    const next = await makePolicy(this.#data.policyModule, policy, this.#context);
    this.#policy.flush?.(now());
    this.#policy = next;
    this.#setHooks();
  }

  setLimits(limits: TrackerLimits): void {
    this.#limits = limits;
    this.#logic.setLimits(limits);
    this.#setHooks();
  }

  #setHooks(): void {
    const overload = new OverloadHooks(this.#gauge, { retryInSec: this.#limits.retryWhenFullSec });
    this.#logic.setHooks([overload, ...this.#policy.hooks, ...this.#operatorHooks]);
  }

  /** Serves until the stop flag is set, letting messages in between. */
  readonly turn = (): void => {
    if (Atomics.load(this.#control, 0) !== 0) {
      this.#policy.flush?.(now());
      // The last message of this thread; without the port nothing keeps it alive.
      parentPort?.close();
      return;
    }
    if (this.#poll === undefined) this.#serveOne(this.#serving[0] as Serving);
    else this.#serveAll(this.#poll);
    const at = now();
    if (at >= this.#flushAt) this.#onFlush(at);
    setImmediate(this.turn);
  };

  #serveOne(serving: Serving): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const count = serving.batch.receive();
      this.#answer(serving, count);
      // What comes next waits for a while: a time for messages.
      if (count < serving.batch.count) return;
    }
  }

  #serveAll(poll: UdpPoll): void {
    if (!poll.wait(RECEIVE_TIMEOUT_MS)) return;
    for (let i = 0; i < this.#serving.length; i++) {
      if (!poll.isReady(i)) continue;
      const serving = this.#serving[i] as Serving;
      this.#answer(serving, serving.batch.receive(false));
    }
  }

  #answer({ batch, answerer }: Serving, count: number): void {
    if (count === 0) return;
    const at = now();
    for (let i = 0; i < count; i++) {
      if (batch.isCut(i)) {
        this.#counts[counter.udpMalformed]!++;
        continue;
      }
      const length = answerer.answer(
        at,
        batch.receivedAt(i),
        batch.lengthOf(i),
        batch.sourceAt(i),
        batch.sourceLength(i),
        batch.sendAt,
      );
      if (length > 0) batch.queue(i, length);
    }
    const failed = batch.failedCount;
    batch.flush();
    this.#counts[counter.udpUnsent]! += batch.failedCount - failed;
  }

  #onFlush(at: Millis): void {
    this.#flushAt = at + FLUSH_EVERY_MS;
    this.#policy.flush?.(at);
    let lostSum = 0;
    for (const serving of this.#serving) {
      const lostCount = serving.batch.readLostCount();
      lostSum += (lostCount - serving.lostCount) >>> 0;
      serving.lostCount = lostCount;
    }
    this.#counts[counter.udpLost]! += lostSum;
    // A queue that is long but not too long is emptied within milliseconds: only loss means that we are behind.
    this.#gauge.look(at, lostSum > 0);
  }
}

/** @param url module that exports `makeHooks`; none where the tracker has no policies */
async function makePolicy(url: string | undefined, policy: unknown, context: WorkerContext): Promise<WorkerPolicy> {
  if (url === undefined) return { hooks: [] };
  const { makeHooks } = (await import(url)) as { makeHooks: MakeHooks };
  return makeHooks(policy, context);
}

const timeShiftMs = performance.timeOrigin - (workerData as UdpWorkerData).timeOrigin;

function now(): Millis {
  return (performance.now() + timeShiftMs) as Millis;
}

function post(message: FromUdpWorker, transfer: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

const worker = await UdpWorker.start(workerData as UdpWorkerData);
// Policies are made one after the other, so that the last one posted is the one in force.
let policyMade: Promise<void> = Promise.resolve();
parentPort?.on('message', (message: ToUdpWorker) => {
  if (message.type === 'limits') return worker.setLimits(message.limits);
  policyMade = policyMade
    .then(() => worker.setPolicy(message.policy))
    // The last policy that was good stays.
    .catch((error: unknown) => worker.bugs.report(error));
});
post({ type: 'ready' });
worker.turn();

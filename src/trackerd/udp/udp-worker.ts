// Hot path: tracker-udp
import { randomBytes } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { type Millis, seededRng } from '../../base/index.ts';
import { loadUdpBatches, type UdpBatches } from '../../node/index.ts';
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
import { ServeLoop } from './serve-loop.ts';
import { attachStore } from './store-share.ts';
import type {
  FromUdpWorker,
  MakeHooks,
  ToUdpWorker,
  UdpWorkerData,
  WorkerContext,
  WorkerPolicy,
} from './worker-protocol.ts';

/** How long it serves before messages are looked for. */
const TURN_MS = 20;
/** How often what was learnt is sent, and the system is asked what it has lost. */
const FLUSH_EVERY_MS = 100;

class UdpWorker {
  readonly bugs: BugReports = new BugReports({ now, send: (error) => post({ type: 'bug', error }) });
  readonly #data: UdpWorkerData;
  #limits: TrackerLimits;
  readonly #counts: Float64Array;
  readonly #control: Int32Array;
  readonly #logic: TrackerLogic;
  readonly #gauge = new OverloadGauge();
  readonly #loop: ServeLoop;
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
    const worker = new UdpWorker(data, { batches, operatorHooks: await loadHookModules(data.hookModules) });
    await worker.setPolicy(data.policy);
    return worker;
  }

  private constructor(data: UdpWorkerData, o: { batches: UdpBatches; operatorHooks: readonly TrackerHooks[] }) {
    this.#data = data;
    this.#limits = data.limits;
    this.#counts = new CounterTable(data.counters).row(data.row);
    this.#control = new Int32Array(data.control);
    this.#operatorHooks = o.operatorHooks;
    const rng = seededRng(randomBytes(4).readUInt32BE());
    const store = attachStore(data.storeShare, { limits: data.limits, rng: rng.fork('store') });
    this.#logic = new TrackerLogic({ store, limits: data.limits, rng: rng.fork('intervals') });
    const shared = {
      logic: this.#logic,
      ids: new ConnectionIds({
        secret: data.connectionSecret,
        lifetimeMs: data.limits.connectionIdMs,
        clockMs: data.timeOrigin,
      }),
      counts: this.#counts,
      limits: new AddressLimits(data.addressLimits),
      offenders: new Offenders(data.offenders, data.row),
      answerBytesMax: data.answerBytesMax,
      onBug: (error: unknown) => this.bugs.report(error),
    };
    this.#loop = new ServeLoop({
      batches: o.batches,
      fds: data.fds,
      counts: this.#counts,
      now,
      answererFor: (batch) =>
        new UdpAnswerer({ ...shared, input: batch.received, output: batch.sendRoom, sources: batch.names }),
    });
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
    const endAt = now() + TURN_MS;
    let at: Millis;
    do {
      at = this.#loop.round();
    } while (at < endAt);
    if (at >= this.#flushAt) this.#onFlush(at);
    setImmediate(this.turn);
  };

  #onFlush(at: Millis): void {
    this.#flushAt = at + FLUSH_EVERY_MS;
    this.#policy.flush?.(at);
    const lostCount = this.#loop.takeLostCount();
    this.#counts[counter.udpLost]! += lostCount;
    // A queue that is long but not too long is emptied within milliseconds: only loss means that we are behind.
    this.#gauge.look(at, lostCount > 0);
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

import { Worker } from 'node:worker_threads';
import type { PeerAddress } from '../../base/index.ts';
import type { UdpBatches } from '../../node/index.ts';
import type { TrackerLimits } from '../../tracker/index.ts';
import { toError } from './bug-reports.ts';
import type { UdpFront, UdpServing, UdpThreading } from './types.ts';
import type { FromUdpWorker, ToUdpWorker, UdpWorkerData } from './worker-protocol.ts';

/** A worker that dies again and again is restarted after twice as long each time, between these bounds; its socket waits. */
const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 5_000;
/** Many times what a thread takes to see the stop flag: it is never terminated inside a call of the store. */
const STOP_TIMEOUT_MS = 2_000;

/**
 * UDP listeners served by worker threads: each thread has a socket of its own for every address, over which the system spreads senders
 * (SO_REUSEPORT). The sockets belong to this object and not to the threads, so they can be opened with rights that are dropped later, and
 * what arrives while a dead thread is replaced waits for the next one.
 */
export class UdpWorkers implements UdpFront {
  readonly addresses: PeerAddress[] = [];
  /** What the system gave each socket. */
  receiveBufferBytes = 0;
  readonly #o: UdpServing & UdpThreading;
  readonly #batches: UdpBatches;
  readonly #control = new SharedArrayBuffer(4);
  /** By thread, then by address. */
  readonly #fds: number[][] = [];
  readonly #threads: Thread[] = [];
  #policy: unknown;
  #limits: TrackerLimits;
  #closing: Promise<void> | undefined;

  constructor(batches: UdpBatches, options: UdpServing & UdpThreading) {
    this.#batches = batches;
    this.#o = options;
    this.#policy = options.policy;
    this.#limits = options.limits;
  }

  /**
   * Opens the sockets and starts the threads; resolves when all of them serve.
   *
   * @throws BtError `net/port-in-use`, `net/listen`, or what a module of hooks throws; close it then
   */
  async start(): Promise<void> {
    this.#openSockets();
    await Promise.all(
      this.#fds.map((fds, i) => {
        const thread = new Thread({
          dataOf: () => this.#dataOf(i, fds),
          onMessage: (message) => this.#onMessage(message),
          onDied: (error) => this.#o.onEvent({ type: 'udp.worker-restarted', thread: i, error }),
        });
        this.#threads.push(thread);
        return thread.start();
      }),
    );
  }

  setPolicy(policy: unknown): void {
    this.#policy = policy;
    for (const thread of this.#threads) thread.send({ type: 'policy', policy });
  }

  setLimits(limits: TrackerLimits): void {
    this.#limits = limits;
    for (const thread of this.#threads) thread.send({ type: 'limits', limits });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    Atomics.store(new Int32Array(this.#control), 0, 1);
    await Promise.all(this.#threads.map((thread) => thread.stop()));
    for (const fd of this.#fds.flat()) this.#batches.closeSocket(fd);
  }

  #openSockets(): void {
    const { addresses, threads, receiveBufferBytes } = this.#o;
    for (let i = 0; i < threads; i++) this.#fds.push([]);
    for (const asked of addresses) {
      let at = asked;
      this.#fds.forEach((fds, i) => {
        // The first keeps strangers out of the port, and finds one where any will do; it lets the others in.
        const reusePort = i === 0 ? 'later' : true;
        const {
          fd,
          local,
          receiveBufferBytes: given,
        } = this.#batches.openSocket({ ...at, reusePort, receiveBufferBytes });
        fds.push(fd);
        this.receiveBufferBytes = given;
        at = { host: asked.host, port: local.port };
        if (i === 0) this.addresses.push(local);
      });
    }
  }

  #dataOf(i: number, fds: readonly number[]): UdpWorkerData {
    const o = this.#o;
    return {
      row: o.firstRow + i,
      fds,
      timeOrigin: performance.timeOrigin,
      storeShare: o.storeShare,
      limits: this.#limits,
      answerBytesMax: o.answerBytesMax,
      connectionSecret: o.connectionSecret,
      counters: o.counters.shared,
      addressLimits: o.addressLimits.shared,
      offenders: o.offenders.shared,
      control: this.#control,
      policyModule: o.policyModule,
      policy: this.#policy,
      hookModules: o.hookModules ?? [],
    };
  }

  #onMessage(message: FromUdpWorker): void {
    if (message.type === 'data') this.#o.onData?.(message.kind, message.data);
    else if (message.type === 'bug') this.#o.onEvent({ type: 'error', error: toError(message.error) });
  }
}

interface ThreadOptions {
  readonly dataOf: () => UdpWorkerData;
  readonly onMessage: (message: FromUdpWorker) => void;
  readonly onDied: (error: Error) => void;
}

/** One place for a worker thread: the thread that has it, or a timer until the next one. */
class Thread {
  readonly #o: ThreadOptions;
  #worker: Worker | undefined;
  #timer: NodeJS.Timeout | undefined;
  #restartMs = RESTART_MIN_MS;
  #readyAt = 0;
  #isStopping = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: ThreadOptions) {
    this.#o = options;
  }

  /** Resolves when the thread serves; fails if it dies before: then it is not started again. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./udp-worker.js', import.meta.url), {
        name: 'eider-udp',
        workerData: this.#o.dataOf(),
      });
      this.#worker = worker;
      let isReady = false;
      let failure: Error | undefined;
      worker.on('message', (message: FromUdpWorker) => {
        if (message.type === 'ready') {
          isReady = true;
          this.#readyAt = performance.now();
          resolve();
        } else this.#o.onMessage(message);
      });
      worker.on('error', (error) => {
        failure = error instanceof Error ? error : new Error(String(error));
      });
      this.#ended = new Promise((ended) => {
        worker.once('exit', () => {
          this.#worker = undefined;
          ended();
          const error = failure ?? new Error('a UDP worker has ended');
          if (!isReady) reject(error);
          else if (!this.#isStopping) this.#onDied(error);
        });
      });
    });
  }

  send(message: ToUdpWorker): void {
    this.#worker?.postMessage(message);
  }

  /** The stop flag is set: waits for the thread to see it. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    // A module of hooks may hold timers or sockets that keep the thread.
    const overdue = setTimeout(() => void this.#worker?.terminate(), STOP_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(overdue);
  }

  #onDied(error: Error): void {
    this.#o.onDied(error);
    // One that has served well for a while had its own accident.
    if (performance.now() - this.#readyAt > RESTART_MAX_MS) this.#restartMs = RESTART_MIN_MS;
    this.#timer = setTimeout(() => {
      this.start().catch((again: Error) => {
        if (!this.#isStopping) this.#onDied(again);
      });
    }, this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MAX_MS);
  }
}

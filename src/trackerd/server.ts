import { randomBytes, randomFillSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { BtError, type Millis, type PeerAddress, parseIp, seededRng } from '../base/index.ts';
import type { Log } from '../node/index.ts';
import {
  AddressLimits,
  CounterTable,
  DenseStore,
  Offenders,
  type SwarmStore,
  type TrackerHooks,
  type TrackerLimits,
  TrackerLogic,
  toTrackerLimits,
} from '../tracker/index.ts';
import type { TrackerSettings } from './config/settings.ts';
import { HttpFront } from './http/front.ts';
import { HttpRoutes } from './http/routes.ts';
import { type FrontLimits, frontLimits } from './limits.ts';
import { formatStats, type TrackerStats, toHttpCounts, toUdpCounts } from './stats.ts';
import { startUdp } from './udp/start-udp.ts';
import type { UdpEvent, UdpFront } from './udp/types.ts';
import type { ReloadReport } from './web/ports.ts';

export interface TrackerAddress extends PeerAddress {
  readonly protocol: 'http' | 'udp';
}

export type TrackerEvent =
  | ({ readonly type: 'listening' } & TrackerAddress)
  /** Every listener answers. */
  | { readonly type: 'ready' }
  | UdpEvent
  /** A bug of the tracker or of a hook; the tracker goes on. */
  | { readonly type: 'error'; readonly error: unknown };

export interface TrackerOptions {
  /** Numeric hosts; port 0 = any; `::` takes IPv4 too. */
  readonly http?: readonly PeerAddress[];
  readonly udp?: readonly PeerAddress[];
  /** Aborting closes the tracker. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TrackerEvent) => void;
  readonly limits?: Partial<TrackerLimits>;
  readonly frontLimits?: Partial<FrontLimits>;
  readonly hooks?: readonly TrackerHooks[];
  /** Default: a `DenseStore` with the same limits. */
  readonly store?: SwarmStore;
  /** Threads that serve UDP, where batched system calls are to be had and neither `hooks` nor `store` keep it on this one. Default 1. */
  readonly udpThreads?: number;
  /** What an operator has configured, beside the options above. */
  readonly settings?: TrackerSettings;
  /** Reads the configuration again for a reload. */
  readonly reopen?: () => Promise<TrackerSettings>;
  readonly log?: Log;
}

export interface Tracker extends AsyncDisposable {
  /** Where it listens, ports filled in, in the order asked for: HTTP first. */
  readonly addresses: readonly TrackerAddress[];
  stats(): TrackerStats;
  /** Reads lists, users, certificates and the reloadable part of the configuration again. What fails stays as it was. */
  reload(): Promise<ReloadReport>;
  /** Stops listening and drops connections; no handle is left when it resolves. May be called twice. */
  close(): Promise<void>;
}

const SWEEP_EVERY_MS = 250;

/**
 * Starts a tracker: HTTP and UDP listeners over one store.
 *
 * @throws BtError `net/port-in-use`, `net/listen`, `client/aborted`; nothing is left listening then
 */
export async function startTracker(options: TrackerOptions): Promise<Tracker> {
  const tracker = new RunningTracker(options);
  try {
    await tracker.start();
  } catch (error) {
    await tracker.close();
    throw error;
  }
  return tracker;
}

class RunningTracker implements Tracker {
  readonly addresses: TrackerAddress[] = [];
  readonly #options: TrackerOptions;
  readonly #startedAt = now();
  readonly #limits: TrackerLimits;
  readonly #store: SwarmStore;
  readonly #logic: TrackerLogic;
  readonly #counters: CounterTable;
  #pages: Server | undefined;
  readonly #httpFronts: HttpFront[] = [];
  #udpFront: UdpFront | undefined;
  readonly #onAbort = (): void => void this.close();
  #sweepTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: TrackerOptions) {
    this.#options = options;
    this.#limits = toTrackerLimits(options.limits);
    const rng = seededRng(randomBytes(4).readUInt32BE());
    this.#store = options.store ?? DenseStore.create({ limits: this.#limits, rng: rng.fork('store') });
    this.#logic = new TrackerLogic({
      store: this.#store,
      limits: this.#limits,
      hooks: options.hooks ?? [],
      rng: rng.fork('intervals'),
    });
    this.#counters = new CounterTable(1 + (options.udpThreads ?? 1));
  }

  async start(): Promise<void> {
    for (const at of this.#options.http ?? []) {
      this.#expectOpen();
      const front = this.#newHttpFront();
      this.#httpFronts.push(front);
      this.#onListening('http', await front.listen(at));
    }
    if ((this.#options.udp ?? []).length > 0) {
      this.#expectOpen();
      this.#udpFront = await this.#startUdp(this.#options.udp ?? []);
      for (const at of this.#udpFront.addresses) this.#onListening('udp', at);
    }
    this.#expectOpen();
    this.#options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#sweepTimer = setInterval(() => this.#logic.sweep(now()), SWEEP_EVERY_MS);
    this.#sweepTimer.unref();
    this.#emit({ type: 'ready' });
  }

  stats(): TrackerStats {
    const connections = this.#httpFronts.reduce((sum, front) => sum + front.connectionCount, 0);
    return {
      ...this.#store.stats(),
      uptimeMs: now() - this.#startedAt,
      http: { ...toHttpCounts(this.#counters), connections },
      udp: toUdpCounts(this.#counters),
    };
  }

  async reload(): Promise<ReloadReport> {
    await this.#options.reopen?.();
    return { done: [], failed: [] };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweepTimer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    await Promise.all([...this.#httpFronts.map((front) => front.close()), this.#udpFront?.close()]);
    this.#pages?.closeAllConnections();
  }

  #newHttpFront(): HttpFront {
    const counts = this.#counters.row(0);
    const routes = new HttpRoutes({
      logic: this.#logic,
      counts,
      peersMax: this.#limits.numWantMax,
      onBug: (error) => this.#emit({ type: 'error', error }),
    });
    this.#pages ??= createServer((request, response) => {
      const source = parseIp(request.socket.remoteAddress ?? '') ?? new Uint8Array(4);
      if (routes.answerRequest(now(), request, response, source)) return;
      if (request.url === '/') response.end(formatStats(this.stats()));
      else if (request.url === '/health') response.end('ok\n');
      else response.writeHead(404).end('not found\n');
    });
    const pages = this.#pages;
    return new HttpFront({
      routes,
      counts,
      limits: { ...frontLimits, ...this.#options.frontLimits },
      other: { give: (socket) => pages.emit('connection', socket) },
      now,
    });
  }

  #startUdp(addresses: readonly PeerAddress[]): Promise<UdpFront> {
    const { hooks = [], udpThreads = 1 } = this.#options;
    const limits = { ...frontLimits, ...this.#options.frontLimits };
    const store = this.#store;
    const isShared = store instanceof DenseStore && hooks.length === 0;
    return startUdp({
      addresses,
      limits: this.#limits,
      answerBytesMax: limits.udpAnswerBytesMax,
      receiveBufferBytes: limits.udpReceiveBufferBytes,
      connectionSecret: randomBytes(16),
      counters: this.#counters,
      addressLimits: new AddressLimits(randomFillSync(new Uint32Array(4))),
      offenders: new Offenders(this.#counters.rowCount),
      firstRow: 1,
      now,
      onEvent: (event) => this.#emit(event),
      logic: this.#logic,
      threading: isShared
        ? { threads: udpThreads, storeShare: store.share() }
        : 'hooks or a store of this thread were given',
    });
  }

  #onListening(protocol: 'http' | 'udp', at: PeerAddress): void {
    const address: TrackerAddress = { protocol, host: at.host, port: at.port };
    this.addresses.push(address);
    this.#emit({ type: 'listening', ...address });
  }

  #expectOpen(): void {
    if (this.#options.signal?.aborted === true) throw new BtError('client/aborted', { what: 'starting the tracker' });
  }

  #emit(event: TrackerEvent): void {
    this.#options.onEvent?.(event);
  }
}

function now(): Millis {
  return performance.now() as Millis;
}

import { randomBytes, randomFillSync } from 'node:crypto';
import { BtError, type Millis, seededRng } from '../base/index.ts';
import {
  AddressLimits,
  addressLimitDefaults,
  ClientShares,
  CounterTable,
  DenseStore,
  Offenders,
  OverloadGauge,
  OverloadHooks,
  type SwarmStore,
  type TrackerLimits,
  TrackerLogic,
  toTrackerLimits,
} from '../tracker/index.ts';
import type { TrackerSettings } from './config/settings.ts';
import { announceUrls } from './face.ts';
import { createControl, createFacts, type FacedTracker } from './facts.ts';
import { FullScrape } from './http/full-scrape.ts';
import { LoopWatch } from './http/loop-watch.ts';
import { HttpRoutes } from './http/routes.ts';
import { type FrontLimits, frontLimits } from './limits.ts';
import type { Tracker, TrackerAddress, TrackerEvent, TrackerOptions } from './options.ts';
import { describe, TrackerParts } from './parts.ts';
import { type TrackerStats, toHttpCounts, toUdpCounts } from './stats.ts';
import { leaveConnectionSecret, takeConnectionSecret } from './udp/secret-file.ts';
import { startUdp } from './udp/start-udp.ts';
import type { UdpFront } from './udp/types.ts';
import type { ReloadReport } from './web/ports.ts';
import { WebSide } from './web-side.ts';

/** A step of the sweep so often. */
const SWEEP_EVERY_MS = 250;
const PAGES_DEFAULTS: TrackerSettings['pages'] = {
  hasPage: true,
  hasMetrics: true,
  title: 'Eider tracker',
  topSwarmCount: 0,
  hasFullScrape: false,
  url: undefined,
};

/**
 * Starts a tracker: all its listeners over one store.
 *
 * @throws BtError `net/port-in-use`, `net/listen`, `client/aborted`, `config/invalid`, `disk/...`, `swarm/state-newer`; nothing is left
 *   listening then
 */
export async function startTracker(options: TrackerOptions): Promise<Tracker> {
  const tracker = new RunningTracker(options);
  try {
    await tracker.start();
  } catch (error) {
    await tracker.abandon();
    throw error;
  }
  return tracker;
}

class RunningTracker implements Tracker {
  readonly addresses: TrackerAddress[] = [];
  readonly #o: TrackerOptions;
  readonly #startedAt = now();
  readonly #frontLimits: FrontLimits;
  readonly #store: SwarmStore;
  readonly #logic: TrackerLogic;
  readonly #counters: CounterTable;
  readonly #addressLimits = new AddressLimits(randomFillSync(new Uint32Array(4)));
  readonly #offenders: Offenders;
  readonly #clients = new ClientShares();
  readonly #gauge = new OverloadGauge();
  readonly #watch = new LoopWatch({ gauge: this.#gauge, now, lagMaxMs: frontLimits.loopLagMaxMs });
  readonly #onAbort = (): void => {
    this.close().catch((error: unknown) => this.#emit({ type: 'error', error }));
  };
  #limits: TrackerLimits;
  #parts: TrackerParts | undefined;
  #web: WebSide | undefined;
  #udp: UdpFront | undefined;
  #connectionSecret: Uint8Array = new Uint8Array(0);
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: TrackerOptions) {
    this.#o = options;
    this.#limits = toTrackerLimits(options.limits);
    this.#frontLimits = { ...frontLimits, ...options.frontLimits };
    const rng = seededRng(randomBytes(4).readUInt32BE());
    this.#store =
      options.store ?? DenseStore.create({ limits: this.#limits, rng: rng.fork('store'), key: randomBytes(16) });
    this.#logic = new TrackerLogic({ store: this.#store, limits: this.#limits, rng: rng.fork('intervals') });
    this.#counters = new CounterTable(1 + (options.udpThreads ?? 1));
    this.#offenders = new Offenders(this.#counters.rowCount);
    this.#addressLimits.set({ ...addressLimitDefaults, ...options.addressLimits });
  }

  async start(): Promise<void> {
    const parts = await TrackerParts.open({
      options: this.#o,
      store: this.#store,
      limits: this.#limits,
      clients: this.#clients,
      now,
      onPolicy: () => this.#postPolicy(),
      notice: (part, level, text) => this.#emit({ type: 'notice', part, level, text }),
    });
    this.#parts = parts;
    this.#setHooks(parts);
    this.#expectOpen();
    this.#web = this.#createWeb(parts);
    await this.#web.listen((at) => this.#onListening(at));
    this.#expectOpen();
    if ((this.#o.udp ?? []).length > 0) {
      this.#connectionSecret = takeConnectionSecret(this.#secretFile, this.#limits.connectionIdMs);
      this.#udp = await this.#startUdp(parts);
      // The API is open already: what it has changed while the threads began holds for them too.
      this.#udp.setLimits(this.#limits);
      this.#postPolicy();
      for (const at of this.#udp.addresses) this.#onListening({ protocol: 'udp', ...at });
    }
    this.#timer = setInterval(() => {
      this.#logic.sweep(now());
      parts.policy.tick();
    }, SWEEP_EVERY_MS);
    this.#timer.unref();
    this.#watch.start();
    this.#expectOpen();
    // Peers are served from here on, while other trackers tell what they have, which may take minutes: a stop is a stop like any other.
    this.#o.signal?.addEventListener('abort', this.#onAbort, { once: true });
    await parts.start();
    this.#expectOpen();
    this.#emit({ type: 'ready' });
  }

  stats(): TrackerStats {
    const sums = this.#counters.sums();
    return {
      ...this.#store.stats(),
      uptimeMs: now() - this.#startedAt,
      http: { ...toHttpCounts(sums), connections: this.#web?.httpConnectionCount ?? 0 },
      udp: toUdpCounts(sums),
    };
  }

  async reload(): Promise<ReloadReport> {
    const done: string[] = [];
    const failed: string[] = [];
    const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
      try {
        const result = await work();
        done.push(what);
        return result;
      } catch (error) {
        failed.push(describe(error));
        return undefined;
      }
    };
    const { reopen, tls } = this.#o;
    const settings = reopen === undefined ? undefined : await attempt('configuration', reopen);
    if (settings !== undefined) this.#takeUp(settings);
    if (tls !== undefined) await attempt('certificates', async () => await this.#web?.reload());
    const parts = this.#parts as TrackerParts;
    const report = await parts.reload(settings);
    this.#setHooks(parts);
    return { done: [...done, ...report.done], failed: [...failed, ...report.failed] };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close(true);
    return this.#closing;
  }

  /** After a start that failed: what is on disk stays as it was. */
  abandon(): Promise<void> {
    this.#closing ??= this.#close(false);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(saves: boolean): Promise<void> {
    clearInterval(this.#timer);
    this.#watch.close();
    this.#o.signal?.removeEventListener('abort', this.#onAbort);
    try {
      await Promise.all([this.#web?.close(), this.#udp?.close()]);
    } finally {
      // Whatever became of the listeners: what is known is not lost.
      if (saves) this.#leaveConnectionSecret();
      // Nobody announces any more: what is saved now is the last word.
      await this.#parts?.close(saves);
    }
  }

  get #secretFile(): string | undefined {
    const { snapshot } = this.#o;
    return snapshot === undefined ? undefined : `${snapshot.file}.ids`;
  }

  #leaveConnectionSecret(): void {
    if (this.#secretFile === undefined || this.#connectionSecret.length === 0) return;
    try {
      leaveConnectionSecret(this.#secretFile, this.#connectionSecret);
    } catch (error) {
      const text = `the secret of connection ids was not saved: ${describe(error)}`;
      this.#emit({ type: 'notice', part: 'snapshot', level: 'error', text });
    }
  }

  #setHooks(parts: TrackerParts): void {
    const overload = new OverloadHooks(this.#gauge, { retryInSec: this.#limits.retryWhenFullSec });
    this.#logic.setHooks([overload, ...parts.hooks()]);
    this.#postPolicy();
  }

  #postPolicy(): void {
    if (this.#parts !== undefined) this.#udp?.setPolicy(this.#parts.threadPolicy());
  }

  // --- listeners -----------------------------------------------------------------------------------------------------------------

  #createWeb(parts: TrackerParts): WebSide {
    const { pages = PAGES_DEFAULTS, admin } = this.#o;
    const limits = this.#frontLimits;
    const counts = this.#counters.row(0);
    const onBug = (error: unknown) => this.#emit({ type: 'error', error });
    const store = this.#store;
    const routes = new HttpRoutes({
      logic: this.#logic,
      counts,
      peersMax: this.#limits.numWantMax,
      addressLimits: this.#addressLimits,
      offenders: this.#offenders,
      ...(pages.hasFullScrape &&
        store instanceof DenseStore && { fullScrape: new FullScrape({ store, limits, onBug }) }),
      onBug,
    });
    const faced = this.#faced(parts, pages);
    return new WebSide({
      options: this.#o,
      ...{ pages, limits, store, routes, counts, onBug, now },
      addressLimits: this.#addressLimits,
      offenders: this.#offenders,
      logic: this.#logic,
      policy: parts.policy,
      catalogue: parts.catalogue,
      mayUpload: () => parts.mayUpload,
      facts: createFacts(faced),
      control: createControl(faced),
      token: admin === undefined ? undefined : () => parts.token,
      addresses: this.addresses,
    });
  }

  #startUdp(parts: TrackerParts): Promise<UdpFront> {
    const { hooks = [], hookModules = [], udp = [], udpBatch = 'auto', udpThreads = 1 } = this.#o;
    const store = this.#store;
    const threading = {
      threads: udpThreads,
      policyModule: new URL('./thread-hooks.js', import.meta.url).href,
      policy: parts.threadPolicy(),
      hookModules,
      onData: (kind: string, data: unknown) => parts.takeData(kind, data),
    };
    return startUdp({
      addresses: udp,
      limits: this.#limits,
      answerBytesMax: this.#frontLimits.udpAnswerBytesMax,
      receiveBufferBytes: this.#frontLimits.udpReceiveBufferBytes,
      connectionSecret: this.#connectionSecret,
      counters: this.#counters,
      addressLimits: this.#addressLimits,
      offenders: this.#offenders,
      firstRow: 1,
      now,
      onEvent: (event) => this.#emit(event),
      logic: this.#logic,
      batch: udpBatch,
      threading:
        store instanceof DenseStore && hooks.length === 0
          ? { ...threading, storeShare: store.share() }
          : 'hooks or a store of this thread were given',
    });
  }

  #onListening(address: TrackerAddress): void {
    this.addresses.push(address);
    this.#emit({ type: 'listening', ...address });
  }

  /** Takes up what may change while the tracker runs, from the next request on. */
  #takeUp(settings: TrackerSettings): void {
    // What the store was made for stays.
    const { peersMax, swarmsMax, peerTtlMs, numWantMax, emptySwarmMs, sweepPeersMax, connectionIdMs } = this.#limits;
    const fixed = { peersMax, swarmsMax, peerTtlMs, numWantMax, emptySwarmMs, sweepPeersMax, connectionIdMs };
    this.#limits = { ...toTrackerLimits(settings.limits), ...fixed };
    this.#logic.setLimits(this.#limits);
    this.#udp?.setLimits(this.#limits);
    this.#addressLimits.set(settings.addressLimits);
  }

  #faced(parts: TrackerParts, pages: TrackerSettings['pages']): FacedTracker {
    return {
      ...{ pages, parts, now },
      store: this.#store,
      counters: this.#counters,
      clients: this.#clients,
      offenders: this.#offenders,
      gauge: this.#gauge,
      log: this.#o.log,
      uptimeMs: () => now() - this.#startedAt,
      announceUrls: () =>
        announceUrls({ addresses: this.addresses, base: pages.url, hasWebSocket: this.#o.hasWebSocket !== false }),
      httpConnections: () => this.#web?.httpConnectionCount ?? 0,
      wsConnections: () => this.#web?.wsConnectionCount ?? 0,
      reload: () => this.reload(),
    };
  }

  #expectOpen(): void {
    if (this.#o.signal?.aborted === true) throw new BtError('client/aborted', { what: 'starting the tracker' });
  }

  #emit(event: TrackerEvent): void {
    this.#o.onEvent?.(event);
  }
}

function now(): Millis {
  return performance.now() as Millis;
}

import { randomBytes, randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BtError, type Millis, seededRng } from '../base/index.ts';
import {
  AddressLimits,
  addressLimitDefaults,
  ClientShares,
  CounterTable,
  type DeltaBatch,
  DenseStore,
  Offenders,
  OverloadGauge,
  OverloadHooks,
  type SwarmStore,
  type TrackerHooks,
  type TrackerLimits,
  TrackerLogic,
  toSeed,
  toTrackerLimits,
} from '../tracker/index.ts';
import { CatalogueService } from './catalogue/service.ts';
import type { TrackerSettings } from './config/settings.ts';
import { announceUrls, countsOf, findSwarm, peersOf, readAdminToken } from './face.ts';
import { FullScrape } from './http/full-scrape.ts';
import { LoopWatch } from './http/loop-watch.ts';
import { HttpRoutes } from './http/routes.ts';
import { type FrontLimits, frontLimits } from './limits.ts';
import type { Tracker, TrackerAddress, TrackerEvent, TrackerOptions } from './options.ts';
import { collectOwnMetrics } from './own-metrics.ts';
import {
  accountsMessage,
  type ClientRuleTexts,
  loadHookModules,
  PolicyHost,
  type PrivateOptions,
} from './policy/index.ts';
import { Replication, storeSnapshots } from './replication/index.ts';
import { SnapshotFile } from './snapshot-file.ts';
import { type TrackerStats, toHttpCounts, toUdpCounts } from './stats.ts';
import { SwarmRanking } from './swarm-ranking.ts';
import { deltasMessage, listedOnly, type ThreadPolicy } from './thread-hooks.ts';
import { leaveConnectionSecret, takeConnectionSecret } from './udp/secret-file.ts';
import { startUdp } from './udp/start-udp.ts';
import type { UdpFront } from './udp/types.ts';
import type { HealthReport, ReloadReport, TrackerControl, TrackerFacts } from './web/ports.ts';
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
  readonly #onAbort = (): void => void this.close();
  /** What a reload may change of the options. */
  #live: Pick<TrackerOptions, 'admin' | 'catalogue' | 'policy'>;
  #limits: TrackerLimits;
  #hookModules: readonly TrackerHooks[] = [];
  #policy!: PolicyHost;
  #token: string | undefined;
  #catalogue: CatalogueService | undefined;
  #snapshot: SnapshotFile | undefined;
  #snapshotTrouble = '';
  #replication: Replication | undefined;
  #ranking: SwarmRanking | undefined;
  #web: WebSide | undefined;
  #udp: UdpFront | undefined;
  #connectionSecret: Uint8Array = new Uint8Array(0);
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: TrackerOptions) {
    this.#o = options;
    this.#live = options;
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
    await this.#openParts();
    this.#expectOpen();
    this.#web = this.#createWeb();
    await this.#web.listen((at) => this.#onListening(at));
    this.#expectOpen();
    if ((this.#o.udp ?? []).length > 0) {
      this.#connectionSecret = takeConnectionSecret(this.#secretFile, this.#limits.connectionIdMs);
      this.#udp = await this.#startUdp();
      for (const at of this.#udp.addresses) this.#onListening({ protocol: 'udp', ...at });
    }
    this.#timer = setInterval(() => this.#tick(), SWEEP_EVERY_MS);
    this.#timer.unref();
    this.#watch.start();
    this.#snapshot?.start();
    this.#catalogue?.start();
    this.#ranking?.start();
    await this.#replication?.start();
    this.#expectOpen();
    this.#o.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#emit({ type: 'ready' });
  }

  stats(): TrackerStats {
    return {
      ...this.#store.stats(),
      uptimeMs: now() - this.#startedAt,
      http: { ...toHttpCounts(this.#counters), connections: this.#web?.httpConnectionCount ?? 0 },
      udp: toUdpCounts(this.#counters),
    };
  }

  async reload(): Promise<ReloadReport> {
    const done: string[] = [];
    const failed: string[] = [];
    const attempt = async (work: () => Promise<string | undefined>) => {
      try {
        const what = await work();
        if (what !== undefined) done.push(what);
      } catch (error) {
        failed.push(error instanceof Error ? error.message : String(error));
      }
    };
    await attempt(async () => await this.#reopen());
    const { policy } = this.#live;
    const report = await this.#policy.reload({
      ...(policy !== undefined && { clients: toClientRules(policy) }),
      ...(policy?.private !== undefined && { private: toPrivateOptions(policy.private) }),
    });
    await attempt(async () => {
      this.#token = readAdminToken(this.#live.admin);
      return undefined;
    });
    await attempt(async () => {
      if (this.#o.tls === undefined) return undefined;
      await this.#web?.reload();
      return 'certificates';
    });
    await attempt(async () => {
      if (this.#catalogue === undefined) return undefined;
      await this.#loadCatalogue(this.#catalogue);
      return `catalogue: ${this.#catalogue.catalogue.size} torrents`;
    });
    this.#setHooks();
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
    this.#catalogue?.close();
    this.#ranking?.close();
    await Promise.all([this.#web?.close(), this.#udp?.close()]);
    // Nobody announces any more: what is saved now is the last word.
    await this.#replication?.stop();
    await this.#snapshot?.stop();
    if (!saves) return;
    this.#leaveConnectionSecret();
    await this.#snapshot
      ?.save()
      .catch((error: unknown) => this.#notice('snapshot', 'error', `not saved: ${describe(error)}`));
    await this.#policy
      .close()
      .catch((error: unknown) => this.#notice('policy', 'error', `accounts not saved: ${describe(error)}`));
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
      this.#notice('snapshot', 'error', `the secret of connection ids was not saved: ${describe(error)}`);
    }
  }

  // --- parts ---------------------------------------------------------------------------------------------------------------------

  async #openParts(): Promise<void> {
    const { admin, catalogue, hookModules = [], pages, policy, replication, snapshot } = this.#o;
    this.#token = readAdminToken(admin);
    this.#hookModules = await loadHookModules(hookModules);
    this.#policy = await PolicyHost.open({
      ...(policy !== undefined && {
        lists: {
          ...(policy.listMode === 'allow' && { allow: policy.allowFile }),
          ...(policy.listMode !== 'open' && { deny: policy.denyFile }),
        },
        clients: toClientRules(policy),
        ...(policy.private !== undefined && { private: toPrivateOptions(policy.private) }),
      }),
      peerTtlMs: this.#limits.peerTtlMs,
      now,
      timeOriginMs: performance.timeOrigin,
      wallNow: Date.now,
      onPolicy: () => this.#postPolicy(),
      onEvent: (event) => {
        if (event.type === 'policy.suspicion') {
          const { kind, userId, infoHash } = event.suspicion;
          this.#notice('policy', 'warning', `user ${userId} reports what cannot be (${kind}), torrent ${infoHash}`);
        } else
          this.#notice(
            'policy',
            'warning',
            `${event.type === 'policy.damaged' ? 'the file before was taken' : 'not saved'}: ${describe(event.error)}`,
          );
      },
    });
    if (catalogue !== undefined) {
      this.#catalogue = new CatalogueService({
        folder: catalogue.folder,
        countsOf: (infoHash) => countsOf(this.#store, infoHash),
        seed: toSeed(randomBytes(8)),
        onListed: () => this.#postPolicy(),
      });
      await this.#loadCatalogue(this.#catalogue);
    }
    const store = this.#store;
    if (store instanceof DenseStore) {
      if (snapshot !== undefined) await this.#openSnapshot(store, snapshot);
      if (replication !== undefined) this.#replication = this.#createReplication(store, replication);
      const count = policy?.private === undefined ? (pages?.topSwarmCount ?? 0) : 0;
      const nameOf = (infoHash: string) => this.#catalogue?.catalogue.get(infoHash)?.title;
      if (count > 0) this.#ranking = new SwarmRanking({ store, count, nameOf });
    }
    this.#setHooks();
  }

  async #openSnapshot(store: DenseStore, { file, everyMs }: NonNullable<TrackerOptions['snapshot']>): Promise<void> {
    this.#snapshot = new SnapshotFile({
      ...{ path: file, everyMs, store, now },
      wallNow: Date.now,
      onFailed: (error) => {
        this.#snapshotTrouble = `the snapshot could not be written: ${describe(error)}`;
        this.#notice('snapshot', 'error', this.#snapshotTrouble);
      },
    });
    const loaded = await this.#snapshot.load();
    if (loaded === undefined) return;
    const { swarmCount, peerCount, leftOutCount, damage } = loaded;
    const text = `${peerCount} peers of ${swarmCount} torrents are back, ${leftOutCount} were too old`;
    this.#notice(
      'snapshot',
      damage === undefined ? 'info' : 'warning',
      damage === undefined ? text : `${text}; ${damage}`,
    );
  }

  #createReplication(store: DenseStore, settings: NonNullable<TrackerOptions['replication']>): Replication {
    return new Replication({
      ...settings,
      store,
      snapshots: storeSnapshots(store, now),
      peerTtlMs: this.#limits.peerTtlMs,
      now,
      onEvent: (event) => {
        if (event.type === 'state') {
          const isBad = event.state === 'alone' || event.state === 'behind';
          this.#notice(
            'replication',
            isBad ? 'warning' : 'info',
            `${event.state}${event.why === '' ? '' : `: ${event.why}`}`,
          );
        } else if (event.type === 'snapshot-loaded') {
          this.#notice('replication', 'info', `has what ${event.node} has`);
        }
      },
    });
  }

  async #loadCatalogue(catalogue: CatalogueService): Promise<void> {
    for (const { file, what } of await catalogue.load()) this.#notice('catalogue', 'warning', `${file}: ${what}`);
  }

  // --- hooks ---------------------------------------------------------------------------------------------------------------------

  /** For the front ends of this thread; worker threads make theirs of `#threadPolicy`. */
  #setHooks(): void {
    const catalogue = this.#live.catalogue?.isListedOnly === true ? this.#catalogue : undefined;
    const hooks: TrackerHooks[] = [new OverloadHooks(this.#gauge, { retryInSec: this.#limits.retryWhenFullSec })];
    // First who it is: a stranger to a private tracker does not learn which torrents it has.
    hooks.push(...this.#policy.hooks);
    if (catalogue !== undefined) hooks.push(listedOnly(() => catalogue.listed));
    hooks.push(this.#clients, ...this.#hookModules, ...(this.#o.hooks ?? []));
    if (this.#replication !== undefined) hooks.push(this.#replication.log);
    this.#logic.setHooks(hooks);
    this.#postPolicy();
  }

  #threadPolicy(): ThreadPolicy {
    const { listed } = (this.#live.catalogue?.isListedOnly === true ? this.#catalogue : undefined) ?? {};
    return {
      policy: this.#policy.data,
      clients: this.#clients.shared,
      listed: listed?.data,
      isReplicated: this.#replication !== undefined,
    };
  }

  #postPolicy(): void {
    this.#udp?.setPolicy(this.#threadPolicy());
  }

  #onWorkerData(kind: string, data: unknown): void {
    if (kind === accountsMessage) this.#policy.takeAccounts(data as Uint8Array);
    else if (kind === deltasMessage) this.#replication?.add(data as DeltaBatch);
  }

  // --- listeners -----------------------------------------------------------------------------------------------------------------

  #createWeb(): WebSide {
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
    return new WebSide({
      options: this.#o,
      ...{ pages, limits, store, routes, counts, onBug, now },
      addressLimits: this.#addressLimits,
      offenders: this.#offenders,
      logic: this.#logic,
      policy: this.#policy,
      catalogue: this.#catalogue,
      mayUpload: () => this.#live.catalogue?.canUpload === true,
      facts: this.#facts(pages),
      control: this.#control(),
      token: admin === undefined ? undefined : () => this.#token,
      addresses: this.addresses,
    });
  }

  #startUdp(): Promise<UdpFront> {
    const { hooks = [], hookModules = [], udp = [], udpBatch = 'auto', udpThreads = 1 } = this.#o;
    const store = this.#store;
    const threading = {
      threads: udpThreads,
      policyModule: new URL('./thread-hooks.js', import.meta.url).href,
      policy: this.#threadPolicy(),
      hookModules,
      onData: (kind: string, data: unknown) => this.#onWorkerData(kind, data),
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
      threading:
        udpBatch === 'off'
          ? 'it is switched off'
          : store instanceof DenseStore && hooks.length === 0
            ? { ...threading, storeShare: store.share() }
            : 'hooks or a store of this thread were given',
    });
  }

  #onListening(address: TrackerAddress): void {
    this.addresses.push(address);
    this.#emit({ type: 'listening', ...address });
  }

  // --- running -------------------------------------------------------------------------------------------------------------------

  #tick(): void {
    this.#logic.sweep(now());
    this.#policy.tick();
  }

  async #reopen(): Promise<string | undefined> {
    const settings = await this.#o.reopen?.();
    if (settings === undefined) return undefined;
    this.#live = settings;
    // What the store was made for stays; the rest is taken up from the next request on.
    const { peersMax, swarmsMax, peerTtlMs, numWantMax, emptySwarmMs, sweepPeersMax, connectionIdMs } = this.#limits;
    const fixed = { peersMax, swarmsMax, peerTtlMs, numWantMax, emptySwarmMs, sweepPeersMax, connectionIdMs };
    this.#limits = { ...toTrackerLimits(settings.limits), ...fixed };
    this.#logic.setLimits(this.#limits);
    this.#udp?.setLimits(this.#limits);
    this.#addressLimits.set(settings.addressLimits);
    return 'configuration';
  }

  #facts(pages: TrackerSettings['pages']): TrackerFacts {
    const replication = this.#replication;
    return {
      version: readVersion(),
      title: pages.title,
      isPrivate: this.#policy.users !== undefined,
      announceUrls: () =>
        announceUrls({ addresses: this.addresses, base: pages.url, hasWebSocket: this.#o.hasWebSocket !== false }),
      numbers: () => ({
        ...this.#store.stats(),
        uptimeMs: now() - this.#startedAt,
        counters: this.#sums(),
        ...(this.#store instanceof DenseStore && { storeBytes: this.#store.usedBytes }),
      }),
      health: () => this.#health(),
      metrics: () =>
        collectOwnMetrics({
          replication,
          catalogue: this.#catalogue,
          policy: this.#policy,
          offenders: this.#offenders,
        }),
      clients: () => this.#clients.list(),
      ...(replication !== undefined && {
        replication: () => {
          const { state, lagMs, members } = replication.facts();
          const others = members.filter((m) => m.isHere && !m.isSelf).map((m) => m.name);
          return { isConnected: state !== 'alone', lagMs, others };
        },
      }),
      ...(this.#ranking !== undefined && { topSwarms: () => this.#ranking?.top ?? [] }),
    };
  }

  #sums(): ReturnType<CounterTable['sums']> {
    const sums = this.#counters.sums();
    // Of these it matters how many there are now.
    sums.httpConnections = this.#web?.httpConnectionCount ?? 0;
    sums.wsConnections = this.#web?.wsConnectionCount ?? 0;
    return sums;
  }

  #health(): HealthReport {
    const reasons: string[] = [];
    const replication = this.#replication?.facts();
    if (replication?.state === 'alone') reasons.push(`replication is away: ${replication.trouble}`);
    if (replication?.state === 'behind') reasons.push('replication has missed something and waits for a snapshot');
    if (this.#snapshotTrouble !== '') reasons.push(this.#snapshotTrouble);
    if (this.#gauge.isOverloaded) reasons.push('overloaded: newcomers are asked to come back later');
    return { state: reasons.length === 0 ? 'ok' : 'degraded', reasons };
  }

  #control(): TrackerControl {
    const store = this.#store;
    const { log } = this.#o;
    const { allow, deny } = this.#policy.lists;
    const { users, accountsView } = this.#policy;
    return {
      reload: () => this.reload(),
      setLogLevel: (level) => {
        if (log !== undefined) log.level = level;
      },
      logLevel: () => log?.level ?? 'info',
      findSwarm: (infoHash) => findSwarm(store, infoHash),
      lists: { ...(allow !== undefined && { allow }), ...(deny !== undefined && { deny }) },
      ...(users !== undefined && { users }),
      ...(accountsView !== undefined && { accounts: accountsView }),
      offenders: (max) => this.#offenders.top(max),
      ...(store instanceof DenseStore && {
        peersOf: (infoHash: string, max: number) => peersOf({ store, now: now(), infoHash, max }),
      }),
      ...(this.#snapshot !== undefined && { snapshot: () => (this.#snapshot as SnapshotFile).save() }),
    };
  }

  #notice(part: string, level: 'info' | 'warning' | 'error', text: string): void {
    this.#emit({ type: 'notice', part, level, text });
  }

  #expectOpen(): void {
    if (this.#o.signal?.aborted === true) throw new BtError('client/aborted', { what: 'starting the tracker' });
  }

  #emit(event: TrackerEvent): void {
    this.#o.onEvent?.(event);
  }
}

function toClientRules(o: TrackerSettings['policy']): ClientRuleTexts {
  return { allow: o.clientsAllow, deny: o.clientsDeny, banned: o.clientsBanned };
}

function toPrivateOptions(o: NonNullable<TrackerSettings['policy']['private']>): PrivateOptions {
  return {
    users: o.usersFile,
    accounts: o.accountsFile,
    saveEveryMs: o.saveEveryMs,
    torrentsMax: o.torrentsMax,
    placesMax: o.placesMax,
    ...(o.ratioMinimum > 0 && { ratio: { minimum: o.ratioMinimum, afterBytes: o.ratioAfterBytes } }),
    lineBytesPerSec: o.lineBytesPerSec,
    creditImplausible: o.creditImplausible,
    access: { scrape: o.scrape, fullScrape: o.scrape, catalogue: o.catalogue },
  };
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function now(): Millis {
  return performance.now() as Millis;
}

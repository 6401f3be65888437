import { randomBytes } from 'node:crypto';
import type { Millis } from '../base/index.ts';
import {
  type ClientShares,
  type DeltaBatch,
  DenseStore,
  type SwarmStore,
  type TrackerHooks,
  type TrackerLimits,
  toSeed,
} from '../tracker/index.ts';
import { CatalogueService } from './catalogue/service.ts';
import type { TrackerSettings } from './config/settings.ts';
import { countsOf, readAdminToken } from './face.ts';
import type { TrackerOptions } from './options.ts';
import {
  accountsMessage,
  type ClientRuleTexts,
  loadHookModules,
  type PolicyEvent,
  PolicyHost,
  type PrivateOptions,
} from './policy/index.ts';
import { Replication, type ReplicationEvent, storeSnapshots } from './replication/index.ts';
import { SnapshotFile } from './snapshot-file.ts';
import { SwarmRanking } from './swarm-ranking.ts';
import { deltasMessage, listedOnly, type ThreadPolicy } from './thread-hooks.ts';
import type { ReloadReport } from './web/ports.ts';

/** What a reload may change of the options. */
export type LiveOptions = Pick<TrackerOptions, 'admin' | 'catalogue' | 'policy'>;
export type Notice = (part: string, level: 'info' | 'warning' | 'error', text: string) => void;

export interface PartsOptions {
  readonly options: TrackerOptions;
  readonly store: SwarmStore;
  readonly limits: TrackerLimits;
  readonly clients: ClientShares;
  readonly now: () => Millis;
  /** What threads judge by has changed. */
  readonly onPolicy: () => void;
  readonly notice: Notice;
}

/**
 * Everything of a tracker that stands behind its front ends and is there only where it is configured: policies, catalogue, snapshot,
 * replication, ranking. Opened before anybody is served, closed when nobody is any more.
 */
export class TrackerParts {
  readonly policy: PolicyHost;
  catalogue: CatalogueService | undefined;
  snapshot: SnapshotFile | undefined;
  /** Why the last snapshot could not be written; empty = it could. */
  snapshotTrouble = '';
  replication: Replication | undefined;
  ranking: SwarmRanking | undefined;
  /** Of the API. */
  token: string | undefined;
  readonly #o: PartsOptions;
  readonly #hookModules: readonly TrackerHooks[];
  #live: LiveOptions;

  /** @throws BtError `config/invalid`, `disk/...`, `swarm/state-newer`, `swarm/state-damaged`, `client/aborted` */
  static async open(o: PartsOptions): Promise<TrackerParts> {
    const { hookModules = [], policy } = o.options;
    const hooks = await loadHookModules(hookModules);
    const host = await PolicyHost.open({
      ...(policy !== undefined && {
        lists: {
          ...(policy.listMode === 'allow' && { allow: policy.allowFile }),
          ...(policy.listMode !== 'open' && { deny: policy.denyFile }),
        },
        clients: toClientRules(policy),
        ...(policy.private !== undefined && { private: toPrivateOptions(policy.private) }),
      }),
      peerTtlMs: o.limits.peerTtlMs,
      now: o.now,
      timeOriginMs: performance.timeOrigin,
      wallNow: Date.now,
      onPolicy: o.onPolicy,
      onEvent: (event) => o.notice('policy', 'warning', describePolicyEvent(event)),
    });
    const parts = new TrackerParts(o, host, hooks);
    await parts.#openRest();
    return parts;
  }

  private constructor(o: PartsOptions, policy: PolicyHost, hookModules: readonly TrackerHooks[]) {
    this.#o = o;
    this.#live = o.options;
    this.policy = policy;
    this.#hookModules = hookModules;
  }

  get mayUpload(): boolean {
    return this.#live.catalogue?.canUpload === true;
  }

  /** For the front ends of this thread; worker threads make theirs of `threadPolicy`. */
  hooks(): TrackerHooks[] {
    // First who it is: a stranger to a private tracker does not learn which torrents it has.
    const hooks: TrackerHooks[] = [...this.policy.hooks];
    const catalogue = this.#listing;
    if (catalogue !== undefined) hooks.push(listedOnly(() => catalogue.listed));
    hooks.push(this.#o.clients, ...this.#hookModules, ...(this.#o.options.hooks ?? []));
    if (this.replication !== undefined) hooks.push(this.replication.log);
    return hooks;
  }

  threadPolicy(): ThreadPolicy {
    return {
      policy: this.policy.data,
      clients: this.#o.clients.shared,
      listed: this.#listing?.listed.data,
      isReplicated: this.replication !== undefined,
    };
  }

  /** Takes what the hooks of a worker thread have sent. */
  takeData(kind: string, data: unknown): void {
    if (kind === accountsMessage) this.policy.takeAccounts(data as Uint8Array);
    else if (kind === deltasMessage) this.replication?.add(data as DeltaBatch);
  }

  /** Begins what goes on by itself; resolves when other trackers, if there are any, have told what they have. */
  async start(): Promise<void> {
    this.snapshot?.start();
    this.catalogue?.start();
    this.ranking?.start();
    await this.replication?.start();
  }

  /**
   * Reads lists, users, token and catalogue again; what fails stays as it was.
   *
   * @param live the configuration as it is now
   */
  async reload(live: LiveOptions | undefined): Promise<ReloadReport> {
    this.#live = live ?? this.#live;
    const { admin, policy } = this.#live;
    const report = await this.policy.reload({
      ...(policy !== undefined && { clients: toClientRules(policy) }),
      ...(policy?.private !== undefined && { private: toPrivateOptions(policy.private) }),
    });
    const done = [...report.done];
    const failed = [...report.failed];
    try {
      this.token = readAdminToken(admin);
      if (this.catalogue !== undefined) {
        await this.#loadCatalogue(this.catalogue);
        done.push(`catalogue: ${this.catalogue.catalogue.size} torrents`);
      }
    } catch (error) {
      failed.push(describe(error));
    }
    return { done, failed };
  }

  /** @param saves whether what is on disk is brought up to date: not after a start that failed */
  async close(saves: boolean): Promise<void> {
    const { notice } = this.#o;
    this.catalogue?.close();
    this.ranking?.close();
    await this.replication?.stop();
    await this.snapshot?.stop();
    if (!saves) return;
    await this.snapshot?.save().catch((error) => notice('snapshot', 'error', `not saved: ${describe(error)}`));
    await this.policy.close().catch((error) => notice('policy', 'error', `accounts not saved: ${describe(error)}`));
  }

  /** The catalogue, where only its torrents are tracked. */
  get #listing(): CatalogueService | undefined {
    return this.#live.catalogue?.isListedOnly === true ? this.catalogue : undefined;
  }

  async #openRest(): Promise<void> {
    const { options, store } = this.#o;
    const { admin, catalogue, pages, policy, replication, snapshot } = options;
    this.token = readAdminToken(admin);
    if (catalogue !== undefined) {
      this.catalogue = new CatalogueService({
        folder: catalogue.folder,
        countsOf: (infoHash) => countsOf(store, infoHash),
        seed: toSeed(randomBytes(8)),
        onListed: this.#o.onPolicy,
      });
      await this.#loadCatalogue(this.catalogue);
    }
    if (!(store instanceof DenseStore)) return;
    if (snapshot !== undefined) await this.#openSnapshot(store, snapshot);
    if (replication !== undefined) this.replication = this.#createReplication(store, replication);
    const count = policy?.private === undefined ? (pages?.topSwarmCount ?? 0) : 0;
    const nameOf = (infoHash: string) => this.catalogue?.catalogue.get(infoHash)?.title;
    if (count > 0) this.ranking = new SwarmRanking({ store, count, nameOf });
  }

  async #loadCatalogue(catalogue: CatalogueService): Promise<void> {
    for (const { file, what } of await catalogue.load()) this.#o.notice('catalogue', 'warning', `${file}: ${what}`);
  }

  async #openSnapshot(store: DenseStore, { file, everyMs }: NonNullable<TrackerOptions['snapshot']>): Promise<void> {
    const { notice, now } = this.#o;
    this.snapshot = new SnapshotFile({
      ...{ path: file, everyMs, store, now },
      wallNow: Date.now,
      onDone: (error) => {
        this.snapshotTrouble = error === undefined ? '' : `the snapshot could not be written: ${describe(error)}`;
        if (error !== undefined) notice('snapshot', 'error', this.snapshotTrouble);
      },
    });
    const loaded = await this.snapshot.load({ signal: this.#o.options.signal });
    if (loaded === undefined) return;
    const { swarmCount, peerCount, leftOutCount, damage } = loaded;
    const text = `${peerCount} peers of ${swarmCount} torrents are back, ${leftOutCount} were too old`;
    if (damage === undefined) notice('snapshot', 'info', text);
    else notice('snapshot', 'warning', `${text}; ${damage}`);
  }

  #createReplication(store: DenseStore, settings: NonNullable<TrackerOptions['replication']>): Replication {
    const { limits, notice, now } = this.#o;
    return new Replication({
      ...settings,
      ...{ store, now },
      snapshots: storeSnapshots(store, now),
      peerTtlMs: limits.peerTtlMs,
      onEvent: (event) => {
        // People know a tracker by its name; the node is a number of one run of it.
        const nameOf = (node: string) =>
          this.replication?.facts().members.find((member) => member.node === node)?.name ?? node;
        const isBad = event.type === 'state' && (event.state === 'alone' || event.state === 'behind');
        notice('replication', isBad ? 'warning' : 'info', describeReplicationEvent(event, nameOf));
      },
    });
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

function describePolicyEvent(event: PolicyEvent): string {
  if (event.type === 'policy.damaged') return `the file before was taken: ${describe(event.error)}`;
  if (event.type === 'policy.unsaved') return `not saved: ${describe(event.error)}`;
  const { kind, userId, infoHash } = event.suspicion;
  return `user ${userId} reports what cannot be (${kind}), torrent ${infoHash}`;
}

function describeReplicationEvent(event: ReplicationEvent, nameOf: (node: string) => string): string {
  if (event.type === 'state') return event.why === '' ? event.state : `${event.state}: ${event.why}`;
  if (event.type === 'snapshot-loaded') return `has what ${nameOf(event.node)} has`;
  return `has told the others all that it has (${event.why === 'asked' ? 'one asked' : 'a full exchange'})`;
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

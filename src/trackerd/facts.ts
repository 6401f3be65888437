import { readFileSync } from 'node:fs';
import type { Millis } from '../base/index.ts';
import type { Log } from '../node/index.ts';
import {
  type ClientShares,
  type CounterTable,
  DenseStore,
  type Offenders,
  type OverloadGauge,
  type SwarmStore,
} from '../tracker/index.ts';
import type { TrackerSettings } from './config/settings.ts';
import { findSwarm, peersOf } from './face.ts';
import { collectOwnMetrics } from './own-metrics.ts';
import type { TrackerParts } from './parts.ts';
import type { HealthReport, ReloadReport, TrackerControl, TrackerFacts } from './web/ports.ts';

/** What the pages, the metrics and the API are told of a running tracker, and what the API may do. */
export interface FacedTracker {
  readonly pages: TrackerSettings['pages'];
  readonly store: SwarmStore;
  readonly parts: TrackerParts;
  readonly counters: CounterTable;
  readonly clients: ClientShares;
  readonly offenders: Offenders;
  readonly gauge: OverloadGauge;
  readonly log: Log | undefined;
  readonly uptimeMs: () => number;
  readonly now: () => Millis;
  readonly announceUrls: () => readonly string[];
  readonly httpConnections: () => number;
  readonly wsConnections: () => number;
  readonly reload: () => Promise<ReloadReport>;
}

export function createFacts(t: FacedTracker): TrackerFacts {
  const { catalogue, policy, ranking, replication } = t.parts;
  const { offenders, store } = t;
  return {
    version: readVersion(),
    title: t.pages.title,
    isPrivate: policy.users !== undefined,
    announceUrls: t.announceUrls,
    numbers: () => ({
      ...store.stats(),
      uptimeMs: t.uptimeMs(),
      // Of connections it matters how many there are now.
      counters: { ...t.counters.sums(), httpConnections: t.httpConnections(), wsConnections: t.wsConnections() },
      ...(store instanceof DenseStore && { storeBytes: store.usedBytes }),
    }),
    health: () => judgeHealth(t),
    metrics: () => collectOwnMetrics({ replication, catalogue, policy, offenders }),
    clients: () => t.clients.list(),
    ...(replication !== undefined && {
      replication: () => {
        const { state, lagMs, members } = replication.facts();
        const others = members.filter((m) => m.isHere && !m.isSelf).map((m) => m.name);
        return { isConnected: state !== 'alone', lagMs, others };
      },
    }),
    ...(ranking !== undefined && { topSwarms: () => ranking.top }),
  };
}

export function createControl(t: FacedTracker): TrackerControl {
  const { log, store } = t;
  const { policy, snapshot } = t.parts;
  const { accountsView, lists, users } = policy;
  return {
    reload: t.reload,
    setLogLevel: (level) => {
      if (log !== undefined) log.level = level;
    },
    logLevel: () => log?.level ?? 'info',
    findSwarm: (infoHash) => findSwarm(store, infoHash),
    lists,
    ...(users !== undefined && { users }),
    ...(accountsView !== undefined && { accounts: accountsView }),
    offenders: (max) => t.offenders.top(max),
    ...(store instanceof DenseStore && {
      peersOf: (infoHash: string, max: number) => peersOf({ store, now: t.now(), infoHash, max }),
    }),
    ...(snapshot !== undefined && { snapshot: () => snapshot.save() }),
  };
}

function judgeHealth({ gauge, parts }: FacedTracker): HealthReport {
  const reasons: string[] = [];
  const replication = parts.replication?.facts();
  if (replication?.state === 'alone') reasons.push(`replication is away: ${replication.trouble}`);
  if (replication?.state === 'behind') reasons.push('replication has missed something and waits for a snapshot');
  if (parts.snapshotTrouble !== '') reasons.push(parts.snapshotTrouble);
  if (gauge.isOverloaded) reasons.push('overloaded: newcomers are asked to come back later');
  return { state: reasons.length === 0 ? 'ok' : 'degraded', reasons };
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

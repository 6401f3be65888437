import type { CounterName, Offender } from '../../tracker/index.ts';
import type { AccountsView } from '../policy/accounts-view.ts';
import type { HashList } from '../policy/hash-list.ts';
import type { PrivateUsers } from '../policy/users.ts';

/**
 * What pages, metrics and API need of a tracker. The tracker implements both; everything here is plain data, so that a test gives it
 * as literals. Optional members belong to components that are not always there: without them their routes answer 404.
 */

export interface TrackerNumbers {
  readonly uptimeMs: number;
  readonly swarmCount: number;
  readonly peerCount4: number;
  readonly peerCount6: number;
  readonly peerCountWeb: number;
  /** Of all networks. */
  readonly seederCount: number;
  /** Since the start, all threads together (`CounterTable.sums()`). */
  readonly counters: Readonly<Record<CounterName, number>>;
  /** Bytes that the store has used so far, where it tells. */
  readonly storeBytes?: number;
}

/** A number for monitoring that a component has beyond those above. */
export interface MetricFamily {
  /** Without the prefix `eider_tracker_`; snake case with its unit, counters end in `_total`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  /** A sentence. */
  readonly help: string;
  readonly samples: readonly { readonly value: number; readonly labels?: Readonly<Record<string, string>> }[];
}

export interface HealthReport {
  /** `degraded`: serves, but something is wrong (replication away, no snapshot). `failing`: cannot serve. */
  readonly state: 'ok' | 'degraded' | 'failing';
  /** Sentences. */
  readonly reasons: readonly string[];
}

export interface SwarmFacts {
  /** 40 hex digits, lower case. */
  readonly infoHash: string;
  readonly seeders: number;
  readonly leechers: number;
  readonly downloads: number;
  readonly name?: string;
}

export interface PeerFacts {
  readonly address: string;
  readonly port: number;
  readonly isSeeder: boolean;
}

export interface ReplicationFacts {
  readonly isConnected: boolean;
  /** Age of the newest change of another tracker that is not here yet, at most; milliseconds. */
  readonly lagMs: number;
  /** Other trackers seen lately. */
  readonly others: readonly string[];
}

/** Stands in an announce URL for the name by which who looks at the page has reached this machine. */
export const visitedHost = 'visited.invalid';

export interface TrackerFacts {
  readonly version: string;
  readonly title: string;
  readonly isPrivate: boolean;
  /** Announce URLs to show, as the world has them; their host may be `visitedHost`. */
  readonly announceUrls: () => readonly string[];
  readonly numbers: () => TrackerNumbers;
  readonly health: () => HealthReport;
  /** Of components: store, replication, accounts. */
  readonly metrics?: () => readonly MetricFamily[];
  readonly replication?: () => ReplicationFacts;
  /** Share of clients by peer id prefix, largest first. */
  readonly clients?: () => readonly { readonly prefix: string; readonly count: number }[];
  /** The largest swarms; only where they may be shown to anybody. */
  readonly topSwarms?: () => readonly SwarmFacts[];
}

/** One of the two lists of info-hashes (40 hex digits, lower case). */
export type HashListControl = Pick<HashList, 'size' | 'has' | 'page' | 'add' | 'remove'>;

/** Users of a private tracker. */
export type UsersControl = Pick<
  PrivateUsers,
  'size' | 'page' | 'find' | 'create' | 'update' | 'remove' | 'rotatePasskey'
>;

/** Accounts of a private tracker. */
export type AccountsControl = Pick<
  AccountsView,
  'torrentsOf' | 'torrent' | 'imbalances' | 'suspicions' | 'suspicionCount'
>;

export interface ReloadReport {
  /** One sentence for each part that was read again. */
  readonly done: readonly string[];
  /** What stays as it was, and why. */
  readonly failed: readonly string[];
}

export interface TrackerControl {
  /** Lists, users, certificates and the reloadable part of the configuration. What fails stays as it was. */
  readonly reload: () => Promise<ReloadReport>;
  readonly snapshot?: () => Promise<{ readonly path: string; readonly bytes: number; readonly elapsedMs: number }>;
  readonly setLogLevel: (level: 'debug' | 'info' | 'warning' | 'error') => void;
  readonly logLevel: () => 'debug' | 'info' | 'warning' | 'error';
  readonly lists?: { readonly allow?: HashListControl; readonly deny?: HashListControl };
  readonly users?: UsersControl;
  readonly accounts?: AccountsControl;
  /** Addresses that offend most, the worst first. @returns at most `max` */
  readonly offenders: (max: number) => readonly Offender[];
  /** @param infoHash 40 hex digits. @returns undefined where it is not tracked */
  readonly findSwarm: (infoHash: string) => SwarmFacts | undefined;
  /** Peers of a swarm. @returns at most `max` */
  readonly peersOf?: (infoHash: string, max: number) => readonly PeerFacts[];
}

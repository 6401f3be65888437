import type { HostPort } from '../../base/index.ts';

/**
 * The whole configuration of a tracker, every default filled in. Times are milliseconds, sizes bytes. What each key means, its default
 * and whether a reload takes it up is said once, in `table.ts`; names there are the same with underscores (`trustedProxies` is
 * `trusted_proxies` in section `[listen]`, and `EIDER_TRACKER_LISTEN_TRUSTED_PROXIES`).
 */
export interface TrackerConfig {
  readonly listen: {
    readonly http: readonly HostPort[];
    readonly https: readonly HostPort[];
    readonly udp: readonly HostPort[];
    readonly web: readonly HostPort[];
    readonly unix: string | undefined;
    readonly trustedProxies: readonly string[];
  };
  readonly tls: { readonly cert: string | undefined; readonly key: string | undefined };
  readonly udp: {
    readonly threads: number;
    readonly batch: 'auto' | 'on' | 'off';
    readonly connectionIdLifetime: number;
  };
  readonly webtorrent: { readonly enabled: boolean; readonly origins: readonly string[] };
  readonly intervals: {
    readonly announce: number;
    readonly jitter: number | undefined;
    readonly minimum: number | undefined;
    readonly peerTtl: number | undefined;
    readonly emptySwarm: number;
    readonly retryWhenFull: number;
  };
  readonly limits: {
    readonly peers: number;
    readonly swarms: number;
    readonly numWantDefault: number;
    readonly numWantMax: number;
    readonly scrapeHashes: number;
    readonly httpConnections: number;
    readonly httpConnectionsPerAddress: number;
    readonly httpHead: number;
    readonly httpTarget: number;
    readonly httpHeadTimeout: number;
    readonly httpIdleTimeout: number;
    readonly httpUnsent: number;
    readonly udpReceiveBuffer: number;
    readonly addressRequests: number;
    readonly addressUnproven: number;
    readonly addressWindow: number;
    readonly addressExemptLocal: boolean;
    readonly wsConnections: number;
    readonly wsConnectionsPerAddress: number;
  };
  readonly private: {
    readonly enabled: boolean;
    readonly users: string | undefined;
    readonly accounts: string | undefined;
    readonly saveEvery: number;
    readonly torrents: number;
    readonly places: number;
    readonly ratioMinimum: number;
    readonly ratioAfter: number;
    readonly lineSpeed: number;
    readonly creditImplausible: boolean;
    readonly scrape: 'users' | 'public';
    readonly catalogue: 'users' | 'public';
  };
  readonly lists: {
    readonly mode: 'open' | 'allow' | 'deny';
    readonly allow: string | undefined;
    readonly deny: string | undefined;
  };
  readonly clients: {
    readonly allow: readonly string[];
    readonly deny: readonly string[];
    readonly banned: readonly string[];
  };
  readonly snapshot: { readonly file: string | undefined; readonly every: number };
  readonly replication: {
    readonly urls: readonly string[];
    readonly name: string | undefined;
    readonly channel: string;
  };
  readonly catalogue: {
    readonly folder: string | undefined;
    readonly upload: boolean;
    readonly listedOnly: boolean;
  };
  readonly web: {
    readonly page: boolean;
    readonly metrics: boolean;
    readonly title: string;
    readonly topSwarms: number;
    readonly fullScrape: boolean;
    readonly url: string | undefined;
  };
  readonly admin: { readonly token: string | undefined; readonly tokenFile: string | undefined };
  readonly log: {
    readonly level: LogLevelName;
    readonly format: 'text' | 'json';
  };
  readonly run: { readonly user: string | undefined; readonly group: string | undefined };
  readonly hooks: { readonly modules: readonly string[] };
}

export type LogLevelName = 'debug' | 'info' | 'warning' | 'error';

/** Where a value comes from, strongest first. */
export type ConfigOrigin = 'option' | 'environment' | 'file' | 'default';

export interface LoadedConfig {
  readonly config: TrackerConfig;
  /** By `section.key`. */
  readonly origins: ReadonlyMap<string, ConfigOrigin>;
  /** Things that are no errors, but that the operator should know. */
  readonly warnings: readonly string[];
}

import { pathToFileURL } from 'node:url';
import type { AddressLimitOptions, TrackerLimits } from '../../tracker/index.ts';
import type { FrontLimits } from '../limits.ts';
import type { WsLimits } from '../ws/limits.ts';
import type { LogLevelName, TrackerConfig } from './types.ts';

/** The configuration as the parts of a tracker want it: plain data, one group a component; times in the units of their names. */
export interface TrackerSettings {
  readonly listen: TrackerConfig['listen'];
  /** Of the HTTPS places; PEM files, read at start and at every reload. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Threads that answer UDP, where batched system calls are to be had. */
  readonly udpThreads: number;
  /** `on`: it is an error where they are not. */
  readonly udpBatch: 'auto' | 'on' | 'off';
  readonly limits: Partial<TrackerLimits>;
  readonly frontLimits: Partial<FrontLimits>;
  readonly addressLimits: AddressLimitOptions;
  readonly wsLimits: Partial<WsLimits>;
  readonly hasWebSocket: boolean;
  /** Pages that may use the tracker over WebSocket, as browsers name them; empty = all. */
  readonly webOrigins: readonly string[];
  readonly policy: {
    /** Undefined: a public tracker. */
    readonly private: PrivateSettings | undefined;
    readonly listMode: 'open' | 'allow' | 'deny';
    readonly allowFile: string | undefined;
    readonly denyFile: string | undefined;
    /** Rules that `parseClientRule` reads; empty = every client. */
    readonly clientsAllow: readonly string[];
    readonly clientsDeny: readonly string[];
    /** Whole peer ids. */
    readonly clientsBanned: readonly string[];
  };
  readonly snapshot: { readonly file: string; readonly everyMs: number } | undefined;
  readonly replication:
    | { readonly urls: readonly string[]; readonly name: string | undefined; readonly channel: string }
    | undefined;
  readonly catalogue:
    | { readonly folder: string; readonly canUpload: boolean; readonly isListedOnly: boolean }
    | undefined;
  readonly pages: {
    readonly hasPage: boolean;
    readonly hasMetrics: boolean;
    readonly title: string;
    /** 0 on a private tracker, whatever is configured. */
    readonly topSwarmCount: number;
    readonly hasFullScrape: boolean;
    readonly url: string | undefined;
  };
  /** Undefined: no API. */
  readonly admin: { readonly token: string } | { readonly tokenFile: string } | undefined;
  readonly log: { readonly level: LogLevelName; readonly format: 'text' | 'json' };
  readonly run: { readonly user: string; readonly group: string | undefined } | undefined;
  /** URLs. */
  readonly hookModules: readonly string[];
}

export interface PrivateSettings {
  readonly usersFile: string;
  readonly accountsFile: string | undefined;
  readonly saveEveryMs: number;
  /** 0 = any number, in both. */
  readonly torrentsMax: number;
  readonly placesMax: number;
  /** 0 = do not look. */
  readonly ratioMinimum: number;
  readonly ratioAfterBytes: number;
  /** 0 = do not look. */
  readonly lineBytesPerSec: number;
  readonly creditImplausible: boolean;
  readonly scrape: 'users' | 'public';
  readonly catalogue: 'users' | 'public';
}

export function toTrackerSettings(config: TrackerConfig): TrackerSettings {
  const {
    tls,
    udp,
    limits,
    private: closed,
    lists,
    clients,
    snapshot,
    replication,
    catalogue,
    web,
    admin,
    run,
  } = config;
  return {
    listen: config.listen,
    tls: tls.cert === undefined || tls.key === undefined ? undefined : { certFile: tls.cert, keyFile: tls.key },
    udpThreads: udp.threads,
    udpBatch: udp.batch,
    limits: toLimits(config),
    frontLimits: toFrontLimits(config),
    addressLimits: {
      requestsMax: limits.addressRequests,
      unprovenMax: limits.addressUnproven,
      windowMs: limits.addressWindow,
      exemptsLocal: limits.addressExemptLocal,
    },
    wsLimits: {
      connectionsMax: limits.wsConnections,
      connectionsPerAddressMax: limits.wsConnectionsPerAddress,
    },
    hasWebSocket: config.webtorrent.enabled,
    webOrigins: config.webtorrent.origins,
    policy: {
      private: toPrivate(closed),
      listMode: lists.mode,
      allowFile: lists.allow,
      denyFile: lists.deny,
      clientsAllow: clients.allow,
      clientsDeny: clients.deny,
      clientsBanned: clients.banned,
    },
    snapshot: snapshot.file === undefined ? undefined : { file: snapshot.file, everyMs: snapshot.every },
    replication: replication.urls.length === 0 ? undefined : replication,
    catalogue:
      catalogue.folder === undefined
        ? undefined
        : { folder: catalogue.folder, canUpload: catalogue.upload, isListedOnly: catalogue.listedOnly },
    pages: {
      hasPage: web.page,
      hasMetrics: web.metrics,
      title: web.title,
      topSwarmCount: closed.enabled ? 0 : web.topSwarms,
      hasFullScrape: web.fullScrape,
      url: web.url,
    },
    admin: toAdmin(admin),
    log: config.log,
    run: run.user === undefined ? undefined : { user: run.user, group: run.group },
    hookModules: config.hooks.modules.map((path) => pathToFileURL(path).href),
  };
}

function toPrivate(o: TrackerConfig['private']): PrivateSettings | undefined {
  if (!o.enabled || o.users === undefined) return undefined;
  return {
    usersFile: o.users,
    accountsFile: o.accounts,
    saveEveryMs: o.saveEvery,
    torrentsMax: o.torrents,
    placesMax: o.places,
    ratioMinimum: o.ratioMinimum,
    ratioAfterBytes: o.ratioAfter,
    lineBytesPerSec: o.lineSpeed,
    creditImplausible: o.creditImplausible,
    scrape: o.scrape,
    catalogue: o.catalogue,
  };
}

function toAdmin({ token, tokenFile }: TrackerConfig['admin']): TrackerSettings['admin'] {
  if (token !== undefined) return { token };
  return tokenFile === undefined ? undefined : { tokenFile };
}

/** Whole seconds, as the protocol has them. */
function toSeconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}

function toLimits({ intervals, limits, udp }: TrackerConfig): Partial<TrackerLimits> {
  return {
    intervalSec: toSeconds(intervals.announce),
    ...(intervals.jitter !== undefined && { intervalJitterSec: toSeconds(intervals.jitter) }),
    ...(intervals.minimum !== undefined && { minIntervalSec: toSeconds(intervals.minimum) }),
    ...(intervals.peerTtl !== undefined && { peerTtlMs: intervals.peerTtl }),
    emptySwarmMs: intervals.emptySwarm,
    retryWhenFullSec: toSeconds(intervals.retryWhenFull),
    numWantDefault: limits.numWantDefault,
    numWantMax: limits.numWantMax,
    scrapeHashesMax: limits.scrapeHashes,
    swarmsMax: limits.swarms,
    peersMax: limits.peers,
    connectionIdMs: udp.connectionIdLifetime,
  };
}

function toFrontLimits({ limits }: TrackerConfig): Partial<FrontLimits> {
  return {
    httpConnectionsMax: limits.httpConnections,
    httpConnectionsPerAddressMax: limits.httpConnectionsPerAddress,
    httpHeadBytesMax: limits.httpHead,
    httpTargetBytesMax: limits.httpTarget,
    httpHeadTimeoutMs: limits.httpHeadTimeout,
    httpIdleTimeoutMs: limits.httpIdleTimeout,
    httpUnsentBytesMax: limits.httpUnsent,
    udpReceiveBufferBytes: limits.udpReceiveBuffer,
  };
}

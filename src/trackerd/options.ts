import type { PeerAddress } from '../base/index.ts';
import type { Log } from '../node/index.ts';
import type { SwarmStore, TrackerHooks } from '../tracker/index.ts';
import type { TrackerSettings } from './config/settings.ts';
import type { TrackerStats } from './stats.ts';
import type { UdpEvent } from './udp/types.ts';
import type { ReloadReport } from './web/ports.ts';

export interface TrackerAddress extends PeerAddress {
  /** `web`: pages, metrics and API only. Of a Unix socket the host is its path. */
  readonly protocol: 'http' | 'https' | 'udp' | 'web' | 'unix';
}

export type TrackerEvent =
  | ({ readonly type: 'listening' } & TrackerAddress)
  /** Every listener answers. */
  | { readonly type: 'ready' }
  | UdpEvent
  /** Something an operator may want to know, in one sentence. */
  | {
      readonly type: 'notice';
      readonly part: string;
      readonly level: 'info' | 'warning' | 'error';
      readonly text: string;
    }
  /** A bug of the tracker or of a hook; the tracker goes on. */
  | { readonly type: 'error'; readonly error: unknown };

/** What a tracker is made of: where it listens, and any of the settings an operator may configure. Everything else has its default. */
export interface TrackerOptions extends Partial<Omit<TrackerSettings, 'listen' | 'log' | 'run'>> {
  /** Numeric hosts; port 0 = any; `::` takes IPv4 too. */
  readonly http?: readonly PeerAddress[];
  /** Needs `tls`. */
  readonly https?: readonly PeerAddress[];
  readonly udp?: readonly PeerAddress[];
  /** Pages, metrics and API are served here, and then not on the places above. */
  readonly web?: readonly PeerAddress[];
  /** Path of a Unix socket that a reverse proxy on this machine talks HTTP to. */
  readonly unix?: string;
  /** Networks whose `Forwarded` and `X-Forwarded-For` are believed. */
  readonly trustedProxies?: readonly string[];
  /** Functions of the same process; with them UDP is served by this thread, since no other can be given them. */
  readonly hooks?: readonly TrackerHooks[];
  /** Default: a `DenseStore` with the same limits. Another one is used by this thread alone, and is neither saved nor replicated. */
  readonly store?: SwarmStore;
  /** Aborting closes the tracker. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TrackerEvent) => void;
  /** Reads the configuration again for a reload. */
  readonly reopen?: () => Promise<TrackerSettings>;
  readonly log?: Log;
}

export interface Tracker extends AsyncDisposable {
  /** Where it listens, ports filled in: HTTP first, then HTTPS, Unix, web, UDP. */
  readonly addresses: readonly TrackerAddress[];
  stats(): TrackerStats;
  /** Reads lists, users, certificates, the catalogue and the reloadable part of the configuration again. What fails stays as it was. */
  reload(): Promise<ReloadReport>;
  /** Stops listening, drops connections, saves what is to be saved; no handle is left when it resolves. May be called twice. */
  close(): Promise<void>;
}

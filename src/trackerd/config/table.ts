import { addressLimitDefaults, toTrackerLimits } from '../../tracker/index.ts';
import { frontLimits } from '../limits.ts';
import { isAdminToken } from '../web/admin-token.ts';
import { wsLimits } from '../ws/limits.ts';
import {
  choice,
  clientRule,
  decimal,
  duration,
  flag,
  integer,
  type Kind,
  list,
  network,
  origin,
  path,
  peerId,
  place,
  size,
  text,
  url,
} from './kinds.ts';
import type { TrackerConfig } from './types.ts';

/** One key of the configuration. */
export interface ConfigKey<T = unknown> {
  readonly kind: Kind<T>;
  /** The value where nobody names one; undefined = the key stays absent. */
  readonly byDefault: T | undefined;
  /** What it is for, in Markdown; the reference and the example file are made of it. */
  readonly about: string;
  /** For a key without default: a value to show. */
  readonly example: T | undefined;
  /** Taken up by a reload, without a restart. */
  readonly reload: boolean;
  /** Not shown to anybody. */
  readonly secret: boolean;
}

interface Extra {
  readonly reload?: boolean;
  readonly secret?: boolean;
}

function key<T>(kind: Kind<T>, byDefault: T, about: string, extra: Extra = {}): ConfigKey<T> {
  return { kind, byDefault, about, example: undefined, reload: extra.reload === true, secret: extra.secret === true };
}

/** A key that may be absent. */
function maybe<T>(kind: Kind<T>, example: T, about: string, extra: Extra = {}): ConfigKey<T | undefined> {
  return {
    kind: kind as Kind<T | undefined>,
    byDefault: undefined,
    about,
    example,
    reload: extra.reload === true,
    secret: extra.secret === true,
  };
}

type Section<S> = { readonly [K in keyof S]-?: ConfigKey<S[K]> };

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;
const tracker = toTrackerLimits();
const everywhere = [{ host: undefined, port: 6969 }];
const live = { reload: true };

/** Every key with its kind, default and meaning: the one place that knows them. */
export const configTable: { readonly [S in keyof TrackerConfig]: Section<TrackerConfig[S]> } = {
  listen: {
    http: key(
      list(place),
      everywhere,
      'HTTP: announce, scrape, WebTorrent, pages and API. A port alone means all addresses of the machine.',
    ),
    https: key(list(place), [], 'The same over TLS; needs `[tls]`.'),
    udp: key(list(place), everywhere, 'UDP (BEP 15).'),
    web: key(
      list(place),
      [],
      'The page of numbers, metrics and API on places of their own, over HTTP; the places above then serve announces, scrapes and the catalogue only.',
    ),
    unix: maybe(path, '/run/eider-tracker/http.sock', 'HTTP on a Unix socket, for a proxy on the same machine.'),
    trustedProxies: key(
      list(network),
      [],
      'Proxies whose `X-Forwarded-For` is believed. Without one here the header is not read.',
    ),
  },
  tls: {
    cert: maybe(path, '/etc/eider/cert.pem', 'Certificate chain, PEM. Read again at a reload.'),
    key: maybe(path, '/etc/eider/key.pem', 'Its private key, PEM. Read again at a reload.'),
  },
  udp: {
    threads: key(integer(1, 64), 1, 'Worker threads that answer UDP, each with a socket of its own on the same port.'),
    batch: key(
      choice('auto', 'on', 'off'),
      'auto',
      'System calls that move many datagrams at once (needs the optional package `koffi`): used where they can be, `on` fails where they cannot, `off` never.',
    ),
    connectionIdLifetime: key(
      duration(30 * SECOND, DAY),
      tracker.connectionIdMs,
      'How long a connection id is accepted. BEP 15 says two minutes; some clients use theirs much longer.',
    ),
  },
  webtorrent: {
    enabled: key(flag, true, 'WebSocket announces (WebTorrent) on the HTTP and HTTPS places.'),
    origins: key(
      list(origin),
      [],
      'Web pages that may use the tracker; programs, which name no page, always may. Empty: all pages.',
    ),
  },
  intervals: {
    announce: key(duration(SECOND, DAY), tracker.intervalSec * SECOND, 'Time between two announces of a peer.', live),
    jitter: maybe(
      duration(0, DAY),
      5 * MINUTE,
      'Up to so much is added at random, so that peers that came together do not stay together. Default: a sixth of `announce`.',
      live,
    ),
    minimum: maybe(
      duration(0, DAY),
      5 * MINUTE,
      'Below it clients are asked not to announce. Default: a sixth of `announce`.',
      live,
    ),
    peerTtl: maybe(
      duration(SECOND, 3 * DAY),
      72 * MINUTE,
      'A peer silent for so long is gone. Default: two announce intervals with jitter and two minutes.',
    ),
    emptySwarm: key(
      duration(0, 3_650 * DAY),
      tracker.emptySwarmMs,
      'A torrent without peers is remembered for so long, for its count of completed downloads.',
    ),
    retryWhenFull: key(
      duration(MINUTE, DAY),
      tracker.retryWhenFullSec * SECOND,
      '`retry in` (BEP 31) of a tracker that is full or overloaded.',
      live,
    ),
  },
  limits: {
    peers: key(
      integer(1, 2_000_000_000),
      tracker.peersMax,
      'Peers kept in all; who comes beyond it is told to come back later.',
    ),
    swarms: key(integer(1, 500_000_000), tracker.swarmsMax, 'Torrents kept.'),
    numWantDefault: key(
      integer(0, 2_000),
      tracker.numWantDefault,
      'Peers given where the client names no number.',
      live,
    ),
    numWantMax: key(integer(1, 2_000), tracker.numWantMax, 'Peers given at most.'),
    scrapeHashes: key(integer(1, 74), tracker.scrapeHashesMax, 'Torrents answered in one scrape.', live),
    httpConnections: key(
      integer(1, 1_000_000),
      frontLimits.httpConnectionsMax,
      'Connections of one HTTP or HTTPS place. The limit of open files must be larger.',
    ),
    httpConnectionsPerAddress: key(
      integer(1, 1_000_000),
      frontLimits.httpConnectionsPerAddressMax,
      'Of them, of one client address (IPv6: /64); trusted proxies are free of it.',
    ),
    httpHead: key(size(1_024, 65_536), frontLimits.httpHeadBytesMax, 'Request line and headers.'),
    httpTarget: key(size(512, 65_536), frontLimits.httpTargetBytesMax, 'Request target.'),
    httpHeadTimeout: key(
      duration(SECOND, MINUTE),
      frontLimits.httpHeadTimeoutMs,
      'From the first byte of a request to its last.',
    ),
    httpIdleTimeout: key(
      duration(SECOND, 60 * MINUTE),
      frontLimits.httpIdleTimeoutMs,
      'A connection kept alive without a request, or one that does not take its answers.',
    ),
    httpUnsent: key(
      size(16_384, 16_777_216),
      frontLimits.httpUnsentBytesMax,
      'Answers waiting in one connection; above it nothing more is read from it.',
    ),
    udpReceiveBuffer: key(
      size(65_536, 1_073_741_824),
      frontLimits.udpReceiveBufferBytes,
      'Asked of the system for each UDP socket (`net.core.rmem_max` bounds it).',
    ),
    addressRequests: key(
      integer(0, 1_000_000),
      addressLimitDefaults.requestsMax,
      'Requests of one client address (IPv6: /64) answered in a window; 0 = no limit.',
      live,
    ),
    addressUnproven: key(
      integer(0, 1_000_000),
      addressLimitDefaults.unprovenMax,
      'UDP connects and bad connection ids of one address answered in a window; 0 = no limit.',
      live,
    ),
    addressWindow: key(duration(SECOND, DAY), addressLimitDefaults.windowMs, 'The window.', live),
    addressExemptLocal: key(
      flag,
      addressLimitDefaults.exemptsLocal,
      'Whether loopback and private addresses are free of these limits.',
      live,
    ),
    wsConnections: key(integer(1, 1_000_000), wsLimits.connectionsMax, 'WebSocket connections in all.'),
    wsConnectionsPerAddress: key(
      integer(1, 1_000_000),
      wsLimits.connectionsPerAddressMax,
      'Of one client address (IPv6: /64).',
    ),
  },
  private: {
    enabled: key(flag, false, 'Only announce URLs with a passkey (`/PASSKEY/announce`) are served.'),
    users: maybe(
      path,
      '/var/lib/eider-tracker/users.json',
      'Users and their passkeys; made where it is absent. Changed by the API, read again at a reload.',
    ),
    accounts: maybe(
      path,
      '/var/lib/eider-tracker/accounts.log',
      'Where uploads and downloads of users are added up. Without it the sums are lost at a restart.',
    ),
    saveEvery: key(duration(10 * SECOND, DAY), 10 * MINUTE, 'How often they are written, besides on stop.'),
    torrents: key(
      integer(0, 1_000_000),
      0,
      'Torrents a user may announce at a time, where the user has no number of its own; 0 = any number.',
      live,
    ),
    places: key(
      integer(0, 1_000),
      3,
      'Addresses of each family a user may announce one torrent from, where the user has no number of its own; 0 = any number.',
      live,
    ),
    ratioMinimum: key(
      decimal(0, 1_000),
      0,
      'Who has uploaded less than so many times what he downloaded may only seed; 0 = do not look.',
      live,
    ),
    ratioAfter: key(
      size(0, 1_125_899_906_842_624),
      10_737_418_240,
      'Only of who has downloaded this much is a ratio asked.',
      live,
    ),
    lineSpeed: key(
      size(0, 1_099_511_627_776),
      1_250_000_000,
      'No client is faster than so many bytes per second: what it reports beyond that is listed as suspicious; 0 = do not look.',
    ),
    creditImplausible: key(flag, false, 'Whether reports that cannot be true are added up all the same.'),
    scrape: key(choice('users', 'public'), 'users', 'Who may scrape.', live),
    catalogue: key(choice('users', 'public'), 'users', 'Who may look at the catalogue.', live),
  },
  lists: {
    mode: key(
      choice('open', 'allow', 'deny'),
      'open',
      'Which torrents are tracked: all; those of the allow list (less those of the deny list, if there is one); or all but those of the deny list.',
    ),
    allow: maybe(
      path,
      '/etc/eider/allow.txt',
      'Info-hashes that may be tracked, one a line in hex. Read again at a reload; changed by the API.',
    ),
    deny: maybe(path, '/etc/eider/deny.txt', 'Info-hashes that may not. Read again at a reload; changed by the API.'),
  },
  clients: {
    allow: key(list(clientRule), [], 'If not empty: only clients whose peer id fits one of these.', live),
    deny: key(list(clientRule), [], 'Clients turned away, by their peer id (BEP 20).', live),
    banned: key(
      list(peerId),
      [],
      'Single clients turned away, by their whole peer id. Most clients take another one at their next start.',
      live,
    ),
  },
  snapshot: {
    file: maybe(
      path,
      '/var/lib/eider-tracker/swarms.snapshot',
      'The swarms are written here on stop and at intervals, and read at start.',
    ),
    every: key(duration(10 * SECOND, 7 * DAY), 10 * MINUTE, 'How often, besides on stop.'),
  },
  replication: {
    urls: key(
      list(
        url(
          'redis',
          'rediss',
          'valkey',
          'valkeys',
          'redis+sentinel',
          'rediss+sentinel',
          'redis+cluster',
          'rediss+cluster',
        ),
      ),
      [],
      'Redis or Valkey servers through which several trackers form one swarm view (needs the optional package `iovalkey`).',
      { secret: true },
    ),
    name: maybe(text, 'tracker-1', 'Name of this tracker among the others. Default: host name and a random part.'),
    channel: key(text, 'eider', 'Prefix of the keys used there; trackers with the same one share their swarms.'),
  },
  catalogue: {
    folder: maybe(path, '/var/lib/eider-tracker/catalogue', 'Serve a catalogue of torrents kept in this folder.'),
    upload: key(
      flag,
      false,
      'Torrents may be uploaded through the pages, with the token or by users with the right `mayUpload`.',
      live,
    ),
    listedOnly: key(flag, false, 'Track only torrents that are in the catalogue.', live),
  },
  web: {
    page: key(flag, true, 'The statistics page at `/`, and `/stats.json`.'),
    metrics: key(flag, true, 'Prometheus metrics at `/metrics`.'),
    title: key(text, 'Eider tracker', 'Title of the pages.'),
    topSwarms: key(
      integer(0, 100),
      0,
      'Torrents shown on the page, largest first; 0 = none. Never on a private tracker.',
    ),
    fullScrape: key(flag, false, 'A scrape without info-hash answers with all torrents.'),
    url: maybe(
      url('http', 'https'),
      'https://tracker.example.org',
      'How the world reaches the tracker by HTTP; for announce URLs, links and feeds.',
    ),
  },
  admin: {
    token: maybe(
      { ...text, schema: text.schema.refine(isAdminToken), allowed: 'at least 16 characters without spaces' },
      'at-least-16-characters',
      'Bearer token of the API. Without a token there is no API.',
      { secret: true, reload: true },
    ),
    tokenFile: maybe(
      path,
      '/etc/eider/admin-token',
      'The token as the first line of a file. Read again at a reload.',
      live,
    ),
  },
  log: {
    level: key(choice('debug', 'info', 'warning', 'error'), 'info', 'The least level that is written.', live),
    format: key(choice('text', 'json'), 'text', 'To stderr, as lines for people or as JSON.'),
  },
  run: {
    user: maybe(text, 'eider', 'Become this user once the places are bound, where started as root.'),
    group: maybe(text, 'eider', 'And this group. Default: the main group of `user`.'),
  },
  hooks: {
    modules: key(
      list(path),
      [],
      'Modules of your own policy: each exports `hooks`, an object of `preAnnounce`, `postAnnounce`, `preScrape`.',
    ),
  },
};

/** What the sections are for. */
export const sectionTexts: { readonly [S in keyof TrackerConfig]: string } = {
  listen:
    'Where the tracker listens, as lists of places. The defaults are for a tracker that names no place at all: who names one names all. Port 0 takes any that is free.',
  tls: 'Certificate of the HTTPS places.',
  udp: 'How UDP is served.',
  webtorrent: 'Peers in browsers.',
  intervals: 'Times of the protocol.',
  limits: 'Bounds: what one stranger, and all of them, may cost.',
  private: 'A private tracker: users, passkeys, accounts.',
  lists: 'Which torrents are tracked.',
  clients: 'Which clients are served.',
  snapshot: 'Swarms over a restart.',
  replication: 'Several trackers as one.',
  catalogue: 'Torrent files and magnet links that the tracker serves.',
  web: 'What people and monitoring see.',
  admin: 'The API under `/api/v1`.',
  log: 'Structured logs.',
  run: 'Privileges.',
  hooks: 'Policy of your own.',
};

/** A key with its names. */
export interface NamedKey {
  readonly section: string;
  /** As TypeScript has it. */
  readonly property: string;
  /** As TOML has it. */
  readonly name: string;
  /** `section.name`. */
  readonly full: string;
  /** The environment variable. */
  readonly env: string;
  readonly key: ConfigKey;
}

export const envPrefix = 'EIDER_TRACKER_';

/** Every key, in the order of the table. */
export const namedKeys: readonly NamedKey[] = Object.entries(configTable).flatMap(([section, keys]) =>
  Object.entries(keys as Readonly<Record<string, ConfigKey>>).map(([property, entry]) => {
    const name = property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const env = `${envPrefix}${section}_${name}`.toUpperCase();
    return { section, property, name, full: `${section}.${name}`, env, key: entry };
  }),
);

import { readFileSync } from 'node:fs';
import { BtError } from '../../base/index.ts';

/** Where Redis or Valkey is, as the client library wants it. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** Unix socket instead of a node. */
  readonly path: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number;
  /** Name of the master that Sentinels watch. */
  readonly masterName: string;
  readonly tls: RedisTls | undefined;
}

export interface RedisTls {
  /** Contents of PEM files. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

const schemes: Readonly<Record<string, { kind: RedisAddress['kind']; isTls: boolean }>> = {
  'redis:': { kind: 'single', isTls: false },
  'valkey:': { kind: 'single', isTls: false },
  'rediss:': { kind: 'single', isTls: true },
  'valkeys:': { kind: 'single', isTls: true },
  'redis+sentinel:': { kind: 'sentinel', isTls: false },
  'rediss+sentinel:': { kind: 'sentinel', isTls: true },
  'redis+cluster:': { kind: 'cluster', isTls: false },
  'rediss+cluster:': { kind: 'cluster', isTls: true },
};

/**
 * Reads the addresses of one Redis: one URL of a server, or several of its Sentinels or of nodes of its cluster.
 *
 *     redis://user:password@host:6379/0        rediss:// with TLS; valkey://, valkeys:// are the same
 *     redis:///run/redis/redis.sock            Unix socket; ?user=, ?password= and ?db= as there is no place for them
 *     redis+sentinel://host:26379/mymaster     any number of Sentinels, the name of the master after the slash
 *     redis+cluster://host:6379                any number of nodes, the others are learnt from them
 *
 * With TLS `?ca=`, `?cert=`, `?key=` name PEM files, `?servername=` the name to check. User and password of the first URL are for all.
 *
 * @throws BtError `client/invalid`, without the password
 */
export function parseRedisAddress(urls: readonly string[]): RedisAddress {
  const [first, ...others] = urls.map(toUrl);
  if (first === undefined) throw new BtError('client/invalid', { what: 'replication needs the address of a Redis' });
  const scheme = schemes[first.protocol];
  if (scheme === undefined) throw invalid(first, `not one of ${Object.keys(schemes).join(' ')}`);
  const { kind, isTls } = scheme;
  if (others.some((url) => url.protocol !== first.protocol)) throw invalid(first, 'all addresses must be of one kind');
  if (kind === 'single' && others.length > 0) {
    throw invalid(
      first,
      'several servers must be Sentinels (redis+sentinel://) or nodes of a cluster (redis+cluster://)',
    );
  }
  const words = decodeURIComponent(first.pathname).split('/').filter(Boolean);
  const isSocket = kind === 'single' && first.hostname === '';
  const database = isSocket
    ? (first.searchParams.get('db') ?? '0')
    : kind === 'sentinel'
      ? (words[1] ?? '0')
      : (words[0] ?? '0');
  if (!/^\d{1,5}$/.test(database)) throw invalid(first, `${database} is no number of a database`);
  if (kind === 'cluster' && database !== '0') throw invalid(first, 'a cluster has database 0 only');
  const defaultPort = kind === 'sentinel' ? 26_379 : 6_379;
  return {
    kind,
    nodes: [first, ...others].map((url) => ({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? defaultPort : Number(url.port),
    })),
    path: isSocket ? decodeURIComponent(first.pathname) : undefined,
    username: decodeURIComponent(first.username) || first.searchParams.get('user') || undefined,
    password: decodeURIComponent(first.password) || first.searchParams.get('password') || undefined,
    db: Number(database),
    masterName: kind === 'sentinel' ? (words[0] ?? 'mymaster') : '',
    tls: isTls ? readTls(first) : undefined,
  };
}

function readTls(url: URL): RedisTls {
  const tls: { -readonly [K in keyof RedisTls]: RedisTls[K] } = {};
  for (const name of ['ca', 'cert', 'key'] as const) {
    const file = url.searchParams.get(name);
    if (file === null) continue;
    try {
      tls[name] = readFileSync(file, 'utf8');
    } catch (error) {
      throw invalid(url, `cannot read ${name}=${file}: ${String((error as NodeJS.ErrnoException).code ?? error)}`);
    }
  }
  const servername = url.searchParams.get('servername');
  if (servername !== null) tls.servername = servername;
  return tls;
}

function toUrl(text: string): URL {
  try {
    const url = new URL(text);
    for (const part of [url.pathname, url.username, url.password]) decodeURIComponent(part);
    return url;
  } catch {
    // The text may hold a password.
    throw new BtError('client/invalid', { what: 'an address of Redis is no URL' });
  }
}

function invalid(url: URL, what: string): BtError {
  return new BtError('client/invalid', { what: `address of Redis ${url.protocol}//${url.host}: ${what}` });
}

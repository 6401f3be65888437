import { lookup } from 'node:dns/promises';
import { canonicalHost, type PeerAddress } from '../base/index.ts';

/** A place as people write it: the host may be a name. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Parses `HOST:PORT`, `1.2.3.4:80`, `[2001:db8::1]:80`.
 *
 * @returns undefined where there is no port, or an IPv6 address without brackets; port 0 is allowed (listening on any)
 */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const host = (match[1] ?? match[2]) as string;
  const port = Number(match[3]);
  if (port > 65535 || (match[1] !== undefined && canonicalHost(host) === undefined)) return undefined;
  return { host, port };
}

/**
 * Turns a host name into addresses, in the order of the system's resolver; a numeric host into itself without asking anybody.
 *
 * @returns none where the name is not known or cannot be looked up now
 * @throws the signal's reason
 */
export async function resolveHost(at: HostPort, options: { signal?: AbortSignal } = {}): Promise<PeerAddress[]> {
  options.signal?.throwIfAborted();
  const numeric = canonicalHost(at.host);
  if (numeric !== undefined) return [{ host: numeric, port: at.port }];
  const found = await lookup(at.host, { all: true, verbatim: true }).catch(() => []);
  // A lookup cannot be taken back; who has given up meanwhile must not go on.
  options.signal?.throwIfAborted();
  const hosts = new Set(found.map(({ address }) => canonicalHost(address)).filter((host) => host !== undefined));
  return [...hosts].map((host) => ({ host, port: at.port }));
}

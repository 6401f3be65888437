import { readFileSync } from 'node:fs';
import { BtError, formatAddress, formatIp, fromHex, type Millis, readU16 } from '../base/index.ts';
import { toDiskError } from '../hash/index.ts';
import { type DenseStore, RunCopy, ScrapeCall, type SwarmStore } from '../tracker/index.ts';
import type { ScrapeCounts } from '../wire/index.ts';
import type { TrackerSettings } from './config/settings.ts';
import type { TrackerAddress } from './options.ts';
import { isAdminToken } from './web/admin-token.ts';
import { type PeerFacts, type SwarmFacts, visitedHost } from './web/ports.ts';

/** What people and programs ask about swarms: small looks into the store. */

const NOBODY = new Uint8Array(4);
const scrapeCall = new ScrapeCall();

/** @param infoHash 20 bytes */
export function countsOf(store: SwarmStore, infoHash: Uint8Array): ScrapeCounts {
  scrapeCall.ask([infoHash], { via: 'http', source: NOBODY });
  store.scrape(scrapeCall);
  return scrapeCall.rowAt(0);
}

/** @param infoHash 40 hex digits. @returns undefined where it is not tracked */
export function findSwarm(store: SwarmStore, infoHash: string): SwarmFacts | undefined {
  const hash = fromHex(infoHash);
  if (hash?.length !== 20) return undefined;
  const { complete, incomplete, downloaded } = countsOf(store, hash);
  if (complete + incomplete + downloaded === 0) return undefined;
  return { infoHash, seeders: complete, leechers: incomplete, downloads: downloaded };
}

/** Peers of a swarm that can be dialled. @returns at most `max` */
export function peersOf(o: { store: DenseStore; now: Millis; infoHash: string; max: number }): PeerFacts[] {
  const hash = fromHex(o.infoHash);
  if (hash?.length !== 20) return [];
  const peers: PeerFacts[] = [];
  const into = new RunCopy();
  for (const network of [4, 6] as const) {
    for (let cursor = 0; cursor >= 0 && peers.length < o.max; ) {
      cursor = o.store.copyRun(o.now, { infoHash: hash, at: 0, network, cursor, into });
      peers.push(...readRun(into));
    }
  }
  return peers.slice(0, o.max);
}

function readRun(run: RunCopy): PeerFacts[] {
  const bytes = new Uint8Array(run.words.buffer);
  const addressBytes = run.network === 6 ? 16 : 4;
  return Array.from({ length: run.count }, (_, i) => {
    const at = i * (addressBytes + 4);
    return {
      address: formatIp(bytes.subarray(at, at + addressBytes)),
      port: readU16(bytes, at + addressBytes),
      isSeeder: i >= run.leechers,
    };
  });
}

/**
 * Announce URLs of this tracker.
 *
 * @param o.base absolute URL without a slash at the end, as the world has it; undefined: what it listens on, with
 *   `visitedHost` where that is all addresses
 * @param o.isVisited whether `base` is only where the pages were asked for: they may be served elsewhere than announces
 * @param o.passkey put into the path
 */
export function announceUrls(o: {
  addresses: readonly TrackerAddress[];
  base: string | undefined;
  isVisited?: boolean;
  hasWebSocket: boolean;
  passkey?: string | undefined;
}): string[] {
  const path = o.passkey === undefined ? '/announce' : `/${o.passkey}/announce`;
  const places = o.addresses.filter(({ protocol }) => protocol === 'http' || protocol === 'https');
  const udp = o.addresses.filter(({ protocol }) => protocol === 'udp');
  if (o.base === undefined) {
    return [...places, ...udp].map(({ protocol, host, port }) => {
      const isEverywhere = host === '::' || host === '0.0.0.0';
      return `${protocol}://${isEverywhere ? `${visitedHost}:${port}` : formatAddress({ host, port })}${path}`;
    });
  }
  const base = new URL(o.base);
  const isElsewhere = o.isVisited === true && o.addresses.some(({ protocol }) => protocol === 'web');
  const origins =
    isElsewhere && places.length > 0
      ? places.map(({ protocol, port }) => new URL(`${protocol}://${base.hostname}:${port}`).origin)
      : [base.origin];
  return [
    ...origins.map((origin) => `${origin}${path}`),
    ...udp.slice(0, 1).map(({ port }) => `udp://${base.hostname}:${port}${path}`),
    ...(o.hasWebSocket ? origins.slice(0, 1).map((origin) => `${origin.replace(/^http/, 'ws')}${path}`) : []),
  ];
}

/** @throws BtError `disk/...`, `config/invalid` for what is no token */
export function readAdminToken(admin: TrackerSettings['admin']): string | undefined {
  if (admin === undefined) return undefined;
  if ('token' in admin) return admin.token;
  let token: string | undefined;
  try {
    token = readFileSync(admin.tokenFile, 'utf8').split('\n', 1)[0]?.trim();
  } catch (error) {
    throw toDiskError(error, admin.tokenFile);
  }
  // An empty or short one would be an open door, or a closed one that looks open.
  if (isAdminToken(token)) return token;
  const problem = `${admin.tokenFile}: the first line has to be a token of at least 16 characters without spaces`;
  throw new BtError('config/invalid', { problems: [problem] });
}

import type { Millis, PeerAddress } from '../base/index.ts';

/** Who told us of an address. */
export type PeerSource = 'manual' | 'tracker' | 'incoming' | 'resume' | 'pex';

/** How much a source is believed. Trackers choose at random among real peers; what peers tell may be invented. */
export const trust: Readonly<Record<PeerSource, number>> = { manual: 3, tracker: 2, incoming: 2, resume: 1, pex: 0 };

/** What a peer book remembers of one address. */
export interface KnownAddress {
  readonly address: PeerAddress;
  /** The most trusted source so far. */
  source: PeerSource;
  priority: number;
  failures: number;
  retryAt: Millis;
  seed: boolean;
  /** Was useful once. */
  proven: boolean;
  dialing: boolean;
  /** Open connections, in either direction. */
  open: number;
}

/** First those the user named, then those that failed less, then those that were of use, then by source and BEP 40. */
export function compareToDial(a: KnownAddress, b: KnownAddress): number {
  return (
    Number(b.source === 'manual') - Number(a.source === 'manual') ||
    a.failures - b.failures ||
    Number(b.proven) - Number(a.proven) ||
    trust[b.source] - trust[a.source] ||
    b.priority - a.priority ||
    compareKeys(a, b)
  );
}

/** Worth least first. */
export function compareWorth(a: KnownAddress, b: KnownAddress): number {
  return (
    b.failures - a.failures ||
    Number(a.proven) - Number(b.proven) ||
    trust[a.source] - trust[b.source] ||
    a.priority - b.priority ||
    compareKeys(a, b)
  );
}

/** No two addresses are equal here, so that every order above is total. */
export function compareKeys(a: KnownAddress, b: KnownAddress): number {
  const x = a.address.host;
  const y = b.address.host;
  if (x === y) return a.address.port - b.address.port;
  return x < y ? -1 : 1;
}

import { type CounterName, counterNames, type StoreStats } from '../tracker/index.ts';

/** Counted since the start. */
export interface HttpCounts {
  announces: number;
  scrapes: number;
  /** Answered with a failure reason: bad parameters, or turned away by a hook. */
  refused: number;
  /** No HTTP, too large, too slow, not GET, or no such page. */
  bad: number;
}

export interface UdpCounts {
  connects: number;
  announces: number;
  scrapes: number;
  refused: number;
  /** Shorter than any request, or of no known action: not answered. */
  malformed: number;
  /** Connection ids that were ours, but too old: real clients do that. */
  expiredIds: number;
  /** Connection ids we never gave: spoofed senders, or clients from before our last start. */
  forgedIds: number;
}

/** A snapshot of a running tracker. */
export interface TrackerStats extends StoreStats {
  readonly uptimeMs: number;
  readonly http: Readonly<HttpCounts> & { readonly connections: number };
  readonly udp: Readonly<UdpCounts>;
}

/** @param n `CounterTable.sums()` */
export function toHttpCounts(n: Sums): HttpCounts {
  return {
    announces: n.httpAnnounces4 + n.httpAnnounces6,
    scrapes: n.httpScrapes,
    refused: refusedVia('http', n),
    bad: n.httpBad,
  };
}

/** @param n `CounterTable.sums()` */
export function toUdpCounts(n: Sums): UdpCounts {
  return {
    connects: n.udpConnects,
    announces: n.udpAnnounces4 + n.udpAnnounces6,
    scrapes: n.udpScrapes,
    refused: refusedVia('udp', n),
    malformed: n.udpMalformed,
    expiredIds: n.udpExpiredIds,
    forgedIds: n.udpForgedIds,
  };
}

type Sums = Readonly<Record<CounterName, number>>;

/** For whatever reason: by name, so that a reason added to the counters is not forgotten here. */
function refusedVia(via: 'http' | 'udp', n: Sums): number {
  let sum = 0;
  for (const name of counterNames) if (name.startsWith(`${via}Refused`)) sum += n[name];
  return sum;
}

import type { CounterTable, StoreStats } from '../tracker/index.ts';

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

export function toHttpCounts(table: CounterTable): HttpCounts {
  const n = table.sums();
  return {
    announces: n.httpAnnounces4 + n.httpAnnounces6,
    scrapes: n.httpScrapes,
    refused:
      n.httpRefusedPolicy + n.httpRefusedFull + n.httpRefusedInvalid + n.httpRefusedFailed + n.httpRefusedLimited,
    bad: n.httpBad,
  };
}

export function toUdpCounts(table: CounterTable): UdpCounts {
  const n = table.sums();
  return {
    connects: n.udpConnects,
    announces: n.udpAnnounces4 + n.udpAnnounces6,
    scrapes: n.udpScrapes,
    refused:
      n.udpRefusedPolicy +
      n.udpRefusedFull +
      n.udpRefusedInvalid +
      n.udpRefusedFailed +
      n.udpRefusedLimited +
      n.udpRefusedOverloaded,
    malformed: n.udpMalformed,
    expiredIds: n.udpExpiredIds,
    forgedIds: n.udpForgedIds,
  };
}

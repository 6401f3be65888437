import type { StoreStats } from '../tracker/index.ts';

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

export function zeroHttpCounts(): HttpCounts {
  return { announces: 0, scrapes: 0, refused: 0, bad: 0 };
}

export function zeroUdpCounts(): UdpCounts {
  return { connects: 0, announces: 0, scrapes: 0, refused: 0, malformed: 0, expiredIds: 0, forgedIds: 0 };
}

/** The page a person sees at `/`. */
export function formatStats(s: TrackerStats): string {
  const rows: [string, number][] = [
    ['torrents', s.swarmCount],
    ['peers (IPv4)', s.peerCount4],
    ['peers (IPv6)', s.peerCount6],
    ['seeders', s.seederCount],
    ['leechers', s.peerCount4 + s.peerCount6 - s.seederCount],
    ['HTTP announces', s.http.announces],
    ['HTTP scrapes', s.http.scrapes],
    ['HTTP refused', s.http.refused],
    ['HTTP bad requests', s.http.bad],
    ['HTTP connections now', s.http.connections],
    ['UDP connects', s.udp.connects],
    ['UDP announces', s.udp.announces],
    ['UDP scrapes', s.udp.scrapes],
    ['UDP refused', s.udp.refused],
    ['UDP malformed', s.udp.malformed],
    ['UDP expired ids', s.udp.expiredIds],
    ['UDP forged ids', s.udp.forgedIds],
    ['uptime (s)', Math.floor(s.uptimeMs / 1000)],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(22)}${String(value).padStart(12)}`);
  return `Eider tracker\n\n${lines.join('\n')}\n`;
}

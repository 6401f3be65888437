import type { PeerAddress } from '../../base/index.ts';

/** What a client tells a tracker at a turning point; `none` is the regular report in between (BEP 3). */
export type AnnounceEvent = 'none' | 'started' | 'completed' | 'stopped';

/** IP version. A tracker sees one family in each announce; a dual-stack client announces once by each (BEP 7). */
export type IpFamily = 4 | 6;

/** One announce, whatever carries it. Byte counts are of this session; values above 2^53 - 1 are carried as 2^53 - 1. */
export interface AnnounceRequest {
  /** 20 bytes; a v2 info-hash is cut (BEP 52). */
  readonly infoHash: Uint8Array;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  /** Where we take connections, 1 to 65535. */
  readonly port: number;
  readonly uploaded: number;
  readonly downloaded: number;
  /** Bytes missing until the torrent is complete; 0 = seed. */
  readonly left: number;
  readonly event: AnnounceEvent;
  /** Peers wanted in the answer; -1 = the tracker decides. */
  readonly numWant: number;
  /** 32 bits that stay the same for a session, so that a tracker can match its IPv4 and IPv6 announces. */
  readonly key: number;
  /** Numeric address to be known by instead of the sender's. Most trackers ignore it. */
  readonly ip?: string;
  /** What the last answer of this tracker gave as its id (HTTP only). */
  readonly trackerId?: string;
}

/** A tracker's answer as a client sees it; every number is in a sane range whatever came over the wire. */
export interface AnnounceResponse {
  /** Seconds until the next regular announce, 10 s to 7 days. */
  readonly intervalSec: number;
  /** Do not announce more often than this, whatever happens. At most 7 days. */
  readonly minIntervalSec?: number;
  /** Seeds in the swarm. */
  readonly complete?: number;
  /** Leechers in the swarm. */
  readonly incomplete?: number;
  /** Times the torrent was completed. */
  readonly downloaded?: number;
  /** Dialable addresses only, at most `peersMax`. */
  readonly peers: readonly PeerAddress[];
  /** For people to read: no control characters, at most 500. */
  readonly warning?: string;
  /** One character a byte. */
  readonly trackerId?: string;
  /** Our own address as the tracker sees it (BEP 24). */
  readonly externalIp?: string;
  /** Only beside a failure: seconds to wait before the next try; Infinity = never come back (BEP 31). */
  readonly retryInSec?: number;
}

/** Row of a scrape answer. */
export interface ScrapeCounts {
  readonly complete: number;
  readonly incomplete: number;
  readonly downloaded: number;
}

/** The tracker understood and said no. */
export interface TrackerRefusal {
  /** For people to read: no control characters, at most 500. */
  readonly reason: string;
  /** Seconds to wait before the next try; Infinity = never come back (BEP 31). */
  readonly retryInSec?: number;
}

/** An announce answer as a tracker makes it: peers as they travel, so that nothing is made an object on the way. */
export interface AnnounceAnswer {
  readonly intervalSec: number;
  readonly minIntervalSec: number;
  readonly complete: number;
  readonly incomplete: number;
  readonly downloaded: number;
  /** 6 bytes a peer: IPv4 address, port. */
  readonly peers4: Uint8Array;
  /** 18 bytes a peer: IPv6 address, port. */
  readonly peers6: Uint8Array;
  readonly warning?: string;
  readonly trackerId?: string;
}

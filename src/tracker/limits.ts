/** What an operator may set, and its bounds. */
export interface TrackerLimits {
  /** Seconds between two announces of a peer. */
  readonly intervalSec: number;
  /** Up to this many seconds are added at random, so that peers that came together do not stay together. */
  readonly intervalJitterSec: number;
  /** Seconds below which clients are asked not to announce. */
  readonly minIntervalSec: number;
  /** A peer that was silent this long is gone. The default lets a peer miss one announce. At most 3 days. */
  readonly peerTtlMs: number;
  /** Peers given where the client names no number. */
  readonly numWantDefault: number;
  /** Peers given at most. */
  readonly numWantMax: number;
  /** Info-hashes answered in one scrape; the rest is left out. */
  readonly scrapeHashesMax: number;
  /** Swarms kept; a new one beyond it is refused. Guards memory: an info-hash costs nothing to invent. */
  readonly swarmsMax: number;
  /** Peers kept in all; a new one beyond it is answered, not stored. */
  readonly peersMax: number;
  /** How long a swarm without peers is remembered for its count of completed downloads; not where more than half of `swarmsMax` are there. */
  readonly emptySwarmMs: number;
  /** Peers looked at in one sweep step at least, 2,000 under a millisecond; in a large store the thousandth part of what is there to look at. */
  readonly sweepPeersMax: number;
  /** How long a UDP connection id is accepted (BEP 15: two minutes). */
  readonly connectionIdMs: number;
  /** `retry in` of a tracker that is full, in seconds (BEP 31 carries whole minutes). */
  readonly retryWhenFullSec: number;
}

const PEER_TTL_MAX_MS = 3 * 86_400_000;

/** Fills in what an operator has not set, and brings the rest into range. */
export function toTrackerLimits(set: Partial<TrackerLimits> = {}): TrackerLimits {
  const intervalSec = Math.max(1, set.intervalSec ?? 1_800);
  const intervalJitterSec = Math.max(0, set.intervalJitterSec ?? Math.floor(intervalSec / 6));
  const numWantMax = Math.max(1, set.numWantMax ?? 200);
  return {
    intervalSec,
    intervalJitterSec,
    minIntervalSec: Math.min(set.minIntervalSec ?? Math.floor(intervalSec / 6), intervalSec),
    peerTtlMs: Math.min(set.peerTtlMs ?? (intervalSec + intervalJitterSec) * 2_000 + 120_000, PEER_TTL_MAX_MS),
    numWantDefault: Math.min(set.numWantDefault ?? 50, numWantMax),
    numWantMax,
    scrapeHashesMax: set.scrapeHashesMax ?? 74,
    swarmsMax: set.swarmsMax ?? 2_000_000,
    peersMax: set.peersMax ?? 20_000_000,
    emptySwarmMs: set.emptySwarmMs ?? 86_400_000,
    sweepPeersMax: set.sweepPeersMax ?? 2_000,
    connectionIdMs: set.connectionIdMs ?? 120_000,
    retryWhenFullSec: set.retryWhenFullSec ?? 600,
  };
}

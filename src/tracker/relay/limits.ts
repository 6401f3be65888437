/** Bounds of the part of a tracker that brings WebTorrent peers together: what one connection may cost. */
export interface RelayLimits {
  /** Torrents one connection announces; the next is refused. A browser page shares one connection for all of its torrents. Bounds what is to be done when it goes. */
  readonly swarmsPerConnectionMax: number;
  /** Peer ids of one connection: pages with several clients share one. The next is refused. */
  readonly peerIdsPerConnectionMax: number;
  /** Peers of all connections in all swarms; a new one beyond it is refused. About 300 bytes each, besides those in the store. */
  readonly membersMax: number;
  /** Offers of one announce that are handed on; more are left lying. */
  readonly offersPerAnnounceMax: number;
  /** How long the answer to an offer is let through. Clients of npm's bittorrent-tracker give up an offer after 50 s. */
  readonly offerMs: number;
  /** Offers of one connection waiting for an answer; while it has so many, further ones are not handed on. Keeps one connection from filling the table. */
  readonly offersPerConnectionMax: number;
  /** Offers of all connections waiting for an answer; above it the oldest is forgotten. About 200 bytes each. */
  readonly offersWaitingMax: number;
  /** The interval is this many times shorter than for others: peers meet only by offers, which die young. 1,800 s become 120 s. */
  readonly intervalDivisor: number;
  /** Offers looked at in one sweep step. */
  readonly sweepOffersMax: number;
}

export const relayLimits: RelayLimits = {
  swarmsPerConnectionMax: 1_000,
  peerIdsPerConnectionMax: 16,
  membersMax: 1_000_000,
  offersPerAnnounceMax: 20,
  offerMs: 60_000,
  offersPerConnectionMax: 500,
  offersWaitingMax: 100_000,
  intervalDivisor: 15,
  sweepOffersMax: 10_000,
};

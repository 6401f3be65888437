import type { Millis } from '../base/index.ts';
import type { AnnounceEvent } from '../wire/index.ts';

/** One announce as the store sees it: what is asked, and the places of the answer. All byte fields are borrowed for the call. */
export interface StoreAnnounce {
  /** The info-hash: 20 bytes at `hashAt`. */
  readonly hashBytes: Uint8Array;
  readonly hashAt: number;
  /** The peer's address, at `peerAt`: 4 or 16 bytes by `network` (IPv4-mapped addresses come as 4); for web peers 4 bytes that name a connection. */
  readonly peerBytes: Uint8Array;
  readonly peerAt: number;
  readonly network: 4 | 6 | 'web';
  /** 1 to 65535. Network, address and port are what names a peer. */
  readonly port: number;
  readonly isSeeder: boolean;
  readonly event: AnnounceEvent;
  /** Peers to give, of all families together, 0 or more. */
  readonly numGiven: number;
  /** Which peers the asker can be given: IPv4, IPv6, both, or web peers. */
  readonly families: 4 | 6 | 'both' | 'web';
  /** Where the peers are written, a random choice: 6 bytes each of IPv4 or web peers (address, port), then 18 bytes each of IPv6. */
  readonly out: Uint8Array;
  readonly outAt: number;

  // --- answered: counts of the swarm over all networks, peers written
  complete: number;
  incomplete: number;
  downloaded: number;
  peerCount4: number;
  peerCount6: number;
  peerCountWeb: number;
  /** False: the store is full, the peer was not kept; the answer is good otherwise. */
  isStored: boolean;
}

export interface StoreScrape {
  /** `count` info-hashes of 20 bytes, one after the other, at `hashAt`. */
  readonly hashBytes: Uint8Array;
  readonly hashAt: number;
  readonly count: number;
  /** Three numbers a torrent: complete, downloaded, incomplete; zeros for a swarm that is not there. */
  readonly rows: Uint32Array;
}

export interface StoreStats {
  readonly swarmCount: number;
  readonly peerCount4: number;
  readonly peerCount6: number;
  readonly peerCountWeb: number;
  /** Of all networks. */
  readonly seederCount: number;
}

/**
 * Where the swarms live: one coarse call an announce, always synchronous, so that a backend with replication is a local store with
 * replication beside it. Every backend passes `test/contract/swarm-store.ts`.
 *
 * Rules:
 * - A peer is its network, address and port; announcing again replaces, `stopped` removes, silence for `peerTtlMs` removes at a later
 *   sweep.
 * - `downloaded` counts a `completed` of a seeder that was not known as a seeder before, whatever its network, and is stored. Without
 *   peers a swarm may be forgotten, and its count with it.
 * - The asker is never in its own answer. A seeder is given leechers only, except when it starts: aria2 1.36 with a magnet link says that
 *   nothing is left, and would find nobody. `stopped` is given nobody.
 * - Every peer is as likely as any other to be given over time, and none is given twice in an answer.
 * - Counts are of all networks together, whoever asks. Web peers are given to nobody but web peers.
 * - A dual-stack client that announces by both families counts twice: 8 bytes a peer leave no room for its identity.
 */
export interface SwarmStore {
  announce(now: Millis, a: StoreAnnounce): void;
  /**
   * A hint: `count` swarms will be announced to next, the info-hash of each 20 bytes at one of `ats`. A store may fetch them together,
   * which is sooner done than one after the other. Changes nothing.
   */
  lookAhead?(hashBytes: Uint8Array, ats: Int32Array, count: number): void;
  scrape(s: StoreScrape): void;
  /** Removes silent peers, a bounded number of looks a call, going on where the last call stopped. @returns peers removed */
  sweep(now: Millis): number;
  stats(): StoreStats;
}

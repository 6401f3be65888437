import type { Millis } from '../base/index.ts';
import type { AnnounceEvent, ScrapeCounts } from '../wire/index.ts';

/** One announce as the store sees it. All byte fields are borrowed for the call. */
export interface StoreAnnounce {
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** 4 or 16 bytes; IPv4-mapped addresses come as 4. Address and port are what names a peer. */
  readonly address: Uint8Array;
  /** 1 to 65535. */
  readonly port: number;
  readonly isSeeder: boolean;
  readonly event: AnnounceEvent;
  /** Peers wanted of both families together, 0 or more. */
  readonly numWant: number;
  /** Which peers the asker can be given: IPv4, IPv6 or both. */
  readonly families: 4 | 6 | 'both';
}

export interface StoreAnswer extends ScrapeCounts {
  /** 6 bytes a peer, a random choice. Lent until the next call of the store. */
  readonly peers4: Uint8Array;
  /** 18 bytes a peer, likewise. */
  readonly peers6: Uint8Array;
  /** False: the store is full, the peer was not kept; the answer is good otherwise. */
  readonly isStored: boolean;
}

export interface StoreStats {
  readonly swarmCount: number;
  readonly peerCount4: number;
  readonly peerCount6: number;
  /** Of both families. */
  readonly seederCount: number;
}

/**
 * Where the swarms live: one coarse call an announce, always synchronous, so that a backend with replication is a local store with
 * replication beside it. Every backend passes `test/contract/swarm-store.ts`.
 *
 * Rules:
 * - A peer is its address and port; announcing again replaces, `stopped` removes, silence for `peerTtlMs` removes at a later sweep.
 * - `downloaded` counts a `completed` of a seeder that was not known as a seeder before. Without peers a swarm may be forgotten, and its
 *   count with it.
 * - The asker is never in its own answer. A seeder is given leechers only, except when it starts: aria2 1.36 with a magnet link says that
 *   nothing is left, and would find nobody. `stopped` is given nobody.
 * - Every peer is as likely as any other to be given, and none is given twice in an answer.
 * - A dual-stack client that announces by both families counts twice: 8 bytes a peer leave no room for its identity.
 */
export interface SwarmStore {
  announce(now: Millis, a: StoreAnnounce): StoreAnswer;
  /** One row a hash, in order; zeros for a swarm that is not there. @param infoHashes 20 bytes each, borrowed */
  scrape(infoHashes: readonly Uint8Array[]): ScrapeCounts[];
  /** Removes silent peers, a bounded number of looks a call, going on where the last call stopped. @returns peers removed */
  sweep(now: Millis): number;
  stats(): StoreStats;
}

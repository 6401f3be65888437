import { addMs, type ConnId, type Millis } from '../base/index.ts';
import type { ChokeReason, ChokeState } from '../trace/index.ts';
import { limits } from './limits.ts';

/** What the choker may know of a peer. */
export interface ChokerPeer {
  readonly conn: ConnId;
  /** He wants something of ours. */
  readonly interested: boolean;
  /** He wants nothing, now and later: a seed, or a partial seed (BEP 21). */
  readonly uploadOnly: boolean;
  /** Payload he gave us, averaged over 10 to 20 s. */
  readonly downBytesPerSec: number;
  /** Payload we gave him, averaged over 10 to 20 s. */
  readonly upBytesPerSec: number;
  /** He owes us blocks and sends none. */
  readonly snubbed: boolean;
  /** When the connection opened. */
  readonly openedAt: Millis;
}

/** The choker's own memory of a peer. */
export interface Seat {
  state: ChokeState;
  /** When `state` began: how long he has had a slot, or has waited for one. */
  since: Millis;
  /** He has had a slot before: no newcomer any more. */
  served: boolean;
}

/** A peer in a ranking. */
export interface ChokeCandidate {
  readonly peer: ChokerPeer;
  readonly seat: Readonly<Seat>;
}

/**
 * Who comes before whom where slots are given out. No state and no draws of its own: the same facts give the same ranking, so that
 * `explain` says what a round will do.
 */
export interface ChokePolicy {
  /**
   * Puts every peer in order, best first; slots are given from the front to those who want something and may sit. A total order.
   *
   * @param all   may be sorted in place
   * @param slots regular slots there are
   */
  rank<C extends ChokeCandidate>(now: Millis, all: C[], slots: number): C[];
  /** Whether a peer who wants something may have a regular slot; if not, he is said to be snubbed. */
  maySit(peer: ChokerPeer): boolean;
  /** One more slot is drawn by lot every 30 s, among all who wait. */
  readonly hasOptimistic: boolean;
  /** Why somebody in front of the ranking has his slot. */
  reason(seated: ChokeCandidate): ChokeReason;
  /** Whether `left`, for whom there was no slot, is worse than `last`, who got the last one; else he only came later. */
  isOutranked(left: ChokeCandidate, last: ChokeCandidate): boolean;
}

/**
 * How many slots an upload rate feeds: enough to fill the line, few enough that each gets a piece in reasonable time.
 *
 * @param options.limitBytesPerSec     what the user allows; undefined = no limit
 * @param options.measuredBytesPerSec  the highest rate seen lately: what the line can do where nothing limits it
 */
export function slotsForRate(options: { limitBytesPerSec: number | undefined; measuredBytesPerSec: number }): number {
  const isLimited = options.limitBytesPerSec !== undefined;
  const rate = options.limitBytesPerSec ?? options.measuredBytesPerSec;
  const slots = Math.floor(Math.sqrt((rate / 1024) * limits.choker.slotsPerKib));
  const min = isLimited ? limits.choker.slotsMin : limits.choker.slotsUnlimited;
  return Math.min(limits.choker.slotsMax, Math.max(min, slots));
}

export function wants(peer: ChokerPeer): boolean {
  return peer.interested && !peer.uploadOnly;
}

/** While we download: the peers who give us most. Whoever owes us blocks gets nothing but the optimistic slot. */
export const titForTat: ChokePolicy = {
  rank: (_, all) => all.sort(compareByGiving),
  maySit: (peer) => !peer.snubbed,
  hasOptimistic: true,
  reason: ({ peer }) => (peer.downBytesPerSec > 0 ? 'reciprocates' : 'slots-free'),
  isOutranked: (left, last) => scoreOf(left) < scoreOf(last),
};

/**
 * While we seed: the peers who take fastest, since they pass pieces on soonest, but a share of the slots changes hands each round and
 * nobody stays long while others wait, since a seed that always serves the same few feeds few. A seed is owed nothing.
 */
export const turns: ChokePolicy = {
  rank: rankByTurns,
  maySit: () => true,
  hasOptimistic: false,
  reason: () => 'seed-rotation',
  isOutranked: () => true,
};

function scoreOf({ peer, seat }: ChokeCandidate): number {
  return peer.downBytesPerSec * (seat.state === 'choked' ? 1 : limits.choker.incumbentFactor);
}

/** Who may have a slot before who may not; then by what they give; then whoever has one already; then whoever has waited longest. */
function compareByGiving(a: ChokeCandidate, b: ChokeCandidate): number {
  return (
    Number(wants(b.peer) && !b.peer.snubbed) - Number(wants(a.peer) && !a.peer.snubbed) ||
    Number(wants(b.peer)) - Number(wants(a.peer)) ||
    scoreOf(b) - scoreOf(a) ||
    Number(b.seat.state === 'unchoked') - Number(a.seat.state === 'unchoked') ||
    a.seat.since - b.seat.since ||
    a.peer.conn - b.peer.conn
  );
}

/**
 * Those who keep their slot by rate, then as many of those who wait as slots change hands in a round, longest wait
 * first, then the rest.
 */
function rankByTurns<C extends ChokeCandidate>(now: Millis, all: C[], slots: number): C[] {
  const seated = all.filter((c) => wants(c.peer) && c.seat.state !== 'choked').sort((a, b) => compareSeated(now, a, b));
  const waiting = all.filter((c) => wants(c.peer) && c.seat.state === 'choked').sort(compareWaiting);
  const idle = all.filter((c) => !wants(c.peer)).sort((a, b) => a.peer.conn - b.peer.conn);
  const fresh = seated.filter((c) => isFresh(now, c)).length;
  const share = Math.max(1, Math.floor(slots / limits.choker.seedRotationShare));
  const free = Math.max(0, slots - seated.length);
  const handed = Math.min(waiting.length, Math.max(free, Math.min(share, slots - fresh)));
  const kept = Math.max(0, slots - handed);
  return [
    ...seated.slice(0, kept),
    ...waiting.slice(0, handed),
    ...seated.slice(kept),
    ...waiting.slice(handed),
    ...idle,
  ];
}

function isFresh(now: Millis, c: ChokeCandidate): boolean {
  return now < addMs(c.seat.since, limits.choker.seedTurnMinMs);
}

/** Too new to judge, then within their turn, then over it; each by how fast they take. */
function compareSeated(now: Millis, a: ChokeCandidate, b: ChokeCandidate): number {
  const isOver = (c: ChokeCandidate) => now >= addMs(c.seat.since, limits.choker.seedTurnMs);
  return (
    Number(isFresh(now, b)) - Number(isFresh(now, a)) ||
    Number(isOver(a)) - Number(isOver(b)) ||
    b.peer.upBytesPerSec - a.peer.upBytesPerSec ||
    a.seat.since - b.seat.since ||
    a.peer.conn - b.peer.conn
  );
}

function compareWaiting(a: ChokeCandidate, b: ChokeCandidate): number {
  return a.seat.since - b.seat.since || a.peer.conn - b.peer.conn;
}

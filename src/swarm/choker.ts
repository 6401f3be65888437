import { addMs, type ConnId, type Millis, type Rng } from '../base/index.ts';
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

export interface ChokeChange {
  readonly conn: ConnId;
  readonly from: ChokeState;
  readonly to: ChokeState;
  readonly reason: ChokeReason;
  /** Place in the ranking from 0. */
  readonly rank: number;
}

/** What a round changed. Send `choke` before `unchoke`, so that never more peers than allowed feel free to ask. */
export class ChokeChanges {
  /** Get a choke message. */
  readonly choke: ChokeChange[] = [];
  /** Get an unchoke message. */
  readonly unchoke: ChokeChange[] = [];
  /** Moved between a regular and the optimistic slot: nothing to send. */
  readonly moved: ChokeChange[] = [];

  clear(): void {
    this.choke.length = 0;
    this.unchoke.length = 0;
    this.moved.length = 0;
  }
}

/** One line of `explain`: how a peer stands, how he would stand after a round now, and why. */
export interface ChokeVerdict {
  readonly conn: ConnId;
  readonly rank: number;
  readonly state: ChokeState;
  readonly would: ChokeState;
  readonly reason: ChokeReason;
}

/** The choker's own memory of a peer. */
interface Seat {
  state: ChokeState;
  /** When `state` began: how long he has had a slot, or has waited for one. */
  since: Millis;
  /** He has had a slot before: no newcomer any more. */
  served: boolean;
}

interface Candidate {
  readonly peer: ChokerPeer;
  readonly seat: Seat;
  rank: number;
  to: ChokeState;
  reason: ChokeReason;
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

/**
 * Keeps the unchoke set of one torrent (BEP 3). Pure: time, rates and chance come in, decisions come out.
 *
 * While we download: the `slots` peers who give us most, and one more by lot (optimistic), because whoever never gets anything can
 * never show what he gives. While we seed: the peers who take fastest, since they pass pieces on soonest, but a share of the slots
 * changes hands each round and nobody stays long while others wait, since a seed that always serves the same few feeds few.
 *
 * Why rounds and not at once: flapping costs every peer its pipeline. `fill` hands out free slots in between, which chokes nobody who
 * wants something. At most `slots` peers have a regular slot and at most one the optimistic one, at any time.
 */
export class Choker {
  #slots: number;
  readonly #rng: Rng;
  readonly #seats = new Map<ConnId, Seat>();

  /** @param options.slots regular slots, 0 = upload nothing at all */
  constructor(options: { slots: number; rng: Rng }) {
    this.#slots = options.slots;
    this.#rng = options.rng;
  }

  get slots(): number {
    return this.#slots;
  }
  /** Takes effect in the next round. */
  set slots(count: number) {
    this.#slots = count;
  }

  state(conn: ConnId): ChokeState {
    return this.#seats.get(conn)?.state ?? 'choked';
  }

  /** A connection is gone; its slot is free for `fill`. */
  remove(conn: ConnId): void {
    this.#seats.delete(conn);
  }

  /**
   * Call every `limits.choker.roundMs`. O(n log n) in peers.
   *
   * @param peers   every open connection; whoever is missing is forgotten
   * @param seeding we want nothing: all that is wanted is here
   * @param out     receives the changes, cleared first
   */
  round(now: Millis, peers: Iterable<ChokerPeer>, seeding: boolean, out: ChokeChanges): void {
    out.clear();
    const ranking = this.#rank(now, peers, seeding);
    this.#assignSlots(ranking, seeding);
    if (!seeding) this.#assignOptimistic(now, ranking, this.#isOptimisticOver(now, ranking));
    const present = new Set(ranking.map((c) => c.peer.conn));
    for (const conn of this.#seats.keys()) if (!present.has(conn)) this.#seats.delete(conn);
    this.#apply(now, ranking, out);
  }

  /**
   * Gives free slots to those who wait. Call when somebody becomes interested, or a slot falls free, between rounds.
   * Only a peer who wants nothing loses a slot here.
   */
  fill(now: Millis, peers: Iterable<ChokerPeer>, seeding: boolean, out: ChokeChanges): void {
    out.clear();
    const ranking = this.#rank(now, peers, seeding);
    let free = this.#slots;
    for (const c of ranking) {
      if (c.seat.state !== 'unchoked' || !wants(c.peer)) continue;
      free--;
      c.to = 'unchoked';
    }
    for (const c of ranking) {
      if (free <= 0 || c.to !== 'choked' || !mayHaveSlot(c.peer, seeding)) continue;
      // The optimistic slot is as good as any: whoever sits in it stays until the round.
      if (c.seat.state === 'optimistic') continue;
      free--;
      c.to = 'unchoked';
      c.reason = reasonToSeat(c, seeding);
    }
    this.#keepIdle(ranking, free);
    if (seeding) this.#keepOptimist(ranking);
    else this.#assignOptimistic(now, ranking, false);
    this.#apply(now, ranking, out);
  }

  /** What a round now would decide, without deciding it: every peer, best first. No draw is made: the optimistic peer stays. */
  explain(now: Millis, peers: Iterable<ChokerPeer>, seeding: boolean): ChokeVerdict[] {
    const ranking = this.#rank(now, peers, seeding);
    this.#assignSlots(ranking, seeding);
    if (!seeding) this.#keepOptimist(ranking);
    return ranking.map(({ peer, rank, seat, to, reason }) => ({
      conn: peer.conn,
      rank,
      state: seat.state,
      would: to,
      reason,
    }));
  }

  #rank(now: Millis, peers: Iterable<ChokerPeer>, seeding: boolean): Candidate[] {
    const all: Candidate[] = [];
    for (const peer of peers) {
      const seat = this.#seats.get(peer.conn) ?? { state: 'choked', since: peer.openedAt, served: false };
      all.push({ peer, seat, rank: 0, to: 'choked', reason: 'slots-full' });
    }
    const ranking = seeding ? rankForSeeding(now, all, this.#slots) : all.sort(compareByGiving);
    ranking.forEach((c, rank) => {
      c.rank = rank;
    });
    return ranking;
  }

  #assignSlots(ranking: Candidate[], seeding: boolean): void {
    let free = this.#slots;
    let last: Candidate | undefined;
    for (const c of ranking) {
      if (c.peer.uploadOnly) c.reason = 'upload-only';
      else if (!c.peer.interested) c.reason = 'no-interest';
      else if (!mayHaveSlot(c.peer, seeding)) c.reason = 'snubbed';
      else if (free > 0) {
        free--;
        c.to = 'unchoked';
        c.reason = reasonToSeat(c, seeding);
        last = c;
      } else c.reason = last !== undefined && isWorse(c, last, seeding) ? 'outranked' : 'slots-full';
    }
    this.#keepIdle(ranking, free);
  }

  /** Slots that nobody needs stay with those who have them but want nothing at the moment: they may want again soon. */
  #keepIdle(ranking: Candidate[], free: number): void {
    for (const c of ranking) {
      if (c.seat.state === 'choked' || wants(c.peer)) continue;
      c.reason = c.peer.uploadOnly ? 'upload-only' : 'no-interest';
      if (free <= 0 || c.peer.uploadOnly) continue;
      free--;
      c.to = 'unchoked';
      c.reason = 'slots-free';
    }
  }

  #isOptimisticOver(now: Millis, ranking: Candidate[]): boolean {
    const sitting = ranking.find((c) => c.seat.state === 'optimistic');
    return sitting === undefined || now >= addMs(sitting.seat.since, limits.choker.optimisticMs);
  }

  /** @param isOver the time of whoever sits there is up: another one is drawn, if there is another */
  #assignOptimistic(now: Millis, ranking: Candidate[], isOver: boolean): void {
    if (!isOver && this.#keepOptimist(ranking)) return;
    const waiting = ranking.filter((c) => c.to === 'choked' && wants(c.peer));
    const others = waiting.filter((c) => c.seat.state !== 'optimistic');
    const drawn = others.length > 0 ? this.#draw(now, others) : waiting[0];
    for (const c of waiting) if (c.seat.state === 'optimistic' && c !== drawn) c.reason = 'optimistic-over';
    if (drawn === undefined || this.#slots === 0) return;
    drawn.to = 'optimistic';
    drawn.reason = 'optimistic';
  }

  /** @returns whether somebody sits in the optimistic slot and stays there */
  #keepOptimist(ranking: Candidate[]): boolean {
    const sitting = ranking.find((c) => c.seat.state === 'optimistic' && c.to === 'choked');
    if (sitting === undefined || !wants(sitting.peer) || this.#slots === 0) return false;
    sitting.to = 'optimistic';
    sitting.reason = 'optimistic';
    return true;
  }

  #draw(now: Millis, waiting: readonly Candidate[]): Candidate {
    const weight = ({ peer, seat }: Candidate) =>
      !seat.served && now < addMs(peer.openedAt, limits.choker.newcomerMs) ? limits.choker.newcomerWeight : 1;
    let at = this.#rng.below(waiting.reduce((sum, c) => sum + weight(c), 0));
    return waiting.find((c) => {
      at -= weight(c);
      return at < 0;
    }) as Candidate;
  }

  #apply(now: Millis, ranking: readonly Candidate[], out: ChokeChanges): void {
    for (const { peer, seat, rank, to, reason } of ranking) {
      const from = seat.state;
      if (!this.#seats.has(peer.conn)) this.#seats.set(peer.conn, seat);
      if (from === to) continue;
      seat.state = to;
      seat.since = now;
      if (to !== 'choked') seat.served = true;
      const change = { conn: peer.conn, from, to, reason, rank };
      if (to === 'choked') out.choke.push(change);
      else if (from === 'choked') out.unchoke.push(change);
      else out.moved.push(change);
    }
  }
}

function wants(peer: ChokerPeer): boolean {
  return peer.interested && !peer.uploadOnly;
}

/** Snubbed peers get nothing but the optimistic slot while we download; a seed is owed nothing. */
function mayHaveSlot(peer: ChokerPeer, seeding: boolean): boolean {
  return wants(peer) && (seeding || !peer.snubbed);
}

function reasonToSeat(c: Candidate, seeding: boolean): ChokeReason {
  if (seeding) return 'seed-rotation';
  return c.peer.downBytesPerSec > 0 ? 'reciprocates' : 'slots-free';
}

function isWorse(c: Candidate, last: Candidate, seeding: boolean): boolean {
  return seeding || scoreOf(c) < scoreOf(last);
}

function scoreOf({ peer, seat }: Candidate): number {
  return peer.downBytesPerSec * (seat.state === 'choked' ? 1 : limits.choker.incumbentFactor);
}

/** Who may have a slot before who may not; then by what they give; then whoever has one already; then whoever has waited longest. */
function compareByGiving(a: Candidate, b: Candidate): number {
  return (
    Number(mayHaveSlot(b.peer, false)) - Number(mayHaveSlot(a.peer, false)) ||
    Number(wants(b.peer)) - Number(wants(a.peer)) ||
    scoreOf(b) - scoreOf(a) ||
    Number(b.seat.state === 'unchoked') - Number(a.seat.state === 'unchoked') ||
    a.seat.since - b.seat.since ||
    a.peer.conn - b.peer.conn
  );
}

/**
 * Seed's ranking: those who keep their slot by rate, then as many of those who wait as slots change hands in a round, longest wait
 * first, then the rest.
 */
function rankForSeeding(now: Millis, all: Candidate[], slots: number): Candidate[] {
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

function isFresh(now: Millis, c: Candidate): boolean {
  return now < addMs(c.seat.since, limits.choker.seedTurnMinMs);
}

/** Too new to judge, then within their turn, then over it; each by how fast they take. */
function compareSeated(now: Millis, a: Candidate, b: Candidate): number {
  const isOver = (c: Candidate) => now >= addMs(c.seat.since, limits.choker.seedTurnMs);
  return (
    Number(isFresh(now, b)) - Number(isFresh(now, a)) ||
    Number(isOver(a)) - Number(isOver(b)) ||
    b.peer.upBytesPerSec - a.peer.upBytesPerSec ||
    a.seat.since - b.seat.since ||
    a.peer.conn - b.peer.conn
  );
}

function compareWaiting(a: Candidate, b: Candidate): number {
  return a.seat.since - b.seat.since || a.peer.conn - b.peer.conn;
}

import { addMs, assert, type ConnId, type Millis, type Rng } from '../base/index.ts';
import type { ChokeReason, ChokeState } from '../trace/index.ts';
import { type ChokePolicy, type ChokerPeer, type Seat, titForTat, turns, wants } from './choke-policy.ts';
import { limits } from './limits.ts';

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

interface Candidate {
  readonly peer: ChokerPeer;
  readonly seat: Seat;
  rank: number;
  to: ChokeState;
  reason: ChokeReason;
}

/**
 * Keeps the unchoke set of one torrent (BEP 3). Pure: time, rates and chance come in, decisions come out.
 *
 * One policy ranks the peers while we download, another one while we seed (choke-policy.ts); slots go to the first of the ranking, and
 * one more by lot (optimistic) where the policy says so, because whoever never gets anything can never show what he gives.
 *
 * Why rounds and not at once: flapping costs every peer its pipeline. `fill` hands out free slots in between, which chokes nobody who
 * wants something. At most `slots` peers have a regular slot and at most one the optimistic one, at any time.
 */
export class Choker {
  #slots: number;
  readonly #rng: Rng;
  readonly #leeching: ChokePolicy;
  readonly #seeding: ChokePolicy;
  readonly #seats = new Map<ConnId, Seat>();
  /** Those of them that are not choked. */
  readonly #seated = new Set<ConnId>();

  /**
   * @param options.slots       regular slots, 0 = upload nothing at all
   * @param options.choker      whom we serve while we download
   * @param options.seedChoker  whom we serve when we want nothing
   */
  constructor(options: { slots: number; rng: Rng; choker?: ChokePolicy; seedChoker?: ChokePolicy }) {
    this.#slots = options.slots;
    this.#rng = options.rng;
    this.#leeching = options.choker ?? titForTat;
    this.#seeding = options.seedChoker ?? turns;
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

  /** In simulation after every event. @param isOpen whether the connection is there */
  assertInvariants(isOpen: (conn: ConnId) => boolean): void {
    let [regular, optimistic] = [0, 0];
    for (const [conn, seat] of this.#seats) {
      assert((seat.state !== 'choked') === this.#seated.has(conn), 'whoever has a slot is counted');
      assert(isOpen(conn), 'whoever is gone has no seat');
      if (seat.state === 'unchoked') regular++;
      else if (seat.state === 'optimistic') optimistic++;
    }
    assert(regular <= this.#slots && optimistic <= 1, 'slots are not given twice');
  }

  /** A connection is gone; its slot is free for `fill`. */
  remove(conn: ConnId): void {
    this.#seats.delete(conn);
    this.#seated.delete(conn);
  }

  /**
   * Every slot has somebody who wants it: `fill` would change nothing. Costs a look at the slots, whatever the number of peers.
   * @param wantsOf whether that peer wants something
   */
  isSettled(seeding: boolean, wantsOf: (conn: ConnId) => boolean): boolean {
    let regular = 0;
    let optimistic = 0;
    for (const conn of this.#seated) {
      if (!wantsOf(conn)) return false;
      if (this.state(conn) === 'optimistic') optimistic++;
      else regular++;
    }
    if (this.#slots === 0) return regular + optimistic === 0;
    return regular === this.#slots && (optimistic === 1 || !this.#policy(seeding).hasOptimistic);
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
    const policy = this.#policy(seeding);
    const ranking = this.#rank(now, peers, policy);
    this.#assignSlots(ranking, policy);
    if (policy.hasOptimistic) this.#assignOptimistic(now, ranking, this.#isOptimisticOver(now, ranking));
    const present = new Set(ranking.map((c) => c.peer.conn));
    for (const conn of this.#seats.keys()) if (!present.has(conn)) this.remove(conn);
    this.#apply(now, ranking, out);
  }

  /**
   * Gives free slots to those who wait. Call when somebody becomes interested, or a slot falls free, between rounds.
   * Only a peer who wants nothing loses a slot here.
   */
  fill(now: Millis, peers: Iterable<ChokerPeer>, seeding: boolean, out: ChokeChanges): void {
    out.clear();
    const policy = this.#policy(seeding);
    const ranking = this.#rank(now, peers, policy);
    let free = this.#slots;
    for (const c of ranking) {
      if (c.seat.state !== 'unchoked' || !wants(c.peer)) continue;
      free--;
      c.to = 'unchoked';
    }
    for (const c of ranking) {
      if (free <= 0 || c.to !== 'choked' || !maySit(c.peer, policy)) continue;
      // The optimistic slot is as good as any: whoever sits in it stays until the round.
      if (c.seat.state === 'optimistic') continue;
      free--;
      c.to = 'unchoked';
      c.reason = policy.reason(c);
    }
    this.#keepIdle(ranking, free);
    if (policy.hasOptimistic) this.#assignOptimistic(now, ranking, false);
    else this.#keepOptimist(ranking);
    this.#apply(now, ranking, out);
  }

  /** What a round now would decide, without deciding it: every peer, best first. No draw is made: the optimistic peer stays. */
  explain(now: Millis, peers: Iterable<ChokerPeer>, seeding: boolean): ChokeVerdict[] {
    const policy = this.#policy(seeding);
    const ranking = this.#rank(now, peers, policy);
    this.#assignSlots(ranking, policy);
    if (policy.hasOptimistic) this.#keepOptimist(ranking);
    return ranking.map(({ peer, rank, seat, to, reason }) => ({
      conn: peer.conn,
      rank,
      state: seat.state,
      would: to,
      reason,
    }));
  }

  #policy(seeding: boolean): ChokePolicy {
    return seeding ? this.#seeding : this.#leeching;
  }

  #rank(now: Millis, peers: Iterable<ChokerPeer>, policy: ChokePolicy): Candidate[] {
    const all: Candidate[] = [];
    for (const peer of peers) {
      const seat = this.#seats.get(peer.conn) ?? { state: 'choked', since: peer.openedAt, served: false };
      all.push({ peer, seat, rank: 0, to: 'choked', reason: 'slots-full' });
    }
    const ranking = policy.rank(now, all, this.#slots);
    ranking.forEach((c, rank) => {
      c.rank = rank;
    });
    return ranking;
  }

  #assignSlots(ranking: Candidate[], policy: ChokePolicy): void {
    let free = this.#slots;
    let last: Candidate | undefined;
    for (const c of ranking) {
      if (c.peer.uploadOnly) c.reason = 'upload-only';
      else if (!c.peer.interested) c.reason = 'no-interest';
      else if (!policy.maySit(c.peer)) c.reason = 'snubbed';
      else if (free > 0) {
        free--;
        c.to = 'unchoked';
        c.reason = policy.reason(c);
        last = c;
      } else c.reason = last !== undefined && policy.isOutranked(c, last) ? 'outranked' : 'slots-full';
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
      if (to === 'choked') this.#seated.delete(peer.conn);
      else {
        seat.served = true;
        this.#seated.add(peer.conn);
      }
      const change = { conn: peer.conn, from, to, reason, rank };
      if (to === 'choked') out.choke.push(change);
      else if (from === 'choked') out.unchoke.push(change);
      else out.moved.push(change);
    }
  }
}

function maySit(peer: ChokerPeer, policy: ChokePolicy): boolean {
  return wants(peer) && policy.maySit(peer);
}

import { addMs, type Millis, seededRng } from '../../base/index.ts';
import { type ChokeCandidate, type ChokePolicy, limits } from '../../swarm/index.ts';

/** Rivals of the engine's chokers: they lose, and are here so that it can be seen by how much (docs/policies.md). */

/** Longest wait first, whoever it is and whatever he gives; each has his slot for two rounds. */
export const roundRobin: ChokePolicy = {
  rank(now, all) {
    const isFresh = (c: ChokeCandidate) =>
      c.seat.state !== 'choked' && now < addMs(c.seat.since, limits.choker.seedTurnMinMs);
    const rank = (c: ChokeCandidate) => (isFresh(c) ? 0 : c.seat.state === 'choked' ? 1 : 2);
    return all.sort((a, b) => rank(a) - rank(b) || a.seat.since - b.seat.since || a.peer.conn - b.peer.conn);
  },
  maySit: () => true,
  hasOptimistic: false,
  reason: () => 'longest-wait',
  isOutranked: () => true,
};

/** Lots are drawn anew each round. */
export const byLot: ChokePolicy = {
  rank(now, all) {
    const lots = new Map(all.map((c) => [c, lotOf(now, c)]));
    return all.sort((a, b) => (lots.get(a) as number) - (lots.get(b) as number) || a.peer.conn - b.peer.conn);
  },
  maySit: () => true,
  hasOptimistic: false,
  reason: () => 'lot',
  isOutranked: () => true,
};

/** A seed's slots for those who take fastest, and one more by lot: as clients did before turns were known. */
export const fastest: ChokePolicy = {
  rank: (_, all) =>
    all.sort(
      (a, b) =>
        b.peer.upBytesPerSec - a.peer.upBytesPerSec ||
        Number(b.seat.state !== 'choked') - Number(a.seat.state !== 'choked') ||
        a.seat.since - b.seat.since ||
        a.peer.conn - b.peer.conn,
    ),
  maySit: () => true,
  hasOptimistic: true,
  reason: ({ peer }) => (peer.upBytesPerSec > 0 ? 'takes-most' : 'slots-free'),
  isOutranked: (left, last) => left.peer.upBytesPerSec < last.peer.upBytesPerSec,
};

/** The same for the same peer in the same round, so that `explain` agrees with the round. */
function lotOf(now: Millis, { peer }: ChokeCandidate): number {
  const round = Math.floor(now / limits.choker.roundMs);
  return seededRng(Math.imul(round, 0x9e3779b1) ^ Math.imul(peer.conn, 0x85ebca6b) ^ Math.floor(peer.openedAt)).u32();
}

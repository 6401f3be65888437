import { type Millis, type Rng, toBinaryString } from '../base/index.ts';
import type { ScrapeCounts } from '../wire/index.ts';
import type { TrackerLimits } from './limits.ts';
import { PeerRun } from './peer-run.ts';
import type { StoreAnnounce, StoreScrape, StoreStats, SwarmStore } from './swarm-store.ts';

/** Peers remember the time of their last announce in 16 bits of this unit, which run out after 7 days. */
const TICK_MS = 10_000;
const NO_COUNTS: ScrapeCounts = { complete: 0, incomplete: 0, downloaded: 0 };

interface Swarm {
  run4: PeerRun | undefined;
  run6: PeerRun | undefined;
  downloaded: number;
  /** Time of the last change; decides when an empty swarm is forgotten. */
  usedAt: Millis;
}

/** All swarms in this process's memory: one small object a swarm, one byte array a family, no object a peer. */
export class MemoryStore implements SwarmStore {
  readonly #limits: TrackerLimits;
  readonly #rng: Rng;
  readonly #seed: number;
  readonly #swarms = new Map<string, Swarm>();
  #peerCount4 = 0;
  #peerCount6 = 0;
  #seederCount = 0;
  /** Where the sweep stands: the walk over the swarms, the swarm and run it is in, the next place downwards in that run. */
  #sweepWalk: Iterator<[string, Swarm]> | undefined;
  #sweepAt: { key: string; swarm: Swarm; family: 4 | 6; place: number } | undefined;

  /** @param options.rng chooses peers, and seeds the hashing of addresses, so it must be unpredictable in a real tracker */
  constructor(options: { limits: TrackerLimits; rng: Rng }) {
    this.#limits = options.limits;
    this.#rng = options.rng;
    this.#seed = options.rng.u32();
  }

  announce(now: Millis, a: StoreAnnounce): void {
    const key = toBinaryString(a.hashBytes.subarray(a.hashAt, a.hashAt + 20));
    const address = a.peerBytes.subarray(a.peerAt, a.peerAt + (a.network === 6 ? 16 : 4));
    const found = this.#swarms.get(key);
    if (a.event === 'stopped') {
      if (found !== undefined) this.#removePeer(now, found, address, a.port);
      this.#answer(found, { own: -1, address, announce: a, numWant: 0, isStored: true });
      return;
    }
    const swarm = found ?? this.#addSwarm(now, key);
    const own = swarm === undefined ? -1 : this.#putPeer(now, swarm, address, a);
    this.#answer(swarm, { own, address, announce: a, numWant: a.numGiven, isStored: own >= 0 });
  }

  scrape(s: StoreScrape): void {
    for (let i = 0; i < s.count; i++) {
      const at = s.hashAt + i * 20;
      const swarm = this.#swarms.get(toBinaryString(s.hashBytes.subarray(at, at + 20)));
      const { complete, downloaded, incomplete } = swarm === undefined ? NO_COUNTS : countsOf(swarm);
      s.rows.set([complete, downloaded, incomplete], i * 3);
    }
  }

  sweep(now: Millis): number {
    const nowTick = toTick(now);
    const ttlTicks = Math.ceil(this.#limits.peerTtlMs / TICK_MS);
    let removed = 0;
    // A swarm costs a look even where it is empty, so a step is bounded in swarms too.
    for (let looks = 0; looks < this.#limits.sweepPeersMax; looks++) {
      if (this.#sweepAt === undefined && !this.#sweepNextSwarm()) break;
      const at = this.#sweepAt;
      if (at === undefined) break;
      const run = at.family === 4 ? at.swarm.run4 : at.swarm.run6;
      // Announces between two steps may have shortened the run.
      const place = run === undefined ? -1 : Math.min(at.place, run.count - 1);
      if (run === undefined || place < 0) {
        if (at.family === 4) this.#sweepAt = { ...at, family: 6, place: Number.MAX_SAFE_INTEGER };
        else this.#leaveSwarm(now, at.key, at.swarm);
        continue;
      }
      if (((nowTick - run.tickAt(place)) & 0xffff) > ttlTicks) {
        this.#removeAt(at.swarm, run, place);
        removed++;
      }
      at.place = place - 1;
    }
    return removed;
  }

  stats(): StoreStats {
    return {
      swarmCount: this.#swarms.size,
      peerCount4: this.#peerCount4,
      peerCount6: this.#peerCount6,
      peerCountWeb: 0,
      seederCount: this.#seederCount,
    };
  }

  #addSwarm(now: Millis, key: string): Swarm | undefined {
    if (this.#swarms.size >= this.#limits.swarmsMax) return undefined;
    const swarm: Swarm = { run4: undefined, run6: undefined, downloaded: 0, usedAt: now };
    this.#swarms.set(key, swarm);
    return swarm;
  }

  /** @returns the peer's place in its run, or -1 where there is no room for another peer */
  #putPeer(now: Millis, swarm: Swarm, address: Uint8Array, a: StoreAnnounce): number {
    swarm.usedAt = now;
    const run = runOf(swarm, address);
    const place = run?.find(address, a.port) ?? -1;
    const wasSeeder = place >= 0 && run?.isSeederAt(place) === true;
    if (a.event === 'completed' && a.isSeeder && !wasSeeder) swarm.downloaded++;
    if (run === undefined || place < 0) return this.#addPeer(now, swarm, address, a);
    run.touch(place, toTick(now));
    if (wasSeeder === a.isSeeder) return place;
    run.setSeeder(place, a.isSeeder);
    this.#seederCount += a.isSeeder ? 1 : -1;
    return run.find(address, a.port);
  }

  #addPeer(now: Millis, swarm: Swarm, address: Uint8Array, a: StoreAnnounce): number {
    if (this.#peerCount4 + this.#peerCount6 >= this.#limits.peersMax) return -1;
    const run = runOf(swarm, address) ?? this.#addRun(swarm, address);
    run.add(address, { port: a.port, isSeeder: a.isSeeder, tick: toTick(now) });
    this.#countPeer(address.length, 1);
    if (a.isSeeder) this.#seederCount++;
    return run.find(address, a.port);
  }

  #removePeer(now: Millis, swarm: Swarm, address: Uint8Array, port: number): void {
    swarm.usedAt = now;
    const run = runOf(swarm, address);
    const place = run?.find(address, port) ?? -1;
    if (run !== undefined && place >= 0) this.#removeAt(swarm, run, place);
  }

  #removeAt(swarm: Swarm, run: PeerRun, place: number): void {
    if (run.isSeederAt(place)) this.#seederCount--;
    run.remove(place);
    this.#countPeer(run === swarm.run4 ? 4 : 16, -1);
    if (run.count > 0) return;
    if (run === swarm.run4) swarm.run4 = undefined;
    else swarm.run6 = undefined;
  }

  #countPeer(addressBytes: number, change: 1 | -1): void {
    if (addressBytes === 4) this.#peerCount4 += change;
    else this.#peerCount6 += change;
  }

  #addRun(swarm: Swarm, address: Uint8Array): PeerRun {
    const run = new PeerRun({ addressBytes: address.length === 4 ? 4 : 16, seed: this.#seed });
    if (address.length === 4) swarm.run4 = run;
    else swarm.run6 = run;
    return run;
  }

  #answer(
    swarm: Swarm | undefined,
    o: { own: number; address: Uint8Array; announce: StoreAnnounce; numWant: number; isStored: boolean },
  ): void {
    const a = o.announce;
    const { address } = o;
    const { families, event } = a;
    const leechersOnly = a.isSeeder && event !== 'started';
    const asker4 = address.length === 4 ? o.own : -1;
    const asker6 = address.length === 4 ? -1 : o.own;
    const wants4 = families === 6 ? 0 : (swarm?.run4?.availableTo(asker4, leechersOnly) ?? 0);
    const wants6 = families === 4 ? 0 : (swarm?.run6?.availableTo(asker6, leechersOnly) ?? 0);
    // A quarter is kept for the family the asker did not come by, which it may lack; what one cannot fill goes to the other.
    const quarter = Math.floor(o.numWant / 4);
    const share4 = address.length === 4 ? o.numWant - quarter : quarter;
    const count4 = Math.min(wants4, Math.max(share4, o.numWant - wants6));
    const count6 = Math.min(wants6, o.numWant - count4);
    const end4 = this.#sample(swarm?.run4, {
      asker: asker4,
      leechersOnly,
      count: count4,
      into: a.out,
      at: a.outAt,
    });
    const end6 = this.#sample(swarm?.run6, {
      asker: asker6,
      leechersOnly,
      count: count6,
      into: a.out,
      at: end4,
    });
    const counts = swarm === undefined ? NO_COUNTS : countsOf(swarm);
    a.complete = counts.complete;
    a.incomplete = counts.incomplete;
    a.downloaded = counts.downloaded;
    a.peerCount4 = (end4 - a.outAt) / 6;
    a.peerCount6 = (end6 - end4) / 18;
    a.peerCountWeb = 0;
    a.isStored = o.isStored;
  }

  #sample(
    run: PeerRun | undefined,
    o: { asker: number; leechersOnly: boolean; count: number; into: Uint8Array; at: number },
  ): number {
    return run === undefined || o.count === 0 ? o.at : run.sample(this.#rng, o);
  }

  /** Steps to the next swarm, or to the first where the walk is over. @returns false at the end of a walk */
  #sweepNextSwarm(): boolean {
    // An iterator of a Map sees what is added and skips what is deleted while it rests, so it can be kept between steps.
    this.#sweepWalk ??= this.#swarms.entries();
    const next = this.#sweepWalk.next();
    if (next.done === true) {
      this.#sweepWalk = undefined;
      return false;
    }
    const [key, swarm] = next.value;
    this.#sweepAt = { key, swarm, family: 4, place: Number.MAX_SAFE_INTEGER };
    return true;
  }

  #leaveSwarm(now: Millis, key: string, swarm: Swarm): void {
    this.#sweepAt = undefined;
    if (swarm.run4 !== undefined || swarm.run6 !== undefined) return;
    const keptMs = swarm.downloaded > 0 ? this.#limits.emptySwarmMs : 0;
    if (now - swarm.usedAt >= keptMs) this.#swarms.delete(key);
  }
}

function toTick(now: Millis): number {
  return Math.floor(now / TICK_MS) & 0xffff;
}

function runOf(swarm: Swarm, address: Uint8Array): PeerRun | undefined {
  return address.length === 4 ? swarm.run4 : swarm.run6;
}

function countsOf(swarm: Swarm): ScrapeCounts {
  const { run4, run6, downloaded } = swarm;
  return {
    complete: (run4?.seederCount ?? 0) + (run6?.seederCount ?? 0),
    incomplete: (run4?.leecherCount ?? 0) + (run6?.leecherCount ?? 0),
    downloaded,
  };
}

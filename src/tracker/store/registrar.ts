// Hot path: tracker-store
import type { TrackerLimits } from '../limits.ts';
import type { Arena } from './arena.ts';
import { AT_PEERS, AT_SEEDERS, HEADER_DOWNLOADED, NET_4, NET_6, NET_WEB } from './layout.ts';
import type { Parts } from './parts.ts';
import type { SwarmIndex } from './swarm-index.ts';
import type { Swarms } from './swarms.ts';

/**
 * Puts peers into swarms and takes them out, and counts. The peer is in `Parts.key`; the rest of what is to be done in the fields here,
 * so that nothing is allocated for it. Every method works under the lock of the shard.
 */
export class Registrar {
  /** The info-hash in words, its hash, its shard. */
  readonly key: Int32Array = new Int32Array(5);
  hash = 0;
  shard = 0;
  net: number = NET_4;
  isSeeder = false;
  isCompleted = false;
  /** Whole ticks: now, and when the peer was heard of. */
  nowTick = 0;
  tick = 0;
  /** What is known of a time after `tick` stays. */
  isOld = false;
  /** After `put`: false where there was no room for the peer. */
  isStored = true;
  readonly #arena: Arena;
  readonly #m: Int32Array;
  readonly #index: SwarmIndex;
  readonly #swarms: Swarms;
  readonly #parts: Parts;
  readonly #peersMax: number;

  constructor(options: { arena: Arena; index: SwarmIndex; swarms: Swarms; parts: Parts; limits: TrackerLimits }) {
    this.#arena = options.arena;
    this.#m = options.arena.words;
    this.#index = options.index;
    this.#swarms = options.swarms;
    this.#parts = options.parts;
    this.#peersMax = options.limits.peersMax;
  }

  /** Adds or changes the peer. @returns the header of the swarm; 0 where there is none and no room for one */
  put(): number {
    const parts = this.#parts;
    const { net } = this;
    this.isStored = true;
    const header = this.#index.find(this.shard, this.hash, this.key);
    const part = header === 0 ? 0 : this.#swarms.partOf(header, net);
    if (part === 0 || !parts.locate(part, net)) return this.#add(header);
    if (this.isOld && isNewer(parts.tick, this.tick)) return header;
    parts.touch(this.tick);
    if (parts.isSeeder === this.isSeeder) return header;
    parts.setSeeder(this.isSeeder);
    Atomics.add(this.#m, AT_SEEDERS, this.isSeeder ? 1 : -1);
    if (this.isSeeder && this.isCompleted) this.#m[header + HEADER_DOWNLOADED]!++;
    return header;
  }

  /** Removes the peer, if it is there. @returns the header of the swarm, or 0 */
  remove(): number {
    const m = this.#m;
    const parts = this.#parts;
    const { net } = this;
    const header = this.#index.find(this.shard, this.hash, this.key);
    const part = header === 0 ? 0 : this.#swarms.partOf(header, net);
    if (part === 0 || !parts.locate(part, net)) return header;
    if (this.isOld && isNewer(parts.tick, this.tick)) return header;
    Atomics.sub(m, AT_PEERS + net, 1);
    if (parts.isSeeder) Atomics.sub(m, AT_SEEDERS, 1);
    const emptied = parts.remove(this.shard);
    return emptied !== 0 && this.#swarms.afterEmptied(this.shard, emptied, this.nowTick) ? 0 : header;
  }

  /** @returns the header of the swarm, made where it is not there; 0 where there is no room for it */
  swarm(): number {
    const header = this.#index.find(this.shard, this.hash, this.key);
    if (header !== 0) return header;
    if (!this.#arena.reserve(this.shard)) return 0;
    return this.#swarms.add({ shard: this.shard, hash: this.hash, key: this.key, tick: this.nowTick });
  }

  #add(known: number): number {
    const { shard, net, isSeeder } = this;
    this.isStored = false;
    if (this.#peerCount() >= this.#peersMax || !this.#arena.reserve(shard)) return known;
    const header = known !== 0 ? known : this.swarm();
    if (header === 0) return 0;
    const part = this.#swarms.partFor(shard, header, net);
    if (part === 0) return header;
    this.#parts.locate(part, net);
    if (!this.#parts.add(shard, net, isSeeder, this.tick)) return header;
    this.isStored = true;
    Atomics.add(this.#m, AT_PEERS + net, 1);
    if (isSeeder) Atomics.add(this.#m, AT_SEEDERS, 1);
    if (isSeeder && this.isCompleted) this.#m[header + HEADER_DOWNLOADED]!++;
    return header;
  }

  #peerCount(): number {
    const m = this.#m;
    return Atomics.load(m, AT_PEERS + NET_4) + Atomics.load(m, AT_PEERS + NET_6) + Atomics.load(m, AT_PEERS + NET_WEB);
  }
}

/** Whether the 16-bit tick of a peer is later than a whole tick. */
function isNewer(known: number, tick: number): boolean {
  const ahead = (known - tick) & 0xffff;
  return ahead > 0 && ahead < 0x8000;
}

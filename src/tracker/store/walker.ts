import type { Arena } from './arena.ts';
import {
  AT_SHARDS,
  FUTURE_TICKS,
  HEADER_DOWNLOADED,
  NET_COUNT,
  peerWords,
  RUN_PEERS_MAX,
  SHARD_COUNT,
  SHARD_WORDS,
} from './layout.ts';
import { acquire, release } from './lock.ts';
import { leechersOf, peersOf } from './meta.ts';
import type { Parts } from './parts.ts';
import { SwarmIndex } from './swarm-index.ts';
import type { Swarms } from './swarms.ts';

/** A swarm on a walk; the object is used again for the next one. */
export interface WalkedSwarm {
  /** 20 bytes, lent. */
  readonly infoHash: Uint8Array;
  readonly complete: number;
  readonly incomplete: number;
  readonly downloaded: number;
}

/** Peers of one swarm and network, copied out: as many as lie together, leechers first. */
export class RunCopy {
  network: 4 | 6 | 'web' = 4;
  count = 0;
  leechers = 0;
  /**
   * 2 words a peer, IPv6 5: address as on the wire, low byte of a word first, then port as on the wire and, in the upper half, the age
   * in ticks.
   */
  readonly words: Int32Array = new Int32Array(RUN_PEERS_MAX * 5);
}

const TWO_32 = 0x1_0000_0000;
/** Words of a swarm while it is shown: hash[5] complete incomplete downloaded. */
const SHOWN_WORDS = 8;

/** Walks over all swarms in bounded steps, in the order of their hashes: that order stays whatever changes between two steps. */
export class Walker {
  readonly #m: Int32Array;
  readonly #index: SwarmIndex;
  readonly #swarms: Swarms;
  readonly #parts: Parts;
  readonly #headers = new Int32Array(SwarmIndex.pageSwarmsMax);

  constructor(options: { arena: Arena; index: SwarmIndex; swarms: Swarms; parts: Parts }) {
    this.#m = options.arena.words;
    this.#index = options.index;
    this.#swarms = options.swarms;
    this.#parts = options.parts;
  }

  /**
   * Shows the swarms of whole index pages (up to 1,000 swarms each) until `max` have been shown. A swarm that is there all the time is
   * shown exactly once. No lock is held during a visit, so it may call the store.
   *
   * @param cursor 0 to begin, then what the last call returned
   * @returns where to go on, or -1 at the end
   */
  walk(cursor: number, max: number, visit: (swarm: WalkedSwarm) => void): number {
    let at = cursor;
    let seen = 0;
    while (at >= 0 && seen < max) {
      const shardIndex = Math.floor(at / TWO_32);
      const prefix = at % TWO_32;
      const shard = AT_SHARDS + shardIndex * SHARD_WORDS;
      let shown: Int32Array | undefined;
      let size = TWO_32;
      acquire(this.#m, shard);
      try {
        const page = this.#index.pageAt(shard, prefix);
        if (page !== 0) {
          size = 2 ** (32 - this.#index.depthOf(page));
          shown = this.#show(page);
        }
      } finally {
        release(this.#m, shard);
      }
      const next = (Math.floor(prefix / size) + 1) * size;
      at = next < TWO_32 ? shardIndex * TWO_32 + next : (shardIndex + 1) * TWO_32;
      if (at >= SHARD_COUNT * TWO_32) at = -1;
      if (shown === undefined) continue;
      seen += shown.length / SHOWN_WORDS;
      visitAll(shown, visit);
    }
    return at;
  }

  #show(page: number): Int32Array {
    const m = this.#m;
    const count = this.#index.headersOf(page, this.#headers);
    const shown = new Int32Array(count * SHOWN_WORDS);
    for (let i = 0; i < count; i++) {
      const header = this.#headers[i]!;
      const to = i * SHOWN_WORDS;
      for (let j = 0; j < 5; j++) shown[to + j] = m[header + j]!;
      for (let net = 0; net < NET_COUNT; net++) {
        const part = this.#swarms.partOf(header, net);
        if (part === 0) continue;
        shown[to + 5]! += this.#parts.seedersAt(part);
        shown[to + 6]! += this.#parts.leechersAt(part);
      }
      shown[to + 7] = m[header + HEADER_DOWNLOADED]!;
    }
    return shown;
  }

  /**
   * Copies the next peers of a swarm, in the order of their hashes. Under the lock of the shard.
   *
   * @param header of the swarm
   * @param cursor 0 to begin, then what the last call returned
   * @returns where to go on, or -1 at the end
   */
  copyRun(header: number, o: { net: number; cursor: number; nowTick: number; into: RunCopy }): number {
    const m = this.#m;
    const { net, cursor, into } = o;
    into.network = net === 0 ? 4 : net === 1 ? 6 : 'web';
    into.count = 0;
    const part = this.#swarms.partOf(header, net);
    if (part === 0) return -1;
    const leaf = this.#parts.leafAt(part, cursor);
    const meta = m[leaf + 1]!;
    const stride = peerWords[net]!;
    into.leechers = leechersOf(meta);
    into.count = peersOf(meta);
    const { words } = into;
    const from = m[leaf]! + 1;
    for (let i = 0; i < into.count * stride; i++) words[i] = m[from + i]!;
    for (let i = stride - 1; i < into.count * stride; i += stride) {
      const age = (o.nowTick - (words[i]! >>> 16)) & 0xffff;
      words[i] = (words[i]! & 0xffff) | ((age < FUTURE_TICKS ? age : 0) << 16);
    }
    const size = 2 ** (32 - 4 * this.#parts.level);
    const next = (Math.floor(cursor / size) + 1) * size;
    return next < TWO_32 ? next : -1;
  }
}

function visitAll(shown: Int32Array, visit: (swarm: WalkedSwarm) => void): void {
  const infoHash = new Uint8Array(20);
  const swarm = { infoHash, complete: 0, incomplete: 0, downloaded: 0 };
  for (let at = 0; at < shown.length; at += SHOWN_WORDS) {
    for (let i = 0; i < 20; i++) infoHash[i] = shown[at + (i >> 2)]! >>> (8 * (i & 3));
    swarm.complete = shown[at + 5]!;
    swarm.incomplete = shown[at + 6]!;
    swarm.downloaded = shown[at + 7]!;
    visit(swarm);
  }
}

import type { TrackerLimits } from '../limits.ts';

/**
 * Where everything is in the one `SharedArrayBuffer` of a store. All addresses are indexes of 32-bit words; 0 is nowhere.
 *
 *     control   counters, hash keys, state of the page pools
 *     shards    16 of them: lock, spare pages, last page of every record class
 *     tables    of every shard: table of its index pages (extendible hashing)
 *     headers   pages of swarm headers, apart because an index slot has 25 bits for the number of a header
 *     pages     everything else
 *
 * A page is 4 KiB, so that memory is used when a page first is. It holds records of one class of one shard, packed: freeing one moves the
 * last of its class into the hole, so nothing fragments. Words of a page: 0 the page before in its class, 1 its mark (class, shard), then
 * records.
 *
 * Records:
 *
 *     header  hash[5] downloaded ref meta                       one a swarm
 *     run     owner peer[capacity]                              peers of one network, leechers first, then seeders
 *     node    owner leechers seeders - (ref meta)[16] leechers[16] seeders[16]    16 runs or nodes, by 4 bits of the peer's hash
 *     split   owner (ref meta)[3]                               of a swarm with peers of several networks: IPv4, IPv6, web
 *
 * `ref meta` is a *part*: ref is the record, meta says what it is and, of a run, how many peers it holds. `owner` is the address of the
 * part that refers to the record: that is what makes moving cheap. Meta 0: no peers; in a header ref is then the tick it became so.
 *
 * A peer is its address as it is on the wire (1 word, IPv6: 4), then a word: port as on the wire, then 16 bits of tick.
 */
export const PAGE_WORDS = 1_024;
export const SHARD_COUNT = 16;

/** Networks inside the store. */
export const NET_4 = 0;
export const NET_6 = 1;
export const NET_WEB = 2;
export const NET_COUNT = 3;
/** Words of a peer, by network. */
export const peerWords: readonly number[] = [2, 5, 2];

/** Peers remember their last announce in 16 bits of this unit, which run out after 7 days: more than twice the longest time to live. */
export const TICK_MS = 10_000;
/** Ages above this are clocks of threads that differ a little, or of replicas that differ more: such a peer is from now. */
export const FUTURE_TICKS = 0xf000;

// --- meta of a part
export const META_SEEDERS_SHIFT = 7;
export const META_CLASS_SHIFT = 14;
export const META_NODE: number = 1 << 20;
export const META_NET_SHIFT = 21;
export const META_SPLIT: number = 1 << 23;

// --- record classes: capacities are such that records fill a page
const capacities2 = [1, 2, 3, 4, 5, 7, 10, 14, 19, 25, 33, 42, 50, 63, 72, 84, 101, 127];
const capacities5 = [1, 2, 3, 4, 5, 7, 10, 14, 18, 22, 25, 28, 33, 40, 50, 67, 102];
/** First run class of a network. */
export const firstClass: readonly number[] = [0, capacities2.length, 0];
/** Last run class of a network; a full run of it becomes a node. */
export const lastClass: readonly number[] = [
  capacities2.length - 1,
  capacities2.length + capacities5.length - 1,
  capacities2.length - 1,
];
export const CLASS_NODE: number = capacities2.length + capacities5.length;
export const CLASS_SPLIT: number = CLASS_NODE + 1;
export const CLASS_HEADER: number = CLASS_NODE + 2;
/** Not a record class: the mark of index pages. */
export const CLASS_INDEX: number = CLASS_NODE + 3;
export const RUN_PEERS_MAX = 127;

// --- record layouts
export const HEADER_WORDS = 8;
export const HEADER_DOWNLOADED = 5;
export const HEADER_PART = 6;
export const NODE_FANOUT = 16;
export const NODE_LEECHERS = 1;
export const NODE_SEEDERS = 2;
/** Only used while a node becomes a run. */
export const NODE_NEW_RUN = 3;
export const NODE_PARTS = 4;
export const NODE_LEECHERS_OF = 36;
export const NODE_SEEDERS_OF = 52;
export const NODE_WORDS = 68;
export const SPLIT_PARTS = 1;
const SPLIT_WORDS = 7;
export const PAGE_START = 2;

/** Peers that fit a run of the class. */
export const runCapacity: Uint8Array = Uint8Array.from([...capacities2, ...capacities5]);
export const recordWords: Uint16Array = Uint16Array.from([
  ...capacities2.map((n) => 1 + 2 * n),
  ...capacities5.map((n) => 1 + 5 * n),
  NODE_WORDS,
  SPLIT_WORDS,
  HEADER_WORDS,
]);
/** Where records begin in a page: headers are aligned, for their numbers. */
export const recordStart: Uint8Array = Uint8Array.from(recordWords, (_, i) =>
  i === CLASS_HEADER ? HEADER_WORDS : PAGE_START,
);
export const recordsPerPage: Uint16Array = Uint16Array.from(recordWords, (words, i) =>
  Math.floor((PAGE_WORDS - (recordStart[i] as number)) / words),
);

/** @returns the smallest run class of the network that holds `count` peers, 1 to its largest capacity */
export function classFor(net: number, count: number): number {
  let c = firstClass[net] as number;
  while ((runCapacity[c] as number) < count) c++;
  return c;
}

// --- control words
export const AT_FORMAT = 0;
export const AT_KEYS = 4;
export const AT_TABLE_DEPTH_MAX = 8;
export const AT_TABLES = 9;
export const AT_HEADERS = 10;
export const AT_PAGES = 11;
/** Lock of both page pools; then next unused page, end, first free page of each. */
export const AT_POOL_LOCK = 16;
export const AT_POOL_HEADERS = 17;
export const AT_POOL_PAGES = 20;
/** Peers of each network, seeders, swarms. */
export const AT_PEERS = 32;
export const AT_SEEDERS = 35;
export const AT_SWARMS = 36;
export const AT_SHARDS = 64;

// --- words of a shard
export const SHARD_LOCK = 0;
export const SHARD_TABLE_DEPTH = 16;
export const SHARD_SPARE_COUNT = 17;
export const SHARD_SPARES = 18;
/** Pages that an announce takes at most (a run that becomes a node, an index page, a split), kept ready so that none fails half-way. */
export const SPARES_WANTED = 20;
export const SPARES_MAX = 30;
export const SHARD_TAILS = 48;
export const SHARD_SHIFT = 7;
export const SHARD_WORDS: number = 1 << SHARD_SHIFT;

/** Bits of an index slot for the number of a header. */
export const HEADER_BITS = 25;
const ARENA_WORDS_MAX = 2 ** 31 - 2 * PAGE_WORDS;

export interface ArenaPlan {
  readonly words: number;
  readonly tableDepthMax: number;
  readonly tables: number;
  readonly headers: number;
  readonly pages: number;
}

/** How large the reserved buffer is: what is not used costs nothing, so it is generous. */
export function planArena(limits: Pick<TrackerLimits, 'peersMax' | 'swarmsMax'>): ArenaPlan {
  const swarmsMax = Math.min(limits.swarmsMax, 2 ** HEADER_BITS / 2);
  // An index page splits at 820 swarms and then has half as many; twice as many pages again for uneven shards.
  const indexPages = Math.ceil(swarmsMax / SHARD_COUNT / 400) * 2;
  const tableDepthMax = Math.max(1, Math.min(17, Math.ceil(Math.log2(indexPages + 1))));
  const tables = AT_SHARDS + SHARD_COUNT * SHARD_WORDS;
  const headers = toPageEnd(tables + SHARD_COUNT * 2 ** tableDepthMax);
  const headerPages = Math.ceil(swarmsMax / 126) + SHARD_COUNT;
  const pages = headers + headerPages * PAGE_WORDS;
  // The worst: IPv6 in runs that are half full.
  const peerPages = Math.ceil((limits.peersMax * 11) / PAGE_WORDS) + Math.ceil(swarmsMax / 80);
  const slackPages = SHARD_COUNT * (SPARES_MAX + CLASS_INDEX + 2);
  const words = Math.min(pages + (peerPages + indexPages * SHARD_COUNT + slackPages) * PAGE_WORDS, ARENA_WORDS_MAX);
  return { words, tableDepthMax, tables, headers, pages };
}

function toPageEnd(words: number): number {
  return Math.ceil(words / PAGE_WORDS) * PAGE_WORDS;
}

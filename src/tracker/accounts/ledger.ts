import { toHex, writeU32 } from '../../base/index.ts';
import { HashTable } from '../policy/hash-table.ts';
import { accountLimits } from './limits.ts';
import { RowSlab } from './row-slab.ts';

/** What is known of a user. Bytes; instants on the clock of the tracker. */
export interface UserAccount {
  readonly id: number;
  uploaded: number;
  downloaded: number;
  /** Torrents that he announces now. */
  torrents: number;
  suspicionCount: number;
  seenAt: number;
}

/** What a user did with a torrent. */
export interface PairAccount {
  readonly userId: number;
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly uploaded: number;
  readonly downloaded: number;
  /** Bytes that his latest report says are missing. */
  readonly left: number;
  readonly seedMs: number;
  readonly seenAt: number;
  readonly completedAt: number | undefined;
  /** Clients that he announces it with now. */
  readonly clients: number;
}

/** What all users did with a torrent. */
export interface TorrentAccount {
  /** 40 hex digits. */
  readonly infoHash: string;
  /** All that was reported, believed or not. */
  readonly uploaded: number;
  readonly downloaded: number;
  /** `uploaded - downloaded`: about nothing where all tell the truth. */
  readonly imbalance: number;
  readonly leechers: number;
  readonly seeders: number;
  /** Users who completed it. */
  readonly completed: number;
}

export const pairColumn = {
  user: 0,
  torrent: 1,
  uploaded: 2,
  downloaded: 3,
  left: 4,
  seedMs: 5,
  seedCountedTo: 6,
  seenAt: 7,
  completedAt: 8,
  clients: 9,
  isCompleted: 10,
} as const;
const pairStride = 11;

export const torrentColumn = {
  uploaded: 0,
  downloaded: 1,
  leechers: 2,
  seeders: 3,
  completed: 4,
  leecherSeenAt: 5,
  pairs: 6,
} as const;
const torrentStride = 7;

const P = pairColumn;
const T = torrentColumn;
const PAIR_BYTES = 24;

/** The books: sums by user, by torrent, and by pair of both, as rows of numbers. */
export class AccountLedger {
  readonly users: Map<number, UserAccount> = new Map();
  readonly pairs: RowSlab = new RowSlab(pairStride);
  readonly torrents: RowSlab = new RowSlab(torrentStride);
  readonly #pairsMax: number;
  readonly #key = new Uint8Array(PAIR_BYTES);
  #hashes: Uint8Array = new Uint8Array(64 * 20);
  #pairTable: HashTable;
  #torrentTable: HashTable;
  #hand = 0;

  constructor(o: { seed: readonly [number, number]; pairsMax: number }) {
    this.#pairsMax = o.pairsMax;
    this.#pairTable = HashTable.make({ keyBytes: PAIR_BYTES, count: 64, seed: o.seed, isShared: false });
    this.#torrentTable = HashTable.make({ keyBytes: 20, count: 64, seed: o.seed, isShared: false });
  }

  get byteLength(): number {
    const tables = this.#pairTable.byteLength + this.#torrentTable.byteLength;
    return this.pairs.byteLength + this.torrents.byteLength + this.#hashes.byteLength + tables;
  }

  /** Makes room for what a snapshot has, so that tables do not grow step by step. */
  reserve(o: { pairs: number; torrents: number }): void {
    this.#pairTable = this.#pairTable.withRoom(o.pairs);
    this.#torrentTable = this.#torrentTable.withRoom(o.torrents);
  }

  userFor(id: number): UserAccount {
    let user = this.users.get(id);
    if (user === undefined) {
      user = { id, uploaded: 0, downloaded: 0, torrents: 0, suspicionCount: 0, seenAt: 0 };
      this.users.set(id, user);
    }
    return user;
  }

  /** @returns the row of a pair, which is made; -1 where there are too many, all of them in use */
  pairFor(userId: number, hash: Uint8Array, hashAt: number): number {
    this.#setPairKey(userId, hash, hashAt);
    const known = this.#pairTable.find(this.#key, 0);
    if (known >= 0) return this.#pairTable.valueAt(known);
    if (this.pairs.count >= this.#pairsMax) {
      this.#evictPairs();
      if (this.pairs.count >= this.#pairsMax) return -1;
      this.#setPairKey(userId, hash, hashAt);
    }
    const torrent = this.#torrentFor(hash, hashAt);
    this.torrents.bump(torrent, T.pairs, 1);
    const row = this.pairs.add();
    this.pairs.set(row, P.user, userId);
    this.pairs.set(row, P.torrent, torrent);
    this.#pairTable = this.#pairTable.withRoom();
    this.#pairTable.add(this.#key, 0, row);
    return row;
  }

  /** 20 bytes, a view. */
  hashOf(torrent: number): Uint8Array {
    return this.#hashes.subarray(torrent * 20, torrent * 20 + 20);
  }

  /** The latest heard of first. */
  pairsOf(userId: number, limit: number): PairAccount[] {
    const { pairs } = this;
    const found: number[] = [];
    for (let row = 0; row < pairs.end; row++) {
      if (pairs.get(row, P.user) === userId && pairs.isLive(row)) found.push(row);
    }
    found.sort((a, b) => pairs.get(b, P.seenAt) - pairs.get(a, P.seenAt));
    return found.slice(0, limit).map((row) => this.#toPair(row));
  }

  torrent(infoHash: Uint8Array): TorrentAccount | undefined {
    const slot = this.#torrentTable.find(infoHash, 0);
    return slot < 0 ? undefined : this.#toTorrent(this.#torrentTable.valueAt(slot));
  }

  imbalances(limit: number): TorrentAccount[] {
    const { torrents } = this;
    const size = (row: number): number => Math.abs(this.#imbalance(row));
    let worst: number[] = [];
    let least = 0;
    for (let row = 0; row < torrents.end; row++) {
      if (!(size(row) > least) || !torrents.isLive(row)) continue;
      worst.push(row);
      if (worst.length < limit * 2) continue;
      worst = worst.sort((a, b) => size(b) - size(a)).slice(0, limit);
      least = size(worst.at(-1) as number);
    }
    worst.sort((a, b) => size(b) - size(a));
    return worst.slice(0, limit).map((row) => this.#toTorrent(row));
  }

  /** The row of a torrent, which is made. */
  torrentFor(hash: Uint8Array): number {
    return this.#torrentFor(hash, 0);
  }

  #torrentFor(hash: Uint8Array, hashAt: number): number {
    const slot = this.#torrentTable.find(hash, hashAt);
    if (slot >= 0) return this.#torrentTable.valueAt(slot);
    const row = this.torrents.add();
    if ((row + 1) * 20 > this.#hashes.length) {
      const hashes = new Uint8Array(Math.ceil((row + 1) * 1.5) * 20);
      hashes.set(this.#hashes);
      this.#hashes = hashes;
    }
    for (let i = 0; i < 20; i++) this.#hashes[row * 20 + i] = hash[hashAt + i] as number;
    this.torrents.set(row, T.leecherSeenAt, Number.NEGATIVE_INFINITY);
    this.#torrentTable = this.#torrentTable.withRoom();
    this.#torrentTable.add(hash, hashAt, row);
    return row;
  }

  /** Forgets the stalest of some pairs without clients. Sums of users stay. */
  #evictPairs(): void {
    const table = this.#pairTable;
    let stalest = -1;
    for (let looks = 0; looks < Math.min(accountLimits.evictionLooks, table.capacity); looks++) {
      this.#hand = (this.#hand + 1) % table.capacity;
      if (!table.isLive(this.#hand)) continue;
      const row = table.valueAt(this.#hand);
      if (this.pairs.get(row, P.clients) > 0) continue;
      const isStaler = stalest < 0 || this.pairs.get(row, P.seenAt) < this.pairs.get(table.valueAt(stalest), P.seenAt);
      if (isStaler) stalest = this.#hand;
    }
    if (stalest < 0) return;
    const row = table.valueAt(stalest);
    const torrent = this.pairs.get(row, P.torrent);
    table.removeAt(stalest);
    this.pairs.free(row);
    this.torrents.bump(torrent, T.pairs, -1);
    if (this.torrents.get(torrent, T.pairs) === 0) {
      this.#torrentTable.remove(this.#hashes, torrent * 20);
      this.torrents.free(torrent);
    }
  }

  #imbalance(torrent: number): number {
    return this.torrents.get(torrent, T.uploaded) - this.torrents.get(torrent, T.downloaded);
  }

  #toTorrent(row: number): TorrentAccount {
    const { torrents } = this;
    return {
      infoHash: toHex(this.hashOf(row)),
      uploaded: torrents.get(row, T.uploaded),
      downloaded: torrents.get(row, T.downloaded),
      imbalance: this.#imbalance(row),
      leechers: torrents.get(row, T.leechers),
      seeders: torrents.get(row, T.seeders),
      completed: torrents.get(row, T.completed),
    };
  }

  #toPair(row: number): PairAccount {
    const { pairs } = this;
    return {
      userId: pairs.get(row, P.user),
      infoHash: toHex(this.hashOf(pairs.get(row, P.torrent))),
      uploaded: pairs.get(row, P.uploaded),
      downloaded: pairs.get(row, P.downloaded),
      left: pairs.get(row, P.left),
      seedMs: pairs.get(row, P.seedMs),
      seenAt: pairs.get(row, P.seenAt),
      completedAt: pairs.get(row, P.isCompleted) === 1 ? pairs.get(row, P.completedAt) : undefined,
      clients: pairs.get(row, P.clients),
    };
  }

  #setPairKey(userId: number, hash: Uint8Array, hashAt: number): void {
    writeU32(this.#key, 0, userId);
    for (let i = 0; i < 20; i++) this.#key[4 + i] = hash[hashAt + i] as number;
  }
}

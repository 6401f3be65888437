import { readU32, writeU32 } from '../../base/index.ts';
import { HashTable, type HashTableData } from './hash-table.ts';

/** Where an announce comes from: the whole address of IPv4, the first 64 bits of IPv6, since a host has all that follow. */
export function writePlace(into: Uint8Array, at: number, o: { bytes: Uint8Array; at: number; length: 4 | 16 }): void {
  for (let i = 0; i < 8; i++) into[at + i] = o.length === 16 || i < 4 ? (o.bytes[o.at + i] as number) : 0;
}

export interface PlacesData {
  readonly pairs: HashTableData;
  readonly places: HashTableData;
}

/** User number and info-hash. */
const PAIR_BYTES = 24;
/** And the place. */
const PLACE_BYTES = 32;
const PER_FAMILY_MAX = 0xffff;

/**
 * Which users announce which torrents from which places, for limits of both. Main keeps it up to date from account records; every thread
 * judges by it. So what two threads let in within the same tenth of a second may be one too many, until its next announce.
 */
export class Places {
  #pairs: HashTable;
  #places: HashTable;
  readonly #key = new Uint8Array(PLACE_BYTES);

  constructor(data: PlacesData) {
    this.#pairs = new HashTable(data.pairs);
    this.#places = new HashTable(data.places);
  }

  static make(o: { count: number; seed: readonly [number, number] }): Places {
    const { data: pairs } = HashTable.make({ ...o, keyBytes: PAIR_BYTES, isShared: true });
    const { data: places } = HashTable.make({ ...o, keyBytes: PLACE_BYTES, isShared: true });
    return new Places({ pairs, places });
  }

  get data(): PlacesData {
    return { pairs: this.#pairs.data, places: this.#places.data };
  }

  /** Whether the user announces the torrent already, from anywhere. */
  isActive(userId: number, hash: Uint8Array, hashAt: number): boolean {
    this.#setPair(userId, hash, hashAt);
    return this.#pairs.has(this.#key, 0);
  }

  /**
   * Whether an announce from there keeps the user within `max` places of its family for the torrent. @param o.place 8 bytes (`writePlace`)
   */
  hasRoom(o: {
    userId: number;
    hash: Uint8Array;
    hashAt: number;
    place: Uint8Array;
    isIpv6: boolean;
    max: number;
  }): boolean {
    this.#setPair(o.userId, o.hash, o.hashAt);
    const slot = this.#pairs.find(this.#key, 0);
    if (slot < 0) return true;
    const counts = this.#pairs.valueAt(slot);
    if ((o.isIpv6 ? counts >>> 16 : counts & PER_FAMILY_MAX) < o.max) return true;
    this.#key.set(o.place, PAIR_BYTES);
    return this.#places.has(this.#key, 0);
  }

  /**
   * One more route of a session comes from there.
   *
   * @returns whether it is the user's first for this torrent
   */
  enter(o: { userId: number; hash: Uint8Array; hashAt: number; place: Uint8Array; isIpv6: boolean }): boolean {
    this.#makeRoom();
    this.#setPair(o.userId, o.hash, o.hashAt);
    this.#key.set(o.place, PAIR_BYTES);
    const slot = this.#places.find(this.#key, 0);
    if (slot >= 0) {
      this.#places.setValueAt(slot, this.#places.valueAt(slot) + 1);
      return false;
    }
    const pair = this.#pairs.find(this.#key, 0);
    const counts = pair < 0 ? 0 : this.#pairs.valueAt(pair);
    // No limit is that high: who has none is counted no further.
    if ((o.isIpv6 ? counts >>> 16 : counts & PER_FAMILY_MAX) === PER_FAMILY_MAX) return false;
    this.#places.add(this.#key, 0, 1);
    const one = o.isIpv6 ? 0x1_0000 : 1;
    if (pair >= 0) this.#pairs.setValueAt(pair, counts + one);
    else this.#pairs.add(this.#key, 0, one);
    return pair < 0;
  }

  /** @returns whether it was the user's last for this torrent */
  leave(o: { userId: number; hash: Uint8Array; hashAt: number; place: Uint8Array; isIpv6: boolean }): boolean {
    this.#setPair(o.userId, o.hash, o.hashAt);
    this.#key.set(o.place, PAIR_BYTES);
    const slot = this.#places.find(this.#key, 0);
    if (slot < 0) return false;
    const routes = this.#places.valueAt(slot) - 1;
    this.#places.setValueAt(slot, routes);
    if (routes > 0) return false;
    this.#places.removeAt(slot);
    const pair = this.#pairs.find(this.#key, 0);
    const counts = this.#pairs.valueAt(pair) - (o.isIpv6 ? 0x1_0000 : 1);
    this.#pairs.setValueAt(pair, counts);
    if (counts === 0) this.#pairs.removeAt(pair);
    return counts === 0;
  }

  #makeRoom(): void {
    this.#pairs = this.#pairs.withRoom();
    this.#places = this.#places.withRoom();
  }

  #setPair(userId: number, hash: Uint8Array, hashAt: number): void {
    writeU32(this.#key, 0, userId);
    for (let i = 0; i < 20; i++) this.#key[4 + i] = hash[hashAt + i] as number;
  }
}

/** Two words of a seed out of 8 unpredictable bytes. */
export function toSeed(bytes: Uint8Array, at = 0): readonly [number, number] {
  return [readU32(bytes, at), readU32(bytes, at + 4)];
}

import { assert } from '../base/index.ts';
import { HostCounts } from './host-counts.ts';
import { compareWorth, type KnownAddress, type PeerSource, trust } from './peer-order.ts';

/**
 * The addresses of one torrent by their text, bounded whatever peers say: each host has a few, those told by peers take a part of the room,
 * and a new one pushes out only one that is worth less.
 */
export class KnownAddresses {
  readonly #sizeMax: number;
  readonly #pexMax: number;
  readonly #entries = new Map<string, KnownAddress>();
  readonly #hosts: HostCounts;
  #pexCount = 0;
  /** Sources of which nothing has a place, until something changes: what peers tell comes by the hundred. */
  readonly #noRoom = new Set<PeerSource>();

  constructor(limits: { readonly sizeMax: number; readonly pexMax: number; readonly perHostMax: number }) {
    this.#sizeMax = limits.sizeMax;
    this.#pexMax = limits.pexMax;
    this.#hosts = new HostCounts(limits.perHostMax);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): KnownAddress | undefined {
    return this.#entries.get(key);
  }

  values(): MapIterator<KnownAddress> {
    return this.#entries.values();
  }

  [Symbol.iterator](): MapIterator<[string, KnownAddress]> {
    return this.#entries[Symbol.iterator]();
  }

  isHostFull(host: string): boolean {
    return this.#hosts.isFull(host);
  }

  insert(key: string, entry: KnownAddress): void {
    this.#entries.set(key, entry);
    this.#hosts.add(entry.address.host);
    if (entry.source === 'pex') this.#pexCount++;
    this.#noRoom.clear();
  }

  remove(key: string, entry: KnownAddress): void {
    this.#entries.delete(key);
    this.#hosts.remove(entry.address.host);
    if (entry.source === 'pex') this.#pexCount--;
    this.#noRoom.clear();
  }

  clear(): void {
    this.#entries.clear();
    this.#hosts.clear();
    this.#pexCount = 0;
    this.#noRoom.clear();
  }

  /** A more trusted source has told of it. */
  promote(entry: KnownAddress, source: PeerSource): void {
    if (entry.source === 'pex') this.#pexCount--;
    entry.source = source;
    this.#noRoom.clear();
  }

  /** What an entry is worth has changed, or whether it may be pushed out. */
  onChanged(): void {
    this.#noRoom.clear();
  }

  hasRoom(source: PeerSource): boolean {
    return this.#entries.size < this.#sizeMax && !this.#isPexFull(source);
  }

  /** What an untried address of this source may push out. @returns undefined where nothing is worth less */
  toPushOut(source: PeerSource): readonly [key: string, entry: KnownAddress] | undefined {
    if (this.#noRoom.has(source)) return undefined;
    this.#noRoom.add(source);
    const isPexFull = this.#isPexFull(source);
    let worst: [string, KnownAddress] | undefined;
    for (const item of this.#entries) {
      const entry = item[1];
      if (entry.dialing || entry.open > 0 || entry.source === 'manual') continue;
      if (isPexFull && entry.source !== 'pex') continue;
      if (worst === undefined || compareWorth(entry, worst[1]) < 0) worst = item;
    }
    if (worst === undefined) return undefined;
    const [, entry] = worst;
    const isWorthLess = entry.failures > 0 || (!entry.proven && trust[entry.source] < trust[source]);
    return isWorthLess ? worst : undefined;
  }

  assertInvariants(): void {
    const entries = [...this.#entries.values()];
    this.#hosts.assertEqual(entries.map(({ address }) => address.host));
    assert(entries.filter(({ source }) => source === 'pex').length === this.#pexCount, 'addresses told by peers');
  }

  #isPexFull(source: PeerSource): boolean {
    return source === 'pex' && this.#pexCount >= this.#pexMax;
  }
}

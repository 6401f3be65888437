import { formatAddress, type Millis, type PeerAddress } from '../base/index.ts';
import { limits } from './limits.ts';

export interface Ban {
  /** Of `peerKey`. */
  readonly key: string;
  readonly reason: string;
  /** Plain data: what convinced us. */
  readonly evidence: unknown;
  readonly at: Millis;
}

/**
 * At the usual loopback address everybody is one host, and nobody there needs a defence against crowds. Whoever takes another one of
 * 127.0.0.0/8 does so to be told apart.
 */
export function isLoopback(host: string): boolean {
  return host === '127.0.0.1' || host === '::1';
}

/** Who is meant by a ban: the host, since a port costs nothing; on loopback the address. */
export function peerKey(address: PeerAddress): string {
  return isLoopback(address.host) ? formatAddress(address) : address.host;
}

/** Whom we never deal with again in this run. Bounded: the oldest ban makes room. May be shared by torrents. */
export class BanList {
  readonly #bans = new Map<string, Ban>();
  /** Rises with each change. */
  version = 0;

  /**
   * @param key      of `peerKey`
   * @param evidence plain data, for people
   */
  add(now: Millis, key: string, reason: string, evidence: unknown): Ban {
    const ban = { key, reason, evidence, at: now };
    this.version++;
    this.#bans.delete(key);
    if (this.#bans.size >= limits.peerBook.bansMax) {
      for (const oldest of this.#bans.keys()) {
        this.#bans.delete(oldest);
        break;
      }
    }
    this.#bans.set(key, ban);
    return ban;
  }

  has(address: PeerAddress): boolean {
    return this.#bans.size > 0 && this.#bans.has(peerKey(address));
  }

  /** Oldest first. */
  list(): Ban[] {
    return [...this.#bans.values()];
  }

  remove(key: string): boolean {
    this.version++;
    return this.#bans.delete(key);
  }
}

import { fromHex } from '../../base/index.ts';
import type { Accounts, PairAccount, Suspicion, TorrentAccount } from '../../tracker/index.ts';

/** What a user did with a torrent, for people and programs. Instants are Unix seconds. */
export interface UserTorrentFacts extends Omit<PairAccount, 'userId' | 'seedMs' | 'seenAt' | 'completedAt'> {
  readonly seedSec: number;
  readonly seenAt: number;
  /** Null: not completed. */
  readonly completedAt: number | null;
}

/** A report that cannot be true. */
export interface SuspicionFacts extends Omit<Suspicion, 'at' | 'ms'> {
  /** Since the client's report before. */
  readonly sec: number;
  /** Unix seconds. */
  readonly at: number;
}

/** The accounts as an operator reads them. */
export class AccountsView {
  readonly #accounts: Accounts;
  readonly #originMs: number;

  /** @param originMs Unix time of the tracker's time zero */
  constructor(accounts: Accounts, originMs: number) {
    this.#accounts = accounts;
    this.#originMs = originMs;
  }

  /** What a user did, torrent by torrent, the latest heard of first. Looks at all pairs: some ten milliseconds a million. */
  torrentsOf(userId: number, max: number): UserTorrentFacts[] {
    return this.#accounts.pairsOf(userId, max).map(({ userId: _, seedMs, seenAt, completedAt, ...pair }) => ({
      ...pair,
      seedSec: Math.floor(seedMs / 1_000),
      seenAt: this.#toUnix(seenAt),
      completedAt: completedAt === undefined ? null : this.#toUnix(completedAt),
    }));
  }

  /** @param infoHash 40 hex digits */
  torrent(infoHash: string): TorrentAccount | undefined {
    const hash = fromHex(infoHash);
    return hash?.length === 20 ? this.#accounts.torrent(hash) : undefined;
  }

  /** Torrents whose accounts do not add up, the worst first. Looks at all torrents. */
  imbalances(max: number): TorrentAccount[] {
    return this.#accounts.imbalances(max);
  }

  /** Since the start. */
  get suspicionCount(): number {
    return this.#accounts.suspicions.count;
  }

  /** The latest first. */
  suspicions(max: number): SuspicionFacts[] {
    return this.#accounts.suspicions
      .latest(max)
      .map(({ at, ms, ...suspicion }) => ({ ...suspicion, sec: Math.round(ms / 1_000), at: this.#toUnix(at) }));
  }

  #toUnix(ms: number): number {
    return Math.floor((ms + this.#originMs) / 1_000);
  }
}

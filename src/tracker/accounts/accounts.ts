import type { Millis } from '../../base/index.ts';
import {
  AccountLedger,
  type PairAccount,
  pairColumn,
  type TorrentAccount,
  torrentColumn,
  type UserAccount,
} from './ledger.ts';
import { accountLimits as limits } from './limits.ts';
import { AccountRecord, accountRecordBytes } from './record.ts';
import { AccountSessions, sessionColumn } from './sessions.ts';
import { type Suspicion, type SuspicionKind, Suspicions } from './suspicions.ts';

export interface AccountsOptions {
  /** A client that was silent this long is gone: as for peers. */
  readonly sessionTtlMs: number;
  /** Two secret words for the tables: users choose peer ids and may choose info-hashes. */
  readonly seed: readonly [number, number];
  /** Pairs of user and torrent kept; those without clients that were heard of longest ago make way. Default: `accountLimits`. */
  readonly pairsMax?: number;
  /** Sessions kept; beyond it new ones are not counted. Default: `accountLimits`. */
  readonly sessionsMax?: number;
  /** No client is faster than this; 0 = do not look. Bytes per second, up and down each. */
  readonly lineBytesPerSec?: number;
  /** Whether reports that cannot be true are added up all the same. They are listed either way. */
  readonly creditImplausible?: boolean;
  /** Before this instant uploads without a leecher mean nothing: leechers of before the start have not been heard of. */
  readonly leechersKnownFrom?: number;
  /** The sums of a user have changed, or how many torrents he announces. */
  readonly onUser?: (user: Readonly<UserAccount>) => void;
  /** A place (8 bytes in two words) a torrent is announced from comes or goes, once for each client and transport. */
  readonly onPlace?: (place: AccountPlace) => void;
  readonly onSuspicion?: (suspicion: Suspicion) => void;
}

/** What a kept batch takes besides its bytes. */
const BATCH_BYTES = 200;

export interface AccountPlace {
  readonly userId: number;
  /** 20 bytes, lent. */
  readonly infoHash: Uint8Array;
  readonly place: readonly [number, number];
  readonly isIpv6: boolean;
  readonly isEntering: boolean;
}

/**
 * The accounts of a private tracker, added up from account records: what each user has uploaded and downloaded, of which torrent, and for
 * how long he seeded it. Lives on one thread; others send their batches. What a report adds is decided by `AccountSessions`.
 *
 * What all of a swarm say that they uploaded and what all say that they downloaded must be the same in the long run:
 * `TorrentAccount.uploaded - downloaded` shows a swarm in which somebody lies.
 */
export class Accounts {
  readonly ledger: AccountLedger;
  readonly sessions: AccountSessions;
  readonly suspicions: Suspicions;
  readonly #o: AccountsOptions;
  readonly #record = new AccountRecord();
  /** By user: bytes beyond what his line carried between two reports, and when they were counted; they wear off at the line's speed. */
  readonly #excess = new Map<number, { bytes: number; at: number }>();
  #overflowCount = 0;
  /** While a snapshot is made: batches, and numbers of users to be removed, in the order they came. */
  #held: (Uint8Array | number)[] | undefined;
  #heldBytes = 0;

  constructor(options: AccountsOptions) {
    this.#o = options;
    this.ledger = new AccountLedger({ seed: options.seed, pairsMax: options.pairsMax ?? limits.pairsMax });
    this.sessions = new AccountSessions({
      seed: options.seed,
      onRoute: (session, route) => {
        const pair = this.sessions.rows.get(session, sessionColumn.pair);
        options.onPlace?.({
          userId: this.ledger.pairs.get(pair, pairColumn.user),
          infoHash: this.ledger.hashOf(this.ledger.pairs.get(pair, pairColumn.torrent)),
          place: route.place,
          isIpv6: (route.way & 1) === 1,
          isEntering: route.isEntering,
        });
      },
    });
    this.suspicions = new Suspicions(options.onSuspicion);
  }

  /** Sessions that were not counted because there were too many. */
  get overflowCount(): number {
    return this.#overflowCount;
  }

  /** Takes a batch of whole records, borrowed. */
  take(batch: Uint8Array): void {
    if (this.#held !== undefined) {
      this.#held.push(batch.slice());
      this.#heldBytes += batch.length + BATCH_BYTES;
      if (this.#heldBytes > limits.heldBytesMax) this.letGo();
      return;
    }
    const record = this.#record;
    for (let at = 0; at + accountRecordBytes <= batch.length; at += accountRecordBytes) {
      record.read(batch, at);
      if (record.userId > 0) this.#takeOne(record);
    }
  }

  /** Closes sessions of clients that fell silent, a bounded number of looks a call. Call it a few times a second. */
  sweep(now: Millis, looksMax: number = limits.sweepLooks): void {
    if (this.#held !== undefined) return;
    const { rows } = this.sessions;
    const isOver = (row: number): boolean => {
      const silentMs = now - rows.get(row, sessionColumn.at);
      return silentMs > (rows.get(row, sessionColumn.isLeaving) === 1 ? limits.leavingMs : this.#o.sessionTtlMs);
    };
    this.sessions.sweep(looksMax, isOver, (row) => {
      if (rows.get(row, sessionColumn.isGone) === 0) this.#leave(row, now);
    });
  }

  /** @returns undefined for a user of whom nothing is known */
  user(id: number): Readonly<UserAccount> | undefined {
    return this.ledger.users.get(id);
  }

  /** What a user did, torrent by torrent. Looks at all pairs: for people, not for requests. */
  pairsOf(userId: number, limit = 1_000): PairAccount[] {
    return this.ledger.pairsOf(userId, limit);
  }

  torrent(infoHash: Uint8Array): TorrentAccount | undefined {
    return this.ledger.torrent(infoHash);
  }

  /** Swarms in which more was uploaded than downloaded or the other way round, the worst first. */
  imbalances(limit = 100): TorrentAccount[] {
    return this.ledger.imbalances(limit);
  }

  /** Forgets a user and what he did; his sessions end by themselves and count for nobody. */
  removeUser(id: number): void {
    if (this.#held !== undefined) {
      this.#held.push(id);
      return;
    }
    this.ledger.users.delete(id);
    this.#excess.delete(id);
  }

  /** Nothing changes until `letGo`, so that a snapshot can be made step by step: what is taken meanwhile waits. */
  hold(): void {
    this.#held ??= [];
  }
  /** False again also where more had to wait than may. */
  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /**
   * Takes what has waited, in the order it came.
   *
   * @param recordsMax about so many in this call; default: all
   * @returns whether nothing waits any more: the accounts are not held then
   */
  letGo(recordsMax: number = Number.POSITIVE_INFINITY): boolean {
    const waiting = this.#held;
    if (waiting === undefined) return true;
    this.#held = undefined;
    let count = 0;
    let at = 0;
    for (; at < waiting.length && count < recordsMax; at++) {
      const item = waiting[at] as Uint8Array | number;
      if (typeof item === 'number') this.removeUser(item);
      else {
        this.take(item);
        count += item.length / accountRecordBytes;
        this.#heldBytes -= item.length + BATCH_BYTES;
      }
    }
    if (at < waiting.length) this.#held = waiting.slice(at);
    return this.#held === undefined;
  }

  /** A session that comes from a snapshot counts among clients again. */
  onRestored(session: number): void {
    const { rows } = this.sessions;
    if (rows.get(session, sessionColumn.isGone) === 1) return;
    const user = this.ledger.userFor(this.ledger.pairs.get(rows.get(session, sessionColumn.pair), pairColumn.user));
    this.#enter(session, user);
  }

  #takeOne(record: AccountRecord): void {
    const { ledger, sessions } = this;
    const user = ledger.userFor(record.userId);
    const pair = ledger.pairFor(record.userId, record.bytes, record.hashAt);
    if (pair < 0) return void this.#overflowCount++;
    const torrent = ledger.pairs.get(pair, pairColumn.torrent);
    const session = sessions.find(pair, record.bytes, record.peerIdAt);
    if (session < 0) this.#open(pair, torrent, user, record);
    else this.#report(session, { pair, torrent, user }, record);
    ledger.pairs.set(pair, pairColumn.seenAt, record.time);
    user.seenAt = record.time;
    this.#o.onUser?.(user);
  }

  #open(pair: number, torrent: number, user: UserAccount, record: AccountRecord): void {
    const { sessions } = this;
    if (record.event === 'stopped') return;
    if (sessions.count >= (this.#o.sessionsMax ?? limits.sessionsMax)) return void this.#overflowCount++;
    this.#enter(sessions.open(pair, record), user);
    if (record.event === 'completed') this.#complete(pair, torrent, record.time);
  }

  #report(session: number, of: { pair: number; torrent: number; user: UserAccount }, record: AccountRecord): void {
    const { ledger, sessions } = this;
    const leftBefore = sessions.rows.get(session, sessionColumn.left);
    const before = sessions.rows.get(session, sessionColumn.at);
    const wasGone = sessions.rows.get(session, sessionColumn.isGone) === 1;
    const delta = sessions.report(session, record);
    if (leftBefore === 0 && !wasGone) this.#addSeedTime(of.pair, before, record.time);
    const { uploaded, downloaded } = delta;
    if (uploaded > 0 || downloaded > 0) {
      ledger.torrents.bump(of.torrent, torrentColumn.uploaded, uploaded);
      ledger.torrents.bump(of.torrent, torrentColumn.downloaded, downloaded);
      const report = { userId: record.userId, leftBefore, before, uploaded, downloaded };
      const kind = this.#judge(of.torrent, report, record.time);
      if (kind !== undefined) {
        of.user.suspicionCount++;
        this.suspicions.add({ kind, uploaded, downloaded, ms: record.time - before }, record);
      }
      if (kind === undefined || this.#o.creditImplausible === true) {
        ledger.pairs.bump(of.pair, pairColumn.uploaded, uploaded);
        ledger.pairs.bump(of.pair, pairColumn.downloaded, downloaded);
        of.user.uploaded += uploaded;
        of.user.downloaded += downloaded;
      }
    }
    const left = sessions.rows.get(session, sessionColumn.left);
    const isGone = sessions.rows.get(session, sessionColumn.isGone) === 1;
    ledger.pairs.set(of.pair, pairColumn.left, left);
    if (record.event === 'completed' || (left === 0 && leftBefore > 0))
      this.#complete(of.pair, of.torrent, record.time);
    if (wasGone && !isGone) this.#enter(session, of.user);
    else if (!wasGone && left > 0 !== leftBefore > 0) this.#turn(of.torrent, left > 0, record.time);
    if (isGone && !wasGone) this.#leave(session, record.time);
  }

  #judge(
    torrent: number,
    o: { userId: number; leftBefore: number; before: number; uploaded: number; downloaded: number },
    at: number,
  ): SuspicionKind | undefined {
    const speed = this.#o.lineBytesPerSec ?? 0;
    const excess = Math.max(o.uploaded, o.downloaded) - (speed * Math.max(0, at - o.before)) / 1_000;
    if (speed > 0 && excess > 0 && !this.#takeExcess(o.userId, excess, { at, speed })) return 'too-fast';
    const { torrents } = this.ledger;
    const others = torrents.get(torrent, torrentColumn.leechers) - (o.leftBefore > 0 ? 1 : 0);
    const isAlone = others === 0 && torrents.get(torrent, torrentColumn.leecherSeenAt) < o.before;
    const isSure = o.before >= (this.#o.leechersKnownFrom ?? 0) && o.uploaded >= limits.noLeecherBytes;
    return isAlone && isSure ? 'no-leecher' : undefined;
  }

  /**
   * Packets under way make a report a little too large now and then. What is allowed for that is of the user, not of each report: else
   * whoever reports often enough, or by ever new clients, would have it every time.
   *
   * @returns whether it is within that
   */
  #takeExcess(userId: number, bytes: number, o: { at: number; speed: number }): boolean {
    const before = this.#excess.get(userId) ?? { bytes: 0, at: o.at };
    const left = Math.max(0, before.bytes - (o.speed * Math.max(0, o.at - before.at)) / 1_000);
    if (left + bytes > o.speed * limits.speedSlackSec) return false;
    this.#excess.set(userId, { bytes: left + bytes, at: Math.max(o.at, before.at) });
    return true;
  }

  /** Two clients of a user that seed the same torrent at the same time seed it once. */
  #addSeedTime(pair: number, from: number, to: number): void {
    const { pairs } = this.ledger;
    const countedTo = pairs.get(pair, pairColumn.seedCountedTo);
    const ms = to - (countedTo === 0 ? from : Math.max(from, countedTo));
    if (ms <= 0) return;
    pairs.bump(pair, pairColumn.seedMs, ms);
    pairs.set(pair, pairColumn.seedCountedTo, to);
  }

  #turn(torrent: number, isLeecher: boolean, at: number): void {
    const { torrents } = this.ledger;
    torrents.bump(torrent, torrentColumn.leechers, isLeecher ? 1 : -1);
    torrents.bump(torrent, torrentColumn.seeders, isLeecher ? -1 : 1);
    if (!isLeecher) torrents.set(torrent, torrentColumn.leecherSeenAt, at);
  }

  #complete(pair: number, torrent: number, at: number): void {
    const { pairs, torrents } = this.ledger;
    if (pairs.get(pair, pairColumn.isCompleted) === 1) return;
    pairs.set(pair, pairColumn.isCompleted, 1);
    pairs.set(pair, pairColumn.completedAt, at);
    torrents.bump(torrent, torrentColumn.completed, 1);
  }

  /** A client is there, for the first time or again. */
  #enter(session: number, user: UserAccount): void {
    const { pairs, torrents } = this.ledger;
    const { rows } = this.sessions;
    const pair = rows.get(session, sessionColumn.pair);
    const left = rows.get(session, sessionColumn.left);
    if (pairs.get(pair, pairColumn.clients) === 0) user.torrents++;
    pairs.bump(pair, pairColumn.clients, 1);
    pairs.set(pair, pairColumn.left, left);
    const column = left > 0 ? torrentColumn.leechers : torrentColumn.seeders;
    torrents.bump(pairs.get(pair, pairColumn.torrent), column, 1);
  }

  /** A client has gone. */
  #leave(session: number, at: number): void {
    const { pairs, torrents, users } = this.ledger;
    const { rows } = this.sessions;
    const pair = rows.get(session, sessionColumn.pair);
    const torrent = pairs.get(pair, pairColumn.torrent);
    const isLeecher = rows.get(session, sessionColumn.left) > 0;
    torrents.bump(torrent, isLeecher ? torrentColumn.leechers : torrentColumn.seeders, -1);
    if (isLeecher) torrents.set(torrent, torrentColumn.leecherSeenAt, at);
    pairs.bump(pair, pairColumn.clients, -1);
    if (pairs.get(pair, pairColumn.clients) > 0) return;
    const user = users.get(pairs.get(pair, pairColumn.user));
    if (user === undefined) return;
    user.torrents--;
    this.#o.onUser?.(user);
  }
}

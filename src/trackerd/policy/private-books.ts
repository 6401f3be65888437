import { randomBytes } from 'node:crypto';
import type { Millis } from '../../base/index.ts';
import {
  Accounts,
  type Audience,
  Places,
  type PolicyData,
  type UserAccount,
  type UserTable,
} from '../../tracker/index.ts';
import { readAccountsFile, writeAccountsFile } from './accounts-file.ts';
import type { PolicyEvent } from './policy-event.ts';
import { PrivateUsers, type UserSums } from './users.ts';

/** What is asked of users; a reload may change it. */
export interface PrivateRules {
  /** What is for users only. Default: announces and everything else. */
  readonly access?: Partial<PolicyData['access']>;
  /** Who has downloaded `afterBytes` and uploaded less than `minimum` times that may only seed. */
  readonly ratio?: { readonly minimum: number; readonly afterBytes: number } | undefined;
  /** Torrents that a user may announce at the same time, who has no number of his own. Default 0: any number. */
  readonly torrentsMax?: number;
  /** Addresses of each family that a user may announce a torrent from. Default 3; 0: any number. */
  readonly placesMax?: number;
}

/** What a tracker with users needs. */
export interface PrivateOptions extends PrivateRules {
  /** File of the users: the tracker's own, readable by it alone. */
  readonly users: string;
  /** File of the accounts. Undefined: they are forgotten at a stop. */
  readonly accounts?: string | undefined;
  /** How often they are saved. Default 10 minutes. */
  readonly saveEveryMs?: number;
  /** No client is faster. Bytes per second; default 0: not looked at. */
  readonly lineBytesPerSec?: number;
  /** Whether reports that cannot be true are added up all the same. Default false. */
  readonly creditImplausible?: boolean;
}

const SAVE_EVERY_MS = 600_000;
const USERS: Audience = 'users';

/** What the books need of the tracker around them. */
export interface BooksSurroundings {
  /** Of peers, after which a client's session is over too. */
  readonly peerTtlMs: number;
  /** The clock of the tracker, and Unix time (ms) of its zero. */
  readonly now: () => Millis;
  readonly timeOriginMs: number;
  /** Unix time, ms. */
  readonly wallNow: () => number;
  readonly onEvent: (event: PolicyEvent) => void;
  readonly seed: readonly [number, number];
  /** The data for threads have changed. */
  readonly onData: () => void;
}

/** Users, their accounts and the places they announce from: what a private tracker has more than a public one. */
export class PrivateBooks {
  readonly users: PrivateUsers;
  readonly accounts: Accounts;
  readonly places: Places;
  readonly #o: PrivateOptions;
  readonly #around: BooksSurroundings;
  readonly #place = new Uint8Array(8);
  #placesData: Places['data'];
  #rules: PrivateRules;
  #saveAt: number;
  #saving: Promise<void> = Promise.resolve();

  /** @throws BtError `config/invalid`, `disk/...`, `swarm/state-newer`, `swarm/state-damaged` */
  static open(options: PrivateOptions, around: BooksSurroundings): PrivateBooks {
    return new PrivateBooks(options, around);
  }

  private constructor(options: PrivateOptions, around: BooksSurroundings) {
    this.#o = options;
    this.#around = around;
    this.#rules = options;
    let places = Places.make({ count: 1_024, seed: around.seed });
    // Users are there only once the accounts are: the table gets sums from them.
    let users: PrivateUsers | undefined;
    const onDamaged = (error: unknown): void => around.onEvent({ type: 'policy.damaged', error });
    const newAccounts = (leechersKnownFrom: number): Accounts => {
      places = Places.make({ count: 1_024, seed: around.seed });
      return new Accounts({
        sessionTtlMs: around.peerTtlMs,
        seed: around.seed,
        lineBytesPerSec: options.lineBytesPerSec ?? 0,
        creditImplausible: options.creditImplausible ?? false,
        leechersKnownFrom,
        onUser: (user) => {
          if (users !== undefined) this.#onUser(users.table, user);
        },
        onPlace: ({ isEntering, ...at }) => {
          const word = this.#place;
          for (let i = 0; i < 8; i++) word[i] = (at.place[i >> 2] as number) >>> (24 - (i & 3) * 8);
          const place = { userId: at.userId, hash: at.infoHash, hashAt: 0, place: word, isIpv6: at.isIpv6 };
          if (isEntering) places.enter(place);
          else places.leave(place);
        },
        onSuspicion: (suspicion) => around.onEvent({ type: 'policy.suspicion', suspicion }),
      });
    };
    const { timeOriginMs: originMs, now, wallNow } = around;
    const fromFile =
      options.accounts === undefined
        ? undefined
        : readAccountsFile(options.accounts, () => newAccounts(0), { originMs, onDamaged });
    this.accounts = fromFile ?? newAccounts(now() + around.peerTtlMs);
    this.places = places;
    this.#placesData = places.data;
    this.users = new PrivateUsers({
      path: options.users,
      secret: randomBytes(40),
      timeOriginMs: originMs,
      wallNow,
      defaults: () => ({ torrentsMax: this.#rules.torrentsMax ?? 0, placesMax: this.#rules.placesMax ?? 3 }),
      sumsOf: (id) => this.#sumsOf(id),
      onTable: around.onData,
      onUserAdded: (id, table) => {
        const account = this.accounts.user(id);
        if (account !== undefined) this.#onUser(table, account);
      },
      onUserRemoved: (id) => this.accounts.removeUser(id),
      onDamaged,
    });
    users = this.users;
    this.#saveAt = now() + (options.saveEveryMs ?? SAVE_EVERY_MS);
  }

  get access(): PolicyData['access'] {
    return { announce: USERS, scrape: USERS, fullScrape: USERS, catalogue: USERS, ...this.#rules.access };
  }

  /** Reads the users again, under other rules where some are given. @throws as `open`; all stays as it was then */
  async reload(rules: PrivateRules = this.#rules): Promise<void> {
    const before = this.#rules;
    this.#rules = rules;
    try {
      await this.users.reload();
    } catch (error) {
      this.#rules = before;
      throw error;
    }
  }

  tick(now: Millis): void {
    this.accounts.sweep(now);
    const { pairs, places } = this.places.data;
    const posted = this.#placesData;
    if (pairs.buffer !== posted.pairs.buffer || places.buffer !== posted.places.buffer) {
      this.#placesData = this.places.data;
      this.#around.onData();
    }
    if (now < this.#saveAt) return;
    this.#saveAt = now + (this.#o.saveEveryMs ?? SAVE_EVERY_MS);
    this.save().catch((error: unknown) => this.#around.onEvent({ type: 'policy.unsaved', error }));
  }

  /** Saves the accounts as they are now; a saving that is under way comes first. */
  save(): Promise<void> {
    const { accounts: path } = this.#o;
    if (path === undefined) return Promise.resolve();
    const write = (): Promise<void> => writeAccountsFile(path, this.accounts, this.#around.timeOriginMs);
    this.#saving = this.#saving.then(write, write);
    return this.#saving;
  }

  async close(): Promise<void> {
    await this.users.flush();
    await this.save();
  }

  #onUser(table: UserTable, account: Readonly<UserAccount>): void {
    table.setActive(account.id, account.torrents);
    const { ratio } = this.#rules;
    if (ratio === undefined) return;
    const { uploaded, downloaded } = account;
    table.setRatioTooLow(account.id, downloaded >= ratio.afterBytes && uploaded < downloaded * ratio.minimum);
  }

  #sumsOf(id: number): UserSums {
    const account = this.accounts.user(id);
    if (account === undefined) return { uploaded: 0, downloaded: 0, torrents: 0, suspicionCount: 0, seenAt: null };
    const { uploaded, downloaded, torrents, suspicionCount, seenAt } = account;
    const seenSec = Math.floor((seenAt + this.#around.timeOriginMs) / 1_000);
    return { uploaded, downloaded, torrents, suspicionCount, seenAt: seenSec };
  }
}

import { randomBytes } from 'node:crypto';
import { BtError } from '../../base/index.ts';
import { isPasskey, UserTable } from '../../tracker/index.ts';
import { isUserName, readUsersFile, type TrackerUser, userIdMax, writeUsersFile } from './users-file.ts';

/** What can be changed of a user; what is missing stays. */
export interface UserChanges {
  readonly name?: string;
  readonly isEnabled?: boolean;
  /** Unix seconds; null = never. */
  readonly expiresAt?: number | null;
  readonly mayDownload?: boolean;
  readonly mayUpload?: boolean;
  readonly torrentsMax?: number | null;
  readonly placesMax?: number | null;
}

export interface NewUser extends UserChanges {
  readonly name: string;
  /** From a tracker before this one. Default: a new one. */
  readonly passkey?: string;
}

/** What the accounts say of a user. */
export interface UserSums {
  /** Bytes. */
  readonly uploaded: number;
  readonly downloaded: number;
  /** Torrents that he announces now. */
  readonly torrents: number;
  /** Reports of his that cannot be true. */
  readonly suspicionCount: number;
  /** Unix seconds; null = never. */
  readonly seenAt: number | null;
}

/** A user as the API shows him: all but the passkey, with his sums. */
export interface UserFacts extends Omit<TrackerUser, 'passkey'>, UserSums {}

export interface PrivateUsersOptions {
  readonly path: string;
  /** 40 unpredictable bytes. */
  readonly secret: Uint8Array;
  /** Unix time of the tracker's time zero, ms. */
  readonly timeOriginMs: number;
  /** Unix time, ms. */
  readonly wallNow: () => number;
  /** For users who have none of their own; asked whenever a user is read or changed. */
  readonly defaults: () => { readonly torrentsMax: number; readonly placesMax: number };
  readonly sumsOf: (
    id: number,
  ) => Pick<UserFacts, 'uploaded' | 'downloaded' | 'torrents' | 'suspicionCount' | 'seenAt'>;
  /** The table is another one, or has another buffer: post it again. */
  readonly onTable: () => void;
  /** The user's row has to get its sums. */
  readonly onUserAdded: (id: number, table: UserTable) => void;
  readonly onUserRemoved: (id: number) => void;
  readonly onDamaged: (error: unknown) => void;
}

/**
 * The users of a private tracker: a file that belongs to the tracker, and the table that all threads judge by. A change is in the file
 * when its promise resolves, and in force everywhere. Changes that come together are written together.
 */
export class PrivateUsers {
  readonly #o: PrivateUsersOptions;
  #table: UserTable;
  #nextId = 1;
  /** In order of ids. */
  readonly #byId = new Map<number, TrackerUser>();
  readonly #idByName = new Map<string, number>();
  readonly #idByPasskey = new Map<string, number>();
  #writing: Promise<void> | undefined;

  /** @throws BtError `swarm/state-newer`, `config/invalid`, `disk/...` */
  constructor(options: PrivateUsersOptions) {
    this.#o = options;
    this.#table = UserTable.make({ count: 0, secret: options.secret });
    this.#load(options.onDamaged);
  }

  get path(): string {
    return this.#o.path;
  }
  get table(): UserTable {
    return this.#table;
  }
  size(): number {
    return this.#byId.size;
  }
  find(id: number): UserFacts | undefined {
    const user = this.#byId.get(id);
    return user === undefined ? undefined : this.#toFacts(user);
  }
  findByName(name: string): UserFacts | undefined {
    const id = this.#idByName.get(name);
    return id === undefined ? undefined : this.find(id);
  }
  /** In order of ids, those after `after`. */
  page(after: number, max: number): UserFacts[] {
    const page: UserFacts[] = [];
    for (const user of this.#byId.values()) {
      if (user.id <= after) continue;
      if (page.length === max) break;
      page.push(this.#toFacts(user));
    }
    return page;
  }

  /**
   * Who may use this passkey now: enabled and not expired.
   *
   * By a table of hashes like announces, so that the time it takes tells nothing.
   */
  member(passkey: string): TrackerUser | undefined {
    const row = this.#table.find(passkey, 0, passkey.length);
    const user = row < 0 ? undefined : this.#byId.get(this.#table.idOf(row));
    if (user === undefined || !user.isEnabled) return undefined;
    return user.expiresAt !== null && user.expiresAt * 1_000 <= this.#o.wallNow() ? undefined : user;
  }

  /**
   * @returns the user with the passkey; undefined where the name or the passkey is taken
   * @throws BtError `client/invalid` for a name or passkey that cannot be one, `disk/...`
   */
  async create(user: NewUser): Promise<{ user: UserFacts; passkey: string } | undefined> {
    const { passkey = newPasskey() } = user;
    expectValid(user);
    if (!isPasskey(passkey)) {
      throw new BtError('client/invalid', { what: 'a passkey has 16 to 64 letters, digits, - and _' });
    }
    if (this.#idByName.has(user.name) || this.#idByPasskey.has(passkey)) return undefined;
    if (this.#nextId > userIdMax) throw new BtError('client/invalid', { what: 'there are no more numbers for users' });
    const made: TrackerUser = {
      id: this.#nextId++,
      name: user.name,
      passkey,
      createdAt: Math.floor(this.#o.wallNow() / 1_000),
      expiresAt: user.expiresAt ?? null,
      isEnabled: user.isEnabled ?? true,
      mayDownload: user.mayDownload ?? true,
      mayUpload: user.mayUpload ?? false,
      torrentsMax: user.torrentsMax ?? null,
      placesMax: user.placesMax ?? null,
    };
    await this.#put(made);
    return { user: this.#toFacts(made), passkey };
  }

  /** @returns undefined where there is no such user, or the new name is taken */
  async update(id: number, changes: UserChanges): Promise<UserFacts | undefined> {
    const user = this.#byId.get(id);
    if (user === undefined) return undefined;
    expectValid({ name: user.name, ...changes });
    const holder = this.#idByName.get(changes.name ?? user.name);
    if (holder !== undefined && holder !== id) return undefined;
    const changed: TrackerUser = { ...user, ...definedOnly(changes) };
    await this.#put(changed);
    return this.#toFacts(changed);
  }

  /** The old passkey is void from now on. @returns the new one; undefined where there is no such user */
  async rotatePasskey(id: number): Promise<string | undefined> {
    const user = this.#byId.get(id);
    if (user === undefined) return undefined;
    const passkey = newPasskey();
    await this.#put({ ...user, passkey });
    return passkey;
  }

  /** For announce URLs and torrent files of the user. */
  passkeyOf(id: number): string | undefined {
    return this.#byId.get(id)?.passkey;
  }

  /** Forgets a user. His number is never given again. */
  async remove(id: number): Promise<boolean> {
    const user = this.#byId.get(id);
    if (user === undefined) return false;
    this.#forget(user);
    this.#table.removePasskey(user.passkey);
    this.#o.onUserRemoved(id);
    await this.#write();
    return true;
  }

  /** Reads the file again, which somebody has changed by hand. @throws as the constructor; all stays as it was then */
  async reload(): Promise<void> {
    await this.#writing;
    // What is in memory is newer than the generation before.
    this.#load((error) => {
      throw error;
    });
    this.#o.onTable();
  }

  /** Resolves when all changes are in the file. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  #load(onDamaged: (error: unknown) => void): void {
    const { nextId, users } = readUsersFile(this.#o.path, { onDamaged });
    this.#table = UserTable.make({ count: Math.ceil(users.length * 1.2), secret: this.#o.secret });
    for (const index of [this.#byId, this.#idByName, this.#idByPasskey]) index.clear();
    this.#nextId = Math.max(this.#nextId, nextId);
    for (const user of [...users].sort((a, b) => a.id - b.id)) this.#index(user);
  }

  async #put(user: TrackerUser): Promise<void> {
    const { data } = this.#table;
    const before = this.#byId.get(user.id);
    if (before !== undefined) {
      this.#idByName.delete(before.name);
      this.#idByPasskey.delete(before.passkey);
      if (before.passkey !== user.passkey) this.#table.removePasskey(before.passkey);
    }
    this.#index(user);
    const after = this.#table.data;
    if (after.rows !== data.rows || after.passkeys.buffer !== data.passkeys.buffer) this.#o.onTable();
    await this.#write();
  }

  #index(user: TrackerUser): void {
    const { timeOriginMs } = this.#o;
    const { torrentsMax, placesMax } = this.#o.defaults();
    this.#byId.set(user.id, user);
    this.#idByName.set(user.name, user.id);
    this.#idByPasskey.set(user.passkey, user.id);
    this.#table.set({
      id: user.id,
      isEnabled: user.isEnabled,
      mayDownload: user.mayDownload,
      expiresAt: user.expiresAt === null ? Number.POSITIVE_INFINITY : user.expiresAt * 1_000 - timeOriginMs,
      torrentsMax: user.torrentsMax ?? torrentsMax,
      placesMax: user.placesMax ?? placesMax,
    });
    this.#table.addPasskey(user.id, user.passkey);
    this.#o.onUserAdded(user.id, this.#table);
  }

  #forget(user: TrackerUser): void {
    this.#byId.delete(user.id);
    this.#idByName.delete(user.name);
    this.#idByPasskey.delete(user.passkey);
  }

  /** All changes of this turn in one write. */
  #write(): Promise<void> {
    this.#writing ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#writing = undefined;
        try {
          writeUsersFile(this.#o.path, { nextId: this.#nextId, users: [...this.#byId.values()] });
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    return this.#writing;
  }

  #toFacts({ passkey: _, ...user }: TrackerUser): UserFacts {
    return { ...user, ...this.#o.sumsOf(user.id) };
  }
}

/** 128 bits. */
function newPasskey(): string {
  return randomBytes(16).toString('hex');
}

function expectValid({ name, expiresAt, torrentsMax, placesMax }: NewUser): void {
  if (!isUserName(name)) throw new BtError('client/invalid', { what: 'a name has 1 to 64 characters' });
  for (const [what, value] of Object.entries({ expiresAt, torrentsMax, placesMax })) {
    const isCount = value === undefined || value === null || (Number.isInteger(value) && value >= 0 && value < 2 ** 32);
    if (!isCount) throw new BtError('client/invalid', { what: `${what} is not a number that it can be` });
  }
}

function definedOnly(changes: UserChanges): UserChanges {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

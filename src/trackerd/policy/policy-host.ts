import { randomBytes } from 'node:crypto';
import { BtError, type Millis } from '../../base/index.ts';
import {
  AccountLog,
  type Accounts,
  type ClientRule,
  HashTable,
  openPolicy,
  Policy,
  type PolicyData,
  parseClientRule,
  parsePeerId,
  type RefusalTexts,
  refusalTexts,
  type TrackerHooks,
  toSeed,
} from '../../tracker/index.ts';
import { AccountsView } from './accounts-view.ts';
import { HashList } from './hash-list.ts';
import type { PolicyEvent } from './policy-event.ts';
import { PrivateBooks, type PrivateOptions, type PrivateRules } from './private-books.ts';
import type { PrivateUsers } from './users.ts';

/** Rules about clients, as texts: `-qB`, `-qB >=4.5 <5`. */
export interface ClientRuleTexts {
  /** If not empty: only these. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Peer ids: 40 hex digits or 20 characters. */
  readonly banned?: readonly string[];
}

export interface PolicyHostOptions {
  /** Files of info-hashes; a list that has no file is not in force. */
  readonly lists?: { readonly allow?: string | undefined; readonly deny?: string | undefined };
  readonly clients?: ClientRuleTexts;
  /** Undefined: a public tracker without users. */
  readonly private?: PrivateOptions | undefined;
  readonly texts?: Partial<RefusalTexts>;
  /** Of peers, after which a client's session is over too. */
  readonly peerTtlMs: number;
  /** The clock of the tracker, and Unix time (ms) of its zero. */
  readonly now: () => Millis;
  readonly timeOriginMs: number;
  /** Unix time, ms. */
  readonly wallNow: () => number;
  /** Post it to every thread but this one: the main thread's hooks have it already. */
  readonly onPolicy: (data: PolicyData) => void;
  readonly onEvent: (event: PolicyEvent) => void;
}

/** What a reload did, for people. */
export interface PolicyReload {
  readonly done: readonly string[];
  readonly failed: readonly string[];
}

/**
 * All of a tracker's policy on its main thread: the files it comes from, the data that other threads judge by, users and accounts.
 *
 *     const host = await PolicyHost.open({ ... , onPolicy: (data) => udp.setPolicy(data) });
 *     logic.setHooks([...host.hooks, ...operatorHooks]);         // once; they follow every change
 *     startUdp({ policy: host.data, onData: (_, batch) => host.takeAccounts(batch), ... });       // worker-policy.ts
 *     setInterval(() => host.tick(), 250);                       // bounded steps
 *     process.on('SIGHUP', () => host.reload({ clients }));
 *     await host.close();                                        // after the fronts: the last accounts are saved
 */
export class PolicyHost {
  readonly #o: PolicyHostOptions;
  readonly #policy = new Policy();
  readonly #hooks: TrackerHooks[] = [this.#policy];
  readonly #seed: readonly [number, number] = toSeed(randomBytes(8));
  #clients: PolicyData['clients'];
  #allow: HashList | undefined;
  #deny: HashList | undefined;
  #books: PrivateBooks | undefined;
  #data: PolicyData = openPolicy;

  /**
   * Reads all files.
   *
   * @throws BtError `config/invalid` (path, line and what is wrong), `disk/...`, `swarm/state-newer`, `swarm/state-damaged`
   */
  static async open(options: PolicyHostOptions): Promise<PolicyHost> {
    const host = new PolicyHost(options);
    const { lists, clients } = options;
    const open = (path: string | undefined): Promise<HashList> | undefined =>
      path === undefined ? undefined : HashList.open({ path, seed: host.#seed, onTable: () => host.#post() });
    host.#allow = await open(lists?.allow);
    host.#deny = await open(lists?.deny);
    host.#clients = toClients(clients, host.#seed);
    if (options.private !== undefined) {
      host.#books = PrivateBooks.open(options.private, {
        ...options,
        seed: host.#seed,
        onData: () => host.#post(),
      });
      const log = new AccountLog({ recordsMax: 1, onBatch: (batch) => host.takeAccounts(batch) });
      host.#hooks.push(log);
    }
    host.#post();
    return host;
  }

  private constructor(options: PolicyHostOptions) {
    this.#o = options;
  }

  /** What worker threads start with. */
  get data(): PolicyData {
    return this.#data;
  }
  /** For the `TrackerLogic` of the main thread: always the same objects. */
  get hooks(): readonly TrackerHooks[] {
    return this.#hooks;
  }
  get lists(): { readonly allow?: HashList; readonly deny?: HashList } {
    return {
      ...(this.#allow !== undefined && { allow: this.#allow }),
      ...(this.#deny !== undefined && { deny: this.#deny }),
    };
  }
  /** Undefined on a public tracker. */
  get users(): PrivateUsers | undefined {
    return this.#books?.users;
  }
  /** Undefined on a public tracker. */
  get accountsView(): AccountsView | undefined {
    return this.#books === undefined ? undefined : new AccountsView(this.#books.accounts, this.#o.timeOriginMs);
  }
  /** Undefined on a public tracker. */
  get accounts(): Accounts | undefined {
    return this.#books?.accounts;
  }

  /** Whether who asks so may have it: why not, or undefined. @param target path and query, or `/PASSKEY` */
  judge(what: 'fullScrape' | 'catalogue', target: string): string | undefined {
    return this.#policy.judge(what, target, this.#o.now())?.reason;
  }

  /** Account records of a worker thread, or of another tracker. */
  takeAccounts(batch: Uint8Array): void {
    this.#books?.accounts.take(batch);
  }

  /** Bounded work that comes up all the time; call it a few times a second. */
  tick(): void {
    this.#books?.tick(this.#o.now());
  }

  /**
   * Reads the files of lists and users again. What fails stays as it was.
   *
   * @param o what a configuration that was read again says of clients and of users; without, it stays
   */
  async reload(o: { clients?: ClientRuleTexts; private?: PrivateRules } = {}): Promise<PolicyReload> {
    const done: string[] = [];
    const failed: string[] = [];
    const attempt = async (what: () => string, work: () => Promise<void> | void): Promise<void> => {
      try {
        await work();
        done.push(what());
      } catch (error) {
        if (!BtError.is(error)) throw error;
        failed.push(error.message);
      }
    };
    const { clients } = o;
    for (const list of [this.#allow, this.#deny]) {
      if (list !== undefined)
        await attempt(
          () => `${list.path}: ${list.size()} torrents`,
          () => list.reload(),
        );
    }
    if (clients !== undefined) {
      await attempt(
        () => `clients: ${clients.allow.length + clients.deny.length + (clients.banned?.length ?? 0)} rules`,
        () => {
          this.#clients = toClients(clients, this.#seed);
          this.#post();
        },
      );
    }
    const books = this.#books;
    if (books !== undefined) {
      const { users } = books;
      await attempt(
        () => `${users.path}: ${users.size()} users`,
        () => books.reload(o.private),
      );
    }
    return { done, failed };
  }

  /** Saves the accounts now. @throws BtError `disk/...` */
  async save(): Promise<void> {
    await this.#books?.save();
  }

  /** Waits for changes that are being written, and saves the accounts. @throws BtError `disk/...` */
  async close(): Promise<void> {
    await this.#books?.close();
  }

  #post(): void {
    const books = this.#books;
    this.#data = {
      ...(this.#allow !== undefined && { allow: this.#allow.table.data }),
      ...(this.#deny !== undefined && { deny: this.#deny.table.data }),
      ...(this.#clients !== undefined && { clients: this.#clients }),
      ...(books !== undefined && { users: books.users.table.data, places: books.places.data }),
      access: books?.access ?? openPolicy.access,
      texts: { ...refusalTexts, ...this.#o.texts },
    };
    this.#policy.replace(this.#data);
    this.#o.onPolicy(this.#data);
  }
}

/** @throws BtError `config/invalid` with everything that is wrong */
function toClients(texts: ClientRuleTexts | undefined, seed: readonly [number, number]): PolicyData['clients'] {
  if (texts === undefined) return undefined;
  const { allow, deny, banned = [] } = texts;
  if (allow.length + deny.length + banned.length === 0) return undefined;
  const problems: string[] = [];
  const toRules = (rules: readonly string[]): ClientRule[] =>
    rules.flatMap((text) => {
      const rule = parseClientRule(text);
      if (typeof rule !== 'string') return [rule];
      problems.push(`clients: ${rule}`);
      return [];
    });
  const table = HashTable.make({ keyBytes: 20, count: banned.length, seed, isShared: true });
  for (const text of banned) {
    const id = parsePeerId(text);
    if (id === undefined) problems.push(`clients: ${JSON.stringify(text)} is not a peer id of 40 hex digits`);
    else table.add(id, 0);
  }
  const clients = { allow: toRules(allow), deny: toRules(deny), ...(banned.length > 0 && { banned: table.data }) };
  if (problems.length > 0) throw new BtError('config/invalid', { problems });
  return clients;
}

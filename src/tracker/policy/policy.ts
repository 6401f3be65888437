import type { Millis } from '../../base/index.ts';
import type { TrackerRefusal } from '../../wire/index.ts';
import type { AnnounceCall, CallVia, ScrapeCall } from '../calls.ts';
import type { TrackerHooks } from '../hooks.ts';
import { ClientMatcher, type ClientRule } from './client-rules.ts';
import { HashTable, type HashTableData } from './hash-table.ts';
import { PasskeyFinder } from './passkey.ts';
import { Places, type PlacesData, writePlace } from './places.ts';
import { UserTable, type UserTableData } from './user-table.ts';

/** For whom something is there. */
export type Audience = 'public' | 'users';

/** What is said to who is turned away. */
export interface RefusalTexts {
  readonly unlistedTorrent: string;
  readonly deniedTorrent: string;
  readonly client: string;
  readonly passkeyMissing: string;
  readonly passkeyUnknown: string;
  readonly userDisabled: string;
  readonly userExpired: string;
  readonly mayOnlySeed: string;
  readonly ratioTooLow: string;
  readonly tooManyTorrents: string;
  readonly tooManyPlaces: string;
}

export const refusalTexts: RefusalTexts = {
  unlistedTorrent: 'this tracker does not serve this torrent',
  deniedTorrent: 'this torrent is not allowed here',
  client: 'this client or version is not allowed here',
  passkeyMissing: 'private tracker: no passkey came, take the torrent file again or announce by HTTP',
  passkeyUnknown: 'private tracker: the passkey is not known, take the torrent file again',
  userDisabled: 'your account is disabled',
  userExpired: 'your passkey has expired',
  mayOnlySeed: 'your account may only seed',
  ratioTooLow: 'your ratio is too low to download, go on seeding',
  tooManyTorrents: 'you announce as many torrents as you may',
  tooManyPlaces: 'you announce this torrent from as many addresses as you may',
};

/**
 * All that judges requests, as data: it is posted to every thread. Large parts are in shared memory and change in place, so a new one is
 * only posted where a part was replaced.
 */
export interface PolicyData {
  /** If there: only these torrents. 20 bytes each. */
  readonly allow?: HashTableData;
  readonly deny?: HashTableData;
  readonly clients?: {
    /** If not empty: only these. */
    readonly allow: readonly ClientRule[];
    readonly deny: readonly ClientRule[];
    /** Peer ids of 20 bytes. */
    readonly banned?: HashTableData;
  };
  readonly users?: UserTableData;
  readonly places?: PlacesData;
  readonly access: {
    readonly announce: Audience;
    readonly scrape: Audience;
    readonly fullScrape: Audience;
    readonly catalogue: Audience;
  };
  readonly texts: RefusalTexts;
}

/** A policy that lets everybody do everything. */
export const openPolicy: PolicyData = {
  access: { announce: 'public', scrape: 'public', fullScrape: 'public', catalogue: 'public' },
  texts: refusalTexts,
};

/**
 * Judges requests by `PolicyData`, one object a thread. Nothing is allocated for a request.
 *
 * Order: who asks, which torrent, which client. So a stranger cannot find out which torrents a private tracker has.
 */
export class Policy implements TrackerHooks {
  #data: PolicyData = openPolicy;
  #allow: HashTable | undefined;
  #deny: HashTable | undefined;
  #clients: { allow: ClientMatcher | undefined; deny: ClientMatcher; banned: HashTable | undefined } | undefined;
  #users: UserTable | undefined;
  #places: Places | undefined;
  #refusals: Refusals = toRefusals(refusalTexts);
  readonly #finder = new PasskeyFinder();
  readonly #place = new Uint8Array(8);

  constructor(data: PolicyData = openPolicy) {
    this.replace(data);
  }

  /** Judges by other data from the next request on. */
  replace(data: PolicyData): void {
    const { allow, deny, clients, users, places, texts } = data;
    this.#data = data;
    this.#allow = allow === undefined ? undefined : new HashTable(allow);
    this.#deny = deny === undefined ? undefined : new HashTable(deny);
    this.#clients =
      clients === undefined
        ? undefined
        : {
            allow: clients.allow.length === 0 ? undefined : new ClientMatcher(clients.allow),
            deny: new ClientMatcher(clients.deny),
            banned: clients.banned === undefined ? undefined : new HashTable(clients.banned),
          };
    this.#users = users === undefined ? undefined : new UserTable(users);
    this.#places = places === undefined ? undefined : new Places(places);
    this.#refusals = toRefusals(texts);
  }

  preAnnounce(call: AnnounceCall, now: Millis): TrackerRefusal | undefined {
    if (this.#users !== undefined) {
      const refusal = this.#judgeAnnouncer(this.#users, call, now);
      if (refusal !== undefined) return refusal;
    }
    if (this.#allow !== undefined && !this.#allow.has(call.hashBytes, call.hashAt))
      return this.#refusals.unlistedTorrent;
    if (this.#deny?.has(call.hashBytes, call.hashAt) === true) return this.#refusals.deniedTorrent;
    const clients = this.#clients;
    if (clients === undefined) return undefined;
    const { peerIdBytes, peerIdAt } = call;
    const isAllowed =
      clients.banned?.has(peerIdBytes, peerIdAt) !== true &&
      !clients.deny.matches(peerIdBytes, peerIdAt) &&
      clients.allow?.matches(peerIdBytes, peerIdAt) !== false;
    return isAllowed ? undefined : this.#refusals.client;
  }

  /** Torrents that are not served are not in the store, so their rows are zeros: nothing is refused for them. */
  preScrape(call: ScrapeCall, now: Millis): TrackerRefusal | undefined {
    const row = this.#users === undefined ? NOBODY : this.#findUser(this.#users, call.target, call.via);
    if (row >= 0) call.userId = (this.#users as UserTable).idOf(row);
    return this.#data.access.scrape === 'public' ? undefined : this.#judgeRow(row, now);
  }

  /**
   * Who asks for something that is no announce or scrape.
   *
   * @param target path and query, or `/PASSKEY`
   */
  judge(what: 'fullScrape' | 'catalogue', target: string, now: Millis): TrackerRefusal | undefined {
    if (this.#data.access[what] === 'public') return undefined;
    return this.#judgeRow(this.#users === undefined ? NOBODY : this.#findUser(this.#users, target, 'ws'), now);
  }

  #judgeAnnouncer(users: UserTable, call: AnnounceCall, now: Millis): TrackerRefusal | undefined {
    const row = this.#findUser(users, call.target, call.via);
    if (row < 0) return this.#data.access.announce === 'public' ? undefined : this.#judgeRow(row, now);
    call.userId = users.idOf(row);
    // Who leaves may leave: his place is free then, and what he did since the last announce counts.
    if (call.event === 'stopped') return undefined;
    const refusal = this.#judgeRow(row, now);
    if (refusal !== undefined) return refusal;
    const mayDownload = users.mayDownload(row);
    if (!mayDownload || users.isRatioTooLow(row)) {
      if (call.left > 0) return mayDownload ? this.#refusals.ratioTooLow : this.#refusals.mayOnlySeed;
      // A seeder that starts is given seeders too, for the sake of magnet links: not one that only says that it seeds.
      if (call.event === 'started') call.event = 'none';
    }
    return this.#places === undefined ? undefined : this.#judgePlaces(this.#places, users, row, call);
  }

  #judgePlaces(places: Places, users: UserTable, row: number, call: AnnounceCall): TrackerRefusal | undefined {
    const { userId, hashBytes: hash, hashAt, sourceBytes, sourceAt, sourceLength } = call;
    const torrentsMax = users.torrentsMax(row);
    const isFull = torrentsMax > 0 && users.torrents(row) >= torrentsMax;
    if (isFull && !places.isActive(userId, hash, hashAt)) return this.#refusals.tooManyTorrents;
    const max = users.placesMax(row);
    if (max === 0) return undefined;
    const place = this.#place;
    writePlace(place, 0, { bytes: sourceBytes, at: sourceAt, length: sourceLength });
    const isIpv6 = sourceLength === 16;
    return places.hasRoom({ userId, hash, hashAt, place, isIpv6, max }) ? undefined : this.#refusals.tooManyPlaces;
  }

  #judgeRow(row: number, now: Millis): TrackerRefusal | undefined {
    if (row === NOBODY) return this.#refusals.passkeyMissing;
    if (row === UNKNOWN) return this.#refusals.passkeyUnknown;
    const users = this.#users as UserTable;
    if (!users.isEnabled(row)) return this.#refusals.userDisabled;
    return users.isExpired(row, now) ? this.#refusals.userExpired : undefined;
  }

  #findUser(users: UserTable, target: string, via: CallVia): number {
    const finder = this.#finder;
    if (!finder.find(target, via)) return NOBODY;
    const row = users.find(target, finder.start, finder.end);
    return row < 0 ? UNKNOWN : row;
  }
}

/** In place of the row of a user. */
const NOBODY = -2;
const UNKNOWN = -1;

type Refusals = { readonly [K in keyof RefusalTexts]: TrackerRefusal };

/** How soon it makes sense to come back: what a person has to change takes a day. */
const RETRY_SEC: { readonly [K in keyof RefusalTexts]?: number } = {
  unlistedTorrent: 3_600,
  deniedTorrent: 86_400,
  client: 86_400,
  passkeyMissing: 86_400,
  passkeyUnknown: 3_600,
};

function toRefusals(texts: RefusalTexts): Refusals {
  const entries = Object.entries(texts) as [keyof RefusalTexts, string][];
  return Object.fromEntries(
    entries.map(([kind, reason]) => {
      const retryInSec = RETRY_SEC[kind];
      return [kind, retryInSec === undefined ? { reason } : { reason, retryInSec }];
    }),
  ) as Refusals;
}

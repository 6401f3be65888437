import { assert, type Millis, writeU32 } from '../../base/index.ts';
import { SipHash } from '../siphash.ts';
import { HashTable, type HashTableData } from './hash-table.ts';
import { passkeyLength } from './passkey.ts';
import { toSeed } from './places.ts';

/** What judges announces of a user. */
export interface UserRules {
  /** 1 to 2^31 - 1; never given to somebody else. */
  readonly id: number;
  readonly isEnabled: boolean;
  /** False: may only seed. */
  readonly mayDownload: boolean;
  /** On the clock of the tracker; Infinity = never. */
  readonly expiresAt: number;
  /** Torrents announced at the same time; 0 = any number. */
  readonly torrentsMax: number;
  /** Addresses of each family announced from for one torrent; 0 = any number. */
  readonly placesMax: number;
}

export interface UserTableData {
  readonly passkeys: HashTableData;
  /** Two keys of SipHash. */
  readonly keys: Uint8Array;
  /** `ROW_WORDS` words a user. */
  readonly rows: SharedArrayBuffer;
}

const ROW_WORDS = 6;
const [ID, FLAGS, EXPIRES_SEC, TORRENTS_MAX, PLACES_MAX, TORRENTS] = [0, 1, 2, 3, 4, 5] as const;
const NEVER_SEC = 0x7fff_ffff;
const flag = { enabled: 1, mayDownload: 2, ratioTooLow: 4 } as const;

/**
 * Users as every thread judges by them, in shared memory: what main changes in a row holds from the next announce on, everywhere.
 *
 * Passkeys are not in it, only two SipHashes of each under keys that are made at every start (128 bits). So neither the table nor the time
 * that a look-up takes tells anything about a passkey.
 */
export class UserTable {
  #passkeys: HashTable;
  #rows: Int32Array;
  readonly #keys: Uint8Array;
  readonly #hashes: readonly [SipHash, SipHash];
  readonly #digest = new Uint8Array(16);
  /** One input for each number of words: SipHash takes whole arrays. */
  readonly #inputs: Int32Array[] = [];
  /** Row of each user; only main knows. */
  readonly #rowOf = new Map<number, number>();
  #rowCount = 0;

  constructor(data: UserTableData) {
    this.#passkeys = new HashTable(data.passkeys);
    this.#rows = new Int32Array(data.rows);
    this.#keys = data.keys;
    this.#hashes = [new SipHash(data.keys.subarray(0, 16)), new SipHash(data.keys.subarray(16, 32))];
  }

  /** @param o.secret 40 unpredictable bytes */
  static make(o: { count: number; secret: Uint8Array }): UserTable {
    assert(o.secret.length === 40, 'secret of 40 bytes');
    const count = Math.max(16, o.count);
    return new UserTable({
      passkeys: HashTable.make({ keyBytes: 16, count, seed: toSeed(o.secret, 32), isShared: true }).data,
      keys: o.secret.slice(0, 32),
      rows: new SharedArrayBuffer(count * ROW_WORDS * 4),
    });
  }

  /** Changes where the table had to grow: post it again then. */
  get data(): UserTableData {
    return {
      passkeys: this.#passkeys.data,
      keys: this.#keys,
      rows: this.#rows.buffer as SharedArrayBuffer,
    };
  }

  // --- every thread --------------------------------------------------------------------------------------------------------------

  /** @returns the row of who has this passkey, -1 where nobody has */
  find(target: string, start: number, end: number): number {
    const slot = this.#findSlot(target, start, end);
    return slot < 0 ? -1 : this.#passkeys.valueAt(slot);
  }
  idOf(row: number): number {
    return Atomics.load(this.#rows, row * ROW_WORDS + ID);
  }
  isEnabled(row: number): boolean {
    return (this.#flags(row) & flag.enabled) !== 0;
  }
  mayDownload(row: number): boolean {
    return (this.#flags(row) & flag.mayDownload) !== 0;
  }
  isRatioTooLow(row: number): boolean {
    return (this.#flags(row) & flag.ratioTooLow) !== 0;
  }
  isExpired(row: number, now: Millis): boolean {
    const expiresSec = Atomics.load(this.#rows, row * ROW_WORDS + EXPIRES_SEC);
    return expiresSec !== NEVER_SEC && now >= expiresSec * 1_000;
  }
  torrentsMax(row: number): number {
    return Atomics.load(this.#rows, row * ROW_WORDS + TORRENTS_MAX);
  }
  placesMax(row: number): number {
    return Atomics.load(this.#rows, row * ROW_WORDS + PLACES_MAX);
  }
  torrents(row: number): number {
    return Atomics.load(this.#rows, row * ROW_WORDS + TORRENTS);
  }

  // --- main ------------------------------------------------------------------------------------------------------------------------

  /** Adds a user, or changes what holds for one. */
  set(rules: UserRules): void {
    let row = this.#rowOf.get(rules.id);
    if (row === undefined) {
      row = this.#rowCount++;
      if (row * ROW_WORDS >= this.#rows.length) this.#growRows();
      this.#rowOf.set(rules.id, row);
    }
    const at = row * ROW_WORDS;
    const rows = this.#rows;
    const kept = this.#flags(row) & flag.ratioTooLow;
    const flags = (rules.isEnabled ? flag.enabled : 0) | (rules.mayDownload ? flag.mayDownload : 0) | kept;
    Atomics.store(rows, at + FLAGS, flags);
    Atomics.store(rows, at + EXPIRES_SEC, toSec(rules.expiresAt));
    Atomics.store(rows, at + TORRENTS_MAX, rules.torrentsMax);
    Atomics.store(rows, at + PLACES_MAX, rules.placesMax);
    Atomics.store(rows, at + ID, rules.id);
  }

  addPasskey(userId: number, passkey: string): void {
    const row = this.#rowOf.get(userId);
    assert(row !== undefined, 'passkey of a known user');
    this.#passkeys = this.#passkeys.withRoom();
    this.#setDigest(passkey, 0, passkey.length);
    this.#passkeys.add(this.#digest, 0, row);
  }

  removePasskey(passkey: string): void {
    this.#setDigest(passkey, 0, passkey.length);
    this.#passkeys.remove(this.#digest, 0);
  }

  /** @param o.torrents torrents the user announces now */
  setActive(userId: number, torrents: number): void {
    const row = this.#rowOf.get(userId);
    if (row !== undefined) Atomics.store(this.#rows, row * ROW_WORDS + TORRENTS, torrents);
  }

  setRatioTooLow(userId: number, isTooLow: boolean): void {
    const row = this.#rowOf.get(userId);
    if (row === undefined) return;
    const flags = this.#flags(row);
    Atomics.store(this.#rows, row * ROW_WORDS + FLAGS, isTooLow ? flags | flag.ratioTooLow : flags & ~flag.ratioTooLow);
  }

  #flags(row: number): number {
    return Atomics.load(this.#rows, row * ROW_WORDS + FLAGS);
  }

  #growRows(): void {
    const rows = new Int32Array(new SharedArrayBuffer(this.#rows.byteLength * 2));
    rows.set(this.#rows);
    this.#rows = rows;
  }

  #findSlot(target: string, start: number, end: number): number {
    const length = end - start;
    if (length < 1 || length > passkeyLength.max) return -1;
    this.#setDigest(target, start, end);
    return this.#passkeys.find(this.#digest, 0);
  }

  #setDigest(text: string, start: number, end: number): void {
    const length = end - start;
    const count = (length >>> 3) * 2 + 2;
    const words = (this.#inputs[count] ??= new Int32Array(count));
    words.fill(0);
    for (let i = 0; i < length; i++) words[i >>> 2] = words[i >>> 2]! | (text.charCodeAt(start + i) << ((i & 3) * 8));
    words[count - 1] = words[count - 1]! | (length << 24);
    for (let i = 0; i < 2; i++) {
      const hash = this.#hashes[i as 0 | 1];
      hash.hashWords(words);
      writeU32(this.#digest, i * 8, hash.low);
      writeU32(this.#digest, i * 8 + 4, hash.high);
    }
  }
}

function toSec(at: number): number {
  if (at === Number.POSITIVE_INFINITY) return NEVER_SEC;
  return Math.max(-NEVER_SEC, Math.min(NEVER_SEC - 1, Math.floor(at / 1_000)));
}

import { readU32, writeU32 } from '../../base/index.ts';
import { HashTable } from '../policy/hash-table.ts';
import { accountLimits } from './limits.ts';
import type { AccountRecord } from './record.ts';
import { RowSlab } from './row-slab.ts';

/** Columns of a session. */
export const sessionColumn = {
  pair: 0,
  route: 1,
  epoch: 2,
  uploaded: 3,
  downloaded: 4,
  left: 5,
  at: 6,
  isLeaving: 7,
  isGone: 8,
} as const;
/** Cells of a session in a snapshot. */
export const sessionStride = 9;
const routeColumn = {
  next: 0,
  way: 1,
  place: 2,
  place2: 3,
  key: 4,
  epoch: 5,
  uploaded: 6,
  downloaded: 7,
  at: 8,
  isStopped: 9,
} as const;

/** Cells of a route in a snapshot: all but the link to the next. */
export const routeCells = 9;

const S = sessionColumn;
const R = routeColumn;
/** Pair row and peer id. */
const KEY_BYTES = 24;

/** What one record adds. */
export interface SessionDelta {
  uploaded: number;
  downloaded: number;
}

/** Told of places that sessions are announced from. @param place two words */
export type RouteListener = (
  session: number,
  o: { way: number; place: readonly [number, number]; isEntering: boolean },
) => void;

/**
 * Sessions of clients: a pair of user and torrent, and the peer id of one run of a client. Decides what a report adds.
 *
 * Counters of a report are sums since the client began. A client may report the same sums by several ways (IPv4 and IPv6, UDP and HTTP),
 * at different times, one behind the other. So a session has the highest sums that any way has reported, and a report adds what it has
 * above them; each way (a *route*: transport, family, address) is remembered on its own, for only a sum that goes down *on one route*
 * tells that a client has begun anew under an old peer id. Such a new beginning is an *epoch* of the session; routes that have not
 * shown themselves in it are taken in by a `started`, by a new key or by a lower sum, and until then add nothing.
 */
export class AccountSessions {
  readonly rows: RowSlab = new RowSlab(sessionStride);
  readonly #routes = new RowSlab(routeCells + 1);
  readonly #key = new Uint8Array(KEY_BYTES);
  readonly #onRoute: RouteListener | undefined;
  readonly #delta: SessionDelta = { uploaded: 0, downloaded: 0 };
  #table: HashTable;
  #hand = 0;

  constructor(o: { seed: readonly [number, number]; onRoute?: RouteListener | undefined }) {
    this.#table = HashTable.make({ keyBytes: KEY_BYTES, count: 64, seed: o.seed, isShared: false });
    this.#onRoute = o.onRoute;
  }

  get count(): number {
    return this.rows.count;
  }
  get routeCount(): number {
    return this.#routes.count;
  }
  get byteLength(): number {
    return this.rows.byteLength + this.#routes.byteLength + this.#table.byteLength;
  }

  /** @returns its row, -1 where there is none */
  find(pair: number, peerId: Uint8Array, peerIdAt: number): number {
    this.#setKey(pair, peerId, peerIdAt);
    const slot = this.#table.find(this.#key, 0);
    return slot < 0 ? -1 : this.#table.valueAt(slot);
  }

  /** Begins a session: what the record says is where counting begins. */
  open(pair: number, record: AccountRecord): number {
    const row = this.#add(pair, record.bytes, record.peerIdAt);
    this.rows.set(row, S.uploaded, record.uploaded);
    this.rows.set(row, S.downloaded, record.downloaded);
    this.rows.set(row, S.left, record.left);
    this.rows.set(row, S.at, record.time);
    this.#setRoute(this.#addRoute(row, record), 0, record);
    return row;
  }

  /** Takes one more report into a session. @returns what it adds; lent until the next call */
  report(row: number, record: AccountRecord): SessionDelta {
    const { rows } = this;
    const delta = this.#delta;
    delta.uploaded = 0;
    delta.downloaded = 0;
    const epoch = this.#epochFor(row, record);
    if (epoch < 0) return delta;
    if (epoch > rows.get(row, S.epoch)) {
      rows.set(row, S.epoch, epoch);
      rows.set(row, S.uploaded, record.uploaded);
      rows.set(row, S.downloaded, record.downloaded);
    } else {
      delta.uploaded = Math.max(0, record.uploaded - rows.get(row, S.uploaded));
      delta.downloaded = Math.max(0, record.downloaded - rows.get(row, S.downloaded));
      rows.bump(row, S.uploaded, delta.uploaded);
      rows.bump(row, S.downloaded, delta.downloaded);
    }
    if (record.time >= rows.get(row, S.at)) {
      rows.set(row, S.left, record.left);
      rows.set(row, S.at, record.time);
    }
    rows.set(row, S.isLeaving, record.event === 'stopped' ? 1 : 0);
    rows.set(row, S.isGone, record.event === 'stopped' && this.#isStoppedEverywhere(row) ? 1 : 0);
    return delta;
  }

  /**
   * Looks at some sessions, going on where the last call stopped, and closes those that `isOver`.
   *
   * @param onClose is told of each while it still is there; the peer id is lent
   */
  sweep(looksMax: number, isOver: (row: number) => boolean, onClose: (row: number, peerId: Uint8Array) => void): void {
    const table = this.#table;
    for (let looks = 0; looks < Math.min(looksMax, table.capacity); looks++) {
      this.#hand = (this.#hand + 1) % table.capacity;
      if (!table.isLive(this.#hand)) continue;
      const row = table.valueAt(this.#hand);
      if (!isOver(row)) continue;
      onClose(row, table.keyAt(this.#hand).subarray(4));
      this.#closeSlot(this.#hand);
    }
  }

  /** Every session with its peer id, lent. For snapshots. */
  *entries(): Generator<{ row: number; peerId: Uint8Array }> {
    const table = this.#table;
    for (let slot = 0; slot < table.capacity; slot++) {
      if (table.isLive(slot)) yield { row: table.valueAt(slot), peerId: table.keyAt(slot).subarray(4) };
    }
  }

  /** Copies the routes of a session for a snapshot, `routeCells` each. @returns how many */
  copyRoutes(row: number, into: Float64Array, at: number): number {
    let count = 0;
    const { cells, stride } = this.#routes;
    for (let r = this.#firstRoute(row); r >= 0; r = this.#nextRoute(r)) {
      for (let i = 1; i < stride; i++) into[at + count * routeCells + i - 1] = cells[r * stride + i] as number;
      count++;
    }
    return count;
  }

  /** Makes room for what a snapshot has. */
  reserve(count: number): void {
    this.#table = this.#table.withRoom(count);
  }

  /** A session from a snapshot; its columns are the caller's to set. @returns its row */
  add(pair: number, peerId: Uint8Array): number {
    return this.#add(pair, peerId, 0);
  }

  /** A route from a snapshot. @param shift ms to add to its instant */
  addRouteCells(row: number, cells: Float64Array, shift: number): void {
    const r = this.#routes.add();
    this.#routes.cells.set(cells, r * this.#routes.stride + 1);
    this.#routes.bump(r, R.at, shift);
    this.#linkRoute(row, r);
  }

  /** @returns the epoch that the record belongs to, one more than the session's for a new beginning, -1 where it adds nothing */
  #epochFor(row: number, record: AccountRecord): number {
    const { rows } = this;
    const routes = this.#routes;
    const epoch = rows.get(row, S.epoch);
    const isBehind = record.uploaded < rows.get(row, S.uploaded) || record.downloaded < rows.get(row, S.downloaded);
    const isStart = record.event === 'started';
    const r = this.#findRoute(row, record);
    if (r < 0) {
      const isAnew = isStart && isBehind && this.#isKeyNew(row, record);
      this.#setRoute(this.#addRoute(row, record), isAnew ? epoch + 1 : epoch, record);
      return isAnew ? epoch + 1 : epoch;
    }
    const isLower = record.uploaded < routes.get(r, R.uploaded) || record.downloaded < routes.get(r, R.downloaded);
    // Two threads may hand on in another order than they were told.
    if (isLower && record.time < routes.get(r, R.at)) return -1;
    const isKeyChanged = record.key !== routes.get(r, R.key);
    if (routes.get(r, R.epoch) < epoch) {
      const isTakenIn = isLower || isStart || isKeyChanged;
      this.#setRoute(r, isTakenIn ? epoch : routes.get(r, R.epoch), record);
      return isTakenIn ? epoch : -1;
    }
    const isRestart = isStart && (isKeyChanged || (isBehind && routes.get(r, R.isStopped) === 1));
    const next = isLower || isRestart ? epoch + 1 : epoch;
    this.#setRoute(r, next, record);
    return next;
  }

  /** Whether this transport has been used by the latest run of the client, and with another key: this is a later run. */
  #isKeyNew(row: number, record: AccountRecord): boolean {
    let isNew = false;
    for (let r = this.#firstRoute(row); r >= 0; r = this.#nextRoute(r)) {
      if (this.#routes.get(r, R.epoch) !== this.rows.get(row, S.epoch)) continue;
      if (this.#routes.get(r, R.key) === record.key) return false;
      if (this.#routes.get(r, R.way) >> 1 === record.way >> 1) isNew = true;
    }
    return isNew;
  }

  #isStoppedEverywhere(row: number): boolean {
    const epoch = this.rows.get(row, S.epoch);
    for (let r = this.#firstRoute(row); r >= 0; r = this.#nextRoute(r)) {
      if (this.#routes.get(r, R.epoch) === epoch && this.#routes.get(r, R.isStopped) === 0) return false;
    }
    return true;
  }

  #setRoute(r: number, epoch: number, record: AccountRecord): void {
    const routes = this.#routes;
    routes.set(r, R.key, record.key);
    routes.set(r, R.epoch, epoch);
    routes.set(r, R.uploaded, record.uploaded);
    routes.set(r, R.downloaded, record.downloaded);
    routes.set(r, R.at, record.time);
    routes.set(r, R.isStopped, record.event === 'stopped' ? 1 : 0);
  }

  #findRoute(row: number, record: AccountRecord): number {
    const routes = this.#routes;
    const place = readU32(record.bytes, record.placeAt);
    const place2 = readU32(record.bytes, record.placeAt + 4);
    for (let r = this.#firstRoute(row); r >= 0; r = this.#nextRoute(r)) {
      const isSame =
        routes.get(r, R.place) === place && routes.get(r, R.place2) === place2 && routes.get(r, R.way) === record.way;
      if (isSame) return r;
    }
    return -1;
  }

  #addRoute(row: number, record: AccountRecord): number {
    let count = 0;
    for (let r = this.#firstRoute(row); r >= 0; r = this.#nextRoute(r)) count++;
    if (count >= accountLimits.routesMax) this.#dropOldestRoute(row);
    const routes = this.#routes;
    const r = routes.add();
    routes.set(r, R.way, record.way);
    routes.set(r, R.place, readU32(record.bytes, record.placeAt));
    routes.set(r, R.place2, readU32(record.bytes, record.placeAt + 4));
    this.#linkRoute(row, r);
    return r;
  }

  #linkRoute(row: number, r: number): void {
    this.#routes.set(r, R.next, this.rows.get(row, S.route));
    this.rows.set(row, S.route, r + 1);
    this.#tellRoute(row, r, true);
  }

  #dropOldestRoute(row: number): void {
    let oldest = -1;
    for (let r = this.#firstRoute(row); r >= 0; r = this.#nextRoute(r)) {
      if (oldest < 0 || this.#routes.get(r, R.at) < this.#routes.get(oldest, R.at)) oldest = r;
    }
    let before = -1;
    for (let r = this.#firstRoute(row); r !== oldest; r = this.#nextRoute(r)) before = r;
    const next = this.#routes.get(oldest, R.next);
    if (before < 0) this.rows.set(row, S.route, next);
    else this.#routes.set(before, R.next, next);
    this.#tellRoute(row, oldest, false);
    this.#routes.free(oldest);
  }

  /** Links are one more than the row, 0 = none: rows begin as zeros. */
  #firstRoute(row: number): number {
    return this.rows.get(row, S.route) - 1;
  }
  #nextRoute(r: number): number {
    return this.#routes.get(r, R.next) - 1;
  }

  #tellRoute(row: number, r: number, isEntering: boolean): void {
    const routes = this.#routes;
    const place: [number, number] = [routes.get(r, R.place), routes.get(r, R.place2)];
    this.#onRoute?.(row, { way: routes.get(r, R.way), place, isEntering });
  }

  #add(pair: number, peerId: Uint8Array, peerIdAt: number): number {
    this.#table = this.#table.withRoom();
    const row = this.rows.add();
    this.rows.set(row, S.pair, pair);
    this.#setKey(pair, peerId, peerIdAt);
    this.#table.add(this.#key, 0, row);
    return row;
  }

  #closeSlot(slot: number): void {
    const row = this.#table.valueAt(slot);
    for (let r = this.#firstRoute(row); r >= 0; ) {
      const next = this.#nextRoute(r);
      this.#tellRoute(row, r, false);
      this.#routes.free(r);
      r = next;
    }
    this.#table.removeAt(slot);
    this.rows.free(row);
  }

  #setKey(pair: number, peerId: Uint8Array, peerIdAt: number): void {
    writeU32(this.#key, 0, pair);
    for (let i = 0; i < 20; i++) this.#key[4 + i] = peerId[peerIdAt + i] as number;
  }
}

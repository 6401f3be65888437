import type { Accounts } from './accounts.ts';
import { pairColumn, pairStride, torrentColumn, torrentStride } from './accounts-ledger.ts';
import { routeCells, sessionColumn, sessionStride } from './accounts-sessions.ts';
import type { RowSlab } from './accounts-slab.ts';

/**
 * Accounts as bytes, for a file of our own: rows as they lie in memory, so that a million sessions are copied in a fraction of a second.
 * All is f64 in the byte order of the machine; hashes and peer ids are 20 bytes in 24.
 *
 *     header   6: origin (Unix ms of time zero), counts of users, torrents, pairs, sessions, routes
 *     users    5 each: id, uploaded, downloaded, suspicions, seenAt
 *     torrents infoHash, 7 cells          in the order that pairs name them by
 *     pairs    11 cells                   in the order that sessions name them by
 *     sessions peerId, 9 cells, number of routes, routes of 9 cells each
 *
 * Instants are on the clock of the tracker that wrote them; `origin` carries them over.
 */
const HEADER_CELLS = 6;
const USER_CELLS = 5;
const KEY_CELLS = 3;
const KEY_BYTES = 20;

const P = pairColumn;
const T = torrentColumn;
const S = sessionColumn;

/** Cells written or read one after the other. */
class Tape {
  readonly cells: Float64Array;
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(buffer: ArrayBuffer) {
    this.cells = new Float64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }
  write(value: number): void {
    this.cells[this.at++] = value;
  }
  writeRow(slab: RowSlab, row: number): void {
    const from = row * slab.stride;
    for (let i = 0; i < slab.stride; i++) this.cells[this.at++] = slab.cells[from + i]!;
  }
  writeKey(key: Uint8Array): void {
    this.#bytes.set(key, this.at * 8);
    this.at += KEY_CELLS;
  }
  /** @throws RangeError beyond the end */
  read(): number {
    if (this.at >= this.cells.length) throw new RangeError('the accounts end too early');
    return this.cells[this.at++]!;
  }
  readRow(slab: RowSlab, row: number, column: number): void {
    for (let i = column; i < slab.stride; i++) slab.set(row, i, this.read());
  }
  /** A view. */
  readKey(): Uint8Array {
    const at = this.at * 8;
    this.at += KEY_CELLS;
    if (this.at > this.cells.length) throw new RangeError('the accounts end too early');
    return this.#bytes.subarray(at, at + KEY_BYTES);
  }
}

/** @param originMs Unix ms of the tracker's time zero */
export function encodeAccounts(accounts: Accounts, originMs: number): Uint8Array<ArrayBuffer> {
  const { ledger, sessions } = accounts;
  const { pairs, torrents, users } = ledger;
  const cells =
    HEADER_CELLS +
    users.size * USER_CELLS +
    torrents.count * (KEY_CELLS + torrentStride) +
    pairs.count * pairStride +
    sessions.count * (KEY_CELLS + sessionStride + 1) +
    sessions.routeCount * routeCells;
  const buffer = new ArrayBuffer(cells * 8);
  const tape = new Tape(buffer);
  for (const value of [originMs, users.size, torrents.count, pairs.count, sessions.count, sessions.routeCount]) {
    tape.write(value);
  }
  for (const user of users.values()) {
    for (const value of [user.id, user.uploaded, user.downloaded, user.suspicionCount, user.seenAt]) tape.write(value);
  }
  /** Place of each row in the snapshot. */
  const torrentOrder = new Float64Array(torrents.end);
  let torrentCount = 0;
  for (const row of ledger.torrentRows()) {
    torrentOrder[row] = torrentCount++;
    tape.writeKey(ledger.hashOf(row));
    tape.writeRow(torrents, row);
  }
  const pairOrder = new Float64Array(pairs.end);
  let pairCount = 0;
  for (const { row } of ledger.pairRows()) {
    pairOrder[row] = pairCount++;
    const at = tape.at;
    tape.writeRow(pairs, row);
    tape.cells[at + P.torrent] = torrentOrder[pairs.get(row, P.torrent)]!;
  }
  for (const { row, peerId } of sessions.entries()) {
    tape.writeKey(peerId);
    const at = tape.at;
    tape.writeRow(sessions.rows, row);
    tape.cells[at + S.pair] = pairOrder[sessions.rows.get(row, S.pair)]!;
    const countAt = tape.at++;
    tape.at += sessions.copyRoutes(row, tape.cells, tape.at) * routeCells;
    tape.cells[countAt] = (tape.at - countAt - 1) / routeCells;
  }
  return new Uint8Array(buffer);
}

/**
 * Puts back what `encodeAccounts` wrote.
 *
 * @param accounts without anything in them
 * @param originMs of the tracker that runs now
 * @returns whether the bytes made sense; if not, the accounts are to be thrown away
 */
export function restoreAccounts(accounts: Accounts, bytes: Uint8Array, originMs: number): boolean {
  if (bytes.length % 8 !== 0) return false;
  const buffer = new ArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  try {
    const tape = new Tape(buffer);
    const shift = tape.read() - originMs;
    const [users, torrents, pairs, sessions] = [tape.read(), tape.read(), tape.read(), tape.read()];
    tape.read();
    // What is claimed cannot be more than what is there.
    const cellsLeft = tape.cells.length;
    if (!Number.isFinite(shift) || !(torrents <= cellsLeft && pairs <= cellsLeft && sessions <= cellsLeft))
      return false;
    accounts.ledger.reserve({ pairs, torrents });
    accounts.sessions.reserve(sessions);
    restoreUsers(accounts, tape, { count: users, shift });
    const torrentRows = restoreTorrents(accounts, tape, { count: torrents, shift });
    const pairRows = restorePairs(accounts, tape, { count: pairs, shift, torrentRows });
    restoreSessions(accounts, tape, { count: sessions, shift, pairRows });
    return tape.at === tape.cells.length;
  } catch (error) {
    // Beyond the end, or a row that is not there.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function restoreUsers({ ledger }: Accounts, tape: Tape, o: { count: number; shift: number }): void {
  for (let i = 0; i < o.count; i++) {
    const user = ledger.userFor(tape.read());
    user.uploaded = tape.read();
    user.downloaded = tape.read();
    user.suspicionCount = tape.read();
    user.seenAt = tape.read() + o.shift;
  }
}

function restoreTorrents({ ledger }: Accounts, tape: Tape, o: { count: number; shift: number }): number[] {
  const rows: number[] = [];
  for (let i = 0; i < o.count; i++) {
    const row = ledger.torrentFor(tape.readKey());
    tape.readRow(ledger.torrents, row, 0);
    ledger.torrents.bump(row, T.leecherSeenAt, o.shift);
    // Counted again with the pairs and sessions.
    ledger.torrents.set(row, T.leechers, 0);
    ledger.torrents.set(row, T.seeders, 0);
    ledger.torrents.set(row, T.pairs, 0);
    rows.push(row);
  }
  return rows;
}

function restorePairs(
  { ledger }: Accounts,
  tape: Tape,
  o: { count: number; shift: number; torrentRows: readonly number[] },
): number[] {
  const { pairs } = ledger;
  const rows: number[] = [];
  for (let i = 0; i < o.count; i++) {
    const userId = tape.read();
    const torrent = o.torrentRows[tape.read()];
    if (torrent === undefined) throw new RangeError('no such torrent');
    const row = ledger.pairFor(userId, ledger.hashOf(torrent), 0);
    if (row < 0) throw new RangeError('too many pairs');
    tape.readRow(pairs, row, P.uploaded);
    pairs.bump(row, P.seenAt, o.shift);
    pairs.bump(row, P.completedAt, o.shift);
    if (pairs.get(row, P.seedCountedTo) !== 0) pairs.bump(row, P.seedCountedTo, o.shift);
    pairs.set(row, P.clients, 0);
    rows.push(row);
  }
  return rows;
}

function restoreSessions(
  accounts: Accounts,
  tape: Tape,
  o: { count: number; shift: number; pairRows: readonly number[] },
): void {
  const { sessions } = accounts;
  const { rows } = sessions;
  for (let i = 0; i < o.count; i++) {
    const peerId = tape.readKey();
    const at = tape.at;
    const pair = o.pairRows[tape.cells[at + S.pair] ?? -1];
    if (pair === undefined) throw new RangeError('no such pair');
    const row = sessions.add(pair, peerId);
    tape.at = at + S.epoch;
    tape.readRow(rows, row, S.epoch);
    rows.bump(row, S.at, o.shift);
    for (let routes = tape.read(); routes > 0; routes--) {
      if (tape.at + routeCells > tape.cells.length) throw new RangeError('the accounts end too early');
      sessions.addRouteCells(row, tape.cells.subarray(tape.at, tape.at + routeCells), o.shift);
      tape.at += routeCells;
    }
    accounts.onRestored(row);
  }
}

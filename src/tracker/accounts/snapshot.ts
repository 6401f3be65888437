import type { Accounts } from './accounts.ts';
import { pairColumn, torrentColumn } from './ledger.ts';
import { accountLimits } from './limits.ts';
import type { RowSlab } from './row-slab.ts';
import { routeCells, sessionColumn, sessionStride } from './sessions.ts';

/**
 * Accounts as bytes, for a file of our own: rows as they lie in memory, so that they are copied fast.
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
const KEY_CELLS = 3;
const KEY_BYTES = 20;

const P = pairColumn;
const T = torrentColumn;
const S = sessionColumn;

/** Cells of the longest row with all that belongs to it: a session with its routes. */
const ROW_CELLS_MAX = KEY_CELLS + sessionStride + 1 + accountLimits.routesMax * routeCells;
const EMPTY = new Uint8Array(0);

/** Cells written one after the other, handed out in parts. */
class PartWriter {
  /** Of the part that is being written. */
  cells!: Float64Array;
  at = 0;
  readonly #partCells: number;
  #bytes!: Uint8Array<ArrayBuffer>;

  constructor(partCells: number) {
    this.#partCells = partCells;
    this.#begin();
  }
  /** Whether the part has as much as it should: take it before the next row. */
  get isFull(): boolean {
    return this.at >= this.#partCells;
  }
  take(): Uint8Array<ArrayBuffer> {
    const part = this.#bytes.subarray(0, this.at * 8);
    this.#begin();
    return part;
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
  #begin(): void {
    this.cells = new Float64Array(this.#partCells + ROW_CELLS_MAX);
    this.#bytes = new Uint8Array(this.cells.buffer as ArrayBuffer);
    this.at = 0;
  }
}

/** Cells read one after the other. */
class Tape {
  readonly cells: Float64Array;
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(buffer: ArrayBuffer) {
    this.cells = new Float64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }
  /** @throws RangeError beyond the end, and for what is no number: rows that are free are marked so */
  read(): number {
    if (this.at >= this.cells.length) throw new RangeError('the accounts end too early');
    const value = this.cells[this.at++]!;
    if (Number.isNaN(value)) throw new RangeError('not a number');
    return value;
  }
  /** @throws RangeError where it cannot be a count of what is there */
  readCount(): number {
    const value = this.read();
    if (!Number.isInteger(value) || value < 0 || value > this.cells.length) throw new RangeError('not a count');
    return value;
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

/**
 * The accounts as they are at the first step, in parts of half a millisecond. Between the steps the accounts may be told of more: that
 * waits, and is taken in the last steps, whose parts are empty. To be run to its end or closed (`return`), or they wait on.
 *
 * @param originMs Unix ms of the tracker's time zero
 * @param partCells for tests
 * @returns whether it is whole; false where more had to wait than may, and the accounts went on
 */
export function* encodeAccounts(
  accounts: Accounts,
  originMs: number,
  partCells: number = accountLimits.snapshotStepCells,
): Generator<Uint8Array<ArrayBuffer>, boolean> {
  accounts.hold();
  try {
    const out = new PartWriter(partCells);
    for (const _ of writeRows(accounts, originMs, out)) {
      if (!out.isFull) continue;
      yield out.take();
      if (!accounts.isHeld) return false;
    }
    yield out.take();
    if (!accounts.isHeld) return false;
    while (!accounts.letGo(accountLimits.heldRecordsStep)) yield EMPTY;
    return true;
  } finally {
    accounts.letGo();
  }
}

/** Writes all, and stops after each row. */
function* writeRows(accounts: Accounts, originMs: number, out: PartWriter): Generator<void> {
  const { ledger, sessions } = accounts;
  const { pairs, torrents, users } = ledger;
  for (const value of [originMs, users.size, torrents.count, pairs.count, sessions.count, sessions.routeCount]) {
    out.write(value);
  }
  for (const user of users.values()) {
    out.write(user.id);
    out.write(user.uploaded);
    out.write(user.downloaded);
    out.write(user.suspicionCount);
    out.write(user.seenAt);
    yield;
  }
  /** Place of each row in the snapshot. */
  const torrentOrder = new Float64Array(torrents.end);
  let torrentCount = 0;
  for (const row of torrents.rows()) {
    torrentOrder[row] = torrentCount++;
    out.writeKey(ledger.hashOf(row));
    out.writeRow(torrents, row);
    yield;
  }
  const pairOrder = new Float64Array(pairs.end);
  let pairCount = 0;
  for (const row of pairs.rows()) {
    pairOrder[row] = pairCount++;
    const at = out.at;
    out.writeRow(pairs, row);
    out.cells[at + P.torrent] = torrentOrder[pairs.get(row, P.torrent)]!;
    yield;
  }
  for (const { row, peerId } of sessions.entries()) {
    out.writeKey(peerId);
    const at = out.at;
    out.writeRow(sessions.rows, row);
    out.cells[at + S.pair] = pairOrder[sessions.rows.get(row, S.pair)]!;
    const countAt = out.at++;
    out.at += sessions.copyRoutes(row, out.cells, out.at) * routeCells;
    out.cells[countAt] = (out.at - countAt - 1) / routeCells;
    yield;
  }
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
    const [users, torrents, pairs, sessions] = [tape.readCount(), tape.readCount(), tape.readCount(), tape.readCount()];
    tape.readCount();
    if (!Number.isFinite(shift)) return false;
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
    if (sessions.find(pair, peerId, 0) >= 0) throw new RangeError('a session twice');
    const row = sessions.add(pair, peerId);
    tape.at = at + S.epoch;
    tape.readRow(rows, row, S.epoch);
    rows.bump(row, S.at, o.shift);
    for (let routes = tape.readCount(); routes > 0; routes--) {
      if (tape.at + routeCells > tape.cells.length) throw new RangeError('the accounts end too early');
      sessions.addRouteCells(row, tape.cells.subarray(tape.at, tape.at + routeCells), o.shift);
      tape.at += routeCells;
    }
    accounts.onRestored(row);
  }
}

import type { Accounts } from './accounts.ts';
import { pairColumn, pairStride, torrentColumn, torrentStride } from './accounts-ledger.ts';
import { routeCells, sessionColumn, sessionStride } from './accounts-sessions.ts';

/**
 * Accounts as bytes, for a file of our own:
 *
 *     header   f64 x 6: origin (Unix ms of time zero), counts of users, torrents, pairs, sessions, routes
 *     users    f64 x 5 each: id, uploaded, downloaded, suspicions, seenAt
 *     torrents infoHash[20], f64 x 7      in the order that pairs name them by
 *     pairs    f64 x 11                   in the order that sessions name them by
 *     sessions peerId[20], f64 x 9, f64 count, routes f64 x 9 each
 *
 * Instants are on the clock of the tracker that wrote them; `origin` carries them over.
 */
const HEADER_CELLS = 6;
const USER_CELLS = 5;

const P = pairColumn;
const T = torrentColumn;
const S = sessionColumn;

/** Writes or reads f64 and bytes one after the other. */
class Tape {
  readonly bytes: Uint8Array;
  at = 0;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  write(value: number): void {
    this.#view.setFloat64(this.at, value);
    this.at += 8;
  }
  read(): number {
    this.at += 8;
    return this.#view.getFloat64(this.at - 8);
  }
  writeBytes(from: Uint8Array): void {
    this.bytes.set(from, this.at);
    this.at += from.length;
  }
  /** A view. */
  readBytes(length: number): Uint8Array {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/** @param originMs Unix ms of the tracker's time zero */
export function encodeAccounts(accounts: Accounts, originMs: number): Uint8Array<ArrayBuffer> {
  const { ledger, sessions } = accounts;
  const { pairs, torrents, users } = ledger;
  const sizes =
    8 * (HEADER_CELLS + users.size * USER_CELLS) +
    torrents.count * (20 + 8 * torrentStride) +
    pairs.count * 8 * pairStride +
    sessions.count * (20 + 8 * (sessionStride + 1)) +
    sessions.routeCount * 8 * routeCells;
  const bytes = new Uint8Array(sizes);
  const tape = new Tape(bytes);
  for (const value of [originMs, users.size, torrents.count, pairs.count, sessions.count, sessions.routeCount]) {
    tape.write(value);
  }
  for (const user of users.values()) {
    for (const value of [user.id, user.uploaded, user.downloaded, user.suspicionCount, user.seenAt]) tape.write(value);
  }
  const torrentOrder = new Map<number, number>();
  for (const row of ledger.torrentRows()) {
    torrentOrder.set(row, torrentOrder.size);
    tape.writeBytes(ledger.hashOf(row));
    for (let column = 0; column < torrentStride; column++) tape.write(torrents.get(row, column));
  }
  const pairOrder = new Map<number, number>();
  for (const { row } of ledger.pairRows()) {
    pairOrder.set(row, pairOrder.size);
    for (let column = 0; column < pairStride; column++) {
      const value = pairs.get(row, column);
      tape.write(column === P.torrent ? (torrentOrder.get(value) as number) : value);
    }
  }
  for (const { row, peerId, routes } of sessions.entries()) {
    tape.writeBytes(peerId);
    for (let column = 0; column < sessionStride; column++) {
      const value = sessions.rows.get(row, column);
      tape.write(column === S.pair ? (pairOrder.get(value) as number) : value);
    }
    tape.write(routes.length);
    for (const cells of routes) for (const cell of cells) tape.write(cell);
  }
  return bytes;
}

/**
 * Puts back what `encodeAccounts` wrote.
 *
 * @param accounts without anything in them
 * @param originMs of the tracker that runs now
 * @returns whether the bytes made sense; if not, the accounts are to be thrown away
 */
export function restoreAccounts(accounts: Accounts, bytes: Uint8Array, originMs: number): boolean {
  try {
    const tape = new Tape(bytes);
    const origin = tape.read();
    const [users, torrents, pairs, sessions] = [tape.read(), tape.read(), tape.read(), tape.read()];
    tape.read();
    const shift = origin - originMs;
    if (!Number.isFinite(shift)) return false;
    for (let i = 0; i < users; i++) {
      const user = accounts.ledger.userFor(tape.read());
      user.uploaded = tape.read();
      user.downloaded = tape.read();
      user.suspicionCount = tape.read();
      user.seenAt = tape.read() + shift;
    }
    const torrentRows = restoreTorrents(accounts, tape, { count: torrents, shift });
    const pairRows = restorePairs(accounts, tape, { count: pairs, shift, torrentRows });
    restoreSessions(accounts, tape, { count: sessions, shift, pairRows });
    return tape.at === bytes.length;
  } catch (error) {
    // Beyond the end, or a row that is not there.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function restoreTorrents({ ledger }: Accounts, tape: Tape, o: { count: number; shift: number }): number[] {
  return Array.from({ length: o.count }, () => {
    const row = ledger.torrentFor(tape.readBytes(20));
    for (let column = 0; column < torrentStride; column++) ledger.torrents.set(row, column, tape.read());
    ledger.torrents.bump(row, T.leecherSeenAt, o.shift);
    // Counted again with the pairs and sessions.
    for (const column of [T.leechers, T.seeders, T.pairs]) ledger.torrents.set(row, column, 0);
    return row;
  });
}

function restorePairs(
  { ledger }: Accounts,
  tape: Tape,
  o: { count: number; shift: number; torrentRows: readonly number[] },
): number[] {
  return Array.from({ length: o.count }, () => {
    const userId = tape.read();
    const torrent = o.torrentRows[tape.read()];
    if (torrent === undefined) throw new RangeError('no such torrent');
    const row = ledger.pairFor(userId, ledger.hashOf(torrent), 0);
    if (row < 0) throw new RangeError('too many pairs');
    for (let column = P.uploaded; column < pairStride; column++) ledger.pairs.set(row, column, tape.read());
    for (const column of [P.seenAt, P.completedAt]) ledger.pairs.bump(row, column, o.shift);
    if (ledger.pairs.get(row, P.seedCountedTo) !== 0) ledger.pairs.bump(row, P.seedCountedTo, o.shift);
    ledger.pairs.set(row, P.clients, 0);
    return row;
  });
}

function restoreSessions(
  accounts: Accounts,
  tape: Tape,
  o: { count: number; shift: number; pairRows: readonly number[] },
): void {
  const { sessions } = accounts;
  for (let i = 0; i < o.count; i++) {
    const peerId = tape.readBytes(20);
    const cells = Array.from({ length: sessionStride }, () => tape.read());
    const pair = o.pairRows[cells[S.pair] as number];
    if (pair === undefined) throw new RangeError('no such pair');
    const routes = Array.from({ length: tape.read() }, () =>
      Float64Array.from({ length: routeCells }, () => tape.read()),
    );
    const row = sessions.restore(pair, peerId, { routes, shift: o.shift });
    for (let column = S.epoch; column < sessionStride; column++)
      sessions.rows.set(row, column, cells[column] as number);
    sessions.rows.bump(row, S.at, o.shift);
    accounts.onRestored(row);
  }
}

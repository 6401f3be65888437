import { addMs, type ConnId, FairOrder, type Millis, NEVER, type TorrentId } from '../base/index.ts';
import { limits } from './limits.ts';

export interface ReadTurnsOptions {
  readonly reading: (conn: ConnId, on: boolean) => void;
  /** Whether the limits let the torrent read; and when they will. */
  readonly mayRead: (now: Millis, torrent: TorrentId) => boolean;
  readonly opensAt: (now: Millis, torrent: TorrentId) => Millis;
}

interface Reader {
  readonly torrent: TorrentId;
  readonly conn: ConnId;
  isOn: boolean;
  /** Its last turn brought bytes: giving it one is likely to use up what there is. */
  isFresh: boolean;
  hasBrought: boolean;
  lastAt: Millis;
}

/**
 * Whose sockets are read while a download limit is in force. Where it is used up, nobody's; when it opens, those who have had least,
 * first by torrent, then by connection: one who brought something last time, and with him whoever is further behind. If that does not
 * use it up within some ms, twice as many, and so on: what one cannot use goes to others.
 *
 * Knows connections that brought payload lately; others are left alone, since they use nothing.
 */
export class ReadTurns {
  readonly #o: ReadTurnsOptions;
  readonly #readers = new Map<ConnId, Reader>();
  readonly #torrents = new FairOrder<TorrentId>(0);
  readonly #conns = new FairOrder<ConnId>(0);
  /** Those that are read. */
  readonly #on = new Set<Reader>();
  /** How many of a torrent are not, where there are any. */
  readonly #offOf = new Map<TorrentId, number>();
  #offCount = 0;
  /** When those who bring nothing are looked for next. */
  #idleLookAt = 0 as Millis;
  /** Fresh readers that get a turn at once. */
  #width = 1;
  #probeAt: Millis = NEVER;

  constructor(options: ReadTurnsOptions) {
    this.#o = options;
  }

  /** Connections that wait for the limits. */
  waiting(torrent?: TorrentId): number {
    return torrent === undefined ? this.#offCount : (this.#offOf.get(torrent) ?? 0);
  }

  /** @param rate the tightest limit in force, bytes per second; Infinity = none */
  set rate(rate: number) {
    const lag = rate === Number.POSITIVE_INFINITY ? 0 : Math.max(limits.fairLagBytesMin, rate * limits.fairLagSec);
    this.#torrents.lagBytes = lag;
    this.#conns.lagBytes = lag;
  }

  /** Payload has come in while a limit is in force. */
  took(now: Millis, torrent: TorrentId, conn: ConnId, bytes: number): void {
    let reader = this.#readers.get(conn);
    if (reader === undefined) {
      reader = { torrent, conn, isOn: true, isFresh: true, hasBrought: true, lastAt: now };
      this.#readers.set(conn, reader);
      this.#on.add(reader);
    }
    reader.lastAt = now;
    reader.hasBrought = true;
    this.#torrents.took(torrent, bytes);
    this.#conns.took(conn, bytes);
    if (!this.#o.mayRead(now, torrent)) this.#pause(now);
  }

  forget(conn: ConnId): void {
    const reader = this.#readers.get(conn);
    if (reader === undefined) return;
    if (!reader.isOn) this.#countOff(reader.torrent, -1);
    this.#on.delete(reader);
    this.#readers.delete(conn);
    this.#conns.forget(conn);
  }

  forgetTorrent(torrent: TorrentId): void {
    this.#torrents.forget(torrent);
  }

  /** When `resume` is due. */
  nextAt(now: Millis): Millis {
    if (this.#offCount === 0) return NEVER;
    let at: number = this.#probeAt;
    // While some are tried, others wait for the end of the try; where the limit has opened since, it is due now.
    const isTrying = this.#probeAt !== NEVER;
    for (const torrent of this.#offOf.keys()) {
      if (isTrying && this.#o.mayRead(now, torrent)) continue;
      at = Math.min(at, this.#o.opensAt(now, torrent));
    }
    return at as Millis;
  }

  /** Gives turns, if there is anything to be had. */
  resume(now: Millis): void {
    this.#probeAt = NEVER;
    if (this.#offCount === 0) return;
    const waiting = [...this.#readers.values()].filter((r) => !r.isOn && this.#o.mayRead(now, r.torrent));
    if (waiting.length === 0) return;
    const place = (r: Reader) => ({
      r,
      torrent: this.#torrents.standing(r.torrent),
      conn: this.#conns.standing(r.conn),
    });
    const order = waiting.map(place).sort((a, b) => a.torrent - b.torrent || a.conn - b.conn || a.r.conn - b.r.conn);
    let fresh = 0;
    for (const { r } of order) {
      if (r.isFresh && ++fresh > this.#width) break;
      this.#turnOn(r);
    }
    if (this.#offCount === 0) return;
    this.#width *= 2;
    this.#probeAt = addMs(now, limits.readProbeMs);
  }

  #turnOn(reader: Reader): void {
    reader.isOn = true;
    reader.hasBrought = false;
    this.#on.add(reader);
    this.#countOff(reader.torrent, -1);
    this.#o.reading(reader.conn, true);
  }

  #pause(now: Millis): void {
    this.#width = 1;
    this.#probeAt = NEVER;
    for (const reader of this.#on) {
      if (this.#o.mayRead(now, reader.torrent)) continue;
      reader.isFresh = reader.hasBrought;
      reader.isOn = false;
      this.#on.delete(reader);
      this.#countOff(reader.torrent, 1);
      this.#o.reading(reader.conn, false);
    }
    if (now >= this.#idleLookAt) this.#letGoIdle(now);
  }

  /** Who brings nothing takes no part. A look at all of them: now and then, not whenever a limit is used up. */
  #letGoIdle(now: Millis): void {
    this.#idleLookAt = addMs(now, limits.readerIdleMs / 4);
    for (const reader of this.#readers.values()) {
      if (reader.isOn || now - reader.lastAt <= limits.readerIdleMs) continue;
      this.#turnOn(reader);
      this.#on.delete(reader);
      this.#readers.delete(reader.conn);
    }
  }

  #countOff(torrent: TorrentId, by: 1 | -1): void {
    this.#offCount += by;
    const left = (this.#offOf.get(torrent) ?? 0) + by;
    if (left === 0) this.#offOf.delete(torrent);
    else this.#offOf.set(torrent, left);
  }
}

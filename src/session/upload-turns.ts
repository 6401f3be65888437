import { FairOrder, type Millis, type TorrentId } from '../base/index.ts';
import type { Bandwidth } from './bandwidth.ts';
import { limits } from './limits.ts';

/**
 * Who may send while an upload limit is in force: torrents that were told to wait are woken one at a time, the one that has had least
 * first, and each sends a turn's worth while others wait. What one cannot use goes to the next at once.
 */
export class UploadTurns {
  readonly #bandwidth: Bandwidth;
  readonly #order = new FairOrder<TorrentId>(0);
  readonly #waiting = new Set<TorrentId>();
  /** Whose turn it is within this input, and what is left of it. */
  #serving: TorrentId | undefined;
  #left = 0;

  constructor(bandwidth: Bandwidth) {
    this.#bandwidth = bandwidth;
  }

  /** Torrents that wait for the limits. */
  waiting(torrent?: TorrentId): number {
    if (torrent !== undefined) return this.#waiting.has(torrent) ? 1 : 0;
    return this.#waiting.size;
  }

  /** Payload bytes that the torrent may send now; 0: it waits, and is named by `next` later. */
  allowance(now: Millis, torrent: TorrentId): number {
    const isServed = this.#serving === torrent;
    let bytes = this.#bandwidth.uploadAllowance(now, torrent);
    if (isServed) bytes = Math.min(bytes, this.#left);
    // Some peer of it has waited longer than this one: it is asked for in its turn.
    else if (this.#waiting.has(torrent)) bytes = 0;
    else if (bytes > 0 && this.#bandwidth.isUploadShared && this.#isAnotherReady(now, torrent)) bytes = 0;
    if (bytes <= 0) this.#waiting.add(torrent);
    return Math.max(0, bytes);
  }

  took(now: Millis, torrent: TorrentId, bytes: number): void {
    this.#bandwidth.tookUpload(now, torrent, bytes);
    if (!this.#bandwidth.isUploadShared) return;
    this.#order.lagBytes = Math.max(limits.fairLagBytesMin, this.#bandwidth.sessionUpload * limits.fairLagSec);
    this.#order.took(torrent, bytes);
    if (this.#serving === torrent) this.#left -= bytes;
  }

  /** The torrent that is to send now, if the limits let anybody. To be called again until there is none. */
  next(now: Millis): TorrentId | undefined {
    this.#serving = undefined;
    const ready = [...this.#waiting].filter((t) => this.#bandwidth.uploadAllowance(now, t) > 0);
    const torrent = this.#order.first(ready);
    if (torrent === undefined) return undefined;
    this.#waiting.delete(torrent);
    this.#serving = torrent;
    this.#left = ready.length > 1 ? this.#bandwidth.uploadTurn : Number.POSITIVE_INFINITY;
    return torrent;
  }

  /** When `next` may have an answer. */
  nextAt(now: Millis): Millis {
    let at: number = Number.POSITIVE_INFINITY;
    for (const torrent of this.#waiting) at = Math.min(at, this.#bandwidth.uploadOpensAt(now, torrent));
    return at as Millis;
  }

  forget(torrent: TorrentId): void {
    this.#waiting.delete(torrent);
    this.#order.forget(torrent);
  }

  #isAnotherReady(now: Millis, torrent: TorrentId): boolean {
    for (const other of this.#waiting) {
      if (other !== torrent && this.#bandwidth.uploadAllowance(now, other) > 0) return true;
    }
    return false;
  }
}

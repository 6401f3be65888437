import { addMs, type BtError, type Millis } from '../base/index.ts';
import type { SwarmContext } from './context.ts';
import type { Downloader } from './downloader.ts';
import { limits } from './limits.ts';

/**
 * Trouble of the disk that may pass (it is full, an error of the medium): the download pauses and tries again every so often; what is here
 * is still given to others meanwhile.
 */
export class DiskTrouble {
  readonly #ctx: SwarmContext;
  readonly #retryAt: (at: Millis) => void;
  #waitingFor: BtError | undefined;

  /** @param retryAt sets the timer that leads to `Downloader.resume` */
  constructor(ctx: SwarmContext, retryAt: (at: Millis) => void) {
    this.#ctx = ctx;
    this.#retryAt = retryAt;
  }

  get waitingFor(): BtError | undefined {
    return this.#waitingFor;
  }

  /** A piece was stored. */
  isOver(): void {
    this.#waitingFor = undefined;
  }

  /** A piece could not be stored: it is offered again. @returns false where waiting will not help: it is the torrent's end */
  holdBack(
    downloader: Downloader | undefined,
    piece: number,
    segments: (Uint8Array | undefined)[],
    error: BtError,
  ): boolean {
    if (!isPassing(error)) return false;
    return downloader?.holdBack(piece, segments, error) === true && this.wait(downloader, error);
  }

  /** @returns false where waiting will not help */
  wait(downloader: Downloader, error: BtError): boolean {
    if (!isPassing(error)) return false;
    const { host, torrent, now } = this.#ctx;
    if (this.#waitingFor === undefined) host.emit({ type: 'waiting', torrent, error });
    this.#waitingFor = error;
    downloader.pause();
    this.#retryAt(addMs(now, limits.pool.diskRetryMs));
    return true;
  }
}

function isPassing(error: BtError): boolean {
  return error.code === 'disk/no-space' || error.code === 'disk/io';
}

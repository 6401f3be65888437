import { addMs, type BtError, type Millis } from '../base/index.ts';
import type { Content } from './content.ts';
import type { SwarmContext } from './context.ts';
import { limits } from './limits.ts';

/**
 * Trouble with writing that may pass. Where the disk is full or the folder is closed to us, the download pauses; where one file fails, only
 * its pieces do. What could not be stored is kept and offered again every so often, and what is here is still given to others meanwhile.
 */
export class DiskTrouble {
  readonly #ctx: SwarmContext;
  readonly #retryAt: (at: Millis) => void;
  #error: BtError | undefined;
  #isPaused = false;
  /** What is held has been offered again, and nothing was answered yet. */
  #isTrying = false;

  /** @param retryAt sets the timer that leads to `retry` */
  constructor(ctx: SwarmContext, retryAt: (at: Millis) => void) {
    this.#ctx = ctx;
    this.#retryAt = retryAt;
  }

  get waitingFor(): BtError | undefined {
    return this.#error;
  }

  /**
   * A piece could not be stored.
   *
   * @returns `held`: it is offered again; `dropped`: it has to be fetched again when the trouble is over; `fatal`: it is the torrent's end
   */
  holdBack(
    content: Content | undefined,
    piece: number,
    segments: (Uint8Array | undefined)[],
    error: BtError,
  ): 'held' | 'dropped' | 'fatal' {
    if (!isPassing(error)) return 'fatal';
    // All is being looked at anew, or the torrent ends: what was under way is not asked for again before that is over.
    if (content === undefined) return 'dropped';
    const { downloader } = content;
    const files = new Set(content.filesOf(piece));
    const isWaiting = downloader.heldPieces.some((held) => content.filesOf(held).some((file) => files.has(file)));
    // What went to disk before is gone with its file; and one piece is enough to try a file with.
    const isKept = isOfFile(error) ? !(isWaiting || (isChange(error) && segments.includes(undefined))) : true;
    const isHeld = isKept && downloader.holdBack(piece, segments);
    this.wait(content, error, piece);
    return isHeld ? 'held' : 'dropped';
  }

  /**
   * @param content undefined while no work is done
   * @param piece which could not be written; undefined: none can
   * @returns false where waiting will not help
   */
  wait(content: Content | undefined, error: BtError, piece?: number): boolean {
    if (!isPassing(error)) return false;
    if (content === undefined) return true;
    const { host, torrent } = this.#ctx;
    if (piece !== undefined && isOfFile(error)) content.downloader.block(content.filesOf(piece));
    else {
      this.#isPaused = true;
      content.downloader.pause();
    }
    this.#isTrying = false;
    const isNew = this.#error === undefined;
    this.#error = error;
    if (isNew) host.emit({ type: 'waiting', torrent, error });
    this.#plan();
    return true;
  }

  /** A piece was stored: what is held for the same reason is tried at once. */
  onStored(content: Content, piece: number): void {
    if (this.#error === undefined) return;
    const { downloader } = content;
    downloader.unblock(content.filesOf(piece));
    // What fits on a full disk by chance is no reason to ask for more before the next try.
    if (this.#isTrying) this.#goOn(content);
    else if (!this.#isPaused && !downloader.isBlocked) downloader.offerAgain();
    if (!downloader.isBlocked) this.#error = undefined;
  }

  /** Tries again: with what is held, or, where nothing is, by going on. */
  retry(content: Content): void {
    if (this.#error === undefined && !this.#isPaused) return;
    const { downloader } = content;
    const held = downloader.heldPieces;
    downloader.unblock(undefined);
    for (const piece of held) downloader.block(content.filesOf(piece));
    if (held.length > 0) {
      this.#isTrying = true;
      downloader.offerAgain();
    } else this.#goOn(content);
    this.#plan();
  }

  #goOn({ downloader }: Content): void {
    this.#isTrying = false;
    this.#isPaused = false;
    downloader.resume();
  }

  /** All data is looked at anew. */
  forget({ downloader }: Content): void {
    downloader.unblock(undefined);
    this.#error = undefined;
    this.#isPaused = false;
    this.#isTrying = false;
  }

  #plan(): void {
    this.#retryAt(addMs(this.#ctx.now, limits.pool.diskRetryMs));
  }
}

/** Somebody else has changed or deleted a file. */
export function isChange(error: BtError): boolean {
  return error.code === 'disk/changed' || error.code === 'disk/not-found';
}

function isOfFile(error: BtError): boolean {
  return error.code === 'disk/io' || isChange(error);
}

function isPassing(error: BtError): boolean {
  return error.code === 'disk/no-space' || error.code === 'disk/access' || isOfFile(error);
}

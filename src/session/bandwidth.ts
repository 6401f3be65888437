import { type Millis, NEVER, TokenBucket, type TokenRate, type TorrentId } from '../base/index.ts';
import { BLOCK_LENGTH } from '../metainfo/index.ts';
import { limits } from './limits.ts';

export interface Rates {
  /** Bytes per second; Infinity = no limit. */
  readonly upload: number;
  readonly download: number;
}

interface Buckets {
  readonly upload: TokenBucket;
  readonly download: TokenBucket;
}

/**
 * Upload and download limits of the session and of each torrent. Upload: payload leaves only while both buckets are open. Download:
 * reading from sockets stops while a bucket is in debt, and TCP tells the sender. A debt is always paid back, so the average is exact
 * even though one read or one run may overshoot.
 *
 * Counted is payload: the bytes of blocks, wanted or not. Headers of messages, control messages and what TCP and IP add are not.
 */
export class Bandwidth {
  readonly #all: Buckets;
  readonly #of = new Map<TorrentId, Buckets>();

  constructor(options: Rates & { now: Millis }) {
    this.#all = toBuckets(options.now, options);
  }

  addTorrent(now: Millis, torrent: TorrentId, rates: Rates): void {
    this.#of.set(torrent, toBuckets(now, rates));
  }

  removeTorrent(torrent: TorrentId): void {
    this.#of.delete(torrent);
  }

  setSession(now: Millis, rates: Partial<Rates>): void {
    setBuckets(now, this.#all, rates);
  }

  setTorrent(now: Millis, torrent: TorrentId, rates: Partial<Rates>): void {
    const own = this.#of.get(torrent);
    if (own !== undefined) setBuckets(now, own, rates);
    else this.addTorrent(now, torrent, { upload: NEVER, download: NEVER, ...rates });
  }

  /** Payload bytes that may leave in one go; 0 while a limit is used up. */
  uploadAllowance(now: Millis, torrent: TorrentId): number {
    const own = this.#of.get(torrent)?.upload;
    if (own?.isOpen(now) === false || !this.#all.upload.isOpen(now)) return 0;
    return toTurnBytes(Math.min(own?.rate ?? NEVER, this.#all.upload.rate));
  }

  /** Torrents share the session's limit: they take turns. */
  get isUploadShared(): boolean {
    return this.#all.upload.rate !== Number.POSITIVE_INFINITY;
  }
  /** Bytes of payload that a torrent sends in its turn. */
  get uploadTurn(): number {
    return toTurnBytes(this.#all.upload.rate);
  }
  get sessionUpload(): number {
    return this.#all.upload.rate;
  }

  /** The tightest download limit of all, bytes per second; Infinity = none. */
  get tightestDownload(): number {
    let rate = this.#all.download.rate;
    for (const { download } of this.#of.values()) rate = Math.min(rate, download.rate);
    return rate;
  }

  tookUpload(now: Millis, torrent: TorrentId, bytes: number): void {
    this.#of.get(torrent)?.upload.take(now, bytes);
    this.#all.upload.take(now, bytes);
  }

  tookDownload(now: Millis, torrent: TorrentId, bytes: number): void {
    this.#of.get(torrent)?.download.take(now, bytes);
    this.#all.download.take(now, bytes);
  }

  mayRead(now: Millis, torrent: TorrentId): boolean {
    return this.#all.download.isOpen(now) && this.#of.get(torrent)?.download.isOpen(now) !== false;
  }

  uploadOpensAt(now: Millis, torrent: TorrentId): Millis {
    return Math.max(this.#all.upload.opensAt(now), this.#of.get(torrent)?.upload.opensAt(now) ?? 0) as Millis;
  }

  readOpensAt(now: Millis, torrent: TorrentId): Millis {
    return Math.max(this.#all.download.opensAt(now), this.#of.get(torrent)?.download.opensAt(now) ?? 0) as Millis;
  }

  /** The tighter of the two limits, bytes per second; undefined = none. */
  uploadLimit(torrent: TorrentId): number | undefined {
    const rate = Math.min(this.#all.upload.rate, this.#of.get(torrent)?.upload.rate ?? NEVER);
    return rate === Number.POSITIVE_INFINITY ? undefined : rate;
  }

  isDownloadLimited(torrent: TorrentId): boolean {
    return Math.min(this.#all.download.rate, this.#of.get(torrent)?.download.rate ?? NEVER) !== (NEVER as number);
  }
}

/** Payload that one read may bring under a download limit. */
export function toReadBytes(rate: number): number {
  return Math.min(limits.readBytesMax, Math.max(limits.readBytesMin, Math.floor(rate * limits.readSec)));
}

/** Payload that may leave in one go under an upload limit: Infinity where there is none. */
function toTurnBytes(rate: number): number {
  if (rate === Number.POSITIVE_INFINITY) return rate;
  return Math.min(limits.turnBytesMax, Math.max(limits.turnBytesMin, Math.floor(rate * limits.turnSec)));
}

function toTokenRate(rate: number): TokenRate {
  if (rate === Number.POSITIVE_INFINITY) return { rate, burst: rate };
  const most = rate * limits.burstAndBlockSec - BLOCK_LENGTH;
  const burst = rate <= 0 ? 0 : Math.max(limits.burstBytesMin, Math.min(rate * limits.burstSec, most));
  return { rate, burst, reserve: Math.min(burst, rate * limits.reopenSec) };
}

function toBuckets(now: Millis, rates: Rates): Buckets {
  return {
    upload: new TokenBucket({ ...toTokenRate(rates.upload), now }),
    download: new TokenBucket({ ...toTokenRate(rates.download), now }),
  };
}

function setBuckets(now: Millis, buckets: Buckets, rates: Partial<Rates>): void {
  if (rates.upload !== undefined) buckets.upload.setRate(now, toTokenRate(rates.upload));
  if (rates.download !== undefined) buckets.download.setRate(now, toTokenRate(rates.download));
}

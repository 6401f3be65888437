import { type Millis, NEVER, TokenBucket, type TorrentId } from '../base/index.ts';
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
    return Math.min(toBurst(own?.rate ?? NEVER), toBurst(this.#all.upload.rate));
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

function toBurst(rate: number): number {
  return Math.max(limits.burstBytesMin, rate * limits.burstSec);
}

function toBuckets(now: Millis, rates: Rates): Buckets {
  return {
    upload: new TokenBucket({ rate: rates.upload, burst: toBurst(rates.upload), now }),
    download: new TokenBucket({ rate: rates.download, burst: toBurst(rates.download), now }),
  };
}

function setBuckets(now: Millis, buckets: Buckets, rates: Partial<Rates>): void {
  if (rates.upload !== undefined) buckets.upload.setRate(now, { rate: rates.upload, burst: toBurst(rates.upload) });
  if (rates.download !== undefined)
    buckets.download.setRate(now, { rate: rates.download, burst: toBurst(rates.download) });
}

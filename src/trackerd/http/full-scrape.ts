import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { addMs, type Millis } from '../../base/index.ts';
import type { WalkedSwarm } from '../../tracker/index.ts';
import { httpScrapeBytesMax, writeHttpScrapeEnd, writeHttpScrapeRow, writeHttpScrapeStart } from '../../wire/index.ts';
import type { FrontLimits } from '../limits.ts';

/** The part of a store that can show all its swarms, a bounded number a call (`DenseStore.walk`). */
export interface SwarmWalk {
  walk(cursor: number, max: number, visit: (swarm: WalkedSwarm) => void): number;
}

export interface FullScrapeOptions {
  readonly store: SwarmWalk;
  readonly limits: FrontLimits;
  /** A bug of ours. */
  readonly onBug: (error: unknown) => void;
}

/** Swarms looked at between two turns of the event loop: under a millisecond. */
const WALK_SWARMS = 500;
const BUCKETS = 4_096;

/**
 * The answer to a scrape that names no torrent: every torrent the tracker has, as one bencoded dictionary, chunked, and compressed for who
 * takes it so.
 *
 * Bencode wants keys in their order and the store has its own, so all swarms are first copied (32 bytes each) into buckets by the first 12
 * bits of their info-hash, in short steps between which the tracker goes on answering; then bucket after bucket is sorted and sent, as fast
 * as the client takes it. So many at once and so many a minute.
 */
export class FullScrape {
  readonly #o: FullScrapeOptions;
  #running = 0;
  /** When the last ones began, at most `fullScrapesPerMinute`. */
  readonly #begun: Millis[] = [];

  constructor(options: FullScrapeOptions) {
    this.#o = options;
  }

  /** @returns seconds until there is room for another one; 0 = `send` may be called */
  waitSec(now: Millis): number {
    const { fullScrapesAtOnce, fullScrapesPerMinute } = this.#o.limits;
    while (this.#begun.length > 0 && addMs(this.#begun[0] as Millis, 60_000) <= now) this.#begun.shift();
    if (this.#running >= fullScrapesAtOnce) return 60;
    if (this.#begun.length < fullScrapesPerMinute) return 0;
    return Math.ceil((addMs(this.#begun[0] as Millis, 60_000) - now) / 1_000);
  }

  /** Answers; ends when the client has everything, is gone or was too slow. Never rejects. */
  async send(now: Millis, response: ServerResponse, o: { acceptsGzip: boolean; isHead: boolean }): Promise<void> {
    this.#begun.push(now);
    this.#running++;
    const timer = setTimeout(() => response.destroy(), this.#o.limits.fullScrapeTimeoutMs);
    timer.unref();
    try {
      response.writeHead(200, {
        'content-type': 'text/plain',
        'cache-control': 'no-store',
        ...(o.acceptsGzip ? { 'content-encoding': 'gzip' } : {}),
      });
      if (o.isHead) response.end();
      else await this.#stream(response, o.acceptsGzip);
    } catch (error) {
      response.destroy();
      if (!isGone(error)) this.#o.onBug(error);
    } finally {
      clearTimeout(timer);
      this.#running--;
    }
  }

  async #stream(response: ServerResponse, isCompressed: boolean): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const buckets = await this.#collect(gone.signal);
    const out: Writable = isCompressed ? createGzip({ level: 1 }) : response;
    if (out !== response) out.once('error', () => response.destroy()).pipe(response as Writable);
    const start = new Uint8Array(httpScrapeBytesMax(0));
    out.write(start.subarray(0, writeHttpScrapeStart(start, 0)));
    for (let i = 0; i < BUCKETS && !gone.signal.aborted; i++) {
      const bucket = buckets[i];
      buckets[i] = undefined;
      if (bucket === undefined) continue;
      if (out.write(bucket.encode())) await nextTurn();
      else await once(out, 'drain', { signal: gone.signal });
    }
    const end = new Uint8Array(httpScrapeBytesMax(0));
    out.end(end.subarray(0, writeHttpScrapeEnd(end, 0)));
    if (!gone.signal.aborted) await once(response, 'close');
  }

  async #collect(gone: AbortSignal): Promise<(Bucket | undefined)[]> {
    const buckets = new Array<Bucket | undefined>(BUCKETS).fill(undefined);
    const visit = (swarm: WalkedSwarm): void => {
      const { infoHash } = swarm;
      const place = ((infoHash[0] as number) << 4) | ((infoHash[1] as number) >> 4);
      const bucket = buckets[place] ?? new Bucket();
      buckets[place] = bucket;
      bucket.add(swarm);
    };
    for (let cursor = 0; cursor >= 0 && !gone.aborted; await nextTurn()) {
      cursor = this.#o.store.walk(cursor, WALK_SWARMS, visit);
    }
    return buckets;
  }
}

/** Swarms whose info-hashes begin alike. */
class Bucket {
  #count = 0;
  #hashes = new Uint8Array(4 * 20);
  #rows = new Uint32Array(4 * 3);

  add(swarm: WalkedSwarm): void {
    if (this.#count * 20 === this.#hashes.length) {
      const hashes = new Uint8Array(this.#hashes.length * 2);
      hashes.set(this.#hashes);
      this.#hashes = hashes;
      const rows = new Uint32Array(this.#rows.length * 2);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    this.#hashes.set(swarm.infoHash, this.#count * 20);
    this.#rows[this.#count * 3] = swarm.complete;
    this.#rows[this.#count * 3 + 1] = swarm.downloaded;
    this.#rows[this.#count * 3 + 2] = swarm.incomplete;
    this.#count++;
  }

  /** The rows in the order of their hashes, as bencode. */
  encode(): Uint8Array {
    const fields = { hashBytes: this.#hashes, hashAt: 0, count: this.#count, rows: this.#rows };
    const out = new Uint8Array(httpScrapeBytesMax(this.#count));
    const order = Array.from({ length: this.#count }, (_, i) => i).sort((a, b) => this.#compare(a, b));
    let at = 0;
    order.forEach((row, i) => {
      // A swarm that went and came again during the walk may have been shown twice; a dictionary holds it once.
      if (i > 0 && this.#compare(order[i - 1] as number, row) === 0) return;
      at = writeHttpScrapeRow(out, at, fields, row);
    });
    return out.subarray(0, at);
  }

  #compare(a: number, b: number): number {
    for (let i = 0; i < 20; i++) {
      const difference = (this.#hashes[a * 20 + i] as number) - (this.#hashes[b * 20 + i] as number);
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

/** The client went away in the middle. */
function isGone(error: unknown): boolean {
  const { name, code } = error as NodeJS.ErrnoException;
  return name === 'AbortError' || code === 'ERR_STREAM_DESTROYED' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

import { formatIp, isDialable, type Millis, parseIp, type Rng } from '../base/index.ts';
import type { AnnounceAnswer, ScrapeCounts, TrackerRefusal } from '../wire/index.ts';
import type { TrackerAnnounce, TrackerHooks, TrackerScrape } from './hooks.ts';
import type { TrackerLimits } from './limits.ts';
import type { SwarmStore } from './swarm-store.ts';

export type AnnounceVerdict =
  | { readonly ok: true; readonly answer: AnnounceAnswer }
  | { readonly ok: false; readonly refusal: TrackerRefusal };
export type ScrapeVerdict =
  | { readonly ok: true; readonly rows: readonly ScrapeCounts[] }
  | { readonly ok: false; readonly refusal: TrackerRefusal };

/**
 * What every transport of a tracker shares: hooks, who a peer is, how many peers it gets, when it comes back. Knows no packets and no
 * sockets. The peers of an answer are lent until the next call.
 */
export class TrackerLogic {
  readonly #store: SwarmStore;
  readonly #limits: TrackerLimits;
  readonly #hooks: readonly TrackerHooks[];
  readonly #rng: Rng;

  constructor(options: { store: SwarmStore; limits: TrackerLimits; hooks?: readonly TrackerHooks[]; rng: Rng }) {
    this.#store = options.store;
    this.#limits = options.limits;
    this.#hooks = options.hooks ?? [];
    this.#rng = options.rng;
  }

  announce(now: Millis, a: TrackerAnnounce): AnnounceVerdict {
    const { request } = a;
    // A store would keep it and others would dial it in vain. Who leaves may say what he likes.
    if (request.port === 0 && request.event !== 'stopped') {
      return { ok: false, refusal: { reason: 'port is not 1 to 65535' } };
    }
    for (const hook of this.#hooks) {
      const refusal = hook.preAnnounce?.(a);
      if (refusal !== undefined) return { ok: false, refusal };
    }
    const found = this.#store.announce(now, {
      infoHash: request.infoHash,
      address: toPeerIp(a),
      port: request.port,
      isSeeder: request.left === 0,
      event: request.event,
      numWant: this.#numWantOf(a),
      families: a.families,
    });
    if (!found.isStored) {
      return { ok: false, refusal: { reason: 'the tracker is full', retryInSec: this.#limits.retryWhenFullSec } };
    }
    const { complete, incomplete, downloaded, peers4, peers6 } = found;
    const { intervalSec, intervalJitterSec, minIntervalSec } = this.#limits;
    const answer: AnnounceAnswer = {
      intervalSec: intervalSec + (intervalJitterSec > 0 ? this.#rng.below(intervalJitterSec + 1) : 0),
      minIntervalSec,
      complete,
      incomplete,
      downloaded,
      peers4,
      peers6,
    };
    for (const hook of this.#hooks) hook.postAnnounce?.(a, answer);
    return { ok: true, answer };
  }

  scrape(s: TrackerScrape): ScrapeVerdict {
    for (const hook of this.#hooks) {
      const refusal = hook.preScrape?.(s);
      if (refusal !== undefined) return { ok: false, refusal };
    }
    return { ok: true, rows: this.#store.scrape(s.infoHashes.slice(0, this.#limits.scrapeHashesMax)) };
  }

  /** A bounded step of forgetting silent peers; call it a few times a second. @returns peers removed */
  sweep(now: Millis): number {
    return this.#store.sweep(now);
  }

  #numWantOf(a: TrackerAnnounce): number {
    const { numWant } = a.request;
    const wanted = numWant < 0 ? this.#limits.numWantDefault : numWant;
    return Math.min(wanted, this.#limits.numWantMax, a.peersMax);
  }
}

/**
 * The address others will dial. The one a client names itself is believed only from loopback and private networks, where the tracker
 * sees an address that is of no use to peers outside; from anywhere else it would let one host send a swarm against another.
 */
function toPeerIp(a: TrackerAnnounce): Uint8Array {
  const named = a.request.ip === undefined || !isLocalNetwork(a.source) ? undefined : parseIp(a.request.ip);
  return named !== undefined && isDialable({ host: formatIp(named), port: 1 }) ? named : a.source;
}

/** Loopback, private and link-local networks of both families (RFC 1918, 3927, 4193, 4291). @param ip 4 or 16 bytes */
export function isLocalNetwork(ip: Uint8Array): boolean {
  const [a = 0, b = 0] = ip;
  if (ip.length === 4) {
    return (
      a === 127 || a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 169 && b === 254)
    );
  }
  const isLoopback = ip[15] === 1 && ip.subarray(0, 15).every((x) => x === 0);
  return isLoopback || (a & 0xfe) === 0xfc || (a === 0xfe && (b & 0xc0) === 0x80);
}

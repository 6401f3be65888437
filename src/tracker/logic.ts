import { formatIp, isDialable, isLocalNetwork, type Millis, parseIp, type Rng } from '../base/index.ts';
import type { TrackerRefusal } from '../wire/index.ts';
import type { AnnounceCall, ScrapeCall } from './calls.ts';
import type { TrackerHooks } from './hooks.ts';
import type { TrackerLimits } from './limits.ts';
import { refusalReason } from './refusals.ts';
import type { SwarmStore } from './swarm-store.ts';

/**
 * What every transport of a tracker shares: hooks, who a peer is, how many peers it gets, when it comes back. Knows no packets and no
 * sockets.
 */
export class TrackerLogic {
  readonly #store: SwarmStore;
  #limits: TrackerLimits;
  readonly #rng: Rng;
  #hooks: readonly TrackerHooks[];

  constructor(options: { store: SwarmStore; limits: TrackerLimits; hooks?: readonly TrackerHooks[]; rng: Rng }) {
    this.#store = options.store;
    this.#limits = options.limits;
    this.#hooks = options.hooks ?? [];
    this.#rng = options.rng;
  }

  /** Replaces the limits from the next call on; those of the store stay. */
  setLimits(limits: TrackerLimits): void {
    this.#limits = limits;
  }

  /** Replaces the hooks from the next call on. */
  setHooks(hooks: readonly TrackerHooks[]): void {
    this.#hooks = hooks;
  }

  /** A hint: the info-hashes of the announces that come next, see `SwarmStore.lookAhead`. */
  lookAhead(hashBytes: Uint8Array, ats: Int32Array, count: number): void {
    this.#store.lookAhead?.(hashBytes, ats, count);
  }

  /** Fills in the answer. @returns why the client is turned away, or undefined where the answer is good */
  announce(now: Millis, call: AnnounceCall): TrackerRefusal | undefined {
    // A store would keep it and others would dial it in vain. Who leaves may say what he likes.
    if (call.port === 0 && call.event !== 'stopped') return PORT_REFUSAL;
    call.userId = 0;
    call.warning = '';
    const hooks = this.#hooks;
    for (let i = 0; i < hooks.length; i++) {
      const refusal = hooks[i]?.preAnnounce?.(call, now);
      if (refusal !== undefined) return refusal;
    }
    if (call.via !== 'ws') setPeer(call);
    const wanted = call.numWant < 0 ? this.#limits.numWantDefault : call.numWant;
    call.numGiven = Math.min(wanted, this.#limits.numWantMax, call.peersMax);
    this.#store.announce(now, call);
    if (!call.isStored) return this.fullRefusal;
    const { intervalSec, intervalJitterSec, minIntervalSec } = this.#limits;
    call.intervalSec = intervalSec + (intervalJitterSec > 0 ? this.#rng.below(intervalJitterSec + 1) : 0);
    call.minIntervalSec = minIntervalSec;
    for (let i = 0; i < hooks.length; i++) hooks[i]?.postAnnounce?.(call, now);
    return undefined;
  }

  /** For whom there is no room: in the store, or in what a transport keeps of its own. */
  get fullRefusal(): TrackerRefusal {
    return { reason: refusalReason.full, retryInSec: this.#limits.retryWhenFullSec };
  }

  /** Fills in the rows, of the first `scrapeHashesMax` hashes. @returns why the client is turned away, or undefined where the answer is good */
  scrape(now: Millis, call: ScrapeCall): TrackerRefusal | undefined {
    call.userId = 0;
    const hooks = this.#hooks;
    for (let i = 0; i < hooks.length; i++) {
      const refusal = hooks[i]?.preScrape?.(call, now);
      if (refusal !== undefined) return refusal;
    }
    call.count = Math.min(call.count, this.#limits.scrapeHashesMax);
    this.#store.scrape(call);
    return undefined;
  }

  /** A bounded step of forgetting silent peers; call it a few times a second. @returns peers removed */
  sweep(now: Millis): number {
    return this.#store.sweep(now);
  }
}

const PORT_REFUSAL: TrackerRefusal = { reason: 'port is not 1 to 65535' };

/**
 * The address others will dial. The one a client names itself is believed only from loopback and private networks, where the tracker
 * sees an address that is of no use to peers outside; from anywhere else it would let one host send a swarm against another.
 */
function setPeer(call: AnnounceCall): void {
  if (call.namedIp !== '' && isLocalNetwork(call.sourceBytes, call.sourceAt, call.sourceLength)) {
    const named = parseIp(call.namedIp);
    if (named !== undefined && isDialable({ host: formatIp(named), port: 1 })) {
      call.peerBytes = named;
      call.peerAt = 0;
      call.network = named.length === 4 ? 4 : 6;
      return;
    }
  }
  call.peerBytes = call.sourceBytes;
  call.peerAt = call.sourceAt;
  call.network = call.sourceLength === 4 ? 4 : 6;
}

import { BtError, parseIp, type Rng } from '../base/index.ts';
import type { AnnounceResult, ScrapeResult } from '../swarm/index.ts';
import {
  AnnounceCall,
  DenseStore,
  ScrapeCall,
  type TrackerLimits,
  TrackerLogic,
  toTrackerLimits,
} from '../tracker/index.ts';
import { type AnnounceRequest, type AnnounceResponse, decodeCompactPeers } from '../wire/index.ts';
import type { NetHost } from './net/net.ts';
import type { SimWorld } from './world.ts';

/**
 * `down`: connections are refused · `silent`: nobody answers · `garbage`: answers that make no sense · `refusing`: says no ·
 * `slow`: answers after 10 s.
 */
export type TrackerMood = 'ok' | 'down' | 'silent' | 'garbage' | 'refusing' | 'slow';

export const simTrackerLimits = {
  /** What clients wait for a tracker that does not answer. */
  timeoutMs: 15_000,
  slowMs: 10_000,
} as const;

const PEERS_MAX = 200;

/** The real tracker brain on a simulated host. Carries requests as values: the codecs have tests of their own. */
export class SimTracker {
  readonly url: string;
  readonly host: NetHost;
  readonly store: DenseStore;
  mood: TrackerMood = 'ok';
  announceCount = 0;
  readonly #world: SimWorld;
  readonly #rng: Rng;
  readonly #logic: TrackerLogic;

  constructor(world: SimWorld, host: NetHost, limits: Partial<TrackerLimits> = {}) {
    this.#world = world;
    this.#rng = world.rng.fork(`tracker ${host.index}`);
    this.host = host;
    this.url = `http://${host.name}:6969/announce`;
    const all = toTrackerLimits({ intervalSec: 120, minIntervalSec: 10, ...limits });
    this.store = DenseStore.create({ limits: all, rng: this.#rng.fork('store') });
    this.#logic = new TrackerLogic({ store: this.store, limits: all, rng: this.#rng.fork('logic') });
    const sweep = () => {
      this.#logic.sweep(world.now);
      world.after(30_000, 'tracker.sweep', sweep);
    };
    sweep();
  }

  /** @param answer gets the result, later; always exactly once */
  announce(from: NetHost, request: AnnounceRequest, answer: (result: AnnounceResult) => void): void {
    this.#carry(from, (failure) => {
      if (failure !== undefined) return answer({ ok: false, error: failure });
      this.announceCount++;
      const call = new AnnounceCall();
      call.ask(request, {
        via: 'http',
        source: parseIp(from.name) as Uint8Array,
        families: 'both',
        peersMax: PEERS_MAX,
        out: new Uint8Array(PEERS_MAX * 18),
      });
      const refusal = this.#logic.announce(this.#world.now, call);
      if (refusal !== undefined) {
        return answer({ ok: false, error: new BtError('tracker/refused', { url: this.url, ...refusal }) });
      }
      const { intervalSec, minIntervalSec, complete, incomplete, downloaded } = call;
      const peers = [
        ...decodeCompactPeers(call.peers4, { family: 4, countMax: PEERS_MAX }).peers,
        ...decodeCompactPeers(call.peers6, { family: 6, countMax: PEERS_MAX }).peers,
      ];
      const counts = { intervalSec, minIntervalSec, complete, incomplete, downloaded };
      const response: AnnounceResponse = { ...counts, peers };
      this.#world.after(this.#latency(from), 'tracker.answer', () => answer({ ok: true, response }));
    });
  }

  scrape(from: NetHost, infoHash: Uint8Array, answer: (result: ScrapeResult) => void): void {
    this.#carry(from, (failure) => {
      if (failure !== undefined) return answer({ ok: false, error: failure });
      const call = new ScrapeCall();
      call.ask([infoHash], { via: 'http', source: parseIp(from.name) as Uint8Array });
      const refusal = this.#logic.scrape(this.#world.now, call);
      const result: ScrapeResult =
        refusal === undefined
          ? { ok: true, ...call.rowAt(0) }
          : { ok: false, error: new BtError('tracker/refused', { url: this.url, ...refusal }) };
      this.#world.after(this.#latency(from), 'tracker.answer', () => answer(result));
    });
  }

  /** The request's way here. @param arrive with why it did not get here, if it did not */
  #carry(from: NetHost, arrive: (failure: BtError | undefined) => void): void {
    const { url } = this;
    const fail = (ms: number, error: BtError) => this.#world.after(ms, 'tracker.failed', () => arrive(error));
    const isReachable = this.host.isUp && this.host.group === from.group;
    if (!isReachable || this.mood === 'silent') {
      fail(simTrackerLimits.timeoutMs, new BtError('tracker/timeout', { url }));
      return;
    }
    const ms = this.#latency(from);
    if (this.mood === 'down') fail(2 * ms, new BtError('tracker/unreachable', { url, what: 'connection refused' }));
    else if (this.mood === 'garbage') fail(2 * ms, new BtError('tracker/garbage', { url, what: 'not bencode' }));
    else if (this.mood === 'refusing') fail(2 * ms, new BtError('tracker/refused', { url, reason: 'not today' }));
    else
      this.#world.after(this.mood === 'slow' ? simTrackerLimits.slowMs : ms, 'tracker.request', () =>
        arrive(undefined),
      );
  }

  #latency(from: NetHost): number {
    return this.host.line.latencyMs + from.line.latencyMs + this.#rng.unit() * 2;
  }
}

/** All trackers of a world, by URL. */
export class SimTrackers {
  readonly all: SimTracker[] = [];

  add(tracker: SimTracker): SimTracker {
    this.all.push(tracker);
    return tracker;
  }

  at(url: string): SimTracker | undefined {
    return this.all.find((tracker) => tracker.url === url);
  }

  /** Peers that trackers know, of all torrents. */
  countPeers(): number {
    return this.all.reduce((sum, { store }) => sum + store.stats().peerCount4 + store.stats().peerCount6, 0);
  }
}

import {
  addMs,
  type BtError,
  equalBytes,
  type Millis,
  NEVER,
  type PeerAddress,
  type Rng,
  toHex,
} from '../base/index.ts';
import type { AnnounceEvent, AnnounceRequest, AnnounceResponse } from '../wire/index.ts';
import { limits } from './limits.ts';
import {
  type AnnounceReason,
  type Lane,
  newTracker,
  snapshotTracker,
  type Tracker,
  type TrackerSnapshot,
} from './tracker-ledger.ts';

/** What an announce reports, at the moment it is sent. */
export interface AnnounceFigures {
  readonly uploaded: number;
  readonly downloaded: number;
  /** Bytes missing; 0 = complete. While the size is not known (magnet link), anything but 0. */
  readonly left: number;
  /** Where we take connections; 0 = nowhere. */
  readonly port: number;
  /** Peers we would like to hear of; -1 = the tracker decides. */
  readonly numWant: number;
}

/** An announce to send; the answer comes back by `onResult` with the same url and request. */
export interface AnnounceCall {
  readonly url: string;
  readonly request: AnnounceRequest;
  readonly reason: AnnounceReason;
}

export type AnnounceOutcome =
  | { readonly ok: true; readonly response: AnnounceResponse }
  | {
      readonly ok: false;
      readonly error: BtError;
      /** BEP 31: seconds to wait, Infinity = never come back. */
      readonly retryInSec?: number;
    };

/** What an answer says about the world. */
export interface AnnounceNews {
  readonly peers: readonly PeerAddress[];
  /** Our address as the tracker sees it (BEP 24). */
  readonly externalIp: string | undefined;
  /** For people. */
  readonly warning: string | undefined;
}

const nothing: AnnounceNews = { peers: [], externalIp: undefined, warning: undefined };

export interface AnnouncerOptions {
  /** Tiers of announce URLs, as in the torrent (BEP 12). */
  readonly tiers: readonly (readonly string[])[];
  /** 20 bytes each: a hybrid torrent is in two swarms, that of its v1 hash and that of its v2 hash cut short (BEP 52). */
  readonly infoHashes: readonly Uint8Array[];
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  /** u32 that stays the same for the session. */
  readonly key: number;
  readonly rng: Rng;
}

/**
 * Tells the trackers of one torrent that we are here, and asks them for peers. Pure: `due` says what to send, `onResult` takes what
 * came back, `nextAt` says when to ask again.
 *
 * Tiers (BEP 12): the trackers of a tier share their peers, so one of them is announced to at a time; if it fails the next is tried,
 * and the one that works moves to the front. Unlike the BEP, all tiers are announced to in parallel, not only the first that works:
 * tiers of today's torrents are mostly unrelated trackers, and a peer known to one only would not be found.
 *
 * Every pair of tier and info-hash is a lane of its own, for a tracker may know one of a hybrid's hashes and not the other.
 *
 * Events (BEP 3): `started` with the first announce a tracker accepts; `completed` at once when the download ends, never where it
 * was complete when we started or when that tracker first heard of us; `stopped` once, to every tracker that accepted a `started`.
 */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #tiers: string[][] = [];
  readonly #hashes: Uint8Array[] = [];
  readonly #lanes: Lane[] = [];
  #phase: 'idle' | 'running' | 'stopping' = 'idle';
  #wasComplete = false;
  /** The download ended in this run. */
  #completed = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    for (const tier of options.tiers) this.addTier(0 as Millis, tier);
    for (const hash of options.infoHashes) this.addHash(0 as Millis, hash);
  }

  /** Further trackers, as a tier of their own. Known ones are left out. */
  addTier(now: Millis, urls: readonly string[]): void {
    const known = new Set(this.#tiers.flat());
    const room = limits.announcer.trackersMax - known.size;
    const tier = [...new Set(urls)].filter((url) => !known.has(url)).slice(0, Math.max(0, room));
    if (tier.length === 0) return;
    this.#tiers.push(this.#options.rng.shuffle(tier));
    for (const hash of this.#hashes) this.#addLane(now, this.#tiers.length - 1, hash);
  }

  /** A further swarm of the same torrent: a magnet link may name one hash of a hybrid, and the metadata the other. */
  addHash(now: Millis, infoHash: Uint8Array): void {
    if (this.#hashes.some((h) => equalBytes(h, infoHash))) return;
    const hash = new Uint8Array(infoHash);
    this.#hashes.push(hash);
    for (let tier = 0; tier < this.#tiers.length; tier++) this.#addLane(now, tier, hash);
  }

  // --- what happens to the torrent

  /**
   * Announcing begins.
   * @param at         when: now, or later to spread many torrents
   * @param isComplete nothing is missing: `completed` is never sent
   */
  start(at: Millis, isComplete: boolean): void {
    const isFirst = this.#phase === 'idle';
    this.#phase = 'running';
    this.#wasComplete = isComplete;
    this.#completed = false;
    for (const lane of this.#lanes) {
      lane.wantsPeers = false;
      // Those of ten thousand torrents are not made twice.
      if (isFirst) for (const t of lane.trackers) t.nextAt = t.notBefore = t.answeredAt = at;
      else lane.trackers = lane.trackers.map((t) => newTracker(t.url, at));
    }
  }

  /** The download has ended. */
  complete(): void {
    this.#completed = !this.#wasComplete;
  }

  /** We know too few peers: trackers are asked as soon as they allow. */
  wantPeers(): void {
    for (const lane of this.#lanes) lane.wantsPeers = true;
  }

  /** We leave. `due` has the farewells; nothing else is sent any more. */
  stop(): void {
    this.#phase = 'stopping';
  }

  /** Between `start` and `stop`. */
  get isRunning(): boolean {
    return this.#phase === 'running';
  }

  /** Nothing is under way and no farewell is owed: after `stop`, all is said. */
  get isQuiet(): boolean {
    if (this.#phase === 'running') return false;
    return this.#lanes.every((lane) => lane.trackers.every((t) => t.pending === undefined && !owesFarewell(t)));
  }

  // --- asking and being answered

  /** The announces to send now; each is noted as sent. */
  due(now: Millis, figures: AnnounceFigures): AnnounceCall[] {
    const calls: AnnounceCall[] = [];
    for (const lane of this.#lanes) {
      if (this.#phase === 'stopping') {
        for (const t of lane.trackers) {
          if (owesFarewell(t) && t.pending === undefined) calls.push(this.#send(now, lane, t, 'stopped', figures));
        }
      }
      if (this.#phase !== 'running' || isBusy(lane)) continue;
      const tracker = candidates(lane).find((t) => this.#dueAt(lane, t) <= now);
      if (tracker !== undefined) calls.push(this.#send(now, lane, tracker, this.#eventFor(tracker), figures));
    }
    return calls;
  }

  /**
   * When `due` has something to send; NEVER where it waits for answers or has nobody to ask.
   */
  nextAt(): Millis {
    let at: number = NEVER;
    for (const lane of this.#lanes) {
      if (this.#phase === 'stopping' && lane.trackers.some((t) => owesFarewell(t) && t.pending === undefined)) {
        return 0 as Millis;
      }
      if (this.#phase !== 'running' || isBusy(lane)) continue;
      for (const t of candidates(lane)) at = Math.min(at, this.#dueAt(lane, t));
    }
    return at as Millis;
  }

  /**
   * An announce was answered, or failed.
   * @param request what was sent, or what says the same
   * @returns no peers after a failure, or where nobody asked
   */
  onResult(
    now: Millis,
    url: string,
    request: Pick<AnnounceRequest, 'infoHash' | 'event'>,
    result: AnnounceOutcome,
  ): AnnounceNews {
    const isOurs = (l: Lane) => equalBytes(l.infoHash, request.infoHash) && l.trackers.some((t) => t.url === url);
    const lane = this.#lanes.find(isOurs);
    const tracker = lane?.trackers.find((t) => t.url === url);
    // An answer from before a restart is nobody's.
    if (lane === undefined || tracker?.pending?.event !== request.event) return nothing;
    const { event, left } = tracker.pending;
    tracker.pending = undefined;
    tracker.answeredAt = now;
    if (event === 'stopped') {
      tracker.error = result.ok ? undefined : result.error;
      return nothing;
    }
    if (!result.ok) {
      this.#onFailure(now, tracker, result);
      return nothing;
    }
    this.#onAnswer(now, lane, tracker, result.response);
    // Whoever is told `started` by a complete client has no download of ours to count.
    if (event === 'completed' || (event === 'started' && left === 0)) tracker.toldCompleted = true;
    const { peers, externalIp, warning } = result.response;
    return { peers, externalIp, warning };
  }

  /** An announce of `due` was not sent and will not be. */
  onUnsent(url: string, request: Pick<AnnounceRequest, 'infoHash'>): void {
    for (const lane of this.#lanes) {
      if (!equalBytes(lane.infoHash, request.infoHash)) continue;
      for (const t of lane.trackers) if (t.url === url) t.pending = undefined;
    }
  }

  /** Every tracker and hash, in the order they are tried. */
  state(): TrackerSnapshot[] {
    return this.#lanes.flatMap((lane) => {
      const inUse = candidates(lane);
      return lane.trackers.map((t) => {
        const isUsed = this.#phase === 'running' && t.pending === undefined && inUse.includes(t);
        return snapshotTracker(lane, t, isUsed ? this.#dueAt(lane, t) : NEVER, this.#reasonFor(lane, t));
      });
    });
  }

  #addLane(now: Millis, tier: number, infoHash: Uint8Array): void {
    const trackers = (this.#tiers[tier] as string[]).map((url) => newTracker(url, now));
    this.#lanes.push({ tier, infoHash, hashHex: toHex(infoHash), trackers, wantsPeers: false });
  }

  #dueAt(lane: Lane, t: Tracker): Millis {
    if (t.failures > 0 || !t.accepted) return t.nextAt;
    if (this.#eventFor(t) === 'completed') return t.answeredAt;
    return lane.wantsPeers ? (Math.min(t.nextAt, t.notBefore) as Millis) : t.nextAt;
  }

  #eventFor(t: Tracker): AnnounceEvent {
    if (!t.accepted) return 'started';
    return this.#completed && !t.toldCompleted ? 'completed' : 'none';
  }

  #reasonFor(lane: Lane, t: Tracker): AnnounceReason {
    const event = this.#phase === 'stopping' ? 'stopped' : this.#eventFor(t);
    if (t.failures > 0 && event !== 'stopped') return t.retryReason;
    if (event !== 'none') return event;
    return lane.wantsPeers && t.notBefore < t.nextAt ? 'want-peers' : 'interval';
  }

  #send(now: Millis, lane: Lane, t: Tracker, event: AnnounceEvent, figures: AnnounceFigures): AnnounceCall {
    const reason = this.#reasonFor(lane, t);
    if (event === 'stopped') t.toldStopped = true;
    lane.wantsPeers = false;
    t.pending = { event, left: figures.left };
    t.sentAt = now;
    t.sentEvent = event;
    return {
      url: t.url,
      reason,
      request: {
        infoHash: lane.infoHash,
        peerId: this.#options.peerId,
        // Trackers refuse port 0, and port 1 is nobody's: we are counted, and found by those whom we dial.
        port: Math.max(1, figures.port),
        uploaded: figures.uploaded,
        downloaded: figures.downloaded,
        left: figures.left,
        event,
        numWant: event === 'stopped' ? 0 : figures.numWant,
        key: this.#options.key,
        ...(t.trackerId === undefined ? {} : { trackerId: t.trackerId }),
      },
    };
  }

  #onAnswer(now: Millis, lane: Lane, t: Tracker, response: AnnounceResponse): void {
    t.accepted = true;
    t.failures = 0;
    t.error = undefined;
    t.warning = response.warning;
    t.trackerId = response.trackerId ?? t.trackerId;
    t.complete = response.complete;
    t.incomplete = response.incomplete;
    t.peersGiven = response.peers.length;
    const { intervalMinMs, intervalMaxMs, intervalJitter, minIntervalMs } = limits.announcer;
    const intervalMs = Math.min(intervalMaxMs, Math.max(intervalMinMs, response.intervalSec * 1000));
    const least =
      response.minIntervalSec === undefined
        ? Math.min(minIntervalMs, intervalMs)
        : Math.min(response.minIntervalSec * 1000, intervalMaxMs);
    t.notBefore = addMs(now, Math.max(intervalMinMs, least));
    const jittered = addMs(now, intervalMs * (1 + intervalJitter * this.#options.rng.unit()));
    t.nextAt = Math.max(jittered, t.notBefore) as Millis;
    lane.trackers = [t, ...lane.trackers.filter((other) => other !== t)];
  }

  #onFailure(now: Millis, t: Tracker, { error, retryInSec }: AnnounceOutcome & { ok: false }): void {
    t.failures++;
    t.error = error;
    if (retryInSec !== undefined) {
      t.retryReason = 'retry-in';
      t.nextAt = addMs(now, Math.max(retryInSec * 1000, limits.announcer.retryMs));
      return;
    }
    const { retryMs, refusedRetryMs, retryMaxMs, retryJitter } = limits.announcer;
    const base = error.code === 'tracker/refused' ? refusedRetryMs : retryMs;
    const waitMs = Math.min(retryMaxMs, base * 2 ** (t.failures - 1));
    t.retryReason = 'retry';
    // An address that no program can announce to will not get better.
    t.nextAt =
      error.code === 'tracker/unsupported' ? NEVER : addMs(now, waitMs * (1 + retryJitter * this.#options.rng.unit()));
  }
}

/** It accepted our `started`, or is about to, and has not been told that we leave. */
function owesFarewell(t: Tracker): boolean {
  return t.accepted && !t.toldStopped;
}

function isBusy(lane: Lane): boolean {
  return lane.trackers.some((t) => t.pending !== undefined);
}

/** While the first tracker of a tier works the others are left alone; otherwise each is tried in turn. */
function candidates(lane: Lane): readonly Tracker[] {
  const head = lane.trackers[0] as Tracker;
  return head.accepted && head.failures === 0 ? [head] : lane.trackers;
}

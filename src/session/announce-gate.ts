import { addMs, type Millis, NEVER, type TorrentId } from '../base/index.ts';
import type { TrackerPort } from '../swarm/index.ts';
import type { AnnounceRequest } from '../wire/index.ts';
import { limits } from './limits.ts';

interface Announce {
  readonly torrent: TorrentId;
  readonly url: string;
  readonly request: AnnounceRequest;
  /** Nobody wants it sent any more: left out when its turn comes. */
  isDropped: boolean;
}

/** What waits for one tracker. */
interface Lane {
  inFlight: number;
  /** `completed` and `stopped`: what others count on. */
  readonly urgent: Announce[];
  readonly regular: Announce[];
}

/**
 * Announces of all torrents on their way out: so many a second, and so many at a time to one tracker, whatever wakes up at once. Where
 * neither bound is reached they leave at once. Order: `completed` and `stopped` first, and these know no bound in time; then as they came.
 */
export class AnnounceGate {
  readonly #ports: TrackerPort;
  readonly #lanes = new Map<string, Lane>();
  readonly #waiting = new Map<TorrentId, Announce[]>();
  /** Regular announces that may leave now. */
  #tokens: number = limits.announceBurst;
  #filledAt: Millis;

  constructor(ports: TrackerPort, now: Millis) {
    this.#ports = ports;
    this.#filledAt = now;
  }

  /** Announces that wait for their turn. */
  get waiting(): number {
    let count = 0;
    for (const { length } of this.#waiting.values()) count += length;
    return count;
  }

  /** Trackers that something waits for, or that are being asked. */
  get trackers(): number {
    return this.#lanes.size;
  }

  announce(now: Millis, torrent: TorrentId, url: string, request: AnnounceRequest): void {
    let lane = this.#lanes.get(url);
    if (lane === undefined) {
      lane = { inFlight: 0, urgent: [], regular: [] };
      this.#lanes.set(url, lane);
    }
    const isUrgent = request.event === 'stopped' || request.event === 'completed';
    const announce = { torrent, url, request, isDropped: false };
    (isUrgent ? lane.urgent : lane.regular).push(announce);
    const waiting = this.#waiting.get(torrent);
    if (waiting === undefined) this.#waiting.set(torrent, [announce]);
    else waiting.push(announce);
    this.#drain(now, lane);
  }

  /** An announce was answered, or failed. */
  onAnnounced(now: Millis, url: string): void {
    const lane = this.#lanes.get(url);
    if (lane === undefined) return;
    lane.inFlight--;
    this.#drain(now, lane);
    this.#tidy(url);
  }

  /** The torrent stops: what it has not sent yet will not be. @returns it, for the announcer to know */
  forget(torrent: TorrentId): readonly { readonly url: string; readonly request: AnnounceRequest }[] {
    const dropped = this.#waiting.get(torrent) ?? [];
    for (const announce of dropped) announce.isDropped = true;
    this.#waiting.delete(torrent);
    for (const { url } of dropped) this.#tidy(url);
    return dropped;
  }

  /** When something that waits may leave without an answer coming before. */
  get nextAt(): Millis {
    if (this.#waiting.size === 0) return NEVER;
    // Where an answer of another tracker has counted the time, there may be one to give already.
    const lacking = Math.max(0, 1 - this.#tokens);
    for (const lane of this.#lanes.values()) {
      if (lane.regular.length > 0 && lane.inFlight < limits.announcesInFlightMax)
        return addMs(this.#filledAt, Math.ceil((lacking * 1000) / limits.announcesPerSec));
    }
    return NEVER;
  }

  onTimer(now: Millis): void {
    for (const lane of this.#lanes.values()) this.#drain(now, lane);
  }

  /** Nothing is kept of a tracker that nobody asks any more. */
  #tidy(url: string): void {
    const lane = this.#lanes.get(url);
    if (lane === undefined || lane.inFlight > 0) return;
    if (skipDropped(lane.urgent) + skipDropped(lane.regular) === 0) this.#lanes.delete(url);
  }

  #drain(now: Millis, lane: Lane): void {
    this.#fill(now);
    while (lane.inFlight < limits.announcesInFlightMax) {
      const isUrgent = skipDropped(lane.urgent) > 0;
      if (!isUrgent && (skipDropped(lane.regular) === 0 || this.#tokens < 1)) return;
      const next = (isUrgent ? lane.urgent : lane.regular).shift() as Announce;
      if (!isUrgent) this.#tokens--;
      const waiting = this.#waiting.get(next.torrent) as Announce[];
      if (waiting.length === 1) this.#waiting.delete(next.torrent);
      else waiting.splice(waiting.indexOf(next), 1);
      lane.inFlight++;
      this.#ports.announce(next.torrent, next.url, next.request);
    }
  }

  #fill(now: Millis): void {
    const { announcesPerSec, announceBurst } = limits;
    this.#tokens = Math.min(announceBurst, this.#tokens + ((now - this.#filledAt) * announcesPerSec) / 1000);
    this.#filledAt = now;
  }
}

/** @returns how many are left, the first of them wanted */
function skipDropped(queue: Announce[]): number {
  while (queue[0]?.isDropped === true) queue.shift();
  return queue.length;
}

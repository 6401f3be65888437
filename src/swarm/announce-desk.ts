import type { BtError, Millis, TorrentId } from '../base/index.ts';
import type { Tracer } from '../trace/index.ts';
import type { AnnounceRequest } from '../wire/index.ts';
import type { AnnounceFigures, AnnounceNews, Announcer } from './announcer.ts';
import type { AnnounceResult, TrackerPort } from './ports.ts';

/** Whose announces they are: awake or not, the same for as long as the session has the torrent. */
export interface AnnounceOwner {
  readonly id: TorrentId;
  readonly tracer: Tracer | undefined;
  /** What trackers are told, as it is now. */
  announceFigures(): AnnounceFigures;
  onTracker(url: string, error: BtError | undefined): void;
}

/** Sends what the announcer wants sent, and takes its answers: goes on whether the torrent is awake or not. */
export class AnnounceDesk {
  readonly announcer: Announcer;
  readonly #owner: AnnounceOwner;
  readonly #ports: TrackerPort;

  constructor(owner: AnnounceOwner, announcer: Announcer, ports: TrackerPort) {
    this.announcer = announcer;
    this.#owner = owner;
    this.#ports = ports;
  }

  get nextAt(): Millis {
    return this.announcer.nextAt();
  }

  /** Begins, where it has not begun already. */
  start(at: Millis, isComplete: boolean): void {
    if (!this.announcer.isRunning) this.announcer.start(at, isComplete);
  }

  announceDue(now: Millis): void {
    const { id, tracer } = this.#owner;
    for (const { url, request, reason } of this.announcer.due(now, this.#owner.announceFigures())) {
      const { event, left } = request;
      tracer?.announce?.(now, 'sent', url, { event, left, reason });
      this.#ports.announce(id, url, request);
    }
  }

  /** @returns peers and our address, where the answer was good */
  onAnnounced(now: Millis, url: string, request: AnnounceRequest, result: AnnounceResult): AnnounceNews {
    const { tracer } = this.#owner;
    const news = this.announcer.onResult(now, url, request, result);
    const { event } = request;
    if (result.ok) {
      const { complete, incomplete } = result.response;
      tracer?.announce?.(now, 'answered', url, { event, peers: news.peers.length, complete, incomplete });
    } else tracer?.announce?.(now, 'failed', url, { event, error: result.error.message });
    if (news.warning !== undefined) tracer?.note?.(now, 'tracker-warning', { url, warning: news.warning });
    this.#owner.onTracker(url, result.ok ? undefined : result.error);
    return news;
  }
}

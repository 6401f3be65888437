import { addMs, type BtError, type Millis, NEVER, type PeerAddress, type Rng } from '../base/index.ts';
import { type AnnounceRequest, peerPriority } from '../wire/index.ts';
import { type AnnounceFigures, Announcer } from './announcer.ts';
import type { SwarmContext } from './context.ts';
import { limits } from './limits.ts';
import { PeerBook } from './peer-book.ts';
import type { PeerSource } from './peer-order.ts';
import type { AnnounceResult } from './ports.ts';

export interface FinderOptions {
  readonly tiers: readonly (readonly string[])[];
  readonly infoHashes: readonly Uint8Array[];
  readonly rng: Rng;
  /** What trackers are told, as it is now. */
  readonly figures: () => AnnounceFigures;
  /** Connections may be opened. */
  readonly mayDial: () => boolean;
  /** We want nothing: seeds are of no use. */
  readonly isSeeding: () => boolean;
  readonly onTracker: (url: string, error: BtError | undefined) => void;
}

/** Finds peers: asks trackers, remembers addresses, dials the best of them. Owner of the peer book and of the announcer. */
export class PeerFinder {
  readonly book: PeerBook;
  readonly announcer: Announcer;
  readonly #ctx: SwarmContext;
  readonly #o: FinderOptions;
  #externalIp: string | undefined;
  #isStarted = false;
  /** Of a dial that the session had no room for. */
  #retryAt: Millis = NEVER;
  #dialAt: Millis = NEVER;

  constructor(ctx: SwarmContext, options: FinderOptions) {
    this.#ctx = ctx;
    this.#o = options;
    this.book = new PeerBook({ rng: options.rng.fork('peer-book') });
    this.announcer = new Announcer({
      tiers: options.tiers,
      infoHashes: options.infoHashes,
      peerId: ctx.host.peerId,
      key: options.rng.u32(),
      rng: options.rng.fork('announcer'),
    });
  }

  /** When `onTimer` has something to do. */
  get nextAt(): Millis {
    return Math.min(this.announcer.nextAt(), this.#dialAt) as Millis;
  }

  /** Begins to announce (after a while, where many torrents start at once) and to dial; goes on where it has begun already. */
  start(announceAt: Millis, isComplete: boolean): void {
    if (!this.#isStarted) this.announcer.start(announceAt, isComplete);
    this.#isStarted = true;
    this.announceDue();
    this.dial();
  }

  /** Says goodbye to trackers; nobody is dialled any more. */
  stop(): void {
    this.#dialAt = NEVER;
    this.announcer.stop();
    this.announceDue();
  }

  onTimer(): void {
    this.announceDue();
    if (this.#dialAt <= this.#ctx.now) this.dial();
  }

  addAddresses(addresses: readonly PeerAddress[], source: PeerSource): void {
    for (const address of addresses) this.book.add(this.#ctx.now, address, source);
    this.planDial();
  }

  /** Looks when somebody can be dialled; called whenever that may have changed. */
  planDial(): void {
    const at = this.#o.mayDial() ? this.book.nextAt(this.#ctx.now, this.#o.isSeeding()) : NEVER;
    this.#dialAt = at === NEVER ? NEVER : (Math.max(at, this.#retryAt === NEVER ? 0 : this.#retryAt) as Millis);
  }

  /** Dials the best addresses while there is room. */
  dial(): void {
    this.#retryAt = NEVER;
    if (!this.#o.mayDial()) return;
    let free = this.#ctx.host.connsPerTorrent - this.#ctx.peers.size;
    for (; free > 0; free--) {
      const address = this.book.next(this.#ctx.now, this.#o.isSeeding());
      if (address === undefined) break;
      if (!this.#ctx.host.dial(this.#ctx.torrent, address)) {
        this.#retryAt = addMs(this.#ctx.now, limits.peer.tickMs);
        break;
      }
      this.book.onDial(address);
    }
    // All connections are in use: the next look is when one of them ends.
    if (free > 0) this.planDial();
    else this.#dialAt = NEVER;
  }

  /** Too few to download from: trackers are asked as soon as they allow. */
  wantMore(): void {
    this.announcer.wantPeers();
    this.announceDue();
  }

  announceDue(): void {
    for (const { url, request, reason } of this.announcer.due(this.#ctx.now, this.#o.figures())) {
      const { event, left } = request;
      this.#ctx.tracer?.announce?.(this.#ctx.now, 'sent', url, { event, left, reason });
      this.#ctx.host.ports.announce(this.#ctx.torrent, url, request);
    }
  }

  onAnnounced(url: string, request: AnnounceRequest, result: AnnounceResult): void {
    const { now, tracer } = this.#ctx;
    const { peers, warning, externalIp } = this.announcer.onResult(now, url, request, result);
    const { event } = request;
    if (result.ok) {
      const { complete, incomplete } = result.response;
      tracer?.announce?.(now, 'answered', url, { event, peers: peers.length, complete, incomplete });
    } else tracer?.announce?.(now, 'failed', url, { event, error: result.error.message });
    if (warning !== undefined) tracer?.note?.(now, 'tracker-warning', { url, warning });
    if (externalIp !== undefined) this.#setExternalIp(externalIp);
    this.#o.onTracker(url, result.ok ? undefined : result.error);
    this.addAddresses(peers, 'tracker');
    this.announceDue();
  }

  /** BEP 40: everybody orders the others alike, and so the swarm's graph gets short paths. */
  #setExternalIp(host: string): void {
    if (host === this.#externalIp) return;
    this.#externalIp = host;
    const own = { host, port: this.#ctx.host.listenPort() };
    this.book.setPriority((to) => peerPriority(own, to) ?? 0);
  }
}

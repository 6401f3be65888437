import { addMs, type Millis, NEVER, type PeerAddress, type Rng } from '../base/index.ts';
import { type AnnounceRequest, peerPriority } from '../wire/index.ts';
import type { AnnounceDesk } from './announce-desk.ts';
import type { Announcer } from './announcer.ts';
import type { SwarmContext } from './context.ts';
import { limits } from './limits.ts';
import { PeerBook } from './peer-book.ts';
import type { PeerSource } from './peer-order.ts';
import type { AnnounceResult } from './ports.ts';

export interface FinderOptions {
  readonly announces: AnnounceDesk;
  readonly rng: Rng;
  /** Connections may be opened. */
  readonly mayDial: () => boolean;
  /** We want nothing: seeds are of no use. */
  readonly isSeeding: () => boolean;
}

/** Finds peers while the torrent is awake: asks trackers, remembers addresses, dials the best of them. Owner of the peer book. */
export class PeerFinder {
  readonly book: PeerBook;
  readonly #ctx: SwarmContext;
  readonly #o: FinderOptions;
  #externalIp: string | undefined;
  /** Of a dial that the session had no room for. */
  #retryAt: Millis = NEVER;
  #dialAt: Millis = NEVER;

  constructor(ctx: SwarmContext, options: FinderOptions) {
    this.#ctx = ctx;
    this.#o = options;
    this.book = new PeerBook({ rng: options.rng.fork('peer-book') });
  }

  get announcer(): Announcer {
    return this.#o.announces.announcer;
  }

  /** When `onTimer` has something to do. */
  get nextAt(): Millis {
    return Math.min(this.#o.announces.nextAt, this.#dialAt) as Millis;
  }

  /** Begins to announce (after a while, where many torrents start at once) and to dial; goes on where it has begun already. */
  start(announceAt: Millis, isComplete: boolean): void {
    this.#o.announces.start(announceAt, isComplete);
    this.announceDue();
    this.dial();
  }

  /** Says goodbye to trackers; nobody is dialled any more. */
  stop(): void {
    this.rest();
    this.announcer.stop();
    this.announceDue();
  }

  /** Nobody is dialled any more; announces are somebody else's from now on. */
  rest(): void {
    this.#dialAt = NEVER;
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
    if (free > 0) {
      for (const address of this.book.candidates(this.#ctx.now, this.#o.isSeeding())) {
        if (!this.#ctx.host.dial(this.#ctx.torrent, address)) {
          this.#retryAt = addMs(this.#ctx.now, limits.peer.tickMs);
          break;
        }
        this.book.onDial(address);
        if (--free === 0) break;
      }
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
    this.#o.announces.announceDue(this.#ctx.now);
  }

  onAnnounced(url: string, request: AnnounceRequest, result: AnnounceResult): void {
    const { peers, externalIp } = this.#o.announces.onAnnounced(this.#ctx.now, url, request, result);
    if (externalIp !== undefined) this.#setExternalIp(externalIp);
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

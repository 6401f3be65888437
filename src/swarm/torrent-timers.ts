import { addMs, assert, Deadlines, type Millis, NEVER } from '../base/index.ts';
import type { Content } from './content.ts';
import type { SwarmContext } from './context.ts';
import type { PeerFinder } from './finder.ts';
import { limits } from './limits.ts';
import type { Peering } from './peering.ts';
import type { TorrentPhase } from './snapshot.ts';
import type { TorrentDisk } from './torrent-disk.ts';

/**
 * - `tick` a look at every connection, while there are any
 * - `choke` the next round of the choker, while requests may flow
 * - `find` trackers, dials
 * - `resume` the record is to be saved
 * - `retry`, `look` what could not be written is offered again; what could not be read is looked at again
 * - `stop` trackers have had their time to hear of the end
 */
type Timer = 'tick' | 'choke' | 'find' | 'resume' | 'retry' | 'look' | 'stop';

/** What the timers may know of the torrent, and what they tell it. */
export interface TimersOwner {
  readonly phase: TorrentPhase;
  /** The content while requests may flow. */
  readonly active: Content | undefined;
  readonly disk: TorrentDisk | undefined;
  /** Looks whether there are too few peers to download from. */
  wantMore(): void;
  continueStop(): void;
}

/** When each part of a torrent is to be looked after, and how that is begun. Owner of the torrent's timers. */
export class TorrentTimers {
  readonly #ctx: SwarmContext;
  readonly #torrent: TimersOwner;
  readonly #peering: Peering;
  readonly #finder: PeerFinder;
  readonly #timers = new Deadlines<Timer>();

  constructor(ctx: SwarmContext, parts: { torrent: TimersOwner; peering: Peering; finder: PeerFinder }) {
    this.#ctx = ctx;
    this.#torrent = parts.torrent;
    this.#peering = parts.peering;
    this.#finder = parts.finder;
  }

  /** Begins what is due. */
  onTimer(): void {
    for (const timer of this.#timers.takeDue(this.#ctx.now)) {
      switch (timer) {
        case 'tick':
          this.#peering.tick();
          this.planTick();
          this.#torrent.wantMore();
          break;
        case 'choke':
          this.#torrent.active?.exchange.chokeRound();
          this.planChoke();
          break;
        case 'find':
          this.#finder.onTimer();
          break;
        case 'resume':
          this.#torrent.disk?.save();
          break;
        case 'retry':
          this.#torrent.disk?.retryWriting();
          break;
        case 'look':
          this.#torrent.disk?.lookAgain();
          break;
        case 'stop':
          this.#torrent.continueStop();
          break;
      }
    }
  }

  /** At the end of a turn: when something is due next. */
  next(): Millis {
    this.#timers.set('resume', this.#torrent.disk?.saveAt ?? NEVER);
    this.#timers.set('find', this.#torrent.phase === 'stopped' ? NEVER : this.#finder.nextAt);
    return this.#timers.next();
  }

  /** Called whenever a connection has come. */
  planTick(): void {
    const at = this.#peering.nextTick();
    if (at !== undefined && !this.#timers.has('tick')) this.#timers.set('tick', at);
  }
  planChoke(): void {
    this.#timers.set('choke', addMs(this.#ctx.now, limits.choker.roundMs));
  }
  lookAt(at: Millis): void {
    this.#timers.set('look', at);
  }
  retryAt(at: Millis): void {
    this.#timers.sooner('retry', at);
  }
  stopAt(at: Millis): void {
    this.#timers.set('stop', at);
  }
  clearStop(): void {
    this.#timers.clear('stop');
  }

  /** Requests flow no longer: nothing is done for connections, nor tried again at the disk. */
  pause(): void {
    for (const timer of ['tick', 'choke', 'retry', 'look'] as const) this.#timers.clear(timer);
  }
  /** The torrent ends: of what is left to do, everything is asked for anew. */
  cease(): void {
    this.pause();
    this.#timers.clear('resume');
  }

  assertInvariants(): void {
    assert(this.#ctx.peers.size === 0 || this.#timers.has('tick'), 'connections are looked at now and then');
    const { active, disk } = this.#torrent;
    if (active === undefined) return;
    assert(this.#timers.has('choke'), 'slots change hands now and then');
    const isWaiting = this.#timers.has('retry') || disk?.isMoving === true;
    assert(!active.downloader.isHalted || isWaiting, 'who fetches nothing waits for something');
  }
}

import { addMs, assert, BtError, type Millis, NEVER, type Rng, swarmKeyBytes } from '../base/index.ts';
import { type Info, parseInfo, parseTorrentFile } from '../metainfo/index.ts';
import type { CloseReason } from '../wire/index.ts';
import type { BlameVerdict } from './blame.ts';
import type { Connections } from './connections.ts';
import { Content } from './content.ts';
import type { TorrentEvent } from './context.ts';
import { type ExtensionsOwner, TorrentExtensions } from './extensions/torrent-extensions.ts';
import type { PeerFinder } from './finder.ts';
import type { Identity } from './identity.ts';
import { limits } from './limits.ts';
import type { Peer } from './peer.ts';
import { Peering, type PeeringView, type Poisoner } from './peering.ts';
import { defaultPolicies } from './policies.ts';
import type { TorrentPhase } from './snapshot.ts';
import { TorrentDisk } from './torrent-disk.ts';
import type { TorrentSource } from './torrent-source.ts';
import { type TimersOwner, TorrentTimers } from './torrent-timers.ts';

export interface LifeOptions {
  readonly source: TorrentSource;
  readonly identity: Identity;
  readonly finder: PeerFinder;
  readonly rng: Rng;
}

/**
 * The life of one torrent at work: its phase, and every way from one to the next (docs/state.md). What happens in its parts ends here where
 * it concerns the whole: the metadata has come, what is on disk is known, the last piece is stored, something is lost, something fails.
 *
 * Owner of the phase, of the error, and of the content and the disk, which there are once the info dictionary is known.
 */
export class TorrentLife implements PeeringView, ExtensionsOwner, TimersOwner {
  readonly extensions: TorrentExtensions;
  readonly peering: Peering;
  readonly timers: TorrentTimers;
  readonly #ctx: Connections;
  readonly #source: TorrentSource;
  readonly #identity: Identity;
  readonly #finder: PeerFinder;
  readonly #rng: Rng;
  #phase: TorrentPhase;
  #isWaking: boolean;
  #content: Content | undefined;
  #disk: TorrentDisk | undefined;
  #error: BtError | undefined;
  #doneEmitted: boolean;
  #isJudged = false;
  #stopDeadline: Millis = NEVER;

  constructor(ctx: Connections, options: LifeOptions) {
    const { source, identity, finder } = options;
    this.#ctx = ctx;
    this.#source = source;
    this.#identity = identity;
    this.#finder = finder;
    this.#rng = options.rng;
    this.#isWaking = source.info === undefined && source.isKept === true;
    this.#phase = this.#isWaking ? 'waking' : 'fetching-metadata';
    this.#doneEmitted = source.wasComplete === true;
    this.extensions = new TorrentExtensions(ctx, { torrent: this, identity, finder });
    this.peering = new Peering(ctx, { view: this, identity, finder, extensions: this.extensions.registry });
    this.timers = new TorrentTimers(ctx, { torrent: this, peering: this.peering, finder });
  }

  // --- what it has come to ---

  get phase(): TorrentPhase {
    return this.#phase;
  }
  /** Why the phase is `error`. */
  get error(): BtError | undefined {
    return this.#error;
  }
  get content(): Content | undefined {
    return this.#content;
  }
  get disk(): TorrentDisk | undefined {
    return this.#disk;
  }
  get info(): Info | undefined {
    return this.#content?.info;
  }
  /** From a sleep, until what is on disk is known: peers that come meanwhile are greeted then. */
  get isWaking(): boolean {
    return this.#isWaking;
  }
  /** What is on disk has been looked at, and is followed since. */
  get isJudged(): boolean {
    return this.#isJudged;
  }
  get isActive(): boolean {
    return this.#phase === 'downloading' || this.#phase === 'seeding';
  }
  /** The content while requests may flow. */
  get active(): Content | undefined {
    return this.isActive ? this.#content : undefined;
  }
  get isSeeding(): boolean {
    return this.#phase === 'seeding';
  }
  get lacksMetadata(): boolean {
    return this.#phase === 'fetching-metadata';
  }
  /** Connections may be opened. */
  get mayDial(): boolean {
    return this.isActive || this.lacksMetadata;
  }
  /** No connection has a place here any more. */
  get hasEnded(): boolean {
    return this.#phase === 'error' || this.#hasBegunToStop;
  }

  // --- beginning ---

  /** Opens what is on disk, or begins to look for the metadata. */
  start(): void {
    const { info, layers = new Map() } = this.#source;
    if (info !== undefined) this.#open(info, { layers, isFromPeers: false });
    else if (this.#phase === 'waking') this.#ctx.host.ports.loadTorrent(this.#ctx.torrent, this.#identity.first);
    else this.#join();
  }

  /** @param bytes of the .torrent file that the session's state keeps; undefined: it is not there or cannot be read */
  onTorrentLoaded(bytes: Uint8Array | undefined): void {
    if (this.#phase === 'waking') this.#wakeWith(bytes);
    this.continueStop();
  }

  onMetadata(bytes: Uint8Array): void {
    let info: Info;
    try {
      info = parseInfo(bytes, this.#ctx.host.crypto);
      this.#identity.learn(info);
    } catch (error) {
      // The hash is right, so the fault is the torrent's own.
      this.fail(error as BtError);
      return;
    }
    for (const hash of this.#identity.hashes) this.#finder.announcer.addHash(this.#ctx.now, swarmKeyBytes(hash));
    this.#open(info, { layers: new Map(), isFromPeers: true });
    this.#emit({ type: 'metadata', torrent: this.#ctx.torrent });
  }

  #wakeWith(bytes: Uint8Array | undefined): void {
    try {
      if (bytes === undefined) throw new BtError('swarm/state-damaged', { what: 'the torrent file' });
      const { info, pieceLayers } = parseTorrentFile(bytes, this.#ctx.host.crypto);
      this.#identity.learn(info);
      this.#open(info, { layers: pieceLayers, isFromPeers: false });
    } catch (error) {
      if (!BtError.is(error)) throw error;
      this.#ctx.tracer?.note?.(this.#ctx.now, 'torrent-file-unreadable', { message: error.message });
      this.#phase = 'fetching-metadata';
      this.#greetBlank();
      this.#join();
    }
  }

  /** It takes longer until it is known what is here: those who wait for a greeting are told "nothing". */
  #greetBlank(): void {
    this.#isWaking = false;
    this.peering.greetBlank();
  }

  #open(info: Info, from: { layers: ReadonlyMap<string, Uint8Array>; isFromPeers: boolean }): void {
    this.#phase = 'opening';
    let wanted: readonly boolean[];
    try {
      wanted = this.#source.select?.(info) ?? info.files.map(() => true);
    } catch (error) {
      this.fail(error as BtError);
      return;
    }
    const content = new Content(this.#ctx, {
      info,
      wanted,
      layers: from.layers,
      rng: this.#rng.fork('content'),
      swarmKey: swarmKeyBytes(this.#identity.first),
      policies: { ...defaultPolicies, ...this.#source.policies },
      onPiece: (piece) => this.#onPiece(content, piece),
      onBad: (piece, verdicts) => this.#onBad(piece, verdicts),
      onSeed: (peer, seed) => this.#finder.book.setSeed(peer.conn, seed),
    });
    this.#content = content;
    this.#disk = this.#makeDisk(content, from.isFromPeers);
    this.#disk.open();
  }

  #makeDisk(content: Content, isFromPeers: boolean): TorrentDisk {
    return new TorrentDisk(this.#ctx, {
      content,
      identity: this.#identity,
      verified: this.#source.verified === true,
      isFromPeers,
      isActive: () => this.isActive,
      hasEnded: () => this.hasEnded,
      addresses: () => this.#finder.book.sample(),
      onAddresses: (addresses) => {
        // A seed that wakes has nobody to look for.
        if (this.#source.wasComplete !== true) this.#finder.addAddresses(addresses, 'resume');
      },
      onChecking: (pieces) => {
        this.#phase = 'checking';
        if (this.#isWaking) this.#greetBlank();
        this.#emit({ type: 'checking', torrent: this.#ctx.torrent, pieces });
      },
      onReady: () => this.#begin(content),
      onRecheck: () => {
        this.peering.dropAll({ code: 'session/checking' });
        content.downloader.halt();
        this.timers.pause();
        this.#ctx.host.runs.forget(this.#ctx.torrent);
        this.#doneEmitted = false;
        this.#isJudged = false;
      },
      onDoubted: (pieces) => {
        this.#doneEmitted = false;
        this.peering.takeBack(pieces, (peer, piece) => this.extensions.dontHave.tell(peer, piece));
      },
      onFound: () => this.#lookWhetherComplete(content),
      onLost: () => this.#onLost(content),
      onFailed: (error) => this.fail(error),
      lookAt: (at) => this.timers.lookAt(at),
      retryAt: (at) => this.timers.retryAt(at),
    });
  }

  /** What is on disk is known: to work. */
  #begin(content: Content): void {
    // A check that ends after the torrent has failed revives nothing.
    if (this.hasEnded) return;
    this.#disk?.adoptUnread();
    content.downloader.picker.refresh();
    this.#phase = content.isAllHere ? 'seeding' : 'downloading';
    this.#isJudged = true;
    this.#emit({ type: 'ready', torrent: this.#ctx.torrent });
    content.exchange.start();
    this.peering.adoptAll(content);
    this.#isWaking = false;
    content.downloader.resume();
    this.#disk?.adoptWriteTrouble();
    content.askForHashes();
    this.timers.planChoke();
    this.#join();
    if (content.isAllHere) this.#complete(content);
  }

  #join(): void {
    const announceAt = addMs(this.#ctx.now, this.#source.announceAfterMs ?? 0);
    this.#finder.start(announceAt, this.#content?.ledger.isComplete === true);
  }

  // --- at work ---

  #onPiece(content: Content, piece: number): void {
    content.exchange.havePiece(piece);
    this.#emit({ type: 'piece', torrent: this.#ctx.torrent, piece });
    this.#disk?.changed();
    this.#lookWhetherComplete(content);
  }

  #lookWhetherComplete(content: Content): void {
    if (!content.isAllHere) return;
    if (this.#phase === 'downloading') {
      this.#finder.announcer.complete();
      this.#complete(content);
    } else if (this.#phase === 'seeding') this.#tellDone();
  }

  #complete(content: Content): void {
    this.#phase = 'seeding';
    content.exchange.completed();
    this.extensions.uploadOnly.announce(true);
    this.#finder.announceDue();
    this.#disk?.save();
    this.peering.dropSeeds();
    this.#tellDone();
  }

  #tellDone(): void {
    if (this.#doneEmitted) return;
    this.#doneEmitted = true;
    this.#emit({ type: 'done', torrent: this.#ctx.torrent });
  }

  #onLost(content: Content): void {
    if (this.#phase === 'seeding' && !content.ledger.isComplete) {
      this.#phase = 'downloading';
      this.#doneEmitted = false;
      this.extensions.uploadOnly.announce(false);
    }
    content.downloader.wakeAll();
    this.wantMore();
  }

  #onBad(piece: number, verdicts: readonly BlameVerdict[]): void {
    this.#emit({ type: 'bad-piece', torrent: this.#ctx.torrent, piece, peers: verdicts.length });
    for (const verdict of verdicts) {
      const { key, reason } = verdict;
      const close = { code: 'peer/bad-data', detail: `${reason}, piece ${piece}` };
      this.onPoisoner({ key, reason, evidence: verdict, close });
    }
  }

  onPoisoner(poisoner: Poisoner): void {
    this.peering.ban(poisoner);
    this.#emit({ type: 'banned', torrent: this.#ctx.torrent, host: poisoner.key, reason: poisoner.reason });
  }

  /** A connection has ended. */
  onGone(peer: Peer, reason: CloseReason, byUs: boolean): void {
    this.peering.gone(peer, reason, byUs);
    this.wantMore();
  }

  wantMore(): void {
    const isHungry = this.#phase === 'downloading' || this.lacksMetadata;
    if (isHungry && this.#ctx.peers.size < limits.peer.connsLow) this.#finder.wantMore();
  }

  // --- end ---

  /** Cannot go on: connections, requests and announces end. */
  fail(error: BtError): void {
    if (this.hasEnded) return;
    this.#error = error;
    this.#phase = 'error';
    this.#isWaking = false;
    this.#cease({ code: 'session/error', detail: error.code });
    this.#finder.stop();
    this.#emit({ type: 'error', torrent: this.#ctx.torrent, error });
  }

  /** See Torrent.abandon. */
  abandon(): void {
    this.#phase = 'error';
    this.#disk?.abandon();
  }

  /** See Torrent.rest. */
  rest(): void {
    if (this.#hasBegunToStop) return;
    this.#phase = 'stopping';
    this.#cease({ code: 'session/resting' });
    this.#finder.rest();
    this.#stopDeadline = this.#ctx.now;
    this.continueStop();
  }

  /** See Torrent.stop. @param announceMs for trackers to hear of it */
  stop(announceMs: number): void {
    if (this.#hasBegunToStop) return;
    this.#phase = 'stopping';
    this.#cease({ code: 'session/stopped' });
    this.#finder.stop();
    this.#stopDeadline = addMs(this.#ctx.now, announceMs);
    this.timers.stopAt(this.#stopDeadline);
    this.continueStop();
  }

  /** Stops, or moves the files, as far as the disk and the trackers let it. Called whenever one of them has answered. */
  continueStop(): void {
    this.#disk?.continueMove();
    if (this.#phase !== 'stopping') return;
    if ((this.#content?.downloader.atDisk ?? 0) > 0) return;
    this.#content?.downloader.halt();
    if (this.#disk !== undefined && !this.#disk.close()) return;
    if (!this.#finder.announcer.isQuiet && this.#ctx.now < this.#stopDeadline) return;
    this.#phase = 'stopped';
    this.#finder.book.clear();
    this.timers.clearStop();
    this.#ctx.host.runs.forget(this.#ctx.torrent);
    this.#emit({ type: 'stopped', torrent: this.#ctx.torrent });
  }

  /** Connections and requests end. */
  #cease(reason: CloseReason): void {
    this.timers.cease();
    this.peering.dropAll(reason);
    this.#content?.downloader.halt();
  }

  assertInvariants(): void {
    assert(this.#ctx.peers.size === 0 || !this.hasEnded, 'a torrent that has ended has no connections');
    this.timers.assertInvariants();
    // While the disk is being looked at, the picker's order is not kept: it is brought up to date when work begins.
    const content = this.active;
    if (content === undefined) return;
    content.downloader.assertInvariants();
    content.exchange.assertInvariants();
    assert(this.isSeeding || !content.isAllHere, 'a torrent seeds when all that is wanted is here');
    assert(!this.isSeeding || content.ledger.isComplete, 'a torrent that seeds has all that is wanted');
  }

  get #hasBegunToStop(): boolean {
    return this.#phase === 'stopping' || this.#phase === 'stopped';
  }

  #emit(event: TorrentEvent): void {
    this.#ctx.host.emit(event);
  }
}

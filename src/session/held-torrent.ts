import {
  addMs,
  type BtError,
  type ConnId,
  FRACTION_ZERO,
  type Millis,
  NEVER,
  type PeerAddress,
  type Rng,
  swarmKeyBytes,
  type TorrentId,
} from '../base/index.ts';
import type { Info } from '../metainfo/index.ts';
import {
  type AddPeer,
  AnnounceDesk,
  type AnnounceFigures,
  type AnnounceOwner,
  type AnnounceResult,
  Announcer,
  type Content,
  Identity,
  type PeerSnapshot,
  type RestReason,
  type ScrapeResult,
  type StoreOpened,
  type SwarmHost,
  limits as swarmLimits,
  Torrent,
  type TorrentHeld,
  type TorrentHeldBack,
  type TorrentPhase,
  type TorrentSnapshot,
  type Totals,
  type TrackerPort,
} from '../swarm/index.ts';
import type { Tracer } from '../trace/index.ts';
import type { AnnounceRequest, HandshakeStart } from '../wire/index.ts';
import type { AddTorrent, KnownTorrent } from './add-torrent.ts';
import { limits } from './limits.ts';

export interface HeldOptions {
  readonly source: AddTorrent;
  readonly id: TorrentId;
  readonly host: SwarmHost;
  readonly trackers: TrackerPort;
  readonly rng: Rng;
  /** Place among all torrents: lower ones are first. */
  readonly rank: number;
}

const nothing: Totals = { uploaded: 0, downloaded: 0 };

/**
 * One torrent that the session has, awake or not. Owns what stays whatever it does: who it is, its announces, what the user wants of it, what
 * was known of it when it was awake last. `awake` is the brain of a torrent at work; it is made when it is needed and let go when it is not,
 * so that thousands that nobody asks for cost next to nothing.
 *
 * A brain that ends saves and closes before its successor opens the same files: until then it is `leaving`, and answers of the disk are its
 * own.
 */
export class HeldTorrent implements AnnounceOwner {
  readonly id: TorrentId;
  readonly identity: Identity;
  readonly announces: AnnounceDesk;
  rank: number;
  /** Payload bytes that came in, when the queue looked last, and since when no more have. */
  seen = { downloaded: 0, at: FRACTION_ZERO as Millis };
  /** It had its turn in the queue and nothing came; 0 = never, or it has gone on since. */
  stalledAt = 0 as Millis;
  /** Somebody wanted to connect and was sent away, for want of a place. */
  wantedAt: Millis | undefined;
  #source: AddTorrent;
  readonly #host: SwarmHost;
  readonly #rng: Rng;
  #phase: 'new' | 'paused' | 'queued' | 'dormant' | 'awake' | 'error' | 'stopping' | 'stopped' = 'new';
  /** Why it was condemned. */
  #fault: BtError | undefined;
  /** The brain in which the fault was met, as long as it has something open. */
  #wreck: Torrent | undefined;
  #restReason: RestReason | undefined;
  #isPaused = false;
  #awake: Torrent | undefined;
  #leaving: Torrent | undefined;
  #isKept: boolean;
  #known: KnownTorrent;
  /** Of this run of the process, by brains that have gone. */
  #carried: Totals = nothing;
  /** Since when it is awake and nobody is there. */
  #idleSince: Millis | undefined;
  #awakeSince: Millis = NEVER;
  #stopDeadline: Millis = NEVER;
  #isFirst = true;

  constructor(options: HeldOptions) {
    const { source } = options;
    this.id = options.id;
    this.rank = options.rank;
    this.#source = source;
    this.#host = options.host;
    this.#rng = options.rng;
    this.#isKept = source.isKept === true;
    this.#known = source.known ?? {};
    this.identity = new Identity({
      hashV1: source.info?.hashV1 ?? source.hashV1,
      hashV2: source.info?.hashV2 ?? source.hashV2,
    });
    const announcer = new Announcer({
      tiers: source.trackers,
      infoHashes: this.identity.hashes.map(swarmKeyBytes),
      peerId: options.host.peerId,
      key: options.rng.u32(),
      rng: options.rng,
    });
    this.announces = new AnnounceDesk(this, announcer, options.trackers);
  }

  // --- what it is ---

  get tracer(): Tracer | undefined {
    return this.#source.tracer;
  }
  get hashV1(): Identity['hashV1'] {
    return this.identity.hashV1;
  }
  get hashV2(): Identity['hashV2'] {
    return this.identity.hashV2;
  }
  get swarmKeys(): string[] {
    return this.identity.swarmKeys;
  }
  get name(): string {
    return this.info?.name ?? this.#known.name ?? this.#source.name ?? this.identity.first;
  }
  /** It is called something better than its hash. */
  get hasName(): boolean {
    return this.name !== this.identity.first;
  }
  get phase(): TorrentPhase {
    if (this.#phase === 'new') return 'opening';
    return this.#phase === 'awake' ? (this.#awake as Torrent).phase : this.#phase;
  }
  /** The user does not want it to run; also when it has ended. */
  get isPaused(): boolean {
    return this.#isPaused;
  }
  get isAwake(): boolean {
    return this.#phase === 'awake';
  }
  get awakeSince(): Millis {
    return this.#awakeSince;
  }
  get restReason(): RestReason | undefined {
    return this.#restReason;
  }
  get info(): Info | undefined {
    return this.#awake?.info;
  }
  get content(): Content | undefined {
    return this.#awake?.content;
  }
  /** Of its brains: one that ends holds what the disk has of it until it is closed. */
  get held(): readonly TorrentHeld[] {
    return [this.#awake, this.#leaving].flatMap((brain) => (brain === undefined ? [] : [brain.held]));
  }
  get heldBack(): TorrentHeldBack | undefined {
    return this.#awake?.heldBack;
  }
  get error(): BtError | undefined {
    return this.#fault ?? this.#awake?.error;
  }
  /** A fault of ours ended it. */
  get isCondemned(): boolean {
    return this.#fault !== undefined;
  }
  /** Everything wanted is here, as far as is known. */
  get isComplete(): boolean {
    return this.#awake?.isJudged === true ? this.#awake.leftBytes === 0 : this.#known.isComplete === true;
  }
  /** The session's state has its .torrent file. */
  get isKept(): boolean {
    return this.#isKept;
  }
  get peerCount(): number {
    return this.#awake?.peerCount ?? 0;
  }
  get conns(): Iterable<ConnId> {
    return this.#awake?.conns ?? [];
  }
  /** No connection has a place here. */
  get hasEnded(): boolean {
    if (this.#awake !== undefined) return this.#awake.hasEnded;
    return this.#phase !== 'dormant';
  }
  /** Payload that came in, in this run of the process. */
  get downloaded(): number {
    return this.#carried.downloaded + (this.#awake?.exchanged.downloaded ?? 0);
  }

  handshake(asked?: HandshakeStart): HandshakeStart {
    return this.identity.handshake(asked);
  }

  /** What is to be remembered of it. */
  known(now: Millis): KnownTorrent {
    return this.#awake === undefined ? this.#known : toKnown(this.#awake, now, this.#known);
  }
  /** Payload bytes of all runs of the process. */
  get totals(): Totals {
    const before = this.#source.totals ?? nothing;
    const { uploaded, downloaded } = this.#awake?.exchanged ?? nothing;
    return {
      uploaded: before.uploaded + this.#carried.uploaded + uploaded,
      downloaded: before.downloaded + this.#carried.downloaded + downloaded,
    };
  }

  snapshot(now: Millis, queuePosition?: number): TorrentSnapshot {
    if (this.#awake !== undefined) return this.#awake.snapshot(now);
    const known = this.#known;
    const isComplete = known.isComplete === true;
    const wantedBytes = known.wantedBytes ?? 0;
    const doneBytes = isComplete ? wantedBytes : (known.doneBytes ?? 0);
    return {
      phase: this.phase,
      restReason: this.#restReason,
      queuePosition,
      waitingFor: undefined,
      error: this.#fault,
      name: this.name,
      infoHashV1: this.hashV1,
      infoHashV2: this.hashV2,
      totalBytes: known.totalBytes,
      pieceCount: known.pieceCount,
      piecesHave: known.piecesHave ?? 0,
      wantedBytes,
      doneBytes,
      progress: isComplete ? 1 : wantedBytes === 0 ? 0 : doneBytes / wantedBytes,
      isComplete,
      downRate: 0,
      upRate: 0,
      downloaded: this.#carried.downloaded,
      uploaded: this.#carried.uploaded,
      verified: 0,
      wasted: 0,
      duplicated: 0,
      wastedBy: { bad: 0, dropped: 0, duplicate: 0, late: 0, unasked: 0 },
      downloadedFromSeeds: 0,
      downloadedFromPeers: 0,
      etaSec: undefined,
      peersConnected: 0,
      seedsConnected: 0,
      peersKnown: 0,
      badPieces: 0,
    };
  }

  peers(now: Millis): PeerSnapshot[] {
    return this.#awake?.peers(now) ?? [];
  }

  announceFigures(): AnnounceFigures {
    const { uploaded, downloaded } = this.#awake?.exchanged ?? nothing;
    const left = this.isComplete ? 0 : this.#awake?.leftBytes;
    return {
      port: this.#host.listenPort(),
      uploaded: this.#carried.uploaded + uploaded,
      downloaded: this.#carried.downloaded + downloaded,
      // Without metadata the size is unknown, and 0 would say that we are a seed.
      left: left ?? swarmLimits.extension.leftUnknownBytes,
      numWant: swarmLimits.peer.numWant,
    };
  }

  onTracker(url: string, error: BtError | undefined): void {
    this.#host.emit({ type: 'tracker', torrent: this.id, url, error });
  }

  /** Buffers that are lent to it, in memory or at the disk. */
  get bufferCount(): number {
    return (this.#awake?.bufferCount ?? 0) + (this.#leaving?.bufferCount ?? 0);
  }

  assertInvariants(): void {
    this.#awake?.assertInvariants();
    this.#leaving?.assertInvariants();
  }

  // --- life ---

  /** Makes the brain of it, if there is none. @param announceAt where it does not announce yet */
  wake(now: Millis, reason: string, announceAt: Millis = now): Torrent {
    if (this.#awake !== undefined) return this.#awake;
    const isNew = this.#phase === 'new';
    const wasComplete = this.#known.isComplete === true;
    this.#phase = 'awake';
    this.#restReason = undefined;
    this.#isPaused = false;
    this.#idleSince = undefined;
    this.#awakeSince = now;
    this.wantedAt = undefined;
    this.seen = { downloaded: this.downloaded, at: now };
    const { verified, ...source } = this.#source;
    const torrent = new Torrent({
      ...source,
      // Only the first time it is a moment ago.
      ...(this.#isFirst && verified !== undefined ? { verified } : {}),
      isKept: this.#isKept,
      wasComplete,
      announceAfterMs: Math.max(0, announceAt - now),
      host: this.#host,
      id: this.id,
      identity: this.identity,
      announces: this.announces,
      rng: this.#rng.fork(`awake ${now}`),
      now,
      carried: this.#carried,
    });
    this.#isFirst = false;
    this.#awake = torrent;
    if (!isNew) {
      this.tracer?.note?.(now, 'waking', { reason });
      this.#host.emit({ type: 'waking', torrent: this.id, reason });
    }
    // Known to be complete: it is announced while it is being opened, as it was while it slept.
    if (wasComplete) this.announces.start(announceAt, true);
    if (this.#leaving === undefined) torrent.start(now);
    return torrent;
  }

  /** Lets the brain go. Trackers are told goodbye, unless it is only dormant. */
  rest(now: Millis, phase: 'paused' | 'queued' | 'dormant', reason: RestReason, announceAt: Millis = now): void {
    // Also where it is the brain that stops.
    if (this.phase === 'stopping' || this.phase === 'stopped' || this.isCondemned) return;
    const isChange = this.#phase !== phase;
    const isNew = this.#phase === 'new';
    this.#phase = phase;
    this.#restReason = reason;
    this.#isPaused = phase === 'paused';
    const awake = this.#awake;
    this.#awake = undefined;
    this.#awakeSince = NEVER;
    // One that waits for another to close has opened nothing.
    if (awake !== undefined && this.#leaving === undefined) {
      this.#leaving = awake;
      awake.rest(now);
      this.#carry(awake, now);
    } else awake?.rest(now);
    if (phase === 'dormant') this.announces.start(announceAt, true);
    else if (this.announces.announcer.isRunning) {
      this.announces.announcer.stop();
      this.announces.announceDue(now);
    }
    if (!isChange || isNew) return;
    this.tracer?.note?.(now, 'resting', { phase, reason });
    this.#host.emit({ type: 'resting', torrent: this.id, phase, reason });
  }

  /** Ends it. Emits `stopped`. @param announceMs for trackers to hear of it */
  stop(now: Millis, announceMs: number): void {
    if (this.#phase === 'stopping' || this.#phase === 'stopped') return;
    if (this.#awake !== undefined && this.#leaving === undefined) {
      this.#awake.stop(now, announceMs);
      return;
    }
    const unstarted = this.#awake;
    this.#awake = undefined;
    this.#phase = 'stopping';
    unstarted?.rest(now);
    this.#stopDeadline = addMs(now, announceMs);
    this.announces.announcer.stop();
    this.announces.announceDue(now);
    this.#continueStop(now);
  }

  /**
   * A fault of ours was met in it. Nothing that its brain holds can be relied on, so the brain goes as it is: nothing more is saved, and what
   * is open is closed. Its connections and buffers are the session's to take back.
   */
  condemn(now: Millis, fault: BtError): void {
    if (this.#phase === 'stopped') return;
    const wreck = this.#leaving ?? this.#awake;
    const isStopping = this.#phase === 'stopping' || this.#awake?.phase === 'stopping';
    this.#fault = fault;
    this.#awake = undefined;
    this.#leaving = undefined;
    this.#awakeSince = NEVER;
    this.#idleSince = undefined;
    this.#restReason = undefined;
    this.#wreck ??= wreck;
    wreck?.abandon(now);
    if (!isStopping) this.#phase = 'error';
    else if (this.#phase !== 'stopping') {
      this.#phase = 'stopping';
      this.#stopDeadline = now;
    }
    this.announces.announcer.stop();
    this.announces.announceDue(now);
    this.#host.emit({ type: 'error', torrent: this.id, error: fault });
    this.#continueStop(now);
  }

  /** The .torrent file is in the session's state from now on. */
  keep(): void {
    this.#isKept = true;
    const { info: _info, layers: _layers, ...rest } = this.#source;
    this.#source = rest;
  }

  /** A brain that rests has saved and closed: one that waits for its files begins. */
  onRested(now: Millis): void {
    if (this.#leaving?.phase !== 'stopped') return;
    this.#leaving = undefined;
    this.#awake?.start(now);
    this.#continueStop(now);
  }

  /** What a brain that goes has done and known stays. */
  #carry(left: Torrent, now: Millis): void {
    const { uploaded, downloaded } = left.exchanged;
    this.#carried = {
      uploaded: this.#carried.uploaded + uploaded,
      downloaded: this.#carried.downloaded + downloaded,
    };
    this.#known = toKnown(left, now, this.#known);
  }

  #continueStop(now: Millis): void {
    if (this.#wreck?.isStoreClosed === true) this.#wreck = undefined;
    if (this.#phase !== 'stopping' || this.#leaving !== undefined || this.#wreck !== undefined) return;
    if (!this.announces.announcer.isQuiet && now < this.#stopDeadline) return;
    this.#phase = 'stopped';
    this.#host.emit({ type: 'stopped', torrent: this.id });
  }

  // --- inputs ---

  /** The brain that the disk answers. */
  get disk(): Torrent | undefined {
    return this.#leaving ?? this.#awake;
  }
  /** Of the store itself it also answers one that was condemned. */
  onStoreOpened(now: Millis, result: StoreOpened): void {
    (this.disk ?? this.#wreck)?.onStoreOpened(now, result);
    this.#continueStop(now);
  }
  onResumeSaved(now: Millis, error: BtError | undefined): void {
    (this.disk ?? this.#wreck)?.onResumeSaved(now, error);
    this.#continueStop(now);
  }
  onStoreClosed(now: Millis): void {
    (this.disk ?? this.#wreck)?.onStoreClosed(now);
    this.#continueStop(now);
  }
  /** Where the files are has to be known whatever has become of the torrent. */
  onStoreMoved(now: Millis, folder: string, error: BtError | undefined): void {
    (this.disk ?? this.#wreck)?.onStoreMoved(now, folder, error);
  }
  get awake(): Torrent | undefined {
    return this.#awake;
  }

  addPeer(now: Millis, added: AddPeer): void {
    this.wake(now, 'a peer').addPeer(now, added);
  }

  onDialFailed(now: Millis, address: PeerAddress): void {
    this.#awake?.onDialFailed(now, address);
  }
  /** @returns whether a connection that is of no use has made way */
  dropIdler(now: Millis): boolean {
    return this.#awake?.dropIdler(now) === true;
  }
  onOwnAddress(address: PeerAddress): void {
    this.#awake?.onOwnAddress(address);
  }

  /** @returns peers that the tracker told a sleeper of */
  onAnnounced(now: Millis, url: string, request: AnnounceRequest, result: AnnounceResult): readonly PeerAddress[] {
    if (this.#awake !== undefined) {
      this.#awake.onAnnounced(now, url, request, result);
      return [];
    }
    const { peers } = this.announces.onAnnounced(now, url, request, result);
    this.announces.announceDue(now);
    this.#continueStop(now);
    return peers;
  }

  /** Asks every tracker how large the swarm is. @returns how many `scraped` events follow */
  scrape(): number {
    const urls = new Set(this.announces.announcer.state().map((t) => t.url));
    const hash = swarmKeyBytes(this.identity.first);
    for (const url of urls) this.#host.ports.scrape(this.id, url, hash);
    return urls.size;
  }

  onScraped(url: string, result: ScrapeResult): void {
    this.#host.emit({ type: 'scraped', torrent: this.id, url, result });
  }

  /** A reader was served, or the user looked at it: it does not fall asleep at once. */
  touch(now: Millis): void {
    if (this.#idleSince !== undefined) this.#idleSince = now;
  }

  onTimer(now: Millis): void {
    this.#leaving?.onTimer(now);
    if (this.#awake !== undefined) this.#awake.onTimer(now);
    else this.announces.announceDue(now);
    this.#continueStop(now);
    if (this.#sleepAt <= now) this.rest(now, 'dormant', 'idle');
  }

  /** What the input caused leaves now. @returns when to be woken */
  endTurn(now: Millis): Millis {
    let at: number = this.#leaving?.endTurn(now) ?? NEVER;
    if (this.#awake !== undefined) at = Math.min(at, this.#awake.endTurn(now));
    else if (this.#phase !== 'stopped') at = Math.min(at, this.announces.nextAt);
    if (this.#phase === 'stopping') at = Math.min(at, this.#stopDeadline);
    this.#watchIdleness(now);
    return Math.min(at, this.#sleepAt) as Millis;
  }

  get #sleepAt(): Millis {
    return this.#idleSince === undefined ? NEVER : addMs(this.#idleSince, limits.sleepMs);
  }

  #watchIdleness(now: Millis): void {
    const torrent = this.#awake;
    // Asleep it would not see that its disk is well again, and a move would be broken off.
    const isWell = torrent?.waitingFor === undefined && torrent?.isMoving !== true;
    const isIdle = this.#isKept && torrent?.phase === 'seeding' && torrent.peerCount === 0 && isWell;
    if (!isIdle) this.#idleSince = undefined;
    else this.#idleSince ??= now;
  }
}

/** @param before what was known, where this brain has not come to know it */
function toKnown(torrent: Torrent, now: Millis, before: KnownTorrent): KnownTorrent {
  if (!torrent.isJudged) return torrent.info === undefined ? before : { ...before, name: torrent.info.name };
  const { name, totalBytes, pieceCount, piecesHave, wantedBytes, doneBytes } = torrent.snapshot(now);
  const isComplete = torrent.leftBytes === 0;
  return { name, totalBytes, pieceCount, piecesHave, wantedBytes, doneBytes, isComplete };
}

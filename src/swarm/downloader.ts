// Hot path: self
import { assert, type Millis, type Rng } from '../base/index.ts';
import { BLOCK_LENGTH, type FileMap, type Geometry } from '../metainfo/index.ts';
import { connEvents } from '../trace/index.ts';
import { encodeMessage } from '../wire/index.ts';
import { Asker, isLively } from './asker.ts';
import type { BlameVerdict } from './blame.ts';
import { BlockKeys } from './block-keys.ts';
import { dropUnasked, type SwarmContext } from './context.ts';
import type { HashBook } from './hash-book.ts';
import { limits } from './limits.ts';
import type { Peer } from './peer.ts';
import { Picker } from './picker.ts';
import { PieceDesk } from './piece-desk.ts';
import { type ActivePiece, BlockState, type PieceLedger, PieceState } from './piece-ledger.ts';
import type { Policies } from './policies.ts';
import type { CommitOutcome } from './ports.ts';

/** Payload bytes; what has come is `payloadBytes` and what was refused when it came: `duplicateBytes`, `lateBytes`, `unaskedBytes`. */
export interface DownloadCounts {
  /** Payload of blocks that were taken. */
  readonly payloadBytes: number;
  /** Of these: of pieces that are verified and stored. */
  readonly verifiedBytes: number;
  /** Of these: of pieces that failed their hash. */
  readonly badBytes: number;
  /** Of these: of pieces that were given up. */
  readonly droppedBytes: number;
  /** Copies too many of blocks that were asked of two peers in end-game. */
  readonly duplicateBytes: number;
  /** Had been asked for, and came after they had been taken back, or broke off in the middle of a block. */
  readonly lateBytes: number;
  /** Nobody had asked for them. */
  readonly unaskedBytes: number;
  /** Nobody needed them: the sum of the last five. */
  readonly wastedBytes: number;
  readonly badPieces: number;
}

export interface DownloaderOptions {
  readonly geometry: Geometry;
  readonly fileMap: FileMap;
  readonly ledger: PieceLedger;
  readonly hashes: HashBook;
  /** Files that a piece has bytes of. */
  readonly filesOf: (piece: number) => readonly number[];
  readonly rng: Rng;
  readonly policies: Pick<Policies, 'picker' | 'endGame'>;
  readonly onPiece: (piece: number) => void;
  readonly onBad: (piece: number, verdict: readonly BlameVerdict[]) => void;
}

/**
 * Fetches: has peers asked (`Asker`), takes blocks in, takes requests back, gives whole pieces to the disk, and learns from the result.
 * Owner of the ledger's moves from `wanted` to `have`.
 */
export class Downloader {
  readonly picker: Picker;
  readonly #counts = { payloadBytes: 0, duplicateBytes: 0, lateBytes: 0, unaskedBytes: 0 };
  readonly #desk: PieceDesk;
  readonly #asker: Asker;
  readonly #ctx: SwarmContext;
  readonly #ledger: PieceLedger;
  readonly #geometry: Geometry;
  readonly #keys: BlockKeys;
  readonly #filesOf: (piece: number) => readonly number[];
  /** Files that cannot be written: no piece of them is begun. */
  readonly #blockedFiles = new Set<number>();

  constructor(ctx: SwarmContext, options: DownloaderOptions) {
    this.#ctx = ctx;
    this.#ledger = options.ledger;
    this.#geometry = options.geometry;
    this.#filesOf = options.filesOf;
    this.#keys = new BlockKeys(options.geometry);
    this.#desk = new PieceDesk(ctx, {
      geometry: options.geometry,
      fileMap: options.fileMap,
      ledger: options.ledger,
      hashes: options.hashes,
      onMoved: (piece) => this.picker.pieceMoved(piece),
      onGivenUp: (active) => this.#takeBack(active),
      onClosed: (active) => this.#forgetCurrent(active),
      onGood: options.onPiece,
      onVerdicts: options.onBad,
    });
    this.picker = new Picker({
      ledger: options.ledger,
      rng: options.rng,
      isVerifiable: (piece) => options.hashes.isVerifiable(piece) && !this.#isInBlocked(piece),
      mayStart: () => this.#desk.mayStart(),
      start: (piece) => this.#desk.start(piece),
      onParole: (piece) => this.#desk.blame.isOnParole(piece),
      policy: options.policies.picker,
      endGameAskersMax: options.policies.endGame.askersMax,
    });
    this.#asker = new Asker(ctx, {
      geometry: options.geometry,
      keys: this.#keys,
      ledger: options.ledger,
      picker: this.picker,
      desk: this.#desk,
      counts: this.#counts,
      policy: options.policies.endGame,
    });
  }

  get counts(): DownloadCounts {
    const { payloadBytes, duplicateBytes, lateBytes, unaskedBytes } = this.#counts;
    const { verifiedBytes, badBytes, droppedBytes, badPieces } = this.#desk.counts;
    const wastedBytes = badBytes + droppedBytes + duplicateBytes + lateBytes + unaskedBytes;
    return {
      payloadBytes,
      verifiedBytes,
      badBytes,
      droppedBytes,
      duplicateBytes,
      lateBytes,
      unaskedBytes,
      wastedBytes,
      badPieces,
    };
  }

  /** Requests may flow; what the disk could not take is offered to it again. */
  resume(): void {
    this.#desk.isHalted = false;
    this.#desk.offerAgain();
    this.wakeAll();
  }

  /** Offers again what the disk could not take. */
  offerAgain(): void {
    this.#desk.offerAgain();
  }

  /** No piece of these files is begun until they are unblocked. */
  block(files: readonly number[]): void {
    for (const file of files) this.#blockedFiles.add(file);
  }
  /** @param files all where undefined */
  unblock(files: readonly number[] | undefined): void {
    if (this.#blockedFiles.size === 0) return;
    if (files === undefined) this.#blockedFiles.clear();
    else for (const file of files) this.#blockedFiles.delete(file);
    this.wakeAll();
  }
  get isBlocked(): boolean {
    return this.#blockedFiles.size > 0;
  }
  #isInBlocked(piece: number): boolean {
    return this.#blockedFiles.size > 0 && this.#filesOf(piece).some((file) => this.#blockedFiles.has(file));
  }

  /** Pieces that are held to be offered again. */
  get heldPieces(): readonly number[] {
    return this.#desk.heldPieces;
  }
  /** A file was changed by others: what is on disk unverified of the pieces that touch it may be gone. They begin anew, nobody is blamed. */
  forgetStored(files: readonly number[]): void {
    this.#desk.forgetStored((piece) => this.#filesOf(piece).some((file) => files.includes(file)));
    this.wakeAll();
  }

  /** No more requests. What is whole stays, to be offered to the disk again by `resume`. */
  pause(): void {
    this.#desk.isHalted = true;
    for (const peer of this.#ctx.peers.values()) {
      this.#abortArrival(peer);
      this.#giveBack(peer, { cancel: true });
    }
  }

  /** No more requests; what is in memory is let go. Pieces at the disk come back by onCommitted as usual. */
  halt(): void {
    this.pause();
    this.#desk.clear();
  }

  /** Buffers at the disk right now: wait for them before the torrent is closed. */
  get atDisk(): number {
    return this.#desk.atDisk;
  }
  /** Bytes of buffers that this torrent holds in memory (not at the disk). */
  get heldBytes(): number {
    return this.#desk.heldBytes;
  }
  /** The same of buffers that the disk has. */
  get atDiskBytes(): number {
    return this.#desk.atDiskBytes;
  }
  get hasRoom(): boolean {
    return this.#desk.hasRoom;
  }
  get blameBytes(): number {
    return this.#desk.blame.bytes;
  }
  /** Another torrent has no buffer. @returns whether one was given back */
  giveUpStale(): boolean {
    return this.#desk.evictStale();
  }

  /** Something that can be asked for may have appeared. */
  wakeAll(): void {
    this.#asker.wakeAll();
  }

  /** Tops up the peer's requests. Called at the end of a turn for peers that may need it. */
  fill(peer: Peer): void {
    this.#asker.fill(peer);
  }

  // --- blocks coming in (borrowed views; the copy into the segment is the only one) ---

  onBlockStart(peer: Peer, piece: number, begin: number, length: number): void {
    peer.arrival.active = undefined;
    peer.arrival.isDouble = false;
    const block = this.#keys.blockAt(piece, begin, length);
    if (block < 0) {
      this.#unasked(peer, length);
      return;
    }
    const key = this.#keys.of(piece, block);
    const askedAt = peer.outstanding.get(key);
    const wasAsked = peer.outstanding.delete(key);
    peer.arrival.askedAt = askedAt;
    if (!wasAsked && !this.#wasTakenBack(peer, key)) {
      this.#unasked(peer, length);
      return;
    }
    peer.arrival.isUnasked = false;
    const active = this.#ledger.active(piece);
    if (active === undefined || this.#ledger.state(piece) !== PieceState.active) return;
    if (active.blocks[block] === BlockState.arriving) this.#takeOver(active, block);
    const lacks = active.blocks[block] === BlockState.free || active.blocks[block] === BlockState.asked;
    const takes = lacks && this.#desk.hasBuffer(active, block) && this.#ledger.arrive(active, block, peer.key);
    if (wasAsked) this.#ledger.unask(active, block);
    if (active.doubled?.has(block) === true) peer.arrival.isDouble = true;
    if (!takes) return;
    active.touchedAt = this.#ctx.now;
    const s = Math.floor(begin / active.segmentBytes);
    peer.arrival.active = active;
    peer.arrival.block = block;
    peer.arrival.segment = active.segments[s];
    peer.arrival.at = begin - s * active.segmentBytes;
    peer.arrival.since = this.#ctx.now;
  }

  /** A second copy begins to arrive: where the first one takes long, that one is given up. Each block keeps one author. */
  #takeOver(active: ActivePiece, block: number): void {
    const before = this.#ctx.now - limits.requests.takeOverMs;
    for (const other of this.#ctx.peers.values()) {
      const { arrival } = other;
      if (arrival.active === active && arrival.block === block && arrival.since <= before) this.#abortArrival(other);
    }
  }

  onBlockBytes(peer: Peer, bytes: Uint8Array): void {
    const now = this.#ctx.now;
    const arrival = peer.arrival;
    this.#ctx.host.tookDownload(this.#ctx.torrent, peer.conn, bytes.length);
    // Rubbish is no gift: it earns no slot, and keeps nobody from being snubbed.
    if (arrival.isUnasked) {
      this.#counts.unaskedBytes += bytes.length;
      return;
    }
    peer.down.add(now, bytes.length);
    peer.lastPayloadAt = now;
    if (arrival.active === undefined) {
      this.#waste(bytes.length, arrival.isDouble);
      return;
    }
    (arrival.segment as Uint8Array).set(bytes, arrival.at);
    arrival.at += bytes.length;
  }

  onBlockEnd(peer: Peer): void {
    const now = this.#ctx.now;
    const { askedAt, isUnasked } = peer.arrival;
    if (isUnasked) return;
    peer.lastBlockAt = now;
    const tookMs = askedAt === undefined ? undefined : now - askedAt;
    peer.pipeline.onBlock(now, peer.down.bytesPerSec(now), tookMs, now - peer.waitingSince);
    if (peer.snubbed) this.#unsnub(peer);
    peer.waitingSince = now;
    this.#ctx.hungry(peer);
    const { active, block } = peer.arrival;
    if (active === undefined) return;
    peer.arrival.active = undefined;
    peer.arrival.segment = undefined;
    this.#counts.payloadBytes += this.#geometry.blockBytes(active.piece, block);
    const segment = this.#ledger.arrived(active, block);
    if ((active.askers[block] as number) > 0) this.#cancelElsewhere(active, block);
    this.#desk.blockArrived(active, segment);
  }

  #unasked(peer: Peer, length: number): void {
    peer.arrival.isUnasked = true;
    dropUnasked(this.#ctx, peer, length);
  }

  /** The block had been asked for, and the request taken back. */
  #wasTakenBack(peer: Peer, key: number): boolean {
    const isDouble = peer.cancelled.get(key);
    if (isDouble === undefined) return false;
    peer.cancelled.delete(key);
    peer.arrival.isDouble = isDouble;
    return true;
  }

  #waste(length: number, isDouble: boolean): void {
    this.#counts[isDouble ? 'duplicateBytes' : 'lateBytes'] += length;
  }

  /** End-game: the block is here, the other requests for it are void. */
  #cancelElsewhere(active: ActivePiece, block: number): void {
    const key = this.#keys.of(active.piece, block);
    for (const other of this.#ctx.peers.values()) {
      if (!other.outstanding.delete(key)) continue;
      this.#ledger.unask(active, block);
      this.#cancelAt(other, active.piece, block);
      this.#ctx.hungry(other);
    }
  }

  #cancelAt(peer: Peer, piece: number, block: number): void {
    const length = this.#geometry.blockBytes(piece, block);
    const begin = block * BLOCK_LENGTH;
    this.#ctx.send(peer, encodeMessage({ kind: 'cancel', piece, begin, length }));
    this.#ctx.tracer?.cancel?.(this.#ctx.now, peer.conn, piece, begin, length);
    this.#remember(peer, piece, block);
  }

  /** The block may come although it was taken back: then it is not an unasked one. */
  #remember(peer: Peer, piece: number, block: number): void {
    if (peer.cancelled.size >= limits.requests.cancelledMax) {
      for (const oldest of peer.cancelled.keys()) {
        peer.cancelled.delete(oldest);
        break;
      }
    }
    peer.tookBack(this.#keys.of(piece, block), this.#ledger.active(piece)?.doubled?.has(block) === true);
  }

  // --- requests that end without a block ---

  /** BEP 3: a choke voids what was asked. BEP 6: with the fast extension rejects follow, and nothing is void before. */
  onChoked(peer: Peer): void {
    if (!peer.flags.fast) this.#giveBack(peer, { cancel: false });
  }

  /** BEP 6. */
  onReject(peer: Peer, ref: { piece: number; begin: number; length: number }): void {
    // Keys run on from piece to piece, so what is no block must not become one.
    const block = this.#keys.blockAt(ref.piece, ref.begin, ref.length);
    if (block < 0) return;
    const key = this.#keys.of(ref.piece, block);
    // Asked again after a cancel: this answers the request that was taken back (BEP 6), and the new one is still open.
    if (peer.cancelled.delete(key)) return;
    if (!peer.outstanding.delete(key)) return;
    const active = this.#ledger.active(ref.piece);
    assert(active !== undefined, 'an open request has a piece in work');
    this.#ledger.unask(active, block);
    peer.allowedFast?.delete(ref.piece);
    if (!peer.peerChoking) this.#refused(peer, ref.piece);
    this.wakeAll();
  }

  /** It has the piece, does not choke us, and will not give it: others are asked. */
  #refused(peer: Peer, piece: number): void {
    if (peer.refused === undefined) peer.refusedSince = this.#ctx.now;
    peer.refused ??= new Set();
    peer.refused.add(piece);
    if (peer.current?.piece === piece) peer.current = undefined;
  }

  /** The connection is over: its blocks are free for others. */
  peerGone(peer: Peer): void {
    this.#abortArrival(peer);
    this.#giveBack(peer, { cancel: false });
  }

  /**
   * Pieces on parole belong to one peer. Where that one chokes us, stalls, will not give it or is gone, or takes long while others do
   * send, the piece begins anew with another: what it sent is thrown away, since a piece of two authors would blame nobody again.
   */
  freeReserved(): void {
    for (const active of [...this.#ledger.actives]) {
      if (active.exclusiveTo === undefined || this.#desk.isStoring(active)) continue;
      if (this.#ledger.state(active.piece) !== PieceState.active) continue;
      const isOverdue = this.#isOverdue(active);
      if (this.#isServed(active) && !isOverdue) continue;
      if (isOverdue)
        for (const peer of this.#ctx.peers.values())
          if (peer.key === active.exclusiveTo) this.#refused(peer, active.piece);
      this.#desk.giveUp(active);
      this.wakeAll();
    }
  }

  #isServed(active: ActivePiece): boolean {
    for (const peer of this.#ctx.peers.values()) {
      if (peer.key === active.exclusiveTo && !peer.snubbed && this.picker.mayAsk(peer, active)) return true;
    }
    return false;
  }

  /** It has had its time for the piece, and there is another who sends and has it. */
  #isOverdue(active: ActivePiece): boolean {
    const { now } = this.#ctx;
    if (now - active.startedAt < limits.requests.paroleMs + active.blocks.length * limits.requests.paroleBlockMs)
      return false;
    for (const peer of this.#ctx.peers.values()) {
      if (peer.key !== active.exclusiveTo && isLively(peer, now) && this.picker.mayAsk(peer, active)) return true;
    }
    return false;
  }

  #giveBack(peer: Peer, options: { cancel: boolean }): void {
    if (peer.outstanding.size === 0) return;
    for (const key of peer.outstanding.keys()) {
      const piece = this.#keys.pieceOf(key);
      const block = this.#keys.blockOf(key);
      const active = this.#ledger.active(piece);
      assert(active !== undefined, 'an open request has a piece in work');
      this.#ledger.unask(active, block);
      if (options.cancel) this.#cancelAt(peer, piece, block);
      else this.#remember(peer, piece, block);
    }
    peer.outstanding.clear();
    this.wakeAll();
  }

  #abortArrival(peer: Peer): void {
    const { active, block } = peer.arrival;
    if (active === undefined) return;
    // What came of it is thrown away, and the rest will be as it comes.
    const begin = (block * BLOCK_LENGTH) % active.segmentBytes;
    peer.arrival.isDouble = active.doubled?.has(block) === true;
    this.#waste(peer.arrival.at - begin, peer.arrival.isDouble);
    peer.arrival.active = undefined;
    peer.arrival.segment = undefined;
    this.#ledger.arriveFailed(active, block);
    this.wakeAll();
  }

  // --- time-outs ---

  /** @param patience factor on the time-out: our own download limit makes peers look slow */
  tick(peer: Peer, patience: number): void {
    if (peer.refused !== undefined && this.#ctx.now - peer.refusedSince > limits.requests.refusedMs)
      peer.refused = undefined;
    if (peer.outstanding.size === 0 && peer.arrival.active === undefined) return;
    const now = this.#ctx.now;
    const silentMs = now - Math.max(peer.lastPayloadAt, peer.waitingSince);
    const isSilent = silentMs >= limits.requests.snubMs * patience;
    if (isSilent || now - oldestWait(peer, now) >= limits.requests.slowMs * patience) this.#snub(peer, silentMs);
  }

  #snub(peer: Peer, silentMs: number): void {
    const tracer = this.#ctx.tracer;
    if (tracer?.timeout !== undefined) {
      for (const [key, at] of peer.outstanding) {
        const piece = this.#keys.pieceOf(key);
        const begin = this.#keys.blockOf(key) * BLOCK_LENGTH;
        tracer.timeout(this.#ctx.now, peer.conn, piece, begin, this.#ctx.now - at);
      }
    }
    tracer?.conn?.(this.#ctx.now, peer.conn, connEvents.snubbed, silentMs);
    peer.snubbed = true;
    peer.snubCount++;
    peer.pipeline.onSnubbed();
    peer.waitingSince = this.#ctx.now;
    this.#abortArrival(peer);
    this.#giveBack(peer, { cancel: true });
    if (peer.snubCount >= limits.requests.snubsMax) {
      this.#ctx.drop(peer, {
        code: 'peer/stalled',
        detail: `no data for ${Math.round(silentMs / 1000)} s, again and again`,
      });
    }
  }

  #unsnub(peer: Peer): void {
    this.#ctx.tracer?.conn?.(this.#ctx.now, peer.conn, connEvents.unsnubbed, 0);
    peer.snubbed = false;
    peer.snubCount = 0;
    peer.pipeline.restart();
  }

  // --- answers of the disk ---

  onSegmentStored(piece: number, offset: number, bytes: Uint8Array, failed: boolean): void {
    this.#desk.onSegmentStored(piece, offset, bytes, failed);
    this.wakeAll();
  }

  onCommitted(
    piece: number,
    outcome: CommitOutcome,
    segments: readonly (Uint8Array | undefined)[],
    blockHashes: Uint8Array | undefined,
  ): void {
    this.#desk.onCommitted(piece, outcome, segments, blockHashes);
    this.wakeAll();
  }

  /** See PieceDesk.holdBack. */
  holdBack(piece: number, segments: (Uint8Array | undefined)[]): boolean {
    return this.#desk.holdBack(piece, segments);
  }

  /** A piece is given up: nobody is to send parts of it. */
  #takeBack(active: ActivePiece): void {
    for (const peer of this.#ctx.peers.values()) {
      if (peer.arrival.active === active) this.#abortArrival(peer);
      for (let b = 0; b < active.blocks.length; b++) {
        if (!peer.outstanding.delete(this.#keys.of(active.piece, b))) continue;
        this.#ledger.unask(active, b);
        this.#cancelAt(peer, active.piece, b);
      }
    }
  }

  #forgetCurrent(active: ActivePiece): void {
    for (const peer of this.#ctx.peers.values()) if (peer.current === active) peer.current = undefined;
  }

  /** Buffers that are lent to this torrent, in memory or at the disk: what the pool has to count. */
  get bufferCount(): number {
    return this.#desk.bufferCount;
  }
  /** Bytes of blocks that are coming in now: not counted yet. */
  get arrivingBytes(): number {
    let bytes = 0;
    for (const peer of this.#ctx.peers.values()) bytes += arrivedBytes(peer);
    return bytes;
  }
  get isHalted(): boolean {
    return this.#desk.isHalted;
  }

  /** Ledger, picker, desk and peers against each other; in simulation after every event. */
  assertInvariants(): void {
    this.#ledger.assertInvariants();
    this.picker.assertInvariants();
    this.#desk.assertInvariants();
    const asked = new Map<number, number>();
    const arriving = new Set<number>();
    for (const peer of this.#ctx.peers.values()) {
      this.#assertRequests(peer);
      for (const key of peer.outstanding.keys()) asked.set(key, (asked.get(key) ?? 0) + 1);
      const { active, block } = peer.arrival;
      if (active === undefined) continue;
      assert(this.#ledger.active(active.piece) === active, 'what arrives is for a piece in work');
      assert(active.blocks[block] === BlockState.arriving, 'what arrives is marked so');
      assert(active.senders[block] === peer.key, 'what arrives belongs to its sender');
      const key = this.#keys.of(active.piece, block);
      assert(!arriving.has(key), 'a block arrives from one peer at a time');
      arriving.add(key);
    }
    for (const [key, count] of asked) {
      const piece = this.#keys.pieceOf(key);
      const active = this.#ledger.active(piece);
      assert(active !== undefined, 'no request is open for a piece that is not in work');
      const askers = active.askers[this.#keys.blockOf(key)];
      assert(askers === count, 'peers and ledger agree on who is asked');
    }
    let askedCount = 0;
    let arrivingCount = 0;
    for (const { blocks, askers } of this.#ledger.actives) {
      for (let b = 0; b < blocks.length; b++) {
        if ((askers[b] as number) > 0) askedCount++;
        if (blocks[b] === BlockState.arriving) arrivingCount++;
      }
    }
    assert(askedCount === asked.size, 'whoever is asked has an open request');
    assert(arrivingCount === arriving.size, 'whatever is marked as arriving arrives');
    const { payloadBytes, verifiedBytes, badBytes, droppedBytes } = this.counts;
    assert(
      payloadBytes === verifiedBytes + badBytes + droppedBytes + this.#desk.fetchedBytes,
      'every byte that was taken is verified, bad, dropped or here',
    );
  }

  #assertRequests(peer: Peer): void {
    assert(peer.outstanding.size <= limits.requests.max, 'requests stay within the limit');
    assert(peer.cancelled.size <= limits.requests.cancelledMax, 'what was taken back is remembered within the limit');
    if (![...this.#ledger.actives].some((active) => active.exclusiveTo !== undefined)) return;
    for (const key of peer.outstanding.keys()) {
      const owner = this.#ledger.active(this.#keys.pieceOf(key))?.exclusiveTo;
      assert(owner === undefined || owner === peer.key, 'a piece on parole is asked of one peer only');
    }
  }
}

/** Bytes that are here of the block that is coming in. Segments begin with a block. */
function arrivedBytes({ arrival }: Peer): number {
  const { active, block, at } = arrival;
  return active === undefined ? 0 : at - ((block * BLOCK_LENGTH) % active.segmentBytes);
}

/** When the oldest request was sent, or the block began that is still coming in. */
function oldestWait(peer: Peer, now: Millis): number {
  let oldest: number = peer.arrival.active === undefined ? now : peer.arrival.since;
  for (const at of peer.outstanding.values()) {
    // In the order of asking, so the first is the oldest.
    oldest = Math.min(oldest, at);
    break;
  }
  return oldest;
}

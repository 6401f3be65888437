import { type Bitfield, BtError, type Millis, type PeerAddress } from '../base/index.ts';
import type { Content } from './content.ts';
import type { SwarmContext } from './context.ts';
import { DiskTrouble, isChange } from './disk-trouble.ts';
import { Doubts } from './doubts.ts';
import type { Identity } from './identity.ts';
import type { CommitOutcome, StoreOpened } from './ports.ts';
import { encodeResume } from './resume.ts';
import { Storage } from './storage.ts';
import type { Totals } from './torrent-source.ts';

export interface TorrentDiskOptions {
  readonly content: Content;
  readonly identity: Identity;
  /** The data was hashed a moment ago: files of the right length are believed. */
  readonly verified: boolean;
  /** Nobody but the record has the info dictionary and the piece layers. */
  readonly isFromPeers: boolean;
  /** Requests may flow. */
  readonly isActive: () => boolean;
  /** Connections have no place in the torrent any more. */
  readonly hasEnded: () => boolean;
  /** Addresses to remember. */
  readonly addresses: () => PeerAddress[];
  /** Addresses of an earlier run. */
  readonly onAddresses: (addresses: readonly PeerAddress[]) => void;
  readonly onChecking: (pieces: number) => void;
  /** What is on disk is known: the ledger has it. */
  readonly onReady: () => void;
  /** All is about to be hashed again: connections and requests have to end. */
  readonly onRecheck: () => void;
  /** Pieces that were here are not, for the time being: peers have to be told. */
  readonly onDoubted: (pieces: readonly number[]) => void;
  /** A piece that was doubted is as it was. */
  readonly onFound: () => void;
  /** Pieces that were doubted have to be fetched again. */
  readonly onLost: () => void;
  /** Waiting does not help. */
  readonly onFailed: (error: BtError) => void;
  /** When `lookAgain` is due. */
  readonly lookAt: (at: Millis) => void;
  /** When `retryWriting` is due. */
  readonly retryAt: (at: Millis) => void;
}

/**
 * One torrent at the disk: which of the store's answers concerns whom, and what has to wait for what. Only one at a time has the folder to
 * itself: a move, a check of everything, a look at pieces in doubt.
 *
 *     storage   folder, check, record        trouble   what cannot be written now        doubts   what was here and may not be
 *
 * Owner of the move that is under way and of the totals of earlier runs.
 */
export class TorrentDisk {
  readonly #ctx: SwarmContext;
  readonly #o: TorrentDiskOptions;
  readonly #content: Content;
  readonly #storage: Storage;
  readonly #doubts: Doubts;
  readonly #trouble: DiskTrouble;
  #moving: { readonly folder: string; hasBegun: boolean } | undefined;
  /** All is to be hashed as soon as the disk has answered for what it is looking at. */
  #isRecheckDue = false;
  /** Totals of earlier runs. */
  #earlier: Totals = { downloaded: 0, uploaded: 0 };

  constructor(ctx: SwarmContext, options: TorrentDiskOptions) {
    this.#ctx = ctx;
    this.#o = options;
    this.#content = options.content;
    this.#trouble = new DiskTrouble(ctx, options.retryAt);
    this.#doubts = new Doubts(ctx, {
      content: options.content,
      onDoubted: (pieces) => {
        for (const piece of pieces) ctx.host.runs.forgetPiece(ctx.torrent, piece);
        options.onDoubted(pieces);
        this.changed();
      },
      onFound: (piece) => {
        this.#content.exchange.foundAgain(piece);
        this.changed();
        ctx.host.emit({ type: 'piece', torrent: ctx.torrent, piece });
        options.onFound();
      },
      onLost: (pieces, error) => this.#onLost(pieces, error),
      onQuiet: () => {
        this.continueMove();
        this.#recheckIfDue();
      },
      lookAt: options.lookAt,
    });
    this.#storage = new Storage(ctx, {
      content: options.content,
      verified: options.verified,
      encode: () => this.#encodeResume(),
      onResume: (data) => {
        this.#earlier = { downloaded: data.downloaded, uploaded: data.uploaded };
        options.onAddresses(data.peers);
      },
      onChecking: options.onChecking,
      onReady: options.onReady,
      onFailed: options.onFailed,
    });
  }

  get isMoving(): boolean {
    return this.#moving !== undefined;
  }
  /** What is in the way and may pass. */
  get waitingFor(): BtError | undefined {
    return this.#trouble.waitingFor ?? this.#doubts.error;
  }
  /** Share of the check that is done, 0 to 1. */
  get checkProgress(): number {
    return this.#storage.checkProgress;
  }
  /** Bytes of the record that is on its way to the disk. */
  get savingBytes(): number {
    return this.#storage.savingBytes;
  }
  /** When `save` is due. */
  get saveAt(): Millis {
    return this.#storage.saveAt;
  }
  /** Nothing of it is open. */
  get isClosed(): boolean {
    return this.#storage.isClosed;
  }

  open(): void {
    this.#storage.open();
  }
  /** Writes the record. */
  save(): void {
    this.#storage.save();
  }
  /** Something worth remembering has changed. */
  changed(): void {
    this.#storage.changed();
  }
  /** See Storage.close. */
  close(): boolean {
    return this.#storage.close();
  }
  /** See Storage.abandon. */
  abandon(): void {
    this.#storage.abandon();
  }

  // --- before work begins ---

  /** What the check could not read is in doubt from now on. */
  adoptUnread(): void {
    const { pieces, error } = this.#storage.unread;
    if (error !== undefined) this.#doubts.adopt(pieces, error);
  }
  /** Where the folder is known to take nothing, nothing is fetched in vain. */
  adoptWriteTrouble(): void {
    const { writeTrouble } = this.#storage;
    if (writeTrouble !== undefined && !this.#content.ledger.isComplete) this.#trouble.wait(this.#content, writeTrouble);
  }

  // --- the folder for one alone ---

  /** Downloading pauses, what is here is served from where it is; `moved` follows. Requests flow, and no other move is under way. */
  move(folder: string): void {
    this.#moving = { folder, hasBegun: false };
    this.#content.downloader.pause();
    this.#doubts.isHeld = true;
    this.continueMove();
  }

  /** Moves when nothing is written or hashed any more, and the last record is saved. Called whenever the disk has answered. */
  continueMove(): void {
    const moving = this.#moving;
    if (moving === undefined || moving.hasBegun || !this.#o.isActive()) return;
    if (this.#content.downloader.atDisk > 0 || this.#doubts.isLooking) return;
    moving.hasBegun = this.#storage.move(moving.folder);
  }

  onStoreMoved(folder: string, error: BtError | undefined): void {
    this.#moving = undefined;
    this.#emitMoved(folder, error);
    this.#storage.onMoved();
    this.#doubts.isHeld = false;
    if (!this.#o.isActive()) return;
    if (this.#trouble.waitingFor === undefined) this.#content.downloader.resume();
    else this.#trouble.retry(this.#content);
    this.#doubts.look();
    this.#recheckIfDue();
  }

  /** Hashes all data again, as soon as nobody else is at it. */
  recheck(): void {
    if (!this.#o.isActive()) return;
    if (this.#doubts.isLooking || this.#moving !== undefined) {
      this.#isRecheckDue = true;
      return;
    }
    const { ledger, downloader } = this.#content;
    this.#doubts.forget();
    this.#trouble.forget(this.#content);
    this.#o.onRecheck();
    for (const piece of ledger.have.clone()) {
      ledger.lost(piece);
      downloader.picker.pieceMoved(piece);
    }
    this.#storage.recheck();
  }

  #recheckIfDue(): void {
    if (!this.#isRecheckDue) return;
    this.#isRecheckDue = false;
    this.recheck();
  }

  // --- time ---

  /** Offers again what could not be written. */
  retryWriting(): void {
    if (this.#o.isActive() && this.#moving === undefined) this.#trouble.retry(this.#content);
  }
  /** Looks again for what could not be read. */
  lookAgain(): void {
    if (this.#o.isActive()) this.#doubts.retry();
  }

  // --- answers of the store ---

  onStoreOpened(result: StoreOpened): void {
    // A move that was broken off had come about.
    if (result.kind === 'ok' && result.movedTo !== undefined) this.#emitMoved(result.movedTo, undefined);
    this.#storage.onStoreOpened(result);
  }

  onRechecked(first: number, good: Uint8Array, error: BtError | undefined): void {
    if (this.#storage.isChecking) this.#storage.onRechecked(first, good, error);
    else if (!this.#o.hasEnded()) this.#doubts.onRechecked(first, good, error);
  }

  /** @returns false where the piece is kept to be offered again: nothing has changed that anybody waits for */
  onCommitted(
    piece: number,
    outcome: CommitOutcome,
    segments: (Uint8Array | undefined)[],
    blockHashes: Uint8Array | undefined,
  ): boolean {
    let fate: ReturnType<DiskTrouble['holdBack']> | undefined;
    if (outcome.kind === 'failed') {
      fate = this.#trouble.holdBack(this.#active, piece, segments, outcome.error);
      this.#onDamage(piece, outcome.error);
      if (fate === 'held') return false;
    }
    this.#content.downloader.onCommitted(piece, outcome, segments, blockHashes);
    if (outcome.kind === 'failed') {
      if (fate === 'fatal') this.#o.onFailed(outcome.error);
    } else if (outcome.kind === 'inconsistent') this.#o.onFailed(new BtError('swarm/inconsistent-hashes', { piece }));
    else if (outcome.kind === 'ok' && this.#o.isActive()) this.#trouble.onStored(this.#content, piece);
    return true;
  }

  onSegmentStored(piece: number, offset: number, bytes: Uint8Array, error: BtError | undefined): void {
    this.#content.downloader.onSegmentStored(piece, offset, bytes, error !== undefined);
    if (error === undefined) return;
    if (!this.#trouble.wait(this.#active, error, piece)) this.#o.onFailed(error);
    this.#onDamage(piece, error);
  }

  /** A read for an upload, for a reader, or for the hashes of a piece. */
  onReadFailed(piece: number, error: BtError): void {
    if (this.#o.isActive()) this.#doubts.onTrouble(piece, error);
  }

  onResumeSaved(error: BtError | undefined): void {
    this.#storage.onResumeSaved(error);
  }
  onStoreClosed(): void {
    this.#storage.onStoreClosed();
  }

  // --- privately ---

  get #active(): Content | undefined {
    return this.#o.isActive() ? this.#content : undefined;
  }

  /** Somebody has changed a file that is being written: what was in it before is in doubt, verified or not. */
  #onDamage(piece: number, error: BtError): void {
    if (!this.#o.isActive() || !isChange(error)) return;
    this.#content.downloader.forgetStored(this.#content.filesOf(piece));
    this.#doubts.onTrouble(piece, error);
  }

  #onLost(pieces: readonly number[], error: BtError): void {
    for (const piece of pieces) {
      this.#content.downloader.picker.pieceMoved(piece);
      this.#content.exchange.lost(piece);
    }
    this.#ctx.host.emit({ type: 'lost', torrent: this.#ctx.torrent, pieces: pieces.length, error });
    // At once: the last record still claims them.
    this.save();
    this.#o.onLost();
  }

  #emitMoved(folder: string, error: BtError | undefined): void {
    this.#ctx.host.emit({ type: 'moved', torrent: this.#ctx.torrent, folder, error });
  }

  /** What is here, and what only could not be read. What others have changed is not claimed: the record would vouch for it. */
  #claims(): Bitfield {
    const have = this.#content.ledger.have.clone();
    for (const piece of this.#doubts.unread()) have.set(piece);
    return have;
  }

  #encodeResume(): Uint8Array {
    const content = this.#content;
    const { isFromPeers } = this.#o;
    return encodeResume({
      infoHashes: this.#o.identity.hashes,
      have: this.#claims(),
      wanted: content.wanted,
      uploaded: this.#earlier.uploaded + content.uploader.counts.payloadBytes,
      downloaded: this.#earlier.downloaded + content.downloader.counts.payloadBytes,
      peers: this.#o.addresses(),
      // What the .torrent file has is not kept twice.
      info: isFromPeers ? content.info.bytes : undefined,
      layers: isFromPeers ? content.hashes.layers() : undefined,
    });
  }
}

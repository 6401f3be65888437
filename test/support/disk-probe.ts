import assert from 'node:assert/strict';
import type { BtError, Millis, TorrentId } from '#base';
import { BLOCK_LENGTH, Geometry, type TorrentFile, v1PieceHash, v2PieceHash } from '#metainfo';
import { type Disk, deliverReply } from '#node';
import type { FilesNow } from '#room/node/disk/protocol';
import {
  type CommitOutcome,
  type DiskInputs,
  type OpenStore,
  PieceCheck,
  type PieceExpectation,
  type StoreOpened,
} from '#swarm';
import { blockHeaderBytes } from '#wire';

export interface Committed {
  readonly outcome: CommitOutcome;
  readonly segments: (Uint8Array | undefined)[];
  readonly blockHashes: Uint8Array | undefined;
}

/** Talks to a disk as the brain does, in promises. Checks that no answer comes inside the call that asks for it. */
export class DiskProbe implements DiskInputs {
  readonly disk: Disk;
  readonly id = 1 as TorrentId;
  readonly geometry: Geometry;
  readonly torrent: TorrentFile;
  readonly #waiting = new Map<string, ((answer: never) => void)[]>();
  #isAsking = false;
  /** Verbs of the answers, in order. */
  readonly log: string[] = [];
  /** Files that the last answer told of. */
  files: FilesNow | undefined;

  constructor(disk: Disk, torrent: TorrentFile) {
    this.disk = disk;
    this.torrent = torrent;
    this.geometry = new Geometry(torrent.info);
    disk.attach((reply) => {
      assert.equal(this.#isAsking, false, 'answered inside the question');
      this.log.push(reply.verb);
      this.files = 'files' in reply ? reply.files : undefined;
      deliverReply(this, 0 as Millis, reply);
    });
  }

  expectation(piece: number): PieceExpectation {
    const v1 = v1PieceHash(this.torrent.info, piece);
    const v2 = v2PieceHash(this.geometry, this.torrent.pieceLayers, piece);
    return { ...(v1 && { v1: v1.slice() }), ...(v2 && { v2 }) };
  }

  open(wanted: readonly boolean[] = this.torrent.info.files.map(() => true)): Promise<StoreOpened> {
    const open: OpenStore = { info: this.torrent.info, wanted };
    return this.#ask('open', () => this.disk.openStore(this.id, open));
  }

  commit(
    piece: number,
    segments: (Uint8Array | undefined)[],
    options: { segmentBytes?: number; expect?: PieceExpectation; blockHashes?: boolean } = {},
  ): Promise<Committed> {
    const {
      segmentBytes = this.geometry.pieceBytes(piece),
      expect = this.expectation(piece),
      blockHashes = false,
    } = options;
    return this.#ask(`commit ${piece}`, () =>
      this.disk.commit({ torrent: this.id, piece, segments, segmentBytes, expect, blockHashes }),
    );
  }

  storeSegment(piece: number, offset: number, bytes: Uint8Array): Promise<BtError | undefined> {
    return this.#ask(`segment ${piece}`, () => this.disk.storeSegment(this.id, piece, offset, bytes));
  }

  /** @returns the payload; nothing else in the buffer may have been touched */
  async read(piece: number, begin: number, length: number): Promise<Uint8Array> {
    const blocks = Math.ceil(length / BLOCK_LENGTH);
    const into = new Uint8Array(length + blocks * blockHeaderBytes).fill(0xee);
    const answer = await this.#ask<{ bytes: Uint8Array; error: BtError | undefined }>('run', () =>
      this.disk.readRun(this.id, 1, piece, begin, length, into),
    );
    if (answer.error !== undefined) throw answer.error;
    const out = new Uint8Array(length);
    const header = new Uint8Array(blockHeaderBytes).fill(0xee);
    for (let i = 0; i < blocks; i++) {
      const at = i * (BLOCK_LENGTH + blockHeaderBytes);
      const size = Math.min(BLOCK_LENGTH, length - i * BLOCK_LENGTH);
      assert.deepEqual(answer.bytes.subarray(at, at + blockHeaderBytes), header, 'the place of a header');
      out.set(answer.bytes.subarray(at + blockHeaderBytes, at + blockHeaderBytes + size), i * BLOCK_LENGTH);
    }
    return out;
  }

  #good: Uint8Array = new Uint8Array(0);
  #checked = 0;
  #recheckError: BtError | undefined;

  /** Checks all pieces. @returns 1 a good piece, 0 any other; all that was said; and the first error */
  async recheck(): Promise<{ good: number[]; checks: number[]; error: BtError | undefined }> {
    const { checks, error } = await this.#recheck();
    return { good: checks.map((check) => (check === PieceCheck.good ? 1 : 0)), checks, error };
  }

  #recheck(): Promise<{ checks: number[]; error: BtError | undefined }> {
    this.#good = new Uint8Array(this.geometry.pieceCount);
    this.#checked = 0;
    this.#recheckError = undefined;
    const expect = Array.from({ length: this.geometry.pieceCount }, (_, piece) => this.expectation(piece));
    return this.#ask('recheck', () => this.disk.recheck(this.id, 0, expect));
  }

  leaves(piece: number): Promise<Uint8Array | undefined> {
    return this.#ask('leaves', () => this.disk.hashLeaves(this.id, piece));
  }

  save(bytes: Uint8Array, final: boolean): Promise<BtError | undefined> {
    return this.#ask('save', () => this.disk.saveResume(this.id, bytes, final));
  }

  move(folder: string): Promise<{ folder: string; error: BtError | undefined }> {
    return this.#ask('move', () => this.disk.moveStore(this.id, folder));
  }

  closeStore(): Promise<void> {
    return this.#ask('close', () => this.disk.closeStore(this.id));
  }

  // --- DiskInputs ---

  onTorrentLoaded(_now: Millis, _torrent: TorrentId, bytes: Uint8Array | undefined): void {
    this.#answer('load', bytes);
  }
  onStoreOpened(_now: Millis, _torrent: TorrentId, result: StoreOpened): void {
    this.#answer('open', result);
  }
  onCommitted(
    _now: Millis,
    _torrent: TorrentId,
    piece: number,
    outcome: CommitOutcome,
    segments: (Uint8Array | undefined)[],
    blockHashes: Uint8Array | undefined,
  ): void {
    this.#answer(`commit ${piece}`, { outcome, segments, blockHashes });
  }
  onSegmentStored(
    _now: Millis,
    _torrent: TorrentId,
    piece: number,
    _offset: number,
    _bytes: Uint8Array,
    error: BtError | undefined,
  ): void {
    this.#answer(`segment ${piece}`, error);
  }
  onRun(_now: Millis, _torrent: TorrentId, _run: number, bytes: Uint8Array, error: BtError | undefined): void {
    this.#answer('run', { bytes, error });
  }
  onRechecked(_now: Millis, _torrent: TorrentId, first: number, good: Uint8Array, error: BtError | undefined): void {
    assert.equal(first, this.#checked, 'parts of a recheck come in order');
    this.#good.set(good, first);
    this.#checked += good.length;
    this.#recheckError ??= error;
    if (this.#checked === this.geometry.pieceCount) {
      this.#answer('recheck', { checks: [...this.#good], error: this.#recheckError });
    }
  }
  onLeaves(_now: Millis, _torrent: TorrentId, _piece: number, leaves: Uint8Array | undefined): void {
    this.#answer('leaves', leaves);
  }
  onResumeSaved(_now: Millis, _torrent: TorrentId, error: BtError | undefined): void {
    this.#answer('save', error);
  }
  onStoreMoved(_now: Millis, _torrent: TorrentId, folder: string, error: BtError | undefined): void {
    this.#answer('move', { folder, error });
  }
  onStoreClosed(): void {
    this.#answer('close', undefined);
  }

  #ask<A>(key: string, call: () => void): Promise<A> {
    return new Promise<A>((resolve) => {
      const list = this.#waiting.get(key) ?? [];
      this.#waiting.set(key, list);
      list.push(resolve as (answer: never) => void);
      this.#isAsking = true;
      call();
      this.#isAsking = false;
    });
  }

  #answer(key: string, answer: unknown): void {
    const resolve = this.#waiting.get(key)?.shift();
    assert.ok(resolve, `an answer nobody asked for: ${key}`);
    resolve(answer as never);
  }
}

/** Narrow helper for tests that expect a store to open. */
export function opened(result: StoreOpened): StoreOpened & { kind: 'ok' } {
  assert.equal(result.kind, 'ok', result.kind === 'failed' ? result.error.message : '');
  return result as StoreOpened & { kind: 'ok' };
}

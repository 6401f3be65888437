import { BtError, type TorrentId } from '../../base/index.ts';
import type { Geometry } from '../../metainfo/index.ts';
import { PieceCheck } from '../../swarm/index.ts';
import type { DiskLimits } from './limits.ts';
import { judgePiece, partsOnDisk } from './piece-hasher.ts';
import type { PieceStore } from './piece-store.ts';
import { type DiskReply, type PackedExpectations, packError, unpackExpectation } from './protocol.ts';

/** A recheck under way: hashes in steps, each of which answers for the pieces it has done. Needs one small buffer whatever the pieces. */
export class RecheckJob {
  readonly torrent: TorrentId;
  readonly #first: number;
  readonly #expect: PackedExpectations;
  readonly #store: PieceStore;
  readonly #geometry: Geometry;
  readonly #buffer: Uint8Array;
  readonly #limits: DiskLimits;
  #done = 0;

  constructor(options: {
    torrent: TorrentId;
    first: number;
    expect: PackedExpectations;
    store: PieceStore;
    geometry: Geometry;
    buffer: Uint8Array;
    limits: DiskLimits;
  }) {
    this.torrent = options.torrent;
    this.#first = options.first;
    this.#expect = options.expect;
    this.#store = options.store;
    this.#geometry = options.geometry;
    this.#buffer = options.buffer;
    this.#limits = options.limits;
  }

  get isDone(): boolean {
    return this.#done >= this.#expect.count;
  }

  /** Checks the next pieces. A disk that fails ends the job: the rest is not known. */
  step(): DiskReply {
    const from = this.#done;
    const good: PieceCheck[] = [];
    let bytes = 0;
    while (!this.isDone && bytes < this.#limits.recheckStepBytes && good.length < this.#limits.recheckStepPieces) {
      const piece = this.#first + this.#done;
      const pieceBytes = this.#geometry.pieceBytes(piece);
      try {
        const check = this.#check(piece, pieceBytes);
        good.push(check);
        if (check !== PieceCheck.missing) bytes += pieceBytes;
        this.#done++;
      } catch (error) {
        if (!BtError.is(error)) throw error;
        return this.#end(from, good, error);
      }
    }
    return this.#answer(from, Uint8Array.from(good));
  }

  /** The answer for all that is left, when the store closes. */
  cancel(): DiskReply {
    return this.#end(this.#done, [], new BtError('client/aborted', { what: 'the check' }));
  }

  #check(piece: number, pieceBytes: number): PieceCheck {
    const expect = unpackExpectation(this.#expect, this.#done);
    for (let tries = 0; ; tries++) {
      this.#store.lookAgain(piece);
      if (!this.#store.mayHave(piece, 0, pieceBytes)) {
        return this.#store.lacksFile(piece) ? PieceCheck.missing : PieceCheck.bad;
      }
      const parts = partsOnDisk(this.#store, piece, pieceBytes, this.#buffer);
      try {
        const isGood = judgePiece(parts, this.#geometry.dataBytes(piece), expect) === 'ok';
        return isGood ? PieceCheck.good : PieceCheck.bad;
      } catch (error) {
        if (BtError.is(error, 'disk/not-found')) return PieceCheck.missing;
        if (!BtError.is(error, 'disk/changed')) throw error;
        // It was changed since it was looked at; the second time somebody is at it right now.
        if (tries > 0) return PieceCheck.unknown;
      }
    }
  }

  #end(from: number, good: readonly number[], error: BtError): DiskReply {
    const all = new Uint8Array(this.#expect.count - from).fill(PieceCheck.unknown);
    all.set(good);
    this.#done = this.#expect.count;
    return { ...this.#answer(from, all), error: packError(error) };
  }

  #answer(from: number, good: Uint8Array): DiskReply & { verb: 'recheck' } {
    return { verb: 'recheck', torrent: this.torrent, first: this.#first + from, good, error: undefined };
  }
}

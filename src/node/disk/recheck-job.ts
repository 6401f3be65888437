import { assert, BtError, equalBytes, type TorrentId } from '../../base/index.ts';
import type { HashedRange, HashOutcome, HashThreads } from '../../hash/index.ts';
import type { Geometry } from '../../metainfo/index.ts';
import { PieceCheck } from '../../swarm/index.ts';
import type { DiskLimits } from './limits.ts';
import { judgePiece, partsOnDisk } from './piece-hasher.ts';
import type { PieceStore, PlainFiles } from './piece-store.ts';
import { type DiskReply, type PackedExpectations, packError, unpackExpectation } from './protocol.ts';

export interface RecheckOptions {
  readonly torrent: TorrentId;
  readonly first: number;
  readonly expect: PackedExpectations;
  readonly store: PieceStore;
  readonly geometry: Geometry;
  /** End of the torrent's last piece. */
  readonly spaceLength: number;
  readonly buffer: Uint8Array;
  readonly limits: DiskLimits;
  /** Those who hash ordinary files, where the check is large enough. */
  readonly threads: HashThreads | undefined;
  /** A thread has hashed something: `step` has work again. */
  readonly onReady: () => void;
}

type RecheckReply = Omit<DiskReply & { verb: 'recheck' }, 'files'>;

/** Pieces that a thread hashes; `from` counts from the first of the job. */
interface Part {
  readonly from: number;
  readonly count: number;
  readonly plain: PlainFiles;
  outcome: HashOutcome | undefined;
}

/**
 * A check under way. Ordinary files are hashed by threads, part by part, and the answers put in order; all else, and whatever they could
 * not read or what was changed meanwhile, is hashed here, in steps. Needs one small buffer whatever the pieces.
 */
export class RecheckJob {
  readonly #o: RecheckOptions;
  /** Given to threads, oldest first. */
  readonly #parts: Part[] = [];
  /** Pieces that are answered, or given to threads. */
  #begun = 0;
  #answered = 0;
  #hasNews = true;

  constructor(options: RecheckOptions) {
    this.#o = options;
  }

  get torrent(): TorrentId {
    return this.#o.torrent;
  }
  get isDone(): boolean {
    return this.#answered >= this.#o.expect.count;
  }
  get usesThreads(): boolean {
    return this.#o.threads !== undefined;
  }
  /** `step` has something to do: not where all that is left is being hashed by threads. */
  get isReady(): boolean {
    return this.#hasNews || this.#parts.length === 0;
  }

  /** Checks the next pieces. A disk that fails ends the job: the rest is not known. @returns undefined where no answer is ready */
  step(): RecheckReply | undefined {
    this.#hasNews = false;
    this.#give();
    const part = this.#parts[0];
    if (part === undefined) return this.#checkNext();
    if (part.outcome === undefined) return undefined;
    this.#parts.shift();
    // The next may have come before this one.
    this.#hasNews = true;
    return this.#judge(part, part.outcome);
  }

  /** The answer for all that is left, when the store closes. */
  cancel(): RecheckReply {
    return this.#end(new BtError('client/aborted', { what: 'the check' }), []);
  }

  // --- with threads ----------------------------------------------------------------------------------------------------------------

  #give(): void {
    const { threads, expect, geometry, spaceLength, store } = this.#o;
    while (threads !== undefined && !threads.isFull && this.#begun < expect.count) {
      const from = this.#begun;
      const count = this.#cut(from);
      const first = this.#o.first + from;
      const plain = ifSeen(() => store.plainFiles?.(first, count));
      if (plain === undefined) return;
      const part: Part = { from, count, plain, outcome: undefined };
      this.#parts.push(part);
      this.#begun += count;
      const { pieceLength } = geometry;
      const settings = { pieceLength, spaceLength, ...this.#kinds(from, count), onMissing: 'report' } as const;
      const job = { firstPiece: first, pieceCount: count, files: plain.files, dataBytes: 0 };
      threads.run({ settings, job }, (outcome) => {
        part.outcome = outcome;
        this.#hasNews = true;
        this.#o.onReady();
      });
    }
  }

  /** How many pieces from there make a part: small files, each in a large piece of its own, are many to a part. */
  #cut(from: number): number {
    const { expect, first, geometry, limits } = this.#o;
    const most = Math.min(expect.count - from, limits.recheckStepPieces);
    let count = 1;
    for (let bytes = geometry.pieceBytes(first + from); count < most; count++) {
      bytes += geometry.pieceBytes(first + from + count);
      if (bytes > limits.recheckStepBytes) break;
    }
    return count;
  }

  #kinds(from: number, count: number): { v1: boolean; v2: boolean } {
    const { v1, leaves } = this.#o.expect;
    return { v1: v1.length > 0, v2: leaves.subarray(from, from + count).some((n) => n > 0) };
  }

  #judge(part: Part, outcome: HashOutcome): RecheckReply {
    // The disk's refusals have a second try here, which says what they are; all else is a bug.
    if ('error' in outcome && !BtError.is(outcome.error)) throw outcome.error;
    const range = 'range' in outcome && ifSeen(() => part.plain.areUnchanged()) === true ? outcome.range : undefined;
    const checks: PieceCheck[] = [];
    for (let i = 0; i < part.count; i++) {
      try {
        checks.push(range?.read[i] === 1 ? this.#compare(range, i, part.from + i) : this.#check(part.from + i));
      } catch (error) {
        if (!BtError.is(error)) throw error;
        return this.#end(error, checks);
      }
    }
    return this.#answer(checks);
  }

  #compare({ sha1, sha256 }: HashedRange, i: number, index: number): PieceCheck {
    const { v1, v2 } = unpackExpectation(this.#o.expect, index);
    assert(v1 !== undefined || v2 !== undefined, 'something is expected of a piece');
    const isV1 = v1 === undefined || equalBytes(sha1.subarray(i * 20, i * 20 + 20), v1);
    const isV2 = v2 === undefined || equalBytes(sha256.subarray(i * 32, i * 32 + 32), v2.hash);
    return isV1 && isV2 ? PieceCheck.good : PieceCheck.bad;
  }

  // --- here ------------------------------------------------------------------------------------------------------------------------

  #checkNext(): RecheckReply {
    const { expect, geometry, limits, first } = this.#o;
    const checks: PieceCheck[] = [];
    let bytes = 0;
    while (this.#begun < expect.count && bytes < limits.recheckStepBytes && checks.length < limits.recheckStepPieces) {
      try {
        const check = this.#check(this.#begun);
        checks.push(check);
        if (check !== PieceCheck.missing) bytes += geometry.pieceBytes(first + this.#begun);
        this.#begun++;
      } catch (error) {
        if (!BtError.is(error)) throw error;
        return this.#end(error, checks);
      }
    }
    return this.#answer(checks);
  }

  #check(index: number): PieceCheck {
    const { expect, store, geometry, buffer } = this.#o;
    const piece = this.#o.first + index;
    const pieceBytes = geometry.pieceBytes(piece);
    for (let tries = 0; ; tries++) {
      store.lookAgain(piece);
      if (!store.mayHave(piece, 0, pieceBytes)) {
        return store.lacksFile(piece) ? PieceCheck.missing : PieceCheck.bad;
      }
      const parts = partsOnDisk(store, piece, pieceBytes, buffer);
      try {
        const isGood = judgePiece(parts, geometry.dataBytes(piece), unpackExpectation(expect, index)) === 'ok';
        return isGood ? PieceCheck.good : PieceCheck.bad;
      } catch (error) {
        if (BtError.is(error, 'disk/not-found')) return PieceCheck.missing;
        if (!BtError.is(error, 'disk/changed')) throw error;
        // It was changed since it was looked at; the second time somebody is at it right now.
        if (tries > 0) return PieceCheck.unknown;
      }
    }
  }

  // --- answers ---------------------------------------------------------------------------------------------------------------------

  /** @param checks what is known of the next pieces; nothing is of those behind them */
  #end(error: BtError, checks: readonly PieceCheck[]): RecheckReply {
    const all = new Uint8Array(this.#o.expect.count - this.#answered).fill(PieceCheck.unknown);
    all.set(checks);
    this.#parts.length = 0;
    return { ...this.#answer(all), error: packError(error) };
  }

  #answer(checks: ArrayLike<number>): RecheckReply {
    const { torrent, threads } = this.#o;
    const first = this.#o.first + this.#answered;
    this.#answered += checks.length;
    const threadBytes = this.isDone ? 0 : (threads?.bufferBytes ?? 0);
    return { verb: 'recheck', torrent, first, good: Uint8Array.from(checks), error: undefined, threadBytes };
  }
}

/** What cannot even be looked at is checked here, which says why. @returns undefined there */
function ifSeen<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (!BtError.is(error)) throw error;
    return undefined;
  }
}

import type { BtError, Millis, TorrentId } from '../base/index.ts';
import { type RunCache, unframe } from '../swarm/index.ts';
import type { HeldTorrent } from './held-torrent.ts';

export type ReadRun =
  | { readonly ok: true; readonly begin: number; readonly bytes: Uint8Array }
  /** `error` undefined: the piece is not here. */
  | { readonly ok: false; readonly error: BtError | undefined };

export interface PieceReadsOptions {
  readonly runs: RunCache;
  readonly find: (id: TorrentId) => HeldTorrent | undefined;
  readonly now: () => Millis;
}

/** What a piece is read from, and where in it. */
export interface ReadPlace {
  readonly torrent: TorrentId;
  readonly piece: number;
  readonly begin: number;
}

/** Readers of verified pieces: who is answered from memory, who waits for the disk, who for a buffer. They share the runs of uploads. */
export class PieceReads {
  readonly #o: PieceReadsOptions;

  constructor(options: PieceReadsOptions) {
    this.#o = options;
  }

  /** @param take called at once where the run is in memory, else inside a later input */
  read(place: ReadPlace, take: (run: ReadRun) => void): void {
    const { torrent: id, piece, begin } = place;
    const { runs } = this.#o;
    const torrent = this.#o.find(id);
    const content = torrent?.content;
    // Who has waited for a buffer may find the store closed.
    if (content === undefined || torrent?.hasEnded === true || !content.ledger.have.has(piece)) {
      take({ ok: false, error: undefined });
      return;
    }
    torrent?.touch(this.#o.now());
    const known = runs.find(id, piece, begin);
    const run = known ?? runs.read(id, { piece, begin, pieceBytes: content.geometry.pieceBytes(piece) });
    if (run === undefined) runs.whenRoom(() => this.read(place, take));
    else if (run.bytes !== undefined) take({ ok: true, begin: run.begin, bytes: unframe(run) });
    else {
      run.waiting.push((error) => {
        // A piece that was taken back is waited for: it is found again, or fetched.
        const isHere = content.ledger.have.has(piece);
        if (error !== undefined || run.bytes === undefined) take({ ok: false, error: isHere ? error : undefined });
        else take({ ok: true, begin: run.begin, bytes: unframe(run) });
      });
    }
  }
}

import type { PlannedFile } from '../../hash/index.ts';
import type { FileState } from '../../swarm/index.ts';

/**
 * Where the bytes of one torrent are kept: what somebody writes who wants to keep them elsewhere (test/contract/piece-store.ts is the
 * proof). All calls are synchronous, on the thread that does the disk's work, and never cross a piece. Pads are no business of a
 * store's caller: they read as zeros and are not written.
 */
export interface PieceStore {
  /**
   * How files stand. Cheap to call often: only what this store has written is looked at again. A file that others have changed counts as
   * missing until it is looked at anew.
   */
  states(): StoreStates;
  /** False where reading these bytes cannot succeed, as far as sizes tell; costs no reading. */
  mayHave(piece: number, begin: number, length: number): boolean;
  /** A file that holds part of the piece does not exist, as far as is known. */
  lacksFile(piece: number): boolean;
  /** The piece is about to be hashed: files of it that were found to have been changed by others are looked at anew. */
  lookAgain(piece: number): void;
  /**
   * For stores of ordinary files, which have come here from another folder.
   * @param before `states` of the store there: a file that is another now was changed by others, and counts as such
   */
  distrustChanged?(before: StoreStates): void;
  /**
   * Reads consecutive bytes from `begin` of a piece into views, one after the other.
   *
   * @throws BtError `disk/not-found`, `disk/changed` (somebody else has: also that it is shorter than it has to be), `disk/io`, ...
   */
  read(piece: number, begin: number, into: readonly Uint8Array[]): void;
  /** @throws BtError `disk/no-space`, ...; the bytes may have been written in part */
  write(piece: number, begin: number, bytes: Uint8Array): void;
  /** How the files that hold a piece stand, by index (-1: the part file); what cannot be looked at now is left out. */
  statesOf(piece: number): ReadonlyMap<number, FileState>;
  /** For stores of ordinary files: those of which `states` says something else than it did when this was asked last, by index. */
  takeChanged?(): ReadonlyMap<number, FileState>;
  /**
   * For stores of ordinary files, which other threads may read while pieces are checked. Files that were changed by others are looked at
   * anew first.
   *
   * @returns undefined where the pieces are not all in such files, or bytes of them are missing
   */
  plainFiles?(first: number, count: number): PlainFiles | undefined;
  /** Forces everything written to the medium. */
  sync(): void;
  close(): void;
}

export interface PlainFiles {
  /** In order of torrent space. */
  readonly files: readonly PlannedFile[];
  /** They are as they were when they were named: what was read of them meanwhile counts. */
  areUnchanged(): boolean;
}

export interface StoreStates {
  /** By file index; undefined where there is no such file. */
  readonly files: readonly (FileState | undefined)[];
  readonly partFile: FileState | undefined;
}

/** A copy's time is told in fractions of a second, which round. */
const copyTimeMs = 2;

/** Whether a file is as it was before it was moved or copied. */
export function isStill(before: FileState | undefined, now: FileState): boolean {
  return before?.length === now.length && Math.abs(before.modifiedMs - now.modifiedMs) <= copyTimeMs;
}

import { Bitfield, type InfoHash } from '../base/index.ts';
import { type FileEntry, FileMap, type Info } from '../metainfo/index.ts';
import { limits } from './limits.ts';
import type { FileState, SavedResume } from './ports.ts';
import type { ResumeData } from './resume.ts';

/** Why a file is believed, or not. */
export type FileReason =
  /** As it was when a clean stop saved the record. */
  | 'unchanged'
  /** The machine went down in the middle: what it had not yet put on the medium is lost, and nobody knows what that was. */
  | 'power-lost'
  /** The program died in the middle of a write; what is newer in the file is that. */
  | 'written-until-the-end'
  /** The newest record is damaged, and the one before it is too old to go by. */
  | 'record-damaged'
  | 'missing'
  | 'shorter-than-saved'
  | 'longer-than-it-should-be'
  | 'modified'
  /** It is there now and was not when the record was saved. */
  | 'appeared'
  /** It was selected then and is not now, or the other way: its bytes may lie elsewhere. */
  | 'selection-changed'
  /** The record is about another torrent, or of another size. */
  | 'not-this-torrent';

export interface FileVerdict {
  /** Index of the file; -1: the part file, which holds the shares of files that are not selected. */
  readonly file: number;
  readonly verdict: 'trusted' | 'recheck' | 'gone';
  readonly reason: FileReason;
}

export interface ResumeVerdict {
  /** Pieces that are believed to be on disk. */
  readonly trusted: Bitfield;
  /** Pieces to be hashed, first to before end, in order, none of them trusted. */
  readonly recheck: readonly { readonly first: number; readonly end: number }[];
  /** One for every file that is not simply as it was; file -1 is the part file. */
  readonly notes: readonly FileVerdict[];
}

export interface JudgeInput {
  readonly saved: SavedResume;
  /** `saved.bytes`, decoded. */
  readonly data: ResumeData;
  readonly info: Info;
  /** By file index, as they are now. */
  readonly files: readonly (FileState | undefined)[];
  readonly partFile: FileState | undefined;
  /** By file index: selected now. */
  readonly wanted: readonly boolean[];
  /** Wall clock now, milliseconds since 1970. */
  readonly wallMs: number;
}

/**
 * Decides which pieces of a resume record may be believed without hashing them.
 *
 * - A piece is believed only if every file it has bytes in is. Where one of them is gone or too short, the piece is not here.
 * - After a clean stop a file must have exactly the length and time of the record; otherwise it is hashed again.
 * - After a crash a file must be as it was after the last write to it that was noted. Only those of the piece that was being written
 *   may be newer, by as long as a write takes: a later change was somebody else's. Nor may a file be shorter or older than it was.
 * - Where the machine itself went down before a clean stop, everything is hashed: what was written may never have reached the medium.
 * - A file that somebody changed is hashed wholly, not only where the record had pieces: he may have put the right one there.
 */
export function judgeResume(input: JudgeInput): ResumeVerdict {
  const { info, data } = input;
  const isHash = (h: InfoHash) => h === info.hashV1 || h === info.hashV2;
  const isOurs = data.have?.size === info.pieceCount && data.infoHashes.some(isHash);
  const byFile = info.files.map((file) => (isOurs ? judgeFile(input, file) : judgeStranger(input, file)));
  const part = byFile.some((v) => v.file < 0) ? judgePart(input, isOurs) : undefined;
  const notes = toNotes(input, byFile, part);
  const isWhole = (v: FileVerdict, i: number) =>
    v.file >= 0 && v.verdict === 'trusted' && (input.files[i]?.length ?? 0) >= (info.files[i] as FileEntry).length;
  const claimed = isOurs ? claimedBy(input) : undefined;
  if (claimed !== undefined && byFile.every(isWhole)) return { trusted: claimed, recheck: [], notes };
  return { ...judgePieces(input, byFile, part, claimed), notes };
}

/** What the record says is here, and what was noted after it. */
function claimedBy({ data, saved }: JudgeInput): Bitfield {
  const claimed = (data.have as Bitfield).clone();
  for (const piece of saved.committed) if (piece < claimed.size) claimed.set(piece);
  return claimed;
}

function judgePieces(
  { info, files, wanted }: JudgeInput,
  byFile: readonly FileVerdict[],
  part: FileVerdict | undefined,
  claimed: Bitfield | undefined,
): Pick<ResumeVerdict, 'trusted' | 'recheck'> {
  const map = new FileMap(info);
  const trusted = new Bitfield(info.pieceCount);
  const recheck: { first: number; end: number }[] = [];
  for (let piece = 0; piece < info.pieceCount; piece++) {
    const start = piece * info.pieceLength;
    let verdict: FileVerdict['verdict'] = 'trusted';
    for (const span of map.spans(start, Math.min(info.pieceLength, info.spaceLength - start))) {
      if (span.file < 0) continue;
      const isInPart = wanted[span.file] === false;
      const own = (byFile[span.file] as FileVerdict).verdict;
      const place = isInPart ? (part as FileVerdict).verdict : own;
      const isThere = isInPart || span.fileOffset + span.length <= (files[span.file]?.length ?? 0);
      if (!isThere || place === 'gone') verdict = 'gone';
      else if (verdict === 'trusted') verdict = own === 'recheck' ? 'recheck' : place;
    }
    if (verdict === 'trusted' && claimed?.has(piece) === true) trusted.set(piece);
    else if (verdict === 'recheck') append(recheck, piece);
  }
  return { trusted, recheck };
}

/** What is as it should be, and what was never there, is not worth a word. */
function toNotes(input: JudgeInput, byFile: readonly FileVerdict[], part: FileVerdict | undefined): FileVerdict[] {
  const { files, partFile } = input.saved;
  return [...byFile.filter((v) => v.file >= 0), ...(part === undefined ? [] : [part])].filter((v) => {
    const then = v.file < 0 ? partFile : files[v.file];
    return v.reason !== 'unchanged' && !(v.reason === 'missing' && then === undefined);
  });
}

/** A selected file by its own state; `file: -1` for one whose bytes are in the part file. */
function judgeFile(input: JudgeInput, file: FileEntry): FileVerdict {
  const { index } = file;
  const isWanted = input.wanted[index] !== false;
  const wasWanted = input.data.wanted?.[index] !== false;
  const now = input.files[index];
  if (file.length === 0) {
    const isLonger = (now?.length ?? 0) > 0;
    return { file: index, verdict: 'trusted', reason: isLonger ? 'longer-than-it-should-be' : 'unchanged' };
  }
  if (isWanted !== wasWanted) return { file: isWanted ? index : -1, verdict: 'recheck', reason: 'selection-changed' };
  if (!isWanted) return { file: -1, verdict: 'trusted', reason: 'unchanged' };
  if (now !== undefined && now.length > file.length) {
    return { file: index, verdict: 'recheck', reason: 'longer-than-it-should-be' };
  }
  const then = later(input.saved.written.get(index), input.saved.files[index]);
  return { file: index, ...judgeState(input, then, now, (i) => i === index) };
}

function judgePart(input: JudgeInput, isOurs: boolean): FileVerdict {
  if (!isOurs) {
    return { file: -1, verdict: input.partFile === undefined ? 'gone' : 'recheck', reason: 'not-this-torrent' };
  }
  const then = later(input.saved.written.get(-1), input.saved.partFile);
  return { file: -1, ...judgeState(input, then, input.partFile, (i) => input.wanted[i] === false) };
}

/** A journal that the process had no time to empty says less than the record. */
function later(noted: FileState | undefined, saved: FileState | undefined): FileState | undefined {
  if (noted === undefined || saved === undefined) return noted ?? saved;
  return saved.modifiedMs > noted.modifiedMs ? saved : noted;
}

/** The record says nothing about this torrent: whatever is there may be right. */
function judgeStranger(input: JudgeInput, file: FileEntry): FileVerdict {
  const isInPart = input.wanted[file.index] === false;
  const isGone = file.length > 0 && !isInPart && input.files[file.index] === undefined;
  return { file: isInPart ? -1 : file.index, verdict: isGone ? 'gone' : 'recheck', reason: 'not-this-torrent' };
}

/** @param holds which files of the torrent are meant */
function judgeState(
  input: JudgeInput,
  then: FileState | undefined,
  now: FileState | undefined,
  holds: (file: number) => boolean,
): Omit<FileVerdict, 'file'> {
  const { saved } = input;
  if (now === undefined) return { verdict: 'gone', reason: 'missing' };
  if (!saved.isBelieved) return { verdict: 'recheck', reason: 'record-damaged' };
  if (!saved.final && !saved.isSameBoot) return { verdict: 'recheck', reason: 'power-lost' };
  const nowMs = Math.floor(now.modifiedMs);
  const mayBeOurs = wasBeingWritten(input, nowMs, holds);
  if (then === undefined) {
    // We may have created it with the last write; if the record claims something of it, it was deleted under us before.
    return mayBeOurs && !claims(input, holds)
      ? { verdict: 'trusted', reason: 'written-until-the-end' }
      : { verdict: 'recheck', reason: 'appeared' };
  }
  if (now.length < then.length) return { verdict: 'recheck', reason: 'shorter-than-saved' };
  const thenMs = Math.floor(then.modifiedMs);
  if (now.length === then.length && nowMs === thenMs) return { verdict: 'trusted', reason: 'unchanged' };
  if (!mayBeOurs || nowMs < thenMs) return { verdict: 'recheck', reason: 'modified' };
  return { verdict: 'trusted', reason: 'written-until-the-end' };
}

/** Whether a change at that time can be the write that was going on when the process died. */
function wasBeingWritten(
  { saved, info, wallMs }: JudgeInput,
  nowMs: number,
  holds: (file: number) => boolean,
): boolean {
  const { underWay } = saved;
  // Where the clock has gone back, nothing can be said about what came after what.
  if (underWay === undefined || wallMs < saved.savedMs) return false;
  if (nowMs > underWay.sinceMs + limits.resumeSave.crashGraceMs) return false;
  const start = underWay.piece * info.pieceLength;
  if (start >= info.spaceLength) return false;
  const spans = new FileMap(info).spans(start, Math.min(info.pieceLength, info.spaceLength - start));
  return spans.some((span) => span.file >= 0 && holds(span.file));
}

/** Whether the record itself (not what was noted after it) has a piece with bytes of these files. */
function claims({ info, data }: JudgeInput, holds: (file: number) => boolean): boolean {
  return info.files.some((file) => {
    if (file.length === 0 || !holds(file.index)) return false;
    const claimed = data.have?.nextSet(Math.floor(file.offset / info.pieceLength)) ?? -1;
    return claimed >= 0 && claimed * info.pieceLength < file.offset + file.length;
  });
}

function append(ranges: { first: number; end: number }[], piece: number): void {
  const last = ranges.at(-1);
  if (last?.end === piece) last.end++;
  else ranges.push({ first: piece, end: piece + 1 });
}

import { constants } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { BtError } from '../../base/index.ts';
import { isSystemError, toDiskError } from '../../hash/index.ts';
import type { FileEntry, Info } from '../../metainfo/index.ts';
import { makeFolders, removeIfThere } from '../files.ts';
import { systemCode } from '../net-error.ts';
import { READ_FLAGS, type SystemCalls } from './system-calls.ts';

export interface MovePlan {
  readonly info: Info;
  /** Download folders, absolute. */
  readonly from: string;
  readonly to: string;
}

/** A file under way between two file systems. */
interface Copy {
  readonly from: string;
  readonly to: string;
  readonly isExecutable: boolean;
}

/**
 * Takes the files of a torrent to another folder, in steps. On one file system that is one rename of the torrent's own folder or file. Across
 * two, its files are copied to a hidden folder beside the place, forced to the medium and compared in length; then one rename puts them in
 * their place, and after that the originals go. So at any moment either place has all of it, and which one is told by whether the
 * torrent's name is there in the new one.
 */
export class MoveJob {
  readonly #plan: MovePlan;
  readonly #calls: SystemCalls;
  readonly #stepBytes: number;
  readonly #top: string;
  #copies: Copy[] | undefined;
  #source = -1;
  #target = -1;
  #at = 0;
  #length = 0;
  readonly #buffer: Uint8Array;

  /** @param options `stepBytes`: others get their turn after so many; `buffer`: lent for the time of a step */
  constructor(plan: MovePlan, options: { calls: SystemCalls; stepBytes: number; buffer: Uint8Array }) {
    this.#buffer = options.buffer;
    this.#plan = plan;
    this.#calls = options.calls;
    this.#stepBytes = options.stepBytes;
    this.#top = topOf(plan.info);
  }

  /**
   * Looks whether it can be done, before anything is.
   * @throws BtError `disk/exists` where something of that name is there, `client/invalid` for a folder inside the torrent's, `disk/...`
   */
  check(): void {
    const { info, from, to } = this.#plan;
    const inside = relative(join(from, this.#top), to);
    if (inside === '' || (!inside.startsWith('..') && resolve(inside) !== inside)) {
      throw new BtError('client/invalid', { what: `${to} is inside of what is to be moved` });
    }
    makeFoldersOr(to, this.#calls);
    for (const path of [join(to, this.#top), join(to, partName(info))]) {
      if (exists(path, this.#calls)) throw new BtError('disk/exists', { path });
    }
  }

  /** Does some of the work. @returns whether all is in the new place @throws BtError `disk/...`; `undo` it then */
  step(): boolean {
    const { info, from, to } = this.#plan;
    try {
      if (this.#copies === undefined) {
        if (this.#rename(join(from, this.#top), join(to, this.#top))) {
          finishMove(this.#plan, this.#calls);
          return true;
        }
        this.#copies = this.#planCopies();
      }
      for (let bytes = 0; bytes < this.#stepBytes; ) {
        const copy = this.#copies[0];
        if (copy === undefined) {
          if (exists(hiddenOf(info, to), this.#calls)) this.#putInPlace();
          finishMove(this.#plan, this.#calls);
          return true;
        }
        bytes += this.#copySome(copy);
      }
      return false;
    } catch (error) {
      this.#closeBoth();
      throw toDiskError(error, to);
    }
  }

  /** Nothing has come to its place yet: what was copied goes. */
  undo(): void {
    this.#closeBoth();
    undoMove(this.#plan, this.#calls);
  }

  /** @returns false where the places are on two file systems */
  #rename(from: string, to: string): boolean {
    try {
      this.#calls.renameSync(from, to);
      return true;
    } catch (error) {
      const code = systemCode(error);
      // Nothing has been downloaded yet.
      if (code === 'ENOENT' && !exists(from, this.#calls)) return true;
      if (code === 'EXDEV') return false;
      throw toDiskError(error, to);
    }
  }

  #planCopies(): Copy[] {
    const { info, from, to } = this.#plan;
    const hidden = hiddenOf(info, to);
    undoMove(this.#plan, this.#calls);
    const files = info.files.filter((file) => file.symlink === undefined);
    const copies = files.map((file: FileEntry) => {
      return { from: join(from, ...file.path), to: join(hidden, ...file.path), isExecutable: file.executable };
    });
    copies.push({ from: join(from, partName(info)), to: join(hidden, partName(info)), isExecutable: false });
    return copies.filter((copy) => exists(copy.from, this.#calls));
  }

  #copySome(copy: Copy): number {
    const calls = this.#calls;
    if (this.#source < 0) {
      this.#source = calls.openSync(copy.from, READ_FLAGS);
      makeFolders(dirname(copy.to), { calls });
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
      this.#target = calls.openSync(copy.to, flags, copy.isExecutable ? 0o777 : 0o666);
      this.#length = calls.fstatSync(this.#source).size;
      this.#at = 0;
    }
    const got = calls.readSync(this.#source, this.#buffer, 0, this.#buffer.length, this.#at);
    if (got > 0) {
      // Holes stay holes.
      const isEmpty = this.#buffer.subarray(0, got).every((byte) => byte === 0);
      for (let done = isEmpty ? got : 0; done < got; ) {
        done += calls.writeSync(this.#target, this.#buffer, done, got - done, this.#at + done);
      }
      this.#at += got;
      return got;
    }
    const { atimeMs, mtimeMs, size } = calls.fstatSync(this.#source);
    if (size !== this.#length || this.#at !== this.#length) {
      throw new BtError('disk/changed', { path: copy.from, what: 'was changed while it was copied' });
    }
    calls.ftruncateSync(this.#target, size);
    calls.futimesSync(this.#target, atimeMs / 1000, mtimeMs / 1000);
    calls.fsyncSync(this.#target);
    if (calls.fstatSync(this.#target).size !== size) {
      throw new BtError('disk/io', { path: copy.to, what: 'the copy is shorter than what was copied' });
    }
    this.#closeBoth();
    this.#copies?.shift();
    return 1;
  }

  /** The one moment in which the torrent changes its place. The part file first: without the rest it is nothing. */
  #putInPlace(): void {
    const { info, to } = this.#plan;
    const hidden = hiddenOf(info, to);
    moveIfThere(join(hidden, partName(info)), join(to, partName(info)), this.#calls);
    if (exists(join(hidden, this.#top), this.#calls))
      this.#calls.renameSync(join(hidden, this.#top), join(to, this.#top));
  }

  #closeBoth(): void {
    for (const fd of [this.#source, this.#target]) if (fd >= 0) this.#calls.closeSync(fd);
    this.#source = -1;
    this.#target = -1;
  }
}

/** Whether a move that was broken off had come so far that the new place has all of it. */
export function hasMoved({ info, to }: MovePlan, calls: SystemCalls): boolean {
  return exists(join(to, topOf(info)), calls);
}

/** The torrent is in its new place: what belongs to it and is still in the old one follows, or goes. */
export function finishMove({ info, from, to }: MovePlan, calls: SystemCalls): void {
  const part = partName(info);
  if (exists(join(to, part), calls)) removeIfThere(calls, join(from, part));
  else {
    try {
      moveIfThere(join(from, part), join(to, part), calls);
    } catch (error) {
      // On another file system it was copied before, or there was none.
      if (!isSystemError(error)) throw error;
    }
  }
  removeFiles(info, from, calls);
  undoMove({ info, from, to }, calls);
}

/** Removes copies that never came to their place. */
export function undoMove({ info, to }: MovePlan, calls: SystemCalls): void {
  const hidden = hiddenOf(info, to);
  removeFiles(info, hidden, calls);
  removeIfThere(calls, join(hidden, partName(info)));
  removeFolder(hidden, calls);
  if (!exists(join(to, topOf(info)), calls)) removeIfThere(calls, join(to, partName(info)));
}

/** Removes the torrent's files, then the folders that are empty by it; nothing else. */
function removeFiles(info: Info, folder: string, calls: SystemCalls): void {
  const folders = new Set<string>();
  for (const { path } of info.files) {
    removeIfThere(calls, join(folder, ...path));
    for (let n = path.length - 1; n >= 1; n--) folders.add(join(folder, ...path.slice(0, n)));
  }
  for (const path of [...folders].sort((a, b) => b.length - a.length)) removeFolder(path, calls);
}

function removeFolder(path: string, calls: SystemCalls): void {
  try {
    calls.rmdirSync(path);
  } catch (error) {
    // Not there, or something of somebody else's is in it.
    if (!isSystemError(error)) throw error;
  }
}

function moveIfThere(from: string, to: string, calls: SystemCalls): void {
  if (exists(from, calls)) calls.renameSync(from, to);
}

function exists(path: string, calls: SystemCalls): boolean {
  try {
    calls.lstatSync(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

function makeFoldersOr(path: string, calls: SystemCalls): void {
  try {
    makeFolders(path, { calls });
  } catch (error) {
    throw toDiskError(error, path);
  }
}

/** All files of a torrent are this one, or below it. */
function topOf(info: Info): string {
  return info.files[0]?.path[0] ?? info.name;
}

function partName(info: Info): string {
  return `.${info.hashV1 ?? info.hashV2}.parts`;
}

function hiddenOf(info: Info, to: string): string {
  return join(to, `.${info.hashV1 ?? info.hashV2}.moving`);
}

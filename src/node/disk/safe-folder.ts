import type { Stats } from 'node:fs';
import { join, resolve } from 'node:path';
import { assert, BtError } from '../../base/index.ts';
import { toDiskError } from '../../hash/index.ts';
import { makeFolders } from '../files.ts';
import { systemCode } from '../net-error.ts';
import { CREATE_FLAGS, READ_FLAGS, type SystemCalls, WRITE_FLAGS } from './system-calls.ts';

export type OpenMode = 'read' | 'write' | 'create';

/**
 * A download folder: paths below it are reached without following a single symbolic link, so that no torrent reads or writes outside
 * it through a link that another torrent, or anybody else, has put there. The folder itself may be one: it is the user's choice.
 *
 * Between the check of a folder and the use of its file another process could still exchange it (Node has no `openat`); whoever can
 * do that can write into the download folder anyway.
 */
export class SafeFolder {
  readonly root: string;
  readonly #calls: SystemCalls;

  /** @param root absolute path; need not exist */
  constructor(root: string, calls: SystemCalls) {
    this.root = resolve(root);
    this.#calls = calls;
  }

  pathOf(parts: readonly string[]): string {
    return join(this.root, ...parts);
  }

  /**
   * Opens a regular file.
   *
   * @param parts checked names (metainfo/safe-path.ts), the last one the file's
   * @param mode  'create' makes missing folders and the file, sparse; the others fail with `disk/not-found`
   * @returns a descriptor; with 'write' and 'create' it reads as well
   * @throws BtError `disk/unsafe-path` for links, pipes, devices and folders in the way, and the others of toDiskError
   */
  openFile(parts: readonly string[], mode: OpenMode, isExecutable = false): number {
    const path = this.pathOf(parts);
    this.#checkFolders(parts, mode === 'create');
    const flags = mode === 'read' ? READ_FLAGS : mode === 'write' ? WRITE_FLAGS : CREATE_FLAGS;
    let fd: number;
    try {
      fd = this.#calls.openSync(path, flags, isExecutable ? 0o777 : 0o666);
    } catch (error) {
      throw this.#isOutOfDescriptors(error) ? error : toDiskError(error, path);
    }
    if (this.#calls.fstatSync(fd).isFile()) return fd;
    this.#calls.closeSync(fd);
    throw new BtError('disk/unsafe-path', { path, what: 'it is not a regular file' });
  }

  /** @returns undefined where there is nothing of that name. @throws BtError `disk/unsafe-path` for a bad folder on the way */
  stat(parts: readonly string[]): Stats | undefined {
    const path = this.pathOf(parts);
    try {
      this.#checkFolders(parts, false);
      return this.#calls.lstatSync(path);
    } catch (error) {
      const known = toDiskError(error, path);
      if (known.code === 'disk/not-found') return undefined;
      throw known;
    }
  }

  makeLink(parts: readonly string[], target: string): void {
    const path = this.pathOf(parts);
    this.#checkFolders(parts, true);
    try {
      this.#calls.symlinkSync(target, path);
    } catch (error) {
      throw toDiskError(error, path);
    }
  }

  remove(parts: readonly string[]): void {
    const path = this.pathOf(parts);
    this.#checkFolders(parts, false);
    try {
      this.#calls.unlinkSync(path);
    } catch (error) {
      throw toDiskError(error, path);
    }
  }

  /** Forces the names in the folder that holds `parts` to the medium. */
  syncFolder(parts: readonly string[]): void {
    const path = this.pathOf(parts.slice(0, -1));
    try {
      const fd = this.#calls.openSync(path, 'r');
      try {
        this.#calls.fsyncSync(fd);
      } finally {
        this.#calls.closeSync(fd);
      }
    } catch (error) {
      // Some systems cannot sync a folder; then its names are as safe as they make them.
      const code = systemCode(error);
      if (!['EISDIR', 'EPERM', 'EINVAL', 'EBADF', 'EACCES', 'ENOTSUP'].includes(code)) throw toDiskError(error, path);
    }
  }

  #checkFolders(parts: readonly string[], isMaking: boolean): void {
    assert(
      parts.length > 0 &&
        parts.every((p) => p !== '' && p !== '.' && p !== '..' && !p.includes('/') && !p.includes('\0')),
      'path parts are safe names',
    );
    if (isMaking) this.#makeRoot();
    let path = this.root;
    for (let i = 0; i < parts.length - 1; i++) {
      path = join(path, parts[i] as string);
      this.#checkFolder(path, isMaking);
    }
  }

  #checkFolder(path: string, isMaking: boolean): void {
    let stats: Stats | undefined;
    try {
      stats = this.#calls.lstatSync(path);
    } catch (error) {
      if (!isMaking || systemCode(error) !== 'ENOENT') throw toDiskError(error, path);
    }
    if (stats === undefined) {
      try {
        this.#calls.mkdirSync(path);
        return;
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw toDiskError(error, path);
        stats = this.#calls.lstatSync(path);
      }
    }
    if (stats.isDirectory()) return;
    const what = stats.isSymbolicLink() ? 'it is a symbolic link' : 'a file stands where a folder has to be';
    throw new BtError('disk/unsafe-path', { path, what });
  }

  #makeRoot(): void {
    try {
      makeFolders(this.root, { calls: this.#calls });
    } catch (error) {
      throw toDiskError(error, this.root);
    }
  }

  #isOutOfDescriptors(error: unknown): boolean {
    const code = systemCode(error);
    return code === 'EMFILE' || code === 'ENFILE';
  }
}

import { lstat, readlink, realpath } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { BtError } from '../base/index.ts';
import { toDiskError } from '../hash/index.ts';
import type { FileEntry } from '../metainfo/index.ts';

/** How a torrent's file stands in a folder before a byte of it is read. */
export type Located =
  | { readonly kind: 'file'; readonly path: string; readonly length: number }
  | { readonly kind: 'link'; readonly isRight: boolean }
  | { readonly kind: 'missing' }
  | { readonly kind: 'not-a-file' }
  /** A link on the way leads out of the folder. */
  | { readonly kind: 'outside' }
  | { readonly kind: 'unreadable'; readonly what: string };

/**
 * Finds files of a torrent below one folder and never looks outside of it: where a link leads out, that is the answer. The folder
 * itself may be a link.
 */
export class Locator {
  readonly #root: string;
  /** Real paths of folders by their names below the root; undefined: not there. Torrents have many files in few folders. */
  readonly #folders = new Map<string, Promise<string | undefined>>();

  private constructor(root: string) {
    this.#root = root;
  }

  /** @throws BtError `disk/not-found`, `disk/access`, `disk/io` where there is no such folder */
  static async open(folder: string): Promise<Locator> {
    try {
      const root = await realpath(folder);
      if (!(await lstat(root)).isDirectory()) throw new BtError('disk/access', { path: folder, what: 'not a folder' });
      return new Locator(root);
    } catch (error) {
      throw toDiskError(error, folder);
    }
  }

  async locate(file: FileEntry): Promise<Located> {
    const name = file.path.at(-1) as string;
    try {
      const folder = await this.#realFolder(file.path.slice(0, -1));
      if (folder === undefined) return { kind: 'missing' };
      if (!this.#isInside(folder)) return { kind: 'outside' };
      const path = join(folder, name);
      const found = await lstat(path);
      if (file.symlink !== undefined) return { kind: 'link', isRight: await this.#isRightLink(path, file.symlink) };
      if (!found.isSymbolicLink()) {
        return found.isFile() ? { kind: 'file', path, length: found.size } : { kind: 'not-a-file' };
      }
      const real = await realpath(path);
      if (!this.#isInside(real)) return { kind: 'outside' };
      const target = await lstat(real);
      return target.isFile() ? { kind: 'file', path: real, length: target.size } : { kind: 'not-a-file' };
    } catch (error) {
      const failure = toDiskError(error, join(this.#root, ...file.path));
      return BtError.is(failure, 'disk/not-found')
        ? { kind: 'missing' }
        : { kind: 'unreadable', what: failure.message };
    }
  }

  #realFolder(parts: readonly string[]): Promise<string | undefined> {
    const key = parts.join('/');
    let known = this.#folders.get(key);
    if (known === undefined) {
      known = realpath(join(this.#root, ...parts)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
        throw error;
      });
      this.#folders.set(key, known);
    }
    return known;
  }

  /** BEP 47 links are told by their target below the download folder; on disk they are relative to where they stand. */
  async #isRightLink(path: string, target: readonly string[]): Promise<boolean> {
    const found = await readlink(path).catch(() => undefined);
    return found !== undefined && join(dirname(path), found) === join(this.#root, ...target);
  }

  #isInside(path: string): boolean {
    const way = relative(this.#root, path);
    return way === '' || !(way === '..' || way.startsWith(`..${sep}`) || way.startsWith(sep) || /^[a-z]:/i.test(way));
  }
}

import { constants, type Dirent } from 'node:fs';
import { access, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { BtError, compareBytes, encodeUtf8 } from '../base/index.ts';
import { toDiskError } from '../hash/index.ts';
import { type Exclude, parseExclude } from './exclude.ts';

/** A regular file that goes into the torrent, as it stood when it was found. */
export interface WalkedFile {
  /** Names below the shared folder; empty where the shared path is itself a file. */
  readonly parts: readonly string[];
  readonly path: string;
  readonly length: number;
  /** Fingerprint by which a change during hashing is noticed. */
  readonly fingerprint: string;
}

export interface LeftOut {
  readonly path: string;
  readonly why: 'excluded' | 'junk' | 'link' | 'special';
}

export interface Walk {
  /** Absolute path of what is shared. */
  readonly root: string;
  /** Last part of the root's path: the torrent's natural name. Empty for a file system's root. */
  readonly name: string;
  readonly singleFile: boolean;
  /** In order of their names' bytes, folder by folder: the order of BEP 52, and the same on every system. */
  readonly files: readonly WalkedFile[];
  readonly leftOut: readonly LeftOut[];
}

export interface WalkOptions {
  readonly exclude?: readonly string[] | undefined;
  /** Files that are never taken, whatever they are called (the .torrent about to be written). */
  readonly ignorePaths?: readonly string[] | undefined;
  /** 'follow' (default): a link stands for what it points to. 'skip': links are left out. A shared path that is itself a link is always followed. */
  readonly links?: 'follow' | 'skip' | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Files that systems leave in folders on their own. Left out so that the same content gives the same torrent wherever it was looked at.
 * Other hidden files are content: they are taken.
 */
const junkNames = new Set(['.DS_Store', 'Thumbs.db', 'ehthumbs.db', 'desktop.ini', '.directory']);
const depthMax = 256;
/** Files looked at in one go: enough to keep the threads that do it busy. */
const batchFiles = 64;
/** Of paths that were left out, so that a million excluded files cost no memory. */
const leftOutMax = 1000;

/**
 * Finds everything that a torrent of `path` would hold.
 *
 * @throws BtError `disk/not-found`, `disk/access` (a folder or file that cannot be read is an error, not a gap in the torrent), `disk/io`,
 *   `client/invalid` (nothing to share, a name that is not UTF-8, links in a circle, a bad pattern), `client/aborted`
 */
export async function walk(path: string, options: WalkOptions = {}): Promise<Walk> {
  const root = resolve(path);
  const walker = new Walker(parseExclude(options.exclude ?? []), options);
  const name = basename(root);
  const top = await stat(root, { bigint: true }).catch((error: unknown) => {
    throw toDiskError(error, path);
  });
  if (top.isFile()) {
    walker.files.push(await inspectFile(root, []));
    return { root, name, singleFile: true, files: walker.files, leftOut: [] };
  }
  if (!top.isDirectory()) {
    throw new BtError('client/invalid', { what: `${path} is neither a file nor a folder: nothing that can be shared` });
  }
  await walker.addFolder(root, [], [await realpath(root)]);
  if (walker.files.length === 0) {
    const why = walker.leftOut.length > 0 ? 'everything in it is left out' : 'it holds no files';
    throw new BtError('client/invalid', { what: `nothing to share in ${path}: ${why}` });
  }
  return { root, name, singleFile: false, files: walker.files, leftOut: walker.leftOut };
}

async function inspectFile(path: string, parts: readonly string[]): Promise<WalkedFile> {
  try {
    // Both at once; and reading is tried now, not after an hour of hashing.
    const [s] = await Promise.all([stat(path, { bigint: true }), access(path, constants.R_OK)]);
    return { parts, path, length: Number(s.size), fingerprint: fingerprint(s) };
  } catch (error) {
    throw explain(error, path);
  }
}

class Walker {
  readonly files: WalkedFile[] = [];
  readonly leftOut: LeftOut[] = [];
  readonly #exclude: Exclude;
  readonly #ignored: ReadonlySet<string>;
  readonly #links: 'follow' | 'skip';
  readonly #signal: AbortSignal | undefined;

  constructor(exclude: Exclude, options: WalkOptions) {
    this.#exclude = exclude;
    this.#ignored = new Set((options.ignorePaths ?? []).map((p) => resolve(p)));
    this.#links = options.links ?? 'follow';
    this.#signal = options.signal;
  }

  /** @param above real paths of the folders we are in, to see a link that leads back into one of them */
  async addFolder(path: string, parts: readonly string[], above: readonly string[]): Promise<void> {
    if (this.#signal?.aborted) {
      throw new BtError('client/aborted', { what: 'looking for files' }, { cause: this.#signal.reason });
    }
    if (parts.length > depthMax) throw new BtError('client/invalid', { what: `${path} is nested too deep` });
    const batch: { path: string; parts: readonly string[] }[] = [];
    const flush = async () => {
      this.files.push(...(await Promise.all(batch.splice(0).map((f) => inspectFile(f.path, f.parts)))));
    };
    for (const entry of await readFolder(path)) {
      const childPath = join(path, entry.name);
      const childParts = [...parts, entry.name];
      if (this.#ignored.has(childPath)) continue;
      const kind = await this.#kindOf(entry, childPath);
      if (kind === 'link' || kind === 'special') {
        if (!this.#exclude({ parts: childParts, isFolder: false })) this.#leaveOut(childPath, kind);
      } else if (this.#exclude({ parts: childParts, isFolder: kind === 'folder' })) {
        this.#leaveOut(childPath, 'excluded');
      } else if (kind === 'broken') {
        throw new BtError('client/invalid', {
          what: `${childPath} is a link to something that is not there: repair or exclude it`,
        });
      } else if (kind === 'folder') {
        await flush();
        await this.addFolder(childPath, childParts, await this.#descend(entry, childPath, above));
      } else if (junkNames.has(entry.name)) this.#leaveOut(childPath, 'junk');
      else batch.push({ path: childPath, parts: childParts });
      if (batch.length >= batchFiles) await flush();
    }
    await flush();
  }

  async #kindOf(entry: Dirent, path: string): Promise<'file' | 'folder' | 'link' | 'special' | 'broken'> {
    if (entry.isFile()) return 'file';
    if (entry.isDirectory()) return 'folder';
    if (entry.isSymbolicLink()) {
      if (this.#links === 'skip') return 'link';
      const target = await stat(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ELOOP') return undefined;
        throw toDiskError(error, path);
      });
      if (target === undefined) return 'broken';
      return target.isFile() ? 'file' : target.isDirectory() ? 'folder' : 'special';
    }
    return 'special';
  }

  /** @returns `above` for the folder `path`; real paths only change where a link is passed */
  async #descend(entry: Dirent, path: string, above: readonly string[]): Promise<readonly string[]> {
    const here = above.at(-1) as string;
    if (!entry.isSymbolicLink()) return [...above, join(here, entry.name)];
    const real = await realpath(path).catch((error: unknown) => {
      throw toDiskError(error, path);
    });
    if (above.includes(real)) {
      throw new BtError('client/invalid', { what: `${path} is a link back to a folder it is in: exclude it` });
    }
    return [...above, real];
  }

  #leaveOut(path: string, why: LeftOut['why']): void {
    if (this.leftOut.length < leftOutMax) this.leftOut.push({ path, why });
  }
}

/** A listed name that cannot be found may be one that is not UTF-8: Node then lists it with U+FFFD in it. */
function explain(error: unknown, path: string): BtError {
  const failure = toDiskError(error, path);
  if (!BtError.is(failure, 'disk/not-found') || !path.includes('\u{FFFD}')) return failure;
  return new BtError('client/invalid', { what: `the name of ${path} is not valid UTF-8: rename or exclude it` });
}

/** Entries in order of their names' UTF-8 bytes. */
async function readFolder(path: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const keyed = entries.map((entry) => ({ entry, key: encodeUtf8(entry.name) }));
    return keyed.sort((a, b) => compareBytes(a.key, b.key)).map(({ entry }) => entry);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') {
      const what = 'permission denied: make the folder readable or exclude it';
      throw new BtError('disk/access', { path, what }, { cause: error });
    }
    throw explain(error, path);
  }
}

interface Stats {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

function fingerprint(s: Stats): string {
  return `${s.dev}:${s.ino}:${s.size}:${s.mtimeNs}`;
}

/**
 * Looks whether files are still what they were when they were found.
 *
 * @throws BtError `disk/changed` for the first that is not
 */
export async function checkUnchanged(files: readonly WalkedFile[]): Promise<void> {
  for (let i = 0; i < files.length; i += batchFiles) {
    await Promise.all(
      files.slice(i, i + batchFiles).map(async (file) => {
        const now = await stat(file.path, { bigint: true }).catch(() => undefined);
        if (now === undefined)
          throw new BtError('disk/changed', { path: file.path, what: 'vanished while it was read' });
        if (fingerprint(now) !== file.fingerprint) {
          throw new BtError('disk/changed', {
            path: file.path,
            what: 'changed while it was read: wait until nothing writes to it and try again',
          });
        }
      }),
    );
  }
}

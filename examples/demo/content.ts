import { execFile } from 'node:child_process';
import { constants, copyFileSync, cpSync, existsSync, linkSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { open, readdir, realpath, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eiderPath } from './eider-process.ts';

const projectRoot = fileURLToPath(new URL('../../../', import.meta.url));
/** A Node that is smaller than this has its code in a library beside it. */
const wholeNodeBytes = 16 * 1024 * 1024;
const compareBytes = 1024 * 1024;

/** What is shared: `dir/name`. */
export interface Place {
  readonly dir: string;
  readonly name: string;
}

/** The same with what its torrent says of it: not every file of a folder must be in it (litter of desktops is left out). */
export interface Content extends Place {
  readonly bytes: number;
  readonly pieceCount: number;
  /** From `dir` on. */
  readonly files: readonly string[];
}

/** The user's own file or folder, where it lies. */
export async function useContent(path: string): Promise<Place> {
  const real = await realpath(path).catch(() => {
    throw new Error(`there is no ${path}`);
  });
  return { dir: dirname(real), name: basename(real) };
}

/**
 * One large file among small ones: the Node that is running, and the project's documents.
 *
 * @param canLink false: real copies, that may be changed without harm
 */
export function makeContent(work: string, canLink: boolean): Place {
  const dir = join(work, 'content');
  const folder = join(dir, 'eider-demo');
  mkdirSync(folder, { recursive: true });
  const large = findLargeFile();
  const target = join(folder, basename(large));
  try {
    if (!canLink) throw new Error('a copy is wanted');
    linkSync(large, target);
  } catch {
    // Another disk, or a system that does not let us link to what is not ours.
    copyFileSync(large, target, constants.COPYFILE_FICLONE);
  }
  const docs = join(projectRoot, 'docs');
  if (existsSync(docs)) cpSync(docs, join(folder, 'docs'), { recursive: true, dereference: true });
  return { dir, name: 'eider-demo' };
}

function findLargeFile(): string {
  const node = realpathSync(process.execPath);
  if (statSync(node).size >= wholeNodeBytes) return node;
  const report = process.report?.getReport() as { sharedObjects?: readonly string[] } | undefined;
  const sizeOf = (path: string) => (existsSync(path) ? statSync(path).size : 0);
  const libraries = (report?.sharedObjects ?? []).filter((path) => sizeOf(path) > statSync(node).size);
  const [largest = node] = libraries.sort((a, b) => sizeOf(b) - sizeOf(a));
  return realpathSync(largest);
}

/** Asks `eider info` what a torrent holds. */
export async function describeContent(place: Place, torrent: string): Promise<Content> {
  const { stdout } = await promisify(execFile)(process.execPath, [eiderPath, 'info', torrent, '--json'], {
    maxBuffer: 256 * 1024 * 1024,
  });
  const info = JSON.parse(stdout) as { totalLength: number; pieceCount: number; files: { path: string }[] };
  const files = info.files.map((file) => file.path.split('/').join(sep));
  return { ...place, bytes: info.totalLength, pieceCount: info.pieceCount, files };
}

/** Paths of all files in `dir/name`, from `dir` on, sorted; empty where there is nothing. */
async function listFiles(dir: string, name: string): Promise<string[]> {
  const found = await stat(join(dir, name)).catch(() => undefined);
  if (found === undefined) return [];
  if (!found.isDirectory()) return [name];
  const entries = await readdir(join(dir, name), { withFileTypes: true });
  const lists = await Promise.all(entries.map((entry) => listFiles(dir, join(name, entry.name))));
  return lists.flat().sort();
}

/** @throws Error where the disk of `folder` has no room for `bytes` */
export async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  const inMib = (n: number) => `${Math.ceil(n / 1024 / 1024)} MiB`;
  throw new Error(
    `the demo needs ${inMib(bytes)} in ${folder}, and ${inMib(free)} are free: share something smaller, or set TMPDIR to a larger disk`,
  );
}

/**
 * Compares a copy with the content, byte for byte, and its list of files.
 *
 * @throws Error that names the first difference
 */
export async function compareContent(content: Content, dir: string, signal: AbortSignal): Promise<void> {
  const found = new Set(await listFiles(dir, content.name));
  for (const path of content.files) {
    signal.throwIfAborted();
    if (!found.delete(path)) throw new Error(`${join(dir, path)} is missing`);
    await compareFiles(join(content.dir, path), join(dir, path));
  }
  for (const extra of found) throw new Error(`${join(dir, extra)} is not in the content`);
}

async function compareFiles(one: string, other: string): Promise<void> {
  const files = await Promise.all([open(one), open(other)]);
  const buffers = [Buffer.alloc(compareBytes), Buffer.alloc(compareBytes)] as const;
  try {
    for (let at = 0; ; ) {
      const [a, b] = await Promise.all([readFully(files[0], buffers[0], at), readFully(files[1], buffers[1], at)]);
      if (!buffers[0].subarray(0, a).equals(buffers[1].subarray(0, b))) {
        throw new Error(`${other} differs from ${one} within ${compareBytes} bytes from ${at}`);
      }
      if (a < compareBytes) return;
      at += a;
    }
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** @returns bytes read; fewer than the buffer holds only at the end of the file */
async function readFully(file: Awaited<ReturnType<typeof open>>, into: Buffer, at: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

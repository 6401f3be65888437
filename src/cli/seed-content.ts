import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { walk } from '../create/index.ts';
import { toDiskError } from '../hash/index.ts';
import type { FileEntry, Info } from '../metainfo/index.ts';
import { CliError, exitCodes } from './exit.ts';
import { formatPlural, printable, printablePath } from './format.ts';

/** Files looked at in one go. */
const batchFiles = 64;

interface Problem {
  readonly kind: 'missing' | 'wrong';
  readonly text: string;
}

/**
 * Looks whether all files of a torrent are where a seeder needs them, by name and length only: the usual mistake (another --dir) shows
 * at once and with the name of what is missing, before anything is opened or hashed.
 *
 * @throws CliError 3 where something is missing, 5 where something else is there; BtError `disk/access` where nothing can be seen
 */
export async function checkContent(info: Info, dir: string): Promise<void> {
  const root = await realpath(dir).catch((error: unknown) => {
    throw explainFolder(error, dir);
  });
  const problems: Problem[] = [];
  const files = info.files.filter((f) => f.symlink === undefined);
  for (let i = 0; i < files.length; i += batchFiles) {
    const found = await Promise.all(files.slice(i, i + batchFiles).map((file) => lookAt(root, file)));
    problems.push(...found.filter((p) => p !== undefined));
  }
  const first = problems[0];
  if (first === undefined) return;
  const others =
    problems.length > 1
      ? `, and ${formatPlural(problems.length - 1, 'other file')} ${problems.length === 2 ? 'is' : 'are'} wrong too`
      : '';
  const all = problems.length === files.length && problems.every((p) => p.kind === 'missing');
  const hint = all
    ? `--dir is the folder that holds ${JSON.stringify(printable(info.name))}, not that folder itself`
    : '`eider download --seed` fetches what is missing and shares what is there';
  const code = first.kind === 'missing' ? 'disk/not-found' : 'cli/verify-failed';
  const exitCode = first.kind === 'missing' ? exitCodes.notFound : exitCodes.verifyFailed;
  throw new CliError(exitCode, code, `${first.text}${others}: ${hint}`);
}

async function lookAt(root: string, file: FileEntry): Promise<Problem | undefined> {
  const path = join(root, ...file.path);
  const shown = printablePath([root, ...file.path]);
  try {
    const [found, real] = await Promise.all([stat(path), realpath(path)]);
    if (!found.isFile()) return { kind: 'wrong', text: `${shown} is not a file` };
    if (real !== path) return { kind: 'wrong', text: `${shown} is reached by a symbolic link, which is not followed` };
    if (found.size === file.length) return undefined;
    return { kind: 'wrong', text: `${shown} has ${found.size} bytes instead of ${file.length}` };
  } catch (error) {
    const failure = toDiskError(error, path);
    if (failure.code === 'disk/not-found') return { kind: 'missing', text: `${shown} is missing` };
    throw failure;
  }
}

function explainFolder(error: unknown, dir: string): unknown {
  const failure = toDiskError(error, dir);
  if (failure.code !== 'disk/not-found') return failure;
  return new CliError(exitCodes.notFound, 'disk/not-found', `there is no folder ${dir}: --dir names it`);
}

/** Content that is to be shared from where it lies. */
export interface Place {
  /** The file or folder itself, without links on the way. */
  readonly path: string;
  /** What `--dir` would be. */
  readonly dir: string;
  readonly name: string;
}

/**
 * Finds what `seed PATH` shares. A path that is itself a link stands for what it points to; links inside are refused, because peers are
 * never served through one (a torrent could otherwise be made to give away any file of this machine).
 *
 * @throws CliError for links, and what `walk` throws
 */
export async function findContent(path: string, exclude: readonly string[] | undefined): Promise<Place> {
  const real = await realpath(resolve(path)).catch((error: unknown) => {
    throw toDiskError(error, path);
  });
  const { leftOut } = await walk(real, { exclude, links: 'skip' });
  const links = leftOut.filter((l) => l.why === 'link');
  if (links[0] !== undefined) {
    const others = links.length > 1 ? `, and ${formatPlural(links.length - 1, 'other link')}` : '';
    throw new CliError(
      exitCodes.failure,
      'client/invalid',
      `cannot seed through symbolic links: ${printable(links[0].path)}${others}; replace them by copies, or --exclude them`,
    );
  }
  return { path: real, dir: dirname(real), name: basename(real) };
}

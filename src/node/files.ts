import { dirname } from 'node:path';
import { BtError } from '../base/index.ts';
import { toDiskError } from '../hash/index.ts';
import { type SystemCalls, systemCalls } from './disk/system-calls.ts';
import { systemCode } from './net-error.ts';

export interface WriteAtomicOptions {
  /** Forces contents and name to the medium: survives a power cut. Without, it survives a killed process. */
  readonly sync?: boolean;
  /** Keeps what was there as `<path>.bak`. */
  readonly keepPrevious?: boolean;
  /** Permissions of the file, before the umask. Default: everybody may read and write. */
  readonly mode?: number;
  readonly calls?: SystemCalls;
}

/**
 * Replaces a file so that a reader sees the old bytes or the new ones, never a mixture: written beside it, then renamed. Missing
 * folders are made.
 *
 * Between the two renames of `keepPrevious` only the .bak exists; `readIntact` finds it.
 *
 * @throws BtError `disk/no-space`, `disk/access`, `disk/io`, ...; the old file is whole then
 */
export function writeAtomic(path: string, bytes: Uint8Array, options: WriteAtomicOptions = {}): void {
  const calls = options.calls ?? systemCalls;
  // Two processes may write the same file: each has a name of its own for what is not finished.
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makeFolders(dirname(path), { calls });
    writeWhole(calls, temporary, { bytes, isSynced: options.sync === true, mode: options.mode ?? 0o666 });
    if (options.keepPrevious === true) moveIfThere(calls, path, `${path}.bak`);
    calls.renameSync(temporary, path);
    if (options.sync === true) syncFolderOf(calls, path);
  } catch (error) {
    removeIfThere(calls, temporary);
    throw toDiskError(error, path);
  }
}

/**
 * Reads what `writeAtomic` wrote, or its previous generation where the file is damaged or missing.
 *
 * @param parse throws for bytes that it cannot use
 * A generation that a newer program wrote (`parse` throws `swarm/state-newer`) is never passed over for an older one: what that says is
 * no longer so, and the next write would put the newer one out of the way.
 *
 * @param options `onDamaged` hears what `parse` threw for the newest generation where the one before it is used instead
 * @returns undefined where there is neither
 * @throws what `parse` threw for the newest generation where none can be used; BtError for other trouble with the disk
 */
export function readIntact<T>(
  path: string,
  parse: (bytes: Uint8Array) => T,
  options: { readonly calls?: SystemCalls; readonly onDamaged?: (error: unknown) => void } = {},
): T | undefined {
  const { calls = systemCalls, onDamaged } = options;
  let firstError: unknown;
  let isAnyThere = false;
  for (const candidate of [path, `${path}.bak`]) {
    const bytes = readIfThere(calls, candidate);
    if (bytes === undefined) continue;
    try {
      const parsed = parse(bytes);
      if (isAnyThere) onDamaged?.(firstError);
      return parsed;
    } catch (error) {
      if (BtError.is(error, 'swarm/state-newer')) throw error;
      if (!isAnyThere) firstError = error;
      isAnyThere = true;
    }
  }
  if (isAnyThere) throw firstError;
  return undefined;
}

/**
 * Makes a folder and those above it that are missing. Part by part: Node's own way to do it never ends where a file system (like /proc)
 * says that there is no folder to make one in, although there is.
 *
 * @throws the system's error
 */
export function makeFolders(
  path: string,
  options: { readonly calls?: SystemCalls; readonly mode?: number } = {},
): void {
  const { calls = systemCalls, mode = 0o777 } = options;
  try {
    calls.mkdirSync(path, mode);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST' && calls.statSync(path).isDirectory()) return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path) throw error;
    makeFolders(parent, options);
    makeLast(path, calls, mode);
  }
}

function makeLast(path: string, calls: SystemCalls, mode: number): void {
  try {
    calls.mkdirSync(path, mode);
  } catch (error) {
    // Somebody else was faster.
    if (systemCode(error) !== 'EEXIST' || !calls.statSync(path).isDirectory()) throw error;
  }
}

/** Removes both generations; the older one first, so that it never passes for the newest. */
export function removeAtomic(path: string, calls: SystemCalls = systemCalls): void {
  removeIfThere(calls, `${path}.bak`);
  removeIfThere(calls, path);
}

function writeWhole(
  calls: SystemCalls,
  path: string,
  { bytes, isSynced, mode }: { bytes: Uint8Array; isSynced: boolean; mode: number },
): void {
  const fd = calls.openSync(path, 'w', mode);
  try {
    for (let at = 0; at < bytes.length; ) at += calls.writeSync(fd, bytes, at, bytes.length - at, at);
    if (isSynced) calls.fsyncSync(fd);
  } finally {
    calls.closeSync(fd);
  }
}

function readIfThere(calls: SystemCalls, path: string): Uint8Array | undefined {
  let fd: number;
  try {
    fd = calls.openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw toDiskError(error, path);
  }
  try {
    const bytes = new Uint8Array(calls.fstatSync(fd).size);
    let at = 0;
    while (at < bytes.length) {
      const got = calls.readSync(fd, bytes, at, bytes.length - at, at);
      if (got === 0) throw new BtError('disk/changed', { path, what: 'became shorter while it was read' });
      at += got;
    }
    return bytes;
  } catch (error) {
    throw toDiskError(error, path);
  } finally {
    calls.closeSync(fd);
  }
}

function moveIfThere(calls: SystemCalls, from: string, to: string): void {
  try {
    calls.renameSync(from, to);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

/** Removes a file; nothing happens where there is none, or it may not be removed. */
export function removeIfThere(calls: SystemCalls, path: string): void {
  try {
    calls.unlinkSync(path);
  } catch {
    // Not there, or not ours to remove: nothing depends on it.
  }
}

function syncFolderOf(calls: SystemCalls, path: string): void {
  try {
    const fd = calls.openSync(dirname(path), 'r');
    try {
      calls.fsyncSync(fd);
    } finally {
      calls.closeSync(fd);
    }
  } catch {
    // Not every file system can sync a folder; the file itself is on the medium.
  }
}

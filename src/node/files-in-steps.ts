import { open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { toDiskError } from '../hash/index.ts';
import { makeFolders } from './files.ts';

/** Parts are written together up to this. */
const WRITE_BYTES = 1_048_576;

/**
 * Replaces a file as `writeAtomic` does, for contents that are made piece by piece: written beside it, forced to the medium, then
 * renamed; what was there is kept as `<path>.bak`. Between two parts the thread serves others, so a part should take about a
 * millisecond to make.
 *
 * @param parts owned by the call from then on; an empty one is a step without bytes
 * @param mode of a new file
 * @returns bytes written
 * @throws BtError `disk/...`, or what making a part throws; the old file is whole then
 */
export async function writeInSteps(path: string, parts: Iterable<Uint8Array>, mode = 0o666): Promise<number> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makeFolders(dirname(path));
    await removeAbandoned(path);
    const file = await open(temporary, 'w', mode);
    let size = 0;
    try {
      let held: Uint8Array[] = [];
      let heldBytes = 0;
      for (const part of parts) {
        if (part.length > 0) held.push(part);
        heldBytes += part.length;
        if (heldBytes < WRITE_BYTES) await nextTurn();
        else {
          await file.writeFile(Buffer.concat(held));
          size += heldBytes;
          held = [];
          heldBytes = 0;
        }
      }
      // Goes on where the system took less than it was given, as it does on a disk that fills up; `writev` does not.
      await file.writeFile(Buffer.concat(held));
      size += heldBytes;
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(path, `${path}.bak`).catch(ignoreMissing);
    await rename(temporary, path);
    return size;
  } catch (error) {
    await rm(temporary, { force: true });
    throw toDiskError(error, path);
  }
}

/** What processes that were killed in the middle have left: it may be large, and nobody else removes it. */
async function removeAbandoned(path: string): Promise<void> {
  const folder = dirname(path);
  const begin = `${basename(path)}.`;
  for (const name of await readdir(folder)) {
    const pid = name.startsWith(begin) ? /^(\d+)\.tmp$/.exec(name.slice(begin.length))?.[1] : undefined;
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's is alive too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

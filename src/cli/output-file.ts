import { constants } from 'node:fs';
import { access, open, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BtError } from '../base/index.ts';
import { toDiskError } from '../hash/index.ts';
import { writeAtomic } from '../node/index.ts';
import { CliError, exitCodes } from './exit.ts';

/**
 * Refuses, before any work is done, to write a torrent where it cannot or must not go: over its own content, over something that is no
 * torrent, or into a folder that is not there. An older torrent is replaced.
 */
export async function checkOutput(output: string, content: string): Promise<void> {
  if (resolve(output) === resolve(content)) throw refusal(`${output} is what is to be shared: choose another --output`);
  const found = await stat(output).catch(() => undefined);
  if (found === undefined || found.isFile()) await checkFolder(dirname(resolve(output)));
  if (found === undefined) return;
  if (found.isDirectory()) throw refusal(`${output} is a folder: name a file with --output`);
  if (found.isFile() && found.size > 0 && !(await looksLikeTorrent(output))) {
    throw refusal(`${output} is there already and is no torrent: choose another --output, or remove it`);
  }
}

async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined || !found.isDirectory()) {
    throw refusal(`there is no folder ${folder} to write the torrent to: make it, or choose another --output`);
  }
  await access(folder, constants.W_OK).catch((cause: unknown) => {
    throw refusal(`nothing may be written to ${folder}: choose another place with --output`, { cause });
  });
}

function refusal(message: string, options?: ErrorOptions): CliError {
  return new CliError(exitCodes.failure, 'cli/output', message, options);
}

/** A bencoded dictionary begins with `d` and the length of its first key. */
async function looksLikeTorrent(path: string): Promise<boolean> {
  const file = await open(path).catch((error: unknown) => {
    throw toDiskError(error, path);
  });
  try {
    const start = Buffer.alloc(4);
    const { bytesRead } = await file.read(start, 0, 4, 0);
    return /^d\d+:?/.test(start.toString('latin1', 0, bytesRead));
  } finally {
    await file.close();
  }
}

/**
 * Writes a file as a whole or not at all: readers never see half of it, and a full disk leaves the old one as it was. What is no
 * regular file (`/dev/stdout`) is written to directly.
 */
export async function writeOutput(path: string, bytes: Uint8Array): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  try {
    if (found === undefined || found.isFile()) {
      writeAtomic(path, bytes, { sync: true });
    } else await writeFile(path, bytes);
  } catch (error) {
    const failure = toDiskError(error, path);
    throw BtError.is(failure, 'disk/no-space') ? noSpace(path, failure) : failure;
  }
}

/** The general message promises that the work resumes; hashing starts anew. */
function noSpace(path: string, cause: BtError): CliError {
  const message = `no space left on the disk of ${path}: free some, or choose another --output`;
  return new CliError(exitCodes.noSpace, 'disk/no-space', message, { cause });
}

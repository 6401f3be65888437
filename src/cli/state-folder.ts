import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { makeFolders } from '../node/index.ts';
import type { Cli } from './context.ts';

/**
 * Where resume data is kept: what the user says, else the place that the system has for such things (XDG base directories; a relative
 * XDG_STATE_HOME counts as not set, as the specification wants it).
 */
export function stateFolder(chosen: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  if (chosen !== undefined && chosen !== '') return resolve(chosen);
  const xdg = env['XDG_STATE_HOME'] ?? '';
  if (isAbsolute(xdg)) return join(xdg, 'eider');
  const local = env['LOCALAPPDATA'] ?? '';
  if (process.platform === 'win32' && local !== '') return join(local, 'eider');
  return join(homedir(), '.local', 'state', 'eider');
}

/**
 * Makes the folder for resume data, readable by its owner alone: it says what was downloaded.
 *
 * @returns undefined where it cannot be written to. That is no reason not to download: what is on disk is then checked at the next start.
 */
export async function openStateFolder(cli: Cli, chosen: string | undefined): Promise<string | undefined> {
  const folder = stateFolder(chosen);
  try {
    makeFolders(folder, { mode: 0o700 });
    await access(folder, constants.W_OK);
    return folder;
  } catch (error) {
    const what = (error as Error).message;
    cli.warn(`cannot write to ${folder} (${what}): the next run will check all data again; --state-dir names another`);
    return undefined;
  }
}

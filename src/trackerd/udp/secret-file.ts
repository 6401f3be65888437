import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { writeAtomic } from '../../node/index.ts';

const SECRET_BYTES = 16;

/**
 * The secret that connection ids are made with, from the run before: clients hold an id for a minute, and some that are refused with it
 * come back only a quarter of an hour later. The file is there while no tracker runs, and no longer.
 *
 * @param path undefined: a new secret
 * @param lifetimeMs of connection ids: a secret that lay for longer is of no use to anybody
 * @returns 16 unpredictable bytes
 */
export function takeConnectionSecret(path: string | undefined, lifetimeMs: number): Uint8Array {
  const kept = path === undefined ? undefined : takeFile(path, lifetimeMs);
  return kept ?? randomBytes(SECRET_BYTES);
}

/**
 * Leaves it for the next run, readable for nobody else.
 *
 * @throws BtError `disk/...`
 */
export function leaveConnectionSecret(path: string, secret: Uint8Array): void {
  writeAtomic(path, secret, { mode: 0o600 });
}

function takeFile(path: string, lifetimeMs: number): Uint8Array | undefined {
  try {
    const { size, mtimeMs } = statSync(path);
    const bytes = size === SECRET_BYTES ? readFileSync(path) : undefined;
    rmSync(path);
    return bytes?.length === SECRET_BYTES && Date.now() - mtimeMs < lifetimeMs ? bytes : undefined;
  } catch {
    // None, or one that cannot be removed and so might be used again and again: ids of before are not accepted then.
    return undefined;
  }
}

import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BtError } from '../../base/index.ts';
import { readIntact, writeInSteps } from '../../node/index.ts';
import { type Accounts, encodeAccounts, restoreAccounts } from '../../tracker/index.ts';

/**
 * The file of accounts: one line that says what it is, then what `encodeAccounts` wrote.
 *
 *     eider tracker accounts 1 <SHA-1 of the rest, hex>\n
 */
const HEAD = /^eider tracker accounts (\d{1,9}) ([0-9a-f]{40})\n/;
const HEAD_BYTES_MAX = 100;
/** Hashed in about a millisecond. */
const STEP_BYTES = 1_048_576;
const VERSION = 1;

/**
 * Writes what the accounts are now, in steps between which the thread serves. The generation before is kept as `.bak`.
 *
 * @throws BtError `disk/...`; the old file is whole then
 */
export async function writeAccountsFile(path: string, accounts: Accounts, originMs: number): Promise<void> {
  const body = encodeAccounts(accounts, originMs);
  const hash = createHash('sha1');
  for (let at = 0; at < body.length; at += STEP_BYTES) {
    hash.update(body.subarray(at, at + STEP_BYTES));
    await nextTurn();
  }
  const head = Buffer.from(`eider tracker accounts ${VERSION} ${hash.digest('hex')}\n`);
  await writeInSteps(path, [head, body], 0o600);
}

/**
 * @param newAccounts makes accounts without anything in them
 * @param o.onDamaged told where the file could not be read and the generation before it was taken
 * @returns undefined where there is no file
 * @throws BtError `swarm/state-newer`, `swarm/state-damaged`, `disk/...`
 */
export function readAccountsFile(
  path: string,
  newAccounts: () => Accounts,
  o: { originMs: number; onDamaged: (error: unknown) => void },
): Accounts | undefined {
  let firstError: unknown;
  const read = readIntact(path, (bytes): Accounts | 'newer' => {
    const fail = (): never => {
      const error = new BtError('swarm/state-damaged', { what: path });
      firstError ??= error;
      throw error;
    };
    const match = HEAD.exec(Buffer.from(bytes.subarray(0, HEAD_BYTES_MAX)).toString('latin1')) ?? fail();
    if (Number(match[1]) > VERSION) return 'newer';
    const body = bytes.subarray(match[0].length);
    if (Number(match[1]) !== VERSION || digest(body) !== match[2]) return fail();
    const accounts = newAccounts();
    return restoreAccounts(accounts, body, o.originMs) ? accounts : fail();
  });
  // Not the generation before a newer one: it would be written over the newer.
  if (read === 'newer') throw new BtError('swarm/state-newer', { what: path });
  if (firstError !== undefined) o.onDamaged(firstError);
  return read;
}

function digest(body: Uint8Array): string {
  return createHash('sha1').update(body).digest('hex');
}

import { createHash } from 'node:crypto';
import { BtError } from '../../base/index.ts';
import { readIntact, writeInSteps } from '../../node/index.ts';
import { type Accounts, encodeAccounts, restoreAccounts } from '../../tracker/index.ts';

/**
 * The file of accounts: one line that says what it is, what `encodeAccounts` wrote, and the SHA-1 of that, 20 bytes.
 */
const HEAD = /^eider tracker accounts (\d{1,9})\n/;
const HEAD_BYTES_MAX = 40;
const HASH_BYTES = 20;
/** 1 had the hash in the line, and was never released. */
const VERSION = 2;

/**
 * Writes what the accounts are now, in steps between which the thread serves. The generation before is kept as `.bak`.
 *
 * @throws BtError `disk/...`; the old file is whole then
 */
export async function writeAccountsFile(path: string, accounts: Accounts, originMs: number): Promise<void> {
  await writeInSteps(path, makeParts(path, accounts, originMs), 0o600);
}

function* makeParts(path: string, accounts: Accounts, originMs: number): Generator<Uint8Array> {
  yield Buffer.from(`eider tracker accounts ${VERSION}\n`);
  const hash = createHash('sha1');
  const rows = encodeAccounts(accounts, originMs);
  try {
    let step = rows.next();
    for (; step.done !== true; step = rows.next()) {
      hash.update(step.value);
      yield step.value;
    }
    // Announces that wait take memory, and the disk may hang for as long as it likes.
    if (!step.value) throw new BtError('disk/io', { path, what: 'it took too long to write' });
  } finally {
    rows.return(false);
  }
  yield hash.digest();
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
    try {
      return decodeAccounts(bytes, newAccounts, { path, originMs: o.originMs });
    } catch (error) {
      firstError ??= error;
      throw error;
    }
  });
  // Not the generation before a newer one: it would be written over the newer.
  if (read === 'newer') throw new BtError('swarm/state-newer', { what: path });
  if (firstError !== undefined) o.onDamaged(firstError);
  return read;
}

/**
 * @param o.path for messages
 * @returns `newer` where a later version of the program wrote it
 * @throws BtError `swarm/state-damaged`
 */
export function decodeAccounts(
  bytes: Uint8Array,
  newAccounts: () => Accounts,
  o: { path: string; originMs: number },
): Accounts | 'newer' {
  const fail = (): never => {
    throw new BtError('swarm/state-damaged', { what: o.path });
  };
  const match = HEAD.exec(Buffer.from(bytes.subarray(0, HEAD_BYTES_MAX)).toString('latin1')) ?? fail();
  if (Number(match[1]) > VERSION) return 'newer';
  const body = bytes.subarray(match[0].length, -HASH_BYTES);
  const isWhole = createHash('sha1').update(body).digest().equals(bytes.subarray(-HASH_BYTES));
  if (Number(match[1]) !== VERSION || !isWhole) return fail();
  const accounts = newAccounts();
  return restoreAccounts(accounts, body, o.originMs) ? accounts : fail();
}

import { createHash } from 'node:crypto';
import { BtError } from '../../base/index.ts';
import { readIntact, writeAtomic } from '../../node/index.ts';
import { type Accounts, encodeAccounts, restoreAccounts } from '../../tracker/index.ts';

/**
 * The file of accounts: one line that says what it is, then what `encodeAccounts` wrote.
 *
 *     eider tracker accounts 1 <SHA-1 of the rest, hex>\n
 */
const HEAD = /^eider tracker accounts (\d{1,9}) ([0-9a-f]{40})\n/;
const HEAD_BYTES_MAX = 100;
const VERSION = 1;

/** The generation before is kept as `.bak`. @throws BtError `disk/...`; the old file is whole then */
export function writeAccountsFile(path: string, accounts: Accounts, originMs: number): void {
  const body = encodeAccounts(accounts, originMs);
  const head = `eider tracker accounts ${VERSION} ${digest(body)}\n`;
  writeAtomic(path, Buffer.concat([Buffer.from(head), body]), { sync: true, keepPrevious: true, mode: 0o600 });
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

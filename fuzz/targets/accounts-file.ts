import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Millis } from '#base';
import { decodeAccounts } from '#room/trackerd/policy/accounts-file';
import { AccountLog, Accounts, AnnounceCall, encodeAccounts, restoreAccounts } from '#tracker';
import { type FuzzTarget, magnitude, refusal } from '../support/target.ts';

function newAccounts(): Accounts {
  return new Accounts({ sessionTtlMs: 10_000_000, seed: [3, 4] });
}

function toBytes(accounts: Accounts): Uint8Array {
  return new Uint8Array(Buffer.concat([...encodeAccounts(accounts, 0)]));
}

function filled(count: number): Accounts {
  const accounts = newAccounts();
  const log = new AccountLog({ recordsMax: 1, onBatch: (batch) => accounts.take(batch) });
  const call = new AnnounceCall();
  for (let i = 0; i < count; i++) {
    const request = { infoHash: new Uint8Array(20).fill(i % 3), peerId: new Uint8Array(20).fill(i % 4), port: 1 };
    call.ask(
      { ...request, uploaded: i * 1_000, downloaded: i * 500, left: i % 2, event: 'none', numWant: 0, key: 7 },
      { via: 'udp', source: Uint8Array.of(1, 2, 3, i % 5), families: 'both', peersMax: 0, out: new Uint8Array(0) },
    );
    call.userId = 1 + (i % 2);
    log.postAnnounce(call, (1_000 + i * 10) as Millis);
  }
  log.flush();
  return accounts;
}

export const target: FuzzTarget = {
  about: 'the file of accounts: what is restored is written as the same again and can be told more; or it is refused',
  form: 'bytes',
  files: [
    'tracker/accounts/snapshot',
    'tracker/accounts/ledger',
    'tracker/accounts/sessions',
    'tracker/accounts/row-slab',
  ],
  parsers: ['trackerd/policy/accounts-file decodeAccounts'],
  bytesMax: 8_000,
  testRuns: 500,
  msMax: 200,
  seeds: () => [0, 1, 8].map((count) => toBytes(filled(count))),
  tokens: [
    ...[0, 1, 2, -1, 0.5, 1e300, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, 2 ** 53].map(
      (n) => new Uint8Array(Float64Array.of(n).buffer),
    ),
    'eider tracker accounts 2\n',
    'eider tracker accounts 3\n',
  ],
  run(input) {
    try {
      decodeAccounts(input, newAccounts, { path: 'x', originMs: 0 });
    } catch (error) {
      refusal(error, 'swarm/state-damaged');
    }
    // With its checksum made right.
    const hash = createHash('sha1').update(input).digest();
    const file = Buffer.concat([Buffer.from('eider tracker accounts 2\n'), input, hash]);
    let accounts: Accounts | 'newer';
    try {
      accounts = decodeAccounts(file, newAccounts, { path: 'x', originMs: 0 });
    } catch (error) {
      return refusal(error, 'swarm/state-damaged');
    }
    assert.ok(accounts !== 'newer');
    const written = toBytes(accounts);
    const again = newAccounts();
    assert.ok(restoreAccounts(again, written, 0), 'what was restored can be restored again');
    assert.deepEqual([...again.ledger.users.keys()].sort(), [...accounts.ledger.users.keys()].sort());
    accounts.sweep(50_000_000 as Millis);
    const { users, torrents, pairs } = accounts.ledger;
    return [users.size, torrents.count, pairs.count].map(magnitude).join();
  },
};

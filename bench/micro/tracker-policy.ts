/**
 * Cost of a private tracker: loading a list of 1,000,000 info-hashes, judging announces by passkey and list, writing account records and
 * adding them up, saving and restoring accounts. CPU time of this process, best of three.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Millis } from '#base';
import { PolicyHost } from '#room/trackerd/policy/index';
import { AccountLog, Accounts, AnnounceCall, encodeAccounts, HashTable, Policy, restoreAccounts } from '#tracker';

const HASHES = 1_000_000;
const CLIENTS = 200_000;
const USERS = 1_000;

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function print(what: string, value: number, unit: string): void {
  process.stdout.write(`${what.padEnd(48)} ${value.toFixed(value < 10 ? 2 : 0).padStart(8)} ${unit}\n`);
}

function measure(what: string, count: number, run: (i: number) => void): void {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const from = cpuMs();
    for (let i = 0; i < count; i++) run(i);
    best = Math.min(best, cpuMs() - from);
  }
  print(what, (best / count) * 1e6, 'ns');
}

export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'eider-bench-'));
  try {
    const hashes = randomBytes(HASHES * 20);
    await judging(folder, hashes);
    accounting(hashes);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function judging(folder: string, hashes: Buffer): Promise<void> {
  const allow = join(folder, 'allow.txt');
  const lines = Array.from({ length: HASHES }, (_, i) => hashes.toString('hex', i * 20, i * 20 + 20));
  writeFileSync(allow, `${lines.join('\n')}\n`);
  const from = cpuMs();
  const host = await PolicyHost.open({
    lists: { allow },
    private: { users: join(folder, 'users.json') },
    peerTtlMs: 3_600_000,
    now: () => 0 as Millis,
    timeOriginMs: 0,
    wallNow: () => 0,
    onPolicy: () => {},
    onEvent: () => {},
  });
  print('load a list of 1,000,000', cpuMs() - from, 'ms');
  const table = new HashTable(host.data.allow as NonNullable<typeof host.data.allow>);
  print('its table', table.byteLength / 1e6, 'MB');
  const { users } = host;
  const made = await Promise.all(Array.from({ length: USERS }, (_, i) => users?.create({ name: `user ${i}` })));
  const targets = made.map((user) => `/${user?.passkey}/announce?info_hash=%aa&port=1`);
  const policy = new Policy(host.data);
  const call = new AnnounceCall();
  call.peerIdBytes = Buffer.from('-qB4650-xxxxxxxxxxxx');
  call.sourceBytes = new Uint8Array(4);
  call.hashBytes = hashes;
  call.left = 1;
  const strange = randomBytes(HASHES * 20);
  measure('list, in it', HASHES, (i) => table.has(hashes, ((i * 7_919) % HASHES) * 20));
  measure('list, not in it', HASHES, (i) => table.has(strange, ((i * 7_919) % HASHES) * 20));
  measure('user of a passkey', HASHES, (i) => users?.table.find(targets[i % USERS] as string, 1, 33));
  measure('announce judged: passkey, places, list', HASHES, (i) => {
    call.hashAt = ((i * 7_919) % HASHES) * 20;
    call.target = targets[i % USERS] as string;
    if (policy.preAnnounce(call, 0 as Millis) !== undefined) throw new Error('refused');
  });
}

function accounting(hashes: Buffer): void {
  const accounts = new Accounts({ sessionTtlMs: 3_600_000, seed: [1, 2] });
  const log = new AccountLog({ recordsMax: 512, onBatch: (batch) => accounts.take(batch) });
  const onlyLog = new AccountLog({ recordsMax: 512, onBatch: () => {} });
  const call = new AnnounceCall();
  call.hashBytes = hashes;
  call.peerIdBytes = randomBytes(CLIENTS * 20);
  call.sourceBytes = new Uint8Array(4);
  let told = 0;
  const tell = (to: AccountLog): void => {
    const client = told % CLIENTS;
    call.userId = 1 + (client % 5_000);
    call.hashAt = (client % 10_000) * 20;
    call.peerIdAt = client * 20;
    call.uploaded = told;
    call.downloadedBytes = told++;
    to.postAnnounce(call, told as Millis);
  };
  const from = cpuMs();
  for (let i = 0; i < CLIENTS; i++) tell(log);
  print('a client that is new', ((cpuMs() - from) / CLIENTS) * 1e3, 'us');
  measure('an announce recorded', CLIENTS, () => tell(onlyLog));
  measure('an announce recorded and added up', CLIENTS, () => tell(log));
  log.flush();
  print('memory of a client', (accounts.ledger.byteLength + accounts.sessions.byteLength) / CLIENTS, 'bytes');
  const saveAt = cpuMs();
  const parts: Uint8Array[] = [];
  let longest = 0;
  let stepAt = performance.now();
  for (const part of encodeAccounts(accounts, 0)) {
    longest = Math.max(longest, performance.now() - stepAt);
    parts.push(part);
    stepAt = performance.now();
  }
  print('accounts of 200,000 clients as bytes', cpuMs() - saveAt, 'ms');
  print('the longest step of it', longest, 'ms');
  const bytes = Buffer.concat(parts);
  const restoreAt = cpuMs();
  if (!restoreAccounts(new Accounts({ sessionTtlMs: 3_600_000, seed: [1, 2] }), bytes, 0)) throw new Error('damaged');
  print('and back', cpuMs() - restoreAt, 'ms');
}

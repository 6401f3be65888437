import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Millis, type Rng, seededRng } from '#base';
import {
  AccountLog,
  AccountRecord,
  Accounts,
  type AccountsOptions,
  AnnounceCall,
  accountRecordBytes,
  encodeAccounts,
  restoreAccounts,
} from '#tracker';

const MIB = 1_048_576;
const HOUR = 3_600_000;

interface Told {
  user?: number;
  peer?: number;
  hash?: number;
  event?: 'none' | 'started' | 'stopped' | 'completed';
  up?: number;
  down?: number;
  left?: number;
  at: number;
  via?: 'http' | 'udp';
  source?: Uint8Array;
  key?: number;
}

/** Accounts that are told of announces through records, as all threads do. */
class Desk {
  accounts: Accounts;
  readonly #log = new AccountLog({ recordsMax: 1, onBatch: (batch) => this.accounts.take(batch) });

  constructor(over: Partial<AccountsOptions> = {}) {
    this.accounts = newAccounts(over);
  }

  tell(told: Told): void {
    const call = new AnnounceCall();
    call.ask(
      {
        infoHash: new Uint8Array(20).fill(told.hash ?? 1),
        peerId: new Uint8Array(20).fill(told.peer ?? told.user ?? 1),
        port: 1,
        uploaded: told.up ?? 0,
        downloaded: told.down ?? 0,
        left: told.left ?? 1,
        event: told.event ?? 'none',
        numWant: 0,
        key: told.key ?? 5,
      },
      {
        via: told.via ?? 'http',
        source: told.source ?? Uint8Array.of(198, 51, 100, 1),
        families: 'both',
        peersMax: 0,
        out: new Uint8Array(0),
      },
    );
    call.userId = told.user ?? 1;
    this.#log.postAnnounce(call, told.at as Millis);
  }

  /** Uploaded and downloaded of a user. */
  sums(user = 1): [number, number] {
    const account = this.accounts.user(user);
    return [account?.uploaded ?? 0, account?.downloaded ?? 0];
  }
}

function newAccounts(over: Partial<AccountsOptions> = {}): Accounts {
  return new Accounts({ sessionTtlMs: HOUR, seed: [5, 6], ...over });
}

test('a record is what was announced', () => {
  const batches: Uint8Array[] = [];
  const log = new AccountLog({ recordsMax: 2, onBatch: (batch) => batches.push(batch) });
  const call = new AnnounceCall();
  call.userId = 0x8000_0001;
  call.hashBytes = Uint8Array.from({ length: 30 }, (_, i) => i);
  call.hashAt = 3;
  call.peerIdBytes = new Uint8Array(20).fill(0xee);
  call.sourceBytes = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);
  call.sourceLength = 16;
  call.via = 'ws';
  call.event = 'completed';
  call.key = 0xffff_ffff;
  call.uploaded = Number.MAX_SAFE_INTEGER;
  call.downloadedBytes = 3;
  call.left = 4;
  log.postAnnounce(call, 12.5 as Millis);
  assert.equal(batches.length, 0);
  log.flush();
  log.flush();
  assert.equal(batches.length, 1);
  const [batch] = batches as [Uint8Array];
  assert.equal(batch.length, accountRecordBytes);
  const record = new AccountRecord();
  record.read(batch, 0);
  const { userId, event, key, uploaded, downloaded, left, time, isIpv6 } = record;
  assert.deepEqual(
    { userId, event, key, uploaded, downloaded, left, time, isIpv6 },
    {
      userId: 0x8000_0001,
      event: 'completed',
      key: 0xffff_ffff,
      uploaded: Number.MAX_SAFE_INTEGER,
      downloaded: 3,
      left: 4,
      time: 12.5,
      isIpv6: true,
    },
  );
  assert.deepEqual([...batch.subarray(record.hashAt, record.hashAt + 20)], [...call.infoHash]);
  assert.deepEqual([...batch.subarray(record.placeAt, record.placeAt + 8)], [...call.source.subarray(0, 8)]);
  call.userId = 0;
  log.postAnnounce(call, 0 as Millis);
  log.flush();
  assert.equal(batches.length, 1, 'nobody in particular');
});

const sums: readonly [name: string, told: readonly Told[], sums: [number, number]][] = [
  [
    'from the start',
    [
      { at: 0, event: 'started' },
      { at: 1, up: 5, down: 7 },
    ],
    [5, 7],
  ],
  [
    'a start that says more is where counting begins',
    [
      { at: 0, event: 'started', up: 9 },
      { at: 1, up: 10 },
    ],
    [1, 0],
  ],
  [
    'heard of late',
    [
      { at: 0, up: 100 },
      { at: 1, up: 101 },
    ],
    [1, 0],
  ],
  [
    'the last word',
    [
      { at: 0, event: 'started' },
      { at: 1, up: 5, event: 'stopped' },
    ],
    [5, 0],
  ],
  ['a stop of a stranger', [{ at: 1, up: 5, event: 'stopped' }], [0, 0]],
  [
    'a counter that went down',
    [
      { at: 0, up: 50 },
      { at: 1, up: 60 },
      { at: 2, up: 3 },
      { at: 3, up: 4 },
    ],
    [11, 0],
  ],
  [
    'both families tell the same',
    [
      { at: 0, event: 'started' },
      { at: 0, event: 'started', source: new Uint8Array(16) },
      { at: 1, up: 10 },
      { at: 2, up: 12, source: new Uint8Array(16) },
      { at: 3, up: 11, via: 'udp' },
      { at: 4, up: 15, event: 'stopped' },
      { at: 5, up: 15, event: 'stopped', source: new Uint8Array(16) },
      { at: 6, up: 15, event: 'stopped', via: 'udp' },
    ],
    [15, 0],
  ],
  [
    'a first word by the other family that comes late',
    [
      { at: 0, event: 'started' },
      { at: 1, up: 10 },
      { at: 2, event: 'started', via: 'udp' },
      { at: 3, up: 20 },
    ],
    [20, 0],
  ],
  [
    'an older word of the same way, handed on late',
    [
      { at: 0, event: 'started' },
      { at: 5, up: 10 },
      { at: 4, up: 6 },
      { at: 6, up: 12 },
    ],
    [12, 0],
  ],
  [
    'stopped and started again under the same peer id',
    [
      { at: 0, event: 'started' },
      { at: 1, up: 10, event: 'stopped' },
      { at: 2, event: 'started' },
      { at: 3, up: 4 },
    ],
    [14, 0],
  ],
  [
    'another run, first heard from another address',
    [
      { at: 0, event: 'started', key: 1 },
      { at: 1, up: 10, key: 1 },
      { at: 2, event: 'started', key: 2, source: Uint8Array.of(203, 0, 113, 9) },
      { at: 3, up: 4, key: 2, source: Uint8Array.of(203, 0, 113, 9) },
    ],
    [14, 0],
  ],
];

for (const [name, told, expected] of sums) {
  test(`sums: ${name}`, () => {
    const desk = new Desk();
    for (const one of told) desk.tell(one);
    assert.deepEqual(desk.sums(), expected);
  });
}

test('seed time, completion, clients of a pair', () => {
  const desk = new Desk();
  desk.tell({ at: 0, event: 'started', left: 10 });
  desk.tell({ at: 10_000, event: 'completed', left: 0, down: 10 });
  desk.tell({ at: 20_000, event: 'started', left: 0, peer: 9 });
  desk.tell({ at: 30_000, left: 0, down: 10 });
  desk.tell({ at: 40_000, left: 0, peer: 9 });
  const [pair] = desk.accounts.pairsOf(1);
  assert.deepEqual(pair, {
    userId: 1,
    infoHash: '01'.repeat(20),
    uploaded: 0,
    downloaded: 10,
    left: 0,
    seedMs: 30_000,
    seenAt: 40_000,
    completedAt: 10_000,
    clients: 2,
  });
  assert.deepEqual(desk.accounts.torrent(new Uint8Array(20).fill(1)), {
    infoHash: '01'.repeat(20),
    uploaded: 0,
    downloaded: 10,
    imbalance: -10,
    leechers: 0,
    seeders: 2,
    completed: 1,
  });
});

test('silent clients are gone with their time, and those that said goodbye soon after', () => {
  const places: string[] = [];
  const desk = new Desk({ onPlace: ({ userId, isEntering }) => places.push(`${userId}${isEntering ? '+' : '-'}`) });
  desk.tell({ at: 0, event: 'started' });
  desk.tell({ at: 0, event: 'started', user: 2 });
  desk.tell({ at: 1_000, event: 'stopped', user: 2 });
  assert.equal(desk.accounts.user(2)?.torrents, 0);
  assert.equal(desk.accounts.sessions.count, 2);
  for (let i = 0; i < 20; i++) desk.accounts.sweep(200_000 as Millis);
  assert.equal(desk.accounts.sessions.count, 1);
  for (let i = 0; i < 20; i++) desk.accounts.sweep((HOUR + 1) as Millis);
  assert.equal(desk.accounts.sessions.count, 0);
  assert.equal(desk.accounts.user(1)?.torrents, 0);
  assert.equal(desk.accounts.torrent(new Uint8Array(20).fill(1))?.leechers, 0);
  assert.deepEqual(places.sort(), ['1+', '1-', '2+', '2-']);
});

test('faster than the line: listed, and not counted', () => {
  const desk = new Desk({ lineBytesPerSec: MIB });
  desk.tell({ at: 0, event: 'started', user: 2 });
  desk.tell({ at: 0, event: 'started' });
  desk.tell({ at: 100_000, up: 110 * MIB });
  assert.deepEqual(desk.sums(), [110 * MIB, 0]);
  desk.tell({ at: 101_000, up: 200 * MIB });
  assert.deepEqual(desk.sums(), [110 * MIB, 0]);
  const [suspicion] = desk.accounts.suspicions.latest();
  assert.deepEqual(suspicion, {
    kind: 'too-fast',
    userId: 1,
    infoHash: '01'.repeat(20),
    peerId: '01'.repeat(20),
    uploaded: 90 * MIB,
    downloaded: 0,
    ms: 1_000,
    at: 101_000,
  });
  assert.equal(desk.accounts.user(1)?.suspicionCount, 1);
  assert.equal(desk.accounts.torrent(new Uint8Array(20).fill(1))?.uploaded, 200 * MIB, 'all that was said');
  const generous = new Desk({ lineBytesPerSec: MIB, creditImplausible: true });
  generous.tell({ at: 0, event: 'started' });
  generous.tell({ at: 1_000, up: 200 * MIB });
  assert.deepEqual(generous.sums(), [200 * MIB, 0]);
});

test('faster than the line by many small lies: what is allowed beyond it is of the user', () => {
  const often = new Desk({ lineBytesPerSec: MIB });
  often.tell({ at: 0, event: 'started', user: 2 });
  often.tell({ at: 0, event: 'started' });
  for (let i = 1; i <= 1_000; i++) often.tell({ at: i * 10, up: i * 9 * MIB });
  assert((often.sums()[0] as number) <= 40 * MIB, 'ten seconds, twice the line, and the slack');
  const many = new Desk({ lineBytesPerSec: MIB });
  many.tell({ at: 0, event: 'started', user: 2 });
  for (let peer = 10; peer < 110; peer++) {
    many.tell({ at: 0, event: 'started', peer });
    many.tell({ at: 10, up: 9 * MIB, peer });
  }
  assert((many.sums()[0] as number) <= 10 * MIB, 'new clients bring none of their own');
});

test('uploads where nobody was downloading', () => {
  const desk = new Desk();
  desk.tell({ at: 0, event: 'started', left: 0 });
  desk.tell({ at: 10_000, up: 50 * MIB, left: 0 });
  assert.deepEqual(desk.sums(), [0, 0]);
  assert.equal(desk.accounts.suspicions.latest()[0]?.kind, 'no-leecher');
  desk.tell({ at: 20_000, event: 'started', user: 2 });
  desk.tell({ at: 30_000, up: 90 * MIB, left: 0 });
  assert.deepEqual(desk.sums(), [40 * MIB, 0]);
  desk.tell({ at: 40_000, event: 'stopped', user: 2 });
  desk.tell({ at: 50_000, up: 120 * MIB, left: 0 });
  assert.deepEqual(desk.sums(), [70 * MIB, 0], 'there was one since the last report');
  desk.tell({ at: 60_000, up: 150 * MIB, left: 0 });
  assert.deepEqual(desk.sums(), [70 * MIB, 0]);
  assert.equal(desk.accounts.suspicions.count, 2);
});

test('memory is bounded: pairs without clients make way, sessions beyond the limit are not counted', () => {
  const desk = new Desk({ pairsMax: 100, sessionsMax: 50 });
  for (let i = 0; i < 250; i++) {
    desk.tell({ at: i * 10, event: 'started', hash: i, peer: i });
    desk.tell({ at: i * 10 + 1, up: 3, event: 'stopped', hash: i, peer: i });
    if (i % 10 === 9) for (let k = 0; k < 5; k++) desk.accounts.sweep((i * 10 + 130_000) as Millis);
  }
  assert.equal(desk.accounts.ledger.pairs.count, 100);
  assert.deepEqual(desk.sums(), [750, 0], 'sums of users stay');
  for (let i = 0; i < 120; i++) desk.tell({ at: 10_000, event: 'started', hash: i, peer: 250 - i });
  assert.equal(desk.accounts.sessions.count, 50);
  assert(desk.accounts.overflowCount > 0);
});

/** Accounts with a little of everything: users, pairs that are over, clients with several ways. */
function busyDesk(): Desk {
  const desk = new Desk();
  for (let i = 0; i < 60; i++) {
    const who = { user: 1 + (i % 7), hash: i % 11, peer: i };
    desk.tell({ ...who, at: i, event: 'started' });
    desk.tell({ ...who, at: 1_000 + i, up: i * 100, down: i, via: 'udp' });
    if (i % 5 === 0)
      for (const via of ['http', 'udp'] as const) desk.tell({ ...who, at: 2_000, event: 'stopped', via });
  }
  return desk;
}

const bytesOf = (accounts: Accounts): Buffer => Buffer.concat([...encodeAccounts(accounts, 0)]);

test('a snapshot is of the instant it was begun, whatever is told between its steps, and nothing of that is lost', () => {
  const desk = busyDesk();
  const expected = bytesOf(desk.accounts);
  const twin = busyDesk();
  const parts: Uint8Array[] = [];
  let at = 10_000;
  for (const part of encodeAccounts(desk.accounts, 0, 40)) {
    parts.push(part);
    const told = { user: 1 + (at % 9), hash: at % 13, peer: at % 70, up: at, at: at++ };
    for (const each of [desk, twin]) each.tell({ ...told, event: at % 3 === 0 ? 'started' : 'none' });
    // Who goes meanwhile is gone afterwards; silent clients are looked after later.
    if (parts.length === 5) for (const { accounts } of [desk, twin]) accounts.removeUser(3);
    desk.accounts.sweep((at + 9 * HOUR) as Millis);
  }
  assert.ok(parts.length > 20);
  assert.ok(Math.max(...parts.map((part) => part.length)) < 2_000);
  assert.deepEqual(Buffer.concat(parts), expected);
  assert.deepEqual(bytesOf(desk.accounts), bytesOf(twin.accounts));
});

test('a snapshot that nobody takes to its end holds nothing up', () => {
  const desk = busyDesk();
  const before = desk.sums();
  for (const _ of encodeAccounts(desk.accounts, 0, 40)) {
    desk.tell({ user: 1, hash: 0, peer: 0, up: 1_000, at: 20_000 });
    assert.deepEqual(desk.sums(), before);
    break;
  }
  assert.deepEqual(desk.sums(), [before[0] + 1_000, before[1]]);
});

test('where more would have to wait than may, the accounts go on and the snapshot is given up', () => {
  const desk = busyDesk();
  const rows = encodeAccounts(desk.accounts, 0, 40);
  rows.next();
  const batch = new Uint8Array(accountRecordBytes * 100_000);
  while (desk.accounts.isHeld) desk.accounts.take(batch);
  desk.tell({ user: 8, at: 1, event: 'started' });
  desk.tell({ user: 8, at: 2, up: 7 });
  assert.deepEqual(desk.sums(8), [7, 0]);
  assert.deepEqual(rows.next(), { done: true, value: false });
});

test('the accounts of a user are told latest first, and torrents by how far they are from adding up', () => {
  const desk = busyDesk();
  const pairs = desk.accounts.pairsOf(2);
  assert.deepEqual(
    pairs.map(({ seenAt }) => seenAt),
    pairs.map(({ seenAt }) => seenAt).sort((x, y) => y - x),
  );
  assert.deepEqual(desk.accounts.pairsOf(2, 3), pairs.slice(0, 3));
  const all = desk.accounts.imbalances();
  assert.deepEqual(
    all.map(({ imbalance }) => Math.abs(imbalance)),
    all.map(({ imbalance }) => Math.abs(imbalance)).sort((x, y) => y - x),
  );
  assert.ok(all.length > 3);
  for (const limit of [1, 2, 5])
    assert.deepEqual(
      desk.accounts.imbalances(limit).map(({ imbalance }) => imbalance),
      all.slice(0, limit).map(({ imbalance }) => imbalance),
    );
});

test('garbage is no snapshot', () => {
  const desk = new Desk();
  desk.tell({ at: 0, event: 'started' });
  const bytes = Buffer.concat([...encodeAccounts(desk.accounts, 0)]);
  for (let length = 0; length < bytes.length; length += 5) {
    assert.equal(restoreAccounts(newAccounts(), bytes.subarray(0, length), 0), false);
  }
  const rng = seededRng(1);
  for (let i = 0; i < 200; i++) {
    const garbage = Uint8Array.from(bytes);
    for (let k = 0; k < 4; k++) garbage[rng.below(garbage.length)] = rng.below(256);
    restoreAccounts(newAccounts(), garbage, 0);
  }
});

/** An honest swarm: what one uploads another downloads, and everybody says so, by several ways, at his own times. */
function runSwarm(rng: Rng, liar: number): Desk {
  const desk = new Desk({ lineBytesPerSec: 1_000 * MIB });
  const size = 400 * MIB;
  const ways = [
    { via: 'http' as const },
    { via: 'udp' as const },
    { via: 'udp' as const, source: new Uint8Array(16).fill(0x20) },
  ];
  const clients = Array.from({ length: 30 }, (_, i) => ({
    user: 1 + (i % 20),
    peer: i,
    hash: i % 3,
    up: 0,
    down: 0,
    left: i < 6 ? 0 : size,
    ways: ways.filter(() => rng.below(2) === 0),
    isThere: false,
  }));
  let at = 1_000;
  const report = (client: (typeof clients)[number], event: Told['event'] = 'none'): void => {
    const { user, peer, hash, down, left } = client;
    const up = user === liar ? client.up * 2 : client.up;
    for (const way of [...client.ways, { via: 'http' as const, source: Uint8Array.of(203, 0, 113, 7) }]) {
      desk.tell({ user, peer, hash, up, down, left, event, at: at++, key: peer, ...way });
    }
  };
  for (const client of clients) report(client, 'started');
  for (let step = 0; step < 5_000; step++) {
    at += 200;
    const from = clients[rng.below(clients.length)] as (typeof clients)[number];
    const to = clients[rng.below(clients.length)] as (typeof clients)[number];
    const bytes = Math.min(rng.below(4 * MIB), to.left);
    if (from !== to && from.hash === to.hash && bytes > 0) {
      from.up += bytes;
      to.down += bytes;
      to.left -= bytes;
      if (to.left === 0) report(to, 'completed');
    }
    if (rng.below(20) === 0) report(clients[rng.below(clients.length)] as (typeof clients)[number]);
  }
  for (const client of rng.shuffle([...clients])) report(client, 'stopped');
  return desk;
}

test('the accounts of an honest swarm add up to the byte', () => {
  for (let seed = 0; seed < 10; seed++) {
    const { accounts } = runSwarm(seededRng(seed), 0);
    let uploaded = 0;
    let downloaded = 0;
    for (const user of accounts.ledger.users.values()) {
      uploaded += user.uploaded;
      downloaded += user.downloaded;
      assert.equal(user.torrents, 0);
    }
    assert(uploaded > 100 * MIB);
    assert.equal(uploaded, downloaded);
    assert.deepEqual(accounts.imbalances(), []);
    assert.deepEqual(accounts.suspicions.latest(), []);
  }
});

test('a liar shows as an imbalance of his swarms', () => {
  const { accounts } = runSwarm(seededRng(3), 7);
  const [worst] = accounts.imbalances();
  assert(worst !== undefined && worst.imbalance > 10 * MIB, 'somebody says more than he has uploaded');
  const lied = accounts.pairsOf(7).reduce((sum, { uploaded }) => sum + uploaded / 2, 0);
  const total = accounts.imbalances().reduce((sum, { imbalance }) => sum + imbalance, 0);
  assert.equal(total, lied);
});

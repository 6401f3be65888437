import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BtError, fromHex, type Millis, seededRng } from '#base';
import { PolicyHost, type PolicyHostOptions } from '#room/trackerd/policy/index';
import {
  AccountLog,
  AnnounceCall,
  DenseStore,
  Policy,
  type PolicyData,
  refusalTexts,
  TrackerLogic,
  toTrackerLimits,
} from '#tracker';
import { makeTempFolder, writeTree } from '../../support/temp-folder.ts';

const a = 'aa'.repeat(20);
const b = 'bb'.repeat(20);
const c = 'cc'.repeat(20);
const PIB = 2 ** 50;

/** A tracker without sockets: the host, the logic of the main thread, and the policy of another thread. */
class Place {
  readonly folder: string;
  readonly options: PolicyHostOptions;
  readonly events: string[] = [];
  readonly posted: PolicyData[] = [];
  readonly other = new Policy();
  now = 0;
  wall = 1_800_000_000_000;
  host!: PolicyHost;
  logic!: TrackerLogic;

  constructor(t: TestContext, over: Partial<PolicyHostOptions> | ((folder: string) => Partial<PolicyHostOptions>)) {
    this.folder = makeTempFolder(t);
    this.options = {
      peerTtlMs: 3_600_000,
      now: () => this.now as Millis,
      timeOriginMs: this.wall,
      wallNow: () => this.wall + this.now,
      onPolicy: (data) => {
        this.posted.push(data);
        this.other.replace(structuredClone(data));
      },
      onEvent: (event) => this.events.push(event.type),
      ...(typeof over === 'function' ? over(this.folder) : over),
    };
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async open(over: Partial<PolicyHostOptions> = {}): Promise<this> {
    this.host = await PolicyHost.open({ ...this.options, ...over });
    const limits = toTrackerLimits({});
    const store = DenseStore.create({ limits, rng: seededRng(1) });
    this.logic = new TrackerLogic({ store, limits, hooks: this.host.hooks, rng: seededRng(2) });
    return this;
  }

  /** @returns why this thread refuses; another thread must say the same */
  announce(o: {
    hash?: string;
    target?: string;
    client?: string;
    uploaded?: number;
    downloaded?: number;
    left?: number;
    event?: 'started' | 'none' | 'stopped';
  }): string | undefined {
    const call = new AnnounceCall();
    call.ask(
      {
        infoHash: fromHex(o.hash ?? a) as Uint8Array,
        peerId: Buffer.from((o.client ?? '-qB4650-').padEnd(20, 'x')),
        port: 1,
        uploaded: o.uploaded ?? 0,
        downloaded: o.downloaded ?? 0,
        left: o.left ?? 1,
        event: o.event ?? 'none',
        numWant: -1,
        key: 7,
      },
      {
        via: 'http',
        source: Uint8Array.of(198, 51, 100, 1),
        target: o.target ?? '/announce',
        families: 'both',
        peersMax: 10,
        out: new Uint8Array(200),
      },
    );
    const elsewhere = this.other.preAnnounce(call, this.now as Millis)?.reason;
    const here = this.logic.announce(this.now as Millis, call)?.reason;
    assert.equal(elsewhere, here, 'all threads judge alike');
    return here;
  }
}

function listPlace(t: TestContext): Place {
  const place = new Place(t, (folder) => ({ lists: { allow: join(folder, 'allow.txt') } }));
  writeTree(place.folder, { 'allow.txt': `# ours\n${a} A name\n${b}\n` });
  return place;
}

test('a list: the file, single changes, a restart', async (t) => {
  const place = await listPlace(t).open();
  const allow = place.host.lists.allow as NonNullable<typeof place.host.lists.allow>;
  assert.equal(place.announce({}), undefined);
  assert.equal(place.announce({ hash: c }), refusalTexts.unlistedTorrent);
  const postedCount = place.posted.length;
  assert.equal(await allow.add(c, 'Some\nname'), true);
  assert.equal(await allow.add(c), false);
  assert.equal(await allow.remove(b), true);
  assert.equal(await allow.remove(b), false);
  assert.equal(place.announce({ hash: c }), undefined);
  assert.equal(place.announce({ hash: b }), refusalTexts.unlistedTorrent);
  assert.equal(place.posted.length, postedCount, 'nothing had to be posted');
  assert.equal(readFileSync(place.path('allow.txt.changes'), 'utf8'), `+${c} Some name\n-${b}\n`);
  assert.deepEqual(allow.page(undefined, 10), [a, c]);
  assert.deepEqual(allow.page(a, 10), [c]);
  assert.deepEqual(allow.page(undefined, 1), [a]);
  await assert.rejects(allow.add('zz'), { code: 'client/invalid' });
  await place.open();
  assert.equal(place.announce({ hash: c }), undefined);
  assert.equal(place.announce({ hash: b }), refusalTexts.unlistedTorrent);
});

test('a change that was cut by a crash is nothing, and the next begins a line', async (t) => {
  const place = listPlace(t);
  writeFileSync(place.path('allow.txt.changes'), `+${c} x\n-${a.slice(0, 10)}`);
  await place.open();
  assert.equal(place.announce({ hash: c }), undefined);
  assert.equal(place.announce({ hash: a }), undefined);
  await place.host.lists.allow?.remove(a);
  await place.open();
  assert.equal(place.announce({ hash: a }), refusalTexts.unlistedTorrent);
});

test('many adds and removes leave few lines after a reload', async (t) => {
  const place = listPlace(t);
  const lines = Array.from({ length: 3_000 }, (_, i) => `${i % 2 === 0 ? '+' : '-'}${c}\n`).join('');
  writeFileSync(place.path('allow.txt.changes'), `${lines}+${c} last\n`);
  await place.open();
  assert.equal(readFileSync(place.path('allow.txt.changes'), 'utf8'), `+${c} last\n`);
});

test('changes made during a reload are kept', async (t) => {
  const place = await listPlace(t).open();
  const reload = place.host.reload();
  await Promise.all([reload, place.host.lists.allow?.add(c)]);
  assert.equal(place.announce({ hash: c }), undefined);
});

test('a reload takes the new file, or keeps the old list and says which line is broken', async (t) => {
  const place = await listPlace(t).open();
  writeFileSync(place.path('allow.txt'), `${a}\noh no\n`);
  assert.deepEqual(await place.host.reload(), {
    done: [],
    failed: [`${place.path('allow.txt')} line 2: not an info-hash of 40 or 64 hex digits: oh.no`],
  });
  assert.equal(place.announce({ hash: b }), undefined);
  rmSync(place.path('allow.txt'));
  assert.equal((await place.host.reload()).failed.length, 1);
  assert.equal(place.announce({ hash: b }), undefined);
  writeFileSync(place.path('allow.txt'), `${c}\n`);
  assert.deepEqual(await place.host.reload(), { done: [`${place.path('allow.txt')}: 1 torrents`], failed: [] });
  assert.equal(place.announce({ hash: c }), undefined);
  assert.equal(place.announce({ hash: b }), refusalTexts.unlistedTorrent);
});

test('a list grows beyond its table', async (t) => {
  const place = await listPlace(t).open();
  const allow = place.host.lists.allow as NonNullable<typeof place.host.lists.allow>;
  const hashes = Array.from({ length: 1_500 }, (_, i) => i.toString(16).padStart(40, '0'));
  await Promise.all(hashes.map((hash) => allow.add(hash)));
  for (const hash of hashes) assert.equal(place.announce({ hash }), undefined);
  assert.deepEqual(allow.page(undefined, 100), hashes.slice(0, 100));
});

for (const [name, files, code] of [
  ['a list that is not there', {}, 'disk/not-found'],
  ['a list that is no list', { 'allow.txt': '\0\0' }, 'config/invalid'],
  ['changes that are none', { 'allow.txt': '', 'allow.txt.changes': `${a}\n` }, 'config/invalid'],
] as const) {
  test(`no start with ${name}`, async (t) => {
    const place = new Place(t, (folder) => ({ lists: { allow: join(folder, 'allow.txt') } }));
    writeTree(place.folder, files);
    await assert.rejects(place.open(), { code });
  });
}

test('client rules: at start, and by a reload', async (t) => {
  const place = await new Place(t, { clients: { allow: [], deny: ['-XL', '-qB <4'] } }).open();
  assert.equal(place.announce({ client: '-XL0012-' }), refusalTexts.client);
  assert.equal(place.announce({ client: '-qB4650-' }), undefined);
  const { failed } = await place.host.reload({ clients: { allow: ['-qB ??'], deny: [] } });
  assert.equal(failed.length, 1);
  assert.equal(place.announce({ client: '-XL0012-' }), refusalTexts.client);
  await place.host.reload({ clients: { allow: ['-XL'], deny: [] } });
  assert.equal(place.announce({ client: '-XL0012-' }), undefined);
  assert.equal(place.announce({ client: '-qB4650-' }), refusalTexts.client);
});

function privatePlace(t: TestContext, over: object = {}): Place {
  return new Place(t, (folder) => ({
    private: { users: join(folder, 'users.json'), accounts: join(folder, 'accounts'), ...over },
  }));
}

test('a user from beginning to end', async (t) => {
  const place = await privatePlace(t).open();
  const users = place.host.users as NonNullable<typeof place.host.users>;
  const made = await users.create({ name: 'alice', expiresAt: 1_800_000_100 });
  assert(made !== undefined);
  const { id } = made.user;
  const target = `/${made.passkey}/announce`;
  assert.equal(await users.create({ name: 'alice' }), undefined, 'the name is taken');
  assert.equal(place.announce({}), refusalTexts.passkeyMissing);
  assert.equal(place.announce({ target, event: 'started' }), undefined);
  assert.equal(place.announce({ target, uploaded: 100, downloaded: 30 }), undefined);
  const facts = users.find(id);
  assert.deepEqual([facts?.uploaded, facts?.downloaded, facts?.torrents], [100, 30, 1]);
  assert.equal(users.member(made.passkey)?.name, 'alice');
  assert.equal(users.member('x'.repeat(32)), undefined);

  place.now = 100_000;
  assert.equal(place.announce({ target }), refusalTexts.userExpired);
  assert.equal(users.member(made.passkey), undefined);
  await users.update(id, { expiresAt: null });
  assert.equal(place.announce({ target }), undefined);
  await users.update(id, { isEnabled: false });
  assert.equal(place.announce({ target }), refusalTexts.userDisabled);
  await users.update(id, { isEnabled: true, mayDownload: false });
  assert.equal(place.announce({ target }), refusalTexts.mayOnlySeed);
  assert.equal(place.announce({ target, left: 0 }), undefined);
  const passkey = await users.rotatePasskey(id);
  assert.equal(place.announce({ target, left: 0 }), refusalTexts.passkeyUnknown);
  assert.equal(place.announce({ target: `/announce/${passkey}`, left: 0 }), undefined);
  assert.equal(statSync(place.path('users.json')).mode & 0o777, 0o600);

  await place.host.close();
  await place.open();
  assert.equal(place.host.users?.find(id)?.uploaded, 100);
  assert.equal(place.announce({ target: `/announce/${passkey}` }), refusalTexts.mayOnlySeed);
  assert.equal(await place.host.users?.remove(id), true);
  assert.equal(place.announce({ target: `/announce/${passkey}`, left: 0 }), refusalTexts.passkeyUnknown);
  const next = await place.host.users?.create({ name: 'alice' });
  assert.notEqual(next?.user.id, id, 'a number is never given again');
});

test('many users, made at once, in pages', async (t) => {
  const place = await privatePlace(t).open();
  const users = place.host.users as NonNullable<typeof place.host.users>;
  const made = await Promise.all(Array.from({ length: 300 }, (_, i) => users.create({ name: `user ${i}` })));
  for (const one of made) assert.equal(place.announce({ target: `/${one?.passkey}/announce`, hash: b }), undefined);
  assert.deepEqual(
    users.page(100, 5).map(({ id }) => id),
    [101, 102, 103, 104, 105],
  );
  await place.open();
  assert.equal(place.host.users?.size(), 300);
});

test('users are read again at a reload; a broken file changes nothing', async (t) => {
  const place = privatePlace(t);
  const row = { id: 4, name: 'bob', passkey: 'p'.repeat(20) };
  const write = (...users: object[]): void =>
    writeFileSync(place.path('users.json'), JSON.stringify({ format: 'eider tracker users', version: 1, users }));
  write(row);
  await place.open();
  const target = `/${row.passkey}/announce`;
  assert.equal(place.announce({ target }), undefined);
  for (const wrong of [
    { ...row, id: 0 },
    { ...row, id: 2 ** 31 },
    { ...row, passkey: 'short' },
    { ...row, name: '' },
    { ...row, expiresAt: 'soon' },
    { ...row, isEnabled: 1 },
  ]) {
    write(wrong);
    assert.deepEqual((await place.host.reload()).failed, [
      `${place.path('users.json')}: user 1 is not as it should be`,
    ]);
  }
  write(row, { ...row, id: 5, passkey: 'q'.repeat(20) });
  assert.match((await place.host.reload()).failed[0] ?? '', /two users have the same name: bob/);
  assert.equal(place.announce({ target }), undefined);
  write({ ...row, isEnabled: false }, { id: 9, name: 'eve', passkey: 'e'.repeat(20) });
  assert.equal((await place.host.reload()).failed.length, 0);
  assert.equal(place.announce({ target }), refusalTexts.userDisabled);
  assert.equal(place.announce({ target: `/${'e'.repeat(20)}/announce` }), undefined);
});

test('damaged files: the generation before is taken, and told', async (t) => {
  const place = await privatePlace(t).open();
  const one = await place.host.users?.create({ name: 'one' });
  const target = `/${one?.passkey}/announce`;
  place.announce({ target, event: 'started' });
  place.announce({ target, uploaded: 5 });
  await place.host.users?.create({ name: 'two' });
  await place.host.save();
  place.announce({ target, uploaded: 9 });
  await place.host.close();
  for (const [file, damage] of [
    ['users.json', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['accounts', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
  ] as const) {
    writeFileSync(place.path(file), damage(readFileSync(place.path(file))));
  }
  await place.open();
  assert.deepEqual(place.events, ['policy.damaged', 'policy.damaged']);
  assert.equal(place.host.users?.size(), 1);
  assert.equal(place.host.users?.find(1)?.uploaded, 5);
});

test('any changed byte of the accounts is found', async (t) => {
  const place = await privatePlace(t).open();
  const one = await place.host.users?.create({ name: 'one' });
  place.announce({ target: `/${one?.passkey}/announce`, event: 'started' });
  await place.host.close();
  const whole = readFileSync(place.path('accounts'));
  rmSync(place.path('accounts.bak'), { force: true });
  for (let at = 0; at < whole.length; at += 7) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 0x10;
    writeFileSync(place.path('accounts'), bytes);
    await assert.rejects(
      place.open(),
      (error) => BtError.is(error, 'swarm/state-damaged') || BtError.is(error, 'swarm/state-newer'),
    );
  }
});

test('files of a newer version are refused, not replaced by the generation before', async (t) => {
  const place = await privatePlace(t).open();
  await place.host.users?.create({ name: 'one' });
  await place.host.users?.create({ name: 'two' });
  await place.host.close();
  const users = readFileSync(place.path('users.json'), 'utf8');
  writeFileSync(place.path('users.json'), users.replace('"version": 1', '"version": 2'));
  await assert.rejects(place.open(), {
    code: 'swarm/state-newer',
    message: `${place.path('users.json')} was written by a newer version of Eider: use that version, or move it away to begin without`,
  });
  writeFileSync(place.path('users.json'), users);
  writeFileSync(place.path('accounts'), 'eider tracker accounts 3\n');
  await assert.rejects(place.open(), { code: 'swarm/state-newer' });
});

test('a ratio that is too low: may only seed, until it is better', async (t) => {
  const place = await privatePlace(t, { ratio: { minimum: 0.5, afterBytes: 1_000 } }).open();
  const one = await place.host.users?.create({ name: 'one' });
  const target = `/${one?.passkey}/announce`;
  assert.equal(place.announce({ target, event: 'started' }), undefined);
  assert.equal(place.announce({ target, downloaded: 999 }), undefined);
  assert.equal(place.announce({ target, downloaded: 1_000 }), undefined);
  assert.equal(place.announce({ target, downloaded: 1_000 }), refusalTexts.ratioTooLow);
  assert.equal(place.announce({ target, downloaded: 1_000, left: 0 }), undefined);
  await place.host.close();
  await place.open();
  assert.equal(place.announce({ target, downloaded: 1_000 }), refusalTexts.ratioTooLow);
  assert.equal(place.announce({ target, downloaded: 1_000, left: 0, uploaded: 500 }), undefined);
  assert.equal(place.announce({ target, downloaded: 1_000 }), undefined);
});

test('other rules by a reload; none where the file of users is broken', async (t) => {
  const place = await privatePlace(t).open();
  const one = await place.host.users?.create({ name: 'one' });
  await place.host.users?.create({ name: 'two' });
  const target = `/${one?.passkey}/announce`;
  place.announce({ target, event: 'started' });
  place.announce({ target, downloaded: 2_000 });
  const ratio = { minimum: 0.5, afterBytes: 1_000 };
  await place.host.reload({ private: { ratio, torrentsMax: 1 } });
  assert.equal(place.announce({ target, downloaded: 2_000 }), refusalTexts.ratioTooLow);
  assert.equal(place.announce({ target, left: 0, hash: b }), refusalTexts.tooManyTorrents);
  await place.host.reload();
  assert.equal(place.announce({ target, downloaded: 2_000 }), refusalTexts.ratioTooLow);
  const users = readFileSync(place.path('users.json'));
  writeFileSync(place.path('users.json'), '{');
  assert.equal((await place.host.reload({ private: {} })).failed.length, 1, 'not the generation before');
  assert.equal(place.announce({ target, downloaded: 2_000 }), refusalTexts.ratioTooLow);
  writeFileSync(place.path('users.json'), users);
  await place.host.reload({ private: { access: { announce: 'public' } } });
  assert.equal(place.announce({ target, downloaded: 2_000, hash: b }), undefined);
  assert.equal(place.announce({}), undefined);
});

test('the accounts as an operator reads them', async (t) => {
  const place = await privatePlace(t, { lineBytesPerSec: 1_000_000 }).open();
  const one = await place.host.users?.create({ name: 'one' });
  const two = await place.host.users?.create({ name: 'two' });
  const target = `/${one?.passkey}/announce`;
  place.announce({ target, event: 'started' });
  place.announce({ target: `/${two?.passkey}/announce`, client: '-TR4000-', event: 'started' });
  place.now = 60_000;
  place.announce({ target, uploaded: 1_000, downloaded: 5_000, left: 0 });
  place.now = 90_000;
  place.announce({ target, uploaded: 1_001, left: 0, downloaded: 5_000 });
  place.announce({ target: `/${two?.passkey}/announce`, client: '-TR4000-', uploaded: PIB });
  const accounts = place.host.accountsView;
  const wallSec = place.wall / 1_000;
  assert.deepEqual(accounts?.torrentsOf(1, 10), [
    {
      ...{ infoHash: a, uploaded: 1_001, downloaded: 5_000, left: 0, clients: 1 },
      ...{ seedSec: 30, seenAt: wallSec + 90, completedAt: wallSec + 60 },
    },
  ]);
  assert.deepEqual(accounts.torrentsOf(1, 0), []);
  assert.equal(accounts.torrentsOf(2, 10)[0]?.completedAt, null);
  assert.deepEqual(accounts.imbalances(10), [accounts.torrent(a)]);
  assert.equal(accounts.torrent(a)?.imbalance, PIB + 1_001 - 5_000);
  assert.equal(accounts.torrent(b), undefined);
  const { kind, userId, infoHash, uploaded, sec, at } = accounts.suspicions(10)[0] ?? {};
  assert.deepEqual([kind, userId, infoHash, uploaded, sec, at], ['too-fast', 2, a, PIB, 90, wallSec + 90]);
  assert.equal(accounts.suspicionCount, 1);
});

test('what is saved is of one instant, and what is announced meanwhile counts afterwards', async (t) => {
  const place = await privatePlace(t).open();
  const one = await place.host.users?.create({ name: 'one' });
  const target = `/${one?.passkey}/announce`;
  place.announce({ target, event: 'started' });
  place.announce({ target, uploaded: 5 });
  const saving = place.host.save();
  while (place.host.accounts?.isHeld === false) await nextTurn();
  place.announce({ target, uploaded: 9 });
  await saving;
  assert.equal(place.host.users?.find(1)?.uploaded, 9);
  await place.open();
  assert.equal(place.host.users?.find(1)?.uploaded, 5);
  assert.equal(place.announce({ target, uploaded: 9 }), undefined);
  assert.equal(place.host.users?.find(1)?.uploaded, 9, 'the client says it again');
});

test('sessions go on over a restart', async (t) => {
  const place = await privatePlace(t).open();
  const one = await place.host.users?.create({ name: 'one' });
  const target = `/${one?.passkey}/announce`;
  place.announce({ target, event: 'started' });
  place.announce({ target, uploaded: 1_000 });
  await place.host.close();
  await place.open({ timeOriginMs: place.wall + 60_000 });
  place.announce({ target, uploaded: 1_500 });
  assert.equal(place.host.users?.find(1)?.uploaded, 1_500);
  assert.equal(place.host.users?.find(1)?.torrents, 1);
});

test('batches of another thread count like our own', async (t) => {
  const place = await privatePlace(t).open();
  const one = await place.host.users?.create({ name: 'one' });
  const batches: Uint8Array[] = [];
  const log = new AccountLog({ recordsMax: 2, onBatch: (batch) => batches.push(structuredClone(batch)) });
  const limits = toTrackerLimits({});
  const store = DenseStore.create({ limits, rng: seededRng(1) });
  place.logic = new TrackerLogic({ store, limits, hooks: [place.other, log], rng: seededRng(2) });
  const target = `/${one?.passkey}/announce`;
  place.announce({ target, event: 'started' });
  place.announce({ target, uploaded: PIB });
  place.announce({ target, uploaded: PIB + 1, event: 'stopped' });
  assert.equal(batches.length, 1);
  log.flush();
  for (const batch of batches) place.host.takeAccounts(batch);
  assert.equal(place.host.users?.find(1)?.uploaded, PIB + 1);
  assert.equal(place.host.users?.find(1)?.torrents, 0);
});

test('a folder that is gone: the change is refused with a code', async (t) => {
  const place = await privatePlace(t).open();
  rmSync(place.folder, { recursive: true });
  writeFileSync(place.folder, '');
  await assert.rejects(Promise.resolve(place.host.users?.create({ name: 'one' })), (error) => BtError.is(error));
});

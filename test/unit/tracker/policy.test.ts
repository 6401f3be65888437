import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, type Millis, parseIp } from '#base';
import {
  AnnounceCall,
  ClientMatcher,
  type ClientRule,
  HashTable,
  ListParser,
  openPolicy,
  PasskeyFinder,
  Places,
  Policy,
  type PolicyData,
  parseClientRule,
  refusalTexts,
  ScrapeCall,
  UserTable,
} from '#tracker';

const key = '0123456789abcdefABCDEF-_zzzzzzzz';
const seed = [1, 2] as const;

const targets: readonly [target: string, via: 'http' | 'udp' | 'ws', found: string | undefined][] = [
  [`/${key}/announce`, 'http', key],
  [`/${key}/announce?info_hash=x`, 'http', key],
  [`/${key}/announce.php?x=1`, 'http', key],
  [`/${key}/scrape`, 'http', key],
  [`/announce/${key}`, 'http', key],
  [`/announce/${key}/`, 'http', key],
  [`/scrape/${key}?info_hash=x`, 'http', key],
  [`/announce?passkey=${key}`, 'http', key],
  [`/announce?info_hash=x&passkey=${key}&port=1`, 'http', key],
  [`/announce?notpasskey=${key}`, 'http', undefined],
  [`/announce?notpasskey=1&passkey=${key}`, 'http', key],
  [`/${key}`, 'http', undefined],
  [`/${key}`, 'ws', key],
  [`/${key}`, 'udp', key],
  [`${key}`, 'udp', key],
  [`/announce?passkey=${key}`, 'udp', key],
  [`/${key}/announce`, 'udp', key],
  [`announce/${key}`, 'udp', key],
  [`/?passkey=${key}`, 'ws', key],
  [`/announce/${'k'.repeat(40)}?passkey=${key}`, 'http', 'k'.repeat(40)],
  ['', 'udp', undefined],
  ['/', 'ws', undefined],
  ['/announce', 'ws', undefined],
  ['/announce', 'http', undefined],
  ['/announce/', 'http', undefined],
  ['/short/announce', 'http', undefined],
  [`/${'k'.repeat(64)}/announce`, 'http', 'k'.repeat(64)],
  [`/${'k'.repeat(65)}/announce`, 'http', undefined],
  [`/${key}%20/announce`, 'http', undefined],
  [`/${key}/other`, 'http', undefined],
  [`/a/${key}/announce`, 'http', undefined],
  [`/announce?passkey=${key}#x`, 'http', undefined],
  [`/announce?passkey=`, 'http', undefined],
];

for (const [target, via, found] of targets) {
  test(`passkey of ${via} ${JSON.stringify(target)}`, () => {
    const finder = new PasskeyFinder();
    const isFound = finder.find(target, via);
    assert.equal(isFound ? target.slice(finder.start, finder.end) : undefined, found);
  });
}

function peerId(text: string): Uint8Array {
  return Uint8Array.from(text.padEnd(20, 'x'), (c) => c.charCodeAt(0));
}

const clientCases: readonly [rule: string, yes: readonly string[], no: readonly string[]][] = [
  ['-qB', ['-qB4650-', '-qB'], ['-qb4650-', '-TR', 'qB']],
  ['-XL', ['-XL0012-'], ['-XF0012-']],
  ['M', ['M7-4-2--', 'M'], ['-M']],
  ['-qB4', ['-qB4650-'], ['-qB3999-']],
  ['-qB >=4.6.5', ['-qB4650-', '-qB4651-', '-qB5000-', '-qB4A00-'], ['-qB4649-', '-qB3999-']],
  ['-qB <4.6.5', ['-qB4649-'], ['-qB4650-']],
  ['-qB >4.6.5', ['-qB4651-', '-qB4660-'], ['-qB4650-', '-qB4640-']],
  ['-qB <=4.6.5', ['-qB4650-', '-qB4000-'], ['-qB4651-']],
  ['-qB >=4.5 <5', ['-qB4500-', '-qB4999-', '-qB4zz0-'], ['-qB4499-', '-qB5000-']],
  ['-TR>=4.10', ['-TR4A00-'], ['-TR4100-']],
  ['-TR >=4.10', ['-TR4A00-', '-TR4B00-'], ['-TR4900-']],
  ['-TR >=410', ['-TR4100-'], ['-TR4090-']],
];

for (const [text, yes, no] of clientCases) {
  test(`client rule ${text}`, () => {
    const rule = parseClientRule(text);
    if (typeof rule === 'string') return assert.deepEqual(yes, [], rule);
    const matcher = new ClientMatcher([rule]);
    for (const id of yes) assert(matcher.matches(peerId(id), 0), id);
    for (const id of no) assert(!matcher.matches(peerId(id), 0), id);
  });
}

for (const text of ['', '  ', '-qB >=', '-qB =4', '-qB >=4.6.5.1.2', '-qB >=4.99', `-qB >=é`, 'x'.repeat(21)]) {
  test(`no client rule: ${JSON.stringify(text)}`, () => {
    assert.equal(typeof parseClientRule(text), 'string');
  });
}

function parseList(text: string, chunkBytes: number): { hashes: string[]; problem: string | undefined } {
  const hashes: string[] = [];
  const parser = new ListParser((bytes, at) => hashes.push(Buffer.from(bytes.subarray(at, at + 20)).toString('hex')));
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const problem = parser.push(bytes.subarray(at, at + chunkBytes));
    if (problem !== undefined) return { hashes, problem: `${problem.line}: ${problem.what}` };
  }
  const problem = parser.end();
  return { hashes, problem: problem === undefined ? undefined : `${problem.line}: ${problem.what}` };
}

const a = 'aa'.repeat(20);
const b = 'Bb'.repeat(20);
const listCases: readonly [name: string, text: string, hashes: readonly string[], problem?: string][] = [
  ['nothing', '', []],
  ['comments and empty lines', `# a list\n\n  \n${a}\n#${b}\n`, [a]],
  ['names', `${a} Some name\n${b}\tother\n${a},third\n${b}# why`, [a, b.toLowerCase(), a, b.toLowerCase()]],
  ['v2, CRLF, byte order mark, no last line end', `\ufeff${a}${'12'.repeat(12)}\r\n${b}`, [a, b.toLowerCase()]],
  ['short', `${a}\n${a.slice(1)}\n`, [a], `2: not an info-hash of 40 or 64 hex digits: ${a.slice(1)}`],
  ['no hex', `\n\nhello\n`, [], '3: not an info-hash of 40 or 64 hex digits: hello'],
  ['glued', `${a}x`, [], `1: not an info-hash of 40 or 64 hex digits: ${a}x`],
  ['binary', `\u0001\u0002`, [], '1: not an info-hash of 40 or 64 hex digits: ..'],
  ['an endless line', 'z'.repeat(9_000), [], '1: the line is too long'],
];

for (const [name, text, hashes, problem] of listCases) {
  test(`list: ${name}`, () => {
    for (const chunkBytes of [1, 7, 41, 10_000]) {
      const got = parseList(text, chunkBytes);
      assert.deepEqual(got.hashes, hashes);
      if (name !== 'an endless line' || chunkBytes < 10_000) assert.equal(got.problem, problem);
    }
  });
}

function table(...hashes: readonly string[]): HashTable {
  const made = HashTable.make({ keyBytes: 20, count: hashes.length, seed, isShared: true });
  for (const hash of hashes) made.add(fromHex(hash) as Uint8Array, 0);
  return made;
}

interface Asked {
  hash?: string;
  client?: string;
  target?: string;
  left?: number;
  event?: 'none' | 'started' | 'stopped' | 'completed';
  source?: string;
  now?: number;
}

/** @returns the reason of a refusal, or the number of the user */
function judge(policy: Policy, asked: Asked = {}): string | number {
  const call = new AnnounceCall();
  call.ask(
    {
      infoHash: fromHex(asked.hash ?? a) as Uint8Array,
      peerId: peerId(asked.client ?? '-qB4650-'),
      port: 1,
      uploaded: 0,
      downloaded: 0,
      left: asked.left ?? 1,
      event: asked.event ?? 'none',
      numWant: -1,
      key: 0,
    },
    {
      via: 'http',
      source: parseIp(asked.source ?? '198.51.100.1') as Uint8Array,
      target: asked.target ?? '/announce',
      families: 'both',
      peersMax: 0,
      out: new Uint8Array(0),
    },
  );
  return policy.preAnnounce(call, (asked.now ?? 0) as Millis)?.reason ?? call.userId;
}

test('allow and deny lists, each or both, and single changes that every thread sees', () => {
  const allow = table(a, b);
  const deny = table(b);
  const both = new Policy(structuredClone({ ...openPolicy, allow: allow.data, deny: deny.data }));
  assert.equal(judge(both), 0);
  assert.equal(judge(both, { hash: b }), refusalTexts.deniedTorrent);
  assert.equal(judge(both, { hash: 'cc'.repeat(20) }), refusalTexts.unlistedTorrent);
  allow.remove(fromHex(a) as Uint8Array, 0);
  assert.equal(judge(both), refusalTexts.unlistedTorrent);
  const onlyDeny = new Policy({ ...openPolicy, deny: deny.data });
  assert.equal(judge(onlyDeny), 0);
  assert.equal(judge(onlyDeny, { hash: b }), refusalTexts.deniedTorrent);
});

test('clients: denied, banned, not among the allowed', () => {
  const allow = [parseClientRule('-qB >=4'), parseClientRule('-TR')] as ClientRule[];
  const deny = [parseClientRule('-qB >=4.3 <4.4')] as ClientRule[];
  const banned = table(Buffer.from(peerId('-TR4000-')).toString('hex'));
  const policy = new Policy({ ...openPolicy, clients: { allow, deny, banned: banned.data } });
  const verdicts = { '-qB4500-': 0, '-qB4310-': 1, '-qB3999-': 1, '-TR4000-': 1, '-TR4000-y': 0, '-XL0001-': 1 };
  for (const [client, isRefused] of Object.entries(verdicts)) {
    assert.equal(judge(policy, { client }), isRefused ? refusalTexts.client : 0, client);
  }
});

function privatePolicy(over: Partial<PolicyData['access']> = {}): { users: UserTable; places: Places; policy: Policy } {
  const users = UserTable.make({ count: 4, secret: new Uint8Array(40).fill(9) });
  const places = Places.make({ count: 16, seed });
  const rules = {
    isEnabled: true,
    mayDownload: true,
    expiresAt: Number.POSITIVE_INFINITY,
    torrentsMax: 0,
    placesMax: 0,
  };
  users.set({ ...rules, id: 7 });
  users.set({ ...rules, id: 8, isEnabled: false });
  users.set({ ...rules, id: 9, expiresAt: 5_000 });
  users.set({ ...rules, id: 10, mayDownload: false });
  users.set({ ...rules, id: 11, torrentsMax: 1, placesMax: 2 });
  for (const id of [7, 8, 9, 10, 11]) users.addPasskey(id, keyOf(id));
  const access = { announce: 'users', scrape: 'users', fullScrape: 'users', catalogue: 'users', ...over } as const;
  const policy = new Policy(structuredClone({ ...openPolicy, users: users.data, places: places.data, access }));
  return { users, places, policy };
}

function keyOf(id: number): string {
  return `user-${id}`.padEnd(32, '0');
}
function urlOf(id: number): string {
  return `/${keyOf(id)}/announce`;
}

test('users: who announces, scrapes, looks', () => {
  const { policy, users } = privatePolicy();
  const cases: readonly [Asked, string | number][] = [
    [{}, refusalTexts.passkeyMissing],
    [{ target: urlOf(6) }, refusalTexts.passkeyUnknown],
    [{ target: urlOf(7) }, 7],
    [{ target: urlOf(8) }, refusalTexts.userDisabled],
    [{ target: urlOf(8), event: 'stopped' }, 8],
    [{ target: urlOf(9), now: 4_999 }, 9],
    [{ target: urlOf(9), now: 5_000 }, refusalTexts.userExpired],
    [{ target: urlOf(10) }, refusalTexts.mayOnlySeed],
    [{ target: urlOf(10), left: 0 }, 10],
    [{ target: urlOf(10), event: 'stopped' }, 10],
  ];
  for (const [asked, expected] of cases) assert.equal(judge(policy, asked), expected);
  users.setRatioTooLow(7, true);
  assert.equal(judge(policy, { target: urlOf(7) }), refusalTexts.ratioTooLow);
  assert.equal(judge(policy, { target: urlOf(7), left: 0 }), 7);
  users.setRatioTooLow(7, false);
  assert.equal(judge(policy, { target: urlOf(7) }), 7);
  users.removePasskey(keyOf(7));
  users.addPasskey(7, 'n'.repeat(32));
  assert.equal(judge(policy, { target: urlOf(7) }), refusalTexts.passkeyUnknown);
  assert.equal(judge(policy, { target: `/${'n'.repeat(32)}/announce` }), 7);
  assert.equal(policy.judge('catalogue', '/', 0 as Millis)?.reason, refusalTexts.passkeyMissing);
  assert.equal(policy.judge('fullScrape', `/scrape?passkey=${'n'.repeat(32)}`, 0 as Millis), undefined);
  const call = new ScrapeCall();
  call.ask([new Uint8Array(20)], { via: 'udp', source: new Uint8Array(4) });
  assert.equal(policy.preScrape(call, 0 as Millis)?.reason, refusalTexts.passkeyMissing);
  call.target = urlOf(10);
  assert.equal(policy.preScrape(call, 0 as Millis), undefined);
  assert.equal(call.userId, 10);
});

test('a public tracker may have users', () => {
  const { policy } = privatePolicy({ announce: 'public', scrape: 'public' });
  assert.equal(judge(policy), 0);
  assert.equal(judge(policy, { target: urlOf(6) }), 0);
  assert.equal(judge(policy, { target: urlOf(7) }), 7);
  assert.equal(judge(policy, { target: urlOf(8) }), refusalTexts.userDisabled);
});

test('a user who may only seed is given no seeders by saying that he starts', () => {
  const { policy } = privatePolicy();
  const call = new AnnounceCall();
  call.target = urlOf(10);
  call.hashBytes = new Uint8Array(20);
  call.sourceBytes = new Uint8Array(4);
  call.event = 'started';
  assert.equal(policy.preAnnounce(call, 0 as Millis), undefined);
  assert.equal(call.event, 'none');
});

test('limits of torrents and of places', () => {
  const { policy, places, users } = privatePolicy();
  const from = (source: string, hash = a): string | number => judge(policy, { target: urlOf(11), source, hash });
  const enter = (source: string): void => {
    const bytes = parseIp(source) as Uint8Array;
    const place = new Uint8Array(8);
    place.set(bytes.subarray(0, 8));
    places.enter({ userId: 11, hash: fromHex(a) as Uint8Array, hashAt: 0, place, isIpv6: bytes.length === 16 });
  };
  assert.equal(from('198.51.100.1'), 11);
  enter('198.51.100.1');
  users.setActive(11, 1);
  assert.equal(from('198.51.100.2'), 11);
  assert.equal(from('198.51.100.1', b), refusalTexts.tooManyTorrents);
  enter('198.51.100.2');
  assert.equal(from('198.51.100.1'), 11);
  assert.equal(from('198.51.100.3'), refusalTexts.tooManyPlaces);
  assert.equal(from('2001:db8:1:2::3'), 11);
  enter('2001:db8:1:2::3');
  enter('2001:db8:1:3::3');
  assert.equal(from('2001:db8:1:3:ffff::1'), 11);
  assert.equal(from('2001:db8:1:4::1'), refusalTexts.tooManyPlaces);
});

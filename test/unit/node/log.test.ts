import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hideSecrets, openLog } from '#node';
import { RepeatGuard } from '#room/node/log-repeats';

test('lines are text for people or JSON, from the level on that is set', async () => {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const json = await openLog({ level: 'info', format: 'json', write });
  const say = json.part('udp');
  say('debug', 'not this');
  say('info', 'served by {threads} threads', { threads: 2 });
  json.level = 'debug';
  say('debug', 'but this');
  json.close();
  const [first, second] = lines.map((line) => JSON.parse(line));
  assert.equal(lines.length, 2);
  assert.ok(lines.every((line) => line.endsWith('\n')));
  assert.deepEqual(
    [first.level, first.logger, first.message, first.detail],
    ['INFO', 'eider.udp', 'served by 2 threads', { threads: 2 }],
  );
  assert.equal(second.message, 'but this');
  lines.length = 0;
  const text = await openLog({ level: 'info', format: 'text', write });
  text.part('udp')('error', 'it broke: {error}', { error: new Error('bang') });
  text.close();
  assert.match(lines[0] as string, /^\d{4}-\d\d-\d\dT[\d:.]+Z \[ERROR\] eider\.udp: it broke: bang\n$/);
});

test('a message that repeats is written ten times a minute, then counted', async () => {
  const guard = new RepeatGuard();
  const taken = Array.from({ length: 25 }, (_, i) => guard.take('a', i));
  assert.deepEqual(taken, [...Array(10).fill(0), ...Array(15).fill(undefined)]);
  assert.equal(guard.take('b', 30), 0);
  assert.equal(guard.take('a', 60_000), 15);
  assert.equal(guard.take('a', 60_001), 0);
});

test('secrets do not reach a line', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['GET /Abcdefgh01234567/announce?x=1', 'GET /…/announce?x=1'],
    ['http://t.example:80/Abcdefgh01234567/scrape', 'http://t.example:80/…/scrape'],
    ['GET /announce?info_hash=x', 'GET /announce?info_hash=x'],
    ['GET /torrents/feed.xml?q=a&passkey=Abcdefgh01234567', 'GET /torrents/feed.xml?q=a&passkey=…'],
    ['redis://:hunter2@host:6379', 'redis://:…@host:6379'],
    ['rediss://user:hunter2@host', 'rediss://user:…@host'],
    ['Authorization: Bearer abc.def', 'Authorization: Bearer …'],
    ['udp://[::1]:6969/announce', 'udp://[::1]:6969/announce'],
  ];
  for (const [line, hidden] of cases) assert.equal(hideSecrets(line), hidden);
});

test('properties that are secrets by name are left out', async () => {
  const lines: string[] = [];
  const log = await openLog({ level: 'info', format: 'json', write: (line) => lines.push(line) });
  log.part('api')('info', 'user {name}', { name: 'alice', passkey: 'k', adminToken: 't', password: 'p' });
  log.close();
  assert.deepEqual(JSON.parse(lines[0] as string).detail, {
    name: 'alice',
    passkey: '…',
    adminToken: '…',
    password: '…',
  });
});

test('messages that are one text as a whole are the same where only numbers differ', async () => {
  const lines: string[] = [];
  const log = await openLog({ level: 'info', format: 'text', write: (line) => lines.push(line) });
  for (let i = 0; i < 30; i++) log.part('policy')('info', '{text}', { text: `user ${i} lies` });
  log.part('policy')('info', '{text}', { text: 'accounts saved' });
  log.close();
  assert.equal(lines.length, 11);
  assert.match(lines[10] as string, /accounts saved/);
});

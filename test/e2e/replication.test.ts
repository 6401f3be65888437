import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { BtError, seededRng } from '#base';
import { parseRedisAddress, type RedisAddress, Replication, storeSnapshots } from '#room/trackerd/replication/index';
import { DenseStore } from '#tracker';
import { lacksRedis, RedisServer } from '../support/redis-server.ts';
import { hashB, isAlike, now, quick, Replica, trackerLimits, until } from '../support/replica.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const needsRedis = { skip: lacksRedis };
async function startServer(t: TestContext, options?: readonly string[]): Promise<RedisServer> {
  const server = new RedisServer(makeTempFolder(t), options);
  t.after(() => server.kill());
  await server.start();
  return server;
}

test("two trackers hear of each other's peers, of both families, and count downloads once", needsRedis, async (t) => {
  const server = await startServer(t);
  const a = new Replica(t, [server.url], 'a');
  const b = new Replica(t, [server.url], 'b');
  await Promise.all([a.replication.start(), b.replication.start()]);
  assert.deepEqual([a.state, b.state], ['live', 'live']);
  for (let i = 0; i < 100; i++) a.announce({ peer: i, isSeeder: i < 10, isSix: i % 2 === 0 });
  for (let i = 100; i < 150; i++) b.announce({ peer: i });
  await until('equal', () => `${a.counts()}` === `${b.counts()}` && a.counts()[1] === 140);
  b.announce({ peer: 3, event: 'completed', isSeeder: true });
  a.announce({ peer: 11, event: 'completed', isSeeder: true });
  b.announce({ peer: 11, event: 'completed', isSeeder: true });
  b.announce({ peer: 101, event: 'completed', isSeeder: true });
  a.announce({ peer: 5, event: 'stopped' });
  a.announce({ hash: hashB, peer: 1 });
  await until('equal', () => `${a.counts()}` === `${b.counts()}` && `${b.counts(hashB)}` === '0,1,0');
  assert.deepEqual(a.counts(), [11, 138, 2]);
  await until('members', () => a.replication.facts().members.filter((m) => m.isHere).length === 2);
});

test(
  'Redis killed in the middle and back with its data: nothing is lost, nothing counts twice',
  needsRedis,
  async (t) => {
    const server = await startServer(t, ['--appendonly', 'yes', '--appendfsync', 'no']);
    const all = ['a', 'b', 'c'].map((name) => new Replica(t, [server.url], name));
    const [a, b, c] = all as [Replica, Replica, Replica];
    await Promise.all(all.map((one) => one.replication.start()));
    let peer = 0;
    for (let round = 0; round < 3; round++) {
      for (const one of all) {
        for (let i = 0; i < 50; i++) one.announce({ peer: peer++, event: 'started' });
        // Peers that complete and leave: only a count of theirs stays, so one that is told twice shows.
        for (let i = 0; i < 10; i++) {
          one.announce({ peer, event: 'completed', isSeeder: true });
          one.announce({ peer: peer++, event: 'stopped' });
        }
        await pause(7);
      }
      await server.kill();
      for (const one of all) for (let i = 0; i < 30; i++) one.announce({ hash: hashB, peer: peer++, isSeeder: true });
      await until('alone', () => all.every((one) => one.state === 'alone'));
      assert.match(a.replication.facts().trouble, /./);
      await server.start();
      await until('live again', () => all.every((one) => one.state === 'live'));
    }
    await until('alike', () => isAlike(a, b, c) && a.counts()[1] === 450 && a.counts(hashB)[0] === 270);
    assert.deepEqual(a.counts(), [0, 450, 90]);
    for (const one of all) {
      const { droppedBytes, unsentBytes, malformed } = one.replication.facts();
      assert.deepEqual([droppedBytes, unsentBytes, malformed], [0, 0, 0]);
    }
  },
);

test('who joins has what the others have, by a snapshot and the streams behind it', needsRedis, async (t) => {
  const server = await startServer(t);
  const a = new Replica(t, [server.url], 'a');
  await a.replication.start();
  for (let i = 0; i < 20_000; i++) a.announce({ peer: i, isSeeder: i % 3 === 0, isSix: i % 5 === 0 });
  a.announce({ peer: 70_000, event: 'completed', isSeeder: true });
  a.announce({ peer: 70_000, event: 'stopped' });
  const b = new Replica(t, [server.url], 'b');
  const joined = b.replication.start();
  // Goes on while b joins.
  for (let i = 0; i < 500; i++) {
    a.announce({ peer: i, event: 'stopped', isSix: i % 5 === 0 });
    a.announce({ hash: hashB, peer: i });
    if (i % 50 === 0) await pause(2);
  }
  await joined;
  assert.equal(b.state, 'live');
  assert.equal(b.replication.facts().snapshotsLoaded, 1);
  await until('alike', () => isAlike(a, b));
  assert.deepEqual([a.counts()[0] + a.counts()[1], b.counts()[2], b.counts(hashB)[1]], [19_500, 1, 500]);
  // And the other way, at once.
  b.announce({ hash: hashB, peer: 9_000 });
  await until('heard', () => a.counts(hashB)[1] === 501);
  assert.equal(a.replication.facts().snapshotsLoaded, 0);
});

test('trackers that were filled apart become alike', needsRedis, async (t) => {
  const server = await startServer(t);
  const all = ['a', 'b', 'c'].map((name) => new Replica(t, [server.url], name));
  const [a, b, c] = all as [Replica, Replica, Replica];
  // As from a snapshot on disk: in the store, and no delta of it.
  all.forEach((one, i) => {
    for (let peer = 0; peer < 1_000; peer++) one.announceQuietly({ peer: peer + i * 500, isSeeder: true });
  });
  await Promise.all(all.map((one) => one.replication.start()));
  await until('alike', () => isAlike(a, b, c) && a.counts()[0] === 2_000);
});

test('Redis loses everything while it runs: all is told again', needsRedis, async (t) => {
  const server = await startServer(t);
  const all = ['a', 'b', 'c'].map((name) => new Replica(t, [server.url], name));
  const [a, b, c] = all as [Replica, Replica, Replica];
  await Promise.all(all.map((one) => one.replication.start()));
  for (let i = 0; i < 1_000; i++) (all[i % 3] as Replica).announce({ peer: i });
  execFileSync('redis-cli', ['-s', server.socket, 'flushall']);
  for (let i = 1_000; i < 1_100; i++) (all[i % 3] as Replica).announce({ peer: i });
  await until('alike', () => isAlike(a, b, c) && a.counts()[1] === 1_100);
  const late = new Replica(t, [server.url], 'late');
  await late.replication.start();
  await until('alike', () => isAlike(a, late));
});

test('Redis killed and back without its data: all is told again', needsRedis, async (t) => {
  const server = await startServer(t);
  const all = ['a', 'b', 'c'].map((name) => new Replica(t, [server.url], name));
  const [a, b, c] = all as [Replica, Replica, Replica];
  await Promise.all(all.map((one) => one.replication.start()));
  for (let i = 0; i < 1_000; i++) (all[i % 3] as Replica).announce({ peer: i });
  await server.kill();
  await until('alone', () => all.every((one) => one.state === 'alone'));
  for (let i = 1_000; i < 1_100; i++) (all[i % 3] as Replica).announce({ peer: i });
  await server.start();
  await until('alike', () => isAlike(a, b, c) && a.counts()[1] === 1_100);
  assert.deepEqual(
    all.map((one) => one.state),
    ['live', 'live', 'live'],
  );
});

test('Redis back with data of a moment ago: what it had acknowledged is sent again', needsRedis, async (t) => {
  const server = await startServer(t, ['--appendonly', 'yes', '--appendfsync', 'no']);
  const all = ['a', 'b'].map((name) => new Replica(t, [server.url], name));
  const [a, b] = all as [Replica, Replica];
  await Promise.all(all.map((one) => one.replication.start()));
  a.announce({ peer: 1, event: 'completed', isSeeder: true });
  await until('heard', () => b.counts()[0] === 1);
  const files = join(server.folder, 'appendonlydir');
  const old = join(server.folder, 'old');
  cpSync(files, old, { recursive: true });
  // Complete and leave: who applied it twice would count it twice.
  for (let i = 10; i < 40; i++) {
    a.announce({ peer: i, event: 'completed', isSeeder: true });
    a.announce({ peer: i, event: 'stopped' });
    b.announce({ hash: hashB, peer: i });
  }
  await until('heard', () => b.counts()[2] === 31 && a.counts(hashB)[1] === 30);
  await server.kill();
  rmSync(files, { recursive: true });
  cpSync(old, files, { recursive: true });
  await server.start();
  const late = new Replica(t, [server.url], 'late');
  await late.replication.start();
  await until('alike', () => isAlike(a, b, late) && late.counts(hashB)[1] === 30);
  assert.deepEqual(b.counts(), [1, 0, 31]);
  assert.equal(a.replication.facts().droppedBytes, 0);
  await until('sent again', () => a.replication.facts().duplicates > 0 && b.replication.facts().duplicates > 0);
});

test('who is away for too long gives up old deltas, and tells everything when Redis is back', needsRedis, async (t) => {
  const server = await startServer(t);
  const a = new Replica(t, [server.url], 'a', { unsentBytesMax: 20_000 });
  const b = new Replica(t, [server.url], 'b');
  await Promise.all([a.replication.start(), b.replication.start()]);
  a.announce({ peer: 1 });
  await until('heard', () => b.counts()[1] === 1);
  await server.kill();
  await until('alone', () => a.state === 'alone' && b.state === 'alone');
  for (let i = 0; i < 5_000; i++) a.announce({ peer: i });
  await until('dropped', () => a.replication.facts().droppedBytes > 0);
  assert(a.replication.facts().unsentBytes <= 20_000);
  await server.start();
  await until('alike', () => isAlike(a, b) && b.counts()[1] === 5_000);
});

test('who falls behind what the streams hold notices it and loads a snapshot', needsRedis, async (t) => {
  const server = await startServer(t);
  // So little is kept that a burst is gone before a slow reader has it.
  const limits = { streamBytesMax: 20_000, entryBytesMax: 200 };
  const a = new Replica(t, [server.url], 'a', limits);
  const b = new Replica(t, [server.url], 'b', { ...limits, batchMs: 400 });
  await Promise.all([a.replication.start(), b.replication.start()]);
  for (let i = 0; i < 6_000; i++) {
    a.announce({ peer: i });
    if (i % 500 === 0) await pause(1);
  }
  await until('noticed', () => b.replication.facts().gaps > 0);
  await until('alike', () => isAlike(a, b) && b.counts()[1] === 6_000 && b.state === 'live');
  assert(b.events.some((event) => event.type === 'state' && event.state === 'behind'));
  assert(b.replication.facts().snapshotsLoaded >= 1);
});

test('a Redis that hangs is a Redis that is away', needsRedis, async (t) => {
  const server = await startServer(t);
  const a = new Replica(t, [server.url], 'a', { commandTimeoutMs: 200 });
  const b = new Replica(t, [server.url], 'b', { commandTimeoutMs: 200 });
  await Promise.all([a.replication.start(), b.replication.start()]);
  server.signal('SIGSTOP');
  t.after(() => server.signal('SIGCONT'));
  a.announce({ peer: 1 });
  await until('alone', () => a.state === 'alone' && b.state === 'alone');
  server.signal('SIGCONT');
  await until('heard', () => b.counts()[1] === 1);
  // What was sent before and after the pause is one entry.
  assert.equal(b.counts()[1], 1);
});

test('who leaves does not wait for a Redis that hangs, whether it ever answered or not', {
  timeout: 20_000,
}, async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const { port } = silent.address() as AddressInfo;
  const patient = { connectTimeoutMs: 60_000, commandTimeoutMs: 60_000 };
  const a = new Replica(t, [`redis://127.0.0.1:${port}`], 'a', patient);
  const starting = a.replication.start();
  await once(silent, 'connection');
  await a.replication.stop();
  await starting;
  if (lacksRedis !== false) return;
  const server = await startServer(t);
  const b = new Replica(t, [server.url], 'b', patient);
  await b.replication.start();
  server.signal('SIGSTOP');
  t.after(() => server.signal('SIGCONT'));
  await b.replication.stop();
});

test('a tracker that dies is missed; what it told stays, and nobody waits for it', needsRedis, async (t) => {
  const server = await startServer(t);
  const a = new Replica(t, [server.url], 'a');
  const b = new Replica(t, [server.url], 'b');
  await Promise.all([a.replication.start(), b.replication.start()]);
  a.announce({ peer: 1 });
  await until('heard', () => b.counts()[1] === 1);
  await a.replication.stop();
  await until('gone', () =>
    b.replication.facts().members.every((m) => m.name !== 'a' || (!m.isHere && m.state === 'left')),
  );
  assert.equal(b.counts()[1], 1);
  b.announce({ peer: 1, event: 'stopped' });
  assert.equal(b.counts()[1], 0);
});

test(
  'a ghost gives no snapshot: who starts beside one serves, and is live when it is forgotten',
  needsRedis,
  async (t) => {
    const server = await startServer(t);
    const a = new Replica(t, [server.url], 'a', { snapshotWaitMs: 100 });
    const ghost = {
      name: 'ghost',
      state: 'live',
      atMs: Date.now(),
      startedMs: 0,
      lagMs: 0,
      swarmCount: 0,
      peerCount: 0,
    };
    execFileSync('redis-cli', ['-s', server.socket, 'hset', '{test}:members', 'ab'.repeat(8), JSON.stringify(ghost)]);
    execFileSync('redis-cli', ['-s', server.socket, 'hset', '{test}:members', 'odd', 'no JSON']);
    await a.replication.start();
    assert.equal(a.state, 'behind');
    await until('live', () => a.state === 'live');
    assert.equal(a.replication.facts().members.length, 2);
  },
);

test('without Redis a tracker starts alone, says why, and joins when it comes', needsRedis, async (t) => {
  const server = new RedisServer(makeTempFolder(t));
  t.after(() => server.kill());
  const a = new Replica(t, [server.url], 'a');
  const b = new Replica(t, [server.url], 'b');
  await Promise.all([a.replication.start(), b.replication.start()]);
  assert.equal(a.state, 'alone');
  assert.match(a.replication.facts().trouble, /ENOENT|closed/);
  a.announce({ peer: 1 });
  b.announce({ peer: 2, isSeeder: true });
  await server.start();
  await until('alike', () => isAlike(a, b) && `${a.counts()}` === '1,1,0');
});

test('a password is asked for, and does not show in what goes wrong', needsRedis, async (t) => {
  const server = await startServer(t, ['--requirepass', 'open sesame']);
  const make = (password: string): Replication => {
    const store = DenseStore.create({ limits: trackerLimits, rng: seededRng(1) });
    const replication = new Replication({
      urls: [`${server.url}?password=${encodeURIComponent(password)}`],
      channel: 'test',
      store,
      snapshots: storeSnapshots(store, now),
      peerTtlMs: trackerLimits.peerTtlMs,
      now,
      limits: quick,
    });
    t.after(() => replication.stop());
    return replication;
  };
  const right = make('open sesame');
  await right.start();
  assert.equal(right.facts().state, 'live');
  const wrong = make('open rye');
  await wrong.start();
  const { state, trouble } = wrong.facts();
  assert.equal(state, 'alone');
  assert.match(trouble, /WRONGPASS|password/i);
  assert.doesNotMatch(trouble, /rye/);
});

test('addresses', () => {
  const check = (urls: string[], expected: Partial<RedisAddress>): void => {
    const address = parseRedisAddress(urls);
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, address[key as never]])), expected);
  };
  check(['redis://h'], { kind: 'single', nodes: [{ host: 'h', port: 6379 }], db: 0, tls: undefined });
  check(['rediss://u%40:p%2F@h:1/3?servername=x'], {
    username: 'u@',
    password: 'p/',
    db: 3,
    nodes: [{ host: 'h', port: 1 }],
    tls: { servername: 'x' },
  });
  check(['valkey://[::1]:7'], { kind: 'single', nodes: [{ host: '::1', port: 7 }] });
  check(['redis:///run/r.sock?db=2'], { path: '/run/r.sock', db: 2 });
  check(['redis+sentinel://a/main/4', 'redis+sentinel://b:2'], {
    kind: 'sentinel',
    masterName: 'main',
    db: 4,
    nodes: [
      { host: 'a', port: 26379 },
      { host: 'b', port: 2 },
    ],
  });
  check(['rediss+cluster://a', 'rediss+cluster://b:2'], { kind: 'cluster', db: 0, tls: {} });
  const bad = [[], ['http://h'], ['nonsense'], ['redis://a', 'redis://b'], ['redis://a/x'], ['redis+cluster://a/1']];
  for (const urls of [...bad, ['redis://a', 'redis+cluster://b'], ['rediss://a?ca=/nowhere/ca.pem']]) {
    assert.throws(
      () => parseRedisAddress(urls.map((url) => url.replace('://', '://:secret@'))),
      (error) => BtError.is(error, 'client/invalid') && !error.message.includes('secret'),
      urls.join(),
    );
  }
});

test('without the optional package the error says what to install', async (t) => {
  process.env['EIDER_WITHOUT'] = 'koffi,iovalkey';
  t.after(() => {
    delete process.env['EIDER_WITHOUT'];
  });
  const one = new Replica(t, ['redis://127.0.0.1'], 'a');
  await assert.rejects(one.replication.start(), (error) => BtError.is(error) && error.message.includes('iovalkey'));
});

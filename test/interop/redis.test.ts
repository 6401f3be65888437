import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { seededRng } from '#base';
import { lacksRedis, RedisServer } from '../support/redis-server.ts';
import { hashA, hashB, isAlike, Replica, until } from '../support/replica.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const needsRedis = { skip: lacksRedis };

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function ask(port: number, ...args: string[]): string {
  return execFileSync('redis-cli', ['-h', '127.0.0.1', '-p', `${port}`, ...args], { encoding: 'utf8' });
}

async function untilAnswer(port: number, args: string[], expected: RegExp): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!expected.test(ask(port, ...args))) {
    assert(Date.now() < deadline, `${args.join(' ')}: not ${expected} within 20 s`);
    await pause(50);
  }
}

async function startAll(t: TestContext, servers: readonly RedisServer[]): Promise<void> {
  for (const server of servers) t.after(() => server.kill());
  await Promise.all(servers.map((server) => server.start()));
}

test('Redis Cluster of three masters: streams on all of them, one of them killed and back', needsRedis, async (t) => {
  const ports = await freePorts(3);
  const busPorts = await freePorts(3);
  const servers = ports.map(
    (port, i) =>
      new RedisServer(makeTempFolder(t), [
        ...['--port', `${port}`, '--bind', '127.0.0.1', '--appendonly', 'yes'],
        ...['--cluster-enabled', 'yes', '--cluster-port', `${busPorts[i]}`, '--cluster-node-timeout', '1000'],
      ]),
  );
  await startAll(t, servers);
  const [first = 0] = ports;
  ports.forEach((port, i) => {
    ask(port, 'cluster', 'addslotsrange', `${Math.ceil((i * 16384) / 3)}`, `${Math.ceil(((i + 1) * 16384) / 3) - 1}`);
    if (i > 0) ask(first, 'cluster', 'meet', '127.0.0.1', `${port}`, `${busPorts[i]}`);
  });
  for (const port of ports)
    await untilAnswer(port, ['cluster', 'info'], /cluster_state:ok[\s\S]*cluster_known_nodes:3/);

  const urls = ports.map((port) => `redis+cluster://127.0.0.1:${port}`);
  const a = new Replica(t, urls, 'a');
  const b = new Replica(t, urls, 'b');
  await Promise.all([a.replication.start(), b.replication.start()]);
  assert.deepEqual([a.state, b.state], ['live', 'live'], a.replication.facts().trouble);
  const spread = (one: Replica, from: number): void => {
    for (let i = 0; i < 256; i++) one.announce({ hash: new Uint8Array(20).fill(i), peer: from, isSeeder: i % 2 === 0 });
  };
  const all = (one: Replica): number => one.store.stats().peerCount4;
  spread(a, 1);
  spread(b, 2);
  await until('all streams', () => all(a) === 512 && all(b) === 512);
  const keys = ports.map((port) => ask(port, '--scan', '--pattern', '*:deltas').split('\n').filter(Boolean).length);
  assert.equal(
    keys.reduce((sum, count) => sum + count, 0),
    8,
  );
  assert(
    keys.every((count) => count > 0),
    `streams on each master: ${keys}`,
  );

  await servers[1]?.kill();
  await until('alone', () => a.state === 'alone' && b.state === 'alone');
  spread(a, 3);
  b.announce({ hash: hashB, peer: 9, event: 'completed', isSeeder: true });
  await servers[1]?.start();
  await until('alike', () => all(a) === 769 && all(b) === 769 && isAlike(a, b));
  const late = new Replica(t, urls, 'late');
  await late.replication.start();
  await until('joined', () => all(late) === 769 && isAlike(a, late));
});

test('Sentinels: the master dies, its replica takes over', needsRedis, async (t) => {
  const [masterPort, replicaPort, sentinelPort] = (await freePorts(3)) as [number, number, number];
  const master = new RedisServer(makeTempFolder(t), ['--port', `${masterPort}`, '--bind', '127.0.0.1']);
  const replica = new RedisServer(makeTempFolder(t), [
    ...['--port', `${replicaPort}`, '--bind', '127.0.0.1', '--replicaof', '127.0.0.1', `${masterPort}`],
    ...['--repl-diskless-sync-delay', '0'],
  ]);
  await startAll(t, [master, replica]);
  await untilAnswer(replicaPort, ['info', 'replication'], /master_link_status:up/);
  const folder = makeTempFolder(t);
  const config = join(folder, 'sentinel.conf');
  writeFileSync(
    config,
    [
      `port ${sentinelPort}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor main 127.0.0.1 ${masterPort} 1`,
      'sentinel down-after-milliseconds main 300',
      'sentinel failover-timeout main 2000',
      '',
    ].join('\n'),
  );
  const sentinel = new RedisServer(folder, [], config);
  await startAll(t, [sentinel]);
  await untilAnswer(sentinelPort, ['sentinel', 'replicas', 'main'], new RegExp(`${replicaPort}`));

  const urls = [`redis+sentinel://127.0.0.1:${sentinelPort}/main`];
  const a = new Replica(t, urls, 'a');
  const b = new Replica(t, urls, 'b');
  await Promise.all([a.replication.start(), b.replication.start()]);
  assert.deepEqual([a.state, b.state], ['live', 'live'], a.replication.facts().trouble);
  for (let peer = 0; peer < 100; peer++) a.announce({ peer });
  await until('heard', () => b.counts()[1] === 100);
  await master.kill();
  await until('alone', () => a.state === 'alone' && b.state === 'alone');
  for (let peer = 100; peer < 200; peer++) b.announce({ peer });
  await until('alike behind the new master', () => a.state === 'live' && isAlike(a, b) && a.counts()[1] === 200);
  assert.match(ask(replicaPort, 'role'), /^master/);
});

test('TLS: the certificate is checked', needsRedis, async (t) => {
  const folder = makeTempFolder(t);
  const key = join(folder, 'key.pem');
  const cert = join(folder, 'cert.pem');
  const subject = ['-subj', '/CN=redis.test', '-addext', 'subjectAltName=DNS:redis.test', '-days', '2'];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-keyout', key, '-out', cert, ...subject],
    ],
    { stdio: 'ignore' },
  );
  const [port = 0] = await freePorts(1);
  const server = new RedisServer(makeTempFolder(t), [
    ...['--tls-port', `${port}`, '--bind', '127.0.0.1', '--tls-auth-clients', 'no'],
    ...['--tls-cert-file', cert, '--tls-key-file', key],
  ]);
  await startAll(t, [server]);
  const trusting = new Replica(t, [`rediss://127.0.0.1:${port}?ca=${cert}&servername=redis.test`], 'a');
  await trusting.replication.start();
  assert.equal(trusting.state, 'live', trusting.replication.facts().trouble);
  const other = new Replica(t, [`rediss://127.0.0.1:${port}`], 'b');
  await other.replication.start();
  assert.equal(other.state, 'alone');
  assert.match(other.replication.facts().trouble, /self.signed certificate/);
});

test('anything may happen, and all end alike', needsRedis, async (t) => {
  for (const seed of [1, 2, 3]) await runTrouble(t, seed);
});

/** Random announces of the same peers to all, Redis killed, started and emptied, trackers that come and go; then a last word of each peer. */
async function runTrouble(t: TestContext, seed: number): Promise<void> {
  const rng = seededRng(seed);
  const server = new RedisServer(makeTempFolder(t), ['--appendonly', 'yes', '--appendfsync', 'no']);
  await startAll(t, [server]);
  const here: Replica[] = [];
  let isUp = true;
  let started = 0;
  const launch = async (): Promise<void> => {
    const one = new Replica(t, [server.url], `${started++}`);
    here.push(one);
    await one.replication.start();
  };
  const any = (): Replica => here[rng.below(here.length)] as Replica;
  const announceSome = (): void => {
    for (let i = 0; i < 20; i++) {
      const event = rng.below(5) === 0 ? 'stopped' : 'none';
      const hash = rng.below(2) === 0 ? hashA : hashB;
      any().announce({ hash, peer: rng.below(3_000), isSeeder: rng.below(2) === 0, event });
    }
  };
  for (let i = 0; i < 3; i++) await launch();
  for (let step = 0; step < 200; step++) {
    const what = rng.below(100);
    if (what < 70) announceSome();
    else if (what < 74) {
      await (isUp ? server.kill() : server.start());
      isUp = !isUp;
    } else if (what < 76) {
      if (isUp) execFileSync('redis-cli', ['-s', server.socket, 'flushall']);
    } else if (what < 78) {
      if (here.length > 2) await here.splice(rng.below(here.length), 1)[0]?.replication.stop();
    } else if (what < 80) {
      if (here.length < 4) await launch();
    } else await pause(rng.below(30));
  }
  if (!isUp) await server.start();
  // What was said before must be in the streams before the last word.
  await until('live', () => here.every((one) => one.state === 'live'));
  await pause(100);
  await until('sent', () => here.every((one) => one.replication.facts().unsentBytes === 0));
  for (let peer = 0; peer < 3_000; peer++) {
    any().announce({ peer });
    any().announce({ hash: hashB, peer, event: 'stopped' });
  }
  const summary = (one: Replica): string => `${one.counts().slice(0, 2)} ${one.counts(hashB).slice(0, 2)}`;
  await until(`alike, seed ${seed}`, () => here.every((one) => summary(one) === '0,3000 0,0'));
  for (const one of here) await one.replication.stop();
}

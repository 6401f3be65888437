import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { after, test } from 'node:test';
import { BtError, formatIp, type PeerAddress } from '#base';
import { loadUdpBatches, openUdp, type UdpBatch, type UdpBatches, type UdpBatchSizes } from '#node';

const loaded = await loadUdpBatches();
const needsBatches = { skip: loaded.isAvailable ? false : loaded.reason };
const hasSix = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const needsSix = {
  skip: needsBatches.skip || hasSix ? needsBatches.skip : 'this machine has no IPv6 loopback',
};
const fds: number[] = [];
after(() => {
  if (loaded.isAvailable) fds.forEach(loaded.closeSocket);
});

function open(host: string, sizes: UdpBatchSizes = {}): { batch: UdpBatch; local: PeerAddress } {
  const batches = loaded as UdpBatches;
  const { fd, local } = batches.openSocket({ host, port: 0 });
  fds.push(fd);
  return { batch: batches.batch(fd, { timeoutMs: 200, ...sizes }), local };
}

function send(batch: UdpBatch, to: number, text: string): void {
  batch.sendRoom.set(new TextEncoder().encode(text), batch.sendAt);
  batch.queue(to, text.length);
}

/** What the batch holds, as `text from address:port`. */
function takeAll(batch: UdpBatch, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const at = batch.receivedAt(i);
    const text = new TextDecoder().decode(batch.received.subarray(at, at + batch.lengthOf(i)));
    const sourceAt = batch.sourceAt(i);
    const source = formatIp(batch.names.subarray(sourceAt, sourceAt + batch.sourceLength(i)));
    return `${text}${batch.isCut(i) ? ' (cut)' : ''} from ${source}:${batch.sourcePort(i)}`;
  });
}

test('datagrams go to and fro by the batch, answers to their senders', needsBatches, () => {
  const server = open('127.0.0.1', { count: 4 });
  const clients = [open('127.0.0.1', { destinations: 1 }), open('127.0.0.1', { destinations: 1 })];
  for (const { batch } of clients) {
    const to = batch.addDestination(server.local);
    for (const word of ['one', 'two', 'three']) send(batch, to, word);
    assert.equal(batch.flush(), 3);
  }
  const texts: string[] = [];
  while (texts.length < 6) {
    const count = server.batch.receive();
    assert(count > 0 && count <= 4);
    texts.push(...takeAll(server.batch, count));
    for (let i = 0; i < count; i++) send(server.batch, i, `re ${texts.length - count + i}`);
    assert.equal(server.batch.flush(), count);
  }
  const expected = clients.flatMap(({ local }) =>
    ['one', 'two', 'three'].map((word) => `${word} from 127.0.0.1:${local.port}`),
  );
  assert.deepEqual(texts.toSorted(), expected.toSorted());
  const from = `127.0.0.1:${server.local.port}`;
  const answers = clients.flatMap(({ batch }) => takeAll(batch, batch.receive()));
  assert.deepEqual(
    answers.toSorted(),
    [0, 1, 2, 3, 4, 5].map((n) => `re ${n} from ${from}`),
  );
});

test('senders of both families on one socket: mapped ones have 4 bytes', needsSix, () => {
  const server = open('::');
  for (const host of ['127.0.0.1', '::1']) {
    const client = open(host, { destinations: 1 });
    send(client.batch, client.batch.addDestination({ host, port: server.local.port }), host);
    client.batch.flush();
    const count = server.batch.receive();
    assert.deepEqual(takeAll(server.batch, count), [`${host} from ${host}:${client.local.port}`]);
    send(server.batch, 0, 'back');
    assert.equal(server.batch.flush(), 1);
    assert.equal(client.batch.receive(), 1);
  }
  const dual = open('::', { destinations: 2 });
  const four = open('127.0.0.1');
  send(dual.batch, dual.batch.addDestination(four.local), 'mapped');
  dual.batch.flush();
  assert.deepEqual(takeAll(four.batch, four.batch.receive()), [`mapped from 127.0.0.1:${dual.local.port}`]);
  assert.throws(() => four.batch.addDestination({ host: '127.0.0.1', port: 1 }), /no room/);
});

test('who listens on all addresses answers from the one that was asked', needsBatches, () => {
  const anywhere = hasSix ? ['0.0.0.0', '::'] : ['0.0.0.0'];
  for (const host of anywhere) {
    const server = open(host);
    // All of 127/8 is the loopback's.
    const targets = ['127.0.0.1', '127.0.0.5', '127.9.9.9'];
    if (host === '::') targets.push('::1');
    for (const target of targets) {
      const client = open(target === '::1' ? '::1' : '127.0.0.1', { destinations: 1 });
      const to = client.batch.addDestination({ host: target, port: server.local.port });
      for (let round = 0; round < 2; round++) {
        for (const word of ['one', 'two']) send(client.batch, to, word);
        client.batch.flush();
        const count = server.batch.receive();
        for (let i = 0; i < count; i++) send(server.batch, i, 're');
        assert.deepEqual([count, server.batch.flush()], [2, 2]);
        const from = `re from ${target}:${server.local.port}`;
        assert.deepEqual(takeAll(client.batch, client.batch.receive()), [from, from]);
      }
    }
  }
});

test('time-out, cut datagrams, destinations that cannot be', needsBatches, () => {
  const server = open('127.0.0.1', { receiveBytes: 8 });
  assert.equal(server.batch.receive(), 0);
  assert.equal(server.batch.receive(false), 0);
  const client = open('127.0.0.1', { destinations: 3 });
  const { batch } = client;
  const to = batch.addDestination(server.local);
  const nowhere = batch.addDestination({ host: '255.255.255.255', port: 9 });
  send(batch, to, 'longer than 8');
  send(batch, nowhere, 'forbidden');
  send(batch, to, 'short');
  assert.equal(batch.flush(), 2);
  assert.equal(batch.failedCount, 1);
  const count = server.batch.receive();
  const from = `127.0.0.1:${client.local.port}`;
  assert.deepEqual(takeAll(server.batch, count), [`longer t (cut) from ${from}`, `short from ${from}`]);
  assert.throws(() => batch.addDestination({ host: '::1', port: 1 }), /cannot send/);
});

test('poll says which sockets have something', needsBatches, () => {
  const servers = [open('127.0.0.1'), open('127.0.0.1')];
  const poll = (loaded as UdpBatches).poll(servers.map(({ batch }) => batch));
  assert.equal(poll.wait(1), false);
  const { batch } = open('127.0.0.1', { destinations: 1 });
  send(batch, batch.addDestination((servers[1] as { local: PeerAddress }).local), 'hello');
  batch.flush();
  assert.equal(poll.wait(1_000), true);
  assert.deepEqual([poll.isReady(0), poll.isReady(1)], [false, true]);
});

test('the system tells what it has lost', needsBatches, () => {
  const { fd, local } = (loaded as UdpBatches).openSocket({ host: '127.0.0.1', port: 0, receiveBufferBytes: 8_192 });
  fds.push(fd);
  const server = (loaded as UdpBatches).batch(fd, { timeoutMs: 200 });
  assert.equal(server.readLostCount(), 0);
  const { batch } = open('127.0.0.1', { destinations: 1 });
  const to = batch.addDestination(local);
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 64; i++) send(batch, to, 'x'.repeat(1_000));
    batch.flush();
  }
  let taken = 0;
  for (let count = server.receive(false); count > 0; count = server.receive(false)) taken += count;
  assert(taken > 0 && taken < 256);
  assert.equal(server.readLostCount(), 256 - taken);
});

test('one port: taken for itself, shared by a group, refused to strangers', needsBatches, async () => {
  const batches = loaded as UdpBatches;
  const host = '127.0.0.1';
  const taken = batches.openSocket({ host, port: 0 });
  fds.push(taken.fd);
  const isInUse = (e: unknown) => BtError.is(e, 'net/port-in-use');
  assert.throws(() => batches.openSocket({ host, port: taken.local.port, reusePort: true }), isInUse);
  const first = batches.openSocket({ host, port: 0, reusePort: 'later' });
  fds.push(first.fd);
  const second = batches.openSocket({ host, port: first.local.port, reusePort: true });
  fds.push(second.fd);
  assert.throws(() => batches.openSocket({ host, port: first.local.port, reusePort: 'later' }), isInUse);
  await assert.rejects(openUdp({ host, port: first.local.port, handlers: { onDatagram: () => {} } }), isInUse);
  assert.throws(
    () => batches.openSocket({ host: '192.0.2.1', port: 0 }),
    (e) => BtError.is(e, 'net/listen'),
  );
});

test('without koffi it says so', () => {
  const script = `const { loadUdpBatches } = await import('#node'); console.log(JSON.stringify(await loadUdpBatches()));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, EIDER_WITHOUT: 'koffi' },
  });
  assert.equal(stderr, '');
  const result = JSON.parse(stdout) as { isAvailable: boolean; reason: string };
  assert.equal(result.isAvailable, false);
  assert.match(result.reason, process.platform === 'linux' ? /EIDER_WITHOUT/ : /Linux/);
});

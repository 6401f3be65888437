import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Millis } from '#base';
import { type Line, lines, type NetHost, SimNet, SimWorld, type Socket, type SocketEvents } from '#sim';

const MIB = 1_048_576;

/** A socket owner that writes down what it hears. */
class Listener implements SocketEvents {
  readonly heard: string[] = [];
  readonly written: number[] = [];
  byteCount = 0;
  sum = 0;
  lastAt = 0;
  readonly #world: SimWorld;
  constructor(world: SimWorld) {
    this.#world = world;
  }
  onConnected(): void {
    this.heard.push('connected');
  }
  onBytes(_: Socket, bytes: Uint8Array): void {
    this.byteCount += bytes.length;
    for (const byte of bytes) this.sum = (Math.imul(this.sum, 31) + byte) | 0;
    this.lastAt = this.#world.now;
  }
  onWritten(_: Socket, ticket: number): void {
    this.written.push(ticket);
  }
  onClosed(_: Socket, reason: { code: string }): void {
    this.heard.push(reason.code);
  }
}

function line(changes: Partial<Line> = {}): Line {
  return { ...lines.ideal, latencyMs: 10, ...changes };
}

/** One listening host, and a way to connect others to it. */
function setUp(seed: number, serverLine: Line = line()) {
  const world = new SimWorld(seed);
  const net = new SimNet(world);
  const server = net.addHost({ line: serverLine });
  const accepted: Listener[] = [];
  const sockets: Socket[] = [];
  server.listen(6881, (socket) => {
    const listener = new Listener(world);
    accepted.push(listener);
    sockets.push(socket);
    return listener;
  });
  const connect = (host: NetHost) => {
    const listener = new Listener(world);
    return { listener, socket: host.dial({ host: server.name, port: 6881 }, listener), host };
  };
  const client = (l: Line = line()) => connect(net.addHost({ line: l }));
  return { world, net, server, accepted, sockets, client, connect };
}

test('the clock runs events in order of time, then of asking, and stops at the deadline', () => {
  const world = new SimWorld(1);
  const seen: string[] = [];
  world.after(5, 'b', () => seen.push('b'));
  world.after(5, 'c', () => seen.push('c'));
  world.after(1, 'a', () => {
    seen.push('a');
    world.after(0, 'a2', () => seen.push('a2'));
  });
  const cancelled = world.after(2, 'never', () => seen.push('never'));
  cancelled.cancel();
  world.after(50, 'late', () => seen.push('late'));
  assert.equal(world.run({ deadline: 10 as Millis }), 'deadline');
  assert.deepEqual(seen, ['a', 'a2', 'b', 'c']);
  assert.equal(world.now, 10);
  assert.equal(world.run({ deadline: 100 as Millis }), 'idle');
  assert.equal(world.now, 100);
});

test('a world that stands still, and an event that throws, end with a report that names the seed', () => {
  const world = new SimWorld(42);
  const again = () => void world.after(0, 'loop', again);
  again();
  assert.throws(() => world.runFor(1), /stuck: the clock stands still\nseed 42/);
  const other = new SimWorld(43);
  other.after(7, 'bang', () => assert.fail('broken'));
  assert.throws(() => other.runFor(10), /broken \(in bang\)\nseed 43, at 0\.007 s/);
});

test('bytes arrive whole and in order however they are cut; tickets come back in order', () => {
  for (let seed = 0; seed < 30; seed++) {
    const { world, client, accepted, net } = setUp(seed, line({ jitterMs: 15, lossRate: 0.02 }));
    const { listener, socket } = client(line({ upBytesPerSec: MIB, jitterMs: 15, lossRate: 0.02 }));
    world.runFor(100);
    assert.deepEqual(listener.heard, ['connected']);
    const rng = world.rng.fork('test');
    const expect = { sum: 0, count: 0 };
    for (let i = 0; i < 50; i++) {
      const bytes = rng.bytes(1 + rng.below(i % 5 === 0 ? 40_000 : 60));
      for (const byte of bytes) expect.sum = (Math.imul(expect.sum, 31) + byte) | 0;
      expect.count += bytes.length;
      socket.write(bytes, i);
    }
    socket.close();
    world.runFor(20_000);
    const got = accepted[0] as Listener;
    assert.equal(got.byteCount, expect.count);
    assert.equal(got.sum, expect.sum);
    assert.deepEqual(got.heard, ['net/closed']);
    assert.deepEqual(
      listener.written,
      Array.from({ length: 50 }, (_, i) => i),
    );
    assert.deepEqual(listener.heard, ['connected']);
    assert.equal(net.openCount, 0);
    assert.equal(net.fabric.pool.outCount, 0);
  }
});

/** Everybody sends `bytes` to the server; @returns seconds until each has arrived. */
function transferTimes(bytes: number, serverLine: Line, clients: readonly Line[]): number[] {
  const { world, client, accepted } = setUp(3, serverLine);
  const all = clients.map((l) => client(l));
  world.runFor(1000);
  const from = world.now;
  for (const { socket } of all) {
    for (let at = 0; at < bytes; at += 16_384) socket.write(new Uint8Array(Math.min(16_384, bytes - at)), at);
  }
  world.run({ deadline: (from + 1e6) as Millis, until: () => accepted.every((a) => a.byteCount === bytes) });
  return accepted.map((a) => (a.lastAt - from) / 1000);
}

test('rates: what the slower of both lines carries, shared fairly, within 3 %', () => {
  const near = (seconds: number | undefined, expected: number, part = 0.03) =>
    assert.ok(Math.abs((seconds as number) / expected - 1) < part, `${seconds} s where ${expected} s were expected`);
  near(transferTimes(20 * MIB, line(), [line({ upBytesPerSec: MIB })])[0], 20);
  near(transferTimes(20 * MIB, line({ downBytesPerSec: MIB }), [line()])[0], 20);
  near(transferTimes(2 * MIB, line({ jitterMs: 20 }), [line({ upBytesPerSec: 65_536 })])[0], 32);
  const eight = transferTimes(5 * MIB, line({ downBytesPerSec: 2 * MIB }), Array(8).fill(line({ jitterMs: 5 })));
  near(Math.max(...eight), 20);
  // As with TCP, who shares a downlink gets nearly, not exactly, the same.
  for (const s of eight) near(s, 20, 0.1);
  // The slow one takes what it can, the others share the rest: 4 MiB/s - 64 KiB/s over three.
  const mixed = transferTimes(4 * MIB, line({ downBytesPerSec: 4 * MIB }), [
    line({ upBytesPerSec: 65_536 }),
    ...Array(3).fill(line()),
  ]);
  near(mixed[0], 64);
  for (const s of mixed.slice(1)) near(s, 12 / (4 - 1 / 16), 0.1);
});

test('connections of one host share its uplink evenly', () => {
  const { world, net, accepted, connect } = setUp(5);
  const host = net.addHost({ line: line({ upBytesPerSec: MIB }) });
  const all = Array.from({ length: 4 }, () => connect(host));
  world.runFor(1000);
  for (const { socket } of all) socket.write(new Uint8Array(4 * MIB));
  world.runFor(8000);
  for (const a of accepted) assert.ok(Math.abs(a.byteCount - 2 * MIB) < 0.03 * 2 * MIB, `${a.byteCount}`);
});

test('a reader that stops is not read to, and costs its sender a bounded window', () => {
  const { world, client, accepted, sockets } = setUp(6);
  const { socket } = client(line({ upBytesPerSec: MIB }));
  world.runFor(100);
  const server = sockets[0] as Socket;
  server.setReading(false);
  socket.write(new Uint8Array(8 * MIB), 1);
  world.runFor(60_000);
  assert.equal(accepted[0]?.byteCount, 0);
  assert.ok(socket.sentBytes < 2 * MIB, `${socket.sentBytes}`);
  server.setReading(true);
  world.runFor(10_000);
  assert.equal(accepted[0]?.byteCount, 8 * MIB);
});

test('dials: refused, nobody there, dropped by the listener, other address family', () => {
  const world = new SimWorld(7);
  const net = new SimNet(world);
  const a = net.addHost({ line: line() });
  const b = net.addHost({ line: line(), addresses: ['1.2.3.4', '2001:db8::5'] });
  const c = net.addHost({ line: line(), isFirewalled: true });
  const d = net.addHost({ addresses: ['2001:db8::6'] });
  b.listen(1, () => undefined);
  const froms: string[] = [];
  b.listen(3, (_, from) => {
    froms.push(from.host);
    return new Listener(world);
  });
  const dial = (from: NetHost, host: string, port: number) => {
    const listener = new Listener(world);
    from.dial({ host, port }, listener);
    return listener;
  };
  const cases: [Listener, string[]][] = [
    [dial(a, b.name, 1), ['connected', 'net/reset']],
    [dial(a, b.name, 2), ['net/refused']],
    [dial(a, b.name, 3), ['connected']],
    [dial(a, '9.9.9.9', 1), ['net/timeout']],
    [dial(a, c.name, 1), ['net/timeout']],
    [dial(d, b.name, 3), ['net/unreachable']],
    [dial(d, '2001:db8::5', 3), ['connected']],
  ];
  world.runFor(30_000);
  for (const [listener, expected] of cases) assert.deepEqual(listener.heard, expected);
  assert.deepEqual(froms.sort(), ['2001:db8::6', '45.0.1.7']);
});

test('a partition holds bytes back and a heal delivers them; dials across it fail', () => {
  const { world, net, client, accepted, connect } = setUp(8);
  const { listener, socket, host } = client();
  world.runFor(100);
  net.partition([host]);
  socket.write(new Uint8Array(100_000), 1);
  const second = connect(host);
  world.runFor(30_000);
  assert.equal(accepted[0]?.byteCount, 0);
  assert.deepEqual(second.listener.heard, ['net/timeout']);
  net.heal();
  world.runFor(1000);
  assert.equal(accepted[0]?.byteCount, 100_000);
  net.partition([host]);
  socket.write(new Uint8Array(10), 2);
  world.runFor(400_000);
  assert.deepEqual(listener.heard, ['connected', 'net/timeout']);
  assert.deepEqual(accepted[0]?.heard, [], 'the other side has nothing to send and notices nothing');
});

test('a partition shorter than the way does not change the order of what is on it', () => {
  const { world, net, client, accepted } = setUp(10, line({ upBytesPerSec: 100_000, latencyMs: 300 }));
  const { socket, host } = client(line({ upBytesPerSec: 100_000, latencyMs: 300 }));
  world.runFor(2000);
  const sent = Uint8Array.from({ length: 60_000 }, (_, i) => (i * 7919) >> 8);
  socket.write(sent, 1);
  let sum = 0;
  for (const byte of sent) sum = (Math.imul(sum, 31) + byte) | 0;
  // Some of it arrives before, some while, and some after the network is apart.
  world.runFor(650);
  net.partition([host]);
  world.runFor(100);
  net.heal();
  world.runFor(10_000);
  assert.equal(accepted[0]?.byteCount, 60_000);
  assert.equal(accepted[0]?.sum, sum);
});

test('the end of a process is seen as a reset, a power cut only after the machine is back', () => {
  const { world, server, client, accepted } = setUp(9);
  const one = client();
  world.runFor(100);
  one.host.kill('process');
  world.runFor(100);
  assert.deepEqual(accepted[0]?.heard, ['net/reset']);
  const two = client();
  world.runFor(100);
  server.kill('power');
  two.socket.write(new Uint8Array(1000));
  world.runFor(60_000);
  assert.deepEqual(two.listener.heard, ['connected']);
  server.restart();
  world.runFor(1000);
  assert.deepEqual(two.listener.heard, ['connected', 'net/reset']);
});

test('one seed is one run, and another seed another', () => {
  const digest = (seed: number) => {
    const { world, client } = setUp(seed, line({ jitterMs: 10, lossRate: 0.01 }));
    for (let i = 0; i < 5; i++) {
      const { socket } = client(lines.dsl);
      world.after(1000 + i * 10, 'more', () => socket.write(new Uint8Array(50_000), 1));
    }
    world.runFor(5000);
    return world.digest;
  };
  assert.equal(digest(1), digest(1));
  assert.notEqual(digest(1), digest(2));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssertionError, type Millis, type PeerId, type TorrentId } from '#base';
import type { TorrentEvent } from '#room/swarm/index';
import { Session } from '#session';
import { lines, makeTorrent, SimDisk, SimHost, SimNet, type SimTorrent, SimTracker, SimTrackers, SimWorld } from '#sim';
import type { Tracer } from '#trace';
import { nodeCrypto } from '../../support/node-crypto.ts';

const transfer = (buffer: ArrayBuffer) => structuredClone(buffer, { transfer: [buffer] });

/** A machine with a session of several torrents. */
class Machine {
  readonly host: SimHost;
  readonly disk: SimDisk;
  readonly session: Session;
  readonly events: TorrentEvent[] = [];
  readonly #world: SimWorld;
  readonly #trackers: SimTrackers;

  constructor(world: SimWorld, net: SimNet, trackers: SimTrackers, torrents: readonly SimTorrent[]) {
    this.#world = world;
    this.#trackers = trackers;
    const name = `machine ${net.hosts.length}`;
    const rng = world.rng.fork(name);
    const known = new Map(torrents.map((torrent) => [torrent.key, torrent]));
    this.disk = new SimDisk(world, name, { crypto: nodeCrypto, torrents: known, transfer });
    this.host = new SimHost({ world, net: net.addHost({ line: lines.cable }), disk: this.disk, trackers });
    this.session = new Session({
      ports: this.host,
      crypto: nodeCrypto,
      rng,
      peerId: rng.bytes(20) as PeerId,
      now: world.now,
      onEvent: (event) => this.events.push(event),
    });
    this.host.start(this.session);
    this.session.setListenPort(6881);
  }

  ask<T>(input: (session: Session, now: Millis) => T): T {
    return this.host.gate.ask((_, now) => input(this.session, now), undefined as T);
  }

  add(torrent: SimTorrent, tracer?: Tracer): TorrentId {
    const { info, pieceLayers: layers } = torrent.torrent;
    const trackers = this.#trackers.all.map((tracker) => [tracker.url]);
    return this.ask((session, now) => session.add(now, { info, layers, trackers, tracer }));
  }

  saw(type: TorrentEvent['type'], id: TorrentId): boolean {
    return this.events.some((event) => event.type === type && event.torrent === id);
  }

  until(condition: () => boolean): void {
    const end = this.#world.run({ until: condition, deadline: (this.#world.now + 120_000) as Millis });
    assert.equal(end, 'done');
  }
}

function setUp() {
  const world = new SimWorld(3);
  const net = new SimNet(world);
  const trackers = new SimTrackers();
  trackers.add(new SimTracker(world, net.addHost({ line: lines.lan })));
  const torrents = [1, 2].map((seed) => makeTorrent(nodeCrypto, { seed, files: 1_500_000, pieceLength: 65_536 }));
  const [first, second] = torrents as [SimTorrent, SimTorrent];
  const giver = new Machine(world, net, trackers, torrents);
  for (const torrent of torrents) {
    giver.disk.fill(torrent.torrent.info);
    giver.add(torrent);
  }
  world.runFor(5_000);
  const taker = new Machine(world, net, trackers, torrents);
  return { world, net, first, second, giver, taker };
}

/** Throws where a torrent does something for the `nth` time: a fault of its own, as far as the session can see. */
function faultAt(member: 'request' | 'closed' | 'piece' | 'note' | 'wire', nth: number): Tracer {
  let count = 0;
  return {
    [member]: () => {
      if (++count === nth) throw new AssertionError('broken invariant: planted');
    },
  };
}

for (const [where, member, nth] of [
  ['when it asks for blocks', 'request', 20],
  ['when a piece has come', 'piece', 12],
  ['when it sends and gets messages', 'wire', 30],
  ['when the first piece is begun', 'piece', 1],
] as const) {
  test(`a fault met in one torrent ${where} ends this one and no other`, () => {
    const { world, first, second, giver, taker } = setUp();
    const bad = taker.add(first, faultAt(member, nth));
    const good = taker.add(second);
    taker.until(() => taker.saw('error', bad));
    const error = taker.events.find((event) => event.type === 'error');
    assert.ok(error?.type === 'error' && error.torrent === bad);
    assert.equal(error.error.code, 'swarm/internal');
    assert.match(error.error.message, /planted/);
    assert.ok(error.error.cause instanceof AssertionError, 'what was met is not swallowed');
    assert.equal(taker.session.torrent(bad)?.phase, 'error');
    assert.equal(taker.session.snapshot(world.now, bad)?.error, error.error);
    assert.equal(taker.session.pool.lentTo(bad), 0);

    taker.until(() => taker.saw('done', good));
    const image = taker.disk.image(second.torrent.info);
    for (let piece = 0; piece < second.geometry.pieceCount; piece++) assert.ok(image.isWhole(piece));
    assert.equal(taker.events.filter((event) => event.type === 'error').length, 1);
    assert.equal(taker.session.connCount, [...(taker.session.torrent(good)?.conns ?? [])].length);

    // It is stopped and forgotten as any other, and the same content can be added anew.
    taker.ask((session, now) => session.stop(now, bad));
    taker.until(() => taker.saw('stopped', bad));
    taker.ask((session, now) => session.remove(now, bad));
    const again = taker.add(first);
    taker.until(() => taker.saw('done', again));
    for (const machine of [taker, giver]) {
      machine.ask((session, now) => {
        for (const { id } of [...session.torrents]) session.stop(now, id);
        session.close(now);
      });
    }
    world.runFor(60_000);
    assert.deepEqual(taker.host.leaks(), []);
    assert.deepEqual(giver.host.leaks(), []);
    assert.equal(taker.session.pool.lentBytes, 0);
    for (const machine of [taker, giver]) assert.equal(machine.session.runs.lentViews, 0);
  });
}

test('a fault met in a seeder, in an input of somebody else or at the end of a connection, ends that torrent alone', () => {
  const { world, net, first, second } = setUp();
  const trackers = new SimTrackers();
  trackers.add(new SimTracker(world, net.addHost({ line: lines.lan })));
  const other = new Machine(world, net, trackers, [first, second]);
  const reader = new Machine(world, net, trackers, [first, second]);
  for (const torrent of [first, second]) other.disk.fill(torrent.torrent.info);
  const bad = other.add(first, faultAt('closed', 1));
  const good = other.add(second);
  world.runFor(3_000);
  const wants = [reader.add(first), reader.add(second)];
  reader.until(() => wants.every((id) => reader.saw('done', id)));
  // The reader has all now, so both sides part: the seeder's end of it is where the fault is.
  other.until(() => other.saw('error', bad));
  assert.equal(other.session.torrent(good)?.phase, 'seeding');
  other.ask((session, now) => {
    session.stop(now, bad);
    session.stop(now, good);
  });
  other.until(() => other.saw('stopped', bad) && other.saw('stopped', good));
  world.runFor(30_000);
  assert.deepEqual(other.host.leaks(), []);
  assert.equal(other.session.runs.lentViews, 0);
});

test('a fault met while a torrent stops does not keep it from stopping', () => {
  const { world, first, taker } = setUp();
  const id = taker.add(first, faultAt('closed', 1));
  taker.until(() => taker.saw('piece', id));
  taker.ask((session, now) => session.stop(now, id));
  taker.until(() => taker.saw('stopped', id));
  assert.ok(taker.saw('error', id));
  world.runFor(30_000);
  assert.deepEqual(taker.host.leaks(), []);
  assert.equal(taker.session.pool.lentBytes, 0);
});

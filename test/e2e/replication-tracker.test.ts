/** Whole trackers that are one by replication: their sockets, threads, pages, and a Redis that dies in between. */
import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { formatAddress, type PeerAddress } from '#base';
import { TrackerClient } from '#node';
import { startTracker, type Tracker, type TrackerEvent } from '#trackerd';
import type { AnnounceRequest } from '#wire';
import { lacksRedis, RedisServer } from '../support/redis-server.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const needsRedis = { skip: lacksRedis };
const here = [{ host: '127.0.0.1', port: 0 }];
const client = new TrackerClient({ timeoutMs: 5_000 });
after(() => client.close());

class Place {
  readonly events: TrackerEvent[] = [];
  tracker!: Tracker;

  static async start(t: TestContext, server: RedisServer, name: string): Promise<Place> {
    const place = new Place();
    place.tracker = await startTracker({
      http: here,
      udp: here,
      udpThreads: 2,
      replication: { urls: [server.url], name, channel: 'whole' },
      onEvent: (event) => place.events.push(event),
    });
    t.after(() => place.tracker.close());
    return place;
  }

  url(protocol: 'http' | 'udp', path: string): string {
    const at = this.tracker.addresses.find((address) => address.protocol === protocol) as PeerAddress;
    return `${protocol}://${formatAddress(at)}${path}`;
  }

  /** @returns ports of the peers that were given */
  async announce(protocol: 'http' | 'udp', over: Partial<AnnounceRequest>): Promise<number[]> {
    const result = await client.announce(this.url(protocol, '/announce'), {
      infoHash: new Uint8Array(20).fill(7),
      peerId: new Uint8Array(20).fill(over.port ?? 1),
      port: 1,
      uploaded: 0,
      downloaded: 0,
      left: 100,
      event: 'none',
      numWant: 50,
      key: 1,
      ...over,
    });
    assert(result.ok, result.ok ? '' : result.error.message);
    return result.response.peers.map(({ port }) => port).sort((a, b) => a - b);
  }

  async text(path: string): Promise<string> {
    return await (await fetch(this.url('http', path))).text();
  }
}

/** Announces until others are given as expected; a peer of another tracker takes a moment. */
async function untilGiven(ask: () => Promise<number[]>, expected: number[]): Promise<void> {
  const deadline = Date.now() + 15_000;
  let given = await ask();
  while (`${given}` !== `${expected}`) {
    assert(Date.now() < deadline, `given ${given}, expected ${expected}`);
    given = await ask();
  }
}

test(
  'peers of one tracker are given by another, whatever they came by, also after Redis was away',
  needsRedis,
  async (t) => {
    const server = new RedisServer(makeTempFolder(t), ['--appendonly', 'yes']);
    t.after(() => server.kill());
    await server.start();
    const a = await Place.start(t, server, 'a');
    const b = await Place.start(t, server, 'b');
    await a.announce('udp', { port: 1001, left: 0 });
    await a.announce('http', { port: 1002 });
    await untilGiven(() => b.announce('udp', { port: 2001 }), [1001, 1002]);
    await untilGiven(() => a.announce('http', { port: 1002 }), [1001, 2001]);
    assert.match(await b.text('/metrics'), /eider_tracker_replication_state\{state="live"\} 1/);

    await server.kill();
    // Goes on alone, and keeps what it hears.
    assert.deepEqual(await b.announce('udp', { port: 2002, event: 'started' }), [1001, 1002, 2001]);
    await a.announce('udp', { port: 1001, left: 0, event: 'stopped' });
    await untilHealth(a, /replication is away/);
    await server.start();
    await untilGiven(() => a.announce('http', { port: 1002 }), [2001, 2002]);
    await untilGiven(() => b.announce('udp', { port: 2001 }), [1002, 2002]);

    // One that comes later has everything at once.
    const late = await Place.start(t, server, 'late');
    assert.deepEqual(await late.announce('http', { port: 3001 }), [1002, 2001, 2002]);
    // And one that leaves takes nothing along.
    await a.tracker.close();
    await untilGiven(() => b.announce('udp', { port: 2001 }), [1002, 2002, 3001]);
  },
);

async function untilHealth(place: Place, expected: RegExp): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!expected.test(await place.text('/health'))) assert(Date.now() < deadline, `health is not ${expected}`);
}

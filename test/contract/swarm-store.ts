/**
 * What every swarm store must do (rules in `src/tracker/swarm-store.ts`): cases, and a seeded run against a naive reference.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMs, formatIp, type Millis, type Rng, readU16, seededRng, toHex } from '#base';
import {
  AnnounceCall,
  type PeerNetwork,
  ScrapeCall,
  type SwarmStore,
  type TrackerLimits,
  toTrackerLimits,
} from '#tracker';
import type { AnnounceEvent } from '#wire';

export interface SwarmStoreFactory {
  readonly name: string;
  create(options: { limits: TrackerLimits; rng: Rng }): SwarmStore;
}

const TTL_MS = 600_000;
const hashA = new Uint8Array(20).fill(0xaa);
const hashB = new Uint8Array(20).fill(0xbb);

function ip4(n: number): Uint8Array {
  return new Uint8Array([10, (n >> 16) & 255, (n >> 8) & 255, n & 255]);
}
function ip6(n: number): Uint8Array {
  return new Uint8Array([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, (n >> 16) & 255, (n >> 8) & 255, n & 255]);
}

function namesOf(compact: Uint8Array, stride: 6 | 18): string[] {
  const names: string[] = [];
  for (let at = 0; at < compact.length; at += stride) {
    names.push(`${formatIp(compact.subarray(at, at + stride - 2))} ${readU16(compact, at + stride - 2)}`);
  }
  return names;
}

interface Asked {
  infoHash?: Uint8Array;
  address?: Uint8Array;
  /** Default: by the length of the address. */
  network?: PeerNetwork;
  port?: number;
  isSeeder?: boolean;
  event?: AnnounceEvent;
  numWant?: number;
  families?: 4 | 6 | 'both' | 'web';
}

/** A store with defaults for what a case does not care about. */
class Bench {
  now = 1_000 as Millis;
  readonly store: SwarmStore;

  readonly limits: TrackerLimits;
  readonly #out: Uint8Array;

  constructor(factory: SwarmStoreFactory, limits: Partial<TrackerLimits> = {}) {
    this.limits = toTrackerLimits({ peerTtlMs: TTL_MS, ...limits });
    this.store = factory.create({ limits: this.limits, rng: seededRng(3) });
    this.#out = new Uint8Array(this.limits.numWantMax * 18);
  }
  announce(over: Asked = {}) {
    const o = { infoHash: hashA, address: ip4(1), port: 1, event: 'none' as const, numWant: 50, ...over };
    const call = new AnnounceCall();
    call.hashBytes = o.infoHash;
    call.peerBytes = o.address;
    call.network = o.network ?? (o.address.length === 4 ? 4 : 6);
    call.port = o.port;
    call.left = o.isSeeder === true ? 0 : 1;
    call.event = o.event;
    call.numGiven = Math.min(o.numWant, this.limits.numWantMax);
    call.families = o.families ?? 'both';
    call.out = this.#out;
    this.store.announce(this.now, call);
    const { complete, incomplete, downloaded, isStored } = call;
    const web = namesOf(call.out.subarray(0, call.peerCountWeb * 6), 6).map((name) => `${name} web`);
    const peers = [...namesOf(call.peers4, 6), ...web, ...namesOf(call.peers6, 18)].sort();
    return { complete, incomplete, downloaded, isStored, peers };
  }
  counts(infoHash: Uint8Array = hashA): number[] {
    const [row] = this.scrape([infoHash]);
    return row as number[];
  }
  /** complete, incomplete, downloaded of each */
  scrape(infoHashes: readonly Uint8Array[]): number[][] {
    const call = new ScrapeCall();
    call.ask(infoHashes, { via: 'udp', source: ip4(1) });
    this.store.scrape(call);
    return infoHashes.map((_, i) => {
      const { complete, incomplete, downloaded } = call.rowAt(i);
      return [complete, incomplete, downloaded];
    });
  }
  lookAhead(infoHashes: readonly Uint8Array[]): void {
    const bytes = new Uint8Array(infoHashes.length * 20);
    infoHashes.forEach((hash, i) => {
      bytes.set(hash, i * 20);
    });
    const ats = Int32Array.from(infoHashes, (_, i) => i * 20);
    this.store.lookAhead?.(bytes, ats, ats.length);
  }
  pass(ms: number): void {
    this.now = addMs(this.now, ms);
  }
  sweepAll(): number {
    let removed = 0;
    for (let i = 0; i < 200; i++) removed += this.store.sweep(this.now);
    return removed;
  }
}

export function swarmStoreContract(factory: SwarmStoreFactory): void {
  const check = (name: string, run: (b: Bench) => void, limits?: Partial<TrackerLimits>): void => {
    test(`${factory.name}: ${name}`, () => run(new Bench(factory, limits)));
  };

  check('nobody is given to himself, a swarm is only its own', (b) => {
    assert.deepEqual(b.announce().peers, []);
    assert.deepEqual(b.announce({ port: 2 }).peers, ['10.0.0.1 1']);
    assert.deepEqual(b.announce({ infoHash: hashB, port: 3 }).peers, []);
    assert.deepEqual(b.announce().peers, ['10.0.0.1 2']);
    assert.deepEqual(b.counts(), [0, 2, 0]);
    assert.deepEqual(b.counts(hashB), [0, 1, 0]);
  });

  check('announcing again replaces; another port or address is another peer', (b) => {
    for (let i = 0; i < 3; i++) b.announce();
    b.announce({ port: 2 });
    b.announce({ address: ip4(2) });
    assert.deepEqual(b.counts(), [0, 3, 0]);
    assert.equal(b.store.stats().peerCount4, 3);
  });

  check('seeders are given leechers, leechers are given all', (b) => {
    b.announce({ port: 1, isSeeder: true });
    b.announce({ port: 2, isSeeder: true });
    b.announce({ port: 3 });
    assert.deepEqual(b.announce({ port: 1, isSeeder: true }).peers, ['10.0.0.1 3']);
    assert.deepEqual(b.announce({ port: 3 }).peers, ['10.0.0.1 1', '10.0.0.1 2']);
    assert.deepEqual(b.counts(), [2, 1, 0]);
    assert.equal(b.store.stats().seederCount, 2);
  });

  // aria2 1.36 with a magnet link says that nothing is left, and wants everybody.
  check('who starts is given all, whatever it says is left', (b) => {
    b.announce({ port: 1, isSeeder: true });
    b.announce({ port: 2 });
    assert.deepEqual(b.announce({ port: 3, isSeeder: true, event: 'started' }).peers, ['10.0.0.1 1', '10.0.0.1 2']);
    assert.deepEqual(b.announce({ port: 3, isSeeder: true }).peers, ['10.0.0.1 2']);
    assert.deepEqual(b.counts(), [2, 1, 0]);
  });

  check('completed counts once, and only who is a seeder now', (b) => {
    b.announce({ port: 1 });
    b.announce({ port: 1, event: 'completed' });
    assert.deepEqual(b.counts(), [0, 1, 0]);
    b.announce({ port: 1, event: 'completed', isSeeder: true });
    b.announce({ port: 1, event: 'completed', isSeeder: true });
    assert.deepEqual(b.counts(), [1, 0, 1]);
    b.announce({ port: 2, isSeeder: true });
    assert.deepEqual(b.counts(), [2, 0, 1]);
    b.announce({ port: 3, event: 'completed', isSeeder: true });
    assert.deepEqual(b.counts(), [3, 0, 2]);
  });

  check('a seeder that lost data is a leecher again', (b) => {
    b.announce({ isSeeder: true });
    b.announce();
    assert.deepEqual(b.counts(), [0, 1, 0]);
    assert.equal(b.store.stats().seederCount, 0);
  });

  check('stopped removes and is given nobody; stopping twice or unknown changes nothing', (b) => {
    b.announce({ port: 1, isSeeder: true });
    b.announce({ port: 2 });
    assert.deepEqual(b.announce({ port: 1, isSeeder: true, event: 'stopped' }).peers, []);
    b.announce({ port: 1, event: 'stopped' });
    b.announce({ port: 9, event: 'stopped' });
    b.announce({ infoHash: hashB, event: 'stopped' });
    assert.deepEqual(b.counts(), [0, 1, 0]);
    assert.equal(b.store.stats().swarmCount, 1);
  });

  check('both families in one swarm; who wants one gets one', (b) => {
    b.announce({ address: ip6(1), port: 6 });
    b.announce({ address: ip4(1), port: 4 });
    const asker = { address: ip4(9), port: 9 };
    assert.deepEqual(b.announce({ ...asker, families: 4 }).peers, ['10.0.0.1 4']);
    assert.deepEqual(b.announce({ ...asker, families: 6 }).peers, ['2001:db8::1 6']);
    assert.deepEqual(b.announce({ ...asker, families: 'both' }).peers, ['10.0.0.1 4', '2001:db8::1 6']);
    assert.deepEqual(b.counts(), [0, 3, 0]);
    const { peerCount4, peerCount6 } = b.store.stats();
    assert.deepEqual([peerCount4, peerCount6], [2, 1]);
  });

  check('the number wanted is kept, over both families; one fills up for the other', (b) => {
    for (let i = 0; i < 30; i++) b.announce({ address: ip4(i + 100) });
    for (let i = 0; i < 3; i++) b.announce({ address: ip6(i) });
    for (const numWant of [0, 1, 2, 5, 20, 33]) assert.equal(b.announce({ numWant }).peers.length, numWant);
    assert.equal(b.announce({ numWant: 500 }).peers.length, 33);
    assert.equal(b.announce({ address: ip6(77), numWant: 20 }).peers.length, 20);
  });

  check(
    'the most that an operator allows is kept',
    (b) => {
      for (let i = 0; i < 30; i++) b.announce({ address: ip4(i + 100) });
      assert.equal(b.announce({ numWant: 1_000_000_000 }).peers.length, 7);
    },
    { numWantMax: 7 },
  );

  check('every peer is as likely as any other, none comes twice', (b) => {
    const peers = 40;
    const rounds = 4_000;
    for (let i = 0; i < peers; i++) b.announce({ address: ip4(i + 100), isSeeder: i % 3 === 0 });
    const seen = new Map<string, number>();
    for (let i = 0; i < rounds; i++) {
      const given = b.announce({ numWant: 10 }).peers;
      assert.equal(new Set(given).size, 10);
      for (const name of given) seen.set(name, (seen.get(name) ?? 0) + 1);
    }
    assert.equal(seen.size, peers);
    // 1,000 expected each, standard deviation 27.
    for (const [name, count] of seen) assert(count > 850 && count < 1_150, `${name} came ${count} times`);
  });

  check('silent peers leave at the sweep after their time, and not before', (b) => {
    b.announce({ port: 1 });
    b.pass(TTL_MS / 2);
    b.announce({ port: 2, isSeeder: true });
    b.pass(TTL_MS / 2 - 20_000);
    assert.equal(b.sweepAll(), 0);
    b.pass(40_000);
    assert.equal(b.sweepAll(), 1);
    assert.deepEqual(b.announce({ port: 3 }).peers, ['10.0.0.1 2']);
    b.pass(TTL_MS + 20_000);
    assert.equal(b.sweepAll(), 2);
    assert.deepEqual(b.counts(), [0, 0, 0]);
    assert.equal(b.store.stats().swarmCount, 0);
  });

  check(
    'an empty swarm is kept for its count of completed, then forgotten',
    (b) => {
      b.announce({ event: 'completed', isSeeder: true });
      b.announce({ event: 'stopped' });
      b.pass(3_000_000);
      b.sweepAll();
      assert.deepEqual(b.counts(), [0, 0, 1]);
      b.pass(1_000_000);
      b.sweepAll();
      assert.deepEqual(b.counts(), [0, 0, 0]);
      assert.equal(b.store.stats().swarmCount, 0);
    },
    { emptySwarmMs: 3_600_000 },
  );

  check('one round of the sweep finds all who are silent, also where runs of peers become smaller under it', (b) => {
    const swarms = 100;
    const each = 100;
    for (let i = 0; i < swarms * each; i++) {
      b.announce({ address: ip4(i), infoHash: new Uint8Array(20).fill(i % swarms), numWant: 0 });
    }
    b.pass(TTL_MS / 2);
    // Every fifth is heard again.
    for (let i = 0; i < swarms * each; i += 5) {
      b.announce({ address: ip4(i), infoHash: new Uint8Array(20).fill(i % swarms), numWant: 0 });
    }
    b.pass(TTL_MS / 2 + 20_000);
    let removed = 0;
    // A look at each peer and each swarm, and a little for the ends.
    const steps = Math.ceil((swarms * (each + 1)) / b.limits.sweepPeersMax) + 2;
    for (let i = 0; i < steps; i++) removed += b.store.sweep(b.now);
    assert.equal(removed, (swarms * each * 4) / 5);
  });

  check(
    'a sweep step is bounded, and steps reach everybody',
    (b) => {
      for (let i = 0; i < 3_000; i++)
        b.announce({ address: ip4(i), infoHash: i % 2 === 0 ? hashA : new Uint8Array(20).fill(i) });
      b.pass(TTL_MS * 2);
      let steps = 0;
      let removed = 0;
      while (removed < 3_000 && steps < 1_000) {
        const step = b.store.sweep(b.now);
        assert(step <= 50);
        removed += step;
        steps++;
      }
      assert.equal(removed, 3_000);
      assert(steps >= 60);
    },
    { sweepPeersMax: 50 },
  );

  check(
    'a full store answers, but keeps nobody new',
    (b) => {
      for (let i = 0; i < 5; i++) assert.equal(b.announce({ address: ip4(i) }).isStored, true);
      const over = b.announce({ address: ip4(9) });
      assert.equal(over.isStored, false);
      assert.equal(over.peers.length, 5);
      assert.equal(b.announce({ address: ip4(3), isSeeder: true }).isStored, true);
      assert.equal(b.announce({ infoHash: hashB, address: ip4(3) }).isStored, false);
      assert.equal(b.announce({ infoHash: new Uint8Array(20), address: ip4(3) }).isStored, false);
      b.announce({ address: ip4(0), event: 'stopped' });
      assert.equal(b.announce({ address: ip4(9) }).isStored, true);
      assert.deepEqual(b.counts(), [1, 4, 0]);
    },
    { peersMax: 5, swarmsMax: 2 },
  );

  check(
    'swarms that came, were completed and left keep no other out',
    (b) => {
      const torrent = (n: number) => Uint8Array.from({ length: 20 }, (_, i) => (i < 2 ? (n >>> (8 * i)) & 0xff : 7));
      for (let n = 0; n < 200; n++) {
        const infoHash = torrent(n);
        assert.equal(b.announce({ infoHash }).isStored, true);
        b.announce({ infoHash, isSeeder: true, event: 'completed' });
        b.announce({ infoHash, isSeeder: true, event: 'stopped' });
      }
      assert.equal(b.announce({ infoHash: torrent(999) }).isStored, true);
      assert.deepEqual(b.scrape([torrent(0)]), [[0, 0, 1]]);
    },
    { swarmsMax: 100 },
  );

  check('a scrape answers in order, zeros for the unknown', (b) => {
    b.announce({ infoHash: hashB, isSeeder: true });
    b.announce();
    assert.deepEqual(b.scrape([hashB, new Uint8Array(20), hashA]), [
      [1, 0, 0],
      [0, 0, 0],
      [0, 1, 0],
    ]);
  });

  check('web peers are given to web peers only, and counted for all', (b) => {
    const web = { network: 'web', families: 'web' } as const;
    b.announce({ address: ip4(1), port: 4 });
    b.announce({ address: ip6(1), port: 6 });
    b.announce({ ...web, address: ip4(1), port: 4, isSeeder: true });
    assert.deepEqual(b.announce({ ...web, address: ip4(2), port: 5 }).peers, ['10.0.0.1 4 web']);
    assert.deepEqual(b.announce({ address: ip4(9), port: 9 }).peers, ['10.0.0.1 4', '2001:db8::1 6']);
    assert.deepEqual(b.counts(), [1, 4, 0]);
    const { peerCount4, peerCount6, peerCountWeb, swarmCount } = b.store.stats();
    assert.deepEqual([peerCount4, peerCount6, peerCountWeb, swarmCount], [2, 1, 2, 1]);
    b.announce({ ...web, address: ip4(1), port: 4, event: 'stopped' });
    assert.deepEqual(b.announce({ ...web, address: ip4(2), port: 5 }).peers, []);
    assert.deepEqual(b.counts(), [0, 4, 0]);
  });

  check('downloaded is one number, whatever the networks of who completed, and outlives their peers', (b) => {
    const completed = { event: 'completed', isSeeder: true } as const;
    b.announce({ ...completed, address: ip4(1) });
    b.announce({ ...completed, address: ip6(1) });
    b.announce({ ...completed, address: ip4(1), network: 'web', families: 'web' });
    assert.deepEqual(b.counts(), [3, 0, 3]);
    b.announce({ address: ip4(1), event: 'stopped' });
    b.announce({ address: ip4(1), network: 'web', event: 'stopped' });
    assert.deepEqual(b.counts(), [1, 0, 3]);
    b.announce({ address: ip6(1), event: 'stopped' });
    assert.deepEqual(b.counts(), [0, 0, 3]);
    b.announce({ address: ip4(1), network: 'web' });
    assert.deepEqual(b.counts(), [0, 1, 3]);
    assert.equal(b.store.stats().swarmCount, 1);
  });

  for (const network of [4, 6, 'web'] as const) {
    test(`${factory.name}: a swarm grows to thousands and shrinks to nothing, network ${network}`, () =>
      growAndShrink(new Bench(factory), network));
  }

  check('in a large swarm too everybody is as likely, and seeders get leechers only', (b) => {
    const peers = 900;
    const rounds = 6_000;
    for (let i = 0; i < peers; i++) b.announce({ address: ip4(i + 100), isSeeder: i % 3 === 0 });
    for (const isSeeder of [false, true]) {
      const seen = new Map<string, number>();
      for (let i = 0; i < rounds; i++) {
        const given = b.announce({ isSeeder, numWant: 50 }).peers;
        assert.equal(new Set(given).size, 50);
        for (const name of given) seen.set(name, (seen.get(name) ?? 0) + 1);
      }
      const eligible = isSeeder ? peers - peers / 3 : peers;
      assert.equal(seen.size, eligible);
      const expected = (rounds * 50) / eligible;
      for (const [name, count] of seen) {
        assert(Math.abs(count - expected) < 5.5 * Math.sqrt(expected), `${name} came ${count} times, not ${expected}`);
      }
    }
  });

  check('many swarms come and go; those that stay are found', (b) => {
    const hashOf = (i: number) => seededRng(i).bytes(20);
    for (let i = 0; i < 20_000; i++) assert.equal(b.announce({ infoHash: hashOf(i), numWant: 0 }).isStored, true);
    assert.equal(b.store.stats().swarmCount, 20_000);
    for (let i = 0; i < 20_000; i++) if (i % 10 !== 0) b.announce({ infoHash: hashOf(i), event: 'stopped' });
    b.sweepAll();
    assert.equal(b.store.stats().swarmCount, 2_000);
    const asked = Array.from({ length: 2_857 }, (_, i) => i * 7);
    const expected = asked.map((i) => [0, i % 10 === 0 ? 1 : 0, 0]);
    for (const [at, i] of asked.entries()) assert.deepEqual(b.counts(hashOf(i)), expected[at]);
    // More than any transport takes in one, and together what was right alone.
    assert.deepEqual(b.scrape(asked.map(hashOf)), expected);
  });

  for (const seed of [1, 2, 3]) {
    test(`${factory.name}: agrees with a naive reference, seed ${seed}`, () => compareWithReference(factory, seed));
  }
}

function growAndShrink(b: Bench, network: PeerNetwork): void {
  const rng = seededRng(7);
  const peers = 6_000;
  const addressOf = (i: number) => (network === 6 ? ip6(i) : ip4(i));
  const families = network === 'web' ? 'web' : 'both';
  const order = rng.shuffle(Array.from({ length: peers }, (_, i) => i));
  const there = new Set<number>();
  for (const i of order) {
    b.announce({ address: addressOf(i), network, isSeeder: i % 4 === 0, numWant: 0 });
    there.add(i);
  }
  const check = () => {
    const seeders = [...there].filter((i) => i % 4 === 0).length;
    assert.deepEqual(b.counts(), [seeders, there.size - seeders, 0]);
    const { peers: given } = b.announce({ address: addressOf(0), network, port: 2, families, numWant: 100 });
    assert.equal(given.length, Math.min(there.size, 100));
    assert.equal(new Set(given).size, given.length);
    b.announce({ address: addressOf(0), network, port: 2, event: 'stopped' });
  };
  check();
  for (const [n, i] of rng.shuffle(order).entries()) {
    b.announce({ address: addressOf(i), network, event: 'stopped' });
    there.delete(i);
    if (n % 500 === 0 || there.size < 200) check();
  }
  assert.deepEqual(b.counts(), [0, 0, 0]);
}

interface ModelPeer {
  isSeeder: boolean;
  seenAt: number;
}
interface ModelSwarm {
  readonly peers: Map<string, ModelPeer>;
  downloaded: number;
}

/** Random announces over few swarms, one of them large; after each, the answer and the counts must be possible ones. */
function compareWithReference(factory: SwarmStoreFactory, seed: number): void {
  const rng = seededRng(seed);
  const b = new Bench(factory, { emptySwarmMs: 1e12 });
  const model = new Map<string, ModelSwarm>();
  const hashes = [1, 2, 3, 4].map((n) => new Uint8Array(20).fill(n));
  for (let step = 0; step < 12_000; step++) {
    const infoHash = hashes[Math.min(rng.below(8), 3)] as Uint8Array;
    const key = toHex(infoHash);
    const peer = rng.below(key.startsWith('04') ? 400 : 12);
    const network = ([4, 4, 6, 'web'] as const)[rng.below(4)] ?? 4;
    const a: Required<Asked> = {
      infoHash,
      address: network === 6 ? ip6(peer) : ip4(peer),
      network,
      port: 1 + rng.below(2),
      isSeeder: rng.below(3) === 0,
      event: (['none', 'none', 'started', 'completed', 'stopped'] as const)[rng.below(5)] ?? 'none',
      numWant: rng.below(60),
      families: ([4, 6, 'both', 'web'] as const)[rng.below(4)] ?? 'both',
    };
    const name = `${formatIp(a.address)} ${a.port}${network === 'web' ? ' web' : ''}`;
    const swarm = model.get(key) ?? { peers: new Map<string, ModelPeer>(), downloaded: 0 };
    if (a.event === 'stopped') swarm.peers.delete(name);
    else {
      if (a.event === 'completed' && a.isSeeder && swarm.peers.get(name)?.isSeeder !== true) swarm.downloaded++;
      swarm.peers.set(name, { isSeeder: a.isSeeder, seenAt: b.now });
      model.set(key, swarm);
    }
    // A hint changes nothing: of swarms that are there or not, and of one that is not announced to at all.
    if (step % 3 === 0) b.lookAhead([infoHash, ...hashes]);
    const answer = b.announce(a);
    checkAnswer(swarm, { a, name, given: answer.peers });
    assert.deepEqual([answer.complete, answer.incomplete, answer.downloaded], countsOf(swarm), `step ${step}`);
    if (step % 50 === 0) {
      const none = { peers: new Map<string, ModelPeer>(), downloaded: 0 };
      const counts = hashes.map((hash) => countsOf(model.get(toHex(hash)) ?? none));
      assert.deepEqual(b.scrape(hashes), counts, `scrape at step ${step}`);
    }

    if (rng.below(500) === 0) {
      // Far from the edge, so that the store's coarser clock makes no difference.
      b.pass(TTL_MS + 100_000 + rng.below(50_000));
      const kept = rng.below(2) === 0 ? a : undefined;
      if (kept !== undefined && kept.event !== 'stopped') {
        b.announce({ ...kept, event: 'none' });
        (swarm.peers.get(name) as ModelPeer).seenAt = b.now;
      }
      let expected = 0;
      for (const { peers } of model.values()) {
        for (const [other, { seenAt }] of peers) {
          if (b.now - seenAt <= TTL_MS) continue;
          peers.delete(other);
          expected++;
        }
      }
      assert.equal(b.sweepAll(), expected, `sweep at step ${step}`);
    } else if (rng.below(20) === 0) b.pass(rng.below(2_000));
  }
  const all = [...model.values()].flatMap((swarm) => [...swarm.peers.entries()]);
  const { peerCount4, peerCount6, peerCountWeb, seederCount } = b.store.stats();
  assert.equal(peerCount6, all.filter(([name]) => familyOf(name) === 6).length);
  assert.equal(peerCountWeb, all.filter(([name]) => familyOf(name) === 'web').length);
  assert.equal(peerCount4 + peerCount6 + peerCountWeb, all.length);
  assert.equal(seederCount, all.filter(([, peer]) => peer.isSeeder).length);
  for (const [key, swarm] of model) {
    assert.deepEqual(b.counts(hashes.find((hash) => toHex(hash) === key)), countsOf(swarm));
  }
}

function familyOf(name: string): PeerNetwork {
  return name.endsWith(' web') ? 'web' : name.includes(':') ? 6 : 4;
}

function countsOf(swarm: ModelSwarm): number[] {
  const complete = [...swarm.peers.values()].filter((peer) => peer.isSeeder).length;
  return [complete, swarm.peers.size - complete, swarm.downloaded];
}

function checkAnswer(swarm: ModelSwarm, o: { a: Required<Asked>; name: string; given: string[] }): void {
  const { a, name, given } = o;
  const eligible = [...swarm.peers].filter(
    ([other, peer]) =>
      other !== name &&
      !(a.isSeeder && a.event !== 'started' && peer.isSeeder) &&
      (a.families === 'both' ? familyOf(other) !== 'web' : a.families === familyOf(other)),
  );
  const names = new Set(eligible.map(([other]) => other));
  assert.equal(new Set(given).size, given.length, 'nobody twice');
  for (const peer of given) assert(names.has(peer), `${peer} was not to be given`);
  assert.equal(given.length, a.event === 'stopped' ? 0 : Math.min(a.numWant, names.size));
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIp, isLocalNetwork, type Millis, parseIp, seededRng } from '#base';
import {
  AnnounceCall,
  DenseStore,
  ScrapeCall,
  type TrackerHooks,
  type TrackerLimits,
  TrackerLogic,
  toTrackerLimits,
} from '#tracker';
import type { AnnounceRequest, TrackerRefusal } from '#wire';

const now = 0 as Millis;

function ip(text: string): Uint8Array {
  return parseIp(text) as Uint8Array;
}

function newLogic(limits: Partial<TrackerLimits> = {}, hooks: TrackerHooks[] = []): TrackerLogic {
  const all = toTrackerLimits(limits);
  return new TrackerLogic({
    store: DenseStore.create({ limits: all, rng: seededRng(1) }),
    limits: all,
    hooks,
    rng: seededRng(2),
  });
}

interface Asked extends Partial<AnnounceRequest> {
  source?: Uint8Array;
  peersMax?: number;
}

/** @returns the call with its answer, or the refusal */
function announce(logic: TrackerLogic, over: Asked = {}): AnnounceCall | TrackerRefusal {
  const { source = ip('198.51.100.1'), peersMax = 1_000, ...request } = over;
  const call = new AnnounceCall();
  call.ask(
    {
      infoHash: new Uint8Array(20),
      peerId: new Uint8Array(20),
      port: 1,
      uploaded: 0,
      downloaded: 0,
      left: 1,
      event: 'none',
      numWant: -1,
      key: 0,
      ...request,
    },
    { via: 'udp', source, families: 'both', peersMax, out: new Uint8Array(20_000) },
  );
  return logic.announce(now, call) ?? call;
}

function answered(verdict: AnnounceCall | TrackerRefusal): AnnounceCall {
  assert(verdict instanceof AnnounceCall, 'not refused');
  return verdict;
}

function peersOf(logic: TrackerLogic): string[] {
  const { peers4, peers6 } = answered(announce(logic, { port: 9_999, numWant: 100 }));
  const hosts: string[] = [];
  for (let at = 0; at < peers4.length; at += 6) hosts.push(formatIp(peers4.subarray(at, at + 4)));
  for (let at = 0; at < peers6.length; at += 18) hosts.push(formatIp(peers6.subarray(at, at + 16)));
  return hosts.sort();
}

test('intervals are spread between the interval and its jitter', () => {
  const logic = newLogic({ intervalSec: 1_000, intervalJitterSec: 100, minIntervalSec: 200 });
  const seen = new Set<number>();
  for (let i = 0; i < 2_000; i++) {
    const answer = answered(announce(logic));
    assert.equal(answer.minIntervalSec, 200);
    seen.add(answer.intervalSec);
  }
  assert.equal(Math.min(...seen), 1_000);
  assert.equal(Math.max(...seen), 1_100);
  assert(seen.size > 90);
});

test('peers given: the default, what is wanted, what is allowed, what has room', () => {
  const logic = newLogic({ numWantDefault: 10, numWantMax: 20 });
  for (let i = 1; i <= 40; i++) announce(logic, { port: i });
  const given = (numWant: number, peersMax = 1_000): number => {
    return answered(announce(logic, { port: 1, numWant, peersMax })).peerCount4;
  };
  assert.equal(given(-1), 10);
  assert.equal(given(0), 0);
  assert.equal(given(15), 15);
  assert.equal(given(1_000_000), 20);
  assert.equal(given(15, 4), 4);
});

test('port 0 is refused, except from who leaves', () => {
  const logic = newLogic();
  assert.deepEqual(announce(logic, { port: 0 }), { reason: 'port is not 1 to 65535' });
  answered(announce(logic, { port: 0, event: 'stopped' }));
});

test('an address named by the client counts from private networks only, and only where it can be dialled', () => {
  const cases: [source: string, named: string, kept: string][] = [
    ['127.0.0.1', '203.0.113.7', '203.0.113.7'],
    ['10.0.0.9', '203.0.113.7', '203.0.113.7'],
    ['192.168.3.4', '2001:db8::7', '2001:db8::7'],
    ['::1', '::ffff:203.0.113.7', '203.0.113.7'],
    ['198.51.100.2', '203.0.113.7', '198.51.100.2'],
    ['2001:db8::5', '203.0.113.7', '2001:db8::5'],
    ['127.0.0.1', 'tracker.example', '127.0.0.1'],
    ['127.0.0.1', '0.0.0.0', '127.0.0.1'],
    ['127.0.0.1', '239.1.1.1', '127.0.0.1'],
    ['127.0.0.1', '::', '127.0.0.1'],
  ];
  for (const [source, named, kept] of cases) {
    const logic = newLogic();
    announce(logic, { ip: named, source: ip(source) });
    assert.deepEqual(peersOf(logic), [kept], `${source} naming ${named}`);
  }
});

test('local networks', () => {
  const local = [
    '127.9.9.9',
    '10.1.1.1',
    '172.16.0.1',
    '172.31.255.1',
    '192.168.0.1',
    '169.254.1.1',
    '::1',
    'fd00::1',
    'fe80::1',
  ];
  const others = [
    '126.0.0.1',
    '11.0.0.1',
    '172.15.0.1',
    '172.32.0.1',
    '192.169.0.1',
    '100.64.0.1',
    '8.8.8.8',
    '::2',
    '2001:db8::1',
    'ff02::1',
  ];
  for (const text of local) assert(isLocalNetwork(ip(text)), text);
  for (const text of others) assert(!isLocalNetwork(ip(text)), text);
});

test('hooks see requests before the swarm does, and answers after', () => {
  const seen: string[] = [];
  const hooks: TrackerHooks[] = [
    {
      preAnnounce: (a) => (a.port === 666 ? { reason: 'not you', retryInSec: Number.POSITIVE_INFINITY } : undefined),
    },
    {
      preAnnounce: (a) => {
        seen.push(`pre ${a.port}`);
        return undefined;
      },
      postAnnounce: (a) => {
        seen.push(`post ${a.port} ${a.incomplete}`);
        a.intervalSec = 77;
      },
      preScrape: (s) => (s.count > 1 ? { reason: 'one at a time' } : undefined),
    },
  ];
  const logic = newLogic({}, hooks);
  assert.deepEqual(announce(logic, { port: 666 }), { reason: 'not you', retryInSec: Number.POSITIVE_INFINITY });
  assert.equal(answered(announce(logic, { port: 5 })).intervalSec, 77);
  assert.deepEqual(seen, ['pre 5', 'post 5 1']);
  const hash = new Uint8Array(20);
  const call = new ScrapeCall();
  call.ask([hash, hash], { via: 'http', source: ip('::1') });
  assert.deepEqual(logic.scrape(now, call), { reason: 'one at a time' });
  call.ask([hash], { via: 'http', source: ip('::1') });
  assert.equal(logic.scrape(now, call), undefined);
  assert.deepEqual(call.rowAt(0), { complete: 0, incomplete: 1, downloaded: 0 });
});

test('a full tracker says when to come back', () => {
  const logic = newLogic({ peersMax: 1, retryWhenFullSec: 60 });
  answered(announce(logic, { port: 1 }));
  assert.deepEqual(announce(logic, { port: 2 }), { reason: 'the tracker is full', retryInSec: 60 });
});

test('limits: what an operator sets is brought into range, the rest follows from it', () => {
  const limits = toTrackerLimits({ intervalSec: 600, numWantMax: 30, peerTtlMs: 1e12 });
  assert.equal(limits.numWantDefault, 30);
  assert.equal(limits.minIntervalSec, 100);
  assert.equal(limits.intervalJitterSec, 100);
  assert.equal(limits.peerTtlMs, 3 * 86_400_000);
  assert.equal(toTrackerLimits({ intervalSec: 600 }).peerTtlMs, 1_520_000);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, type Millis, NEVER, type Rng, seededRng } from '#base';
import { type AnnounceFigures, type AnnounceOutcome, Announcer } from '#room/swarm/announcer';
import type { AnnounceRequest, AnnounceResponse } from '#wire';

const figures: AnnounceFigures = { uploaded: 1, downloaded: 2, left: 3, port: 6881, numWant: 50 };
/** No luck, no shuffle: what comes out can be written down. */
const plainRng: Rng = { ...seededRng(1), unit: () => 0, shuffle: (items) => items, below: () => 0 };
const hashA = new Uint8Array(20).fill(0xaa);
const hashB = new Uint8Array(20).fill(0xbb);

function newAnnouncer(tiers: string, options: { hashes?: Uint8Array[]; rng?: Rng } = {}): Announcer {
  return new Announcer({
    tiers: tiers.split(' | ').map((tier) => tier.split(' ')),
    infoHashes: options.hashes ?? [hashA],
    peerId: new Uint8Array(20),
    key: 7,
    rng: options.rng ?? plainRng,
  });
}

const outcomes: Record<string, AnnounceOutcome> = {
  ok: { ok: true, response: { intervalSec: 1800, peers: [] } },
  fast: { ok: true, response: { intervalSec: 1, minIntervalSec: 0, peers: [] } },
  slow: { ok: true, response: { intervalSec: 604_800, peers: [] } },
  min: { ok: true, response: { intervalSec: 1800, minIntervalSec: 900, peers: [] } },
  id: { ok: true, response: { intervalSec: 1800, trackerId: 'x7', peers: [] } },
  timeout: { ok: false, error: new BtError('tracker/timeout', { url: 'u' }) },
  refused: { ok: false, error: new BtError('tracker/refused', { url: 'u', reason: 'no' }) },
  later: { ok: false, error: new BtError('tracker/refused', { url: 'u', reason: 'no' }), retryInSec: 300 },
  never: {
    ok: false,
    error: new BtError('tracker/refused', { url: 'u', reason: 'no' }),
    retryInSec: Number.POSITIVE_INFINITY,
  },
  unsupported: { ok: false, error: new BtError('tracker/unsupported', { url: 'u' }) },
};

/**
 * A script, one line each, time in seconds:
 *
 *     @SEC due = URL:EVENT:REASON ...   what is sent (`url/b` is the second info-hash); due0: with nothing left
 *     URL OUTCOME                       the answer comes; next = SEC|never says when due has more
 *     start [complete] | complete | want | stop | tier URL... | hash | stopped = true|false
 */
function check(name: string, tiers: string, script: string, options: { hashes?: Uint8Array[] } = {}): void {
  test(`announcer: ${name}`, () => {
    const announcer = newAnnouncer(tiers, options);
    const open = new Map<string, AnnounceRequest>();
    let now = 0 as Millis;
    const say = (url: string, request: AnnounceRequest) => (request.infoHash[0] === 0xbb ? `${url}/b` : url);
    const run = (words: string[]): string | undefined => {
      const [verb = '', arg = ''] = words;
      if (verb === 'due' || verb === 'due0') {
        const calls = announcer.due(now, verb === 'due0' ? { ...figures, left: 0 } : figures);
        for (const { url, request } of calls) open.set(say(url, request), request);
        return calls.map(({ url, request, reason }) => `${say(url, request)}:${request.event}:${reason}`).join(' ');
      }
      if (verb === 'next') {
        const at = announcer.nextAt();
        return at === NEVER ? 'never' : String(at / 1000);
      }
      if (verb === 'stopped') return String(announcer.isQuiet);
      if (verb === 'start') announcer.start(now, arg === 'complete');
      else if (verb === 'complete') announcer.complete();
      else if (verb === 'want') announcer.wantPeers();
      else if (verb === 'stop') announcer.stop();
      else if (verb === 'hash') announcer.addHash(now, hashB);
      else if (verb === 'tier') announcer.addTier(now, words.slice(1));
      else
        announcer.onResult(
          now,
          verb.split('/')[0] as string,
          open.get(verb) as AnnounceRequest,
          outcomes[arg] as AnnounceOutcome,
        );
      return undefined;
    };
    for (const line of script.trim().split('\n')) {
      const [command = '', want] = line.trim().split(/ =(?: |$)/);
      let words = command.split(' ');
      if (words[0]?.startsWith('@') === true) {
        now = (Number(words[0].slice(1)) * 1000) as Millis;
        words = words.slice(1);
      }
      const got = words.length === 0 ? undefined : run(words);
      if (want !== undefined) assert.equal(got, want, line);
    }
  });
}

check(
  'started, then regular reports at the interval, then stopped',
  'a',
  `due =
   next = never
   start
   next = 0
   due = a:started:started
   next = never
   @1 a ok
   next = 1801
   @1800 due =
   @1801 due = a:none:interval
   a ok
   stop
   next = 0
   due = a:stopped:stopped
   stopped = false
   next = never
   due =
   a timeout
   stopped = true`,
);

check(
  'completed is told at once, and once',
  'a',
  `start
   due = a:started:started
   a ok
   @100 complete
   next = 0
   due0 = a:completed:completed
   a ok
   next = 1900
   @1900 due0 = a:none:interval`,
);

check(
  'what was complete at the start is not completed later',
  'a',
  `start complete
   due0 = a:started:started
   a ok
   complete
   @10 due0 =`,
);

check(
  'a tracker that hears of us only when all is here has nothing to count',
  'a | b',
  `start
   due = a:started:started b:started:started
   a ok
   b timeout
   complete
   @5 due0 = a:completed:completed b:started:retry
   b ok
   a ok
   @10 due0 =`,
);

check(
  'completed waits for the tracker that is down',
  'a',
  `start
   due = a:started:started
   a ok
   complete
   @10 due0 = a:completed:completed
   a timeout
   next = 15
   @15 due0 = a:completed:retry
   a ok
   @20 due0 =`,
);

check(
  'in a tier the next is tried when one fails, and the one that works moves to the front',
  'a b c',
  `start
   due = a:started:started
   a timeout
   due = b:started:started
   b ok
   next = 1800
   @1800 due = b:none:interval
   b timeout
   due = a:started:retry
   a timeout
   due = c:started:started
   c ok
   @3600 due = c:none:interval`,
);

check(
  'tiers are announced to in parallel',
  'a b | c',
  `start
   due = a:started:started c:started:started
   c ok
   a timeout
   due = b:started:started`,
);

check(
  'failures double the wait up to an hour',
  'a',
  `start
   due = a:started:started
   a timeout
   next = 5
   @5 due = a:started:retry
   a timeout
   next = 15
   @15 due = a:started:retry
   a timeout
   next = 35
   @35 due = a:started:retry
   a refused
   next = 515`,
);

check(
  'a tracker may say when to come back, or never (BEP 31)',
  'a | b | c',
  `start
   due = a:started:started b:started:started c:started:started
   a later
   b never
   c unsupported
   next = 300
   @300 due = a:started:retry-in
   a never
   next = never`,
);

check(
  'wanting peers asks at the minimum, not sooner',
  'a | b',
  `start
   due = a:started:started b:started:started
   a min
   b ok
   want
   next = 60
   @60 due = b:none:want-peers
   b ok
   next = 900
   @900 due = a:none:want-peers`,
);

check(
  'intervals out of proportion are brought into range',
  'a | b',
  `start
   due = a:started:started b:started:started
   a fast
   b slow
   next = 10
   @10 due = a:none:interval
   a never
   next = 86400`,
);

check(
  'a hybrid is announced in both swarms, and one may fail alone',
  'a b',
  `start
   due = a:started:started a/b:started:started
   a ok
   a/b refused
   due = b/b:started:started
   b/b ok
   stop
   due = a:stopped:stopped b/b:stopped:stopped
   a ok
   stopped = false
   b/b ok
   stopped = true`,
  { hashes: [hashA, hashB] },
);

check(
  'stopped goes to whoever accepted a started, also where it failed later, and to nobody else',
  'a b | c | d',
  `start
   due = a:started:started c:started:started d:started:started
   a ok
   c refused
   @1800 due = a:none:interval c:started:retry
   a timeout
   due = b:started:started
   b ok
   stop
   due = b:stopped:stopped a:stopped:stopped
   d ok
   next = 0
   due = d:stopped:stopped
   c ok
   due = c:stopped:stopped
   a ok
   b ok
   d ok
   stopped = false
   c ok
   stopped = true`,
);

check(
  'a torrent that never reached a tracker has nothing to take back',
  'a',
  `start
   due = a:started:started
   stop
   stopped = false
   a timeout
   stopped = true
   due =`,
);

check(
  'trackers and hashes may come later',
  'a',
  `start
   due = a:started:started
   a ok
   @5 tier a b b
   due = b:started:started
   hash
   due = a/b:started:started b/b:started:started`,
);

check(
  'a restart begins anew',
  'a',
  `start
   due = a:started:started
   a ok
   stop
   due = a:stopped:stopped
   start
   due = a:started:started
   a ok
   next = 1800`,
);

test('announcer: an answer from before a restart is nobody’s', () => {
  const announcer = newAnnouncer('a');
  announcer.start(0 as Millis, false);
  announcer.due(0 as Millis, figures);
  const stopped = { infoHash: hashA, event: 'stopped' as const };
  assert.deepEqual(announcer.onResult(0 as Millis, 'a', stopped, outcomes['ok'] as AnnounceOutcome).peers, []);
  assert.equal(announcer.state()[0]?.status, 'announcing');
});

test('announcer: requests carry figures, key and the tracker’s id', () => {
  const announcer = newAnnouncer('a');
  announcer.start(0 as Millis, false);
  const [first] = announcer.due(0 as Millis, { ...figures, port: 0 });
  assert.deepEqual(first?.request, {
    infoHash: hashA,
    peerId: new Uint8Array(20),
    port: 1,
    uploaded: 1,
    downloaded: 2,
    left: 3,
    event: 'started',
    numWant: 50,
    key: 7,
  });
  announcer.onResult(0 as Millis, 'a', first?.request as AnnounceRequest, outcomes['id'] as AnnounceOutcome);
  announcer.stop();
  const [last] = announcer.due(0 as Millis, figures);
  assert.equal(last?.request.trackerId, 'x7');
  assert.equal(last?.request.numWant, 0);
});

test('announcer: the ledger says what happened and what is next', () => {
  const announcer = newAnnouncer('a b | c');
  announcer.start(0 as Millis, false);
  const calls = announcer.due(0 as Millis, figures);
  const answer: AnnounceResponse = { intervalSec: 60, complete: 3, incomplete: 4, warning: 'soon closed', peers: [] };
  announcer.onResult(9 as Millis, 'a', calls[0]?.request as AnnounceRequest, { ok: true, response: answer });
  announcer.onResult(9 as Millis, 'c', calls[1]?.request as AnnounceRequest, outcomes['refused'] as AnnounceOutcome);
  const rows = announcer.state().map((r) => [r.url, r.tier, r.status, r.complete, r.warning, r.nextAt, r.nextReason]);
  assert.deepEqual(rows, [
    ['a', 0, 'working', 3, 'soon closed', 60_009, 'interval'],
    ['b', 0, 'standby', undefined, undefined, undefined, undefined],
    ['c', 1, 'failing', undefined, undefined, 60_009, 'retry'],
  ]);
});

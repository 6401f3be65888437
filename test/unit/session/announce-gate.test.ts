import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMs, type Millis, NEVER, type TorrentId } from '#base';
import { AnnounceGate } from '#room/session/announce-gate';
import { sessionLimits as limits } from '#session';
import type { AnnounceRequest } from '#wire';

const url = 'http://192.0.2.7/announce';

function place() {
  const sent: { torrent: number; url: string; event: string }[] = [];
  const ports = {
    announce: (torrent: TorrentId, to: string, request: AnnounceRequest) => {
      sent.push({ torrent, url: to, event: request.event });
    },
    scrape: () => assert.fail('nobody scrapes'),
  };
  let now = 1_000 as Millis;
  const gate = new AnnounceGate(ports, now);
  const say = (torrent: number, event: AnnounceRequest['event'] = 'started', to = url) => {
    const request = { event, infoHash: new Uint8Array(20) } as AnnounceRequest;
    gate.announce(now, torrent as TorrentId, to, request);
  };
  const answer = (count: number, to = url) => {
    for (let i = 0; i < count; i++) gate.onAnnounced(now, to);
  };
  /** Wakes the gate whenever it asks for it. */
  const run = (ms: number) => {
    const end = addMs(now, ms);
    for (let at = gate.nextAt; at <= end; at = gate.nextAt) {
      now = Math.max(at, now + 1) as Millis;
      gate.onTimer(now);
    }
    now = end;
  };
  /** Time in which nobody wakes it. */
  const pass = (ms: number) => {
    now = addMs(now, ms);
  };
  return { gate, sent, say, answer, run, pass };
}

test('a few announces leave at once', () => {
  const { sent, say, gate } = place();
  for (let n = 0; n < limits.announceBurst; n++) say(n);
  assert.equal(sent.length, limits.announceBurst);
  assert.equal(gate.waiting, 0);
  assert.equal(gate.nextAt, NEVER);
});

test('thousands leave in the order they came, so many a second', () => {
  const { sent, say, answer, run } = place();
  for (let n = 0; n < 2_000; n++) say(n);
  for (let second = 1; second <= 10; second++) {
    answer(sent.length - (second - 1) * limits.announcesPerSec);
    run(1_000);
    const expected = limits.announceBurst + second * limits.announcesPerSec;
    assert.ok(Math.abs(sent.length - expected) <= 2, `${sent.length} after ${second} s, ${expected} expected`);
  }
  assert.deepEqual(
    sent.map((s) => s.torrent),
    sent.map((_, i) => i),
  );
});

test('a tracker that does not answer has so many open, and keeps none from another', () => {
  const { sent, say, run, gate, answer } = place();
  for (let n = 0; n < 300; n++) say(n);
  run(60_000);
  assert.equal(sent.length, limits.announcesInFlightMax);
  assert.equal(gate.nextAt, NEVER, 'only an answer helps');
  say(900, 'started', 'http://192.0.2.8/announce');
  assert.equal(sent.at(-1)?.torrent, 900);
  answer(1);
  assert.equal(sent.length, limits.announcesInFlightMax + 2);
});

test('completed and stopped go before all others, and know no bound in time', () => {
  const { sent, say, answer } = place();
  for (let n = 0; n < 100; n++) say(n);
  assert.equal(sent.length, limits.announceBurst);
  for (let n = 0; n < 200; n++) say(n, n % 2 === 0 ? 'stopped' : 'completed');
  assert.equal(sent.length, limits.announcesInFlightMax);
  answer(limits.announcesInFlightMax);
  answer(limits.announcesInFlightMax);
  assert.equal(sent.filter((s) => s.event !== 'started').length, 200);
  assert.equal(sent.filter((s) => s.event === 'started').length, limits.announceBurst);
});

test('what a torrent has not sent when it stops is left out', () => {
  const { gate, sent, say, answer, run } = place();
  for (let n = 0; n < 60; n++) say(n);
  assert.deepEqual(
    gate.forget(50 as TorrentId).map(({ request }) => request.event),
    ['started'],
  );
  assert.deepEqual(gate.forget(3 as TorrentId), [], 'it has been sent');
  assert.equal(gate.waiting, 60 - limits.announceBurst - 1);
  answer(limits.announceBurst);
  run(5_000);
  assert.equal(sent.length, 59);
  assert.ok(!sent.some((s) => s.torrent === 50));
});

test('an answer of one tracker takes nothing from those that wait for another', () => {
  const other = 'http://192.0.2.8/announce';
  const { gate, sent, say, answer, run, pass } = place();
  for (let n = 0; n < limits.announceBurst; n++) say(n);
  say(1_000, 'started', other);
  assert.equal(sent.length, limits.announceBurst);
  // The turn of the one that waits has come, and its timer is not served yet.
  pass(1_000);
  answer(1);
  assert.notEqual(gate.nextAt, NEVER);
  run(1);
  assert.equal(sent.at(-1)?.url, other);
});

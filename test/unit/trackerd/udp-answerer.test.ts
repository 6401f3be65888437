import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMs, parseIp, toHex } from '#base';
import { OverloadGauge, OverloadHooks, type TrackerHooks } from '#tracker';
import {
  type AnnounceRequest,
  decodeUdpResponse,
  encodeUdpAnnounceRequest,
  encodeUdpConnectRequest,
  encodeUdpScrapeRequest,
  type UdpResponse,
} from '#wire';
import { UdpAsker } from '../../support/udp-asker.ts';

const four = parseIp('203.0.113.7') as Uint8Array;
const six = parseIp('2001:db8::7') as Uint8Array;
const infoHash = new Uint8Array(20).fill(9);

function request(over: Partial<AnnounceRequest> = {}): AnnounceRequest {
  const numbers = { port: 6881, uploaded: 0, downloaded: 0, left: 100, numWant: -1, key: 7 };
  return { infoHash, peerId: new Uint8Array(20), event: 'started', ...numbers, ...over };
}

function announce(asker: UdpAsker, source: Uint8Array, over: Partial<AnnounceRequest> = {}, urlData?: string) {
  const connectionId = asker.idFor(source);
  const withUrl = urlData === undefined ? {} : { urlData };
  const bytes = encodeUdpAnnounceRequest({ connectionId, transactionId: 77, request: request(over), ...withUrl });
  return read(asker.ask(bytes, source), source);
}

function read(answer: Uint8Array | undefined, source: Uint8Array): UdpResponse {
  assert(answer !== undefined, 'an answer');
  const decoded = decodeUdpResponse(answer, source.length === 4 ? 4 : 6);
  assert.equal(decoded.transactionId, 77);
  return decoded;
}

function reasonOf(answer: UdpResponse): string {
  assert(answer.kind === 'error', answer.kind);
  return answer.reason;
}

for (const [name, source, other] of [
  ['IPv4', four, '203.0.113.7'],
  ['IPv6', six, '2001:db8::7'],
] as const) {
  test(`${name}: connect, announce, scrape`, () => {
    const asker = new UdpAsker();
    const connected = read(asker.ask(encodeUdpConnectRequest(77), source), source);
    assert(connected.kind === 'connect');
    assert.equal(toHex(connected.connectionId), toHex(asker.idFor(source)));
    announce(asker, source, { port: 1, left: 0 });
    const answer = announce(asker, source, { port: 2 });
    assert(answer.kind === 'announce');
    assert.deepEqual(answer.response, {
      intervalSec: 60,
      incomplete: 1,
      complete: 1,
      peers: [{ host: other, port: 1 }],
    });
    const connectionId = asker.idFor(source);
    const infoHashes = [new Uint8Array(20), infoHash];
    const scrape = encodeUdpScrapeRequest({ connectionId, transactionId: 77, infoHashes });
    const nobody = { complete: 0, incomplete: 0, downloaded: 0 };
    const rows = [nobody, { complete: 1, incomplete: 1, downloaded: 0 }];
    assert.deepEqual(read(asker.ask(scrape, source), source), { kind: 'scrape', transactionId: 77, rows });
    const announces = source.length === 4 ? { udpAnnounces4: 2 } : { udpAnnounces6: 2 };
    assert.deepEqual(asker.counts(), { udpConnects: 1, ...announces, udpScrapes: 1 });
  });
}

test('answers stay within a packet: all the peers and rows that fit, not more', () => {
  for (const source of [four, six]) {
    const asker = new UdpAsker({ limits: { numWantMax: 1_000 } });
    for (let port = 1; port <= 400; port++) announce(asker, source, { port });
    const answer = announce(asker, source, { port: 500, numWant: 1_000 });
    assert(answer.kind === 'announce');
    assert.equal(answer.response.peers.length, source === four ? 202 : 67);
    const infoHashes = Array.from({ length: 74 }, (_, i) => new Uint8Array(20).fill(i));
    const bytes = encodeUdpScrapeRequest({ connectionId: asker.idFor(source), transactionId: 77, infoHashes });
    const longer = Uint8Array.from([...bytes, ...new Uint8Array(100)]);
    for (const datagram of [bytes, longer]) {
      const scraped = read(asker.ask(datagram, source), source);
      assert(scraped.kind === 'scrape' && scraped.rows.length === 74);
      assert.deepEqual(scraped.rows[9], { complete: 0, incomplete: 401, downloaded: 0 });
    }
  }
});

test('what is no request gets silence', () => {
  const asker = new UdpAsker();
  const connect = encodeUdpConnectRequest(77);
  const otherNumber = connect.slice();
  otherNumber[7] = 0;
  const otherAction = Uint8Array.from([...asker.idFor(four), 0, 0, 0, 3, 0, 0, 0, 77]);
  for (const datagram of [new Uint8Array(0), connect.subarray(0, 15), otherNumber, otherAction]) {
    assert.equal(asker.ask(datagram, four), undefined);
  }
  assert.deepEqual(asker.counts(), { udpMalformed: 4 });
});

test('without an id of ours nobody gets more than was sent in its name', () => {
  const asker = new UdpAsker();
  const bytes = encodeUdpAnnounceRequest({ connectionId: new Uint8Array(8), transactionId: 77, request: request() });
  assert.match(reasonOf(read(asker.ask(bytes, four), four)), /connect again/);
  for (const action of [1, 2]) {
    const short = bytes.slice(0, 16);
    short[11] = action;
    const answer = asker.ask(short, four);
    assert(answer !== undefined && answer.length <= 16);
  }
  const old = asker.idFor(four);
  asker.now = addMs(asker.now, 20 * 60_000);
  bytes.set(old);
  assert.match(reasonOf(read(asker.ask(bytes, four), four)), /connect again/);
  assert.deepEqual(asker.counts(), { udpForgedIds: 3, udpExpiredIds: 1 });
  const [offender] = asker.offenders.top();
  assert.deepEqual(offender, { address: '203.0.113.7', count: 4, expired: 1, forged: 3, limited: 0, error: 0 });
});

test('proven senders are told what is wrong', () => {
  const asker = new UdpAsker();
  const bytes = encodeUdpAnnounceRequest({ connectionId: asker.idFor(four), transactionId: 77, request: request() });
  assert.match(reasonOf(read(asker.ask(bytes.subarray(0, 97), four), four)), /98 bytes/);
  bytes[11] = 2;
  assert.match(reasonOf(read(asker.ask(bytes.subarray(0, 35), four), four)), /info-hash/);
  assert.match(reasonOf(announce(asker, four, { port: 0 })), /port/);
  assert.deepEqual(asker.counts(), { udpRefusedInvalid: 2, udpRefusedPolicy: 1 });
});

test('a full store: refused, with a time to come back', () => {
  const asker = new UdpAsker({ limits: { peersMax: 1, retryWhenFullSec: 600 } });
  announce(asker, four, { port: 1 });
  assert.equal(reasonOf(announce(asker, four, { port: 2 })), 'the tracker is full (retry in 10 minutes)');
  assert.deepEqual(asker.counts(), { udpAnnounces4: 1, udpRefusedFull: 1 });
});

test('hooks: see path and query (BEP 41), refuse with times, throw without harm', () => {
  const targets: string[] = [];
  const hooks: TrackerHooks[] = [
    {
      preAnnounce: (call) => {
        targets.push(call.target);
        if (call.target.includes('forever')) return { reason: 'gone', retryInSec: Number.POSITIVE_INFINITY };
        if (call.target.includes('minute')) return { reason: 'later', retryInSec: 30 };
        if (call.target.includes('throw')) throw new Error('a bug');
        return undefined;
      },
      postAnnounce: (call) => {
        call.intervalSec = 99;
      },
      preScrape: () => ({ reason: 'no scrapes' }),
    },
  ];
  const asker = new UdpAsker({ hooks });
  const long = `/announce?${'x'.repeat(900)}`;
  const asked = ['/announce', '/announce', '/x', '/announce', long, '/x', ''];
  for (const target of asked) {
    const answer = announce(asker, four, {}, target);
    assert(answer.kind === 'announce' && answer.response.intervalSec === 99, target);
  }
  assert.deepEqual(targets, asked);
  assert.equal(reasonOf(announce(asker, four, {}, '/forever')), 'gone (do not retry)');
  assert.equal(reasonOf(announce(asker, four, {}, '/minute')), 'later (retry in 1 minute)');
  assert.equal(reasonOf(announce(asker, four, {}, '/throw')), 'the tracker has failed');
  assert.equal(asker.bugs.length, 1);
  const scrape = encodeUdpScrapeRequest({ connectionId: asker.idFor(four), transactionId: 77, infoHashes: [infoHash] });
  assert.equal(reasonOf(read(asker.ask(scrape, four), four)), 'no scrapes');
  assert.deepEqual(asker.counts(), { udpAnnounces4: 7, udpRefusedPolicy: 3, udpRefusedFailed: 1 });
});

test('address limits: silence for who may be anybody, words for who is there', () => {
  const asker = new UdpAsker();
  asker.addressLimits.set({ requestsMax: 2, unprovenMax: 3, windowMs: 120_000 });
  const connect = encodeUdpConnectRequest(77);
  for (let i = 0; i < 3; i++) assert.notEqual(asker.ask(connect, four), undefined);
  assert.equal(asker.ask(connect, four), undefined);
  assert.equal(
    asker.ask(
      encodeUdpAnnounceRequest({ connectionId: new Uint8Array(8), transactionId: 1, request: request() }),
      four,
    ),
    undefined,
  );
  for (let i = 0; i < 2; i++) assert.equal(announce(asker, four).kind, 'announce');
  assert.match(reasonOf(announce(asker, four)), /^too many requests from your address \(retry in \d minutes?\)$/);
  // Others are not concerned, the loopback never is, and the next window begins anew.
  assert.equal(announce(asker, six).kind, 'announce');
  const local = parseIp('127.0.0.1') as Uint8Array;
  for (let i = 0; i < 9; i++) assert.equal(announce(asker, local).kind, 'announce');
  asker.now = addMs(asker.now, 120_000);
  assert.equal(announce(asker, four).kind, 'announce');
  const { udpSilenced, udpRefusedLimited } = asker.counts();
  assert.deepEqual([udpSilenced, udpRefusedLimited], [2, 1]);
});

test('overloaded: newcomers are told to come back, members to come half as often', () => {
  const gauge = new OverloadGauge({ afterMs: 1_000 });
  const asker = new UdpAsker({ hooks: [new OverloadHooks(gauge, { retryInSec: 600 })] });
  announce(asker, four, { port: 1 });
  for (const ms of [0, 500, 1_000]) gauge.look(addMs(asker.now, ms), true);
  assert.match(reasonOf(announce(asker, four, { port: 2 })), /^the tracker is overloaded \(retry in 11 minutes\)$/);
  const member = announce(asker, four, { port: 1, event: 'none' });
  assert(member.kind === 'announce' && member.response.intervalSec === 120);
  for (const ms of [1_100, 2_200]) gauge.look(addMs(asker.now, ms), false);
  assert.equal(announce(asker, four, { port: 2 }).kind, 'announce');
  assert.deepEqual(asker.counts(), { udpAnnounces4: 3, udpRefusedOverloaded: 1 });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMs, type Millis, NEVER, type PeerAddress } from '#base';
import {
  type AnnounceRequest,
  decodeUdpAnnounceRequest,
  decodeUdpConnectRequest,
  encodeUdpAnnounceResponse,
  encodeUdpConnectResponse,
  encodeUdpErrorResponse,
  encodeUdpScrapeResponse,
  readUdpRequestHeader,
  type UdpOutcome,
  type UdpQuery,
  UdpTrackerClient,
} from '#wire';

const tracker: PeerAddress = { host: '192.0.2.1', port: 6969 };
const request: AnnounceRequest = {
  infoHash: new Uint8Array(20).fill(1),
  peerId: new Uint8Array(20).fill(2),
  port: 6881,
  uploaded: 0,
  downloaded: 0,
  left: 1,
  event: 'started',
  numWant: -1,
  key: 1,
};
const announce: UdpQuery = { kind: 'announce', request };
const scrape: UdpQuery = { kind: 'scrape', infoHashes: [new Uint8Array(20)] };

/** A client under a clock of our own, with everything it sends and says kept. */
class Bench {
  now = 0 as Millis;
  readonly sent: { at: number; bytes: Uint8Array; to: PeerAddress }[] = [];
  readonly outcomes: { id: number; outcome: UdpOutcome }[] = [];
  #nextRandom = 100;
  readonly client = new UdpTrackerClient({
    random32: () => this.#nextRandom++,
    ports: {
      send: (bytes, to) => this.sent.push({ at: this.now / 1000, bytes, to }),
      done: (id, outcome) => this.outcomes.push({ id, outcome }),
    },
  });

  start(query: UdpQuery, to: PeerAddress = tracker): number {
    return this.client.start(this.now, to, query);
  }
  /** Runs the clock, waking the client at its deadlines. */
  runTo(seconds: number): void {
    const end = (seconds * 1000) as Millis;
    for (let next = this.client.nextDeadline(); next <= end; next = this.client.nextDeadline()) {
      this.now = next;
      this.client.onWake(next);
    }
    this.now = end;
  }
  receive(bytes: Uint8Array, from: PeerAddress = tracker): void {
    this.client.onDatagram(this.now, from, bytes);
  }
  last(): Uint8Array {
    return this.sent.at(-1)?.bytes as Uint8Array;
  }
  lastTransaction(): number {
    return readUdpRequestHeader(this.last())?.transactionId as number;
  }
  connect(idByte = 7): void {
    const transactionId = decodeUdpConnectRequest(this.last());
    this.receive(encodeUdpConnectResponse({ transactionId, connectionId: new Uint8Array(8).fill(idByte) }));
  }
  answerAnnounce(): void {
    const { transactionId } = decodeUdpAnnounceRequest(this.last());
    this.receive(
      encodeUdpAnnounceResponse({
        transactionId,
        intervalSec: 1800,
        incomplete: 0,
        complete: 1,
        peers: new Uint8Array(0),
      }),
    );
  }
  timeline(): string[] {
    return this.sent.map(
      ({ at, bytes }) => `${at} ${['connect', 'announce', 'scrape'][readUdpRequestHeader(bytes)?.action ?? 9]}`,
    );
  }
}

test('connect, announce, answer; the connection id serves the next request', () => {
  const b = new Bench();
  b.start(announce);
  b.connect(7);
  assert.deepEqual(decodeUdpAnnounceRequest(b.last()).connectionId, new Uint8Array(8).fill(7));
  b.answerAnnounce();
  b.now = addMs(b.now, 30_000);
  b.start(announce);
  b.answerAnnounce();
  assert.deepEqual(b.timeline(), ['0 connect', '0 announce', '30 announce']);
  assert.deepEqual(
    b.outcomes.map((o) => o.outcome.kind),
    ['announced', 'announced'],
  );
  assert.equal(b.client.nextDeadline(), NEVER);
});

test('a connection id is used for a minute, then fetched anew', () => {
  const b = new Bench();
  b.start(announce);
  b.connect();
  b.answerAnnounce();
  b.now = addMs(b.now, 60_000);
  b.start(announce);
  assert.deepEqual(b.timeline(), ['0 connect', '0 announce', '60 connect']);
});

test('without any answer: waits of 15, 30, 60 and 120 s, then a time-out', () => {
  const b = new Bench();
  b.start(announce);
  b.runTo(1000);
  assert.deepEqual(b.timeline(), ['0 connect', '15 connect', '45 connect', '105 connect']);
  assert.deepEqual(b.outcomes, [{ id: 1, outcome: { kind: 'timeout' } }]);
  assert.equal(b.client.pendingCount, 0);
});

test('BEP 15: the waits go on doubling when the connection id expires in between', () => {
  const b = new Bench();
  b.start(announce);
  b.runTo(1);
  b.connect();
  b.runTo(1000);
  assert.deepEqual(b.timeline(), ['0 connect', '1 announce', '16 announce', '46 announce', '106 connect']);
  assert.deepEqual(
    b.outcomes.map((o) => o.outcome.kind),
    ['timeout'],
  );
});

test('requests to one tracker share one connect; each gets its own answer', () => {
  const b = new Bench();
  b.start(announce);
  b.start(scrape);
  b.connect();
  assert.deepEqual(b.timeline(), ['0 connect', '0 announce', '0 scrape']);
  b.receive(
    encodeUdpScrapeResponse({
      transactionId: b.lastTransaction(),
      rows: [{ complete: 1, downloaded: 2, incomplete: 3 }],
    }),
  );
  assert.deepEqual(
    b.outcomes.map((o) => [o.id, o.outcome.kind]),
    [[2, 'scraped']],
  );
});

test('answers of strangers, of other kinds and of no sense are dropped, the right one still counts', () => {
  const b = new Bench();
  b.start(announce);
  const transactionId = b.lastTransaction();
  const connectionId = new Uint8Array(8);
  b.receive(encodeUdpConnectResponse({ transactionId, connectionId }), { host: '192.0.2.2', port: 6969 });
  b.receive(encodeUdpConnectResponse({ transactionId, connectionId }), { host: '192.0.2.1', port: 6970 });
  b.receive(encodeUdpConnectResponse({ transactionId: transactionId + 50, connectionId }));
  b.receive(encodeUdpScrapeResponse({ transactionId, rows: [] }));
  b.receive(encodeUdpConnectResponse({ transactionId, connectionId }).subarray(0, 15));
  b.receive(new Uint8Array(0));
  b.receive(new Uint8Array(100).fill(0xff));
  assert.equal(b.client.droppedCount, 7);
  b.connect();
  b.answerAnnounce();
  b.answerAnnounce();
  assert.equal(b.client.droppedCount, 8);
  assert.equal(b.outcomes.length, 1);
});

test('an answer to an announce that was never sent is dropped', () => {
  const b = new Bench();
  b.start(announce);
  // Transaction ids count up from 100 here: the announce has 100, the connect 101.
  b.receive(encodeUdpErrorResponse({ transactionId: 100, reason: 'go away', bytesMax: 100 }));
  assert.equal(b.outcomes.length, 0);
});

test('an error on a fresh connection is a refusal', () => {
  const b = new Bench();
  b.start(announce);
  b.connect();
  b.receive(encodeUdpErrorResponse({ transactionId: b.lastTransaction(), reason: 'unknown torrent', bytesMax: 100 }));
  assert.deepEqual(b.outcomes, [{ id: 1, outcome: { kind: 'refused', reason: 'unknown torrent' } }]);
});

test('an error on a kept connection id: one try with a fresh one, the tracker may have restarted', () => {
  const b = new Bench();
  b.start(announce);
  b.connect();
  b.answerAnnounce();
  b.start(announce);
  const error = (): void =>
    b.receive(
      encodeUdpErrorResponse({
        transactionId: b.lastTransaction(),
        reason: 'connection id is not valid',
        bytesMax: 100,
      }),
    );
  error();
  b.connect(9);
  assert.deepEqual(decodeUdpAnnounceRequest(b.last()).connectionId, new Uint8Array(8).fill(9));
  error();
  assert.deepEqual(
    b.outcomes.map((o) => o.outcome.kind),
    ['announced', 'refused'],
  );
});

test('an error to the connect fails everybody who waits for it', () => {
  const b = new Bench();
  b.start(announce);
  b.start(scrape);
  b.receive(encodeUdpErrorResponse({ transactionId: b.lastTransaction(), reason: 'banned', bytesMax: 100 }));
  assert.deepEqual(
    b.outcomes.map((o) => o.outcome.kind),
    ['refused', 'refused'],
  );
});

test('a cancelled request says nothing and repeats nothing', () => {
  const b = new Bench();
  b.client.cancel(b.client.start(b.now, tracker, announce));
  b.runTo(1000);
  assert.deepEqual(b.timeline(), ['0 connect']);
  assert.equal(b.outcomes.length, 0);
});

test('IPv6 trackers: peers of 18 bytes', () => {
  const b = new Bench();
  const six: PeerAddress = { host: '2001:db8::1', port: 80 };
  b.start(announce, six);
  const transactionId = b.lastTransaction();
  b.receive(encodeUdpConnectResponse({ transactionId, connectionId: new Uint8Array(8) }), six);
  const peers = new Uint8Array(18).fill(0x20);
  b.receive(
    encodeUdpAnnounceResponse({
      transactionId: b.lastTransaction(),
      intervalSec: 60,
      incomplete: 0,
      complete: 1,
      peers,
    }),
    six,
  );
  const outcome = b.outcomes[0]?.outcome;
  assert(outcome?.kind === 'announced');
  assert.deepEqual(outcome.response.peers, [{ host: '2020:2020:2020:2020:2020:2020:2020:2020', port: 0x2020 }]);
});

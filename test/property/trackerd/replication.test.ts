import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addMs, type Millis, type Rng, seededRng, toHex } from '#base';
import { writeEntryHeader } from '#room/trackerd/replication/entry';
import { Inbox } from '#room/trackerd/replication/inbox';
import { Outbox } from '#room/trackerd/replication/outbox';
import type { StreamId } from '#room/trackerd/replication/stream-id';
import { AnnounceCall, DeltaLog, DenseStore, ScrapeCall, toTrackerLimits } from '#tracker';
import type { AnnounceEvent } from '#wire';

const STREAMS = 2;
const limits = toTrackerLimits({ peersMax: 5_000, swarmsMax: 100 });
const hashes = [1, 2, 3, 4].map((n) => new Uint8Array(20).fill(n));

/** What Redis does for replication: entries in order, with ids of its own clock, which is another than the trackers'. */
class Streams {
  now = 5_000 as Millis;
  readonly entries: { id: StreamId; bytes: Uint8Array }[][] = Array.from({ length: STREAMS }, () => []);
  #seq = 0;

  get serverMs(): number {
    return this.now + 1_700_000_000_000;
  }
  append(stream: number, bytes: Uint8Array): StreamId {
    const id = { ms: this.serverMs, seq: this.#seq++ };
    this.entries[stream]?.push({ id, bytes: bytes.slice() });
    return id;
  }
}

class Node {
  readonly store: DenseStore;
  readonly inbox: Inbox;
  readonly #streams: Streams;
  readonly #outbox: Outbox;
  readonly #log: DeltaLog;
  readonly #read = new Array<number>(STREAMS).fill(0);
  readonly #call = new AnnounceCall();

  constructor(streams: Streams, number: number) {
    this.#streams = streams;
    const node = `${number}`.padStart(16, '0');
    this.store = DenseStore.create({ limits, rng: seededRng(number) });
    this.#outbox = new Outbox({
      node,
      streamCount: STREAMS,
      entryBytesMax: 1_000,
      unsentBytesMax: 1e6,
      keptBytesMax: 1e6,
      keptMs: 10_000,
    });
    this.inbox = new Inbox({
      node,
      streamCount: STREAMS,
      store: this.store,
      outbox: this.#outbox,
      now: () => streams.now,
      serverNow: () => streams.serverMs,
      peerTtlMs: limits.peerTtlMs,
      onNotice: () => assert.fail('there are none'),
    });
    this.#log = new DeltaLog({
      streamCount: STREAMS,
      batchBytesMax: 500,
      onBatch: (batch) => {
        this.inbox.settle(batch);
        this.#outbox.add(batch);
      },
    });
    Object.assign(this.#call, { peerBytes: new Uint8Array(16), out: new Uint8Array(200 * 18) });
  }

  announce(o: { hash: number; peer: number; left: number; event: AnnounceEvent }): void {
    const call = this.#call;
    call.hashBytes = hashes[o.hash] as Uint8Array;
    call.peerBytes.fill(o.peer + 1);
    call.network = o.peer % 3 === 0 ? 6 : 4;
    call.port = 1 + o.peer;
    call.left = o.left;
    call.event = o.event;
    call.numGiven = 0;
    this.store.announce(this.#streams.now, call);
    this.#log.postAnnounce(call, this.#streams.now);
  }

  /** @param isAnswerLost entries arrive, and are sent again because nobody said so */
  send(isAnswerLost: boolean): void {
    const { now } = this.#streams;
    this.#log.flush(now, 0);
    assert(this.#outbox.seal(now, 0));
    for (let stream = 0; stream < STREAMS; stream++) {
      for (let entry = this.#outbox.next(stream, now); entry !== undefined; entry = this.#outbox.next(stream, now)) {
        const id = this.#streams.append(stream, entry.bytes);
        if (isAnswerLost) break;
        this.#outbox.acknowledge(stream, id, now);
      }
    }
  }

  read(stream: number, count: number): void {
    const all = this.#streams.entries[stream] ?? [];
    const from = this.#read[stream] as number;
    for (const { id, bytes } of all.slice(from, from + count)) this.inbox.push(stream, id, bytes);
    this.#read[stream] = Math.min(all.length, from + count);
    // The clock stands still, so that a step goes to the end.
    while (this.inbox.step(0));
  }

  /** Everything there is to know, but for who was heard of when. */
  summary(): string[] {
    const scrape = new ScrapeCall();
    scrape.ask(hashes, { via: 'udp', source: new Uint8Array(4) });
    this.store.scrape(scrape);
    return hashes.map((hash, i) => {
      const { complete, incomplete, downloaded } = scrape.rowAt(i);
      const call = new AnnounceCall();
      Object.assign(call, { hashBytes: hash, peerBytes: new Uint8Array([9, 9, 9, 9]), port: 9, left: 1 });
      Object.assign(call, { numGiven: 200, families: 'both', out: new Uint8Array(200 * 18) });
      this.store.announce(this.#streams.now, call);
      const peers = [cut(call.peers4, 6), cut(call.peers6, 18)].flat().sort();
      this.store.announce(this.#streams.now, Object.assign(call, { event: 'stopped' as const }));
      return `${complete} ${incomplete} ${downloaded} ${peers.join()}`;
    });
  }
}

function cut(bytes: Uint8Array, stride: number): string[] {
  return Array.from({ length: bytes.length / stride }, (_, i) => toHex(bytes.subarray(i * stride, (i + 1) * stride)));
}

function play(seed: number, doesComplete: boolean): void {
  const rng: Rng = seededRng(seed);
  const streams = new Streams();
  const nodes = [0, 1, 2].map((number) => new Node(streams, number));
  const pick = (): Node => nodes[rng.below(nodes.length)] as Node;
  for (let i = 0; i < 600; i++) {
    const what = rng.below(10);
    if (what < 6) {
      const peer = rng.below(12);
      const event = (['none', 'started', 'stopped', 'completed'] as const)[rng.below(doesComplete ? 4 : 3)] ?? 'none';
      // Who completes does so with one tracker: what two hear at the same time is counted by who hears it first.
      const node = doesComplete ? (nodes[peer % nodes.length] as Node) : pick();
      node.announce({ hash: rng.below(hashes.length), peer, left: rng.below(2), event });
    } else if (what < 8) pick().send(rng.below(5) === 0);
    else if (what < 9) pick().read(rng.below(STREAMS), 1 + rng.below(3));
    streams.now = addMs(streams.now, rng.below(20));
    // Nothing waits longer than a second or two: later than that, times count and not the order.
    if (i % 40 === 39) for (const node of nodes) node.send(false);
  }
  for (const node of nodes) node.send(false);
  for (const node of nodes) for (let stream = 0; stream < STREAMS; stream++) node.read(stream, 1e6);
  const [first, ...others] = nodes.map((node) => node.summary());
  for (const other of others) assert.deepEqual(other, first);
  for (const { inbox } of nodes) assert.deepEqual([inbox.counts.gaps, inbox.counts.malformed], [0, 0]);
}

test('trackers that hear of the same peers in any order end alike', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => play(seed, false)),
    { numRuns: 150 },
  );
});

test('and count the same downloads, each once', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => play(seed, true)),
    { numRuns: 150 },
  );
});

test('a missing entry is noticed, one that came twice is not applied twice', () => {
  const streams = new Streams();
  const nodes = [new Node(streams, 0), new Node(streams, 1)];
  const [teller, listener] = nodes as [Node, Node];
  for (let peer = 0; peer < 6; peer++) {
    teller.announce({ hash: 0, peer, left: 0, event: 'completed' });
    teller.send(false);
  }
  const [, stream] = streams.entries as [unknown, { id: StreamId; bytes: Uint8Array }[]];
  assert.equal(stream.length, 6);
  stream.splice(2, 2);
  stream.push(stream[0] as (typeof stream)[number]);
  listener.read(1, 100);
  const { gaps, duplicates, deltasIn } = listener.inbox.counts;
  assert.deepEqual([gaps, duplicates, deltasIn], [2, 1, 4]);
  assert.equal(listener.store.stats().peerCount4 + listener.store.stats().peerCount6, 4);
});

test('bytes that are no entry change nothing but a count', () => {
  const valid = new Uint8Array(20 + 27).fill(1);
  writeEntryHeader(valid, { kind: 'deltas', sequence: 1, ageMs: 0, node: 'ab'.repeat(8) });
  const damaged = fc
    .tuple(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length))
    .map(([at, byte, length]) => valid.with(at, byte).subarray(0, length));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), damaged), (bytes) => {
      const streams = new Streams();
      const node = new Node(streams, 0);
      // Notices go to those who load snapshots.
      if (bytes[1] === 1) return;
      streams.append(0, bytes);
      node.read(0, 1);
      const { malformed, deltasIn } = node.inbox.counts;
      assert(malformed === 1 || deltasIn <= 3);
    }),
    { numRuns: 500 },
  );
});

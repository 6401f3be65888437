import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Millis, toHex } from '#base';
import { AnnounceCall, checkDeltas, type DeltaBatch, DeltaLog, DeltaReader, streamOf } from '#tracker';
import type { AnnounceEvent } from '#wire';

interface Told {
  readonly hash: number;
  readonly peer: number;
  readonly isSix: boolean;
  readonly port: number;
  readonly left: number;
  readonly event: AnnounceEvent;
}

const told: fc.Arbitrary<Told> = fc.record({
  hash: fc.nat(6),
  peer: fc.nat(4),
  isSix: fc.boolean(),
  port: fc.constantFrom(1, 6881, 65_535),
  left: fc.constantFrom(0, 1),
  event: fc.constantFrom<AnnounceEvent>('none', 'started', 'completed', 'stopped'),
});

function toCall(t: Told): AnnounceCall {
  const call = new AnnounceCall();
  // Fields lie anywhere in the buffers of a front end.
  call.hashBytes = new Uint8Array(30).fill(t.hash * 37 + 1);
  call.hashAt = 7;
  call.peerBytes = new Uint8Array(40).fill(t.peer + 1);
  call.peerAt = 3;
  call.network = t.isSix ? 6 : 4;
  call.port = t.port;
  call.left = t.left;
  call.event = t.event;
  return call;
}

/** What a store is told, in words. */
function read(bytes: Uint8Array): string[] {
  const reader = new DeltaReader();
  const lines: string[] = [];
  reader.open(bytes, 0);
  while (reader.next()) {
    const { hashBytes, hashAt, peerBytes, peerAt, network, port, isSeeder, event } = reader;
    const hash = toHex(hashBytes.subarray(hashAt, hashAt + 20));
    const peer = toHex(peerBytes.subarray(peerAt, peerAt + (network === 4 ? 4 : 16)));
    lines.push(`${hash} ${peer} ${port} ${isSeeder ? 'seeder' : 'leecher'} ${event}`);
  }
  return lines;
}

function write(all: readonly Told[], options: { streamCount: number; batchBytesMax: number }): DeltaBatch[] {
  const batches: DeltaBatch[] = [];
  const log = new DeltaLog({ ...options, onBatch: (batch) => batches.push(batch) });
  all.forEach((one, i) => {
    log.postAnnounce(toCall(one), i as Millis);
  });
  log.flush(1e6 as Millis, 0);
  return batches;
}

/** A store as simple as can be: who is there, and how many downloads were counted. */
function replay(lines: readonly string[]): { peers: string[]; downloads: number } {
  const peers = new Map<string, string>();
  let downloads = 0;
  for (const line of lines) {
    const [hash, peer, port, state, event] = line.split(' ');
    const name = `${hash} ${peer} ${port}`;
    if (event === 'stopped') peers.delete(name);
    else {
      if (event === 'completed' && state === 'seeder' && peers.get(name) !== 'seeder') downloads++;
      peers.set(name, state as string);
    }
  }
  return { peers: [...peers].map((pair) => pair.join(' ')).sort(), downloads };
}

function lineOf(t: Told): string {
  const call = toCall(t);
  const event = t.event === 'started' ? 'none' : t.event;
  const peer = toHex(call.peerBytes.subarray(0, t.isSix ? 16 : 4));
  return `${toHex(call.infoHash)} ${peer} ${t.port} ${t.left === 0 ? 'seeder' : 'leecher'} ${event}`;
}

test('a store that reads the deltas ends as one that heard the announces, whatever the batches are', () => {
  fc.assert(
    fc.property(
      fc.array(told, { maxLength: 200 }),
      fc.constantFrom(1, 2, 8),
      fc.integer({ min: 64, max: 5_000 }),
      (all, streamCount, batchBytesMax) => {
        const batches = write(all, { streamCount, batchBytesMax });
        const lines: string[] = [];
        for (const { bytes, stream } of batches) {
          assert(bytes.length <= batchBytesMax);
          assert.equal(bytes.byteLength, bytes.buffer.byteLength, 'can be transferred');
          const some = read(bytes);
          assert.equal(checkDeltas(bytes), some.length);
          for (const line of some) assert.equal(streamOf(Buffer.from(line.slice(0, 2), 'hex'), 0, streamCount), stream);
          lines.push(...some);
        }
        assert(lines.length <= all.length);
        assert.deepEqual(replay(lines), replay(all.map(lineOf)));
      },
    ),
    { numRuns: 300 },
  );
});

test('who announces again within a batch is told once, as last seen; downloads and goodbyes are kept', () => {
  const one: Told = { hash: 1, peer: 1, isSix: false, port: 1, left: 1, event: 'started' };
  const cases: [Partial<Told>[], string[]][] = [
    [[{}, {}, {}], ['leecher none']],
    [[{}, { left: 0 }], ['seeder none']],
    [[{}, { event: 'stopped' }], ['leecher stopped']],
    [
      [{}, { left: 0, event: 'completed' }, { left: 0 }, { left: 1 }],
      ['leecher none', 'seeder completed', 'leecher none'],
    ],
    [
      [{ event: 'stopped' }, {}, {}],
      ['leecher stopped', 'leecher none'],
    ],
    [[{ event: 'completed' }], ['leecher none']],
  ];
  for (const [all, expected] of cases) {
    const batches = write(
      all.map((over) => ({ ...one, ...over })),
      { streamCount: 1, batchBytesMax: 10_000 },
    );
    assert.deepEqual(
      batches.flatMap(({ bytes }) => read(bytes).map((line) => line.split(' ').slice(3).join(' '))),
      expected,
    );
  }
});

test('web peers and what other trackers told are not told again', () => {
  const batches: DeltaBatch[] = [];
  const log = new DeltaLog({ streamCount: 8, batchBytesMax: 1_000, onBatch: (batch) => batches.push(batch) });
  const call = toCall({ hash: 1, peer: 1, isSix: false, port: 1, left: 1, event: 'none' });
  log.postAnnounce(Object.assign(call, { network: 'web' as const }), 0 as Millis);
  log.postAnnounce(Object.assign(call, { network: 4 as const, via: 'replica' as const }), 0 as Millis);
  log.flush(1e6 as Millis, 0);
  assert.equal(batches.length, 0);
});

test('a batch waits for its time and no longer', () => {
  const batches: DeltaBatch[] = [];
  const log = new DeltaLog({ streamCount: 1, batchBytesMax: 1_000, onBatch: (batch) => batches.push(batch) });
  log.postAnnounce(toCall({ hash: 1, peer: 1, isSix: true, port: 9, left: 1, event: 'none' }), 50 as Millis);
  log.flush(149 as Millis, 100);
  assert.equal(batches.length, 0);
  log.flush(150 as Millis, 100);
  assert.equal(batches.length, 1);
  assert.equal(batches[0]?.startedAt, 50);
  assert.equal(batches[0]?.bytes.length, 39);
});

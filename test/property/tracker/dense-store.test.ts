/** The dense store against a map, with all its threads of references followed after every run; and what memory does when it is used up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Millis, seededRng } from '#base';
import { Arena, classOfMark } from '#room/tracker/store/arena';
import {
  AT_PEERS,
  AT_SHARDS,
  CLASS_HEADER,
  CLASS_NODE,
  CLASS_SPLIT,
  HEADER_PART,
  META_CLASS_SHIFT,
  META_NODE,
  META_SPLIT,
  recordStart,
  recordsPerPage,
  recordWords,
  SHARD_COUNT,
  SHARD_TAILS,
  SHARD_WORDS,
} from '#room/tracker/store/layout';
import { AnnounceCall, DenseStore, type PeerNetwork, toTrackerLimits } from '#tracker';
import { contentsOf, fillCall, lineOf, type PeerWord } from '../../support/store-model.js';

interface Burst {
  /** A range of peers does the same. */
  readonly kind: 'put' | 'stop' | 'sweep';
  readonly swarm: number;
  readonly network: PeerNetwork;
  readonly from: number;
  readonly count: number;
  readonly step: number;
  readonly isSeeder: boolean;
}

const bursts = fc.array(
  fc.record({
    kind: fc.constantFrom('put' as const, 'put' as const, 'stop' as const, 'stop' as const, 'sweep' as const),
    swarm: fc.nat(5),
    network: fc.constantFrom(4 as const, 6 as const, 'web' as const),
    from: fc.nat(700),
    count: fc.oneof(fc.nat(8), fc.nat(700)),
    step: fc.integer({ min: 1, max: 3 }),
    isSeeder: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40, size: 'max' },
);

const TTL_MS = 600_000;
const hashes = Array.from({ length: 6 }, (_, i) => seededRng(i + 50).bytes(20));

/** Every record is referred to by the part that it names as its owner, and every part names it back. */
function checkReferences(store: DenseStore): void {
  const arena = Arena.attach(store.share().buffer);
  const m = arena.words;
  for (let i = 0; i < SHARD_COUNT; i++) {
    const shard = AT_SHARDS + i * SHARD_WORDS;
    for (let recordClass = 0; recordClass <= CLASS_HEADER; recordClass++) {
      const tail = shard + SHARD_TAILS + 2 * recordClass;
      let count = m[tail + 1]!;
      for (let page = m[tail]!; page !== 0; page = m[page]!, count = recordsPerPage[recordClass]!) {
        assert.equal(classOfMark(m[page + 1]!), recordClass);
        for (let n = 0; n < count; n++) {
          const at = page + recordStart[recordClass]! + n * recordWords[recordClass]!;
          if (recordClass === CLASS_HEADER) {
            const meta = m[at + HEADER_PART + 1]!;
            if (meta !== 0) assert.equal(m[m[at + HEADER_PART]!], at + HEADER_PART);
            continue;
          }
          const part = m[at]!;
          assert.equal(m[part], at, `owner of class ${recordClass}`);
          const meta = m[part + 1]!;
          if (recordClass === CLASS_NODE) assert.notEqual(meta & META_NODE, 0);
          else if (recordClass === CLASS_SPLIT) assert.equal(meta, META_SPLIT);
          else assert.equal((meta >>> META_CLASS_SHIFT) & 63, recordClass);
        }
      }
    }
  }
}

function recordCount(store: DenseStore): number {
  const m = new Int32Array(store.share().buffer);
  let count = 0;
  for (let i = 0; i < SHARD_COUNT; i++) {
    for (let recordClass = 0; recordClass <= CLASS_HEADER; recordClass++) {
      count += m[AT_SHARDS + i * SHARD_WORDS + SHARD_TAILS + 2 * recordClass + 1]!;
    }
  }
  return count;
}

test('the store holds what a map would hold, its references lead back, and nothing is left when all have gone', () => {
  fc.assert(
    fc.property(bursts, fc.nat(), (all: Burst[], seed) => {
      const limits = toTrackerLimits({ peerTtlMs: TTL_MS, peersMax: 10_000, swarmsMax: 100, emptySwarmMs: 0 });
      const store = DenseStore.create({ limits, rng: seededRng(seed) });
      const model = new Map<string, { word: PeerWord; at: number }>();
      const call = new AnnounceCall();
      let now = 1_000;
      const sweep = () => {
        for (let i = 0; i < 12; i++) store.sweep(now as Millis);
        for (const [name, { at }] of model) if (now - at > TTL_MS) model.delete(name);
      };
      for (const burst of all) {
        now += 1_000;
        if (burst.kind === 'sweep') {
          // Far from the edge, so that the store's coarser clock makes no difference.
          now += TTL_MS / 2 + 30_000;
          sweep();
          continue;
        }
        for (let i = 0; i < burst.count; i++) {
          const peer = burst.from + i * burst.step;
          const infoHash = hashes[burst.swarm] as Uint8Array;
          const event = burst.kind === 'stop' ? 'stopped' : 'none';
          const word: PeerWord = { infoHash, network: burst.network, peer, isSeeder: burst.isSeeder, event };
          fillCall(call, word);
          store.announce(now as Millis, call);
          const name = `${burst.swarm} ${burst.network} ${peer}`;
          if (burst.kind === 'stop') model.delete(name);
          else model.set(name, { word, at: now });
        }
      }
      checkReferences(store);
      assert.deepEqual(contentsOf(store, now as Millis), [...model.values()].map(({ word }) => lineOf(word)).sort());
      now += TTL_MS * 2;
      sweep();
      assert.deepEqual(store.stats(), { swarmCount: 0, peerCount4: 0, peerCount6: 0, peerCountWeb: 0, seederCount: 0 });
      assert.equal(recordCount(store), 0);
    }),
    { numRuns: 60, seed: 4 },
  );
});

test('where memory is used up new peers are not stored, all others are served, and what leaves makes room', () => {
  const small = DenseStore.create({
    limits: toTrackerLimits({ peersMax: 100, swarmsMax: 100 }),
    rng: seededRng(1),
  });
  // The limits of who attaches allow more than was reserved.
  const limits = toTrackerLimits({ peersMax: 10_000_000, swarmsMax: 1_000_000 });
  const store = DenseStore.attach(small.share(), { limits, rng: seededRng(2) });
  const rng = seededRng(3);
  const call = new AnnounceCall();
  const kept = new Map<string, PeerWord>();
  const infoHashes = Array.from({ length: 60 }, () => rng.bytes(20));
  const announce = (word: PeerWord) => {
    fillCall(call, word);
    store.announce(1_000 as Millis, call);
    return call.isStored;
  };
  const fill = () => {
    let refused = 0;
    for (let i = 0; i < 400_000 && refused < 2_000; i++) {
      const infoHash = rng.below(10) === 0 ? rng.bytes(20) : (infoHashes[rng.below(60)] as Uint8Array);
      const network = ([4, 6, 'web'] as const)[rng.below(3)] ?? 4;
      const word: PeerWord = {
        infoHash,
        network,
        peer: rng.below(60_000),
        isSeeder: rng.below(2) === 0,
        event: 'none',
      };
      const name = `${infoHash.join()} ${network} ${word.peer}`;
      if (announce(word)) kept.set(name, word);
      else {
        assert(!kept.has(name));
        refused++;
      }
    }
    return refused;
  };
  const check = () => {
    checkReferences(store);
    assert.deepEqual(contentsOf(store, 1_000 as Millis), [...kept.values()].map(lineOf).sort());
  };
  assert.equal(fill(), 2_000);
  check();
  for (const [name, word] of kept) {
    assert(announce(word));
    if (rng.below(3) === 0) continue;
    announce({ ...word, event: 'stopped' });
    kept.delete(name);
  }
  check();
  const before = kept.size;
  assert.equal(fill(), 2_000);
  assert(kept.size > before * 2);
  check();
  for (const word of kept.values()) announce({ ...word, event: 'stopped' });
  assert.equal(recordCount(store), 0);
  assert.equal(new Int32Array(store.share().buffer)[AT_PEERS], 0);
});

// What an attacker can choose, and would choose if it helped.
for (const [what, hashOf, peerOf] of [
  ['200,000 peers of few networks in one swarm', () => 0, (i: number) => i],
  ['100,000 info-hashes that differ in their last bytes', (i: number) => i, () => 1],
] as const) {
  test(`crafted input costs no more: ${what}`, () => {
    const limits = toTrackerLimits({ peersMax: 300_000, swarmsMax: 300_000 });
    const store = DenseStore.create({ limits, rng: seededRng(9) });
    const call = new AnnounceCall();
    const count = what.startsWith('2') ? 200_000 : 100_000;
    const startedAt = process.cpuUsage().user;
    for (let i = 0; i < count; i++) {
      const infoHash = new Uint8Array(20);
      new DataView(infoHash.buffer).setUint32(16, hashOf(i));
      fillCall(call, { infoHash, network: 4, peer: peerOf(i), isSeeder: false, event: 'none' });
      store.announce(1_000 as Millis, call);
    }
    assert.equal(store.stats().peerCount4, count);
    // 0.2 s here; anything quadratic takes minutes.
    assert((process.cpuUsage().user - startedAt) / 1e6 < 20);
  });
}

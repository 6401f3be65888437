/** What the dense store does when its memory is used up, and what crafted input costs. Against a map it is held by the fuzz target `tracker-store`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Millis, seededRng } from '#base';
import { AT_PEERS } from '#room/tracker/store/layout';
import { AnnounceCall, DenseStore, toTrackerLimits } from '#tracker';
import { contentsOf, fillCall, lineOf, type PeerWord } from '../../support/store-model.ts';
import { checkReferences, recordCount } from '../../support/store-references.ts';

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

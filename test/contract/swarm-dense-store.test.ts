import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Millis, seededRng } from '#base';
import { AnnounceCall, DenseStore, toTrackerLimits } from '#tracker';
import { swarmStoreContract } from './swarm-store.ts';

swarmStoreContract({ name: 'dense store', create: (options) => DenseStore.create(options) });

test('a dense store tells what it uses: it grows with its peers, and what they leave is used again', () => {
  const limits = toTrackerLimits({ peersMax: 1_000_000, swarmsMax: 10_000 });
  const store = DenseStore.create({ limits, rng: seededRng(1) });
  const empty = store.usedBytes;
  const fill = (event: 'none' | 'stopped') => {
    const call = new AnnounceCall();
    call.hashBytes = new Uint8Array(20);
    call.peerBytes = new Uint8Array(4);
    call.port = 1;
    call.event = event;
    const view = new DataView(call.peerBytes.buffer);
    for (let peer = 0; peer < 20_000; peer++) {
      view.setUint32(0, peer);
      store.announce(0 as Millis, call);
    }
  };
  fill('none');
  const full = store.usedBytes;
  assert.equal(store.stats().peerCount4, 20_000);
  assert.ok(full - empty >= 20_000 * 8 && full - empty < 20_000 * 24, `${full - empty} bytes`);
  assert.equal(DenseStore.attach(store.share(), { limits, rng: seededRng(2) }).usedBytes, full);
  fill('stopped');
  fill('none');
  assert.ok(store.usedBytes <= full * 1.1);
  assert.ok(store.usedBytes < store.share().buffer.byteLength);
});

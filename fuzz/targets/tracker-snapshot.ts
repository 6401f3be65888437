import assert from 'node:assert/strict';
import { type Millis, seededRng, writeU32 } from '#base';
import { chunksOf } from '#room/trackerd/replication/snapshots';
import { AnnounceCall, DenseStore, SnapshotReader, SnapshotWriter, toTrackerLimits } from '#tracker';
import { crc32c } from '#wire';
import { contentsOf, fillCall } from '../../test/support/store-model.ts';
import { cutAt } from '../support/cuts.ts';
import { type FuzzTarget, magnitude, refusal } from '../support/target.ts';

const limits = toTrackerLimits({ peersMax: 500, swarmsMax: 50 });
const now = 1_000_000 as Millis;
const unixMs = 1_700_000_000_000;

function newStore(): DenseStore {
  return DenseStore.create({ limits, rng: seededRng(1) });
}

function write(store: DenseStore): Uint8Array {
  const writer = new SnapshotWriter({ store, now, unixMs });
  const parts: Uint8Array[] = [];
  for (let part = writer.next(); part !== undefined; part = writer.next()) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

function filled(peers: number): DenseStore {
  const store = newStore();
  const call = new AnnounceCall();
  for (let peer = 0; peer < peers; peer++) {
    const infoHash = new Uint8Array(20).fill(1 + (peer % 3));
    fillCall(call, { infoHash, network: peer % 4 === 0 ? 6 : 4, peer, isSeeder: peer % 5 === 0, event: 'none' });
    store.announce(now, call);
  }
  return store;
}

/** Checksums made right, so that what is behind them is reached. */
function repair(file: Uint8Array): Uint8Array {
  const out = file.slice();
  if (out.length < 24) return out;
  writeU32(out, 20, crc32c(out.subarray(0, 20)));
  const view = new DataView(out.buffer);
  for (let at = 24; at + 8 <= out.length; ) {
    const length = view.getUint32(at);
    if (length === 0 || at + 8 + length > out.length) break;
    writeU32(out, at + 4, crc32c(out.subarray(at + 8, at + 8 + length)));
    at += 8 + length;
  }
  return out;
}

function load(chunks: readonly Uint8Array[]) {
  const store = newStore();
  const reader = new SnapshotReader({ store, now, unixMs: unixMs + 5_000 });
  try {
    for (const chunk of chunks) {
      const lent = chunk.slice();
      reader.push(lent);
      lent.fill(0xee);
    }
  } catch (error) {
    return { store, refused: refusal(error, 'swarm/state-newer', 'swarm/state-damaged'), loaded: undefined };
  }
  return { store, refused: undefined, loaded: reader.finish() };
}

export const target: FuzzTarget = {
  about: 'the file of swarms: loads what is sound, cut anywhere alike, and what was loaded is written and loaded again',
  form: 'bytes',
  files: ['tracker/snapshot', 'tracker/snapshot-chunk', 'trackerd/replication/snapshots'],
  parsers: ['tracker/snapshot SnapshotReader'],
  bytesMax: 3_000,
  testRuns: 80,
  msMax: 200,
  seeds: () => [0, 3, 60].map((peers) => Uint8Array.of(1, 9, ...write(filled(peers)))),
  tokens: ['EiderSwm', '\x01', '\x04\x01\x00', '\x06\x01\x01', '\0\0\0\0\0\0\0\x01', '\0\0\0\x19'],
  run(input) {
    const raw = input.slice(2);
    const file = (input[0] ?? 0) & 1 ? repair(raw) : raw;
    try {
      for (const chunk of chunksOf(raw)) assert.ok(chunk.length > 0);
    } catch (error) {
      refusal(error, 'wire/truncated');
    }
    const { store, refused, loaded } = load([file]);
    const { store: other, ...again } = load(cutAt(file, [(input[1] ?? 0) * 3, (input[1] ?? 0) * 7]));
    assert.deepEqual([again.refused, again.loaded], [refused, loaded], 'cut');
    const contents = contentsOf(store, now);
    assert.deepEqual(contentsOf(other, now), contents);
    if (loaded === undefined) return refused;
    const { peerCount4, peerCount6, swarmCount } = store.stats();
    assert.ok(peerCount4 + peerCount6 <= loaded.peerCount && swarmCount <= limits.swarmsMax);
    const copy = load([write(store)]);
    assert.equal(copy.loaded?.damage, undefined);
    assert.deepEqual(contentsOf(copy.store, now), contents, 'written and loaded again');
    const damage = loaded.damage?.replaceAll(/\d+/g, '#');
    return `${damage} ${magnitude(loaded.peerCount)} ${magnitude(loaded.leftOutCount)} ${magnitude(swarmCount)}`;
  },
};

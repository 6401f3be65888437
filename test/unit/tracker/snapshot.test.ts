import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, type Millis, type Rng, seededRng } from '#base';
import {
  AnnounceCall,
  DenseStore,
  mergeSnapshotChunk,
  SnapshotChunks,
  type SnapshotLoad,
  SnapshotReader,
  SnapshotWriter,
  type TrackerLimits,
  toTrackerLimits,
} from '#tracker';
import { crc32c } from '#wire';
import { contentsOf, fillCall, type PeerWord } from '../../support/store-model.js';

const UNIX_MS = 1_800_000_000_000;
const TTL_MS = 3_600_000;
const hashes = Array.from({ length: 40 }, (_, i) => seededRng(i + 9).bytes(20));

class Place {
  readonly store: DenseStore;
  now: Millis;
  readonly #call = new AnnounceCall();

  constructor(o: { now?: number; limits?: Partial<TrackerLimits> } = {}) {
    this.now = (o.now ?? 5_000_000) as Millis;
    const limits = toTrackerLimits({ peersMax: 50_000, swarmsMax: 5_000, peerTtlMs: TTL_MS, ...o.limits });
    this.store = DenseStore.create({ limits, rng: seededRng(1) });
  }
  put(over: Partial<PeerWord> & { agoMs?: number } = {}): void {
    const { agoMs = 0, ...rest } = over;
    const word: PeerWord = {
      infoHash: hashes[0] as Uint8Array,
      network: 4,
      peer: 1,
      isSeeder: false,
      event: 'none',
      ...rest,
    };
    fillCall(this.#call, word);
    this.store.announce((this.now - agoMs) as Millis, this.#call);
  }
  /** Swarms of all sizes and networks. */
  fill(rng: Rng): this {
    for (const [i, infoHash] of hashes.entries()) {
      const peers = i === 0 ? 3_000 : i < 5 ? 200 : rng.below(6);
      for (let peer = 0; peer < peers; peer++) {
        const network = rng.below(3) === 0 ? 6 : 4;
        const isSeeder = rng.below(2) === 0;
        const event = rng.below(5) === 0 ? 'completed' : 'none';
        this.put({ infoHash, network, peer, isSeeder, event, agoMs: rng.below(TTL_MS / 2) });
      }
    }
    return this;
  }
  save(): Uint8Array {
    const writer = new SnapshotWriter({ store: this.store, now: this.now, unixMs: UNIX_MS });
    const parts: Uint8Array[] = [];
    for (let bytes = writer.next(); bytes !== undefined; bytes = writer.next()) parts.push(bytes);
    return Uint8Array.from(Buffer.concat(parts));
  }
  /** @param o.cut length of the pieces the file comes in */
  load(file: Uint8Array, o: { cut?: number; laterMs?: number } = {}): SnapshotLoad {
    const reader = new SnapshotReader({ store: this.store, now: this.now, unixMs: UNIX_MS + (o.laterMs ?? 0) });
    const cut = o.cut ?? file.length;
    for (let at = 0; at < file.length; at += cut) reader.push(file.subarray(at, at + cut));
    return reader.finish();
  }
  contents(): string[] {
    return contentsOf(this.store, this.now, { ages: true });
  }
}

for (const cut of [1, 1_000, 1_000_000]) {
  test(`what is saved is loaded, with ages, in pieces of ${cut}`, () => {
    const from = new Place().fill(seededRng(3));
    const file = from.save();
    const to = new Place({ now: 1_000_000 });
    const { peerCount, damage, leftOutCount } = to.load(file, { cut });
    const { peerCount4, peerCount6 } = from.store.stats();
    assert.deepEqual([peerCount, leftOutCount, damage], [peerCount4 + peerCount6, 0, undefined]);
    assert.deepEqual(to.contents(), from.contents());
    assert.deepEqual(to.store.stats(), from.store.stats());
  });
}

test('an empty store is a file too, and web peers are not in it', () => {
  const from = new Place();
  from.put({ network: 'web' });
  const to = new Place();
  assert.deepEqual(to.load(from.save()), { swarmCount: 0, peerCount: 0, leftOutCount: 0, damage: undefined });
  assert.equal(to.store.stats().swarmCount, 0);
});

test('the time between counts, and who is silent for too long is left out', () => {
  const from = new Place();
  from.put({ peer: 1 });
  from.put({ peer: 2, agoMs: TTL_MS / 2 });
  const to = new Place({ now: 0 });
  const { peerCount, leftOutCount } = to.load(from.save(), { laterMs: TTL_MS / 2 + 60_000 });
  assert.deepEqual([peerCount, leftOutCount], [1, 1]);
  assert.equal(to.contents().length, 1);
  assert.match(to.contents()[0] ?? '', / 186$/);
  to.now = (TTL_MS / 2) as Millis;
  assert.equal(sweepAll(to), 1);
});

test('a count of downloads outlives peers and restarts', () => {
  const from = new Place();
  from.put({ isSeeder: true, event: 'completed' });
  from.put({ event: 'stopped' });
  const to = new Place();
  to.load(from.save());
  assert.match(to.contents().join(), /downloaded 1$/);
});

test('merging: the younger word of a peer stays, the larger count of downloads stays', () => {
  const from = new Place();
  from.put({ peer: 1, isSeeder: true, event: 'completed', agoMs: 100_000 });
  from.put({ peer: 2, isSeeder: true, agoMs: 20_000 });
  const to = new Place();
  to.put({ peer: 1, agoMs: 20_000 });
  to.put({ peer: 2, agoMs: 100_000 });
  to.put({ peer: 3, agoMs: 100_000 });
  to.load(from.save());
  const words = to.contents().map((line) => line.slice(line.indexOf(' ') + 1));
  assert.deepEqual(words.sort(), [
    '4 10.0.0.1 2 leecher 2',
    '4 10.0.0.2 3 seeder 2',
    '4 10.0.0.3 1 leecher 10',
    'downloaded 1',
  ]);
});

test('chunks merge alone, in any order, and twice', () => {
  const from = new Place().fill(seededRng(4));
  const source = new SnapshotChunks({ store: from.store, now: from.now });
  const chunks: Uint8Array[] = [];
  for (let chunk = source.next(); chunk !== undefined; chunk = source.next()) if (chunk.length > 0) chunks.push(chunk);
  const to = new Place({ now: 1_000_000 });
  for (const chunk of [...chunks, ...chunks].reverse()) {
    for (const _ of mergeSnapshotChunk(chunk, { store: to.store, now: to.now, takenAt: to.now }));
  }
  assert.deepEqual(to.contents(), from.contents());
});

test('a newer version and foreign files are refused with a code', () => {
  const file = new Place().save();
  const newer = file.slice();
  newer[9] = 2;
  assert.throws(() => new Place().load(newer), isCode('swarm/state-newer'));
  assert.throws(
    () => new Place().load(Buffer.from('something else that is long enough')),
    isCode('swarm/state-damaged'),
  );
  const flipped = file.slice();
  flipped[15] = 77;
  assert.throws(() => new Place().load(flipped), isCode('swarm/state-damaged'));
});

test('a file that was cut gives what is whole in it, and says so', () => {
  const from = new Place().fill(seededRng(5));
  const file = from.save();
  for (const length of [24, 25, 40_000, file.length - 9, file.length - 1]) {
    const to = new Place();
    const { damage } = to.load(file.subarray(0, length));
    assert.notEqual(damage, undefined);
    const lines = new Set(from.contents());
    for (const line of to.contents()) assert(lines.has(line), line);
  }
  assert.notEqual(new Place().load(file.subarray(0, 10)).damage, undefined);
});

test('damage by the thousand: never a crash, never a peer that was not there', () => {
  const rng = seededRng(6);
  const from = new Place().fill(seededRng(7));
  const file = from.save();
  const known = new Set(from.contents());
  for (let i = 0; i < 300; i++) {
    const bad = file.slice();
    for (let n = 1 + rng.below(4); n > 0; n--) bad[rng.below(bad.length)] = rng.below(256);
    const to = new Place();
    try {
      const { damage } = to.load(bad, { cut: 1 + rng.below(50_000) });
      if (damage === undefined) assert.deepEqual(bad, file);
    } catch (error) {
      if (!BtError.is(error, 'swarm/state-damaged') && !BtError.is(error, 'swarm/state-newer')) throw error;
    }
    for (const line of to.contents()) assert(known.has(line), line);
  }
});

test('chunks of a liar, with good checksums, are refused or harmless', () => {
  const rng = seededRng(8);
  const from = new Place().fill(seededRng(7));
  const source = new SnapshotChunks({ store: from.store, now: from.now });
  const chunk = source.next() as Uint8Array;
  for (let i = 0; i < 500; i++) {
    const body = chunk.slice(8, 8 + 1 + rng.below(200));
    for (let n = rng.below(6); n > 0; n--) body[rng.below(body.length)] = rng.below(256);
    const to = new Place({ limits: { peersMax: 500, swarmsMax: 20 } });
    try {
      for (const _ of mergeSnapshotChunk(sealed(body), { store: to.store, now: to.now, takenAt: to.now }));
    } catch (error) {
      if (!BtError.is(error, 'swarm/state-damaged')) throw error;
    }
    const { peerCount4, peerCount6 } = to.store.stats();
    assert(peerCount4 + peerCount6 <= body.length / 8);
  }
});

test('a full store takes what it has room for', () => {
  const from = new Place().fill(seededRng(3));
  const to = new Place({ limits: { peersMax: 1_000 } });
  const { peerCount, leftOutCount } = to.load(from.save());
  assert.equal(peerCount, 1_000);
  assert(leftOutCount > 1_000);
  assert.equal(to.store.stats().peerCount4 + to.store.stats().peerCount6, 1_000);
});

function sealed(body: Uint8Array): Uint8Array {
  const chunk = Buffer.alloc(8 + body.length);
  chunk.writeUInt32BE(body.length, 0);
  chunk.writeUInt32BE(crc32c(body), 4);
  chunk.set(body, 8);
  return chunk;
}

function sweepAll(place: Place): number {
  let removed = 0;
  for (let i = 0; i < 100; i++) removed += place.store.sweep(place.now);
  return removed;
}

function isCode(code: 'swarm/state-newer' | 'swarm/state-damaged'): (error: unknown) => boolean {
  return (error) => BtError.is(error, code);
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError, type Millis, type TorrentId } from '#base';
import {
  type DiskOptions,
  type Driven,
  type MadeUpTorrent,
  makeTorrent,
  SimDisk,
  SimHost,
  SimNet,
  SimTrackers,
  SimWorld,
} from '#sim';
import type { CommitOutcome } from '#swarm';
import { nodeCrypto as crypto } from '../../support/node-crypto.ts';

const KIB = 1024;
const id = 1 as TorrentId;

interface Heard {
  readonly at: Millis;
  readonly what: string;
  readonly args: unknown[];
}

/** A session that only writes down its inputs. */
function recorder(): { session: Driven; heard: Heard[]; last: (what: string) => unknown[] } {
  const heard: Heard[] = [];
  const session = new Proxy({} as Driven, {
    get: (_, what: string) => {
      if (what === 'assertInvariants') return undefined;
      return (at: Millis, ...args: unknown[]) => {
        heard.push({ at, what, args });
      };
    },
  });
  const last = (what: string) => {
    const found = heard.findLast((h) => h.what === what);
    assert.ok(found, `${what} was heard; there was ${heard.map((h) => h.what).join(' ')}`);
    return found.args;
  };
  return { session, heard, last };
}

function setUp(made: Partial<MadeUpTorrent> = {}, options: Partial<DiskOptions> = {}) {
  const world = new SimWorld(1);
  const net = new SimNet(world);
  const torrent = makeTorrent(crypto, { seed: 7, files: 300_000, pieceLength: 64 * KIB, ...made });
  const disk = new SimDisk(world, 'test', { crypto, torrents: new Map([[torrent.key, torrent]]), ...options });
  const machine = net.addHost();
  const begin = () => {
    const host = new SimHost({ world, net: machine, disk, trackers: new SimTrackers() });
    const heard = recorder();
    host.start(heard.session);
    return { host, ...heard };
  };
  const first = begin();
  const { info } = torrent.torrent;
  const open = (host = first.host, wanted = info.files.map(() => true)) => {
    host.openStore(id, { info, wanted });
    world.runFor(50);
  };
  const piece = (i: number) => {
    const bytes = new Uint8Array(torrent.geometry.pieceBytes(i));
    torrent.content.read(torrent.geometry.pieceStart(i), bytes);
    return bytes;
  };
  const commit = (i: number, bytes = piece(i), blockHashes = false): CommitOutcome => {
    const expect = torrent.truth.expectation(i);
    first.host.commit({ torrent: id, piece: i, segments: [bytes], segmentBytes: 1 << 20, expect, blockHashes });
    world.runFor(50);
    return first.last('onCommitted')[2] as CommitOutcome;
  };
  return { world, net, torrent, info, disk, begin, ...first, open, piece, commit };
}

test('content is the same however it is read, and is recognised', () => {
  const { torrent } = setUp({ files: [5000, 0, 70_001, 40_000], format: 'hybrid', pieceLength: 16 * KIB });
  const { content } = torrent;
  const whole = new Uint8Array(torrent.torrent.info.spaceLength);
  content.read(0, whole);
  assert.ok(content.equals(0, whole));
  for (const [from, to] of [
    [0, 1],
    [3, 4099],
    [4090, 4100],
    [4999, 16_390],
    [20_000, 90_000],
  ] as const) {
    const part = new Uint8Array(to - from);
    content.read(from, part);
    assert.deepEqual(part, whole.slice(from, to));
    assert.ok(content.equals(from, part));
    part[part.length >> 1] = (part[part.length >> 1] as number) ^ 1;
    assert.ok(!content.equals(from, part));
  }
  assert.ok(
    whole.subarray(5000, 16_384).every((x) => x === 0),
    'pads are zeros',
  );
});

for (const format of ['v1', 'v2', 'hybrid'] as const) {
  test(`${format}: good pieces are stored and found again, bad ones are not, with hashes of their blocks`, () => {
    const t = setUp({ files: [100_000, 20, 150_000], format });
    t.open();
    for (let i = 0; i < t.info.pieceCount; i++) assert.deepEqual(t.commit(i), { kind: 'ok' });
    t.host.recheck(
      id,
      0,
      Array.from({ length: t.info.pieceCount }, (_, i) => t.torrent.truth.expectation(i)),
    );
    t.world.runFor(100);
    assert.ok((t.last('onRechecked')[2] as Uint8Array).every((x) => x === 1));

    const bad = t.piece(0);
    bad[17_000] = (bad[17_000] as number) ^ 1;
    const other = setUp({ files: [100_000, 20, 150_000], format });
    other.open();
    assert.deepEqual(other.commit(0, bad.slice()), { kind: 'bad' });
    const hashes = other.last('onCommitted')[4] as Uint8Array;
    assert.equal(hashes.length, 20 * Math.ceil(bad.length / 16_384));
    assert.deepEqual(hashes.slice(20, 40), crypto.sha1(bad.subarray(16_384, 32_768)));
    assert.ok(other.disk.image(other.info).isAbsent(0));
  });
}

test('hashes that nobody knows are computed: foreign content, wrong expectations, contradictions', () => {
  const t = setUp({ format: 'hybrid' });
  const foreign = setUp({ format: 'hybrid' }, { torrents: new Map() });
  foreign.open();
  assert.deepEqual(foreign.commit(0), { kind: 'ok' });
  assert.deepEqual(foreign.commit(1, t.piece(0)), { kind: 'bad' });
  t.open();
  const commit = (expect: object) => {
    t.host.commit({
      torrent: id,
      piece: 0,
      segments: [t.piece(0)],
      segmentBytes: 1 << 20,
      expect,
      blockHashes: false,
    });
    t.world.runFor(50);
    return (t.last('onCommitted')[2] as CommitOutcome).kind;
  };
  const truth = t.torrent.truth.expectation(0);
  const wrong = new Uint8Array(20);
  assert.equal(commit({ v1: wrong }), 'bad');
  assert.equal(commit({ v1: wrong, v2: truth.v2 }), 'inconsistent');
  assert.equal(commit({ v2: truth.v2 }), 'ok');
});

test('buffers given to the disk are gone: they are poisoned and cannot be given twice', () => {
  const t = setUp();
  t.open();
  const mine = t.piece(0);
  t.commit(0, mine);
  assert.ok(mine.every((x) => x === 0xdb));
  const back = (t.last('onCommitted')[3] as Uint8Array[])[0] as Uint8Array;
  assert.deepEqual(back, t.piece(0));
  assert.throws(() => t.commit(0, mine), /given away only once/);
});

test('runs are read around their headers, one before each 16 KiB, and may go beyond the end of a v2 file', () => {
  const t = setUp({ files: 40_000, format: 'v2' });
  t.open();
  t.commit(0);
  t.host.readRun(id, 5, 0, 16_384, 2 * 16_384, new Uint8Array(2 * (16_384 + 13)).fill(0xee));
  t.world.runFor(50);
  const [, run, bytes, error] = t.last('onRun') as [TorrentId, number, Uint8Array, BtError | undefined];
  assert.equal(error, undefined);
  assert.equal(run, 5);
  for (const at of [0, 16_397]) assert.ok(bytes.subarray(at, at + 13).every((x) => x === 0xee));
  assert.deepEqual(bytes.slice(13, 13 + 16_384), t.piece(0).slice(16_384, 32_768));
  const tail = t.piece(0).slice(32_768);
  assert.deepEqual(bytes.slice(16_410, 16_410 + tail.length), tail);
  assert.ok(bytes.subarray(16_410 + tail.length).every((x) => x === 0));
});

test('a large piece goes to disk in segments and is verified from there', () => {
  const t = setUp({ files: 8 << 20, pieceLength: 4 << 20 });
  t.open();
  const bytes = t.piece(1);
  for (const at of [0, 2]) t.host.storeSegment(id, 1, at << 20, bytes.slice(at << 20, (at + 1) << 20));
  t.world.runFor(500);
  const commit = (segments: (Uint8Array | undefined)[]) => {
    const expect = t.torrent.truth.expectation(1);
    t.host.commit({ torrent: id, piece: 1, segments, segmentBytes: 1 << 20, expect, blockHashes: true });
    t.world.runFor(500);
    return t.last('onCommitted');
  };
  const segment = (i: number) => bytes.slice(i << 20, (i + 1) << 20);
  const wrong = segment(3);
  wrong[5] = (wrong[5] as number) ^ 1;
  assert.deepEqual(commit([undefined, segment(1), undefined, wrong])[2], { kind: 'bad' });
  const [, , outcome, segments, hashes] = commit([undefined, segment(1), undefined, segment(3)]);
  assert.deepEqual(outcome, { kind: 'ok' });
  assert.deepEqual(
    (segments as unknown[]).map((s) => s === undefined),
    [true, false, true, false],
  );
  assert.equal((hashes as Uint8Array).length, 256 * 20);
  assert.ok(t.disk.image(t.info).isWhole(1));
});

test('trouble: full disk and space coming back, broken file, read-only, lost and cut files', () => {
  const t = setUp({ files: [70_000, 70_000, 70_000] });
  t.open();
  t.disk.capacityBytes = 100_000;
  assert.equal(t.commit(0).kind, 'ok');
  const full = t.commit(1);
  assert.ok(full.kind === 'failed' && BtError.is(full.error, 'disk/no-space'));
  t.disk.capacityBytes = 1e9;
  assert.equal(t.commit(1).kind, 'ok');
  const image = t.disk.image(t.info);
  image.brokenFiles.add(2);
  const broken = t.commit(2);
  assert.ok(broken.kind === 'failed' && BtError.is(broken.error, 'disk/io'));
  assert.equal(broken.error.detail.path, 'content-7/file-0002');
  image.brokenFiles.clear();
  t.disk.faults.isReadOnly = true;
  const readOnly = t.commit(2);
  assert.ok(readOnly.kind === 'failed' && BtError.is(readOnly.error, 'disk/access'));
  t.disk.faults.isReadOnly = false;
  for (let i = 2; i < t.info.pieceCount; i++) assert.equal(t.commit(i).kind, 'ok');

  const read = (piece: number) => {
    t.host.readRun(id, 1, piece, 0, 16_384, new Uint8Array(16_397));
    t.world.runFor(50);
    return (t.last('onRun')[3] as BtError | undefined)?.code;
  };
  assert.equal(read(0), undefined);
  image.truncate(0, 1000, t.world.wallMs);
  assert.equal(read(0), 'disk/changed');
  image.truncate(0, 0, t.world.wallMs, true);
  assert.equal(read(0), 'disk/not-found');
  t.host.recheck(
    id,
    0,
    Array.from({ length: t.info.pieceCount }, (_, i) => t.torrent.truth.expectation(i)),
  );
  t.world.runFor(100);
  assert.deepEqual([...(t.last('onRechecked')[2] as Uint8Array)], [2, 2, 1, 1], 'two are missing, two are good');
});

test('files that are not wanted are never created, and their share of a piece is kept all the same', () => {
  const t = setUp({ files: [70_000, 70_000, 70_000] });
  t.open(t.host, [true, false, true]);
  for (let i = 0; i < t.info.pieceCount; i++) t.commit(i);
  const image = t.disk.image(t.info);
  assert.deepEqual(
    image.fileStates().map((f) => f?.length),
    [70_000, undefined, 70_000],
  );
  assert.ok((image.partFile?.length ?? 0) > 0);
});

test('kill: queued work is lost, what is stored and the last resume record survive', () => {
  const t = setUp();
  t.open();
  t.commit(0);
  t.host.saveResume(id, Uint8Array.of(1, 2, 3), false);
  t.world.runFor(50);
  t.host.commit({
    torrent: id,
    piece: 1,
    segments: [t.piece(1)],
    segmentBytes: 1 << 20,
    expect: t.torrent.truth.expectation(1),
    blockHashes: false,
  });
  t.host.kill('process');
  const before = t.heard.length;
  const again = t.begin();
  t.open(again.host);
  t.world.runFor(1000);
  assert.equal(t.heard.length, before, 'the dead hear nothing');
  const opened = again.last('onStoreOpened')[1] as { kind: string; resume: { bytes: Uint8Array; final: boolean } };
  assert.deepEqual([...opened.resume.bytes], [1, 2, 3]);
  assert.equal(opened.resume.final, false);
  again.host.recheck(id, 0, [t.torrent.truth.expectation(0), t.torrent.truth.expectation(1)]);
  t.world.runFor(100);
  assert.deepEqual([...(again.last('onRechecked')[2] as Uint8Array)], [1, 0]);
});

test('a store closes after everything before has been answered', () => {
  const t = setUp();
  t.open();
  for (let i = 0; i < 4; i++) {
    const expect = t.torrent.truth.expectation(i);
    t.host.commit({ torrent: id, piece: i, segments: [t.piece(i)], segmentBytes: 1 << 20, expect, blockHashes: false });
  }
  t.host.saveResume(id, Uint8Array.of(9), true);
  t.host.closeStore(id);
  assert.throws(() => t.host.hashLeaves(id, 0), /jobs are for open stores/);
  t.world.runFor(100);
  assert.equal(t.heard.at(-1)?.what, 'onStoreClosed');
  assert.equal(t.heard.filter((h) => h.what === 'onCommitted').length, 4);
  assert.deepEqual(t.host.leaks(), []);
});

test('a pretended torrent of 100 GB costs no memory and works', () => {
  const t = setUp({ files: 100 * 2 ** 30, pieceLength: 16 << 20, isPretended: true });
  t.open();
  const piece = 6000;
  const bytes = t.piece(piece);
  t.host.commit({
    torrent: id,
    piece,
    segments: [bytes],
    segmentBytes: 16 << 20,
    expect: t.torrent.truth.expectation(piece),
    blockHashes: false,
  });
  t.world.runFor(1000);
  assert.deepEqual(t.last('onCommitted')[2], { kind: 'ok' });
});

test('where the runtime detaches, a buffer that was given away is really gone', () => {
  const t = setUp({}, { transfer: (buffer) => structuredClone(buffer, { transfer: [buffer] }) });
  t.open();
  const whole = new Uint8Array(1 << 20);
  const mine = whole.subarray(100, 100 + t.piece(0).length);
  mine.set(t.piece(0));
  assert.deepEqual(t.commit(0, mine), { kind: 'ok' });
  assert.equal(mine.length, 0);
  const back = (t.last('onCommitted')[3] as Uint8Array[])[0] as Uint8Array;
  assert.equal(back.byteOffset, 100);
  assert.equal(back.buffer.byteLength, 1 << 20);
  assert.deepEqual(back.slice(), t.piece(0));
  assert.throws(() => t.commit(0, mine), /not empty/);
});

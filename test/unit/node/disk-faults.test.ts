import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type DiskLimits, InlineDisk } from '#node';
import { DiskProbe, opened } from '../../support/disk-probe.ts';
import { type Faults, faultyCalls, noFaults } from '../../support/faulty-calls.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { type MadeTorrent, makeTorrent } from '../../support/torrents.ts';

interface Faulty {
  readonly faults: Faults;
  readonly probe: DiskProbe;
  readonly folder: string;
  pieceOf(piece: number): Uint8Array;
}

function setUp(t: TestContext, made: MadeTorrent, limits: Partial<DiskLimits> = {}): Faulty {
  const faults = noFaults();
  const folder = join(makeTempFolder(t), 'downloads');
  const stateDir = join(folder, '../state');
  const disk = new InlineDisk({ folderOf: () => folder, stateDir, limits, calls: faultyCalls(faults) });
  t.after(() => disk.close());
  const probe = new DiskProbe(disk, made.torrent);
  const { info } = made.torrent;
  const space = new Uint8Array(info.spaceLength);
  for (const [i, file] of info.files.entries()) space.set(made.contents[i] ?? [], file.offset);
  const pieceOf = (piece: number): Uint8Array => {
    const start = probe.geometry.pieceStart(piece);
    return space.slice(start, start + probe.geometry.pieceBytes(piece));
  };
  return { faults, probe, folder, pieceOf };
}

const files = { a: 100_000, b: 100_000, c: 5_000 };

describe('a disk in trouble', () => {
  test('full: the piece fails with its name, and is stored once there is room', async (t) => {
    const { faults, probe, folder, pieceOf } = setUp(t, makeTorrent({ files }));
    opened(await probe.open());
    faults.spaceBytes = 40_000;
    assert.deepEqual((await probe.commit(0, [pieceOf(0)])).outcome, { kind: 'ok' });
    const { outcome, segments } = await probe.commit(1, [pieceOf(1)]);
    assert.ok(outcome.kind === 'failed');
    assert.equal(outcome.error.code, 'disk/no-space');
    assert.equal(
      outcome.error.detail !== undefined && 'path' in outcome.error.detail && outcome.error.detail.path,
      join(folder, 'made/a'),
    );
    assert.deepEqual(segments, [pieceOf(1)]);
    faults.spaceBytes = Number.POSITIVE_INFINITY;
    assert.deepEqual((await probe.commit(1, [pieceOf(1)])).outcome, { kind: 'ok' });
    assert.deepEqual((await probe.recheck()).good, [1, 1, 0, 0, 0, 0, 0]);
  });

  test('full: how far a file was written is told all the same, and what has not changed is not', async (t) => {
    const { faults, probe, folder, pieceOf } = setUp(t, makeTorrent({ files }));
    opened(await probe.open());
    assert.deepEqual((await probe.commit(4, [pieceOf(4)])).outcome, { kind: 'ok' });
    faults.spaceBytes = 20_000;
    assert.equal((await probe.commit(0, [pieceOf(0)])).outcome.kind, 'failed');
    const { size, mtimeMs } = statSync(join(folder, 'made/a'));
    assert.deepEqual(probe.files, new Map([[0, { length: size, modifiedMs: Math.floor(mtimeMs) }]]));
    faults.spaceBytes = Number.POSITIVE_INFINITY;
    await probe.save(Uint8Array.of(1), true);
    assert.equal(probe.files, undefined);
    await probe.recheck();
    assert.equal(probe.files, undefined);
  });

  test('full: resume data keeps its last good generation', async (t) => {
    const { faults, probe } = setUp(t, makeTorrent({ files }));
    opened(await probe.open());
    assert.equal(await probe.save(Uint8Array.of(1), false), undefined);
    faults.spaceBytes = 10;
    assert.equal((await probe.save(Uint8Array.of(2), false))?.code, 'disk/no-space');
    await probe.closeStore();
    assert.deepEqual([...(opened(await probe.open()).resume?.bytes ?? [])], [1]);
  });

  test('one broken file: others go on', async (t) => {
    const { faults, probe, pieceOf } = setUp(t, makeTorrent({ files }));
    opened(await probe.open());
    faults.brokenPath = 'made/b';
    assert.deepEqual((await probe.commit(0, [pieceOf(0)])).outcome, { kind: 'ok' });
    const { outcome } = await probe.commit(4, [pieceOf(4)]);
    assert.equal(outcome.kind === 'failed' && outcome.error.code, 'disk/io');
    await assert.rejects(probe.read(4, 0, 100), { code: 'disk/io' });
    assert.deepEqual(await probe.read(0, 0, 100), pieceOf(0).subarray(0, 100));
    const { good, error } = await probe.recheck();
    assert.equal(error?.code, 'disk/io');
    assert.deepEqual(good, [1, 0, 0, 0, 0, 0, 0]);
  });

  test('read-only: seeding works, writing says why not', async (t) => {
    const made = makeTorrent({ files: { ...files, 'sub/empty': 0 } });
    const { faults, probe, pieceOf } = setUp(t, made);
    opened(await probe.open());
    for (let piece = 0; piece < 6; piece++) await probe.commit(piece, [pieceOf(piece)]);
    await probe.closeStore();
    faults.isReadOnly = true;
    opened(await probe.open());
    assert.deepEqual(await probe.read(2, 0, 100), pieceOf(2).subarray(0, 100));
    const { outcome } = await probe.commit(6, [pieceOf(6)]);
    assert.equal(outcome.kind === 'failed' && outcome.error.code, 'disk/access');
    await probe.closeStore();
  });

  test('out of descriptors: lives with fewer files, and fails only when there is none left', async (t) => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, 3_000]));
    const { faults, probe, pieceOf } = setUp(t, makeTorrent({ files: many }));
    faults.descriptorsMax = 4;
    opened(await probe.open());
    for (let piece = 0; piece < 3; piece++)
      assert.deepEqual((await probe.commit(piece, [pieceOf(piece)])).outcome, { kind: 'ok' });
    assert.deepEqual((await probe.recheck()).good, [1, 1, 1]);
    await probe.closeStore();
    opened(await probe.open());
    faults.descriptorsMax = 0;
    const { outcome } = await probe.commit(0, [pieceOf(0)]);
    assert.equal(outcome.kind === 'failed' && outcome.error.code, 'disk/io');
    faults.descriptorsMax = 1;
    assert.deepEqual((await probe.commit(0, [pieceOf(0)])).outcome, { kind: 'ok' });
  });

  test('keeps few files open, and none after close', async (t) => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, 3_000]));
    const { faults, probe, pieceOf } = setUp(t, makeTorrent({ files: many }), { openFilesMax: 5 });
    opened(await probe.open());
    for (let piece = 0; piece < 3; piece++) {
      await probe.commit(piece, [pieceOf(piece)]);
      // The journal of the resume record is one more.
      assert.ok(faults.openCount <= 6, `${faults.openCount} open`);
    }
    assert.ok(faults.openCount > 0);
    await probe.closeStore();
    assert.equal(faults.openCount, 0);
  });

  test('calls that do less than asked are repeated', async (t) => {
    const made = makeTorrent({ files });
    const { faults, probe, folder, pieceOf } = setUp(t, made);
    faults.bytesPerCall = 777;
    opened(await probe.open([true, false, true]));
    for (const piece of [0, 1, 2, 3, 6])
      assert.deepEqual((await probe.commit(piece, [pieceOf(piece)])).outcome, { kind: 'ok' });
    assert.ok(readFileSync(join(folder, 'made/a')).equals(made.contents[0] as Uint8Array));
    assert.deepEqual(await probe.read(3, 0, 32_768), pieceOf(3));
    await probe.closeStore();
    opened(await probe.open([true, true, true]));
    assert.deepEqual((await probe.recheck()).good, [1, 1, 1, 1, 0, 0, 1]);
  });

  test('a folder that cannot be entered is told when the store opens', {
    skip: process.getuid?.() === 0 && 'root enters everything',
  }, async (t) => {
    const { probe, folder } = setUp(t, makeTorrent({ files }));
    mkdirSync(join(folder, 'made'), { recursive: true, mode: 0 });
    const result = await probe.open();
    assert.equal(result.kind === 'failed' && result.error.code, 'disk/access');
  });
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Geometry, Info, TorrentFormat } from '#metainfo';
import type { Disk, DiskLimits } from '#node';
import { DiskProbe, opened } from './disk-probe.ts';
import { makeTempFolder } from './temp-folder.ts';
import type { MadeTorrent } from './torrents.ts';

/** Somebody who does the disk's work, for the contract suites. */
export interface DiskSuite {
  readonly name: string;
  readonly make: (options: { folder: string; stateDir: string; limits?: Partial<DiskLimits> }) => Disk;
}

/** A disk, a torrent, and what both should come to. */
export interface Bench {
  readonly folder: string;
  readonly stateDir: string;
  readonly made: MadeTorrent;
  readonly info: Info;
  readonly geometry: Geometry;
  readonly probe: DiskProbe;
  /** Torrent space: what peers would send. */
  readonly space: Uint8Array;
  pieceOf(piece: number): Uint8Array;
  pathOf(file: number): string;
  commitAll(pieces?: readonly number[]): Promise<void>;
  reopen(wanted?: readonly boolean[]): Promise<void>;
}

export const formats: readonly TorrentFormat[] = ['v1', 'v2', 'hybrid'];
export const threeFiles = { 'a.bin': 10_000, 'sub/b.bin': 50_000, 'sub/deep/c.bin': 100_000 };

function spaceOf(made: MadeTorrent): Uint8Array {
  const { info } = made.torrent;
  const space = new Uint8Array(info.spaceLength);
  for (const [i, file] of info.files.entries()) space.set(made.contents[i] ?? [], file.offset);
  return space;
}

/** A disk of the suite's making over empty folders; closed and removed after the test. */
export function setUpDisk(
  suite: DiskSuite,
  t: TestContext,
  made: MadeTorrent,
  options: { limits?: Partial<DiskLimits>; folder?: string; stateDir?: string } = {},
): Bench {
  const base = makeTempFolder(t);
  const folder = options.folder ?? join(base, 'downloads');
  const stateDir = options.stateDir ?? join(base, 'state');
  const { limits } = options;
  const disk = suite.make({ folder, stateDir, ...(limits && { limits }) });
  t.after(() => disk.close());
  const probe = new DiskProbe(disk, made.torrent);
  const { info } = made.torrent;
  const { geometry } = probe;
  const space = spaceOf(made);
  const pieceOf = (piece: number): Uint8Array => {
    const start = geometry.pieceStart(piece);
    return space.slice(start, start + geometry.pieceBytes(piece));
  };
  return {
    folder,
    stateDir,
    made,
    info,
    geometry,
    probe,
    space,
    pieceOf,
    pathOf: (file) => join(folder, ...(info.files[file]?.path ?? [])),
    commitAll: async (pieces = Array.from({ length: info.pieceCount }, (_, i) => i)) => {
      const answers = pieces.map((piece) => probe.commit(piece, [pieceOf(piece)]));
      for (const { outcome } of await Promise.all(answers)) assert.deepEqual(outcome, { kind: 'ok' });
    },
    reopen: async (wanted) => {
      await probe.closeStore();
      opened(await probe.open(wanted));
    },
  };
}

/** Every file is there and has its content. */
export function checkFiles(b: Bench): void {
  b.info.files.forEach((file, i) => {
    if (file.symlink !== undefined) return;
    assert.ok(readFileSync(b.pathOf(i)).equals(b.made.contents[i] as Uint8Array), `content of ${file.path.join('/')}`);
  });
}

export function check(what: string, body: (t: TestContext) => Promise<void>): void {
  test(what, { timeout: 30_000 }, body);
}

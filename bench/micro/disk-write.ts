import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { InfoHash, Millis, TorrentId } from '#base';
import type { Info } from '#metainfo';
import { type Disk, DiskPool, deliverReply, InlineDisk } from '#node';
import type { DiskInputs } from '#swarm';

const MIB = 1024 * 1024;
const pieceBytes = MIB;
/** Pieces at the disk at a time, as a fast download has them. */
const inFlight = 8;

/**
 * What it costs to take pieces of 1 MiB, hash them and write them to a new file: CPU-seconds a GiB, by the size of write calls and by
 * where it is done. Decides `diskLimits.writeStepBytes`.
 *
 *     npm run bench -- disk-write [--mib 1024] [--rounds 3] [--steps 16,32] [--warm] [--folder DIR]
 *
 * New files, each removed before the next run, as a download makes them; or `--warm`: every run overwrites the same file. Runs are
 * processes of their own. They disturb each other: a run of large writes leaves memory in another state than one of small writes, so
 * compare with `--steps 32`, which runs one size alone, in KiB.
 */
export function run(args: readonly string[]): void | Promise<void> {
  const option = (name: string, otherwise: string): string => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? otherwise : (args[at + 1] ?? otherwise);
  };
  if (args[0] === '--child') return runOnce(JSON.parse(args[1] as string) as Case);
  const mib = Number(option('mib', '1024'));
  const rounds = Number(option('rounds', '3'));
  const isWarm = args.includes('--warm');
  const folder = mkdtempSync(join(option('folder', tmpdir()), 'eider-bench-'));
  const steps = option('steps', '16,32,64,256,1024').split(',').map(Number);
  const cases: Case[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const step of steps) {
      for (const where of ['inline', 'worker'] as const) {
        cases.push({ where, step: step * 1024, mib, file: isWarm ? 'warm' : `${where}-${step}-${round}`, folder });
      }
    }
  }
  cases.sort(() => Math.random() - 0.5);
  const results = new Map<string, Result[]>();
  try {
    for (const c of cases) {
      const child = spawnSync(
        process.execPath,
        [join(fileURLToPath(import.meta.url), '../../main.js'), 'disk-write', '--child', JSON.stringify(c)],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
      );
      if (!isWarm) rmSync(join(folder, c.file), { force: true });
      const key = `${c.where}, writes of ${c.step / 1024} KiB`;
      results.set(key, [...(results.get(key) ?? []), JSON.parse(child.stdout) as Result]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const median = (values: number[]): number => {
    const sorted = values.sort((a, b) => a - b);
    return Math.round((sorted[sorted.length >> 1] ?? 0) * 100) / 100;
  };
  console.log(`${isWarm ? 'overwriting' : 'new files'}, median of ${rounds}, CPU-seconds per GiB`);
  const rows = [...results].map(([what, r]) => [
    what,
    {
      user: median(r.map((x) => x.user)),
      system: median(r.map((x) => x.system)),
      sum: median(r.map((x) => x.user + x.system)),
      'wall s': median(r.map((x) => x.wall)),
      'busiest main s': median(r.map((x) => x.main)),
    },
  ]);
  console.table(
    Object.fromEntries(rows.sort((a, b) => String(a[0]).localeCompare(String(b[0]), 'en', { numeric: true }))),
  );
}

interface Case {
  readonly where: 'inline' | 'worker';
  readonly step: number;
  readonly mib: number;
  readonly file: string;
  readonly folder: string;
}

interface Result {
  readonly user: number;
  readonly system: number;
  readonly wall: number;
  /** Seconds that the main thread was not idle. */
  readonly main: number;
}

async function runOnce(c: Case): Promise<void> {
  const info: Info = {
    format: 'v1',
    bytes: new Uint8Array(0),
    hashV1: '00'.repeat(20) as InfoHash,
    name: c.file,
    pieceLength: pieceBytes,
    singleFile: true,
    files: [{ index: 0, path: [c.file], length: c.mib * MIB, offset: 0, executable: false, hidden: false }],
    spaceLength: c.mib * MIB,
    pieceCount: c.mib,
    totalLength: c.mib * MIB,
    isPrivate: false,
  };
  const limits = { writeStepBytes: c.step };
  const options = { folderOf: () => c.folder, limits };
  const disk: Disk = c.where === 'inline' ? new InlineDisk(options) : new DiskPool(options);
  const piece = new Uint8Array(pieceBytes);
  for (let i = 0; i < piece.length; i++) piece[i] = Math.imul(i, 2_654_435_761) >>> 24;
  const v1 = new Uint8Array(createHash('sha1').update(piece).digest());
  const torrent = 1 as TorrentId;
  let next = 0;
  let done = 0;
  let finish: () => void = () => {};
  const give = (segment: Uint8Array): void => {
    if (next >= c.mib) return;
    const number = next++;
    disk.commit({
      torrent,
      piece: number,
      segments: [segment],
      segmentBytes: pieceBytes,
      expect: { v1 },
      blockHashes: false,
    });
  };
  const inputs: Partial<DiskInputs> = {
    onStoreOpened: () => {
      for (let i = 0; i < inFlight; i++) give(piece.slice());
    },
    onCommitted: (_now, _torrent, _piece, outcome, segments) => {
      if (outcome.kind !== 'ok') throw new Error(JSON.stringify(outcome));
      if (++done === c.mib) finish();
      else give(segments[0] as Uint8Array);
    },
  };
  disk.attach((reply) => deliverReply(inputs as DiskInputs, 0 as Millis, reply));
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const idle = performance.eventLoopUtilization();
  await new Promise<void>((resolve) => {
    finish = resolve;
    disk.openStore(torrent, { info, wanted: [true] });
  });
  const used = process.cpuUsage(cpu);
  const wall = (performance.now() - startedAt) / 1000;
  const scale = c.mib / 1024;
  const result: Result = {
    user: used.user / 1e6 / scale,
    system: used.system / 1e6 / scale,
    wall,
    main: performance.eventLoopUtilization(idle).active / 1000,
  };
  await disk.close();
  process.stdout.write(JSON.stringify(result));
}

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { toCount } from '../support/arguments.ts';
import { type CommitCost, commitPieces } from '../support/commit-pieces.ts';

const MIB = 1024 * 1024;

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
  const { values } = parseArgs({
    args: [...args],
    options: {
      mib: { type: 'string', default: '1024' },
      rounds: { type: 'string', default: '3' },
      steps: { type: 'string', default: '16,32,64,256,1024' },
      warm: { type: 'boolean', default: false },
      folder: { type: 'string', default: tmpdir() },
      child: { type: 'string' },
    },
  });
  if (values.child !== undefined) return runOnce(JSON.parse(values.child) as Case);
  const [mib, rounds] = [toCount(values.mib, '--mib'), toCount(values.rounds, '--rounds')];
  const steps = values.steps.split(',').map((step) => toCount(step, '--steps'));
  const isWarm = values.warm;
  const folder = mkdtempSync(join(values.folder, 'eider-bench-'));
  const cases: Case[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const step of steps) {
      for (const where of ['inline', 'worker'] as const) {
        cases.push({ where, step: step * 1024, mib, file: isWarm ? 'warm' : `${where}-${step}-${round}`, folder });
      }
    }
  }
  cases.sort(() => Math.random() - 0.5);
  const results = new Map<string, CommitCost[]>();
  try {
    for (const c of cases) {
      const child = spawnSync(
        process.execPath,
        [join(fileURLToPath(import.meta.url), '../../main.js'), 'disk-write', '--child', JSON.stringify(c)],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
      );
      if (!isWarm) rmSync(join(folder, c.file), { force: true });
      const key = `${c.where}, writes of ${c.step / 1024} KiB`;
      results.set(key, [...(results.get(key) ?? []), JSON.parse(child.stdout) as CommitCost]);
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

async function runOnce({ where, step, mib, file, folder }: Case): Promise<void> {
  const cost = await commitPieces({ where, folder, file, pieceBytes: MIB, mib, writeStepBytes: step });
  process.stdout.write(JSON.stringify(cost));
}

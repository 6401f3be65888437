/**
 * `npm run bench -- scaling [connections] [torrents] [pieces] [files] [peers] [--sizes 1,10] [--runs 3] [--mib 256] [--json FILE]`: what work
 * costs as it grows, all five where none is named: connections of a download (1 to 500), torrents of a session (1 to 10,000), pieces (16 MiB to
 * 16 KiB) and files (1 to 50,000) of a transfer from Eider to itself, peers of a simulated swarm (10 to 2,000). Figures that are told by a unit
 * must not grow with their number; the second table has them divided by those of the row before. `--sizes` in place of its own and `--json` where
 * one is named, `--mib` of content for connections and pieces.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connections } from './scaling/connections.ts';
import { files } from './scaling/files.ts';
import { peers } from './scaling/peers.ts';
import { pieces } from './scaling/pieces.ts';
import type { Scale } from './scaling/scale.ts';
import { torrents } from './scaling/torrents.ts';
import { BadArgument, toChoice, toCount } from './support/arguments.ts';
import { formatGrowth, makeReport, type Row, writeReport } from './transfer/report.ts';
import { measureInTurn } from './transfer/rounds.ts';

const scales: readonly Scale[] = [connections, torrents, pieces, files, peers];

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      sizes: { type: 'string' },
      runs: { type: 'string', default: '3' },
      mib: { type: 'string', default: '256' },
      json: { type: 'string' },
    },
  });
  const names = scales.map(({ name }) => name);
  for (const name of positionals) toChoice(name, 'scaling', names);
  for (const option of ['sizes', 'json'] as const) {
    if (values[option] !== undefined && positionals.length !== 1)
      throw new BadArgument(`--${option} is that of the one scaling that is named`);
  }
  const [runs, mib] = [toCount(values.runs, '--runs'), toCount(values.mib, '--mib')];
  const chosen = positionals.length === 0 ? scales : scales.filter(({ name }) => positionals.includes(name));
  for (const scale of chosen) {
    const sizes = values.sizes?.split(',').map((size) => toCount(size, '--sizes')) ?? scale.sizes;
    const rows = await measureAll(scale, { sizes, runs, mib });
    const report = makeReport(`scaling-${scale.name}`, scale.work, rows);
    process.stdout.write(`\n${formatGrowth(report, `/${scale.unit}`)}`);
    writeReport(report, values.json);
  }
}

async function measureAll(
  scale: Scale,
  { sizes, runs, mib }: { sizes: readonly number[]; runs: number; mib: number },
): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'eider-bench-'));
  try {
    const prepared = await scale.prepare({ folder, sizes, mib });
    try {
      return await measureInTurn(sizes, {
        runs,
        folder,
        keepsRuns: scale.keepsRuns === true,
        nameOf: (size) => scale.label(size),
        measure: (size, place) => prepared.measure(size, place),
      });
    } finally {
      await prepared.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * `npm run profile -- leech|seed|self [--mib 1024] [--piece-kib 1024] [--format v1] [--rows 25]`: one transfer with CPU profiles of every
 * thread of Eider. Prints where the time went, by function, and leaves the profiles in `build/profiles` for a viewer.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { toChoice, toCount } from './support/arguments.ts';
import { formats, makeContent } from './transfer/content.ts';
import { eiderProgram } from './transfer/eider.ts';
import { libtorrent } from './transfer/libtorrent.ts';
import type { TransferProgram } from './transfer/program.ts';
import { runTransfer } from './transfer/run-transfer.ts';

const roles = ['leech', 'seed', 'self'] as const;

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      mib: { type: 'string', default: '1024' },
      'piece-kib': { type: 'string', default: '1024' },
      format: { type: 'string', default: 'v1' },
      rows: { type: 'string', default: '25' },
    },
  });
  const role = toChoice(positionals[0] ?? 'self', 'profile', roles);
  const [mib, pieceKib, rowCount] = (['mib', 'piece-kib', 'rows'] as const).map((o) =>
    toCount(values[o], `--${o}`),
  ) as [number, number, number];
  const format = toChoice(values.format, '--format', formats);
  const folder = mkdtempSync(join(tmpdir(), 'eider-profile-'));
  const out = join('build', 'profiles');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  try {
    const { seeder, leecher } = rolesOf(role, out);
    const content = await makeContent(join(folder, 'original'), {
      format,
      fileCount: 1,
      fileBytes: mib * 1_048_576,
      pieceLength: pieceKib * 1024,
    });
    const { seconds } = await runTransfer({ content, folder: join(folder, 'run'), seeder, leecher, leechers: 1 });
    process.stdout.write(`${mib} MiB in ${seconds.toFixed(2)} s, with profiling\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  for (const file of readdirSync(out).sort()) {
    const profile = JSON.parse(readFileSync(join(out, file), 'utf8')) as CpuProfile;
    process.stdout.write(`\n${file}\n${formatProfile(profile, rowCount)}`);
  }
}

function rolesOf(name: (typeof roles)[number], out: string): { seeder: TransferProgram; leecher: TransferProgram } {
  // Worker threads write profiles of their own beside the main thread's.
  const profiled = (role: string) =>
    eiderProgram({ name: role, nodeArgs: ['--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', out] });
  if (name === 'leech') return { seeder: libtorrent, leecher: profiled('leecher') };
  if (name === 'seed') return { seeder: profiled('seeder'), leecher: libtorrent };
  return { seeder: profiled('seeder'), leecher: profiled('leecher') };
}

/** Self time by function, the most first; the idle time of a thread is left out of the shares. */
function formatProfile({ nodes, samples, timeDeltas }: CpuProfile, rowCount: number): string {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const micros = new Map<string, number>();
  let busy = 0;
  samples.forEach((id, i) => {
    const frame = byId.get(id);
    if (frame === undefined || frame.functionName === '(idle)' || frame.functionName === '(program)') return;
    const file = frame.url.split('/').slice(-2).join('/');
    const name = `${frame.functionName || '(anonymous)'} ${file === '' ? '' : `${file}:${frame.lineNumber + 1}`}`;
    const spent = timeDeltas[i] ?? 0;
    busy += spent;
    micros.set(name, (micros.get(name) ?? 0) + spent);
  });
  const rows = [...micros].sort(([, a], [, b]) => b - a).slice(0, rowCount);
  const lines = rows.map(([name, spent]) => {
    const share = ((spent / busy) * 100).toFixed(1);
    return `${(spent / 1000).toFixed(0).padStart(7)} ms ${share.padStart(5)} %  ${name}`;
  });
  return `${(busy / 1000).toFixed(0).padStart(7)} ms busy\n${lines.join('\n')}\n`;
}

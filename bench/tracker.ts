/**
 * `npm run bench -- tracker [--quick] [--runs 3] [--programs eider,opentracker] [--loads 10k,300k,zipf] [--json FILE]`: trackers under
 * load, each a process of its own, one after the other in turns. Prints answers per CPU-second of the tracker, with every answer judged
 * (`tracker-load/judge.ts`), memory a peer, and the ratios that are to be reached. Linux only.
 *
 * `--quick`: a tenth of the load, one run. `--peers N`: another number of peers. `--window N`: UDP requests under way. `--only TEXT`:
 * after the fill only the phases with this in their name. `--profile`: CPU profiles of the trackers that run on Node, in the current
 * folder.
 */
import { parseArgs } from 'node:util';
import { BadArgument, toChoice, toCount } from './support/arguments.ts';
import type { PhaseResult } from './tracker-load/load-process.ts';
import { makePlans } from './tracker-load/plans.ts';
import { programs as allPrograms } from './tracker-load/programs.ts';
import { formatPlan, toRows } from './tracker-load/report.ts';
import { type LoadResult, runLoad } from './tracker-load/run-load.ts';
import { makeReport, writeReport } from './transfer/report.ts';

const SEED = 1;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      peers: { type: 'string' },
      programs: { type: 'string' },
      loads: { type: 'string' },
      window: { type: 'string' },
      only: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'boolean', default: false },
    },
  });
  const { quick } = values;
  const runs = toCount(values.runs ?? (quick ? '1' : '3'), '--runs');
  const peerCount = toCount(values.peers ?? (quick ? '100000' : '1000000'), '--peers');
  const scale = quick ? 0.25 : 1;
  const plans = pick('--loads', makePlans(peerCount), values.loads ?? (quick ? '10k' : undefined));
  const programs = pick('--programs', allPrograms, values.programs).filter((program) => {
    const reason = program.missing();
    if (reason !== undefined) process.stderr.write(`without ${program.title}: ${reason}\n`);
    return reason === undefined;
  });
  if (programs.length === 0) throw new BadArgument('none of the programs can run here');
  const nodeArgs = values.profile ? ['--cpu-prof'] : [];
  const window = values.window === undefined ? {} : { window: toCount(values.window, '--window') };
  const only = values.only === undefined ? {} : { only: values.only };
  const settings = { scale, nodeArgs, onPhase: note, ...window, ...only };
  const results: LoadResult[] = [];
  for (const plan of plans) {
    for (let i = 0; i < runs; i++) {
      for (const program of programs) {
        if (program.isSlow && plan.distribution === 'zipf') continue;
        process.stderr.write(`${plan.name}, run ${i + 1}: ${program.title}\n`);
        results.push(await runLoad(program, plan, { ...settings, seed: SEED + i }));
      }
    }
    process.stdout.write(`\n${formatPlan(plan, programs, results)}`);
  }
  process.stdout.write(`\nNode ${process.versions.node}; every answer of ${results.length} runs judged right\n`);
  writeReport(makeReport('tracker', `${peerCount.toLocaleString('en')} peers`, toRows(results)), values.json);
}

function note(phase: PhaseResult): void {
  const { name, answers, cpuSeconds, userShare, seconds, loadCpuSeconds, slowestMs, residentBytes } = phase;
  process.stderr.write(
    `  ${name.padEnd(28)}${(answers / cpuSeconds).toFixed(0).padStart(9)}/CPU-s ${(answers / seconds).toFixed(0).padStart(9)}/s  ` +
      `tracker ${(cpuSeconds / seconds).toFixed(2)} (user ${userShare.toFixed(2)}), load ${(loadCpuSeconds / seconds).toFixed(2)} of a core, ` +
      `slowest ${slowestMs.toFixed(1)} ms, ${(residentBytes / 1048576).toFixed(0)} MiB\n`,
  );
}

/** @param names separated by commas; undefined = all */
function pick<T extends { readonly name: string }>(option: string, all: readonly T[], names: string | undefined): T[] {
  if (names === undefined) return [...all];
  const known = all.map(({ name }) => name);
  const chosen = names.split(',').map((name) => toChoice(name, option, known));
  return all.filter(({ name }) => chosen.includes(name));
}

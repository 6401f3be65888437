import { median } from '../support/processes.ts';
import type { Row } from '../transfer/report.ts';
import type { LoadPlan } from './plans.ts';
import type { TrackerProgram } from './programs.ts';
import type { LoadResult } from './run-load.ts';

/** What the issue asks for: a program's figure against another's in the same round. */
interface Target {
  readonly plan?: string;
  readonly phase: string;
  readonly of: string;
  readonly to: string;
  readonly least: number;
}

const targets: readonly Target[] = [
  { phase: 'UDP announce', of: 'eider', to: 'opentracker', least: 1.5 },
  { phase: 'UDP connect + announce', of: 'eider', to: 'opentracker', least: 1.5 },
  { phase: 'UDP scrape of 1', of: 'eider', to: 'opentracker', least: 1.5 },
  { phase: 'UDP scrape of 50', of: 'eider', to: 'opentracker', least: 1.5 },
  { phase: 'HTTP announce, keep-alive', of: 'eider', to: 'opentracker', least: 1.5 },
  { phase: 'UDP announce', of: 'eider-dgram', to: 'opentracker', least: 0.5 },
  { phase: 'UDP announce', of: 'eider', to: 'bittorrent-tracker', least: 30 },
];

/** Bytes a peer above the empty process, at most. */
const memoryTargets: Readonly<Record<string, number>> = { '10k': 18, '300k': 30 };

/** Rates, ratios and memory of all runs under one load, as text. */
export function formatPlan(plan: LoadPlan, shown: readonly TrackerProgram[], results: readonly LoadResult[]): string {
  const own = results.filter((result) => result.plan === plan.name);
  const programs = shown.filter(({ name }) => own.some(({ program }) => program === name));
  const lines = [`${plan.title}: answers per CPU-second of the tracker, median (min - max)`, ''];
  lines.push(
    row(
      '',
      programs.map(({ title }) => title),
    ),
  );
  for (const phase of phaseNames(own)) {
    lines.push(
      row(
        phase,
        programs.map(({ name }) => formatSpread(rates(own, name, phase))),
      ),
    );
  }
  lines.push(
    row(
      'bytes a peer, process',
      programs.map(({ name }) => formatSpread(bytesPerPeer(own, name), 1)),
    ),
  );
  lines.push(
    row(
      'bytes a peer, store alone',
      programs.map(({ name }) => formatSpread(storeBytesPerPeer(own, name), 1)),
    ),
  );
  lines.push(
    row(
      'requests repeated',
      programs.map(({ name }) => String(repeats(own, name))),
    ),
  );
  lines.push('');
  for (const target of targets) {
    const values = ratios(own, target);
    if (values.length === 0) continue;
    const verdict = median(values) >= target.least ? 'reached' : 'MISSED';
    lines.push(
      `${target.phase}, ${target.of} / ${target.to}`.padEnd(58) +
        `${formatSpread(values, 2)}   at least ${target.least}: ${verdict}`,
    );
  }
  const most = memoryTargets[plan.name];
  // A heap that shrinks meanwhile must not hide what the store takes.
  const store = storeBytesPerPeer(own, 'eider');
  const grown = bytesPerPeer(own, 'eider').map((bytes, i) => Math.max(bytes, store[i] ?? 0));
  // With fewer peers the growth of the heap itself would weigh more than they do.
  if (most !== undefined && grown.length > 0 && plan.peerCount >= 1_000_000) {
    const verdict = median(grown) <= most ? 'reached' : 'MISSED';
    lines.push(`${'bytes a peer, eider'.padEnd(58)}${formatSpread(grown, 1)}   at most ${most}: ${verdict}`);
  }
  const slow = programs.filter(({ isSlow }) => isSlow).map(({ title }) => title);
  if (slow.length > 0) lines.push(`(${slow.join(', ')}: a tenth of the peers over a tenth of the torrents)`);
  return `${lines.join('\n')}\n`;
}

/** A program under a load is a row's program; rates are answers per CPU-second of the tracker. */
export function toRows(results: readonly LoadResult[]): Row[] {
  const rounds = new Map<string, number>();
  return results.map((result) => {
    const program = `${result.program}, ${result.plan}`;
    const round = rounds.get(program) ?? 0;
    rounds.set(program, round + 1);
    const rates = result.phases.map(({ name, answers, cpuSeconds }) => [name, answers / cpuSeconds] as const);
    const bytes = bytesPerPeer([result], result.program)[0] as number;
    return { program, round, figures: { ...Object.fromEntries(rates), 'bytes a peer': bytes } };
  });
}

function row(head: string, cells: readonly string[]): string {
  return head.padEnd(28) + cells.map((cell) => cell.padStart(30)).join('');
}

function phaseNames(results: readonly LoadResult[]): string[] {
  return [...new Set(results.flatMap(({ phases }) => phases.map(({ name }) => name)))];
}

/** One a run, in order. */
function rates(results: readonly LoadResult[], program: string, phase: string): number[] {
  return results
    .filter((result) => result.program === program)
    .flatMap(({ phases }) => phases.filter(({ name }) => name === phase))
    .map(({ answers, cpuSeconds }) => answers / cpuSeconds);
}

/** Of runs of the same round, so that what disturbs the machine disturbs both. */
function ratios(results: readonly LoadResult[], target: Target): number[] {
  const of = rates(results, target.of, target.phase);
  const to = rates(results, target.to, target.phase);
  return of.slice(0, to.length).map((rate, i) => rate / (to[i] as number));
}

function bytesPerPeer(results: readonly LoadResult[], program: string): number[] {
  return results
    .filter((result) => result.program === program)
    .map(({ phases, emptyBytes, peerCount }) => ((phases[0]?.residentBytes ?? 0) - emptyBytes) / peerCount);
}

/** Of a store in shared memory alone: that of a process on Node comes and goes by ten megabytes and more. */
function storeBytesPerPeer(results: readonly LoadResult[], program: string): number[] {
  return results
    .filter((result) => result.program === program && (result.phases[0]?.reservedBytes ?? 0) > 0)
    .map(({ phases, peerCount }) => (phases[0]?.reservedBytes ?? 0) / peerCount);
}

function repeats(results: readonly LoadResult[], program: string): number {
  return results
    .filter((result) => result.program === program)
    .flatMap(({ phases }) => phases)
    .reduce((sum, phase) => sum + phase.repeats, 0);
}

function formatSpread(values: readonly number[], digits = 0): string {
  if (values.length === 0) return '-';
  const format = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (values.length === 1) return format(values[0] as number);
  return `${format(median(values))} (${format(Math.min(...values))} - ${format(Math.max(...values))})`;
}

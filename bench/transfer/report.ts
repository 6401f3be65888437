import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { median, spread } from '../support/processes.ts';

/** One run of one program. Figures by name; a figure that a program has not is left out. */
export interface Row {
  readonly program: string;
  /** Rows of one round ran one after the other: ratios are taken within it. */
  readonly round: number;
  readonly figures: Readonly<Record<string, number>>;
}

/** What is to be reached: Eider's figure divided by the other's, in the same round. */
export interface Target {
  readonly figure: string;
  readonly to: string;
  readonly most?: number;
  readonly least?: number;
}

export interface Report {
  readonly bench: string;
  /** What was moved, hashed or checked, for people. */
  readonly work: string;
  readonly machine: string;
  readonly date: string;
  readonly rows: readonly Row[];
}

export function makeReport(bench: string, work: string, rows: readonly Row[]): Report {
  const { model } = cpus()[0] ?? { model: 'unknown' };
  const machine = `${cpus().length} cores ${model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
  return { bench, work, machine, date: new Date().toISOString().slice(0, 10), rows };
}

const programsOf = ({ rows }: Report): string[] => [...new Set(rows.map(({ program }) => program))];
const figuresOf = ({ rows }: Report): string[] => [...new Set(rows.flatMap((row) => Object.keys(row.figures)))];

/** A program a row, a figure a column. */
function tableOf(report: Report): string[] {
  const figures = figuresOf(report);
  const rounds = new Set(report.rows.map(({ round }) => round)).size;
  const lines = [
    `${report.bench}: ${report.work}`,
    `${report.machine}; median (min - max) of ${rounds} interleaved runs`,
    '',
    ...headOf(figures),
  ];
  for (const program of programsOf(report)) {
    const cells = figures.map((figure) => formatSpread(valuesOf(report, program, figure)));
    lines.push(`| ${program} | ${cells.join(' | ')} |`);
  }
  return lines;
}

function headOf(figures: readonly string[]): string[] {
  return [`| | ${figures.join(' | ')} |`, `|---|${figures.map(() => '---').join('|')}|`];
}

/** The table of sizes, then how each figure whose name ends with `unit` has grown since the size before it. */
export function formatGrowth(report: Report, unit: string): string {
  const figures = figuresOf(report).filter((name) => name.endsWith(unit) || /\/(GiB|event)$/.test(name));
  const lines = tableOf(report);
  const [first, ...others] = programsOf(report);
  if (first === undefined || others.length === 0) return `${lines.join('\n')}\n`;
  lines.push('', 'times what the row before has:', '', ...headOf(figures));
  let before = first;
  for (const program of others) {
    const cells = figures.map((figure) => formatSpread(ratios(report, { own: program, other: before, figure })));
    lines.push(`| ${program} | ${cells.join(' | ')} |`);
    before = program;
  }
  return `${lines.join('\n')}\n`;
}

/** The table: a program a row, a figure a column, then the ratios. */
export function formatReport(report: Report, targets: readonly Target[]): string {
  const programs = programsOf(report);
  const figures = figuresOf(report);
  const lines = tableOf(report);
  const [own, ...others] = programs;
  if (own !== undefined && others.length > 0) {
    lines.push('', `${own} divided by:`, '', ...headOf(figures));
    for (const other of others) {
      const cells = figures.map((figure) => formatSpread(ratios(report, { own, other, figure })));
      lines.push(`| ${other} | ${cells.join(' | ')} |`);
    }
  }
  for (const target of targets) {
    const found = ratios(report, { own: own ?? '', other: target.to, figure: target.figure });
    if (found.length > 0) lines.push('', formatVerdict(target, median(found)));
  }
  return `${lines.join('\n')}\n`;
}

/** @param file `build/bench-results/BENCH-DATE.json` where absent */
export function writeReport(
  report: Report,
  file = join('build', 'bench-results', `${report.bench}-${report.date}.json`),
): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, undefined, 1)}\n`);
}

/** Figures of a program over its runs. */
export function valuesOf(report: Report, program: string, figure: string): number[] {
  return report.rows
    .filter((row) => row.program === program)
    .flatMap((row) => (row.figures[figure] === undefined ? [] : [row.figures[figure]]));
}

/** One ratio a round. */
function ratios(report: Report, { own, other, figure }: { own: string; other: string; figure: string }): number[] {
  const found: number[] = [];
  for (const mine of report.rows) {
    if (mine.program !== own) continue;
    const theirs = report.rows.find((row) => row.program === other && row.round === mine.round);
    const [a, b] = [mine.figures[figure], theirs?.figures[figure]];
    if (a !== undefined && b !== undefined && b > 0) found.push(a / b);
  }
  return found;
}

function formatVerdict({ figure, to, most, least }: Target, ratio: number): string {
  const isReached = (most === undefined || ratio <= most) && (least === undefined || ratio >= least);
  const asked = most === undefined ? `at least ${least}` : `at most ${most}`;
  return `${figure} against ${to}: ${ratio.toFixed(2)}, asked ${asked}: ${isReached ? 'reached' : 'MISSED'}`;
}

function formatSpread(values: readonly number[]): string {
  if (values.length === 0) return '-';
  return spread(values, median(values) >= 100 ? 0 : 2);
}

/** Version of a program as its packages or itself say it; undefined where it cannot be asked. */
export function versionOf(command: string, args: readonly string[]): string | undefined {
  try {
    return /\d+(?:\.\d+)+/.exec(
      execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    )?.[0];
  } catch {
    return undefined;
  }
}

/**
 * `npm run bench:compare -- BEFORE.json AFTER.json`: two results of a bench side by side: medians, and how
 * much each changed. A change within the spread of the runs is marked as noise.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BadArgument } from './support/arguments.ts';
import { median } from './support/processes.ts';
import { type Report, valuesOf } from './transfer/report.ts';

export function run(args: readonly string[]): void {
  const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} });
  if (positionals.length !== 2) throw new BadArgument('two files of results are to be named');
  const [before, after] = positionals.map(readReport) as [Report, Report];
  process.stdout.write(`${formatComparison(before, after)}`);
}

function readReport(file: string): Report {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as Partial<Report>;
    if (Array.isArray(report.rows)) return report as Report;
  } catch (error) {
    throw new BadArgument(`${file}: ${(error as Error).message}`);
  }
  throw new BadArgument(`${file} is no result of a bench`);
}

function formatComparison(before: Report, after: Report): string {
  const rows = [...before.rows, ...after.rows];
  const figures = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))];
  const programs = [...new Set(rows.map(({ program }) => program))];
  const lines = [
    `before: ${before.bench}, ${before.work}; ${before.machine}; ${before.date}`,
    `after:  ${after.bench}, ${after.work}; ${after.machine}; ${after.date}`,
    '',
    `| | ${figures.join(' | ')} |`,
    `|---|${figures.map(() => '---').join('|')}|`,
  ];
  for (const program of programs) {
    const cells = figures.map((figure) =>
      formatChange(valuesOf(before, program, figure), valuesOf(after, program, figure)),
    );
    lines.push(`| ${program} | ${cells.join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

function formatChange(before: readonly number[], after: readonly number[]): string {
  if (before.length === 0 || after.length === 0) return '-';
  const [was, is] = [median(before), median(after)];
  const percent = was === 0 ? 0 : ((is - was) / was) * 100;
  const overlaps = Math.min(...after) <= Math.max(...before) && Math.min(...before) <= Math.max(...after);
  return `${was.toFixed(2)} -> ${is.toFixed(2)} (${percent >= 0 ? '+' : ''}${percent.toFixed(0)} %${overlaps ? ', noise' : ''})`;
}

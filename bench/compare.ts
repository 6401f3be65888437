/**
 * `npm run bench:compare -- BEFORE.json AFTER.json`: two results of a transfer, create or recheck bench side by side: medians, and how
 * much each changed. A change within the spread of the runs is marked as noise.
 */
import { readFileSync } from 'node:fs';
import { median } from './support/processes.ts';
import { type Report, valuesOf } from './transfer/report.ts';

export function run(args: readonly string[]): void {
  const [before, after] = args.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report);
  if (before === undefined || after === undefined) throw new Error('two files of results are to be named');
  process.stdout.write(`${formatComparison(before, after)}`);
}

function formatComparison(before: Report, after: Report): string {
  const figures = [...new Set(before.rows.flatMap((row) => Object.keys(row.figures)))];
  const programs = [...new Set(before.rows.map(({ program }) => program))];
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

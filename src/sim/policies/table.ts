import { type Figures, median } from './judge.ts';

/** The runs of one variant in one swarm, one a seed. */
export interface Row {
  readonly swarm: string;
  readonly variant: string;
  readonly runs: readonly Figures[];
}

interface Column {
  readonly title: string;
  readonly of: (figures: Figures) => number | undefined;
  readonly format: (value: number) => string;
  /** Shown in place of median and spread: the worst seed. */
  readonly isWorst?: boolean;
}

const whole = (value: number) => value.toFixed(0);
const fraction = (value: number) => value.toFixed(2);
const percent = (value: number) => (value * 100).toFixed(2);

const columns: readonly Column[] = [
  { title: 'median s', of: (f) => f.medianSec, format: whole },
  { title: 'last s', of: (f) => f.lastSec, format: whole },
  { title: 'fairness', of: (f) => f.fairness, format: fraction },
  { title: 'riders s', of: (f) => f.ridersSec, format: whole },
  { title: 'thin s', of: (f) => f.thinSec, format: whole },
  { title: 'rarest', of: (f) => f.rarestMean, format: fraction },
  { title: 'waste %', of: (f) => f.wastedShare, format: percent, isWorst: true },
  { title: 'twice %', of: (f) => f.duplicateShare, format: percent, isWorst: true },
];

/** A table in Markdown: the median over seeds, and its least and greatest in brackets; the worst seed for waste. */
export function formatTable(rows: readonly Row[]): string {
  const head = ['swarm', 'variant', ...columns.map(({ title }) => title)];
  const lines = rows.map((row, i) => {
    const isFirst = i === 0 || rows[i - 1]?.swarm !== row.swarm;
    return [isFirst ? row.swarm : '', row.variant, ...columns.map((column) => formatCell(column, row.runs))];
  });
  const rule = head.map((_, i) => (i < 2 ? '---' : '--:'));
  return `${[head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}

function formatCell({ of, format, isWorst }: Column, runs: readonly Figures[]): string {
  const values = runs.map(of).filter((value) => value !== undefined);
  if (values.length === 0) return '–';
  const [least, greatest] = [format(Math.min(...values)), format(Math.max(...values))];
  if (isWorst === true) return greatest;
  return least === greatest ? least : `${format(median(values))} (${least}–${greatest})`;
}

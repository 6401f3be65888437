import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ContentPlan, type MadeContent, makeContent } from './content.ts';
import { type OtherNode, otherNodes } from './other-node.ts';
import { formatReport, makeReport, type Row, type Target, writeReport } from './report.ts';

/** One competitor: what is to be timed, and why it cannot be here. */
export interface Competitor {
  readonly name: string;
  missing(): string | undefined;
  /** Does the work once. @returns its figures */
  run(place: { readonly content: MadeContent; readonly folder: string }): Promise<Record<string, number>>;
}

export interface Comparison {
  readonly bench: string;
  /** For people: what is done with the content. */
  readonly work: string;
  readonly plan: ContentPlan;
  /** Eider first: ratios are of the first to the others. */
  readonly competitors: readonly Competitor[];
  /** Eider on another Node. */
  readonly onNode: (node: OtherNode) => readonly Competitor[];
  readonly targets: readonly Target[];
}

/** Arguments that all comparisons take. */
export const comparisonOptions = {
  runs: { type: 'string', default: '5' },
  mib: { type: 'string' },
  files: { type: 'string' },
  'piece-kib': { type: 'string' },
  format: { type: 'string' },
  programs: { type: 'string' },
  node: { type: 'string', multiple: true },
  'newest-node': { type: 'boolean', default: false },
  json: { type: 'string' },
} as const;

/** Reads the arguments of a comparison. @throws where there are others */
export function readComparison(args: readonly string[], plan: ContentPlan) {
  const { values } = parseArgs({ args: [...args], options: comparisonOptions });
  const total = values.mib === undefined ? plan.fileBytes * plan.fileCount : Number(values.mib) * 1_048_576;
  const fileCount = values.files === undefined ? plan.fileCount : Number(values.files);
  const fileBytes = Math.floor(total / fileCount);
  const pieceLength = values['piece-kib'] === undefined ? plan.pieceLength : Number(values['piece-kib']) * 1024;
  const format = (values.format ?? plan.format) as ContentPlan['format'];
  return {
    plan: { ...plan, fileCount, fileBytes, pieceLength, format },
    runs: Number(values.runs),
    chosen: values.programs?.split(','),
    nodes: otherNodes({ paths: values.node ?? [], isNewest: values['newest-node'] }),
    json: values.json,
  };
}

/**
 * All competitors on the same content, in turn, in another order each round, so that what the machine does beside falls on all alike.
 * Prints the table; writes the rows as JSON.
 */
export async function compare(comparison: Comparison, args: readonly string[]): Promise<void> {
  const { plan, runs, chosen, nodes, json } = readComparison(args, comparison.plan);
  const present = comparison.competitors.filter((one) => {
    if (chosen !== undefined && !chosen.includes(one.name)) return false;
    const reason = one.missing();
    if (reason !== undefined) process.stderr.write(`${one.name}: ${reason}\n`);
    return reason === undefined;
  });
  const competitors = [...present.slice(0, 1), ...nodes.flatMap(comparison.onNode), ...present.slice(1)];
  const folder = await mkdtemp(join(tmpdir(), 'eider-bench-'));
  try {
    const content = await makeContent(join(folder, 'original'), plan);
    const rows: Row[] = [];
    for (let round = 0; round < runs; round++) {
      for (const one of inTurn(competitors, round)) {
        const figures = await one.run({ content, folder: join(folder, `run-${rows.length}`) });
        rows.push({ program: one.name, round, figures });
        const said = Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(2)}`);
        process.stderr.write(`run ${round + 1}, ${one.name}: ${said.join(', ')}\n`);
      }
    }
    const order = competitors.map(({ name }) => name);
    rows.sort((a, b) => order.indexOf(a.program) - order.indexOf(b.program) || a.round - b.round);
    const report = makeReport(comparison.bench, `${comparison.work}, ${describe(plan)}`, rows);
    process.stdout.write(`\n${formatReport(report, comparison.targets)}`);
    writeReport(json ?? join('build', 'bench-results', `${comparison.bench}-${report.date}.json`), report);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Another one first each round, and every second round backwards: nobody always follows the same one. */
export function inTurn<T>(list: readonly T[], round: number): T[] {
  const from = round % Math.max(1, list.length);
  const order = [...list.slice(from), ...list.slice(0, from)];
  return round % 2 === 0 ? order : order.reverse();
}

function describe({ format, fileCount, fileBytes, pieceLength }: ContentPlan): string {
  const size = (bytes: number) => (bytes >= 1_048_576 ? `${bytes / 1_048_576} MiB` : `${bytes / 1024} KiB`);
  const files = fileCount === 1 ? size(fileBytes) : `${fileCount} files of ${size(fileBytes)}`;
  return `${files}, ${format}, pieces of ${size(pieceLength)}`;
}

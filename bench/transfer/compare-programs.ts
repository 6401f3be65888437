import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BadArgument, toChoice, toCount } from '../support/arguments.ts';
import { type ContentPlan, formats, type MadeContent, makeContent } from './content.ts';
import { type OtherNode, otherNodes } from './other-node.ts';
import { formatReport, makeReport, type Target, writeReport } from './report.ts';
import { measureInTurn } from './rounds.ts';

/** One competitor: what is to be timed, and why it cannot be here. */
export interface Competitor {
  readonly name: string;
  /** Runs only where it is named. */
  readonly isSlow?: boolean;
  missing(plan: ContentPlan): string | undefined;
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
  /** As of `Rounds`: for many files. */
  readonly keepsRuns?: true;
}

/** Arguments that all comparisons take. */
const comparisonOptions = {
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
function readComparison(args: readonly string[], { plan, competitors }: Comparison) {
  const { values } = parseArgs({ args: [...args], options: comparisonOptions });
  const total = values.mib === undefined ? plan.fileBytes * plan.fileCount : toCount(values.mib, '--mib') * 1_048_576;
  const fileCount = values.files === undefined ? plan.fileCount : toCount(values.files, '--files');
  const fileBytes = Math.floor(total / fileCount);
  const pieceKib = values['piece-kib'];
  const pieceLength = pieceKib === undefined ? plan.pieceLength : toCount(pieceKib, '--piece-kib') * 1024;
  if ((pieceLength & (pieceLength - 1)) !== 0 || pieceLength < 16_384)
    throw new BadArgument(`--piece-kib: ${pieceKib} is no power of two from 16 on`);
  const format = toChoice(values.format ?? plan.format, '--format', formats);
  const names = competitors.map(({ name }) => name);
  return {
    plan: { fileCount, fileBytes, pieceLength, format },
    runs: toCount(values.runs, '--runs'),
    chosen: values.programs?.split(',').map((name) => toChoice(name, '--programs', names)),
    nodes: otherNodes({ paths: values.node ?? [], isNewest: values['newest-node'] }),
    json: values.json,
  };
}

/**
 * All competitors on the same content, in turn. Prints the table; writes the rows as JSON.
 */
export async function compare(comparison: Comparison, args: readonly string[]): Promise<void> {
  const { plan, runs, chosen, nodes, json } = readComparison(args, comparison);
  const present = comparison.competitors.filter((one) => {
    if (chosen === undefined ? one.isSlow === true : !chosen.includes(one.name)) return false;
    const reason = one.missing(plan);
    if (reason !== undefined) process.stderr.write(`without ${one.name}: ${reason}\n`);
    return reason === undefined;
  });
  if (present.length === 0) throw new BadArgument('none of the programs can run here');
  const competitors = [...present.slice(0, 1), ...nodes.flatMap(comparison.onNode), ...present.slice(1)];
  const folder = await mkdtemp(join(tmpdir(), 'eider-bench-'));
  try {
    const content = await makeContent(join(folder, 'original'), plan);
    const rows = await measureInTurn(competitors, {
      runs,
      folder,
      keepsRuns: comparison.keepsRuns === true,
      nameOf: ({ name }) => name,
      measure: (one, place) => one.run({ content, folder: place }),
    });
    const report = makeReport(comparison.bench, `${comparison.work}, ${describe(plan)}`, rows);
    process.stdout.write(`\n${formatReport(report, comparison.targets)}`);
    writeReport(report, json);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function describe({ format, fileCount, fileBytes, pieceLength }: ContentPlan): string {
  const size = (bytes: number) => (bytes >= 1_048_576 ? `${bytes / 1_048_576} MiB` : `${bytes / 1024} KiB`);
  const files = fileCount === 1 ? size(fileBytes) : `${fileCount} files of ${size(fileBytes)}`;
  return `${files}, ${format}, pieces of ${size(pieceLength)}`;
}

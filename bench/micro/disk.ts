import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCountsInOrder } from '../support/arguments.ts';
import { type CommitCost, commitPieces } from '../support/commit-pieces.ts';
import { median } from '../support/processes.ts';

const KIB = 1024;

/**
 * What it costs to take a piece, hash it, write it to a new file and note that in the journal, by its size and by where it is done: a
 * piece of 16 MiB is stored in segments of 1 MiB, then read back.
 *
 *     npm run bench -- disk [MIB] [ROUNDS]
 */
export async function run(args: readonly string[]): Promise<void> {
  const [mib, rounds] = readCountsInOrder(args, [256, 3]);
  const costs = new Map<string, { pieceBytes: number; all: CommitCost[] }>();
  for (let round = 0; round < rounds; round++) {
    for (const kib of [16, KIB, 16 * KIB]) {
      for (const where of ['inline', 'worker'] as const) {
        const pieceBytes = kib * KIB;
        const folder = mkdtempSync(join(tmpdir(), 'eider-bench-'));
        try {
          const what = `${kib >= KIB ? `${kib / KIB} MiB` : `${kib} KiB`}, ${where}`;
          const cost = await commitPieces({
            where,
            folder,
            file: 'x',
            pieceBytes,
            mib,
            stateDir: join(folder, 'state'),
          });
          const known = costs.get(what) ?? { pieceBytes, all: [] };
          costs.set(what, { pieceBytes, all: [...known.all, cost] });
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
      }
    }
  }
  const round = (n: number) => Math.round(n * 100) / 100;
  const rows = [...costs].map(([what, { pieceBytes, all }]) => {
    const cpu = median(all.map(({ user, system }) => user + system));
    const row = {
      'CPU-s/GiB': round(cpu),
      system: round(median(all.map(({ system }) => system))),
      'wall s': round(median(all.map(({ wall }) => wall))),
      'us/piece': round((cpu * 1e6 * pieceBytes) / 2 ** 30),
    };
    return [what, row] as const;
  });
  console.table(Object.fromEntries(rows));
}

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Row } from './report.ts';

export interface Rounds<T> {
  readonly runs: number;
  /** Holds what the runs write, each in a place of its own. */
  readonly folder: string;
  /**
   * What the runs wrote stays until the last is over. For many files: ext4 gives a deleted file's place to nobody for a minute or more, and
   * looks over all such places for every file that is made, which took longer than the work itself.
   */
  readonly keepsRuns: boolean;
  nameOf(one: T): string;
  /** Does the work once. @param place may be made, and is removed by whoever calls. @returns its figures */
  measure(one: T, place: string): Promise<Record<string, number>>;
}

/**
 * All in turn, in another order each round, so that what the machine does beside falls on all alike.
 * @returns the rows in the order of the list
 */
export async function measureInTurn<T>(list: readonly T[], rounds: Rounds<T>): Promise<Row[]> {
  const { runs, folder, keepsRuns, nameOf } = rounds;
  const rows: Row[] = [];
  for (let round = 0; round < runs; round++) {
    for (const one of inTurn(list, round)) {
      const place = join(folder, `run-${rows.length}`);
      const figures = await rounds.measure(one, place);
      if (!keepsRuns) await rm(place, { recursive: true, force: true });
      rows.push({ program: nameOf(one), round, figures });
      const said = Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(2)}`);
      process.stderr.write(`run ${round + 1}, ${nameOf(one)}: ${said.join(', ')}\n`);
    }
  }
  const order = list.map(nameOf);
  return rows.sort((a, b) => order.indexOf(a.program) - order.indexOf(b.program) || a.round - b.round);
}

/** Another one first each round, and every second round backwards: nobody always follows the same one. */
function inTurn<T>(list: readonly T[], round: number): T[] {
  const from = round % Math.max(1, list.length);
  const order = [...list.slice(from), ...list.slice(0, from)];
  return round % 2 === 0 ? order : order.reverse();
}

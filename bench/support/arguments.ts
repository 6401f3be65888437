import { parseArgs } from 'node:util';

/** What was asked for cannot be done: the message says why. No fault of the bench's own. */
export class BadArgument extends Error {
  override readonly name = 'BadArgument';
}

/** @param what names it in the error. @throws BadArgument where it is no whole number from 1 on */
export function toCount(text: string, what: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new BadArgument(`${what}: ${text} is no whole number from 1 on`);
  return count;
}

/** Options that are all whole numbers. @param otherwise what each is where it is not given. @throws for others */
export function readCounts<Name extends string>(
  args: readonly string[],
  otherwise: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const names = Object.keys(otherwise) as Name[];
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ args: [...args], options });
  const counts: Record<Name, number> = { ...otherwise };
  for (const name of names) {
    const given = values[name];
    if (given !== undefined) counts[name] = toCount(given, `--${name}`);
  }
  return counts;
}

/** Arguments without names that are all whole numbers. @param otherwise what each is where it is not given. @throws for more of them */
export function readCountsInOrder<const Defaults extends readonly number[]>(
  args: readonly string[],
  otherwise: Defaults,
): { -readonly [I in keyof Defaults]: number } {
  const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} });
  const [extra] = positionals.slice(otherwise.length);
  if (extra !== undefined) throw new BadArgument(`${extra}: ${otherwise.length} numbers are taken, and no more`);
  return otherwise.map((count, i) => {
    const given = positionals[i];
    return given === undefined ? count : toCount(given, `number ${i + 1}`);
  }) as { -readonly [I in keyof Defaults]: number };
}

/** @param names that there are. @throws BadArgument for another */
export function toChoice<Name extends string>(text: string, what: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === text);
  if (found === undefined) throw new BadArgument(`${what}: no ${text}, there are ${names.join(', ')}`);
  return found;
}

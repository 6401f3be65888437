/**
 * `npm run bench -- NAME [ARGUMENTS]`: runs bench/NAME.ts or bench/micro/NAME.ts, which exports
 * `run(args): void | Promise<void>`, or `run()` where it takes no arguments. Without a name it lists what there is, with
 * `--help` after a name it prints the first long comment of that bench.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BadArgument } from './support/arguments.ts';

interface Bench {
  run(args: readonly string[]): void | Promise<void>;
}

const folders = [import.meta.dirname, join(import.meta.dirname, 'micro')];

function listNames(): string[] {
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).filter((file) => file.endsWith('.js')))
    .map((file) => basename(file, '.js'))
    .filter((name) => name !== 'main')
    .sort();
}

/**
 * Says what it does and which arguments it takes. From the source: the compiler drops a comment together with an import of types that it
 * stands before.
 */
function headOf(path: string): string {
  const source = join(import.meta.dirname, '../../bench', relative(import.meta.dirname, path).replace(/js$/, 'ts'));
  const head = /\/\*\*\n([\s\S]*?)\n \*\//.exec(readFileSync(source, 'utf8'))?.[1];
  return `${head?.replaceAll(/^ \* ?/gm, '') ?? 'nothing is written about its arguments'}\n`;
}

async function start(path: string): Promise<void> {
  const bench = (await import(pathToFileURL(path).href)) as Bench;
  try {
    if (bench.run.length === 0 && args.length > 0) throw new BadArgument(`${args[0]}: ${name} takes no arguments`);
    await bench.run(args);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!(error instanceof BadArgument) && code?.startsWith('ERR_PARSE_ARGS') !== true) throw error;
    process.stderr.write(`${message}\n(--help shows what is possible)\n`);
    process.exitCode = 2;
  }
}

const [name, ...args] = process.argv.slice(2);
if (name === undefined || !listNames().includes(name)) {
  process.stderr.write(`usage: npm run bench -- NAME; NAME is one of: ${listNames().join(' ') || '(none yet)'}\n`);
  process.exitCode = 2;
} else {
  const path = folders.map((folder) => join(folder, `${name}.js`)).find((file) => existsSync(file));
  if (path === undefined) throw new Error(`${name} is not built`);
  if (args.includes('--help')) process.stdout.write(headOf(path));
  else await start(path);
}

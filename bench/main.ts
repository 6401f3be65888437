/**
 * `npm run bench -- NAME [ARGUMENTS]`: runs bench/NAME.ts or bench/micro/NAME.ts, which exports
 * `run(args): void | Promise<void>`. Without a name it lists what there is.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

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

const [name, ...args] = process.argv.slice(2);
if (name === undefined || !listNames().includes(name)) {
  process.stderr.write(`usage: npm run bench -- NAME; NAME is one of: ${listNames().join(' ') || '(none yet)'}\n`);
  process.exitCode = 2;
} else {
  const path = folders.map((folder) => join(folder, `${name}.js`)).find((file) => existsSync(file));
  const bench = (await import(pathToFileURL(path ?? name).href)) as Bench;
  await bench.run(args);
}

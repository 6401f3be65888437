import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FuzzTarget } from './target.ts';

const folder = join(import.meta.dirname, '../targets');

export function targetNames(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.slice(0, -3))
    .sort();
}

/** Loads the sources that the target is about with it. */
export async function loadTarget(name: string): Promise<FuzzTarget> {
  const module = (await import(pathToFileURL(join(folder, `${name}.js`)).href)) as { target: FuzzTarget };
  return module.target;
}

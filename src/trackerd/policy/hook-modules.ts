import { BtError } from '../../base/index.ts';
import type { TrackerHooks } from '../../tracker/index.ts';

const NAMES = ['preAnnounce', 'postAnnounce', 'preScrape'] as const;

/**
 * Imports an operator's own hooks: modules that export `preAnnounce`, `postAnnounce` or `preScrape`, or an object with them (or a list of
 * such objects) as `hooks` or by default (docs/tracker-hooks.md). Every thread that answers imports them on its own.
 *
 * @param urls module URLs
 * @throws BtError `config/invalid` that says which module and what is wrong with it
 */
export async function loadHookModules(urls: readonly string[]): Promise<TrackerHooks[]> {
  const all: TrackerHooks[] = [];
  for (const url of urls) all.push(...toHooks(url, await importModule(url)));
  return all;
}

async function importModule(url: string): Promise<Record<string, unknown>> {
  try {
    return (await import(url)) as Record<string, unknown>;
  } catch (error) {
    throw new BtError('config/invalid', { problems: [`hooks ${url}: ${(error as Error).message}`] }, { cause: error });
  }
}

function toHooks(url: string, module: Record<string, unknown>): TrackerHooks[] {
  const problems: string[] = [];
  // Not the module itself: calls of what is in a module object are slow.
  const found = [module['hooks'], module['default'], { ...module }].find((value) => value !== undefined);
  const objects = Array.isArray(found) ? (found as unknown[]) : [found];
  for (const hooks of objects) {
    if (typeof hooks !== 'object' || hooks === null) {
      problems.push(`hooks ${url}: exports ${typeof hooks} in place of an object of hooks`);
      continue;
    }
    const known = NAMES.filter((name) => (hooks as Record<string, unknown>)[name] !== undefined);
    if (known.length === 0) problems.push(`hooks ${url}: exports none of ${NAMES.join(', ')}`);
    for (const name of known) {
      const hook = (hooks as Record<string, unknown>)[name];
      if (typeof hook !== 'function') problems.push(`hooks ${url}: ${name} is no function`);
      else if (hook.constructor.name === 'AsyncFunction') problems.push(`hooks ${url}: ${name} must not be async`);
    }
  }
  if (problems.length > 0) throw new BtError('config/invalid', { problems });
  return objects as TrackerHooks[];
}

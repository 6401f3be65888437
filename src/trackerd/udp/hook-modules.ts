import { BtError } from '../../base/index.ts';
import type { TrackerHooks } from '../../tracker/index.ts';
import type { MakeHooks } from './worker-protocol.ts';

/**
 * Imports the operator's own hooks. Each module exports `hooks`: a `TrackerHooks` or a list of them, one object a thread.
 *
 * @param urls module URLs
 */
export async function loadHookModules(urls: readonly string[]): Promise<TrackerHooks[]> {
  const all: TrackerHooks[] = [];
  for (const url of urls) {
    const { hooks } = (await import(url)) as { hooks?: TrackerHooks | readonly TrackerHooks[] };
    if (hooks === undefined) throw new BtError('config/invalid', { problems: [`${url} exports no \`hooks\``] });
    all.push(...(Array.isArray(hooks) ? hooks : [hooks as TrackerHooks]));
  }
  return all;
}

/** @param url module that exports `makeHooks`; none where the tracker has no policies */
export async function loadPolicyModule(url: string | undefined): Promise<MakeHooks | undefined> {
  if (url === undefined) return undefined;
  const { makeHooks } = (await import(url)) as { makeHooks?: MakeHooks };
  if (makeHooks === undefined) throw new BtError('config/invalid', { problems: [`${url} exports no \`makeHooks\``] });
  return makeHooks;
}

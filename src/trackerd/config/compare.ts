import { namedKeys } from './table.ts';
import type { TrackerConfig } from './types.ts';

export interface ConfigChanges {
  /** Keys (`section.key`) that a reload takes up. */
  readonly live: readonly string[];
  /** Keys that stay as they are until the next start. */
  readonly needRestart: readonly string[];
}

/** Which keys differ, by what a reload can do about them. */
export function compareConfigs(before: TrackerConfig, after: TrackerConfig): ConfigChanges {
  const valueIn = (config: TrackerConfig, section: string, property: string) =>
    JSON.stringify((config as unknown as Record<string, Record<string, unknown>>)[section]?.[property]);
  const changed = namedKeys.filter(
    ({ section, property }) => valueIn(before, section, property) !== valueIn(after, section, property),
  );
  const namesOf = (isLive: boolean) => changed.filter(({ key }) => key.reload === isLive).map(({ full }) => full);
  return { live: namesOf(true), needRestart: namesOf(false) };
}

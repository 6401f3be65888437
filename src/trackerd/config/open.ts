import type { ConfigChanges } from './compare.ts';
import type { ConfigSources } from './load.ts';
import { type TrackerSettings, toTrackerSettings } from './settings.ts';
import type { LoadedConfig } from './types.ts';

/**
 * The configuration of a tracker from its sources. Loads the parsers when called: a program that starts a tracker by `startTracker`
 * alone does not pay for them.
 */
export interface OpenedConfig extends LoadedConfig {
  readonly settings: TrackerSettings;
}

/** @throws BtError `config/invalid`, `disk/not-found`, `disk/access` */
export async function openTrackerConfig(from: ConfigSources): Promise<OpenedConfig> {
  const { loadTrackerConfig } = await import('./load.ts');
  const loaded = loadTrackerConfig(from);
  return { ...loaded, settings: toTrackerSettings(loaded.config) };
}

/** What a reload of a changed configuration can and cannot take up. */
export async function compareTrackerConfigs(before: LoadedConfig, after: LoadedConfig): Promise<ConfigChanges> {
  return (await import('./compare.ts')).compareConfigs(before.config, after.config);
}

/** What is in force, as TOML, with the origin of every value; secrets are left out. */
export async function showTrackerConfig(loaded: LoadedConfig): Promise<string> {
  return (await import('./format.ts')).formatEffectiveConfig(loaded);
}

/** An annotated file with every key and its default. */
export async function showExampleConfig(): Promise<string> {
  return (await import('./format.ts')).formatExampleConfig();
}

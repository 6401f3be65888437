import { readFileSync } from 'node:fs';
import { BtError } from '../../base/index.ts';
import { toDiskError } from '../../hash/index.ts';
import { type ConfigChanges, compareConfigs } from './compare.ts';
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

export interface ConfigPlaces extends Omit<ConfigSources, 'document'> {
  /** Path of a TOML file. */
  readonly file?: string;
}

/** @throws BtError `config/invalid`, `disk/not-found`, `disk/access` */
export async function openTrackerConfig(from: ConfigPlaces): Promise<OpenedConfig> {
  const { loadTrackerConfig } = await import('./load.ts');
  const { file, ...sources } = from;
  const document = file === undefined ? undefined : { name: file, text: readText(file) };
  const loaded = loadTrackerConfig({ ...sources, ...(document !== undefined && { document }) });
  return { ...loaded, settings: toTrackerSettings(loaded.config) };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw toDiskError(error, file);
  }
}

/** What a reload of a changed configuration can and cannot take up. */
export function compareTrackerConfigs(before: LoadedConfig, after: LoadedConfig): ConfigChanges {
  return compareConfigs(before.config, after.config);
}

/** Whether the files that it names are there and can be used. @throws BtError `config/invalid` */
export async function checkTrackerConfig(loaded: LoadedConfig): Promise<void> {
  const problems = await (await import('./check-files.ts')).checkConfigFiles(loaded.config);
  if (problems.length > 0) throw new BtError('config/invalid', { problems });
}

/** What is in force, as TOML, with the origin of every value; secrets are left out. */
export async function showTrackerConfig(loaded: LoadedConfig): Promise<string> {
  return (await import('./format.ts')).formatEffectiveConfig(loaded);
}

/** An annotated file with every key and its default. */
export async function showExampleConfig(): Promise<string> {
  return (await import('./format.ts')).formatExampleConfig();
}

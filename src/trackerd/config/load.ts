import { BtError } from '../../base/index.ts';
import { readEnvironment, readOptions, readToml, type Source } from './sources.ts';
import { namedKeys } from './table.ts';
import type { ConfigOrigin, LoadedConfig, TrackerConfig } from './types.ts';

export interface ConfigSources {
  /** A TOML document, and its name in messages. */
  readonly document?: { readonly name: string; readonly text: string };
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `section.key=value` of the command line. */
  readonly assignments?: readonly string[];
  /** By `section.key`, as TOML would have them: options of the command line that are short forms of keys. */
  readonly values?: ReadonlyMap<string, unknown>;
}

/**
 * Reads the configuration: options before environment before file before defaults, key by key.
 *
 * @throws BtError `config/invalid` with every problem found
 */
export function loadTrackerConfig(from: ConfigSources): LoadedConfig {
  const layers: { readonly origin: ConfigOrigin; readonly source: Source }[] = [
    { origin: 'option', source: readOptions(from) },
    { origin: 'environment', source: readEnvironment(from.env ?? {}) },
  ];
  if (from.document !== undefined) {
    layers.push({ origin: 'file', source: readToml(from.document.text, from.document.name) });
  }
  const problems = layers.flatMap(({ source }) => source.problems);
  const warnings = layers.flatMap(({ source }) => source.warnings);
  const origins = new Map<string, ConfigOrigin>();
  const config: Record<string, Record<string, unknown>> = {};
  const areNamed = places.some((full) => layers.some(({ source }) => source.values.has(full)));
  for (const { section, property, full, key } of namedKeys) {
    const layer = layers.find(({ source }) => source.values.has(full));
    const given = layer?.source.values.get(full);
    origins.set(full, layer?.origin ?? 'default');
    const values = (config[section] ??= {});
    values[property] = areNamed && isDefaultPlace(full) ? [] : key.byDefault;
    if (given === undefined) continue;
    const judged = key.kind.schema.safeParse(given.raw);
    if (judged.success) values[property] = judged.data;
    else problems.push(`${given.where}: expected ${key.kind.allowed}${key.secret ? '' : `, not ${show(given.raw)}`}`);
  }
  if (problems.length === 0) problems.push(...findContradictions(config as unknown as TrackerConfig));
  if (problems.length > 0) throw new BtError('config/invalid', { problems });
  return { config: config as unknown as TrackerConfig, origins, warnings };
}

/** Who names one place to listen names all: the default places are for a tracker without any. */
const places = ['listen.http', 'listen.https', 'listen.udp', 'listen.unix'];

function isDefaultPlace(full: string): boolean {
  return full === 'listen.http' || full === 'listen.udp';
}

/** What no single key can say. */
function findContradictions(config: TrackerConfig): string[] {
  const { listen, tls, lists, admin, intervals, limits, catalogue, private: closed, web, run } = config;
  const found: string[] = [];
  const expect = (isGood: boolean, problem: string) => {
    if (!isGood) found.push(problem);
  };
  const named = [...listen.http, ...listen.https, ...listen.udp];
  expect(
    named.length > 0 || listen.unix !== undefined,
    'listen: no place to listen: name one of http, https, udp or unix',
  );
  expect((tls.cert === undefined) === (tls.key === undefined), 'tls: cert and key go together');
  expect(listen.https.length === 0 || tls.cert !== undefined, 'listen.https: needs tls.cert and tls.key');
  expect(
    lists.mode !== 'allow' || lists.allow !== undefined || catalogue.listedOnly,
    'lists.mode: "allow" needs lists.allow',
  );
  expect(lists.mode !== 'deny' || lists.deny !== undefined, 'lists.mode: "deny" needs lists.deny');
  expect(!closed.enabled || closed.users !== undefined, 'private.enabled: needs private.users');
  expect(admin.token === undefined || admin.tokenFile === undefined, 'admin: token and token_file exclude each other');
  expect((intervals.minimum ?? 0) <= intervals.announce, 'intervals.minimum: is more than intervals.announce');
  expect(
    intervals.peerTtl === undefined || intervals.peerTtl > intervals.announce,
    'intervals.peer_ttl: has to be more than intervals.announce, or peers would be gone before they announce again',
  );
  expect(limits.numWantDefault <= limits.numWantMax, 'limits.num_want_default: is more than limits.num_want_max');
  expect(!catalogue.upload || catalogue.folder !== undefined, 'catalogue.upload: needs catalogue.folder');
  expect(!catalogue.listedOnly || catalogue.folder !== undefined, 'catalogue.listed_only: needs catalogue.folder');
  expect(!(closed.enabled && web.fullScrape), 'web.full_scrape: would list the torrents of a private tracker');
  expect(run.group === undefined || run.user !== undefined, 'run.group: needs run.user');
  return found;
}

function show(raw: unknown): string {
  const shown = typeof raw === 'bigint' ? String(raw) : (JSON.stringify(raw) ?? String(raw));
  return shown.length > 80 ? `${shown.slice(0, 79)}…` : shown;
}

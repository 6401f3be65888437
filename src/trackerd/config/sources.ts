import { parse, TomlError } from 'smol-toml';
import { findNearest } from './nearest.ts';
import { envPrefix, type NamedKey, namedKeys } from './table.ts';

/** A value that somebody gave, not judged yet. */
export interface GivenValue {
  readonly raw: unknown;
  /** For messages: `tracker.toml:12: listen.http`. */
  readonly where: string;
}

export interface Source {
  /** By `section.key`. */
  readonly values: Map<string, GivenValue>;
  readonly problems: string[];
  readonly warnings: string[];
}

const byFull = new Map(namedKeys.map((named) => [named.full, named]));
const sections = [...new Set(namedKeys.map((named) => named.section))];

function newSource(): Source {
  return { values: new Map(), problems: [], warnings: [] };
}

/** Reads a TOML document. @param file its name in messages */
export function readToml(document: string, file: string): Source {
  const source = newSource();
  let tables: Record<string, unknown>;
  try {
    tables = parse(document, { unsafeKeyBehaviour: 'throw', maxDepth: 8 });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ''] = error.message.split('\n');
    source.problems.push(`${file}:${error.line}: ${first.replace(/^Invalid TOML document: /, 'no TOML: ')}`);
    return source;
  }
  for (const [section, table] of Object.entries(tables)) {
    const at = `${file}${formatLine(document, section)}`;
    const isTable = typeof table === 'object' && table !== null && !Array.isArray(table);
    if (!sections.includes(section) && !isTable) {
      source.problems.push(`${at}: ${section} stands in no section${suggestSection(section)}`);
    } else if (!sections.includes(section)) {
      source.problems.push(`${at}: unknown section [${section}]${suggest(section, sections)}`);
    } else if (!isTable) {
      source.problems.push(`${at}: ${section} has to be a section: [${section}]`);
    } else {
      for (const [name, raw] of Object.entries(table)) {
        const full = `${section}.${name}`;
        const where = `${file}${formatLine(document, section, name)}: ${full}`;
        if (byFull.has(full)) source.values.set(full, { raw, where });
        else source.problems.push(`${where}: unknown key${suggestKey(section, name)}`);
      }
    }
  }
  return source;
}

/** Reads `EIDER_TRACKER_*`. An empty variable counts as absent. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Source {
  const source = newSource();
  const byEnv = new Map(namedKeys.map((named) => [named.env, named]));
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(envPrefix) || value === undefined || value === '') continue;
    const named = byEnv.get(name);
    if (named !== undefined) source.values.set(named.full, { raw: named.key.kind.fromText(value), where: name });
    // Kubernetes makes such variables for a service of this name: no mistake of the operator's.
    else if (!/^EIDER_TRACKER_(SERVICE_|PORT(_|$))/.test(name)) {
      source.warnings.push(`environment variable ${name} means nothing${suggest(name, byEnv.keys())}`);
    }
  }
  return source;
}

/** Reads `section.key=value` of the command line, and values that options of their own name. */
export function readOptions(options: {
  readonly assignments?: readonly string[];
  /** By `section.key`, as TOML would have them. */
  readonly values?: ReadonlyMap<string, unknown>;
}): Source {
  const source = newSource();
  for (const [full, raw] of options.values ?? []) {
    if (raw !== undefined) source.values.set(full, { raw, where: full });
  }
  for (const assignment of options.assignments ?? []) {
    const at = assignment.indexOf('=');
    const full = assignment.slice(0, at < 0 ? undefined : at).trim();
    const named = byFull.get(full);
    if (at < 0) source.problems.push(`--set ${assignment}: expected SECTION.KEY=VALUE`);
    else if (named === undefined) source.problems.push(`--set ${full}: unknown key${suggest(full, byFull.keys())}`);
    else source.values.set(full, { raw: named.key.kind.fromText(assignment.slice(at + 1)), where: `--set ${full}` });
  }
  return source;
}

function suggest(word: string, words: Iterable<string>): string {
  const nearest = findNearest(word, words);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}

/** The sections that have a key of this name. */
function suggestSection(name: string): string {
  const having = namedKeys.filter((named: NamedKey) => named.name === name).map((named) => `[${named.section}]`);
  return having.length === 0 ? suggest(name, sections) : `; it belongs in section ${having.join(' or ')}`;
}

/** The nearest key of the section; or the same name in another one. */
function suggestKey(section: string, name: string): string {
  const inSection = namedKeys.filter((named: NamedKey) => named.section === section).map((named) => named.name);
  const near = findNearest(name, inSection);
  if (near !== undefined) return `; did you mean ${near}?`;
  const elsewhere = namedKeys.find((named) => named.name === name);
  return elsewhere === undefined
    ? `; [${section}] has ${inSection.join(', ')}`
    : `; it belongs in section [${elsewhere.section}]`;
}

/** `:12` for the line that begins this section or sets this key; empty where it is written in another form. */
function formatLine(document: string, section: string, name?: string): string {
  let current = '';
  const lines = document.split('\n');
  for (const [i, line] of lines.entries()) {
    const header = /^\s*\[\s*"?([\w-]+)"?\s*\]/.exec(line);
    if (header !== null) {
      current = header[1] as string;
      if (name === undefined && current === section) return `:${i + 1}`;
      continue;
    }
    const assigned = /^\s*"?([\w-]+)"?\s*(?:\.\s*"?([\w-]+)"?\s*)?=/.exec(line);
    if (assigned === null) continue;
    const [, first, second] = assigned;
    const isDotted = current === '' && first === section && (name === undefined || second === name);
    if (isDotted || (name !== undefined && current === section && first === name && second === undefined)) {
      return `:${i + 1}`;
    }
  }
  return '';
}

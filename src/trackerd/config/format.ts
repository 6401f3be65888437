import { configTable, type NamedKey, namedKeys, sectionTexts } from './table.ts';
import type { LoadedConfig, TrackerConfig } from './types.ts';

const LINE = 100;

/** The annotated example: every key, commented out, with its default or, where it has none, an example. */
export function formatExampleConfig(): string {
  const out = [
    '# The configuration of an Eider tracker: eider tracker --config FILE',
    '#',
    '# Every key is here with its default; those that are absent by default show an example and say so. A key may also be set by an',
    '# environment variable (EIDER_TRACKER_SECTION_KEY) or by --set section.key=value. Times are "90s", "30m", "2h", "1d" or seconds;',
    '# sizes "64KiB", "4MiB" or bytes. Relative paths begin in the folder that the tracker is started in. (reload) marks what SIGHUP',
    '# or POST /api/v1/reload takes up without a restart.',
  ];
  for (const section of Object.keys(configTable) as (keyof TrackerConfig)[]) {
    out.push('', ...wrap(sectionTexts[section]).map((line) => `# ${line}`), `[${section}]`);
    for (const named of namedKeys.filter((n) => n.section === section)) {
      const { key } = named;
      const marks = [key.byDefault === undefined ? '(absent by default)' : '', key.reload ? '(reload)' : ''];
      const about = [key.about, ...marks].filter((part) => part !== '').join(' ');
      out.push(...wrap(about).map((line) => `# ${line}`), `#${named.name} = ${formatShown(named)}`);
    }
  }
  return `${out.join('\n')}\n`;
}

/** The reference for the handbook, in Markdown: a table a section. */
export function formatReference(): string {
  const out: string[] = [];
  for (const section of Object.keys(configTable) as (keyof TrackerConfig)[]) {
    out.push(
      `### \`[${section}]\``,
      '',
      sectionTexts[section],
      '',
      '| key | default | takes | is |',
      '|---|---|---|---|',
    );
    for (const named of namedKeys.filter((n) => n.section === section)) {
      const { key } = named;
      const byDefault = key.byDefault === undefined ? 'absent' : `\`${formatShown(named)}\``;
      const about = `${key.about}${key.reload ? ' *(reload)*' : ''}`;
      out.push(`| \`${named.name}\` | ${byDefault} | ${key.kind.allowed} | ${about} |`);
    }
    out.push('');
  }
  return out.join('\n').trimEnd();
}

/** What is in force, as TOML, with where each value comes from. Secrets are left out. */
export function formatEffectiveConfig({ config, origins }: LoadedConfig): string {
  const out: string[] = [];
  for (const section of Object.keys(configTable)) {
    out.push(out.length === 0 ? `[${section}]` : `\n[${section}]`);
    for (const { name, full, property, key } of namedKeys.filter((n) => n.section === section)) {
      const value = (config as unknown as Record<string, Record<string, unknown>>)[section]?.[property];
      const isEmpty = value === undefined || (Array.isArray(value) && value.length === 0);
      const shown = key.secret && !isEmpty ? '"(secret)"' : value === undefined ? '' : key.kind.format(value);
      out.push(shown === '' ? `# ${name} is absent` : `${name} = ${shown} # ${origins.get(full)}`);
    }
  }
  return `${out.join('\n')}\n`;
}

function formatShown({ key }: NamedKey): string {
  return key.kind.format(key.byDefault ?? key.example);
}

/** Words in lines of bounded length. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= LINE) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

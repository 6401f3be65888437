import { RepeatGuard } from './log-repeats.ts';

export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

/** One part's way to the log. Messages are constant texts with `{names}`; what varies goes into the properties. */
export type LogPart = (level: LogLevel, message: string, properties?: Readonly<Record<string, unknown>>) => void;

export interface Log {
  /** @param name of the part: `http`, `replication` */
  part(name: string): LogPart;
  level: LogLevel;
  /** Nothing is written afterwards. */
  close(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** `text`: a line for people. `json`: one object a line (NDJSON). */
  readonly format: 'text' | 'json';
  /** Gets whole lines, each with its line end. */
  readonly write: (line: string) => void;
}

const ranks: Readonly<Record<string, number>> = { trace: 0, debug: 1, info: 2, warning: 3, error: 4, fatal: 5 };

/**
 * Structured logs. Secrets are taken out of every line: passkeys in URLs, tokens, passwords. A message that repeats is written some
 * times a minute at most; the next one says how many there were.
 *
 * There is one log a process; opening another replaces it.
 */
export async function openLog(options: LogOptions): Promise<Log> {
  const { configureSync, getJsonLinesFormatter, getLogger, getTextFormatter, resetSync } = await import(
    '@logtape/logtape'
  );
  const format =
    options.format === 'json'
      ? getJsonLinesFormatter({ categorySeparator: '.', message: 'rendered', properties: 'nest:detail' })
      : getTextFormatter({
          timestamp: 'rfc3339',
          level: 'FULL',
          category: '.',
          value: (value, inspect) => (typeof value === 'string' ? value : inspect(value)),
        });
  const guard = new RepeatGuard();
  let { level } = options;
  configureSync({
    reset: true,
    sinks: {
      out: (record) => {
        const dropped = guard.take(`${record.category.join('.')} ${toKey(record)}`, record.timestamp);
        if (dropped === undefined) return;
        const told =
          dropped === 0
            ? record
            : {
                ...record,
                message: [
                  ...record.message.slice(0, -1),
                  `${String(record.message.at(-1))} (and ${dropped} more like it)`,
                ],
              };
        options.write(hideSecrets(format(told)));
      },
    },
    filters: { level: (record) => (ranks[record.level] as number) >= (ranks[level] as number) },
    loggers: [
      { category: 'eider', sinks: ['out'], filters: ['level'], lowestLevel: 'debug' },
      { category: ['logtape', 'meta'], lowestLevel: 'error' },
    ],
  });
  return {
    part: (name) => {
      const logger = getLogger(['eider', name]);
      return (at, message, properties = {}) => logger[at](message, toPlain(properties));
    },
    get level() {
      return level;
    },
    set level(next) {
      level = next;
    },
    close: () => resetSync(),
  };
}

/** What makes two messages the same: their constant text; of one that is `{text}` as a whole, the text without numbers and hashes. */
function toKey(record: { rawMessage: unknown; properties: Record<string, unknown> }): string {
  const raw = String(record.rawMessage);
  return raw === '{text}' ? String(record.properties['text']).replace(/[0-9a-f]{8,}|\d+/g, '#') : raw;
}

/** Errors as their text: a stack is of use only with its bug, and that goes into `stack`. */
function toPlain(properties: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => {
      if (secretNames.test(name)) return [name, '…'];
      return [name, value instanceof Error ? value.message : value];
    }),
  );
}

const secretNames = /passkey|password|secret|token|authorization|cookie/i;

/** What identifies somebody never reaches a log, wherever a message quotes it: passkeys before `/announce`, URLs with passwords, bearer tokens. */
export function hideSecrets(line: string): string {
  return line
    .replace(/\/[\w-]{8,128}(?=\/(?:announce|scrape)\b)/g, '/…')
    .replace(/(?<=[?&](?:passkey|token|key|auth)=)[^&\s"']+/gi, '…')
    .replace(/(?<=\/\/[^\s/:@"']*:)[^\s/@"']+(?=@)/g, '…')
    .replace(/(?<=\bBearer )[\x21-\x7e]+/gi, '…');
}

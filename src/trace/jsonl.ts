import { BtError, toHex } from '../base/index.ts';
import { type TraceEvent, type TraceKind, traceKinds } from './event.ts';

/** Raised when a reader of the old form would misunderstand the new one. New kinds and new fields do not raise it. */
export const traceVersion = 1;

/** First line of a trace. */
export interface TraceHeader {
  readonly trace: typeof traceVersion;
  /** What was traced, for people: an info-hash, a scenario and its seed. */
  readonly subject?: string;
  /** Events that had been overwritten before the trace was written. */
  readonly dropped?: number;
  /** Wall clock of `at` 0, milliseconds since 1970; missing in simulations. */
  readonly originMs?: number;
}

export interface TraceFile {
  readonly header: TraceHeader;
  readonly events: TraceEvent[];
  /** Lines that are no event known here: of a newer program, or cut short by a crash. */
  readonly skippedLines: number;
}

/** @returns lines, each with its newline: the header, then one a event */
export function* encodeTrace(events: Iterable<TraceEvent>, header: Omit<TraceHeader, 'trace'> = {}): Generator<string> {
  yield `${toJson({ trace: traceVersion, ...header })}\n`;
  for (const event of events) yield encodeTraceEvent(event);
}

/** @returns one line with its newline. Byte strings in data become hex, bigints decimal text. */
export function encodeTraceEvent(event: TraceEvent): string {
  return `${toJson(event)}\n`;
}

/**
 * Reads a trace. Lines that make no sense are counted and left out, because the last line of a crashed program is often half a line.
 *
 * @throws BtError `swarm/state-damaged` where the first line is no header, `swarm/state-newer` where its version is not known
 */
export function decodeTrace(text: string): TraceFile {
  const lines = text.split('\n');
  const header = parseObject(lines[0] ?? '');
  if (header === undefined || typeof header['trace'] !== 'number') {
    throw new BtError('swarm/state-damaged', { what: 'the trace' });
  }
  if (header['trace'] > traceVersion) throw new BtError('swarm/state-newer', { what: 'the trace' });
  const events: TraceEvent[] = [];
  let skippedLines = 0;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] as string;
    if (line === '') continue;
    const event = toEvent(parseObject(line));
    if (event === undefined) skippedLines++;
    else events.push(event);
  }
  return { header: header as unknown as TraceHeader, events, skippedLines };
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return item.toString();
    if (item instanceof Uint8Array) return toHex(item);
    return item;
  });
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Fields that must be there, by kind; n number, s string, t three numbers. What may be anything is not listed. */
const fields: Readonly<Record<TraceKind, Readonly<Record<string, 'n' | 's' | 't'>>>> = {
  wire: { conn: 'n', dir: 's', message: 's', args: 't' },
  pick: { conn: 'n', piece: 'n', reason: 's', rarity: 'n', candidates: 'n' },
  piece: { piece: 'n', from: 's', to: 's' },
  conn: { conn: 'n', what: 's', detail: 'n' },
  request: { conn: 'n', piece: 'n', begin: 'n', length: 'n' },
  cancel: { conn: 'n', piece: 'n', begin: 'n', length: 'n' },
  timeout: { conn: 'n', piece: 'n', begin: 'n', waitedMs: 'n' },
  choke: { conn: 'n', from: 's', to: 's', reason: 's', rank: 'n' },
  closed: { conn: 'n', code: 's' },
  announce: { step: 's', url: 's' },
  ban: { host: 's', reason: 's' },
  note: { topic: 's' },
};

function toEvent(value: Record<string, unknown> | undefined): TraceEvent | undefined {
  if (value === undefined || typeof value['at'] !== 'number') return undefined;
  const kind = traceKinds.find((k) => k === value['kind']);
  if (kind === undefined) return undefined;
  for (const [name, type] of Object.entries(fields[kind])) if (!isType(value[name], type)) return undefined;
  return value as unknown as TraceEvent;
}

function isType(value: unknown, type: 'n' | 's' | 't'): boolean {
  if (type === 'n') return typeof value === 'number';
  if (type === 's') return typeof value === 'string';
  return Array.isArray(value) && value.length === 3 && value.every((x) => typeof x === 'number');
}

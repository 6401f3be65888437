import { z } from 'zod';
import { formatHostPort, type HostPort, parseHostPort, parseIp } from '../../base/index.ts';
import { parseClientRule, parsePeerId } from '../../tracker/index.ts';

/** A kind of value: how it is read from TOML and from text, and how it is shown. */
export interface Kind<T> {
  /** Takes what TOML has, gives the value. */
  readonly schema: z.ZodType<T>;
  /** What is allowed, as the end of the sentence "expected …". */
  readonly allowed: string;
  /** From an environment variable or an option to what TOML would have; the schema judges it afterwards. */
  readonly fromText: (text: string) => unknown;
  /** The value as TOML text. */
  readonly format: (value: T) => string;
}

const SECOND = 1_000;
const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: 60 * SECOND,
  h: 3_600 * SECOND,
  d: 86_400 * SECOND,
};
const sizeUnits: Readonly<Record<string, number>> = { '': 1, k: 1_024, m: 1_024 ** 2, g: 1_024 ** 3 };

function toNumber(text: string): unknown {
  const plain = text.trim().replaceAll('_', '');
  return /^-?\d+(\.\d+)?$/.test(plain) ? Number(plain) : text;
}

/** A whole number. */
export function integer(min: number, max: number): Kind<number> {
  return {
    schema: z.int().min(min).max(max),
    allowed: `a whole number from ${min} to ${max}`,
    fromText: toNumber,
    format: String,
  };
}

/** A number that need not be whole. */
export function decimal(min: number, max: number): Kind<number> {
  return {
    schema: z.number().min(min).max(max),
    allowed: `a number from ${min} to ${max}`,
    fromText: toNumber,
    format: String,
  };
}

/** `true` or `false`. */
export const flag: Kind<boolean> = {
  schema: z.boolean(),
  allowed: 'true or false',
  fromText: (text) =>
    ({ true: true, yes: true, on: true, 1: true, false: false, no: false, off: false, 0: false })[
      text.trim().toLowerCase()
    ] ?? text,
  format: String,
};

/** Text of at least one character, on one line. */
export const text: Kind<string> = {
  schema: z.string().regex(/^[^\0-\x1f\x7f]{1,4096}$/),
  allowed: 'text on one line',
  fromText: (t) => t,
  format: (value) => JSON.stringify(value),
};

/** A path as it stands; relative ones are relative to the working folder. */
export const path: Kind<string> = { ...text, allowed: 'a path' };

/** One of a few words. */
export function choice<const T extends string>(...words: readonly T[]): Kind<T> {
  return {
    schema: z.enum(words) as unknown as z.ZodType<T>,
    allowed: `one of ${words.map((word) => JSON.stringify(word)).join(', ')}`,
    fromText: (t) => t.trim(),
    format: (value) => JSON.stringify(value),
  };
}

/** `"90s"`, `"30m"`, `"2h"`, `"1d"`, `"250ms"`, or a number of seconds. @param minMs milliseconds */
export function duration(minMs: number, maxMs: number): Kind<number> {
  return {
    schema: z
      .union([z.number(), z.string()])
      .transform((value) => (typeof value === 'number' ? value * SECOND : parseUnits(value, durationUnits, SECOND)))
      .pipe(z.int().min(minMs).max(maxMs)) as unknown as z.ZodType<number>,
    allowed: `a time from ${formatDurationText(minMs)} to ${formatDurationText(maxMs)}, like "90s", "30m" or "2h"`,
    fromText: toNumber,
    format: (value) => JSON.stringify(formatDurationText(value)),
  };
}

/** `"64KiB"`, `"4MiB"`, or a number of bytes. */
export function size(min: number, max: number): Kind<number> {
  return {
    schema: z
      .union([z.number(), z.string()])
      .transform((value) => (typeof value === 'number' ? value : parseUnits(value.replace(/i?b$/i, ''), sizeUnits, 1)))
      .pipe(z.int().min(min).max(max)) as unknown as z.ZodType<number>,
    allowed: `a size from ${formatSizeText(min)} to ${formatSizeText(max)}, like 8192 or "64KiB"`,
    fromText: toNumber,
    format: (value) => JSON.stringify(formatSizeText(value)),
  };
}

/** HOST:PORT, [IPv6]:PORT or a port, as text or number. */
export const place: Kind<HostPort> = {
  schema: z
    .union([z.string(), z.int()])
    .transform((value) => parseHostPort(String(value).trim()))
    .refine((value) => value !== undefined) as unknown as z.ZodType<HostPort>,
  allowed: '"HOST:PORT", "[IPV6]:PORT" or a port from 0 to 65535',
  fromText: (t) => t.trim(),
  format: (value) => JSON.stringify(formatHostPort(value)),
};

/** An address or a network: `192.0.2.1`, `10.0.0.0/8`, `fd00::/8`. */
export const network: Kind<string> = {
  schema: z.string().refine(isNetwork),
  allowed: 'an address or network like "192.0.2.1", "10.0.0.0/8" or "fd00::/8"',
  fromText: (t) => t.trim(),
  format: (value) => JSON.stringify(value),
};

/** A rule about clients by peer id (BEP 20): `-TR`, or with versions `-qB >=4.5 <5`. */
export const clientRule: Kind<string> = {
  schema: z.string().refine((value) => typeof parseClientRule(value) !== 'string'),
  allowed: 'the beginning of a peer id, with versions if need be, like "-TR" or "-qB >=4.5 <5"',
  fromText: (t) => t.trim(),
  format: (value) => JSON.stringify(value),
};

/** One peer id. */
export const peerId: Kind<string> = {
  schema: z.string().refine((value) => parsePeerId(value) !== undefined),
  allowed: 'a peer id of 40 hex digits or 20 characters',
  fromText: (t) => t.trim(),
  format: (value) => JSON.stringify(value),
};

/** Where a page comes from, as browsers name it in `Origin`. */
export const origin: Kind<string> = {
  schema: z.string().refine((value) => URL.canParse(value) && new URL(value).origin === value),
  allowed: 'an origin like "https://example.org" or "http://localhost:8080", without a path',
  fromText: (t) => t.trim(),
  format: (value) => JSON.stringify(value),
};

/** A URL of one of these schemes. */
export function url(...schemes: readonly string[]): Kind<string> {
  return {
    schema: z.string().refine((value) => URL.canParse(value) && schemes.includes(new URL(value).protocol.slice(0, -1))),
    allowed: `a URL beginning with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
    fromText: (t) => t.trim(),
    format: (value) => JSON.stringify(value),
  };
}

/** A list; in environment variables and options with commas between its values. One value may stand without brackets. */
export function list<T>(of: Kind<T>, max = 1_000): Kind<readonly T[]> {
  return {
    schema: z.preprocess(
      (value) => (Array.isArray(value) || value === undefined ? value : [value]),
      z.array(of.schema).max(max),
    ) as unknown as z.ZodType<readonly T[]>,
    allowed: `a list of values, each ${of.allowed}`,
    fromText: (t) => (t.trim() === '' ? [] : t.split(',').map((part) => of.fromText(part.trim()))),
    format: (values) => `[${values.map((value) => of.format(value)).join(', ')}]`,
  };
}

/** NaN where it is no number with a unit: the schema behind it refuses that. */
function parseUnits(value: string, units: Readonly<Record<string, number>>, unitless: number): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(value);
  if (match === null) return Number.NaN;
  const [, digits = '', unit = ''] = match;
  const factor = unit === '' ? unitless : (units[unit.toLowerCase()] ?? Number.NaN);
  return Number(digits) * factor;
}

export function formatDurationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const factor = durationUnits[unit] as number;
    if (ms % factor === 0 && ms >= factor) return `${ms / factor}${unit}`;
  }
  return ms === 0 ? '0s' : `${ms}ms`;
}

function formatSizeText(bytes: number): string {
  for (const [name, factor] of [
    ['GiB', sizeUnits['g']],
    ['MiB', sizeUnits['m']],
    ['KiB', sizeUnits['k']],
  ] as const) {
    if (factor !== undefined && bytes >= factor && bytes % factor === 0) return `${bytes / factor}${name}`;
  }
  return `${bytes}B`;
}

function isNetwork(value: string): boolean {
  const match = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(value.trim());
  const ip = parseIp(match?.[1] ?? '');
  return ip !== undefined && Number(match?.[2] ?? 0) <= ip.length * 8;
}

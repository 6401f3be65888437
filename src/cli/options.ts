import { InvalidArgumentError } from 'commander';
import { type HostPort, parseHostPort, splitHostPort } from '../base/index.ts';

/**
 * Values of command line options. Each parser takes the text and throws commander's InvalidArgumentError with a sentence that says
 * what would be right; commander puts the option's name before it.
 */

const binary: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };

/**
 * `500K`, `2MiB`, `1.5G`, `100000`: K, M, G, T and KiB, MiB, … are powers of 1024; kB, MB, … powers of 1000.
 *
 * @returns whole bytes
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(ib|b)?$/i.exec(text.trim());
  if (match === null) throw new InvalidArgumentError('Give a size like 16384, 500K or 2MiB.');
  const [, digits = '', prefix = '', suffix = ''] = match;
  const base = prefix !== '' && suffix.toLowerCase() === 'b' ? 1000 : 1024;
  const bytes = Math.round(Number(digits) * base ** (binary[prefix.toLowerCase()] as number));
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError('That is more bytes than can be counted.');
  return bytes;
}

/**
 * A rate in bytes per second, as `parseSize`, with or without `/s`.
 *
 * @returns undefined for no limit: `0`, `none` or `unlimited`
 */
export function parseRate(text: string): number | undefined {
  if (/^(none|unlimited)$/i.test(text.trim())) return undefined;
  try {
    const rate = parseSize(text.trim().replace(/\/s$/i, ''));
    return rate === 0 ? undefined : rate;
  } catch {
    throw new InvalidArgumentError('Give a rate per second like 500K or 2MiB, or "none".');
  }
}

/** Where to listen: HOST:PORT, [IPv6]:PORT, or just a port for all addresses. Port 0 takes any that is free. */
export function parseListen(text: string): HostPort {
  const place = parseHostPort(text);
  if (place === undefined) {
    throw new InvalidArgumentError(
      'Give HOST:PORT, [IPV6]:PORT or a port from 0 to 65535; an IPv6 address needs brackets.',
    );
  }
  return place;
}

/** Where somebody else listens: HOST:PORT or [IPv6]:PORT; both parts are needed. */
export function parsePeer(text: string): { readonly host: string; readonly port: number } {
  const split = splitHostPort(text);
  const port = Number(split?.port ?? Number.NaN);
  if (split?.host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new InvalidArgumentError('Give HOST:PORT or [IPV6]:PORT, with a port from 1 to 65535.');
  }
  return { host: split.host, port };
}

export interface FileRange {
  /** Counted from 1, as `eider info` shows them. */
  readonly first: number;
  /** Inclusive; Infinity for an open end. */
  readonly last: number;
}

/** `1,3-5,8-`: files by their number in `eider info`, counted from 1. */
export function parseFileList(text: string): readonly FileRange[] {
  return text.split(',').map((part) => {
    const match = /^\s*(\d+)\s*(?:(-)\s*(\d+)?)?\s*$/.exec(part);
    const first = Number(match?.[1] ?? 0);
    const last = match?.[2] === undefined ? first : Number(match[3] ?? Number.POSITIVE_INFINITY);
    if (first < 1 || last < first || !Number.isSafeInteger(first)) {
      throw new InvalidArgumentError(
        'Give numbers from 1 and ranges, like 1,3-5 or 7-; `eider info` shows the numbers.',
      );
    }
    return { first, last };
  });
}

/**
 * The chosen files of a torrent as indexes from 0, ascending, each once.
 *
 * @throws InvalidArgumentError where a number is beyond the torrent's files
 */
export function toFileIndexes(ranges: readonly FileRange[], fileCount: number): number[] {
  const chosen = new Set<number>();
  for (const { first, last } of ranges) {
    const end = last === Number.POSITIVE_INFINITY ? fileCount : last;
    if (first > fileCount || end > fileCount) {
      const wrong = first > fileCount ? first : end;
      throw new InvalidArgumentError(`there is no file ${wrong}: the torrent has ${fileCount}`);
    }
    for (let i = first; i <= end; i++) chosen.add(i - 1);
  }
  return [...chosen].sort((a, b) => a - b);
}

/** A whole number of at least `min`. */
export function parseInteger(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text.trim()) || value < min || !Number.isSafeInteger(value)) {
      throw new InvalidArgumentError(`Give a whole number of at least ${min}.`);
    }
    return value;
  };
}

/** Seconds, or with a unit: `90`, `90s`, `5m`, `2h`. @returns milliseconds */
export function parseSeconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(s|m|h)?$/i.exec(text.trim());
  if (match === null) throw new InvalidArgumentError('Give seconds like 90, or 5m, or 2h.');
  const factor = { s: 1, m: 60, h: 3600 }[(match[2] ?? 's').toLowerCase() as 's' | 'm' | 'h'];
  const ms = Math.round(Number(match[1]) * factor * 1000);
  if (!Number.isSafeInteger(ms)) throw new InvalidArgumentError('That is longer than can be counted.');
  return ms;
}

/** A URL of one of the given schemes, as it stands. */
export function parseUrl(schemes: readonly string[]): (text: string) => string {
  return (text) => {
    const url = text.trim();
    const scheme = URL.canParse(url) ? new URL(url).protocol.slice(0, -1) : '';
    if (!schemes.includes(scheme)) {
      throw new InvalidArgumentError(`Give a full URL beginning with ${schemes.map((s) => `${s}://`).join(' or ')}.`);
    }
    return url;
  };
}

/** For options that may be given several times: collects the parsed values in order. */
export function many<T>(parse: (text: string) => T): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before) => [...(before ?? []), parse(text)];
}

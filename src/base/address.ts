import { readU16, writeU16 } from './bytes.ts';

/**
 * Where a peer may be. `host` is a numeric address: dotted IPv4, or IPv6 in canonical text (RFC 5952) without brackets or zone.
 * IPv4-mapped IPv6 is always turned into IPv4, so equal places are equal texts.
 */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

export function isIpv6(host: string): boolean {
  return host.includes(':');
}

/** One text per place: `1.2.3.4:80`, `[2001:db8::1]:80`. */
export function formatAddress(a: PeerAddress): string {
  return isIpv6(a.host) ? `[${a.host}]:${a.port}` : `${a.host}:${a.port}`;
}

/** Parses what `formatAddress` writes. @returns undefined for names, bad numbers and port 0. */
export function parseAddress(text: string): PeerAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  const bytes = parseIp((match[1] ?? match[2]) as string);
  if (bytes === undefined || port < 1 || port > 65535) return undefined;
  return { host: formatIp(bytes), port };
}

/** @returns 4 or 16 bytes (IPv4-mapped IPv6 gives 4), or undefined where the text is no numeric address. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const out = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i] as string;
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    out[i] = Number(part);
  }
  return out;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const bare = text.split('%')[0] as string;
  const halves = bare.split('::');
  if (halves.length > 2) return undefined;
  const head = toGroups(halves[0] as string);
  const tail = halves.length === 2 ? toGroups(halves[1] as string) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const out = new Uint8Array(16);
  for (let i = 0; i < 8; i++) writeU16(out, i * 2, groups[i] as number);
  return isMapped(out) ? out.slice(12) : out;
}

function toGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const parts = text.split(':');
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string;
    if (i === parts.length - 1 && part.includes('.')) {
      const v4 = parseIpv4(part);
      if (v4 === undefined) return undefined;
      out.push(readU16(v4, 0), readU16(v4, 2));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) out.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return out;
}

function isMapped(b: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (b[i] !== 0) return false;
  return b[10] === 0xff && b[11] === 0xff;
}

/** @param bytes 4 or 16 bytes in network order; mapped IPv6 is written as IPv4 */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (isMapped(bytes)) return formatIp(bytes.subarray(12));
  const groups: number[] = [];
  for (let i = 0; i < 8; i++) groups.push(readU16(bytes, i * 2));
  let bestAt = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > bestLength) {
      bestAt = i;
      bestLength = n;
    }
    if (n > 0) i += n;
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((g) => g.toString(16))
      .join(':');
  return bestAt < 0 ? hex(0, 8) : `${hex(0, bestAt)}::${hex(bestAt + bestLength, 8)}`;
}

/** Text that is equal for equal places whatever their spelling; undefined where `host` is not numeric. */
export function canonicalHost(host: string): string | undefined {
  const bytes = parseIp(host);
  return bytes === undefined ? undefined : formatIp(bytes);
}

/** False for places nobody can be dialled at: port 0, unspecified, multicast, broadcast. */
export function isDialable(a: PeerAddress): boolean {
  const b = parseIp(a.host);
  if (b === undefined || a.port < 1 || a.port > 65535) return false;
  const first = b[0] as number;
  if (b.length === 4) return first !== 0 && first < 224;
  return first !== 0xff && b.some((x) => x !== 0);
}

/**
 * Loopback, private and link-local networks of both families (RFC 1918, 3927, 4193, 4291).
 *
 * @param b holds the 4 or 16 bytes (`length`) of an address at `at`
 */
export function isLocalNetwork(b: Uint8Array, at = 0, length: number = b.length): boolean {
  const first = b[at] as number;
  const second = b[at + 1] as number;
  if (length === 4) {
    return (
      first === 127 ||
      first === 10 ||
      (first === 172 && second >= 16 && second < 32) ||
      (first === 192 && second === 168) ||
      (first === 169 && second === 254)
    );
  }
  if (first === 0) {
    for (let i = 1; i < 15; i++) if (b[at + i] !== 0) return false;
    return b[at + 15] === 1;
  }
  return (first & 0xfe) === 0xfc || (first === 0xfe && (second & 0xc0) === 0x80);
}

/** How far an address reaches: this machine, its network, or everywhere. */
export type Reach = 'loopback' | 'local' | 'public';

/** @param host numeric */
export function reachOf(host: string): Reach {
  const b = parseIp(host);
  if (b === undefined || !isLocalNetwork(b)) return 'public';
  const isLoopback = b.length === 4 ? b[0] === 127 : b[0] === 0;
  return isLoopback ? 'loopback' : 'local';
}

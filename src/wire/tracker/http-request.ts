import { BtError, fromBinaryString } from '../../base/index.ts';
import { trackerWireLimits } from './limits.ts';
import { toSafeText } from './text.ts';
import type { AnnounceEvent, AnnounceRequest } from './types.ts';

/**
 * Requests of the HTTP tracker protocol (BEP 3, 7, 23, 48): query strings, where an info-hash is 20 raw bytes, percent-encoded. They
 * are no UTF-8, so no ordinary URL parser can read them: text here is one character a byte.
 */

const EVENTS: ReadonlySet<string> = new Set<AnnounceEvent>(['started', 'completed', 'stopped']);
const MESSAGE = 'tracker request';

/** An announce as it came by HTTP. */
export interface HttpAnnounceRequest {
  readonly request: AnnounceRequest;
  /** False: the client wants the dictionary form of peers (BEP 23). The compact form is the default, as BEP 23 suggests. */
  readonly compact: boolean;
  /** True: the client wants no peer ids in a dictionary answer. */
  readonly noPeerId: boolean;
}

/**
 * Query string of an announce, without `?`. Asks for the compact form and leaves out what has its default.
 *
 * @returns ASCII, ready for a request line
 */
export function encodeAnnounceQuery(r: AnnounceRequest): string {
  const parts = [
    `info_hash=${percentEncode(r.infoHash)}`,
    `peer_id=${percentEncode(r.peerId)}`,
    `port=${r.port}`,
    `uploaded=${r.uploaded}`,
    `downloaded=${r.downloaded}`,
    `left=${r.left}`,
    'compact=1',
    'no_peer_id=1',
    `key=${r.key.toString(16).toUpperCase().padStart(8, '0')}`,
  ];
  if (r.event !== 'none') parts.push(`event=${r.event}`);
  if (r.numWant >= 0) parts.push(`numwant=${r.numWant}`);
  if (r.ip !== undefined) parts.push(`ip=${encodeURIComponent(r.ip)}`);
  if (r.trackerId !== undefined) parts.push(`trackerid=${percentEncode(fromBinaryString(r.trackerId))}`);
  return parts.join('&');
}

/** @param infoHashes 20 bytes each, at least one: a scrape without any asks for every torrent the tracker has */
export function encodeScrapeQuery(infoHashes: readonly Uint8Array[]): string {
  return infoHashes.map((hash) => `info_hash=${percentEncode(hash)}`).join('&');
}

/**
 * Parses the query string of an announce. Unknown parameters are ignored, the first of repeated ones counts, an unknown event counts as
 * none. Byte counts may be missing (then 0, and `left` unknown, which is not 0: only who says so is a seed).
 *
 * @param query what stands after `?` in the request line, one character a byte
 * @throws BtError `wire/invalid` with a sentence that may be given back to the client
 */
export function parseAnnounceQuery(query: string): HttpAnnounceRequest {
  const fields = parseQuery(query);
  const infoHash = requireBytes(fields, 'info_hash');
  const peerId = requireBytes(fields, 'peer_id');
  const event = fields.get('event') ?? '';
  const ip = fields.get('ip');
  const trackerId = fields.get('trackerid');
  return {
    request: {
      infoHash,
      peerId,
      port: requirePort(fields),
      uploaded: readCount(fields, 'uploaded', 0),
      downloaded: readCount(fields, 'downloaded', 0),
      left: readCount(fields, 'left', Number.MAX_SAFE_INTEGER),
      event: EVENTS.has(event) ? (event as AnnounceEvent) : 'none',
      numWant: readNumWant(fields),
      key: readKey(fields),
      ...(ip === undefined ? {} : { ip: toSafeText(fromBinaryString(ip)) }),
      ...(trackerId === undefined ? {} : { trackerId }),
    },
    compact: fields.get('compact') !== '0',
    noPeerId: fields.get('no_peer_id') === '1',
  };
}

/**
 * Parses the query string of a scrape.
 *
 * @returns the info-hashes asked for, 20 bytes each; none = a full scrape was asked for
 * @throws BtError `wire/invalid` where one of them is no 20 bytes, or there are more than `queryParametersMax` parameters
 */
export function parseScrapeQuery(query: string): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (const [name, value] of splitQuery(query)) {
    if (name !== 'info_hash') continue;
    if (value.length !== 20) throw invalid('info_hash is not 20 bytes');
    hashes.push(fromBinaryString(value));
  }
  return hashes;
}

/** The first value of each parameter, decoded, one character a byte. */
function parseQuery(query: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [name, value] of splitQuery(query)) if (!fields.has(name)) fields.set(name, value);
  return fields;
}

function splitQuery(query: string): [name: string, value: string][] {
  const parts = query.split('&', trackerWireLimits.queryParametersMax + 1);
  if (parts.length > trackerWireLimits.queryParametersMax) throw invalid('too many parameters');
  const fields: [string, string][] = [];
  for (const part of parts) {
    if (part === '') continue;
    const at = part.indexOf('=');
    const name = percentDecode(at < 0 ? part : part.slice(0, at));
    fields.push([name, at < 0 ? '' : percentDecode(part.slice(at + 1))]);
  }
  return fields;
}

function requireBytes(fields: ReadonlyMap<string, string>, name: string): Uint8Array {
  const value = fields.get(name);
  if (value === undefined) throw invalid(`${name} is missing`);
  if (value.length !== 20) throw invalid(`${name} is not 20 bytes`);
  return fromBinaryString(value);
}

function requirePort(fields: ReadonlyMap<string, string>): number {
  const text = fields.get('port');
  if (text === undefined) throw invalid('port is missing');
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535) throw invalid('port is not 1 to 65535');
  return Number(text);
}

function readCount(fields: ReadonlyMap<string, string>, name: string, missing: number): number {
  const text = fields.get(name);
  if (text === undefined || text === '') return missing;
  if (!/^\d{1,20}$/.test(text)) throw invalid(`${name} is not a number of bytes`);
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

function readNumWant(fields: ReadonlyMap<string, string>): number {
  const text = fields.get('numwant') ?? '';
  return /^\d{1,9}$/.test(text) ? Number(text) : -1;
}

/** Clients send any text; the usual one is up to eight hex digits. */
function readKey(fields: ReadonlyMap<string, string>): number {
  const text = fields.get('key') ?? '';
  return /^[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : 0;
}

function percentEncode(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    out += /[0-9A-Za-z._~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/**
 * One character a byte in, one character a byte out. `+` is a blank: encoders of HTML forms write it so and escape a real plus, and no
 * client is known that leaves a plus bare.
 */
function percentDecode(text: string): string {
  if (!/[%+]/.test(text)) return text;
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (char === '+') out += ' ';
    else if (char !== '%') out += char;
    else {
      const digits = text.slice(i + 1, i + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) throw invalid('broken percent-encoding');
      out += String.fromCharCode(Number.parseInt(digits, 16));
      i += 2;
    }
  }
  return out;
}

function invalid(what: string): BtError {
  return new BtError('wire/invalid', { message: MESSAGE, what });
}

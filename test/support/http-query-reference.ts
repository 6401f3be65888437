import type { AnnounceEvent, AnnounceRequest } from '#wire';
import { trackerWireLimits } from '#wire';

/** How queries of announces and scrapes are read, as plainly as it can be said: what the fast readers are compared with. */
export type QueryReference<T> = { readonly value: T } | { readonly fault: string };

class Fault extends Error {}

export function readAnnounceByReference(query: string): QueryReference<{ request: AnnounceRequest; compact: boolean }> {
  return orFault(() => {
    const fields = new Map<string, string>();
    for (const [name, value] of split(query)) if (!fields.has(name)) fields.set(name, value);
    const infoHash = twentyBytes(fields, 'info_hash');
    const peerId = twentyBytes(fields, 'peer_id');
    const event = fields.get('event') ?? '';
    const known = ['started', 'completed', 'stopped'].includes(event) ? (event as AnnounceEvent) : 'none';
    const request = {
      infoHash,
      peerId,
      port: portOf(fields, known),
      uploaded: countOf(fields, 'uploaded', 0),
      downloaded: countOf(fields, 'downloaded', 0),
      left: countOf(fields, 'left', Number.MAX_SAFE_INTEGER),
      event: known,
      numWant: /^\d{1,9}$/.test(fields.get('numwant') ?? '') ? Number(fields.get('numwant')) : -1,
      key: /^[0-9a-f]{1,8}$/i.test(fields.get('key') ?? '') ? Number.parseInt(fields.get('key') as string, 16) : 0,
    };
    return { request, compact: fields.get('compact') !== '0' };
  });
}

export function readScrapeByReference(query: string): QueryReference<Uint8Array[]> {
  return orFault(() => {
    const hashes: Uint8Array[] = [];
    for (const [name, value] of split(query)) {
      if (name !== 'info_hash') continue;
      if (value.length !== 20) throw new Fault('info_hash is not 20 bytes');
      hashes.push(Uint8Array.from(value, (char) => char.charCodeAt(0)));
    }
    return hashes;
  });
}

function orFault<T>(read: () => T): QueryReference<T> {
  try {
    return { value: read() };
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    throw error;
  }
}

function* split(query: string): Generator<[name: string, value: string]> {
  let count = 0;
  for (const part of query.split('&')) {
    if (++count > trackerWireLimits.queryParametersMax) throw new Fault('too many parameters');
    const at = part.indexOf('=');
    yield [decode(at < 0 ? part : part.slice(0, at)), at < 0 ? '' : decode(part.slice(at + 1))];
  }
}

function decode(text: string): string {
  if (/%(?![0-9a-f]{2})/i.test(text)) throw new Fault('broken percent-encoding');
  return text
    .replaceAll('+', ' ')
    .replace(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

function twentyBytes(fields: ReadonlyMap<string, string>, name: string): Uint8Array {
  const value = fields.get(name);
  if (value === undefined) throw new Fault(`${name} is missing`);
  if (value.length !== 20) throw new Fault(`${name} is not 20 bytes`);
  return Uint8Array.from(value, (char) => char.charCodeAt(0));
}

/** Who leaves may have no port any more. */
function portOf(fields: ReadonlyMap<string, string>, event: AnnounceEvent): number {
  const text = fields.get('port');
  if (text === undefined) throw new Fault('port is missing');
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 65_535 || (port === 0 && event !== 'stopped')) throw new Fault('port is not 1 to 65535');
  return port;
}

function countOf(fields: ReadonlyMap<string, string>, name: string, missing: number): number {
  const text = fields.get(name) ?? '';
  if (text === '') return missing;
  if (!/^\d{1,20}$/.test(text)) throw new Fault(`${name} is not a number of bytes`);
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

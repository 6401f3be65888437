import { BtError, fromBinaryString } from '../../base/index.ts';
import { AnnounceQueryReader, ScrapeQueryReader } from './http-query.ts';
import type { AnnounceRequest } from './types.ts';

/**
 * Requests of the HTTP tracker protocol (BEP 3, 7, 23, 48) as query strings, one character a byte. How a tracker reads them is in
 * `http-query.ts`.
 */

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
 * Parses the query string of an announce; `AnnounceQueryReader` says what is taken for what.
 *
 * @param query what stands after `?` in the request line, one character a byte
 * @throws BtError `wire/invalid` with a sentence that may be given back to the client
 */
export function parseAnnounceQuery(query: string): HttpAnnounceRequest {
  const reader = new AnnounceQueryReader();
  const bytes = fromBinaryString(query);
  const fault = reader.read(bytes, 0, bytes.length);
  if (fault !== undefined) throw invalid(fault);
  const { infoHash, peerId, port, uploaded, downloaded, left, event, numWant, key, ip, trackerId } = reader;
  return {
    request: {
      ...{ infoHash, peerId, port, uploaded, downloaded, left, event, numWant, key },
      ...(ip === '' ? {} : { ip }),
      ...(trackerId === undefined ? {} : { trackerId }),
    },
    compact: reader.compact,
    noPeerId: reader.noPeerId,
  };
}

/**
 * Parses the query string of a scrape.
 *
 * @returns the info-hashes asked for, 20 bytes each; none = a full scrape was asked for
 * @throws BtError `wire/invalid` where one of them is no 20 bytes, or there are more than `queryParametersMax` parameters
 */
export function parseScrapeQuery(query: string): Uint8Array[] {
  const reader = new ScrapeQueryReader();
  const bytes = fromBinaryString(query);
  const fault = reader.read(bytes, 0, bytes.length);
  if (fault !== undefined) throw invalid(fault);
  return Array.from({ length: reader.count }, (_, i) => reader.hashes.slice(i * 20, i * 20 + 20));
}

function percentEncode(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    out += /[0-9A-Za-z._~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

function invalid(what: string): BtError {
  return new BtError('wire/invalid', { message: MESSAGE, what });
}

// Hot path: tracker-http
import { encodeUtf8, formatIp, readU16 } from '../../base/index.ts';
import { compactPeerBytes } from '../compact.ts';
import { trackerWireLimits } from './limits.ts';
import type { TrackerRefusal } from './types.ts';

/**
 * Answers of the HTTP tracker protocol, written as bencode straight into the buffer they are sent from (BEP 3, 7, 23, 24, 31, 48). Every
 * `write…` takes the place to write at and returns the end of what it wrote; the caller has room for what the `…BytesMax` of the same
 * name says.
 */

/** A good answer to an announce, as a tracker's call object has it. */
export interface HttpAnswerFields {
  readonly intervalSec: number;
  readonly minIntervalSec: number;
  readonly complete: number;
  readonly incomplete: number;
  readonly downloaded: number;
  readonly peerCount4: number;
  readonly peerCount6: number;
  /** At `outAt`: 6 bytes a peer of IPv4, then 18 bytes a peer of IPv6. */
  readonly out: Uint8Array;
  readonly outAt: number;
  /** For people to read; empty = none. */
  readonly warning: string;
}

export interface HttpAnswerForm {
  /** False gives the list form, both families in one list. */
  readonly compact: boolean;
  /** Address the asker is seen by, at `externalAt`; `externalLength` 0 = not told. */
  readonly externalBytes: Uint8Array;
  readonly externalAt: number;
  readonly externalLength: 0 | 4 | 16;
  readonly trackerId?: string;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const COMPLETE = ascii('d8:completei');
const DOWNLOADED = ascii('e10:downloadedi');
const EXTERNAL_IP = ascii('e11:external ip');
const INCOMPLETE_AFTER_BYTES = ascii('10:incompletei');
const INCOMPLETE = ascii('e10:incompletei');
const INTERVAL = ascii('e8:intervali');
const MIN_INTERVAL = ascii('e12:min intervali');
const PEERS = ascii('e5:peers');
const PEERS6 = ascii('6:peers6');
const TRACKER_ID = ascii('10:tracker id');
const WARNING = ascii('15:warning message');
const PEER_IP = ascii('d2:ip');
const PEER_PORT = ascii('4:porti');
const REASON = ascii('d14:failure reason');
const RETRY_IN = ascii('8:retry in');
const NEVER = ascii('5:never');
const FILES = ascii('d5:filesd');
const HASH_LENGTH = ascii('20:');
const ROW_COMPLETE = ascii('d8:completei');
const ROW_END = ascii('ee');
const ZERO = 0x30;
const COLON = 0x3a;
const LETTER_E = 0x65;
const LETTER_I = 0x69;
const LETTER_L = 0x6c;
/** UTF-16 units become at most three bytes each. */
const TEXT_BYTES_MAX = trackerWireLimits.textCharsMax * 3;

/** Bytes of an announce answer of so many peers, in either form, whatever its texts. */
export function httpAnnounceBytesMax(peersMax: number): number {
  // A peer of the list form: `d2:ip39:` and 39 characters, `4:porti65535ee`.
  return 300 + 2 * TEXT_BYTES_MAX + peersMax * 61;
}
export const httpRefusalBytesMax: number = 100 + TEXT_BYTES_MAX;
export function httpScrapeBytesMax(hashesMax: number): number {
  // A row: `20:` and the hash, `d8:completei…e10:downloadedi…e10:incompletei…ee` with three numbers of ten digits.
  return 20 + hashesMax * 110;
}

/**
 * Writes a good answer.
 *
 *     complete, downloaded, incomplete, interval, min interval: integers       external ip: 4 or 16 bytes (BEP 24)
 *     peers: 6 bytes a peer, peers6: 18 bytes a peer (BEP 23, 7), or peers: list of { ip, port } without peer ids
 *
 * `peers6` stands only where there are some. `a.out` may be `into` itself as long as the peers stand behind what is written.
 */
export function writeHttpAnnounce(into: Uint8Array, start: number, a: HttpAnswerFields, form: HttpAnswerForm): number {
  let at = writeBytes(into, start, COMPLETE);
  at = writeNumber(into, at, a.complete);
  at = writeBytes(into, at, DOWNLOADED);
  at = writeNumber(into, at, a.downloaded);
  if (form.externalLength > 0) {
    at = writeBytes(into, at, EXTERNAL_IP);
    at = writeLength(into, at, form.externalLength);
    at = copyBytes(into, at, form.externalBytes, form.externalAt, form.externalLength);
    at = writeBytes(into, at, INCOMPLETE_AFTER_BYTES);
  } else at = writeBytes(into, at, INCOMPLETE);
  at = writeNumber(into, at, a.incomplete);
  at = writeBytes(into, at, INTERVAL);
  at = writeNumber(into, at, a.intervalSec);
  at = writeBytes(into, at, MIN_INTERVAL);
  at = writeNumber(into, at, a.minIntervalSec);
  at = writeBytes(into, at, PEERS);
  at = form.compact ? writeCompactPeers(into, at, a) : writePeerList(into, at, a);
  if (form.trackerId !== undefined) at = writeText(into, writeBytes(into, at, TRACKER_ID), form.trackerId);
  if (a.warning !== '') at = writeText(into, writeBytes(into, at, WARNING), a.warning);
  into[at] = LETTER_E;
  return at + 1;
}

/** Writes `failure reason`, and `retry in` in whole minutes or `never` (BEP 31). */
export function writeHttpRefusal(into: Uint8Array, start: number, refusal: TrackerRefusal): number {
  const { reason, retryInSec } = refusal;
  let at = writeText(into, writeBytes(into, start, REASON), reason);
  if (retryInSec !== undefined) {
    at = writeBytes(into, at, RETRY_IN);
    if (retryInSec === Number.POSITIVE_INFINITY) at = writeBytes(into, at, NEVER);
    else {
      into[at] = LETTER_I;
      at = writeNumber(into, at + 1, Math.max(1, Math.ceil(retryInSec / 60)));
      into[at++] = LETTER_E;
    }
  }
  into[at] = LETTER_E;
  return at + 1;
}

/** Info-hashes that were asked for, and their rows in the same order: complete, downloaded, incomplete. */
export interface HttpScrapeFields {
  readonly hashBytes: Uint8Array;
  readonly hashAt: number;
  readonly count: number;
  readonly rows: Uint32Array;
}

/**
 * Writes `files`: info-hash to complete, downloaded, incomplete (BEP 48), sorted as bencode has it. Nothing forbids to ask for a torrent
 * twice, but a dictionary holds it once.
 */
export function writeHttpScrape(into: Uint8Array, start: number, s: HttpScrapeFields): number {
  let at = writeHttpScrapeStart(into, start);
  const order = sortHashes(s);
  for (let i = 0; i < order.length; i++) {
    const row = order[i] as number;
    if (i > 0 && compareHashes(s, order[i - 1] as number, row) === 0) continue;
    at = writeHttpScrapeRow(into, at, s, row);
  }
  return writeHttpScrapeEnd(into, at);
}

/** The three parts of a scrape answer, for who sends it in pieces. */
export function writeHttpScrapeStart(into: Uint8Array, at: number): number {
  return writeBytes(into, at, FILES);
}
export function writeHttpScrapeRow(into: Uint8Array, start: number, s: HttpScrapeFields, row: number): number {
  let at = writeBytes(into, start, HASH_LENGTH);
  at = copyBytes(into, at, s.hashBytes, s.hashAt + row * 20, 20);
  at = writeBytes(into, at, ROW_COMPLETE);
  at = writeNumber(into, at, s.rows[row * 3] as number);
  at = writeBytes(into, at, DOWNLOADED);
  at = writeNumber(into, at, s.rows[row * 3 + 1] as number);
  at = writeBytes(into, at, INCOMPLETE);
  at = writeNumber(into, at, s.rows[row * 3 + 2] as number);
  return writeBytes(into, at, ROW_END);
}
export function writeHttpScrapeEnd(into: Uint8Array, at: number): number {
  return writeBytes(into, at, ROW_END);
}

function sortHashes(s: HttpScrapeFields): number[] {
  const order: number[] = [];
  for (let i = 0; i < s.count; i++) order.push(i);
  return s.count > 1 ? order.sort((a, b) => compareHashes(s, a, b)) : order;
}

function compareHashes(s: HttpScrapeFields, a: number, b: number): number {
  const atA = s.hashAt + a * 20;
  const atB = s.hashAt + b * 20;
  for (let i = 0; i < 20; i++) {
    const difference = (s.hashBytes[atA + i] as number) - (s.hashBytes[atB + i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

function writeCompactPeers(into: Uint8Array, start: number, a: HttpAnswerFields): number {
  const bytes4 = a.peerCount4 * compactPeerBytes[4];
  const bytes6 = a.peerCount6 * compactPeerBytes[6];
  let at = writeLength(into, start, bytes4);
  at = copyBytes(into, at, a.out, a.outAt, bytes4);
  if (bytes6 === 0) return at;
  at = writeLength(into, writeBytes(into, at, PEERS6), bytes6);
  return copyBytes(into, at, a.out, a.outAt + bytes4, bytes6);
}

function writePeerList(into: Uint8Array, start: number, a: HttpAnswerFields): number {
  // A peer is longer as a dictionary than as bytes: the list could run over peers that stand in the same buffer.
  const bytes4 = a.peerCount4 * compactPeerBytes[4];
  const peers = a.out.slice(a.outAt, a.outAt + bytes4 + a.peerCount6 * compactPeerBytes[6]);
  into[start] = LETTER_L;
  let at = start + 1;
  for (let from = 0; from < peers.length; ) {
    const stride = from < bytes4 ? compactPeerBytes[4] : compactPeerBytes[6];
    const ip = formatIp(peers.subarray(from, from + stride - 2));
    at = writeText(into, writeBytes(into, at, PEER_IP), ip);
    at = writeNumber(into, writeBytes(into, at, PEER_PORT), readU16(peers, from + stride - 2));
    at = writeBytes(into, at, ROW_END);
    from += stride;
  }
  into[at] = LETTER_E;
  return at + 1;
}

/** A byte string: its length, a colon, its bytes; cut at `textCharsMax`. */
function writeText(into: Uint8Array, at: number, text: string): number {
  const bytes = encodeUtf8(text.slice(0, trackerWireLimits.textCharsMax));
  return writeBytes(into, writeLength(into, at, bytes.length), bytes);
}

function writeLength(into: Uint8Array, start: number, length: number): number {
  const at = writeNumber(into, start, length);
  into[at] = COLON;
  return at + 1;
}

/** Decimal digits of a whole number that is not negative. */
export function writeNumber(into: Uint8Array, start: number, value: number): number {
  let end = start + 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) end++;
  let rest = value;
  for (let at = end - 1; at >= start; at--) {
    const tenth = Math.floor(rest / 10);
    into[at] = ZERO + (rest - tenth * 10);
    rest = tenth;
  }
  return end;
}

function writeBytes(into: Uint8Array, at: number, bytes: Uint8Array): number {
  // A call into the engine's `set` costs more than this loop for the few bytes of a key.
  if (bytes.length > 64) into.set(bytes, at);
  else for (let i = 0; i < bytes.length; i++) into[at + i] = bytes[i] as number;
  return at + bytes.length;
}

function copyBytes(into: Uint8Array, at: number, from: Uint8Array, fromAt: number, length: number): number {
  // Inside one buffer nothing is made for the copy, not even a view.
  if (into === from) into.copyWithin(at, fromAt, fromAt + length);
  else if (length <= 32) for (let i = 0; i < length; i++) into[at + i] = from[fromAt + i] as number;
  else into.set(from.subarray(fromAt, fromAt + length), at);
  return at + length;
}

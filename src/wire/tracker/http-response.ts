import {
  BtError,
  canonicalHost,
  concatBytes,
  formatIp,
  isDialable,
  type PeerAddress,
  toBinaryString,
  toHex,
} from '../../base/index.ts';
import { BDict, type BValue, decodePrefix, getBytes, isBList } from '../../bencode/index.ts';
import { compactPeerBytes, decodeCompactPeers } from '../compact.ts';
import {
  httpAnnounceBytesMax,
  httpRefusalBytesMax,
  httpScrapeBytesMax,
  writeHttpAnnounce,
  writeHttpRefusal,
  writeHttpScrape,
} from './http-answer.ts';
import { clampInterval, trackerWireLimits } from './limits.ts';
import { toSafeText } from './text.ts';
import type { AnnounceAnswer, AnnounceResponse, ScrapeCounts, TrackerRefusal } from './types.ts';

/** Answers of the HTTP tracker protocol: bencoded dictionaries (BEP 3, 7, 23, 24, 31, 48). */

export type HttpAnnounceReply =
  | { readonly ok: true; readonly response: AnnounceResponse }
  | { readonly ok: false; readonly refusal: TrackerRefusal };

export type HttpScrapeReply =
  | {
      readonly ok: true;
      /** By info-hash in lower-case hex. */
      readonly rows: ReadonlyMap<string, ScrapeCounts>;
    }
  | { readonly ok: false; readonly refusal: TrackerRefusal };

const MESSAGE = 'tracker answer';
const NO_BYTES: Uint8Array = new Uint8Array(0);
const COUNT_MAX = 0xffff_ffff;

/**
 * Encodes a good answer; `writeHttpAnnounce` says what is in it.
 *
 * @param options.compact false gives the list form, both families in one list
 * @param options.externalIp the asker's address, 4 or 16 bytes
 */
export function encodeHttpAnnounceResponse(
  a: AnnounceAnswer,
  options: { compact: boolean; externalIp?: Uint8Array },
): Uint8Array {
  const { compact, externalIp = NO_BYTES } = options;
  const peerCount4 = Math.floor(a.peers4.length / compactPeerBytes[4]);
  const peerCount6 = Math.floor(a.peers6.length / compactPeerBytes[6]);
  const out = concatBytes([a.peers4.subarray(0, peerCount4 * compactPeerBytes[4]), a.peers6]);
  const into = new Uint8Array(httpAnnounceBytesMax(peerCount4 + peerCount6));
  const fields = { ...a, peerCount4, peerCount6, out, outAt: 0, warning: a.warning ?? '' };
  const end = writeHttpAnnounce(into, 0, fields, {
    compact,
    externalBytes: externalIp,
    externalAt: 0,
    externalLength: externalIp.length as 0 | 4 | 16,
    ...(a.trackerId === undefined ? {} : { trackerId: a.trackerId }),
  });
  return into.slice(0, end);
}

/** A refusal: `failure reason`, and `retry in` in whole minutes or `never` (BEP 31). */
export function encodeHttpRefusal(refusal: TrackerRefusal): Uint8Array {
  const into = new Uint8Array(httpRefusalBytesMax);
  return into.slice(0, writeHttpRefusal(into, 0, refusal));
}

/** Encodes `files`: info-hash to complete, downloaded, incomplete (BEP 48). @param rows one a hash, in the same order */
export function encodeHttpScrapeResponse(infoHashes: readonly Uint8Array[], rows: readonly ScrapeCounts[]): Uint8Array {
  const into = new Uint8Array(httpScrapeBytesMax(rows.length));
  const end = writeHttpScrape(into, 0, {
    hashBytes: concatBytes(infoHashes),
    hashAt: 0,
    count: rows.length,
    rows: Uint32Array.from(rows.flatMap((row) => [row.complete, row.downloaded, row.incomplete])),
  });
  return into.slice(0, end);
}

/**
 * Decodes what a tracker answered to an announce. Numbers are brought into range, peers that nobody can dial are left out, as are the
 * names that BEP 3 allows for an address: looking them up would let a tracker use us against a name server.
 *
 * @throws BtError `bencode/*` or `wire/invalid` where it is no tracker answer at all
 */
export function decodeHttpAnnounceResponse(body: Uint8Array): HttpAnnounceReply {
  const dict = decodeDict(body);
  const refusal = readRefusal(dict);
  if (refusal !== undefined) return { ok: false, refusal };
  const interval = readNumber(dict, 'interval');
  if (interval === undefined && !dict.has('peers') && !dict.has('peers6')) {
    throw new BtError('wire/invalid', { message: MESSAGE, what: 'neither interval, peers nor a failure reason' });
  }
  const minIntervalSec = readNumber(dict, 'min interval');
  const complete = readCount(dict, 'complete');
  const incomplete = readCount(dict, 'incomplete');
  const downloaded = readCount(dict, 'downloaded');
  const warning = getBytes(dict, 'warning message');
  const trackerId = getBytes(dict, 'tracker id');
  const externalIp = readIp(getBytes(dict, 'external ip'));
  return {
    ok: true,
    response: {
      intervalSec: clampInterval(interval),
      ...(minIntervalSec === undefined
        ? {}
        : { minIntervalSec: Math.min(Math.max(0, minIntervalSec), trackerWireLimits.intervalMaxSec) }),
      ...(complete === undefined ? {} : { complete }),
      ...(incomplete === undefined ? {} : { incomplete }),
      ...(downloaded === undefined ? {} : { downloaded }),
      peers: [...readPeers(dict, 'peers', 4), ...readPeers(dict, 'peers6', 6)].slice(0, trackerWireLimits.peersMax),
      ...(warning === undefined ? {} : { warning: toSafeText(warning) }),
      ...(trackerId === undefined || trackerId.length > trackerWireLimits.textCharsMax
        ? {}
        : { trackerId: toBinaryString(trackerId) }),
      ...(externalIp === undefined ? {} : { externalIp }),
    },
  };
}

/** @throws BtError `bencode/*` or `wire/invalid` where it is no scrape answer at all */
export function decodeHttpScrapeResponse(body: Uint8Array): HttpScrapeReply {
  const dict = decodeDict(body);
  const refusal = readRefusal(dict);
  if (refusal !== undefined) return { ok: false, refusal };
  const files = dict.get('files');
  if (!(files instanceof BDict)) throw new BtError('wire/invalid', { message: MESSAGE, what: 'no files' });
  const rows = new Map<string, ScrapeCounts>();
  for (let i = 0; i < files.size && rows.size < trackerWireLimits.scrapeRowsMax; i++) {
    const key = files.keys[i] as Uint8Array;
    const row = files.values[i];
    if (key.length !== 20 || !(row instanceof BDict)) continue;
    rows.set(toHex(key), {
      complete: readCount(row, 'complete') ?? 0,
      incomplete: readCount(row, 'incomplete') ?? 0,
      downloaded: readCount(row, 'downloaded') ?? 0,
    });
  }
  return { ok: true, rows };
}

/** The dictionary at the start of the body; some trackers end theirs with a line break. */
function decodeDict(body: Uint8Array): BDict {
  const { value } = decodePrefix(body, { depthMax: 8, tokensMax: trackerWireLimits.bencodeTokensMax });
  if (value instanceof BDict) return value;
  throw new BtError('wire/invalid', { message: MESSAGE, what: 'no dictionary' });
}

function readRefusal(dict: BDict): TrackerRefusal | undefined {
  const reason = getBytes(dict, 'failure reason');
  if (reason === undefined) return undefined;
  const retryInSec = readRetryIn(dict);
  return { reason: toSafeText(reason), ...(retryInSec === undefined ? {} : { retryInSec }) };
}

function readRetryIn(dict: BDict): number | undefined {
  const text = getBytes(dict, 'retry in');
  if (text !== undefined && toBinaryString(text) === 'never') return Number.POSITIVE_INFINITY;
  const minutes = readNumber(dict, 'retry in');
  return minutes === undefined || minutes <= 0 ? undefined : Math.min(minutes * 60, trackerWireLimits.intervalMaxSec);
}

/** An integer, or the decimal text that some trackers send instead (BEP 31 shows it so). */
function readNumber(dict: BDict, key: string): number | undefined {
  const value: BValue | undefined = dict.get(key);
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return value > 0n ? Number.MAX_SAFE_INTEGER : 0;
  if (!(value instanceof Uint8Array)) return undefined;
  const text = toBinaryString(value.subarray(0, 16));
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function readCount(dict: BDict, key: string): number | undefined {
  const value = readNumber(dict, key);
  return value === undefined ? undefined : Math.min(Math.max(0, value), COUNT_MAX);
}

function readIp(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  if (bytes.length === 4 || bytes.length === 16) return formatIp(bytes);
  // Some trackers write text instead of BEP 24's bytes.
  return canonicalHost(toBinaryString(bytes.subarray(0, 64)));
}

function readPeers(dict: BDict, key: string, family: 4 | 6): PeerAddress[] {
  const value = dict.get(key);
  if (value === undefined) return [];
  if (value instanceof Uint8Array)
    return decodeCompactPeers(value, { family, countMax: trackerWireLimits.peersMax }).peers;
  if (!isBList(value)) throw new BtError('wire/invalid', { message: MESSAGE, what: `${key} is no list of peers` });
  const peers: PeerAddress[] = [];
  for (const item of value) {
    if (peers.length >= trackerWireLimits.peersMax) break;
    const ip = getBytes(item, 'ip');
    const host = ip === undefined ? undefined : canonicalHost(toBinaryString(ip.subarray(0, 64)));
    const port = item instanceof BDict ? readNumber(item, 'port') : undefined;
    if (host === undefined || port === undefined) continue;
    const peer = { host, port };
    if (isDialable(peer)) peers.push(peer);
  }
  return peers;
}

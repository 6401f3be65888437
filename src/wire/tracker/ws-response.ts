import { clampInterval, trackerWireLimits } from './limits.ts';
import type { ScrapeCounts } from './types.ts';
import { toUnreadable, type WsUnreadable } from './ws.ts';
import {
  asFields,
  invalidWs,
  isId,
  isMissing,
  type JsonFields,
  parseFields,
  readCount,
  readId,
  readOfferId,
  readSdp,
  readText,
} from './ws-json.ts';

/** What a tracker says in the WebTorrent protocol (docs/webtorrent-tracker.md). Strings of bytes are one character a byte. */

export interface WsAnnounceResponse {
  readonly kind: 'announce';
  /** 20 bytes, one character each. */
  readonly infoHash: string;
  /** Seconds until the next announce. */
  readonly intervalSec: number;
  /** Seeds of the swarm, over whatever transport. */
  readonly complete?: number;
  /** Leechers of the swarm, over whatever transport. */
  readonly incomplete?: number;
  /** Times the torrent was completed. */
  readonly downloaded?: number;
  /** For people to read. */
  readonly warning?: string;
}

/** Another peer's offer (`kind: offer`), or another peer's answer to an offer of ours. */
export interface WsSignal {
  readonly kind: 'offer' | 'answer';
  readonly infoHash: string;
  /** The other peer. */
  readonly peerId: string;
  readonly offerId: string;
  readonly sdp: string;
}

export interface WsScrapeResponse {
  readonly kind: 'scrape';
  readonly files: readonly { readonly infoHash: string; readonly counts: ScrapeCounts }[];
}

export interface WsFailure {
  readonly kind: 'failure';
  readonly action: 'announce' | 'scrape';
  /** Empty where the request named none, or several. */
  readonly infoHash: string;
  /** For people to read. */
  readonly reason: string;
  /** Seconds to wait before the next try; Infinity = never come back. Whole minutes on the wire (BEP 31). */
  readonly retryInSec?: number;
}

export type WsResponse = WsAnnounceResponse | WsSignal | WsScrapeResponse | WsFailure;

/** @returns the text of a message */
export function encodeWsResponse(r: WsResponse): string {
  switch (r.kind) {
    case 'announce':
      return JSON.stringify({
        action: 'announce',
        info_hash: r.infoHash,
        interval: r.intervalSec,
        complete: r.complete,
        incomplete: r.incomplete,
        downloaded: r.downloaded,
        'warning message': r.warning,
      });
    case 'offer':
    case 'answer': {
      const who = { action: 'announce', info_hash: r.infoHash, peer_id: r.peerId, offer_id: r.offerId };
      return JSON.stringify({ ...who, [r.kind]: { type: r.kind, sdp: r.sdp } });
    }
    case 'scrape':
      return JSON.stringify({
        action: 'scrape',
        files: Object.fromEntries(r.files.map(({ infoHash, counts }) => [infoHash, counts])),
      });
    case 'failure':
      return JSON.stringify({
        action: r.action,
        // Always there: npm's bittorrent-tracker 11.2.3 reads its length before it looks at anything else.
        info_hash: r.infoHash,
        'failure reason': r.reason,
        'retry in': toRetryIn(r.retryInSec),
      });
  }
}

/** Reads a tracker's message. Unknown fields are ignored. Never throws. @param text at most `messageBytesMax` */
export function decodeWsResponse(text: string): WsResponse | WsUnreadable {
  let fields: JsonFields = {};
  try {
    fields = parseFields(text);
    const { action } = fields;
    if (action !== 'announce' && action !== 'scrape') throw invalidWs('action is not announce or scrape');
    if (!isMissing(fields['failure reason'])) return readFailure(fields, action);
    if (action === 'scrape') return readScrape(fields);
    if (!isMissing(fields['offer'])) return readSignal(fields, 'offer');
    if (!isMissing(fields['answer'])) return readSignal(fields, 'answer');
    return readAnnounce(fields);
  } catch (error) {
    return toUnreadable(error, fields);
  }
}

function readAnnounce(fields: JsonFields): WsAnnounceResponse {
  const interval = fields['interval'] ?? fields['min interval'];
  if (!isMissing(interval) && typeof interval !== 'number') throw invalidWs('interval is not a number');
  const warning = fields['warning message'];
  return {
    kind: 'announce',
    infoHash: readId(fields['info_hash'], 'info_hash'),
    intervalSec: clampInterval(interval ?? undefined),
    ...optionalCount(fields, 'complete'),
    ...optionalCount(fields, 'incomplete'),
    ...optionalCount(fields, 'downloaded'),
    ...(isMissing(warning) ? {} : { warning: readText(warning, 'warning message') }),
  };
}

function readSignal(fields: JsonFields, kind: 'offer' | 'answer'): WsSignal {
  return {
    kind,
    infoHash: readId(fields['info_hash'], 'info_hash'),
    peerId: readId(fields['peer_id'], 'peer_id'),
    offerId: readOfferId(fields['offer_id']),
    sdp: readSdp(fields[kind], kind),
  };
}

function readScrape(fields: JsonFields): WsScrapeResponse {
  const entries = Object.entries(asFields(fields['files'], 'files'));
  if (entries.length > trackerWireLimits.scrapeRowsMax) throw invalidWs('too many files');
  const files = entries.map(([infoHash, value]) => {
    const row = asFields(value, 'an entry of files');
    const counts = {
      complete: readCount(row['complete'], 'complete', 0),
      incomplete: readCount(row['incomplete'], 'incomplete', 0),
      downloaded: readCount(row['downloaded'], 'downloaded', 0),
    };
    return { infoHash: readId(infoHash, 'info_hash'), counts };
  });
  return { kind: 'scrape', files };
}

function readFailure(fields: JsonFields, action: 'announce' | 'scrape'): WsFailure {
  const reason = readText(fields['failure reason'], 'failure reason');
  const retryInSec = readRetryIn(fields['retry in']);
  // Trackers that could not read a request cannot say of which torrent it was.
  const infoHash = isId(fields['info_hash']) ? fields['info_hash'] : '';
  return { kind: 'failure', action, infoHash, reason, ...(retryInSec === undefined ? {} : { retryInSec }) };
}

function optionalCount<Name extends string>(fields: JsonFields, name: Name): { [key in Name]?: number } {
  if (isMissing(fields[name])) return {};
  return { [name]: readCount(fields[name], name, 0) } as { [key in Name]: number };
}

function toRetryIn(seconds: number | undefined): number | 'never' | undefined {
  if (seconds === undefined) return undefined;
  return seconds === Number.POSITIVE_INFINITY ? 'never' : Math.max(1, Math.ceil(seconds / 60));
}

function readRetryIn(value: unknown): number | undefined {
  if (value === 'never') return Number.POSITIVE_INFINITY;
  return typeof value === 'number' && value > 0 ? Math.min(Math.floor(value), 10_080) * 60 : undefined;
}

import { BtError } from '../../base/index.ts';
import type { AnnounceEvent } from './types.ts';
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
} from './ws-json.ts';
import { wsWireLimits } from './ws-limits.ts';

/**
 * What peers say in the tracker protocol of WebTorrent (docs/webtorrent-tracker.md; there is no BEP): JSON in text messages of a
 * WebSocket. Hashes and ids are strings of one character a byte, here too: they are carried, compared and looked up as they are.
 */

/** An offer of a connection, given to a tracker to hand to whoever is in the swarm. */
export interface WsOffer {
  /** 1 to 64 bytes, one character each; comes back with the answer. */
  readonly offerId: string;
  readonly sdp: string;
}

export interface WsAnnounceRequest {
  readonly kind: 'announce';
  /** 20 bytes, one character each. */
  readonly infoHash: string;
  /** 20 bytes, one character each. */
  readonly peerId: string;
  readonly uploaded: number;
  readonly downloaded: number;
  /** Bytes missing; 2^53 - 1 where the peer does not know. */
  readonly left: number;
  readonly event: AnnounceEvent;
  /** Peers wanted; -1 = as many as there are offers. */
  readonly numWant: number;
  readonly offers: readonly WsOffer[];
}

/** The answer to an offer that came through the tracker. */
export interface WsAnswerRequest {
  readonly kind: 'answer';
  readonly infoHash: string;
  /** Who answers. */
  readonly peerId: string;
  /** Who made the offer. */
  readonly toPeerId: string;
  readonly offerId: string;
  readonly sdp: string;
}

export interface WsScrapeRequest {
  readonly kind: 'scrape';
  /** None = a scrape of everything was asked for. */
  readonly infoHashes: readonly string[];
}

export type WsRequest = WsAnnounceRequest | WsAnswerRequest | WsScrapeRequest;

/** No message of this protocol. What could be read of it is there, so that a failure can be told apart by who gets it. */
export interface WsUnreadable {
  readonly kind: 'unreadable';
  readonly action: 'announce' | 'scrape';
  /** Empty where it names none. */
  readonly infoHash: string;
  /** A sentence that may be given back; never quotes the message. */
  readonly reason: string;
}

/** Seen in the wild beside these: `update`, `empty` and `paused`, which are regular reports. */
const EVENTS: ReadonlySet<unknown> = new Set<AnnounceEvent>(['started', 'completed', 'stopped']);

/** Reads a peer's message. Unknown fields are ignored. Never throws. @param text at most `messageBytesMax` */
export function decodeWsRequest(text: string): WsRequest | WsUnreadable {
  let fields: JsonFields = {};
  try {
    fields = parseFields(text);
    switch (fields['action']) {
      case 'announce':
        return isMissing(fields['answer']) ? readAnnounce(fields) : readAnswer(fields);
      case 'scrape':
        return { kind: 'scrape', infoHashes: readInfoHashes(fields['info_hash']) };
      default:
        throw invalidWs('action is not announce or scrape');
    }
  } catch (error) {
    return toUnreadable(error, fields);
  }
}

/** @returns the text of a message; fields with their default are left out */
export function encodeWsRequest(r: WsRequest): string {
  if (r.kind === 'scrape') {
    const { infoHashes } = r;
    if (infoHashes.length === 0) return JSON.stringify({ action: 'scrape' });
    return JSON.stringify({ action: 'scrape', info_hash: infoHashes.length === 1 ? infoHashes[0] : infoHashes });
  }
  const who = { action: 'announce', info_hash: r.infoHash, peer_id: r.peerId };
  if (r.kind === 'answer') {
    const answer = { type: 'answer', sdp: r.sdp };
    return JSON.stringify({ ...who, to_peer_id: r.toPeerId, offer_id: r.offerId, answer });
  }
  const knowsLeft = r.left !== Number.MAX_SAFE_INTEGER || r.event === 'completed';
  return JSON.stringify({
    ...who,
    uploaded: r.uploaded,
    downloaded: r.downloaded,
    left: knowsLeft ? r.left : undefined,
    event: r.event === 'none' ? undefined : r.event,
    numwant: r.numWant < 0 ? undefined : r.numWant,
    offers: r.offers.map(({ offerId, sdp }) => ({ offer_id: offerId, offer: { type: 'offer', sdp } })),
  });
}

function readAnnounce(fields: JsonFields): WsAnnounceRequest {
  const event = readEvent(fields['event']);
  return {
    kind: 'announce',
    infoHash: readId(fields['info_hash'], 'info_hash'),
    peerId: readId(fields['peer_id'], 'peer_id'),
    uploaded: readCount(fields['uploaded'], 'uploaded', 0),
    downloaded: readCount(fields['downloaded'], 'downloaded', 0),
    // Who does not say is no seeder, unless he has just said that he is complete.
    left: readCount(fields['left'], 'left', event === 'completed' ? 0 : Number.MAX_SAFE_INTEGER),
    event,
    numWant: readCount(fields['numwant'], 'numwant', -1),
    offers: readOffers(fields['offers']),
  };
}

function readAnswer(fields: JsonFields): WsAnswerRequest {
  return {
    kind: 'answer',
    infoHash: readId(fields['info_hash'], 'info_hash'),
    peerId: readId(fields['peer_id'], 'peer_id'),
    toPeerId: readId(fields['to_peer_id'], 'to_peer_id'),
    offerId: readOfferId(fields['offer_id']),
    sdp: readSdp(fields['answer'], 'answer'),
  };
}

function readEvent(value: unknown): AnnounceEvent {
  if (isMissing(value)) return 'none';
  if (typeof value !== 'string') throw invalidWs('event is not text');
  return EVENTS.has(value) ? (value as AnnounceEvent) : 'none';
}

function readOffers(value: unknown): WsOffer[] {
  if (isMissing(value)) return [];
  if (!Array.isArray(value)) throw invalidWs('offers is not a list');
  if (value.length > wsWireLimits.offersMax) throw invalidWs(`more than ${wsWireLimits.offersMax} offers`);
  return value.map((entry) => {
    const fields = asFields(entry, 'an entry of offers');
    return { offerId: readOfferId(fields['offer_id']), sdp: readSdp(fields['offer'], 'offer') };
  });
}

function readInfoHashes(value: unknown): string[] {
  if (isMissing(value)) return [];
  if (!Array.isArray(value)) return [readId(value, 'info_hash')];
  if (value.length > wsWireLimits.scrapeHashesMax) {
    throw invalidWs(`more than ${wsWireLimits.scrapeHashesMax} torrents in a scrape`);
  }
  return value.map((entry) => readId(entry, 'info_hash'));
}

/** For the decoders of both directions: what a reader threw, as a value. */
export function toUnreadable(error: unknown, fields: JsonFields): WsUnreadable {
  if (!BtError.is(error, 'wire/invalid')) throw error;
  return {
    kind: 'unreadable',
    action: fields['action'] === 'scrape' ? 'scrape' : 'announce',
    infoHash: isId(fields['info_hash']) ? fields['info_hash'] : '',
    reason: error.detail.what,
  };
}

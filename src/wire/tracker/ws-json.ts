import { BtError, encodeUtf8 } from '../../base/index.ts';
import { toSafeText } from './text.ts';
import { wsWireLimits } from './ws-limits.ts';

/**
 * Readers of the fields of a WebTorrent tracker message. They throw BtError `wire/invalid` with a sentence that may be given back to
 * the sender, and that never quotes him; the decoders of messages turn it into a value.
 */

export type JsonFields = Readonly<Record<string, unknown>>;

/** Hashes and ids have 20 bytes in every message. */
const ID_BYTES = 20;

/** @param text a whole message. Nesting costs no stack: the parser is not recursive, and its input is bounded here. */
export function parseFields(text: string): JsonFields {
  if (text.length > wsWireLimits.messageBytesMax) throw invalidWs('message is too long');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidWs('message is not JSON');
  }
  return asFields(value, 'message');
}

export function asFields(value: unknown, name: string): JsonFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidWs(`${name} is not an object`);
  return value as JsonFields;
}

export function isMissing(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

/** 20 bytes, one character each. */
export function readId(value: unknown, name: string): string {
  if (isMissing(value)) throw invalidWs(`${name} is missing`);
  if (!isId(value)) throw invalidWs(`${name} is not 20 bytes`);
  return value;
}

export function isId(value: unknown): value is string {
  return isByteText(value) && value.length === ID_BYTES;
}

export function readOfferId(value: unknown): string {
  if (!isByteText(value) || value.length === 0 || value.length > wsWireLimits.offerIdBytesMax) {
    throw invalidWs(`offer_id is not 1 to ${wsWireLimits.offerIdBytesMax} bytes`);
  }
  return value;
}

/** A session description, `{ type, sdp }`. What it says is between the peers: trackers only carry it. */
export function readSdp(value: unknown, type: 'offer' | 'answer'): string {
  const fields = asFields(value, type);
  if (fields['type'] !== type) throw invalidWs(`${type} has another type`);
  const { sdp } = fields;
  if (typeof sdp !== 'string' || sdp === '') throw invalidWs(`${type} has no sdp`);
  if (sdp.length > wsWireLimits.sdpCharsMax) throw invalidWs(`sdp is longer than ${wsWireLimits.sdpCharsMax}`);
  return sdp;
}

/** JavaScript clients send NaN and Infinity, which JSON writes as null: they count as missing. */
export function readCount(value: unknown, name: string, missing: number): number {
  if (isMissing(value)) return missing;
  if (typeof value !== 'number' || !(value >= 0)) throw invalidWs(`${name} is not a number of 0 or more`);
  // JSON knows a zero below zero.
  return Math.min(Math.floor(Math.abs(value)), Number.MAX_SAFE_INTEGER);
}

/** Text for people, fit for a terminal. */
export function readText(value: unknown, name: string): string {
  if (typeof value !== 'string') throw invalidWs(`${name} is not text`);
  return toSafeText(encodeUtf8(value));
}

function isByteText(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0xff) return false;
  return true;
}

export function invalidWs(what: string): BtError {
  return new BtError('wire/invalid', { message: 'WebTorrent tracker message', what });
}

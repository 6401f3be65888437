import { assert, unreachable, writeU16, writeU32 } from '../../base/index.ts';
import { type HashRange, hashRangeBytes, writeHashRange } from './hashes.ts';

/** First byte after the length prefix (BEP 3, 5, 6, 10, 52). */
export const messageIds = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
  hashRequest: 21,
  hashes: 22,
  hashReject: 23,
} as const;

/** Names one block: the payload of `request`, `cancel` and `reject`. All u32, bytes. */
export interface BlockRef {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
}

/** Every message but `piece`, whose payload never becomes a value: see `PeerMessageSink` and `writeBlockHeader`. */
export type PeerMessage =
  | { readonly kind: 'keep-alive' }
  | { readonly kind: 'choke' }
  | { readonly kind: 'unchoke' }
  | { readonly kind: 'interested' }
  | { readonly kind: 'not-interested' }
  | { readonly kind: 'have'; readonly piece: number }
  | { readonly kind: 'bitfield'; readonly bits: Uint8Array }
  | ({ readonly kind: 'request' } & BlockRef)
  | ({ readonly kind: 'cancel' } & BlockRef)
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'suggest'; readonly piece: number }
  | { readonly kind: 'have-all' }
  | { readonly kind: 'have-none' }
  | ({ readonly kind: 'reject' } & BlockRef)
  | { readonly kind: 'allowed-fast'; readonly piece: number }
  | { readonly kind: 'extended'; readonly id: number; readonly payload: Uint8Array }
  | ({ readonly kind: 'hash-request' } & HashRange)
  | ({ readonly kind: 'hashes'; readonly hashes: Uint8Array } & HashRange)
  | ({ readonly kind: 'hash-reject' } & HashRange)
  | { readonly kind: 'unknown'; readonly id: number };

/** Bytes before the payload of a `piece` message, length prefix included. */
export const blockHeaderBytes = 13;
/** Bytes of a whole `request`, `cancel` or `reject`, length prefix included. */
export const requestBytes = 17;

/**
 * Encodes one message with its length prefix (BEP 3: u32 length, u8 id, payload).
 *
 * @returns a fresh array; nothing refers to `message`. An `unknown` message is encoded without payload.
 */
export function encodeMessage(message: PeerMessage): Uint8Array {
  switch (message.kind) {
    case 'keep-alive':
      return new Uint8Array(4);
    case 'choke':
      return frame(messageIds.choke, 0);
    case 'unchoke':
      return frame(messageIds.unchoke, 0);
    case 'interested':
      return frame(messageIds.interested, 0);
    case 'not-interested':
      return frame(messageIds.notInterested, 0);
    case 'have':
      return encodePiece(messageIds.have, message.piece);
    case 'bitfield':
      return encodeBytes(messageIds.bitfield, message.bits);
    case 'request':
      return encodeBlockRef(messageIds.request, message);
    case 'cancel':
      return encodeBlockRef(messageIds.cancel, message);
    case 'port':
      return encodePort(message.port);
    case 'suggest':
      return encodePiece(messageIds.suggest, message.piece);
    case 'have-all':
      return frame(messageIds.haveAll, 0);
    case 'have-none':
      return frame(messageIds.haveNone, 0);
    case 'reject':
      return encodeBlockRef(messageIds.reject, message);
    case 'allowed-fast':
      return encodePiece(messageIds.allowedFast, message.piece);
    case 'extended':
      return encodeExtended(message.id, message.payload);
    case 'hash-request':
      return encodeHashRange(messageIds.hashRequest, message);
    case 'hashes':
      return encodeHashRange(messageIds.hashes, message, message.hashes);
    case 'hash-reject':
      return encodeHashRange(messageIds.hashReject, message);
    case 'unknown':
      return frame(message.id, 0);
    default:
      return unreachable(message);
  }
}

/** Writes one request (17 bytes) at `at`. @returns the place after it */
export function writeRequest(into: Uint8Array, at: number, piece: number, begin: number, length: number): number {
  writeU32(into, at, 13);
  into[at + 4] = messageIds.request;
  writeU32(into, at + 5, piece);
  writeU32(into, at + 9, begin);
  writeU32(into, at + 13, length);
  return at + requestBytes;
}

/**
 * Encodes many requests as one array, for one write per socket turn.
 *
 * @param triples piece, begin, length of each request, one after the other
 */
export function encodeRequests(triples: Uint32Array): Uint8Array {
  assert(triples.length % 3 === 0, 'requests come as piece, begin, length');
  const out = new Uint8Array((triples.length / 3) * requestBytes);
  let at = 0;
  for (let i = 0; i < triples.length; i += 3) {
    at = writeRequest(out, at, triples[i] as number, triples[i + 1] as number, triples[i + 2] as number);
  }
  return out;
}

/**
 * Writes all of a `piece` message but its payload, which stays where it is.
 *
 * Layout (BEP 3, 13 bytes): u32 9 + length · u8 7 · u32 piece · u32 begin
 *
 * @param length of the block that follows, in bytes
 * @returns the place after it
 */
export function writeBlockHeader(into: Uint8Array, at: number, piece: number, begin: number, length: number): number {
  writeU32(into, at, 9 + length);
  into[at + 4] = messageIds.piece;
  writeU32(into, at + 5, piece);
  writeU32(into, at + 9, begin);
  return at + blockHeaderBytes;
}

function frame(id: number, payloadBytes: number): Uint8Array {
  const out = new Uint8Array(5 + payloadBytes);
  writeU32(out, 0, 1 + payloadBytes);
  out[4] = id;
  return out;
}

function encodePiece(id: number, piece: number): Uint8Array {
  const out = frame(id, 4);
  writeU32(out, 5, piece);
  return out;
}

function encodeBytes(id: number, bytes: Uint8Array): Uint8Array {
  const out = frame(id, bytes.length);
  out.set(bytes, 5);
  return out;
}

function encodeBlockRef(id: number, ref: BlockRef): Uint8Array {
  const out = new Uint8Array(requestBytes);
  writeRequest(out, 0, ref.piece, ref.begin, ref.length);
  out[4] = id;
  return out;
}

function encodePort(port: number): Uint8Array {
  const out = frame(messageIds.port, 2);
  writeU16(out, 5, port);
  return out;
}

function encodeExtended(id: number, payload: Uint8Array): Uint8Array {
  const out = frame(messageIds.extended, 1 + payload.length);
  out[5] = id;
  out.set(payload, 6);
  return out;
}

/** Layout (BEP 52): the range, then for `hashes` the hashes of the base layer and the uncles, lowest first. */
function encodeHashRange(id: number, range: HashRange, hashes?: Uint8Array): Uint8Array {
  assert(range.root.length === 32, 'a pieces root has 32 bytes');
  const out = frame(id, hashRangeBytes + (hashes?.length ?? 0));
  writeHashRange(out, 5, range);
  if (hashes !== undefined) out.set(hashes, 5 + hashRangeBytes);
  return out;
}

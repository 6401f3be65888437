import { decodeUtf8Loose, formatIp, parseIp } from '../../base/index.ts';
import { type BDict, type BInput, encode, getBytes, getDict, getInt } from '../../bencode/index.ts';
import { decodeDictPrefix } from './bencoded.ts';
import { peerLimits } from './limits.ts';

/** Extended message id of the handshake itself; all others are chosen by the side that receives them. */
export const extendedHandshakeId = 0;

/** Names that we know, as they stand in `m`. */
export const extensionNames = {
  metadata: 'ut_metadata',
  pex: 'ut_pex',
  holepunch: 'ut_holepunch',
  dontHave: 'lt_donthave',
  uploadOnly: 'upload_only',
} as const;

/** BEP 10. Every member is optional, and every one is a claim. May come again: what it does not name stays as it was. */
export interface ExtendedHandshake {
  /** Extension name → id to send it with, 1 to 255; 0 = switched off. */
  readonly m: ReadonlyMap<string, number>;
  /** Bytes of the info dictionary (BEP 9), 1 to `peerLimits.metadataBytesMax`. */
  readonly metadataSize?: number | undefined;
  /** Client name and version. Decoded: cut to `clientNameBytesMax`, without control characters. */
  readonly version?: string | undefined;
  /** Requests that the sender queues before it drops any. */
  readonly reqq?: number | undefined;
  /** Where the sender listens: the port of an incoming connection does not say. */
  readonly port?: number | undefined;
  /** The receiver's address as the sender sees it, canonical text. */
  readonly yourIp?: string | undefined;
  /** Further addresses of the sender, canonical text. */
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  /** Wants nothing more, though it may not have everything (BEP 21). */
  readonly uploadOnly?: boolean | undefined;
  /** Prefers encrypted connections (`e`, as µTorrent and libtorrent have it). */
  readonly prefersEncryption?: boolean | undefined;
}

/** @returns payload of an `extended` message with id 0. Hosts that are not numeric are left out. */
export function encodeExtendedHandshake(handshake: ExtendedHandshake): Uint8Array {
  const fields: { [key: string]: BInput | undefined } = {
    e: toFlag(handshake.prefersEncryption),
    ipv4: toIpBytes(handshake.ipv4, 4),
    ipv6: toIpBytes(handshake.ipv6, 16),
    m: handshake.m,
    metadata_size: handshake.metadataSize,
    p: handshake.port,
    reqq: handshake.reqq,
    upload_only: toFlag(handshake.uploadOnly),
    v: handshake.version,
    yourip: toIpBytes(handshake.yourIp),
  };
  return encode(fields);
}

/**
 * Members of a wrong type or out of range are as if they were absent: real clients send metadata sizes of 0 and empty addresses.
 *
 * @param payload of an `extended` message with id 0; borrowed, nothing in the result refers to it
 * @throws BtError `wire/invalid` where it does not begin with a dictionary, or with one beyond the limits
 */
export function decodeExtendedHandshake(payload: Uint8Array): ExtendedHandshake {
  const { dict } = decodeDictPrefix('extended handshake', payload);
  const found: { -readonly [K in keyof ExtendedHandshake]: ExtendedHandshake[K] } = {
    m: readExtensions(getDict(dict, 'm')),
  };
  const metadataSize = getIntWithin(dict, 'metadata_size', peerLimits.metadataBytesMax);
  if (metadataSize !== undefined) found.metadataSize = metadataSize;
  const version = getBytes(dict, 'v');
  if (version !== undefined) found.version = toSafeText(version);
  const reqq = getIntWithin(dict, 'reqq', Number.MAX_SAFE_INTEGER);
  if (reqq !== undefined) found.reqq = Math.min(reqq, peerLimits.requestQueueMax);
  const port = getIntWithin(dict, 'p', 65_535);
  if (port !== undefined) found.port = port;
  const yourIp = getIp(dict, 'yourip', [4, 16]);
  if (yourIp !== undefined) found.yourIp = yourIp;
  const ipv4 = getIp(dict, 'ipv4', [4]);
  if (ipv4 !== undefined) found.ipv4 = ipv4;
  const ipv6 = getIp(dict, 'ipv6', [16]);
  if (ipv6 !== undefined) found.ipv6 = ipv6;
  const uploadOnly = getInt(dict, 'upload_only');
  if (uploadOnly !== undefined) found.uploadOnly = uploadOnly !== 0;
  const prefersEncryption = getInt(dict, 'e');
  if (prefersEncryption !== undefined) found.prefersEncryption = prefersEncryption !== 0;
  return found;
}

function readExtensions(m: BDict | undefined): Map<string, number> {
  const extensions = new Map<string, number>();
  if (m === undefined) return extensions;
  for (let i = 0; i < m.size && extensions.size < peerLimits.extensionsMax; i++) {
    const key = m.keys[i] as Uint8Array;
    const id = m.values[i];
    if (typeof id !== 'number' || id < 0 || id > 255 || key.length > peerLimits.extensionNameBytesMax) continue;
    const name = decodeUtf8Loose(key);
    if (!extensions.has(name)) extensions.set(name, id);
  }
  return extensions;
}

/** @returns undefined unless 1 to max */
function getIntWithin(dict: BDict, key: string, max: number): number | undefined {
  const value = getInt(dict, key);
  return value === undefined || value < 1 || value > max ? undefined : value;
}

function getIp(dict: BDict, key: string, lengths: readonly number[]): string | undefined {
  const bytes = getBytes(dict, key);
  return bytes === undefined || !lengths.includes(bytes.length) ? undefined : formatIp(bytes);
}

/** Control and formatting characters could forge lines of a log, or turn the direction of a terminal's text. */
function toSafeText(bytes: Uint8Array): string {
  return decodeUtf8Loose(bytes.subarray(0, peerLimits.clientNameBytesMax)).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

function toFlag(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

function toIpBytes(host: string | undefined, length?: number): Uint8Array | undefined {
  const bytes = host === undefined ? undefined : parseIp(host);
  return length === undefined || bytes?.length === length ? bytes : undefined;
}

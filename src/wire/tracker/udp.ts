import {
  BtError,
  encodeUtf8,
  formatIp,
  parseIp,
  readU16,
  readU32,
  readU64Clamped,
  toBinaryString,
  writeU16,
  writeU32,
  writeU64,
} from '../../base/index.ts';
import { decodeCompactPeers } from '../compact.ts';
import { clampInterval, trackerWireLimits } from './limits.ts';
import { toSafeText } from './text.ts';
import type { AnnounceEvent, AnnounceRequest, AnnounceResponse, IpFamily, ScrapeCounts } from './types.ts';

/**
 * Every packet of the UDP tracker protocol, both ways (BEP 15, options of BEP 41). All integers are big-endian. Packets may be longer
 * than the layout: what follows is ignored.
 */
export const udpAction = { connect: 0, announce: 1, scrape: 2, error: 3 } as const;

const PROTOCOL_HIGH = 0x417;
const PROTOCOL_LOW = 0x2710_1980;
const ANNOUNCE_BYTES = 98;
const EVENTS: readonly AnnounceEvent[] = ['none', 'completed', 'started', 'stopped'];
const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_URL_DATA = 2;

// --- requests ------------------------------------------------------------------------------------------------------------------

/** What all three requests begin with, read before anything is believed. */
export interface UdpRequestHeader {
  /** 0 connect, 1 announce, 2 scrape; others as they came. */
  readonly action: number;
  readonly transactionId: number;
}

/**
 * Reads the common head of a request.
 *
 *      0  connectionId[8]      8  u32 action     12  u32 transactionId
 *
 * @returns undefined where the datagram is shorter than 16 bytes, or says connect without the protocol's magic number: no tracker
 *   packet, so not even an error is due
 */
export function readUdpRequestHeader(datagram: Uint8Array): UdpRequestHeader | undefined {
  if (datagram.length < 16) return undefined;
  const action = readU32(datagram, 8);
  if (
    action === udpAction.connect &&
    (readU32(datagram, 0) !== PROTOCOL_HIGH || readU32(datagram, 4) !== PROTOCOL_LOW)
  ) {
    return undefined;
  }
  return { action, transactionId: readU32(datagram, 12) };
}

/** 16 bytes: u64 0x41727101980, u32 action (= 0), u32 transactionId. */
export function encodeUdpConnectRequest(transactionId: number): Uint8Array {
  const out = new Uint8Array(16);
  writeU32(out, 0, PROTOCOL_HIGH);
  writeU32(out, 4, PROTOCOL_LOW);
  writeU32(out, 12, transactionId);
  return out;
}

/**
 * @returns the transaction id
 * @throws BtError `wire/truncated` under 16 bytes, `wire/bad-action` if it is no connect, `wire/invalid` without the magic number
 */
export function decodeUdpConnectRequest(datagram: Uint8Array): number {
  const message = 'UDP connect request';
  expectRequest(datagram, { message, action: udpAction.connect, neededBytes: 16 });
  if (readU32(datagram, 0) !== PROTOCOL_HIGH || readU32(datagram, 4) !== PROTOCOL_LOW) {
    throw new BtError('wire/invalid', { message, what: 'wrong protocol number' });
  }
  return readU32(datagram, 12);
}

export interface UdpAnnounceRequest {
  /** 8 opaque bytes that the tracker gave this address. */
  readonly connectionId: Uint8Array;
  readonly transactionId: number;
  readonly request: AnnounceRequest;
  /** Path and query of the tracker's URL, one character a byte (BEP 41); undefined where the option is absent. */
  readonly urlData?: string;
}

/**
 * Layout (98 bytes, then options):
 *
 *      0  connectionId[8]    36  peerId[20]        80  u32 event (0 none, 1 completed, 2 started, 3 stopped)
 *      8  u32 action (= 1)   56  u64 downloaded    84  u32 IPv4 address (0 = the sender's)
 *     12  u32 transactionId  64  u64 left          88  u32 key
 *     16  infoHash[20]       72  u64 uploaded      92  i32 numWant (-1 = default)      96  u16 port
 *
 * Options (BEP 41): 0 end, 1 nothing, 2 length data[length] = path and query of the URL, in parts of at most 255 bytes.
 */
export function encodeUdpAnnounceRequest(a: UdpAnnounceRequest): Uint8Array {
  const options = encodeUrlData(a.urlData);
  const out = new Uint8Array(ANNOUNCE_BYTES + options.length);
  const r = a.request;
  out.set(a.connectionId, 0);
  writeU32(out, 8, udpAction.announce);
  writeU32(out, 12, a.transactionId);
  out.set(r.infoHash, 16);
  out.set(r.peerId, 36);
  writeU64(out, 56, r.downloaded);
  writeU64(out, 64, r.left);
  writeU64(out, 72, r.uploaded);
  writeU32(out, 80, EVENTS.indexOf(r.event));
  const ip = r.ip === undefined ? undefined : parseIp(r.ip);
  if (ip?.length === 4) out.set(ip, 84);
  writeU32(out, 88, r.key);
  writeU32(out, 92, r.numWant < 0 ? 0xffff_ffff : r.numWant);
  writeU16(out, 96, r.port);
  out.set(options, ANNOUNCE_BYTES);
  return out;
}

/**
 * Layout: see the encoder. An unknown event counts as none.
 *
 * @param datagram whole UDP payload; the byte fields of the result are views of it
 * @throws BtError `wire/truncated` under 98 bytes, `wire/bad-action` if it is no announce
 */
export function decodeUdpAnnounceRequest(datagram: Uint8Array): UdpAnnounceRequest {
  expectRequest(datagram, { message: 'UDP announce request', action: udpAction.announce, neededBytes: ANNOUNCE_BYTES });
  const urlData = decodeUdpUrlData(datagram.subarray(ANNOUNCE_BYTES));
  const hasIp = readU32(datagram, 84) !== 0;
  return {
    connectionId: datagram.subarray(0, 8),
    transactionId: readU32(datagram, 12),
    request: {
      infoHash: datagram.subarray(16, 36),
      peerId: datagram.subarray(36, 56),
      port: readU16(datagram, 96),
      uploaded: readU64Clamped(datagram, 72),
      downloaded: readU64Clamped(datagram, 56),
      left: readU64Clamped(datagram, 64),
      event: EVENTS[readU32(datagram, 80)] ?? 'none',
      numWant: Math.max(-1, readU32(datagram, 92) | 0),
      key: readU32(datagram, 88),
      ...(hasIp ? { ip: formatIp(datagram.subarray(84, 88)) } : {}),
    },
    ...(urlData === undefined ? {} : { urlData }),
  };
}

function encodeUrlData(urlData: string | undefined): Uint8Array {
  if (urlData === undefined) return new Uint8Array(0);
  const bytes = encodeUtf8(urlData).subarray(0, trackerWireLimits.urlDataBytesMax);
  const parts = Math.max(1, Math.ceil(bytes.length / 255));
  const out = new Uint8Array(bytes.length + parts * 2);
  for (let i = 0; i < parts; i++) {
    const part = bytes.subarray(i * 255, (i + 1) * 255);
    out[i * 257] = OPTION_URL_DATA;
    out[i * 257 + 1] = part.length;
    out.set(part, i * 257 + 2);
  }
  return out;
}

/**
 * Path and query of the tracker's URL out of the options of an announce (BEP 41), one character a byte.
 *
 * @param options what follows the 98 bytes of the announce
 * @returns undefined where there is none, or where an option runs past the end: clients with bytes of their own behind an announce
 *   exist, and BEP 15 wants them served
 */
export function decodeUdpUrlData(options: Uint8Array): string | undefined {
  let text: string | undefined;
  let at = 0;
  while (at < options.length) {
    const type = options[at++] as number;
    if (type === OPTION_END) break;
    if (type === OPTION_NOP) continue;
    const end = at + 1 + (options[at] ?? 0);
    if (end > options.length) return undefined;
    if (type === OPTION_URL_DATA) text = (text ?? '') + toBinaryString(options.subarray(at + 1, end));
    if ((text?.length ?? 0) > trackerWireLimits.urlDataBytesMax) return undefined;
    at = end;
  }
  return text;
}

export interface UdpScrapeRequest {
  readonly connectionId: Uint8Array;
  readonly transactionId: number;
  /** 20 bytes each. */
  readonly infoHashes: readonly Uint8Array[];
}

/** connectionId[8], u32 action (= 2), u32 transactionId, then 20 bytes an info-hash, at most 74. */
export function encodeUdpScrapeRequest(s: UdpScrapeRequest): Uint8Array {
  const hashes = s.infoHashes.slice(0, trackerWireLimits.udpScrapeHashesMax);
  const out = new Uint8Array(16 + hashes.length * 20);
  out.set(s.connectionId, 0);
  writeU32(out, 8, udpAction.scrape);
  writeU32(out, 12, s.transactionId);
  hashes.forEach((hash, i) => {
    out.set(hash, 16 + i * 20);
  });
  return out;
}

/**
 * Takes at most 74 hashes; a partial one at the end is ignored.
 *
 * @param datagram whole UDP payload; the byte fields of the result are views of it
 * @throws BtError `wire/truncated` under 36 bytes (no hash at all), `wire/bad-action` if it is no scrape
 */
export function decodeUdpScrapeRequest(datagram: Uint8Array): UdpScrapeRequest {
  expectRequest(datagram, { message: 'UDP scrape request', action: udpAction.scrape, neededBytes: 36 });
  const count = Math.min(Math.floor((datagram.length - 16) / 20), trackerWireLimits.udpScrapeHashesMax);
  const infoHashes: Uint8Array[] = [];
  for (let i = 0; i < count; i++) infoHashes.push(datagram.subarray(16 + i * 20, 36 + i * 20));
  return { connectionId: datagram.subarray(0, 8), transactionId: readU32(datagram, 12), infoHashes };
}

function expectRequest(datagram: Uint8Array, o: { message: string; action: number; neededBytes: number }): void {
  const { message, neededBytes } = o;
  // The action decides which length is needed, so it is looked at first where it is there.
  if (datagram.length >= 16 && readU32(datagram, 8) !== o.action) {
    throw new BtError('wire/bad-action', { message, action: readU32(datagram, 8) });
  }
  if (datagram.length < neededBytes)
    throw new BtError('wire/truncated', { message, neededBytes, gotBytes: datagram.length });
}

// --- responses -----------------------------------------------------------------------------------------------------------------

/** What a tracker may send, as the client sees it. */
export type UdpResponse =
  | { readonly kind: 'connect'; readonly transactionId: number; readonly connectionId: Uint8Array }
  | { readonly kind: 'announce'; readonly transactionId: number; readonly response: AnnounceResponse }
  | { readonly kind: 'scrape'; readonly transactionId: number; readonly rows: readonly ScrapeCounts[] }
  | { readonly kind: 'error'; readonly transactionId: number; readonly reason: string };

/** 16 bytes: u32 action (= 0), u32 transactionId, connectionId[8]. */
export function encodeUdpConnectResponse(c: { transactionId: number; connectionId: Uint8Array }): Uint8Array {
  const out = new Uint8Array(16);
  writeU32(out, 4, c.transactionId);
  out.set(c.connectionId, 8);
  return out;
}

/**
 * 20 bytes: u32 action (= 1), u32 transactionId, u32 interval in seconds, u32 leechers, u32 seeders; then 6 bytes a peer to an IPv4
 * sender or 18 to an IPv6 sender.
 *
 * @param a.peers compact peers of the sender's family, copied
 */
export function encodeUdpAnnounceResponse(a: {
  transactionId: number;
  intervalSec: number;
  incomplete: number;
  complete: number;
  peers: Uint8Array;
}): Uint8Array {
  const out = new Uint8Array(20 + a.peers.length);
  writeU32(out, 0, udpAction.announce);
  writeU32(out, 4, a.transactionId);
  writeU32(out, 8, a.intervalSec);
  writeU32(out, 12, a.incomplete);
  writeU32(out, 16, a.complete);
  out.set(a.peers, 20);
  return out;
}

/** u32 action (= 2), u32 transactionId, then 12 bytes a torrent in the order asked: u32 seeders, u32 completed, u32 leechers. */
export function encodeUdpScrapeResponse(s: { transactionId: number; rows: readonly ScrapeCounts[] }): Uint8Array {
  const out = new Uint8Array(8 + s.rows.length * 12);
  writeU32(out, 0, udpAction.scrape);
  writeU32(out, 4, s.transactionId);
  s.rows.forEach((row, i) => {
    writeU32(out, 8 + i * 12, row.complete);
    writeU32(out, 12 + i * 12, row.downloaded);
    writeU32(out, 16 + i * 12, row.incomplete);
  });
  return out;
}

/**
 * u32 action (= 3), u32 transactionId, text.
 *
 * @param e.bytesMax the whole packet is cut to this: an unproven sender must not get more than it sent
 */
export function encodeUdpErrorResponse(e: { transactionId: number; reason: string; bytesMax: number }): Uint8Array {
  const text = encodeUtf8(e.reason).subarray(0, Math.max(0, e.bytesMax - 8));
  const out = new Uint8Array(8 + text.length);
  writeU32(out, 0, udpAction.error);
  writeU32(out, 4, e.transactionId);
  out.set(text, 8);
  return out;
}

/**
 * Decodes whatever a tracker sends. Peers that nobody can dial, and bytes after the last whole peer, are left out.
 *
 * @param datagram whole UDP payload; the connection id is copied, so nothing in the result refers to it
 * @param family of the address the datagram came from: it decides how many bytes a peer has
 * @throws BtError `wire/truncated` where the fixed part is cut, `wire/bad-action` for an action that is none of ours
 */
export function decodeUdpResponse(datagram: Uint8Array, family: IpFamily): UdpResponse {
  const message = 'UDP tracker answer';
  const need = (neededBytes: number) => {
    if (datagram.length < neededBytes) {
      throw new BtError('wire/truncated', { message, neededBytes, gotBytes: datagram.length });
    }
  };
  need(8);
  const action = readU32(datagram, 0);
  const transactionId = readU32(datagram, 4);
  switch (action) {
    case udpAction.connect:
      need(16);
      return { kind: 'connect', transactionId, connectionId: datagram.slice(8, 16) };
    case udpAction.announce:
      need(20);
      return { kind: 'announce', transactionId, response: decodeAnnounceBody(datagram, family) };
    case udpAction.scrape:
      return { kind: 'scrape', transactionId, rows: decodeScrapeRows(datagram) };
    case udpAction.error:
      return { kind: 'error', transactionId, reason: toSafeText(datagram.subarray(8)) };
    default:
      throw new BtError('wire/bad-action', { message, action });
  }
}

function decodeAnnounceBody(datagram: Uint8Array, family: IpFamily): AnnounceResponse {
  const list = datagram.subarray(20);
  return {
    intervalSec: clampInterval(readU32(datagram, 8)),
    incomplete: readU32(datagram, 12),
    complete: readU32(datagram, 16),
    peers: decodeCompactPeers(list, { family, countMax: trackerWireLimits.peersMax }).peers,
  };
}

function decodeScrapeRows(datagram: Uint8Array): ScrapeCounts[] {
  const count = Math.min(Math.floor((datagram.length - 8) / 12), trackerWireLimits.udpScrapeHashesMax);
  const rows: ScrapeCounts[] = [];
  for (let i = 0; i < count; i++) {
    rows.push({
      complete: readU32(datagram, 8 + i * 12),
      downloaded: readU32(datagram, 12 + i * 12),
      incomplete: readU32(datagram, 16 + i * 12),
    });
  }
  return rows;
}

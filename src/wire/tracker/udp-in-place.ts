// Hot path: tracker-udp
import { formatIp } from '../../base/index.ts';
import type { AnnounceEvent } from './types.ts';

/**
 * The tracker's side of the UDP protocol for front ends that answer by the hundred thousand: requests are read where they lie and answers
 * written where they leave from, and nothing is allocated. Layouts stand at the allocating codecs in `udp.ts`, which read and write the
 * same bytes; a property test holds the two together. Whoever calls has looked at lengths.
 */
export const udpBytes = {
  /** Shortest request of all. */
  request: 16,
  announce: 98,
  /** One hash; a further one takes 20 bytes. */
  scrape: 36,
  hash: 20,
  connectResponse: 16,
  /** Before the peers. */
  announceResponse: 20,
  /** Before the rows. */
  scrapeResponse: 8,
  scrapeRow: 12,
  /** Before the text. */
  errorResponse: 8,
} as const;

/** Where fields of an announce stand. */
export const udpAnnounceAt = { infoHash: 16, peerId: 36, ip: 84, options: 98 } as const;

const EVENTS: readonly AnnounceEvent[] = ['none', 'completed', 'started', 'stopped'];
const TWO_32 = 0x1_0000_0000;

/** What an announce says, but for its byte strings: those are used where they lie. */
export interface UdpAnnounceFields {
  downloadedBytes: number;
  left: number;
  uploaded: number;
  event: AnnounceEvent;
  namedIp: string;
  key: number;
  numWant: number;
  port: number;
}

/** 0 connect, 1 announce, 2 scrape; others as they came. */
export function readUdpAction(view: DataView, at: number): number {
  return view.getUint32(at + 8);
}

/** Whether a request that says connect has the protocol's number. */
export function isUdpConnect(view: DataView, at: number): boolean {
  return view.getInt32(at) === 0x417 && view.getInt32(at + 4) === 0x2710_1980;
}

/** @param into filled in; numbers that no double holds become 2^53 - 1 */
export function readUdpAnnounce(view: DataView, at: number, into: UdpAnnounceFields): void {
  into.downloadedBytes = readClamped(view, at + 56);
  into.left = readClamped(view, at + 64);
  into.uploaded = readClamped(view, at + 72);
  into.event = EVENTS[view.getUint32(at + 80)] ?? 'none';
  into.namedIp = view.getInt32(at + udpAnnounceAt.ip) === 0 ? '' : formatNamed(view, at + udpAnnounceAt.ip);
  into.key = view.getUint32(at + 88);
  into.numWant = Math.max(-1, view.getInt32(at + 92));
  into.port = view.getUint16(at + 96);
}

function readClamped(view: DataView, at: number): number {
  const high = view.getUint32(at);
  return high >= 0x20_0000 ? Number.MAX_SAFE_INTEGER : high * TWO_32 + view.getUint32(at + 4);
}

function formatNamed(view: DataView, at: number): string {
  return formatIp(new Uint8Array(view.buffer, view.byteOffset + at, 4));
}

/** The first 8 bytes of every answer: what it is, and the transaction that the request at `requestAt` named. */
export function writeUdpHead(out: DataView, outAt: number, action: number, request: DataView, requestAt: number): void {
  out.setInt32(outAt, action);
  out.setInt32(outAt + 4, request.getInt32(requestAt + 12));
}

/** The 12 bytes between head and peers. */
export function writeUdpAnnounceCounts(
  out: DataView,
  outAt: number,
  counts: { readonly intervalSec: number; readonly incomplete: number; readonly complete: number },
): void {
  out.setUint32(outAt + 8, counts.intervalSec);
  out.setUint32(outAt + 12, counts.incomplete);
  out.setUint32(outAt + 16, counts.complete);
}

/** @param rows three numbers a torrent: complete, downloaded, incomplete. @returns bytes of the whole answer */
export function writeUdpScrapeRows(out: DataView, outAt: number, rows: Uint32Array, count: number): number {
  const rowsAt = outAt + udpBytes.scrapeResponse;
  for (let i = 0; i < count * 3; i++) out.setUint32(rowsAt + i * 4, rows[i] as number);
  return udpBytes.scrapeResponse + count * udpBytes.scrapeRow;
}

/** @param text cut to `bytesMax` of the whole answer. @returns bytes of the whole answer */
export function writeUdpErrorText(out: Uint8Array, outAt: number, text: Uint8Array, bytesMax: number): number {
  const length = Math.max(0, Math.min(text.length, bytesMax - udpBytes.errorResponse));
  for (let i = 0; i < length; i++) out[outAt + udpBytes.errorResponse + i] = text[i] as number;
  return udpBytes.errorResponse + length;
}

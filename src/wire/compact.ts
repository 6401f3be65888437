import { formatIp, isDialable, type PeerAddress, parseIp, readU16, writeU16 } from '../base/index.ts';

/** Bytes of one entry: address and port, both big-endian (BEP 23 for IPv4, BEP 7 for IPv6). */
export const compactPeerBytes = { 4: 6, 6: 18 } as const;

export interface CompactPeers {
  /** In the order they came, without the ones nobody can be dialled at. */
  readonly peers: PeerAddress[];
  /** For each of `peers`, its place in the list: what lists that run beside it (PEX flags) are read with. */
  readonly places: number[];
  /** Entries that were left out: port 0, unspecified, multicast, broadcast. */
  readonly droppedCount: number;
  /** Bytes after the last whole entry. Not zero means that the sender is confused or speaks of another family. */
  readonly trailingBytes: number;
}

/**
 * Decodes a compact peer list (BEP 23: 4 + 2 bytes a peer; BEP 7: 16 + 2).
 *
 * A list whose length is no multiple of the entry gives its whole entries: trackers that cut their answers exist.
 *
 * @param bytes borrowed
 * @param options.family 4 or 6
 * @param options.countMax entries looked at; the rest of a longer list is ignored
 */
export function decodeCompactPeers(bytes: Uint8Array, options: { family: 4 | 6; countMax: number }): CompactPeers {
  const entryBytes = compactPeerBytes[options.family];
  const count = Math.min(Math.floor(bytes.length / entryBytes), options.countMax);
  const peers: PeerAddress[] = [];
  const places: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = i * entryBytes;
    const peer = decodeCompactPeer(bytes.subarray(at, at + entryBytes));
    if (!isDialable(peer)) continue;
    peers.push(peer);
    places.push(i);
  }
  return { peers, places, droppedCount: count - peers.length, trailingBytes: bytes.length % entryBytes };
}

/** @param entry 6 or 18 bytes, borrowed. @returns the address as it stands, dialable or not */
export function decodeCompactPeer(entry: Uint8Array): PeerAddress {
  const port = entry.length - 2;
  return { host: formatIp(entry.subarray(0, port)), port: readU16(entry, port) };
}

/**
 * Encodes addresses of both families, each into its own list, in order. Hosts that are not numeric are left out.
 * IPv4-mapped IPv6 goes to the IPv4 list, as `PeerAddress` has it.
 */
export function encodeCompactPeers(peers: readonly PeerAddress[]): { v4: Uint8Array; v6: Uint8Array } {
  const entries: Uint8Array[] = [];
  let v4Bytes = 0;
  let v6Bytes = 0;
  for (const peer of peers) {
    const entry = encodeCompactPeer(peer);
    if (entry === undefined) continue;
    entries.push(entry);
    if (entry.length === compactPeerBytes[4]) v4Bytes += entry.length;
    else v6Bytes += entry.length;
  }
  const v4 = new Uint8Array(v4Bytes);
  const v6 = new Uint8Array(v6Bytes);
  let v4At = 0;
  let v6At = 0;
  for (const entry of entries) {
    if (entry.length === compactPeerBytes[4]) {
      v4.set(entry, v4At);
      v4At += entry.length;
    } else {
      v6.set(entry, v6At);
      v6At += entry.length;
    }
  }
  return { v4, v6 };
}

/** @returns 6 or 18 bytes, or undefined where the host is no numeric address. */
export function encodeCompactPeer(peer: PeerAddress): Uint8Array | undefined {
  const ip = parseIp(peer.host);
  if (ip === undefined) return undefined;
  const entry = new Uint8Array(ip.length + 2);
  entry.set(ip);
  writeU16(entry, ip.length, peer.port);
  return entry;
}

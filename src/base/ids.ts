import { fromHex, toHex } from './bytes.ts';

/** Lower-case hex: 40 digits (SHA-1, v1) or 64 (SHA-256, v2). */
export type InfoHash = string & { readonly __brand: 'InfoHash' };
/** 20 bytes chosen by a client for one run (BEP 3, BEP 20). */
export type PeerId = Uint8Array & { readonly __brand: 'PeerId' };
/** Names one connection in one session; never reused. */
export type ConnId = number & { readonly __brand: 'ConnId' };
/** Names one torrent in one session; never reused. */
export type TorrentId = number & { readonly __brand: 'TorrentId' };

/** @param bytes 20 or 32 bytes, copied */
export function toInfoHash(bytes: Uint8Array): InfoHash {
  return toHex(bytes) as InfoHash;
}

/** The 20 bytes that handshakes and trackers carry: a v2 hash is cut (BEP 52). */
export function swarmKeyBytes(hash: InfoHash): Uint8Array {
  return (fromHex(hash) as Uint8Array).slice(0, 20);
}

/** The same 20 bytes as 40 hex digits, for use as a Map key. */
export function toSwarmKey(hash: InfoHash): string {
  return hash.slice(0, 40);
}

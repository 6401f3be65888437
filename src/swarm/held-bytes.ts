import type { Peer } from './peer.ts';

/** Bytes that one torrent holds, by what for; of buffers of pieces those that the pool lent it. Plain data, counted when asked for. */
export interface TorrentHeld {
  /** Buffers of pieces in work or waiting for room on the disk, and those that the disk has. */
  readonly pieces: number;
  readonly piecesAtDisk: number;
  /** Messages of peers that are not whole yet. */
  readonly partialMessages: number;
  /** Info dictionaries that are being put together (BEP 9). */
  readonly metadata: number;
  /** Leaves kept for those who ask for hashes (BEP 52). */
  readonly hashLeaves: number;
  /** Hashes of blocks of bad pieces. */
  readonly blame: number;
  /** Addresses, by what one takes about. */
  readonly peerBook: number;
  /** Resume records that are on their way to the disk. */
  readonly resume: number;
}

export const holdsNothing: TorrentHeld = {
  pieces: 0,
  piecesAtDisk: 0,
  partialMessages: 0,
  metadata: 0,
  hashLeaves: 0,
  blame: 0,
  peerBook: 0,
  resume: 0,
};

/** How many peers wait for memory that is used up. */
export interface TorrentHeldBack {
  /** Would be asked for more if there were a buffer for it. */
  readonly withoutBuffer: number;
  /** Would be served if there were a buffer to read into. */
  readonly withoutRun: number;
}

export function partialMessagesOf(peers: Iterable<Peer>): number {
  let bytes = 0;
  for (const peer of peers) bytes += peer.decoder.carryBytes;
  return bytes;
}

/** @param hasBuffer a piece could be begun now */
export function countHeldBack(peers: Iterable<Peer>, hasBuffer: boolean): TorrentHeldBack {
  let withoutBuffer = 0;
  let withoutRun = 0;
  for (const peer of peers) {
    const isHungry = peer.amInterested && !peer.peerChoking && peer.outstanding.size < peer.pipeline.depth / 2;
    if (!hasBuffer && isHungry) withoutBuffer++;
    if (peer.waitsForRoom) withoutRun++;
  }
  return { withoutBuffer, withoutRun };
}

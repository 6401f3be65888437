import { assert, type CryptoPort, concatBytes, parseIp, readU32 } from '../../base/index.ts';
import { peerLimits } from './limits.ts';

/**
 * Pieces that a peer may download while choked (BEP 6). Whoever computes it for the same peer gets the same set, so asking many
 * peers gains nothing.
 *
 * @param options.ip the peer's address as we see it; the last byte does not matter
 * @param options.infoHash 20 bytes
 * @param options.count at most `peerLimits.allowedFastMax`; BEP 6 uses 10
 * @returns piece indexes, no more than `pieceCount`, in the BEP's order; empty for IPv6, which the BEP does not provide for
 */
export function allowedFastSet(options: {
  ip: string;
  infoHash: Uint8Array;
  pieceCount: number;
  count: number;
  sha1: CryptoPort['sha1'];
}): number[] {
  const { infoHash, pieceCount, count, sha1 } = options;
  assert(count <= peerLimits.allowedFastMax, 'allowed-fast set of a bounded size');
  const ip = parseIp(options.ip);
  if (ip?.length !== 4) return [];
  if (pieceCount <= count) return Array.from({ length: pieceCount }, (_, piece) => piece);
  const set: number[] = [];
  let x: Uint8Array = concatBytes([ip.subarray(0, 3), Uint8Array.of(0), infoHash]);
  while (set.length < count) {
    x = sha1(x);
    for (let i = 0; i < 20 && set.length < count; i += 4) {
      const piece = readU32(x, i) % pieceCount;
      if (!set.includes(piece)) set.push(piece);
    }
  }
  return set;
}

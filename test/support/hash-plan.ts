import { concatBytes } from '#base';
import { BLOCK_LENGTH, leafCount, Merkle, nextPow2, type TorrentPlan } from '#metainfo';
import { nodeCrypto } from './node-crypto.ts';

/** Hashes planned content that is in memory, in the plainest way: what `buildTorrent` asks for. */
export function hashPlan(
  plan: TorrentPlan,
  read: (path: readonly string[]) => Uint8Array,
): { sha1?: Uint8Array; sha256?: Uint8Array } {
  const space = new Uint8Array(plan.spaceLength);
  const sha256: Uint8Array[] = [];
  const merkle = new Merkle(nodeCrypto);
  for (const { file, offset, length } of plan.entries) {
    if (file === undefined || length === 0) continue;
    const bytes = read(file.path);
    space.set(bytes, offset);
    const width = Math.min(plan.pieceLength / BLOCK_LENGTH, nextPow2(leafCount(length)));
    for (let at = 0; plan.format !== 'v1' && at < length; at += plan.pieceLength) {
      const leaves: Uint8Array[] = [];
      const end = Math.min(length, at + plan.pieceLength);
      for (let b = at; b < end; b += BLOCK_LENGTH) {
        leaves.push(nodeCrypto.sha256(bytes.subarray(b, Math.min(end, b + BLOCK_LENGTH))));
      }
      sha256.push(merkle.root(concatBytes(leaves), 0, width));
    }
  }
  const sha1 = Array.from({ length: plan.pieceCount }, (_, i) =>
    nodeCrypto.sha1(space.subarray(i * plan.pieceLength, (i + 1) * plan.pieceLength)),
  );
  return {
    ...(plan.format !== 'v2' && { sha1: concatBytes(sha1) }),
    ...(plan.format !== 'v1' && { sha256: concatBytes(sha256) }),
  };
}

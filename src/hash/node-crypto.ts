import { hash, randomFillSync } from 'node:crypto';
import type { CryptoPort } from '../base/index.ts';

/**
 * Node's hashes for small inputs: parsing torrents, info-hashes, trees. Not that of the node room, for the sake of hashing threads, which
 * would load all of it.
 */
export const nodeCrypto: CryptoPort = {
  sha1: (data) => digest('sha1', data),
  sha256: (data) => digest('sha256', data),
  random: (length) => randomFillSync(new Uint8Array(length)),
};

/** The one-shot form: half the cost of a Hash object for the 64 bytes of a tree's node. */
function digest(algorithm: string, data: Uint8Array): Uint8Array {
  const { buffer, byteOffset, byteLength } = hash(algorithm, data, 'buffer');
  // Not a Buffer, whose slice() does not copy.
  return new Uint8Array(buffer, byteOffset, byteLength);
}

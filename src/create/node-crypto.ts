import { hash, randomFillSync } from 'node:crypto';
import type { CryptoPort } from '../base/index.ts';

/** Node's hashes for small inputs: parsing torrents, info-hashes, trees. */
export const nodeCrypto: CryptoPort = {
  sha1: (data) => hash('sha1', data, 'buffer'),
  sha256: (data) => hash('sha256', data, 'buffer'),
  random: (length) => randomFillSync(new Uint8Array(length)),
};

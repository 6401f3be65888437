import { createHash, randomBytes } from 'node:crypto';
import type { CryptoPort } from '#base';

/** The real hashes, for tests of rooms that take a `CryptoPort`. */
export const nodeCrypto: CryptoPort = {
  sha1: (data) => new Uint8Array(createHash('sha1').update(data).digest()),
  sha256: (data) => new Uint8Array(createHash('sha256').update(data).digest()),
  random: (length) => new Uint8Array(randomBytes(length)),
};

import { createHash } from 'node:crypto';
import { type CryptoPort, seededRng } from '#base';

/** Real hashes, seeded chance. */
export function testCrypto(seed = 1): CryptoPort {
  const rng = seededRng(seed);
  const hash = (name: string, data: Uint8Array) => new Uint8Array(createHash(name).update(data).digest());
  return {
    sha1: (data) => hash('sha1', data),
    sha256: (data) => hash('sha256', data),
    random: (length) => rng.bytes(length),
  };
}

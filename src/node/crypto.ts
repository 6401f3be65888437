import { hash, randomBytes } from 'node:crypto';
import type { CryptoPort } from '../base/index.ts';

/** A Buffer is a view of a shared pool and its `slice` does not copy; pure rooms mean plain bytes. */
function toPlain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** CryptoPort over node:crypto, one-shot hashes: half the cost of `createHash` for small inputs. */
export const nodeCrypto: CryptoPort = {
  sha1: (data) => toPlain(hash('sha1', data, 'buffer')),
  sha256: (data) => toPlain(hash('sha256', data, 'buffer')),
  random: (length) => toPlain(randomBytes(length)),
};

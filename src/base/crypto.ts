/**
 * What pure rooms need of cryptography: small inputs, synchronous answers. Injected, so that they run anywhere.
 * Payload is never hashed through this port on the main path; that is the disk's work.
 */
export interface CryptoPort {
  /** 20 bytes. */
  sha1(data: Uint8Array): Uint8Array;
  /** 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  /** Unpredictable bytes (peer ids, keys, secrets). A simulation gives seeded ones. */
  random(length: number): Uint8Array;
}

import { createHash } from 'node:crypto';

/** Made-up bytes by the rule of the conformance data: SHA-256 of `name:0`, `name:1`, ... one after the other, cut to `length`. */
export function content(name: string, length: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(length / 32) * 32);
  for (let i = 0; i * 32 < length; i++) out.set(createHash('sha256').update(`${name}:${i}`).digest(), i * 32);
  return out.subarray(0, length);
}

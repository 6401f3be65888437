/** What the simulator needs of the runtime: hashes and a way to take buffers away. Chance comes from seeds alone. */
import { createHash } from 'node:crypto';

export const crypto = {
  sha1: (data) => new Uint8Array(createHash('sha1').update(data).digest()),
  sha256: (data) => new Uint8Array(createHash('sha256').update(data).digest()),
  random: () => {
    throw new Error('chance comes from the seed');
  },
};

/** Buffers that are given away are detached, as by a worker. */
export const transfer = (buffer) => structuredClone(buffer, { transfer: [buffer] });

import { Merkle } from '../metainfo/index.ts';
import { nodeCrypto } from './node-crypto.ts';

/** BEP 52 trees over Node's SHA-256. */
export const merkle: Merkle = new Merkle(nodeCrypto);

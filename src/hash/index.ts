/**
 * hash: Hashes of data on disk, over several threads: pieces and trees, for torrents that are made and for data that is checked.
 *
 * May know: base, metainfo; reads files and starts threads itself.
 * Must never know: sockets, a torrent's life, a terminal. Its threads load this room and what is below it, nothing more.
 */
export { isSystemError, toDiskError } from './disk-error.ts';
export { merkle } from './merkle.ts';
export { nodeCrypto } from './node-crypto.ts';
export type { HashedRange, HashJob, HashPlan, HashSettings, PieceHashes, PlannedFile } from './plan.ts';
export { type HashOptions, type HashProgress, hashPieces } from './pool.ts';
export { type HashOutcome, HashThreads } from './threads.ts';

/**
 * create: Makes torrents: walks files, hashes in workers, writes the .torrent; checks data against torrents with the same workers.
 *
 * May know: pure rooms, node; reads files itself.
 * Must never know: sockets, a terminal.
 */

export { type HashOptions, type HashProgress, nodeCrypto } from '../hash/index.ts';
export { type CreatedTorrent, type CreateOptions, createTorrent } from './create.ts';
export {
  type FileStatus,
  pieceStates,
  type VerifiedFile,
  type VerifyResult,
  verifyTorrent,
} from './verify.ts';
export { readVersion } from './version.ts';
export { checkUnchanged, type LeftOut, type Walk, type WalkedFile, type WalkOptions, walk } from './walk.ts';

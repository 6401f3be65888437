/**
 * create: Makes torrents: walks files, has them hashed, writes the .torrent; checks data against torrents likewise.
 *
 * May know: pure rooms, hash, node.
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

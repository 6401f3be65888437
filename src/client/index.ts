/**
 * client: The public library: promises, AbortSignal, async iterators and web streams live here and nowhere below.
 *
 * May know: pure rooms (not sim), node.
 * Must never know: HTTP APIs, terminals.
 */
export { BtError, type ErrorCode, type ErrorDetail, type InfoHash, type PeerAddress } from '../base/index.ts';
export {
  formatMagnet,
  type Info,
  parseMagnet,
  toMagnet,
  type TorrentFile as TorrentFileData,
} from '../metainfo/index.ts';
export type { PeerSnapshot, TorrentPhase, TorrentSnapshot, TrackerSnapshot } from '../swarm/index.ts';
export { FileReader, TorrentFileHandle } from './file.ts';
export { type AddOptions, createSession, type ListenOptions, Session, type SessionEvent, type SessionOptions } from './session.ts';
export { type TorrentInput, type ResolvedSource, resolveSource } from './source.ts';
export { type Abortable, Torrent } from './torrent.ts';

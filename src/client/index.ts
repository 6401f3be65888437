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
  type TorrentFile as TorrentFileData,
  toMagnet,
} from '../metainfo/index.ts';
export type { DescriptorBudget } from '../node/index.ts';
export type { HeldBack, HeldBytes, Holder } from '../session/index.ts';
export type { PeerSnapshot, TorrentPhase, TorrentSnapshot, TrackerSnapshot } from '../swarm/index.ts';
export type { Budgets } from './budgets.ts';
export type { Abortable } from './events.ts';
export { FileReader, TorrentFileHandle } from './file.ts';
export {
  type AddOptions,
  createSession,
  type ListenOptions,
  Session,
  type SessionEvent,
  type SessionOptions,
} from './session.ts';
export { type ResolvedSource, resolveSource, type TorrentInput } from './source.ts';
export { Torrent, type TrackerCounts } from './torrent.ts';

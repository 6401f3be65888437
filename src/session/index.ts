/**
 * session: All torrents of one client: budgets, queue, incoming handshakes, announces spread in time.
 *
 * May know: swarm and all below.
 * Must never know: node:*, the clock, promises, tracker (the server's brain).
 */
export type { AddTorrent, KnownTorrent } from './add-torrent.ts';
export type { Rates } from './bandwidth.ts';
export type { HeldBack } from './held-back.ts';
export type { HeldTorrent } from './held-torrent.ts';
export { limits as sessionLimits } from './limits.ts';
export type { HeldBytes, Holder } from './memory-ledger.ts';
export type { ReadRun } from './piece-reads.ts';
export { Session, type SessionOptions } from './session.ts';
export { decodeState, encodeState, rowKey, type SessionState, type TorrentRow } from './state.ts';

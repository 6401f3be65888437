/**
 * swarm: The brain of one torrent: inputs and times in, port calls out.
 *
 * May know: base, bencode, trace, wire, metainfo.
 * Must never know: node:*, the clock, randomness of its own, promises, tracker, session.
 */
export { AnnounceDesk, type AnnounceOwner } from './announce-desk.ts';
export * from './announcer.ts';
export * from './ban-list.ts';
export * from './blame.ts';
export * from './choke-policy.ts';
export * from './choker.ts';
export type { Content } from './content.ts';
export type { SwarmHost, TorrentEvent } from './context.ts';
export type { DownloadCounts } from './downloader.ts';
export { holdsNothing, type TorrentHeld, type TorrentHeldBack } from './held-bytes.ts';
export { Identity } from './identity.ts';
export { limits } from './limits.ts';
export type { PeerStanding } from './peer.ts';
export * from './peer-book.ts';
export type { AddPeer } from './peering.ts';
export { type Pick, type PickCandidate, Picker, type PickerPeer } from './picker.ts';
export { PieceLedger, PieceState } from './piece-ledger.ts';
export { PiecePool } from './piece-pool.ts';
export * from './policies.ts';
export * from './ports.ts';
export type { RestReason } from './rest-reason.ts';
export { framedLength, RunCache, type RunFigures, runLength, unframe } from './run-cache.ts';
export type { PeerSnapshot, TorrentPhase, TorrentSnapshot } from './snapshot.ts';
export { Torrent, type TorrentOptions } from './torrent.ts';
export type { TorrentSource, Totals } from './torrent-source.ts';
export type { AnnounceReason, TrackerSnapshot } from './tracker-ledger.ts';

/**
 * node: Adapters to the operating system: sockets, disk worker, DNS, HTTP, real time.
 *
 * May know: all pure rooms but sim.
 * Must never know: BitTorrent policy: an `if` about choking here is a bug.
 */
export * from './descriptors.ts';
export { type Disk, deliverReply } from './disk/disk.ts';
export type { FolderOf } from './disk/disk-client.ts';
export type { StoreMaker } from './disk/disk-host.ts';
export { DiskPool, type DiskPoolOptions } from './disk/disk-pool.ts';
export { InlineDisk } from './disk/inline-disk.ts';
export { type DiskLimits, diskLimits } from './disk/limits.ts';
export { MemoryStore } from './disk/memory-store.ts';
export type { PieceStore, StoreStates } from './disk/piece-store.ts';
export type { DiskReply, DiskRequest } from './disk/protocol.ts';
export * from './dns.ts';
export * from './files.ts';
export * from './files-in-steps.ts';
export * from './http-fetch.ts';
export { JournaledFile } from './journaled-file.ts';
export { hideSecrets, type Log, type LogLevel, type LogOptions, type LogPart, openLog } from './log.ts';
export * from './loop.ts';
export { toListenError } from './net-error.ts';
export * from './tcp.ts';
export { TorrentFolder } from './torrent-folder.ts';
export * from './tracker-client.ts';
export * from './transport.ts';
export * from './udp.ts';
export * from './udp-batch.ts';
export type { UdpBatchUnavailable } from './udp-batch-calls.ts';
export type { UdpBatchOptions, UdpBatchSocket } from './udp-batch-socket.ts';

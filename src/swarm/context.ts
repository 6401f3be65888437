import type { BtError, ConnId, CryptoPort, Millis, PeerAddress, PeerId, Rng, TorrentId } from '../base/index.ts';
import type { Tracer } from '../trace/index.ts';
import type { CloseReason } from '../wire/index.ts';
import { limits } from './limits.ts';
import type { Peer } from './peer.ts';
import type { PiecePool } from './piece-pool.ts';
import type { ScrapeResult, SwarmPorts } from './ports.ts';
import type { RestReason } from './rest-reason.ts';
import type { RunCache } from './run-cache.ts';

/** What a torrent may ask of the session it lives in: the things that all torrents of a client share. */
export interface SwarmHost {
  readonly ports: SwarmPorts;
  readonly crypto: CryptoPort;
  readonly peerId: PeerId;
  /** Buffers of pieces on their way in. */
  readonly pool: PiecePool;
  /** Runs read from disk on their way out. */
  readonly runs: RunCache;
  /** Connections that one torrent may have. */
  readonly connsPerTorrent: number;
  /** Port that others reach us at, for trackers and BEP 10; 0 while not listening. */
  readonly listenPort: () => number;
  /** All buffers are lent: other torrents give back what they hold and do not use. @returns whether one is free now */
  reclaimBuffers(torrent: TorrentId): boolean;
  /**
   * Runs what a torrent left to be called later, in whatever input that is, as a part of that torrent: its turn follows, and a fault in it is
   * its own.
   */
  inTorrent(torrent: TorrentId, run: () => void): void;
  /** Opens a connection if the session's limits allow. @returns false: try again later */
  dial(torrent: TorrentId, to: PeerAddress): boolean;
  closeConn(conn: ConnId, reason: CloseReason): void;
  /** Payload that may be sent now by this torrent: bytes, 0 while its limit or the session's is used up (then it is woken to upload). */
  uploadAllowance(torrent: TorrentId): number;
  tookUpload(torrent: TorrentId, bytes: number): void;
  /** Payload that came in, for the download limits. */
  tookDownload(torrent: TorrentId, conn: ConnId, bytes: number): void;
  isDownloadLimited(torrent: TorrentId): boolean;
  /** The session's upload capacity that this torrent may count on, bytes per second; undefined = not limited. */
  uploadLimit(torrent: TorrentId): number | undefined;
  emit(event: TorrentEvent): void;
}

/** Few, and of low rate. */
export type TorrentEvent =
  | { readonly type: 'metadata'; readonly torrent: TorrentId }
  /** Every piece layer is known (BEP 52): what a magnet link did not bring has come from peers. */
  | { readonly type: 'hashes'; readonly torrent: TorrentId }
  | { readonly type: 'checking'; readonly torrent: TorrentId; readonly pieces: number }
  /** Checked: what is on disk is known; downloading or seeding begins. */
  | { readonly type: 'ready'; readonly torrent: TorrentId }
  | { readonly type: 'piece'; readonly torrent: TorrentId; readonly piece: number }
  /** All wanted pieces are verified and stored. */
  | { readonly type: 'done'; readonly torrent: TorrentId }
  /** Pieces that were here are gone or bad on disk, and are fetched again. */
  | { readonly type: 'lost'; readonly torrent: TorrentId; readonly pieces: number; readonly error: BtError }
  | { readonly type: 'bad-piece'; readonly torrent: TorrentId; readonly piece: number; readonly peers: number }
  | { readonly type: 'banned'; readonly torrent: TorrentId; readonly host: string; readonly reason: string }
  | { readonly type: 'tracker'; readonly torrent: TorrentId; readonly url: string; readonly error: BtError | undefined }
  /** A tracker has said how large the swarm is, or could not (BEP 48). */
  | { readonly type: 'scraped'; readonly torrent: TorrentId; readonly url: string; readonly result: ScrapeResult }
  /** Something is in the way (a full disk, a file that is gone or fails); it goes on by itself when that is over. */
  | { readonly type: 'waiting'; readonly torrent: TorrentId; readonly error: BtError }
  /** It has let go of everything that being at work needs, and why. */
  | {
      readonly type: 'resting';
      readonly torrent: TorrentId;
      readonly phase: 'paused' | 'queued' | 'dormant';
      readonly reason: RestReason;
    }
  /** It is at work again; `ready` follows. */
  | { readonly type: 'waking'; readonly torrent: TorrentId; readonly reason: string }
  | { readonly type: 'error'; readonly torrent: TorrentId; readonly error: BtError }
  /** The files are in this folder now (or, with an error, where they were). */
  | {
      readonly type: 'moved';
      readonly torrent: TorrentId;
      readonly folder: string;
      readonly error: BtError | undefined;
    }
  /** Stopped: resume data is saved and files are closed. */
  | { readonly type: 'stopped'; readonly torrent: TorrentId };

/** What the parts of one torrent share. `now` is the time of the input that is being handled. */
export interface SwarmContext {
  readonly host: SwarmHost;
  readonly torrent: TorrentId;
  readonly rng: Rng;
  readonly tracer: Tracer | undefined;
  readonly peers: ReadonlyMap<ConnId, Peer>;
  now: Millis;
  /** Queues a control message; all of one turn leave in one write. */
  send(peer: Peer, bytes: Uint8Array): void;
  /** Writes what is queued for the peer, so that payload can follow in order. */
  flush(peer: Peer): void;
  /** So much waits at the peer's socket that what it asks for is refused. */
  isBackedUp(peer: Peer): boolean;
  drop(peer: Peer, reason: CloseReason): void;
  /** A peer must be looked at before the turn ends: it may be asked for blocks (down) or served (up). */
  hungry(peer: Peer): void;
  /** The same of every peer, those last who owe us blocks: they are asked for what the others leave. */
  allHungry(): void;
  serve(peer: Peer): void;
  /** Disk trouble and the like: the torrent stops with this reason. */
  fail(error: BtError): void;
}

/** One more message that costs work and brings nothing. @returns true where there were too many within a second: the peer is dropped */
export function isFlood(ctx: Pick<SwarmContext, 'drop' | 'now'>, peer: Peer): boolean {
  if (ctx.now - peer.controlSince >= 1_000) {
    peer.controlSince = ctx.now;
    peer.controlCount = 0;
  }
  if (++peer.controlCount <= limits.peer.controlPerSecMax) return false;
  const detail = `more than ${limits.peer.controlPerSecMax} messages in a second`;
  ctx.drop(peer, { code: 'peer/message-flood', detail });
  return true;
}

/** A block begins that nobody has asked for: counted, and too much of it ends the connection. */
export function dropUnasked(ctx: Pick<SwarmContext, 'drop'>, peer: Peer, length: number): void {
  peer.unaskedBytes += Math.max(length, limits.peer.unaskedBytesMin);
  if (peer.unaskedBytes <= limits.peer.unaskedBytesMax) return;
  ctx.drop(peer, { code: 'peer/unasked-data', detail: `${peer.unaskedBytes} bytes that nobody asked for` });
}

import type { BtError, InfoHash, Millis, PeerAddress } from '../base/index.ts';
import type { Content } from './content.ts';
import type { Identity } from './identity.ts';
import type { Peer } from './peer.ts';
import type { Peering } from './peering.ts';
import type { RestReason } from './rest-reason.ts';
import type { TorrentDisk } from './torrent-disk.ts';
import type { Totals } from './torrent-source.ts';

/**
 * - `fetching-metadata` a magnet link's info dictionary is still to come
 * - `paused` the user does not want it to run
 * - `queued` others are active first
 * - `dormant` complete and nobody there: it is announced, and wakes when somebody comes; only its state is in memory
 * - `waking` the info dictionary is being read again
 * - `opening`, `checking` what is on disk is being looked at
 * - `downloading`, `seeding` at work; seeding = every wanted piece is here
 * - `stopping`, `stopped` closed by the user
 * - `error` cannot go on; `error` in the snapshot says why
 */
export type TorrentPhase =
  | 'paused'
  | 'queued'
  | 'dormant'
  | 'waking'
  | 'fetching-metadata'
  | 'opening'
  | 'checking'
  | 'downloading'
  | 'seeding'
  | 'stopping'
  | 'stopped'
  | 'error';

/** One connection, as plain data. Rates in bytes per second, totals in payload bytes of this connection. */
export interface PeerSnapshot {
  readonly conn: number;
  readonly address: PeerAddress;
  readonly client: string;
  readonly incoming: boolean;
  /** Pieces it has / pieces there are; 0 while unknown. */
  readonly progress: number;
  readonly isSeed: boolean;
  /** It had everything when we met. */
  readonly wasSeed: boolean;
  readonly amChoking: boolean;
  readonly amInterested: boolean;
  readonly peerChoking: boolean;
  readonly peerInterested: boolean;
  readonly snubbed: boolean;
  readonly downRate: number;
  readonly upRate: number;
  readonly downloaded: number;
  readonly uploaded: number;
  /** Requests open at it, and how many may be. */
  readonly requests: number;
  readonly requestDepth: number;
  /** Requests of it that wait at us. */
  readonly queued: number;
}

/** Payload bytes that were not needed, by cause: `DownloadCounts` tells more. */
export interface WasteSnapshot {
  readonly bad: number;
  readonly dropped: number;
  readonly duplicate: number;
  readonly late: number;
  readonly unasked: number;
}

/** A torrent as it is now: immutable, computed when asked for. Bytes, bytes per second, counts. */
export interface TorrentSnapshot {
  readonly phase: TorrentPhase;
  /** While `paused`, `queued` or `dormant`. */
  readonly restReason: RestReason | undefined;
  /** Place in the queue while `queued`, 1 = next. */
  readonly queuePosition: number | undefined;
  /** Something is in the way and goes on by itself when it is gone (for example a full disk). */
  readonly waitingFor: BtError | undefined;
  readonly error: BtError | undefined;
  readonly name: string;
  readonly infoHashV1: InfoHash | undefined;
  readonly infoHashV2: InfoHash | undefined;
  /** Undefined while the metadata is unknown. */
  readonly totalBytes: number | undefined;
  readonly pieceCount: number | undefined;
  readonly piecesHave: number;
  /** Of the selected files. */
  readonly wantedBytes: number;
  readonly doneBytes: number;
  /** 0 to 1: done of wanted; while checking, checked of all. */
  readonly progress: number;
  readonly isComplete: boolean;
  readonly downRate: number;
  readonly upRate: number;
  /** Payload of this run. */
  readonly downloaded: number;
  readonly uploaded: number;
  /** Of `downloaded`: of pieces that are verified and stored. */
  readonly verified: number;
  /** Payload that nobody needed, and why. */
  readonly wasted: number;
  /** Of `wasted`: copies too many of blocks that were asked of two peers in end-game. */
  readonly duplicated: number;
  readonly wastedBy: WasteSnapshot;
  /** Payload that came from peers that had everything when we met, and from the others. */
  readonly downloadedFromSeeds: number;
  readonly downloadedFromPeers: number;
  /** Seconds until done at the present rate; undefined while nothing comes. */
  readonly etaSec: number | undefined;
  readonly peersConnected: number;
  readonly seedsConnected: number;
  readonly peersKnown: number;
  readonly badPieces: number;
}

export function snapshotPeer(peer: Peer, now: Millis): PeerSnapshot {
  return {
    conn: peer.conn,
    address: peer.listenAddress ?? peer.address,
    client: peer.client,
    incoming: peer.incoming,
    progress: peer.have.size === 0 ? 0 : peer.have.count / peer.have.size,
    isSeed: peer.isSeed,
    wasSeed: peer.wasSeed,
    amChoking: peer.amChoking,
    amInterested: peer.amInterested,
    peerChoking: peer.peerChoking,
    peerInterested: peer.peerInterested,
    snubbed: peer.snubbed,
    downRate: peer.down.bytesPerSec(now),
    upRate: peer.up.bytesPerSec(now),
    downloaded: peer.down.total,
    uploaded: peer.up.total,
    requests: peer.outstanding.size,
    requestDepth: peer.pipeline.depth,
    queued: peer.requests.length,
  };
}

/** What a snapshot is made from. */
export interface SnapshotParts {
  readonly life: {
    readonly phase: TorrentPhase;
    readonly error: BtError | undefined;
    readonly isActive: boolean;
    readonly content: Content | undefined;
    readonly disk: TorrentDisk | undefined;
  };
  readonly peering: Pick<Peering, 'fromSeeds' | 'fromPeers' | 'earlyBytes'>;
  readonly peers: Iterable<Peer>;
  readonly identity: Identity;
  readonly name: string;
  /** What was exchanged before in this run of the process. */
  readonly carried: Totals;
  readonly peersKnown: number;
}

/** Of a torrent that is awake. Walks its connections and its files. */
export function snapshotTorrent(now: Millis, parts: SnapshotParts): TorrentSnapshot {
  const { life, peering, identity, carried } = parts;
  const { content, disk } = life;
  const counts = content?.downloader.counts;
  const connected = measure(parts.peers, now);
  const wantedBytes = content?.wantedBytes ?? 0;
  const left = content?.ledger.wantedMissingBytes ?? 0;
  const doneBytes = Math.max(0, wantedBytes - left);
  const isComplete = life.isActive && content?.isAllHere === true;
  const done = isComplete ? 1 : wantedBytes === 0 ? 0 : doneBytes / wantedBytes;
  return {
    phase: life.phase,
    waitingFor: disk?.waitingFor,
    error: life.error,
    name: parts.name,
    infoHashV1: identity.hashV1,
    infoHashV2: identity.hashV2,
    totalBytes: content?.info.totalLength,
    pieceCount: content?.info.pieceCount,
    piecesHave: content?.ledger.have.count ?? 0,
    wantedBytes,
    doneBytes,
    isComplete,
    downRate: connected.downRate,
    upRate: connected.upRate,
    downloaded: carried.downloaded + (counts?.payloadBytes ?? 0),
    uploaded: carried.uploaded + (content?.uploader.counts.payloadBytes ?? 0),
    verified: counts?.verifiedBytes ?? 0,
    wasted: (counts?.wastedBytes ?? 0) + peering.earlyBytes,
    wastedBy: {
      bad: counts?.badBytes ?? 0,
      dropped: counts?.droppedBytes ?? 0,
      duplicate: counts?.duplicateBytes ?? 0,
      late: counts?.lateBytes ?? 0,
      unasked: (counts?.unaskedBytes ?? 0) + peering.earlyBytes,
    },
    duplicated: counts?.duplicateBytes ?? 0,
    etaSec: connected.downRate > 0 && left > 0 ? left / connected.downRate : undefined,
    peersConnected: connected.peerCount,
    seedsConnected: connected.seedCount,
    badPieces: counts?.badPieces ?? 0,
    restReason: undefined,
    queuePosition: undefined,
    progress: life.phase === 'checking' ? (disk?.checkProgress ?? 0) : done,
    downloadedFromSeeds: peering.fromSeeds,
    downloadedFromPeers: peering.fromPeers,
    peersKnown: parts.peersKnown,
  };
}

/** Sums over connections. */
function measure(
  peers: Iterable<Peer>,
  now: Millis,
): { downRate: number; upRate: number; peerCount: number; seedCount: number } {
  let downRate = 0;
  let upRate = 0;
  let peerCount = 0;
  let seedCount = 0;
  for (const peer of peers) {
    downRate += peer.down.bytesPerSec(now);
    upRate += peer.up.bytesPerSec(now);
    peerCount++;
    if (peer.isSeed) seedCount++;
  }
  return { downRate, upRate, peerCount, seedCount };
}

import { assert } from '../base/index.ts';
import {
  framedLength,
  type PiecePool,
  type RunCache,
  runLength,
  limits as swarmLimits,
  type TorrentHeld,
} from '../swarm/index.ts';

/** Who holds bytes. The last three belong to the world of a session: sockets and disk. */
export type Holder =
  | 'piece-buffers'
  | 'upload-runs'
  | 'upload-copies'
  | 'control-messages'
  | 'partial-messages'
  | 'metadata'
  | 'hash-leaves'
  | 'blame'
  | 'peer-books'
  | 'handshakes'
  | 'resume'
  | 'receive-buffer'
  | 'send-queues'
  | 'disk-buffers';

export interface HeldBytes {
  readonly holder: Holder;
  readonly bytes: number;
  /** Bytes it never goes beyond; of what is held for each torrent, with those that there are now. */
  readonly max: number;
  /** What of `bytes` is for what. */
  readonly parts?: Readonly<Record<string, number>>;
}

export interface MemoryFacts {
  readonly pool: PiecePool;
  readonly runs: RunCache;
  readonly torrents: readonly TorrentHeld[];
  readonly handshakes: { readonly bytes: number; readonly max: number };
  /** Connections of all torrents, and how many there may be. */
  readonly connections: number;
  readonly connectionsMax: number;
}

/** The books of a session's memory: asks every holder what it has, and knows what each may have. Holds nothing itself. */
export function listHolders(facts: MemoryFacts): HeldBytes[] {
  const { pool, runs, torrents } = facts;
  const sum = (of: keyof TorrentHeld) => torrents.reduce((bytes, t) => bytes + t[of], 0);
  const count = torrents.length;
  const run = runs.figures;
  return [
    {
      holder: 'piece-buffers',
      bytes: pool.lentBytes + pool.freeBytes,
      // One is lent whatever its size.
      max: Math.max(pool.budgetBytes, pool.largestBytes),
      parts: { inWork: sum('pieces'), atDisk: sum('piecesAtDisk'), free: pool.freeBytes },
    },
    {
      holder: 'upload-runs',
      bytes: run.bytes + run.freeBytes,
      max: run.budgetBytes,
      parts: { atSockets: run.pinnedBytes, beingRead: run.readingBytes, kept: run.keptBytes, free: run.freeBytes },
    },
    {
      holder: 'upload-copies',
      bytes: run.copyBytes,
      // The last one may be as long as a run.
      max: swarmLimits.upload.copyBytesMax + framedLength(runLength),
    },
    {
      holder: 'control-messages',
      bytes: run.controlBytes,
      // What one turn writes, and, of connections that we have closed too, what may wait where it is tight.
      max:
        swarmLimits.peer.controlBytesMax +
        2 * swarmLimits.peer.outBytesMax +
        facts.connectionsMax * 2 * swarmLimits.peer.markBytes,
    },
    {
      holder: 'partial-messages',
      bytes: sum('partialMessages'),
      max: facts.connections * swarmLimits.peer.partialBytesMax,
    },
    { holder: 'metadata', bytes: sum('metadata'), max: count * swarmLimits.extension.metadataHeldBytesMax },
    { holder: 'hash-leaves', bytes: sum('hashLeaves'), max: count * swarmLimits.hashes.leafHeldBytesMax },
    { holder: 'blame', bytes: sum('blame'), max: count * swarmLimits.blame.memoryBytesMax },
    {
      holder: 'peer-books',
      bytes: sum('peerBook'),
      max: count * swarmLimits.peerBook.addressesMax * swarmLimits.peerBook.addressBytes,
    },
    { holder: 'handshakes', ...facts.handshakes },
    { holder: 'resume', bytes: sum('resume'), max: count * swarmLimits.resumeSave.recordBytesMax },
  ];
}

/** The books agree with each other: what the pool has lent is what torrents hold or the disk has. */
export function assertBalanced(facts: MemoryFacts): void {
  const lent = facts.torrents.reduce((bytes, t) => bytes + t.pieces + t.piecesAtDisk, 0);
  assert(lent === facts.pool.lentBytes, `piece buffers: ${facts.pool.lentBytes} bytes are lent, ${lent} are held`);
  facts.runs.assertBalanced();
  for (const { holder, bytes, max } of listHolders(facts)) {
    assert(bytes >= 0 && bytes <= max, `${holder}: ${bytes} bytes of ${max}`);
  }
}

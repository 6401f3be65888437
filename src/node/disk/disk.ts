import type { BtError, Millis } from '../../base/index.ts';
import type { DiskInputs, DiskPort } from '../../swarm/index.ts';
import { type DiskReply, type PackedError, unpackError } from './protocol.ts';

/** Somebody who does the disk's work: `DiskPool` on other threads, `InlineDisk` on this one. */
export interface Disk extends DiskPort {
  /** Says who gets the replies, each on a later turn than its request. Once, before the first request. */
  attach(deliver: (reply: DiskReply) => void): void;
  /** Bytes of its own buffers: what it reads into to hash. */
  readonly bufferBytes: number;
  /** Finishes what was asked for except rechecks, closes all files. Replies that come after this call are dropped. */
  close(): Promise<void>;
}

/** Tells the brain what the disk has answered. */
export function deliverReply(inputs: DiskInputs, now: Millis, reply: DiskReply): void {
  switch (reply.verb) {
    case 'load':
      inputs.onTorrentLoaded(now, reply.torrent, reply.bytes);
      return;
    case 'open': {
      const { result } = reply;
      inputs.onStoreOpened(
        now,
        reply.torrent,
        result.kind === 'failed'
          ? { kind: 'failed', error: unpackError(result.error) }
          : {
              ...result,
              resumeTrouble: toError(result.resumeTrouble),
              writeTrouble: toError(result.writeTrouble),
            },
      );
      return;
    }
    case 'commit': {
      const { outcome } = reply;
      inputs.onCommitted(
        now,
        reply.torrent,
        reply.piece,
        outcome.kind === 'failed' ? { kind: 'failed', error: unpackError(outcome.error) } : outcome,
        reply.segments,
        reply.blockHashes,
      );
      return;
    }
    case 'segment':
      inputs.onSegmentStored(now, reply.torrent, reply.piece, reply.offset, reply.bytes, toError(reply.error));
      return;
    case 'run':
      inputs.onRun(now, reply.torrent, reply.run, reply.into, toError(reply.error));
      return;
    case 'recheck':
      inputs.onRechecked(now, reply.torrent, reply.first, reply.good, toError(reply.error));
      return;
    case 'leaves':
      inputs.onLeaves(now, reply.torrent, reply.piece, reply.leaves, toError(reply.error));
      return;
    case 'save':
      inputs.onResumeSaved(now, reply.torrent, toError(reply.error));
      return;
    case 'move':
      inputs.onStoreMoved(now, reply.torrent, reply.folder, toError(reply.error));
      return;
    case 'close':
      inputs.onStoreClosed(now, reply.torrent);
      return;
  }
}

function toError(packed: PackedError | undefined): BtError | undefined {
  return packed === undefined ? undefined : unpackError(packed);
}

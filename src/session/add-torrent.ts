import type { TorrentSource, Totals } from '../swarm/index.ts';
import type { Tracer } from '../trace/index.ts';

/** What is known of a torrent while it is not awake: what its snapshot shows then. */
export interface KnownTorrent {
  readonly name?: string | undefined;
  readonly totalBytes?: number | undefined;
  readonly pieceCount?: number | undefined;
  readonly piecesHave?: number | undefined;
  readonly wantedBytes?: number | undefined;
  readonly doneBytes?: number | undefined;
  /** Everything wanted is verified and stored; looked at again when it wakes. */
  readonly isComplete?: boolean | undefined;
}

export interface AddTorrent extends TorrentSource {
  readonly tracer?: Tracer | undefined;
  /** Bytes per second for this torrent alone; Infinity = no limit. */
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
  /** From an earlier run. */
  readonly known?: KnownTorrent;
  /** Payload bytes of earlier runs. */
  readonly totals?: Totals;
  /** It is not to run until `resume`. */
  readonly isPaused?: boolean;
  /** Place in the queue, as an earlier run had it; last where absent. */
  readonly rank?: number;
}

import type { PeerAddress } from '#base';

/** What a test may ask of the process that is attacked. */
export interface VictimCalls {
  /** A session of its own, with one torrent in `folder`. @returns where it listens */
  open(o: {
    readonly folder: string;
    /** Path of a .torrent file, or a magnet link. */
    readonly torrent: string;
    readonly peers?: readonly PeerAddress[];
    readonly connectionsMax?: number;
    /** The content is there already: it seeds. */
    readonly verified?: boolean;
  }): { readonly address: PeerAddress };
  addPeers(peers: readonly PeerAddress[]): undefined;
  facts(): VictimFacts;
  /** Garbage is collected first, and the peak of memory begins anew. */
  settle(): VictimFacts;
  close(): undefined;
}

/** Bytes of memory, as the process sees them. */
export interface VictimMemory {
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
}

export interface VictimFacts {
  readonly memory: VictimMemory;
  /** The most since `settle`. */
  readonly peak: VictimMemory;
  /** Longest time between two turns of its event loop since `settle`, ms. */
  readonly stallMs: number;
  /** CPU time of the process so far, ms. */
  readonly cpuMs: number;
  readonly fds: number;
  /** The most since `settle`. */
  readonly peakFds: number;
  readonly phase: string;
  readonly piecesHave: number;
  readonly badPieces: number;
  readonly peersKnown: number;
  readonly wasted: number;
  /** Connections of the session, with those of which the torrent is not known yet. */
  readonly connections: number;
  readonly peers: readonly { readonly host: string; readonly downloaded: number }[];
  /** Buffers of pieces and of uploads that are lent. */
  readonly pieceBytes: number;
  readonly uploadBytes: number;
  /** Why connections ended: code to count. */
  readonly closed: Readonly<Record<string, number>>;
  /** Why connections ended before they were a peer's. */
  readonly refused: Readonly<Record<string, number>>;
  /** Who was banned, and why. */
  readonly bans: readonly { readonly key: string; readonly reason: string }[];
  readonly error: string | undefined;
}

export interface VictimRequest {
  readonly id: number;
  readonly call: keyof VictimCalls;
  readonly args: readonly unknown[];
}
export interface VictimReply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

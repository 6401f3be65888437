/** Bounds of the tracker's front ends: what one stranger may cost. */
export interface FrontLimits {
  /** Connections held by one HTTP listener; more are dropped at once. */
  readonly httpConnectionsMax: number;
  /** Bytes of one request, line and headers. A scrape of 74 torrents takes about 5,500. */
  readonly httpHeadBytesMax: number;
  /** Bytes of the request target. */
  readonly httpTargetBytesMax: number;
  /** From the first byte of a request to its last: who sends byte by byte does not hold a connection. */
  readonly httpHeadTimeoutMs: number;
  /** A connection kept alive without a request, or one that does not take its answers. */
  readonly httpIdleTimeoutMs: number;
  /** Answers waiting to be taken; above it no further request of that connection is read. */
  readonly httpUnsentBytesMax: number;
  /** Bytes of a UDP answer: what every IPv6 path carries in one piece (1,280 less headers). */
  readonly udpAnswerBytesMax: number;
  /** Asked of the system for each UDP socket: a burst must wait somewhere. */
  readonly udpReceiveBufferBytes: number;
}

export const frontLimits: FrontLimits = {
  httpConnectionsMax: 4_096,
  httpHeadBytesMax: 8_192,
  httpTargetBytesMax: 6_144,
  httpHeadTimeoutMs: 10_000,
  httpIdleTimeoutMs: 30_000,
  httpUnsentBytesMax: 65_536,
  udpAnswerBytesMax: 1_232,
  udpReceiveBufferBytes: 4_194_304,
};

/** Bounds of the catalogue: what uploads, and a folder full of files, may cost. */
export const catalogueLimits = {
  /** Torrents listed; each takes about a kilobyte of memory. */
  entriesMax: 200_000,
  /** Bytes of one .torrent file: one of 2 TiB in pieces of 16 MiB has 2.6 MB of hashes. */
  torrentBytesMax: 10_485_760,
  /** Bytes of the notes beside a torrent. */
  sideBytesMax: 65_536,
  titleCharsMax: 200,
  descriptionCharsMax: 10_000,
  /** A category, a tag, a name of who added it. */
  wordCharsMax: 40,
  tagsMax: 20,
  /** Torrents on one page, rows of a feed. */
  pageRows: 50,
  /** Files shown on a torrent's page; the rest is counted. */
  filesShown: 500,
  /** Uploads taken at once: each holds a whole file in memory. */
  uploadsAtOnceMax: 4,
} as const;

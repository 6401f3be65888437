/** Bounds of the tracker's front ends: what one stranger may cost. */
export interface FrontLimits {
  /** Connections held by one HTTP listener; more are dropped at once. */
  readonly httpConnectionsMax: number;
  /** Of them, held by one IPv4 address or IPv6 /64; trusted proxies are free of it. Networks of providers share an address among many. */
  readonly httpConnectionsPerAddressMax: number;
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
  /** Full scrapes sent at the same time: each holds 32 bytes a torrent until it is sent. */
  readonly fullScrapesAtOnce: number;
  /** Full scrapes begun in a minute, whoever asks. */
  readonly fullScrapesPerMinute: number;
  /** A full scrape that its client has not taken by then is cut off. */
  readonly fullScrapeTimeoutMs: number;
  /** A timer that comes this much too late says that the event loop is behind with its work. */
  readonly loopLagMaxMs: number;
  /** Bytes of a UDP answer: what every IPv6 path carries in one piece (1,280 less headers). */
  readonly udpAnswerBytesMax: number;
  /** Asked of the system for each UDP socket: a burst must wait somewhere. */
  readonly udpReceiveBufferBytes: number;
}

export const frontLimits: FrontLimits = {
  httpConnectionsMax: 4_096,
  httpConnectionsPerAddressMax: 256,
  httpHeadBytesMax: 8_192,
  httpTargetBytesMax: 6_144,
  httpHeadTimeoutMs: 10_000,
  httpIdleTimeoutMs: 30_000,
  httpUnsentBytesMax: 65_536,
  fullScrapesAtOnce: 2,
  fullScrapesPerMinute: 6,
  fullScrapeTimeoutMs: 120_000,
  loopLagMaxMs: 250,
  udpAnswerBytesMax: 1_232,
  udpReceiveBufferBytes: 4_194_304,
};

/** Bounds of the catalogue: what uploads, and a folder full of files, may cost. */
export const catalogueLimits = {
  /** Torrents listed; each takes about a kilobyte of memory. */
  entriesMax: 200_000,
  /** Bytes of one .torrent file: one of 2 TiB in pieces of 16 MiB has 2.6 MB of hashes. */
  torrentBytesMax: 10_485_760,
  /** Files of a torrent that somebody sends: to read one of so many takes a tenth of a second. An operator may put larger ones into the folder. */
  filesMax: 20_000,
  /** Bytes of the torrents that were looked at last and are kept in memory, where each takes some times its file. */
  recentBytesMax: 20_971_520,
  /** Bytes of the notes beside a torrent. */
  sideBytesMax: 65_536,
  /** Every list and feed carries it. */
  titleCharsMax: 200,
  /** Five pages of text. */
  descriptionCharsMax: 10_000,
  /** A category, a tag, a name of who added it. */
  wordCharsMax: 40,
  /** Of one torrent. */
  tagsMax: 20,
  /** Torrents on one page, rows of a feed. */
  pageRows: 50,
  /** Files shown on a torrent's page; the rest is counted. */
  filesShown: 500,
  /** Uploads taken at once, one of an address: each holds a whole file in memory. */
  uploadsAtOnceMax: 8,
  /** Fields of a form. Ours have eight. */
  formFieldsMax: 32,
  /** Bytes of a form without a file, as `application/x-www-form-urlencoded`. */
  plainFormBytesMax: 65_536,
} as const;

/** Bounds of replication between trackers. */
export const replicationLimits = {
  /** Streams that deltas are spread over by info-hash, so that the masters of a Redis Cluster share the load. The same for all trackers; a power of two. */
  streamCount: 8,
  /** How long a delta waits for others, and how often the streams are read. */
  batchMs: 100,
  /** Bytes of an entry, without its header: about 2,400 deltas. Larger ones save nothing. */
  entryBytesMax: 65_534,
  /** Bytes of an entry that is read; a larger one is not of our making. */
  entryReadBytesMax: 1_048_576,
  /** Deltas kept for a Redis that is away. What goes beyond is dropped, and everything told when it is back. */
  unsentBytesMax: 67_108_864,
  /** Entries that Redis has acknowledged are sent again where it falls and has lost them: Redis writes to disk once a second. */
  keptMs: 10_000,
  keptBytesMax: 33_554_432,
  /** Entries that are read and not applied; above it no more is read. */
  queuedBytesMax: 16_777_216,
  /** Entries asked of one stream at a time: an answer of all streams is taken apart in one go, which must be short. */
  readEntriesMax: 2,
  /** Applying stops nothing else for longer than this. */
  applySliceMs: 1,
  /** Bytes of all streams in Redis; the oldest entries go. A tracker that is behind by more loads a snapshot. */
  streamBytesMax: 268_435_456,
  /** Entries older than this go too. */
  streamAgeMs: 900_000,
  /** How often a tracker says that it is there, and looks for the others. */
  beatMs: 1_000,
  /** A tracker that was silent this long is gone. */
  memberTimeoutMs: 10_000,
  /** A tracker that was silent this long is forgotten. */
  memberForgetMs: 3_600_000,
  membersMax: 1_024,
  /** A command without an answer for this long: Redis counts as away. */
  commandTimeoutMs: 5_000,
  connectTimeoutMs: 5_000,
  /** Between two attempts to reach Redis; doubles from the first to the second. */
  retryMinMs: 200,
  retryMaxMs: 5_000,
  /** A tracker that joins waits this long for a snapshot to be begun, then serves without, and goes on asking. */
  snapshotWaitMs: 5_000,
  /** Chunks of a snapshot, and the snapshot's lock, live this long without a sign of their writer. */
  snapshotChunkSec: 600,
  snapshotLockMs: 15_000,
  /** Chunks of one snapshot, and bytes of a chunk: together 64 GiB. */
  snapshotChunksMax: 65_536,
  snapshotChunkBytesMax: 1_048_576,
} as const;

/** Bounds of pages and API. */
export const webLimits = {
  /** Wrong tokens that an address (IPv6: /64) may send in a window, before it has to wait for the next. */
  wrongTokensMax: 10,
  /** The window. */
  wrongTokensWindowMs: 60_000,
  /** Addresses that wrong tokens are counted by; at the bound the oldest is forgotten. Guards memory. */
  wrongTokensAddressesMax: 10_000,
  /** Bytes of a request to the API, where a part does not take more: no operation needs more than a few names. */
  apiBodyBytesMax: 65_536,
  /** Bytes of a torrent on its way into the catalogue by the API, as base64 in JSON. */
  catalogueBodyBytesMax: 14_100_000,
  /** Page, numbers and metrics are made once in so long, however often they are asked for: the thread has announces to answer. */
  pageFreshMs: 1_000,
  /** From the last answer, or the connection, to the end of the next request with its body: an upload on a slow line. */
  requestTimeoutMs: 60_000,
  /** Requests of one address (IPv6: /64) for pages in a window; local ones are free. A page costs up to some milliseconds, and a visitor opens few. */
  pageRequestsMax: 1_200,
  /** The window. */
  pageWindowMs: 60_000,
  /** A connection without traffic. */
  idleTimeoutMs: 30_000,
  /** Requests of one connection that wait for their answers; one more drops it. Browsers send one at a time. */
  pipelinedMax: 8,
  /** Without traffic while the API works: a snapshot of a large store takes its time. */
  apiAnswerTimeoutMs: 600_000,
  /** Items of a list in one answer of the API. */
  apiItemsMax: 1_000,
  /** Items where the request does not say. */
  apiItemsDefault: 100,
} as const;

/**
 * Every bound and constant of one torrent's brain, by subject, with its unit and why it has this value. docs/limits.md is made from
 * this file. Nothing here is a promise to users; what they may choose comes in by options.
 */
export const limits = {
  requests: {
    /** Requests at a new peer: enough to measure it, little to lose if it never answers. */
    start: 8,
    /** Most open requests at one peer: 8 MiB on the way, bandwidth x delay of 1 Gbit/s at 60 ms. */
    max: 512,
    /** Requests sent at once: one packet for many, small enough that the pipe never runs dry meanwhile. */
    batch: 32,
    /**
     * ms of blocks to have asked for beyond a round trip. The sender always has something to send, and a piece is not promised to a slow
     * peer long before it comes: in a swarm, fellows get it meanwhile and it is fetched twice (a demo seed sent 1.27 copies at 2,000).
     */
    queueMs: 500,
    /** ms of the longest round trip that is allowed for: two satellites. */
    latencyMaxMs: 1_500,
    /** ms without a byte of what was asked for until a peer is snubbed; its blocks are free for others then. */
    snubMs: 20_000,
    /** Factor on this while our own download limit makes peers look slow. */
    limitedPatience: 3,
    /** ms that one request or one block may take: a byte now and then must not keep a block from others for ever. */
    slowMs: 60_000,
    /** Snubs in a row after which the connection is given up: it holds a place that a better peer could have. */
    snubsMax: 4,
    /** Open requests for one block in end-game: one duplicate finds out a slow peer, more are waste. */
    endGameAskersMax: 2,
    /** In end-game, duplicates are asked only of peers with at most this many open requests: those that are about to idle. */
    endGameIdleMax: 2,
    /** ms that a peer must have been silent before a second one is asked for what it owes: sooner, most duplicates would be waste. */
    endGameWaitMs: 1_000,
    /** Factor on the usual time between two of its blocks, and on that which its blocks take, for which none is asked (docs/policies.md). */
    endGamePatience: 5,
    /** By how much that factor grows with the share of payload that came twice: at 1 % six times as much, so that more is rare. */
    endGameRegret: 500,
    /** ms that a block must have been owed until somebody with nothing else to do is asked for it before end-game, or in it beside `endGameAskersMax`. */
    owedMs: 5_000,
    /** ms that a block may take until the second copy of it is preferred to the first: the rest of that one is waste then. */
    takeOverMs: 2_000,
    /** Duplicates asked of one peer at a time. */
    endGameBatch: 1,
    /** Requests taken back that are remembered per peer, since their blocks may still come. */
    cancelledMax: 1_024,
    /** Pieces chosen at random before rarest-first: to have something to give soon (BEP 3 lore). */
    randomFirstPieces: 4,
    /** ms until a peer that rejected a piece is asked for it again. */
    refusedMs: 60_000,
    /** ms that a peer has for a piece on parole before others who send may have it, and for each block of it: 16 KiB/s. */
    paroleMs: 15_000,
    paroleBlockMs: 1_000,
    /** ms that a piece in work with nobody asked for it keeps its buffer while others need one. */
    stalePieceMs: 30_000,
  },
  pool: {
    /** Bytes of piece buffers of a session by default: four times what one peer at full speed has on its way. More was not faster. */
    pieceBytes: 33_554_432,
    /** Pieces longer than this are fetched in segments that go to disk before the piece is whole, so that memory stays bounded. */
    wholePieceBytesMax: 4_194_304,
    /** ms until a disk that was full, or failed, is tried again, and until a file that is missing is looked for again. */
    diskRetryMs: 10_000,
    /** Doubted pieces hashed in one request: a check of everything that the user asks for waits for its end. */
    doubtsAtOnce: 64,
    /** Pieces taken back at once that a peer is told one by one. It is dropped instead where there are more: it comes back and learns all. */
    takenBackMax: 1_000,
    /** Bytes of such a segment. */
    segmentBytes: 1_048_576,
  },
  upload: {
    /** Bytes of runs read for upload that a session keeps. */
    runCacheBytes: 16_777_216,
    /** Runs being read at once, of all torrents: keeps the disk busy, no more. */
    runReadsMax: 16,
    /** Runs of one peer's queue read ahead. */
    readAheadRuns: 3,
    /** Bytes that a peer who could take less than its share of a limit may catch up, at least; half a second of the limit otherwise. */
    fairLagBytesMin: 32_768,
    /** Bytes at the socket of one peer that are not written yet: fills bandwidth x delay together with the kernel's buffer. */
    windowBytes: 1_048_576,
    /** Blocks, or rows of them, in the same: who asks for single bytes must not hold a write for each. Twice the window in whole blocks. */
    windowViewsMax: 128,
    /** Runs that one peer's socket may hold; what else it asks for is copied, so that peers who do not read cannot hold all buffers. */
    heldRunsMax: 4,
    /** Bytes of such copies at sockets, of all peers together: 32 peers who do not read. Whoever needs one more waits. */
    copyBytesMax: 33_554_432,
    /** ms in which nothing at all has left for a peer that has asked for data: it does not read. */
    stuckMs: 240_000,
    /** Requests queued for one peer; told to it as `reqq` (BEP 10). A request beyond is rejected. */
    queueMax: 2_000,
    /** Rejected or ignored requests in a row that make a flood. */
    floodMax: 10_000,
    /** Longest request served, bytes: all clients ask 16 KiB, very old ones up to 128 KiB. */
    requestBytesMax: 131_072,
    /** Pieces a choked peer may have at once. BEP 6 proposes 10: in a crowd a slow seed then sends little else (docs/policies.md). */
    allowedFastPieces: 2,
    /** One piece in so many, at most, may be had while choked: in a torrent of a few pieces choking would mean nothing otherwise. */
    allowedFastShare: 10,
    /** Pieces that a peer may name as ours to fetch while it chokes us: ten times what BEP 6 proposes. */
    allowedFastTakenMax: 100,
  },
  peer: {
    /** ms of silence after which we send a keep-alive (BEP 3: two minutes). */
    keepAliveMs: 110_000,
    /** ms of silence after which the other side is gone. */
    idleMs: 240_000,
    /** ms a connection may exchange no payload before it can make way for a newcomer, where all places are taken. */
    idlerMs: 60_000,
    /** The same where payload has gone one way or the other: a single block must not buy a place for ever. */
    provenIdlerMs: 300_000,
    /** Connections of one torrent. */
    connsPerTorrent: 80,
    /** Share of these that incoming connections leave to dials while we download: crowds at the door must not choose our peers. */
    dialShare: 0.2,
    /** Messages a second, blocks and requests that are queued not counted, that no honest client reaches (a HAVE for each 16 KiB at 300 MiB/s). */
    controlPerSecMax: 20_000,
    /** Bytes of payload never asked for until a peer is dropped. */
    unaskedBytesMax: 1_048_576,
    /** Bytes that an unasked block counts for at least: an empty one is not for nothing. */
    unaskedBytesMin: 1_024,
    /** HAVEs kept of one peer before the metadata is known: some 300 KB. Honest peers send a bitfield. */
    earlyHavesMax: 8_192,
    /** Fewer connections than this while downloading: trackers are asked again as soon as they allow. */
    connsLow: 10,
    /** Peers asked of a tracker at a time: its own default mostly. */
    numWant: 50,
    /** Control bytes that may wait at one socket: a peer that makes us talk and does not read is dropped. */
    outBytesMax: 4_194_304,
    /** Watched control bytes at all sockets together; beyond, whoever has left more than `markBytes` unread is dropped when it is told more. */
    controlBytesMax: 67_108_864,
    /** Control bytes that may wait before answers that the peer asked for are refused (metadata, hashes). */
    answerBytesMax: 1_048_576,
    /** Bytes of a message that is not whole yet: the longest kind is a bitfield before the number of pieces is known; carries grow by halves. */
    partialBytesMax: 524_288,
    /** Control bytes after which one write is watched until it is at the network: rare enough to cost nothing. */
    markBytes: 65_536,
    /** ms between looks at every connection of a torrent. */
    tickMs: 1_000,
  },
  extension: {
    /** ms between two PEX messages to one peer (BEP 11: at most one a minute). */
    pexMs: 60_000,
    /** Addresses in one PEX message (BEP 11: 50). */
    pexMax: 50,
    /** Addresses of peers that left, kept to tell others: beyond it they find out themselves. */
    pexLeftMax: 200,
    /** PEX messages nearer together than this (ms) are ignored. */
    pexMinMs: 40_000,
    /** Bytes of unverified info dictionaries in memory, of all sizes that peers claim: two of the largest. */
    metadataHeldBytesMax: 33_554_432,
    /** ms until a piece of metadata is asked of somebody else, and until who rejected one is asked again. */
    metadataTimeoutMs: 10_000,
    /** Metadata requests open at one peer. */
    metadataRequestsMax: 4,
    /** Whole fetches of the metadata that one peer is served a minute: they count for no upload limit. */
    metadataFetchesPerMinute: 4,
    /** Metadata requests served a minute all the same, however small the dictionary. */
    metadataServedPerMinute: 64,
    /** Bytes that trackers are told as missing while the size is not known. */
    leftUnknownBytes: 16_384,
    /** Hash requests of one peer served a minute. */
    hashesServedPerMinute: 2_000,
  },
  resumeSave: {
    /** Bytes of a record, for the ledger: the largest info dictionary with all hashes, and layers beside. */
    recordBytesMax: 134_217_728,
    /** ms between a change and saving it, so that many changes are one write. */
    debounceMs: 5_000,
    /** ms that the write which was going on when a program died may have taken. What has changed later, or elsewhere, was not ours. */
    crashGraceMs: 100,
  },
  choker: {
    /** ms between rounds. BEP 3: long enough for TCP to show what a connection can give, and for a pipeline to pay. */
    roundMs: 10_000,
    /** ms an optimistic unchoke lasts: three rounds, so that a newcomer can fetch a piece and give something back (BEP 3). */
    optimisticMs: 30_000,
    /** How many times likelier a newcomer is drawn for the optimistic slot (BEP 3): he has nothing to trade yet. */
    newcomerWeight: 3,
    /** ms after connecting during which a peer who never had a slot counts as a newcomer: two draws. */
    newcomerMs: 60_000,
    /** Whoever has a slot is compared with this factor on what he gives: rates wobble, and flapping costs both sides a pipeline. */
    incumbentFactor: 1.1,
    /** ms a seed serves a peer before others go first. About the time to fetch some pieces and pass them on. */
    seedTurnMs: 60_000,
    /** ms a slot is kept whatever the rate while seeding: no rate is known sooner. Two rounds. */
    seedTurnMinMs: 20_000,
    /** One in this many slots changes hands each round while seeding, if somebody waits: new pieces reach more peers. */
    seedRotationShare: 4,
    /** Fewest slots: with fewer a single bad choice idles the line. */
    slotsMin: 2,
    /** Fewest slots where nothing limits uploads: nothing has been measured yet, or the line is thin. */
    slotsUnlimited: 4,
    /** ms in which each slot must get a whole piece where more are given between rounds; slower swarms are not over before the next. */
    quickPieceMs: 250,
    /** Most slots: beyond it each peer gets too little to finish a piece soon. */
    slotsMax: 64,
    /**
     * Squared slots per KiB/s of upload rate: slots grow with its root, so that each slot gets more on a better line too. The fewer, the
     * sooner a piece is whole and can be passed on (docs/policies.md).
     */
    slotsPerKib: 0.3,
  },
  peerBook: {
    /** Addresses known of one torrent. Some ten times the connections it will ever have; a fifth of a megabyte. */
    addressesMax: 2_000,
    /** Of these, addresses that only peers told us (BEP 11): anybody can invent them, so they never fill the book. */
    pexAddressesMax: 1_000,
    /** Addresses and connections of one host (loopback excepted): a household behind one address, not a flood. */
    perHostMax: 4,
    /** ms until an address is tried again after its first failure; doubles with each further one. */
    retryMs: 5_000,
    /** ms, the longest wait between two tries. */
    retryMaxMs: 3_600_000,
    /** ms, the longest wait for a peer that the user named: somebody may be looking at it. */
    retryManualMaxMs: 30_000,
    /** Share by which a wait is made longer or shorter by chance, so that peers of a broken network do not come back in step. */
    retryJitter: 0.25,
    /** Failures in a row after which an address is forgotten, until somebody names it again. */
    failuresMax: 8,
    /** ms until a peer that was useful is dialled again. */
    returnMs: 10_000,
    /** ms until a peer with whom nothing was exchanged is dialled again. */
    idleReturnMs: 300_000,
    /** Hosts banned at a time; the oldest ban makes room. */
    bansMax: 4_096,
    /** Own addresses remembered: as many as a machine may have. */
    ownAddressesMax: 64,
    /** Bytes that one address takes in memory, about: for the ledger. */
    addressBytes: 400,
    /** Addresses kept in resume data, to find the swarm again without a tracker. */
    sampleMax: 100,
  },
  announcer: {
    /** ms, shortest regular interval: a tracker that asks for less is asked no more often. */
    intervalMinMs: 10_000,
    /** ms, longest regular interval: a tracker that says a week is still heard of once a day. */
    intervalMaxMs: 86_400_000,
    /** Share by which an interval is made longer by chance, so that a swarm does not announce in step. Never shorter. */
    intervalJitter: 0.05,
    /** ms between announces to a tracker that names no minimum, however much we want peers. */
    minIntervalMs: 60_000,
    /** ms until a tracker that did not answer is tried again; doubles with each failure. */
    retryMs: 5_000,
    /** ms until a tracker that said no is asked again; doubles too. It will not have changed its mind soon. */
    refusedRetryMs: 60_000,
    /** ms, the longest wait after failures. */
    retryMaxMs: 3_600_000,
    /** Share by which a retry is made longer by chance: a tracker that comes back is not to be met by everybody at once. */
    retryJitter: 0.25,
    /** Trackers of one torrent: each costs a row of state and, at worst, a request every few seconds at the start. */
    trackersMax: 200,
  },
  blame: {
    /** Bytes of block hashes of bad data kept until the good version comes; the oldest cases are given up first. */
    memoryBytes: 4_194_304,
    /** Bytes of the same with the newest case, which is kept whatever its size: versions of a piece of 512 MiB. */
    memoryBytesMax: 8_388_608,
    /** Bad versions of one piece kept: one proves enough, a few prove more liars at once. */
    versionsMax: 4,
    /** Failures of a piece after which all of it is asked of one peer, so that the next failure has one author. */
    paroleFailures: 2,
  },
  hashes: {
    /** Hash requests open at one peer (BEP 52): each brings up to 512 hashes. */
    perPeerMax: 4,
    /** ms until hashes are asked of somebody else. */
    timeoutMs: 10_000,
    /** ms until a peer who had no hashes for us is asked for them again: by then it may have fetched them itself. */
    refusedMs: 60_000,
    /** Requests of one peer waiting for leaves to be read from disk; more are rejected. */
    waitingPerPeerMax: 8,
    /** Bytes of the same with those that waiting requests need: each is for 512 hashes of pieces of 8 MiB at most. */
    leafHeldBytesMax: 67_108_864,
    /** Bytes of content that are read and hashed at a time to answer hash requests; a request beyond is rejected, unless it is alone. */
    leafReadBytesMax: 16_777_216,
    /** Bytes of leaves kept to answer further requests for the same pieces: 64 pieces of 8 MiB. */
    leafCacheBytes: 1_048_576,
  },
} as const;

/** The shape of `limits` with plain numbers, for whoever takes part of it as a parameter. */
export type Limits = {
  readonly [Subject in keyof typeof limits]: { readonly [Name in keyof (typeof limits)[Subject]]: number };
};

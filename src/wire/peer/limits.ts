/** Every bound on what a peer may send, in bytes or counts, with its reason (docs/limits.md is made from this file). */
export const peerLimits = {
  /** Largest block in a `piece` message. We never ask for more than 16 KiB (BEP 3), so more cannot be an answer to us. */
  blockBytesMax: 16_384,
  /** Largest message of a kind we do not know: skipped unread, so it costs bandwidth only. As libtorrent 2.0. */
  messageBytesMax: 1_048_576,
  /** Bitfield before the number of pieces is known (magnet link): 2 Mi pieces, which no torrent in use reaches. */
  bitfieldBytesMax: 262_144,
  /** Payload of one extended message: a metadata piece is 16 KiB and its dictionary, everything else is smaller. */
  extendedBytesMax: 65_536,
  /** Hashes asked for at once (BEP 52: SHOULD NOT be greater). */
  hashRequestLengthMax: 512,
  /** Layers of a merkle tree over 16 KiB blocks: enough for a file of 2^53 bytes. */
  merkleLayersMax: 40,
  /** Hashes in one `hashes` message: the most we ask for and one uncle for each layer, rounded up. */
  hashesCountMax: 576,
  /** Size of an info dictionary that we would fetch from peers (BEP 9): several times the largest seen in use. */
  metadataBytesMax: 33_554_432,
  /** Unit of metadata exchange (BEP 9: all but the last are exactly this long). */
  metadataPieceBytes: 16_384,
  /** Containers inside each other in an extension message: two are in use. */
  extendedDepthMax: 8,
  /** Values and keys of an extension message: a handshake has some fifty. */
  extendedTokensMax: 1_024,
  /** Extension names kept of an extended handshake: some clients announce a dozen; more is an attempt to fill memory. */
  extensionsMax: 64,
  /** Longest extension name kept. */
  extensionNameBytesMax: 64,
  /** Client name in an extended handshake, cut to this many bytes before anyone sees it. */
  clientNameBytesMax: 64,
  /** Largest `reqq` believed: the pipeline has its own, lower bound. */
  requestQueueMax: 65_535,
  /** Pieces in an allowed-fast set (BEP 6 uses 10): each costs about a fifth of a SHA-1. */
  allowedFastMax: 64,
  /** Addresses taken of each list of a PEX message (BEP 11: at most 50 added and 50 dropped; first messages are longer). */
  pexPeersMax: 200,
  /** Addresses we put into each list of a PEX message (BEP 11). */
  pexPeersSentMax: 50,
} as const;

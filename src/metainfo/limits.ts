/** Bounds on what a stranger's torrent or link may ask of us, with reasons. Documented in docs/limits.md. */
export const limits = {
  /** Bytes of a .torrent file. 2^21 pieces of v1 take 42 MB, of a hybrid with its layers 109 MB, which nobody shares as one file. */
  torrentBytesMax: 67_108_864,
  /** Bytes. Just over the largest piece that libtorrent loads (32767 blocks), so that a block index fits in 15 bits. */
  pieceLengthMax: 536_870_912,
  /** As libtorrent. A bitfield of so many pieces takes 256 KiB, for us and for every peer; v2 needs no hash in the file for a piece. */
  pieceCountMax: 2_097_152,
  /** Entries of a file list, pad files included; each costs about 1 KB of memory and perhaps a file. */
  fileCountMax: 250_000,
  /** Folders of one torrent; a path can name hundreds of new ones in 1 KB. */
  folderCountMax: 100_000,
  /** URLs kept of one torrent or link; more are ignored. Nobody can announce to thousands every half hour. */
  trackerCountMax: 1000,
  webSeedCountMax: 1000,
  dhtNodeCountMax: 1000,
  /** Characters of one URL; longer ones are ignored. */
  urlCharsMax: 4096,
  /** Bytes of one path part: NAME_MAX of every common file system. */
  nameBytesMax: 255,
  /** Bytes of a whole path below the download folder, which has the other 1 KiB of the 4 KiB that Linux allows (PATH_MAX). */
  pathBytesMax: 3072,
  /** Characters of comment, creator and source: they are only shown. */
  textCharsMax: 16_384,
  /** Characters of a magnet link. */
  magnetCharsMax: 1_048_576,
  /** Addresses that one magnet link may bring. */
  magnetPeerCountMax: 200,
} as const;

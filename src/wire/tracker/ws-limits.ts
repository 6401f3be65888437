/** Bounds of the WebTorrent tracker codec: each says what it guards against. */
export const wsWireLimits = {
  /** Bytes of one message: 20 offers of 3 KiB, or a scrape of more torrents than a scrape answers. */
  messageBytesMax: 65_536,
  /** Offers in one announce; clients send 5 to 20. A tracker hands on as many as its operator allows. */
  offersMax: 50,
  /** Characters of one offer or answer. A session description with every candidate of a home computer has 1 to 4 KiB. */
  sdpCharsMax: 16_384,
  /** Bytes of an offer's id. Clients use 20; it is only carried, so shorter and longer ones are let through. */
  offerIdBytesMax: 64,
  /** Info-hashes in one scrape; a tracker answers the first `scrapeHashesMax`. */
  scrapeHashesMax: 200,
} as const;

/** Bounds of the tracker codecs: each says what it guards against. */
export const trackerWireLimits = {
  /** Characters of a tracker's text shown to people: a failure reason is a sentence, not a page. */
  textCharsMax: 500,
  /** Peers taken from one answer; trackers give 50 to 200. Guards memory against a hostile tracker. */
  peersMax: 2_000,
  /** Values in one HTTP answer: 2,000 peers as dictionaries of three members, and a scrape of 1,000 rows, stay below it. */
  bencodeTokensMax: 20_000,
  /** Rows taken from one scrape answer. */
  scrapeRowsMax: 1_000,
  /** Info-hashes in one UDP scrape: what fits an unfragmented packet (BEP 15). */
  udpScrapeHashesMax: 74,
  /** Info-hashes in one HTTP scrape query of ours; longer URLs are refused by common servers. */
  httpScrapeHashesMax: 50,
  /** Seconds. A shorter interval in an answer is a busy loop. */
  intervalMinSec: 10,
  /** Seconds, 7 days. A longer interval would lose the tracker for good. */
  intervalMaxSec: 604_800,
  /** Seconds, taken where an answer names no interval. */
  intervalDefaultSec: 1_800,
  /** Parameters of a query string; a real announce has about 15, a scrape one a torrent. */
  queryParametersMax: 200,
  /** Bytes of path and query of a UDP tracker URL sent along or taken (BEP 41). */
  urlDataBytesMax: 1_024,
  /** Characters of an announce URL. */
  urlCharsMax: 4_096,
} as const;

/** Brings an answer's seconds into range; `undefined` and non-finite give the default. */
export function clampInterval(seconds: number | undefined): number {
  if (seconds === undefined || !Number.isFinite(seconds)) return trackerWireLimits.intervalDefaultSec;
  return Math.min(Math.max(Math.floor(seconds), trackerWireLimits.intervalMinSec), trackerWireLimits.intervalMaxSec);
}

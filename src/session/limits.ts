/** Every bound of a session, with its unit and reason. What users may choose comes in by options; these are the defaults and the hard edges. */
export const limits = {
  /** Connections of all torrents: a home router's table, and Node at some KiB each. */
  connsMax: 500,
  /** Dials and handshakes under way: routers and providers punish bursts of half-open connections. */
  dialingMax: 60,
  /** Incoming connections whose handshake is not complete: slow ones by the thousand must not keep others out. */
  incomingPendingMax: 200,
  /** ms for a handshake, from connected to complete. */
  handshakeMs: 15_000,
  /** Announces a second beyond the first ones, all torrents together: thousands at once would be an attack on the tracker. */
  announcesPerSec: 40,
  /** Announces that leave without delay after a quiet time. */
  announceBurst: 40,
  /** Announces to one tracker that are not answered yet: a connection each. */
  announcesInFlightMax: 100,
  /** ms over which the first announces of one sleeping torrent of many are spread by chance, times their number: 25 = 40 a second. */
  announceSpreadMs: 25,
  /** ms, the longest such spread: the interval that most trackers ask for. */
  announceSpreadMaxMs: 1_800_000,
  /** ms without a peer after which a seed goes to sleep: longer than a peer takes to come back, short enough that memory follows demand. */
  sleepMs: 180_000,
  /** ms between two looks at the queue while something waits in it. */
  queueMs: 10_000,
  /** ms without payload after which a download gives its place to one that waits. A swarm that is alive answers sooner. */
  stalledMs: 300_000,
  /** ms after which an active seed gives its place to one that somebody asked for: some pieces have been passed on by then. */
  seedTurnMs: 600_000,
  /** ms for which a refused connection counts as somebody who waits. */
  seedWantedMs: 60_000,
  /** Seconds of payload that a limit may save up for a burst: short, so that a limit holds within any second. */
  burstSec: 0.1,
  /** Smallest burst, bytes: one block. */
  burstBytesMin: 16_384,
  /** ms between two searches for buffers that torrents hold for nothing. */
  reclaimMs: 1_000,
  /** ms that stopping may wait for trackers. */
  stopAnnounceMs: 3_000,
} as const;

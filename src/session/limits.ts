/** Every bound of a session, with its unit and reason. What users may choose comes in by options; these are the defaults and the hard edges. */
export const limits = {
  /** Connections of all torrents: a home router's table, and Node at some KiB each. */
  connsMax: 500,
  /** Share of these that incoming connections leave to dials: crowds at the door must not keep us from looking for peers. */
  dialShare: 0.1,
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
  /** Seconds of payload that a limit may save up for a burst: what a busy event loop lost is made up for, and it holds within any second. */
  burstSec: 0.1,
  /** The same together with one block, at most: a limit holds within 3 % over ten seconds, however low it is. */
  burstAndBlockSec: 0.3,
  /** Least burst, bytes. */
  burstBytesMin: 1_024,
  /** Seconds of payload saved up before a limit that was used up opens again: a wake-up serves more than one packet. */
  reopenSec: 0.01,
  /** Seconds of payload that one read from a socket may bring under a download limit: the grain in which it holds. */
  readSec: 0.125,
  /** Bytes of the same, at least and at most: what the receive buffer holds. */
  readBytesMin: 4_096,
  readBytesMax: 262_144,
  /** Seconds of payload that a torrent sends in its turn under an upload limit: those with lower limits of their own must not wait long. */
  turnSec: 0.02,
  /** Bytes of the same, at least and at most: a block, and what is read from disk at a time. */
  turnBytesMin: 16_384,
  turnBytesMax: 262_144,
  /** Seconds of payload that who comes back, or could take less than his share, may catch up. */
  fairLagSec: 0.5,
  /** Bytes of the same, at least. */
  fairLagBytesMin: 32_768,
  /** ms that those whose turn it is to be read have to use up a download limit, until others may too. */
  readProbeMs: 5,
  /** ms without payload after which a connection takes no part in turns. */
  readerIdleMs: 2_000,
  /** ms between two searches for buffers that torrents hold for nothing. */
  reclaimMs: 1_000,
  /** ms that stopping may wait for trackers. */
  stopAnnounceMs: 3_000,
} as const;

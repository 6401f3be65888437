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
  /** ms between the first announces of torrents beyond the first ones: thousands at once would be an attack on the tracker. */
  announceSpreadMs: 25,
  /** Torrents that announce without delay when added. */
  announceAtOnce: 20,
  /** Seconds of payload that a limit may save up for a burst: short, so that a limit holds within any second. */
  burstSec: 0.1,
  /** Smallest burst, bytes: one block. */
  burstBytesMin: 16_384,
  /** ms between two searches for buffers that torrents hold for nothing. */
  reclaimMs: 1_000,
  /** ms that stopping may wait for trackers. */
  stopAnnounceMs: 3_000,
} as const;

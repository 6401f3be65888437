/** Bounds of the accounts of a private tracker. */
export const accountLimits = {
  /** Pairs of user and torrent kept, about 110 bytes each; above it those without clients that were heard of longest ago make way. */
  pairsMax: 5_000_000,
  /** Clients counted at a time, about 190 bytes each; above it new ones are served, but not counted. */
  sessionsMax: 2_000_000,
  /** Ways by which one client announces (transport, family, address); the one heard of longest ago makes way. */
  routesMax: 8,
  /** How long a session is remembered after a `stopped`: what the client sent by its other transports may come later. */
  leavingMs: 120_000,
  /** Seconds at the line's speed that reports of a user may be above what fits in the time since the last ones: packets are under way. */
  speedSlackSec: 10,
  /** Uploads without a leecher below this are not worth a word. */
  noLeecherBytes: 16_777_216,
  /** Latest reports that cannot be true, kept to be read. */
  suspicionsKept: 1_000,
  /** Pairs looked at to find one that makes way. */
  evictionLooks: 2_000,
  /** Cells of a snapshot made in one step: half a millisecond. */
  snapshotStepCells: 16_384,
  /** Records that waited for a snapshot and are added up in one step: about a millisecond. */
  heldRecordsStep: 1_000,
  /** Bytes of records that wait for a snapshot to be made; above it the accounts go on, and the snapshot is given up. */
  heldBytesMax: 16_777_216,
  /** Sessions looked at in one sweep step: a fraction of a millisecond. */
  sweepLooks: 2_000,
} as const;

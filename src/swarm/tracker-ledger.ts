import type { BtError, Millis } from '../base/index.ts';
import type { AnnounceEvent } from '../wire/index.ts';

/** Why an announce is sent, or will be. */
export type AnnounceReason =
  | 'started'
  | 'completed'
  | 'stopped'
  /** The tracker's own interval is over. */
  | 'interval'
  /** We know too few peers, and the tracker's minimum is over. */
  | 'want-peers'
  /** It failed before. */
  | 'retry'
  /** It failed and said when to come back (BEP 31). */
  | 'retry-in';

/** What is known of one tracker for one info-hash. */
export interface Tracker {
  readonly url: string;
  /** Sent and not answered. */
  pending: { readonly event: AnnounceEvent; readonly left: number } | undefined;
  /** It has accepted a `started` of this run. */
  accepted: boolean;
  toldCompleted: boolean;
  toldStopped: boolean;
  /** In a row. */
  failures: number;
  retryReason: 'retry' | 'retry-in';
  /** Next regular announce, or next try. */
  nextAt: Millis;
  /** The tracker's minimum: no regular announce before. */
  notBefore: Millis;
  sentAt: Millis | undefined;
  sentEvent: AnnounceEvent | undefined;
  answeredAt: Millis;
  trackerId: string | undefined;
  error: BtError | undefined;
  warning: string | undefined;
  complete: number | undefined;
  incomplete: number | undefined;
  peersGiven: number | undefined;
}

/** One tier for one info-hash; one tracker of it is announced to at a time. */
export interface Lane {
  readonly tier: number;
  readonly infoHash: Uint8Array;
  readonly hashHex: string;
  /** In the order they are tried. */
  trackers: Tracker[];
  wantsPeers: boolean;
}

/** `standby`: another tracker of its tier works. */
export type TrackerStatus = 'new' | 'announcing' | 'working' | 'failing' | 'standby' | 'gave-up' | 'stopped';

/** Row of the announce ledger, for people: what was sent when, what came back, what happens next and why. */
export interface TrackerSnapshot {
  readonly url: string;
  readonly tier: number;
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly status: TrackerStatus;
  readonly sentAt: Millis | undefined;
  readonly sentEvent: AnnounceEvent | undefined;
  readonly answeredAt: Millis | undefined;
  readonly failures: number;
  readonly error: BtError | undefined;
  readonly warning: string | undefined;
  /** Seeds and leechers that the tracker counts. */
  readonly complete: number | undefined;
  readonly incomplete: number | undefined;
  readonly peersGiven: number | undefined;
  /** undefined: nothing is planned. */
  readonly nextAt: Millis | undefined;
  readonly nextReason: AnnounceReason | undefined;
}

export function newTracker(url: string, now: Millis): Tracker {
  return {
    url,
    pending: undefined,
    accepted: false,
    toldCompleted: false,
    toldStopped: false,
    failures: 0,
    retryReason: 'retry',
    nextAt: now,
    notBefore: now,
    sentAt: undefined,
    sentEvent: undefined,
    answeredAt: now,
    trackerId: undefined,
    error: undefined,
    warning: undefined,
    complete: undefined,
    incomplete: undefined,
    peersGiven: undefined,
  };
}

/** @param dueAt when it will be announced to; infinite = nothing is planned */
export function snapshotTracker(lane: Lane, t: Tracker, dueAt: Millis, reason: AnnounceReason): TrackerSnapshot {
  const isPlanned = Number.isFinite(dueAt);
  return {
    url: t.url,
    tier: lane.tier,
    infoHash: lane.hashHex,
    status: statusOf(lane, t),
    sentAt: t.sentAt,
    sentEvent: t.sentEvent,
    answeredAt: t.sentAt === undefined || t.pending !== undefined ? undefined : t.answeredAt,
    failures: t.failures,
    error: t.error,
    warning: t.warning,
    complete: t.complete,
    incomplete: t.incomplete,
    peersGiven: t.peersGiven,
    nextAt: isPlanned ? dueAt : undefined,
    nextReason: isPlanned ? reason : undefined,
  };
}

function statusOf(lane: Lane, t: Tracker): TrackerStatus {
  if (t.toldStopped) return 'stopped';
  if (t.pending !== undefined) return 'announcing';
  if (t.failures > 0) return Number.isFinite(t.nextAt) ? 'failing' : 'gave-up';
  if (t.accepted) return t === lane.trackers[0] ? 'working' : 'standby';
  const head = lane.trackers[0];
  return head?.accepted === true && head.failures === 0 ? 'standby' : 'new';
}

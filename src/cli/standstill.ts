import { BtError } from '../base/index.ts';
import type { HeldBack, PeerSnapshot, TorrentSnapshot, TrackerSnapshot } from '../client/index.ts';
import { formatDuration, formatPlural, printable } from './format.ts';

/** Why nothing moves: a word for programs and a sentence for people. */
export interface Standstill {
  readonly code:
    | 'waiting'
    | 'held-back'
    | 'no-tracker'
    | 'tracker-failed'
    | 'tracker-asked'
    | 'alone'
    | 'no-answer'
    | 'nothing-new'
    | 'choked'
    | 'snubbed'
    | 'slow-start'
    | 'no-demand';
  readonly text: string;
}

export interface StandstillFacts {
  readonly state: TorrentSnapshot;
  readonly peers: readonly PeerSnapshot[];
  readonly trackers: readonly TrackerSnapshot[];
  /** What budgets and limits of the session hold back. */
  readonly heldBack?: readonly HeldBack[];
  /** On the clock of the trackers' `nextAt`. */
  readonly nowMs: number;
}

/** What can be why nothing comes, and why nothing leaves. */
const stopsDownloads: ReadonlySet<string> = new Set(['no-buffer', 'download-limit', 'no-descriptor']);
const stopsUploads: ReadonlySet<string> = new Set(['no-run', 'upload-limit', 'no-descriptor']);

/** Below this, bytes per second, a torrent counts as standing still: keep-alives, no payload. */
const movingBytesPerSec = 1;

/**
 * Explains why a torrent makes no progress at the moment, by the one thing that is most likely in the way.
 *
 * @returns undefined where it moves, or has nothing to do
 */
export function explainStandstill(facts: StandstillFacts): Standstill | undefined {
  const { state } = facts;
  if (state.waitingFor !== undefined) return { code: 'waiting', text: state.waitingFor.message };
  if (state.phase === 'seeding') return explainSeed(facts);
  if (state.phase !== 'downloading' && state.phase !== 'fetching-metadata') return undefined;
  if (state.downRate >= movingBytesPerSec) return undefined;
  const held = facts.heldBack?.find(({ code }) => stopsDownloads.has(code));
  if (held !== undefined) return { code: 'held-back', text: held.text };
  if (state.peersConnected === 0) return explainNobody(facts);
  return explainPeers(facts);
}

function explainSeed(facts: StandstillFacts): Standstill | undefined {
  const { state } = facts;
  if (state.upRate >= movingBytesPerSec) return undefined;
  const held = facts.heldBack?.find(({ code }) => stopsUploads.has(code));
  if (held !== undefined) return { code: 'held-back', text: held.text };
  if (state.peersConnected > 0) {
    return { code: 'no-demand', text: `${formatPlural(state.peersConnected, 'peer')}, nobody asks for anything` };
  }
  const failed = explainTrackers(facts);
  if (failed?.code === 'tracker-failed') return { ...failed, text: `nobody can find us: ${failed.text}` };
  return { code: 'no-demand', text: 'nobody is here to download' };
}

function explainNobody(facts: StandstillFacts): Standstill {
  const { peersKnown } = facts.state;
  if (peersKnown > 0) {
    return { code: 'no-answer', text: `no connection yet: none of ${formatPlural(peersKnown, 'known peer')} answers` };
  }
  const why = explainTrackers(facts);
  if (why !== undefined) return { ...why, text: `no peers yet: ${why.text}` };
  return { code: 'no-tracker', text: 'no peers yet: no tracker is named; --peer HOST:PORT names a peer' };
}

/** @returns undefined where there is no tracker */
function explainTrackers({ trackers, nowMs }: StandstillFacts): Standstill | undefined {
  if (trackers.length === 0) return undefined;
  const works = trackers.find((t) => t.status === 'working');
  if (works !== undefined) {
    const others = `${printable(works.url)} knows no other peer`;
    return { code: 'alone', text: `${others}${againIn(works, nowMs)}` };
  }
  const failed = trackers.find((t) => t.error !== undefined);
  if (failed?.error !== undefined) {
    return { code: 'tracker-failed', text: `${printable(failed.error.message)}${againIn(failed, nowMs)}` };
  }
  const asked = trackers.find((t) => t.status === 'announcing') ?? trackers[0];
  return { code: 'tracker-asked', text: `asking ${printable(asked?.url ?? 'the tracker')}` };
}

function againIn(tracker: TrackerSnapshot, nowMs: number): string {
  if (tracker.status === 'announcing') return ', being asked again';
  if (tracker.status === 'gave-up' || tracker.nextAt === undefined) return '';
  return `, asked again in ${formatDuration(Math.max(0, tracker.nextAt - nowMs) / 1000)}`;
}

function explainPeers({ state, peers }: StandstillFacts): Standstill {
  const count = formatPlural(peers.length, 'peer');
  if (state.phase === 'fetching-metadata') {
    return { code: 'nothing-new', text: `${count}, none has sent the metadata yet` };
  }
  const useful = peers.filter((p) => p.amInterested);
  if (useful.length === 0) return { code: 'nothing-new', text: `${count}, none has anything that is missing here` };
  const open = useful.filter((p) => !p.peerChoking);
  if (open.length === 0) {
    const who = useful.length === 1 ? 'who chokes us' : 'all choke us';
    return {
      code: 'choked',
      text: `${formatPlural(useful.length, 'peer')} with pieces for us, ${who}: others come first`,
    };
  }
  if (open.every((p) => p.snubbed)) {
    return { code: 'snubbed', text: `${formatPlural(open.length, 'peer')} would give to us and sends nothing` };
  }
  return { code: 'slow-start', text: `waiting for the first bytes of ${formatPlural(open.length, 'peer')}` };
}

/** What is worth a line when a tracker fails; the rest (it is stopping, it was aborted) is nobody's business. */
export function isTrackerTrouble(error: unknown): error is BtError {
  return BtError.is(error) && error.code.startsWith('tracker/');
}

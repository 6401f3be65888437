import type { Budgets, Session, Torrent, TorrentPhase, TorrentSnapshot } from '../client/index.ts';
import { budgetsToJson } from './budgets-json.ts';
import { formatPercent, formatRate, printable } from './format.ts';
import type { Status } from './render.ts';
import { explainStandstill, type Standstill } from './standstill.ts';

/** A torrent at work, and why nothing moves in it; undefined where something does. */
export interface ActiveTorrent {
  readonly state: TorrentSnapshot;
  readonly why: Standstill | undefined;
}

/** All torrents of a session at one moment. */
export interface RunLook {
  readonly counts: ReadonlyMap<TorrentPhase, number>;
  /** Those with somebody connected, or that download: the busiest first, 20 at most. */
  readonly active: readonly ActiveTorrent[];
  readonly downBytesPerSec: number;
  readonly upBytesPerSec: number;
  readonly connectionCount: number;
  readonly budgets: Budgets;
  /** What could not be remembered, and why. */
  readonly stateError: string | undefined;
}

const activeMax = 20;
const shownMax = 10;
const resting: ReadonlySet<TorrentPhase> = new Set<TorrentPhase>(['dormant', 'queued', 'paused', 'stopped']);

/**
 * Costs a look at each torrent's phase, and a snapshot of those that are not resting.
 *
 * @param nowMs on the session's clock
 */
export function lookAt(session: Session, nowMs: number): RunLook {
  const counts = new Map<TorrentPhase, number>();
  const awake: { readonly torrent: Torrent; readonly state: TorrentSnapshot }[] = [];
  for (const torrent of session.torrents) {
    const { phase } = torrent;
    counts.set(phase, (counts.get(phase) ?? 0) + 1);
    if (!resting.has(phase)) awake.push({ torrent, state: torrent.state });
  }
  let downBytesPerSec = 0;
  let upBytesPerSec = 0;
  for (const { state } of awake) {
    downBytesPerSec += state.downRate;
    upBytesPerSec += state.upRate;
  }
  const busy = (s: TorrentSnapshot) => s.downRate + s.upRate + s.peersConnected;
  const { connectionCount, budgets } = session;
  const { heldBack } = budgets;
  const active = awake
    .filter(({ state: s }) => s.phase !== 'seeding' || s.peersConnected > 0 || s.waitingFor !== undefined)
    .sort((a, b) => busy(b.state) - busy(a.state))
    .slice(0, activeMax)
    .map(({ torrent: { peers, trackers }, state }) => {
      return { state, why: explainStandstill({ state, peers, trackers, heldBack, nowMs }) };
    });
  const stateError = session.stateError?.message;
  return { counts, active, downBytesPerSec, upBytesPerSec, connectionCount, budgets, stateError };
}

/** The fields of a `progress` event. */
export function runToJson(look: RunLook): Record<string, unknown> {
  return {
    torrentCount: [...look.counts.values()].reduce((sum, n) => sum + n, 0),
    phases: Object.fromEntries(look.counts),
    downBytesPerSec: Math.round(look.downBytesPerSec),
    upBytesPerSec: Math.round(look.upBytesPerSec),
    connectionCount: look.connectionCount,
    stateError: look.stateError ?? null,
    ...budgetsToJson(look.budgets),
    active: look.active.map(({ state: s, why }) => ({
      name: s.name,
      infoHashV1: s.infoHashV1 ?? null,
      infoHashV2: s.infoHashV2 ?? null,
      state: s.phase,
      doneBytes: s.doneBytes,
      totalBytes: s.wantedBytes,
      downBytesPerSec: Math.round(s.downRate),
      upBytesPerSec: Math.round(s.upRate),
      peerCount: s.peersConnected,
      reason: why ?? null,
    })),
  };
}

/** A line of sums, and one for each of the busiest torrents; sums alone in a log. */
export function createRunStatus(look: RunLook): Status {
  const counts = [...look.counts].map(([phase, count]) => `${count} ${phase}`).join(', ');
  const sums = `${counts}; down ${formatRate(look.downBytesPerSec)}  up ${formatRate(look.upBytesPerSec)}  connections ${look.connectionCount}`;
  const trouble = look.stateError === undefined ? [] : [`not remembered: ${look.stateError}`];
  trouble.push(...look.budgets.heldBack.map(({ text }) => `held back: ${text}`));
  return {
    state: look.stateError === undefined ? 'running' : 'not remembered',
    lines: () => [sums, ...trouble, ...look.active.slice(0, shownMax).map(toLine)],
    plain: () => [sums, ...trouble].join('; '),
  };
}

function toLine({ state: s, why }: ActiveTorrent): string {
  const share = s.wantedBytes === 0 ? '      ' : formatPercent(s.doneBytes, s.wantedBytes).padStart(6);
  const rates = `down ${formatRate(s.downRate)}  up ${formatRate(s.upRate)}  peers ${s.peersConnected}`;
  // That nobody asks a seed for anything is its ordinary state.
  const reason = why === undefined || why.code === 'no-demand' ? '' : `: ${why.text}`;
  return `${share}  ${s.phase.padEnd(11)}  ${rates}  ${printable(s.name)}${reason}`;
}

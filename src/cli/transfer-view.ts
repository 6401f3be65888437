import { formatBytes, formatDuration, formatPercent, formatRate, printable } from './format.ts';
import { formatBar, type Status } from './render.ts';
import type { Standstill } from './standstill.ts';

/** One torrent at one moment, as `download` and `seed` show it. */
export interface TransferState {
  readonly name: string;
  /** One word: `checking`, `downloading`, `seeding`, … */
  readonly state: string;
  /** Of what was selected, verified. */
  readonly doneBytes: number;
  /** 0 while the metadata of a magnet link is not there. */
  readonly totalBytes: number;
  readonly downBytesPerSec: number;
  readonly upBytesPerSec: number;
  readonly downloadedBytes: number;
  readonly uploadedBytes: number;
  readonly peerCount: number;
  readonly seedCount: number;
}

/** The fields of a `progress` event. */
export function transferToJson(t: TransferState): Record<string, unknown> {
  return {
    state: t.state,
    doneBytes: t.doneBytes,
    totalBytes: t.totalBytes,
    downBytesPerSec: Math.round(t.downBytesPerSec),
    upBytesPerSec: Math.round(t.upBytesPerSec),
    downloadedBytes: t.downloadedBytes,
    uploadedBytes: t.uploadedBytes,
    peerCount: t.peerCount,
    seedCount: t.seedCount,
    secondsLeft: finiteOrNull(secondsLeft(t)),
  };
}

/**
 * Three lines on a terminal: name, bar, traffic; one in a log.
 *
 * @param reason why nothing moves: a line of its own
 */
export function createTransferStatus(t: TransferState, reason?: Standstill): Status {
  const name = printable(t.name);
  const percent = formatPercent(t.doneBytes, t.totalBytes);
  const amount = t.totalBytes === 0 ? 'no metadata yet' : `${formatBytes(t.doneBytes)} of ${formatBytes(t.totalBytes)}`;
  const isComplete = t.totalBytes > 0 && t.doneBytes >= t.totalBytes;
  const hasEnd = !isComplete && t.totalBytes > 0 && Number.isFinite(secondsLeft(t));
  const left = !hasEnd ? '' : `, ${formatDuration(secondsLeft(t))} left`;
  const traffic =
    `down ${formatRate(t.downBytesPerSec)}  up ${formatRate(t.upBytesPerSec)}  ` +
    `peers ${t.peerCount} (${t.seedCount} seeds)  ratio ${formatRatio(t)}`;
  return {
    // A log gets a line when the reason changes, as when the state does.
    state: reason === undefined ? t.state : `${t.state} ${reason.code}`,
    lines: (columns) => {
      const bar = formatBar(
        t.totalBytes > 0 ? t.doneBytes / t.totalBytes : 0,
        Math.max(10, Math.min(40, columns - 50)),
      );
      return [
        `${name}  ${t.state}`,
        `${bar} ${t.totalBytes > 0 ? percent.padStart(6) : ''}  ${amount}${left}`,
        traffic,
        ...(reason === undefined ? [] : [reason.text]),
      ];
    },
    plain: () =>
      `${t.state} ${name}: ${t.totalBytes > 0 ? `${percent}, ` : ''}${amount}${left}, ${traffic}` +
      (reason === undefined ? '' : `; ${reason.text}`),
  };
}

function secondsLeft(t: TransferState): number {
  if (t.totalBytes > 0 && t.doneBytes >= t.totalBytes) return 0;
  return t.downBytesPerSec > 0 && t.totalBytes > 0
    ? (t.totalBytes - t.doneBytes) / t.downBytesPerSec
    : Number.POSITIVE_INFINITY;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? Math.round(value) : null;
}

/** Sent for each byte of the content that is here: the share given back, also by who fetched nothing. */
export function formatRatio(t: Pick<TransferState, 'uploadedBytes' | 'doneBytes'>): string {
  return t.doneBytes === 0 ? '–' : (t.uploadedBytes / t.doneBytes).toFixed(2);
}

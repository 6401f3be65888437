import type { HashProgress } from '../create/index.ts';
import { formatBytes, formatDuration, formatPercent, formatRate } from './format.ts';
import { formatBar, type Status } from './render.ts';

/**
 * Progress of reading and hashing as a view: bar, percent, bytes, rate, time left.
 *
 * @param what what is being done: `hashing film.mkv`
 * @returns to be called with every progress; rate is that of the whole run so far, which for a disk is steadier than the last second's
 */
export function createHashStatus(
  what: string,
  now: () => number = () => performance.now(),
): (p: HashProgress) => Status {
  const startedAt = now();
  return ({ doneBytes, totalBytes }) => {
    const seconds = (now() - startedAt) / 1000;
    const rate = seconds > 0 ? doneBytes / seconds : 0;
    const left = rate > 0 ? `, ${formatDuration((totalBytes - doneBytes) / rate)} left` : '';
    const percent = formatPercent(doneBytes, totalBytes);
    const numbers = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}, ${formatRate(rate)}${left}`;
    return {
      state: what,
      lines: (columns) => {
        const bar = formatBar(totalBytes > 0 ? doneBytes / totalBytes : 1, Math.max(10, Math.min(40, columns - 60)));
        return [what, `${bar} ${percent.padStart(6)}  ${numbers}`];
      },
      plain: () => (doneBytes === 0 ? `${what}, ${formatBytes(totalBytes)}` : `${what}: ${percent}, ${numbers}`),
    };
  };
}

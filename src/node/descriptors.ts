import { closeSync, openSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { systemCode } from './net-error.ts';

/** How a session divides the descriptors that its process may have. */
export interface DescriptorBudget {
  /** Most that the process may have open; undefined where the system does not say, and `assumed` is reckoned with. */
  readonly processMax: number | undefined;
  /** Connections of all torrents, dials included. */
  readonly connections: number;
  /** Connections that were closed by us and wait for the other side. */
  readonly lingering: number;
  /** Files of all torrents that the disk's worker keeps open. */
  readonly files: number;
  /** The same of the main thread, for quick reads. */
  readonly quickFiles: number;
  /** For everything else: standard streams, event loops of two threads, listeners, state and journals, trackers, names being looked up. */
  readonly rest: number;
}

export const descriptorLimits = {
  /** Descriptors reckoned with where the system does not say: what macOS gives a process. */
  assumed: 256,
  /** For everything that is neither connection nor file of a torrent: 22 are open in an idle session on Node 20. */
  rest: 32,
  /** Share of the others that is for files; as many again, halved, for quick reads. */
  filesShare: 0.25,
  /** Share of what is left for sockets that is for those that we closed: each takes some seconds at most. */
  lingeringShare: 0.2,
  /** Fewest files and connections, however low the limit is. */
  filesMin: 2,
  connectionsMin: 4,
} as const;

/** What the system lets this process open; undefined where that cannot be found out. Node raises the soft limit to the hard one. */
export function readDescriptorLimit(
  readLimits: () => string = () => readFileSync('/proc/self/limits', 'latin1'),
): number | undefined {
  let text: string;
  try {
    text = readLimits();
  } catch {
    return undefined;
  }
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

/** Nothing can be opened now: the system does not tell of connections that are lost by it, so it is tried. Some microseconds. */
export function isOutOfDescriptors(): boolean {
  try {
    closeSync(openSync(devNull, 'r'));
    return false;
  } catch (error) {
    const code = systemCode(error);
    return code === 'EMFILE' || code === 'ENFILE';
  }
}

/**
 * @param wanted what would be used if there were enough
 * @returns never more than wanted; connections give way last, since a file is opened again in microseconds
 */
export function divideDescriptors(
  processMax: number | undefined,
  wanted: {
    readonly connections: number;
    readonly lingering: number;
    readonly files: number;
    readonly quickFiles: number;
  },
): DescriptorBudget {
  const { assumed, rest, filesShare, lingeringShare, filesMin, connectionsMin } = descriptorLimits;
  const free = Math.max(0, (processMax ?? assumed) - rest);
  const files = Math.min(wanted.files, Math.max(filesMin, Math.floor(free * filesShare)));
  const quickFiles = Math.min(wanted.quickFiles, Math.max(1, Math.floor((free * filesShare) / 2)));
  const sockets = free - files - quickFiles;
  const lingering = Math.min(wanted.lingering, Math.max(1, Math.floor(sockets * lingeringShare)));
  const connections = Math.min(wanted.connections, Math.max(connectionsMin, sockets - lingering));
  return { processMax, connections, lingering, files, quickFiles, rest };
}

import { readFileSync } from 'node:fs';
import { cpuTicks } from '../tracker-load/process-figures.ts';

const TICKS_PER_SEC = 100;
const SAMPLE_MS = 20;

/** What a process used between two moments. */
export interface Usage {
  readonly userSec: number;
  readonly systemSec: number;
  /** MiB that were resident at most since the process began, pages of mapped files among them. */
  readonly peakMib: number;
  /** MiB of memory of its own (anonymous and shared) at most, above what it had at the start. */
  readonly ownMib: number;
}

/** Watches processes over a run; those of the same role are summed, of memory the largest is kept. */
export class Meter {
  readonly #watched: { pid: number; role: string; cpu: { user: number; system: number }; base: number; most: number }[];
  readonly #timer: NodeJS.Timeout;

  constructor(sides: readonly { readonly pid: number; readonly role: string }[]) {
    this.#watched = sides.map(({ pid, role }) => {
      const base = readMemory(pid).ownMib;
      return { pid, role, cpu: cpuTicks(pid), base, most: base };
    });
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** Ends the watch; the processes must be alive. */
  read(): Map<string, Usage> {
    clearInterval(this.#timer);
    this.#sample();
    const usage = new Map<string, Usage>();
    for (const { pid, role, cpu, base, most } of this.#watched) {
      const now = cpuTicks(pid);
      const before = usage.get(role) ?? { userSec: 0, systemSec: 0, peakMib: 0, ownMib: 0 };
      usage.set(role, {
        userSec: before.userSec + (now.user - cpu.user) / TICKS_PER_SEC,
        systemSec: before.systemSec + (now.system - cpu.system) / TICKS_PER_SEC,
        peakMib: Math.max(before.peakMib, readMemory(pid).peakMib),
        ownMib: Math.max(before.ownMib, most - base),
      });
    }
    return usage;
  }

  #sample(): void {
    for (const one of this.#watched) one.most = Math.max(one.most, readMemory(one.pid).ownMib);
  }
}

/**
 * What is resident of a process. Its own is without pages of files that are mapped: those are the page cache's, and a program that maps
 * what it shares counts all of it in its peak.
 *
 * @throws where it is gone
 */
export function readMemory(pid: number): { readonly peakMib: number; readonly ownMib: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { peakMib: mib('VmHWM'), ownMib: mib('RssAnon') + mib('RssShmem') };
}

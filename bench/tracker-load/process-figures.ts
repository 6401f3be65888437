import { readdirSync, readFileSync } from 'node:fs';

/** CPU-seconds of a process so far, user and system of all its threads that live, to the nanosecond (Linux). */
export function cpuSeconds(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    // Run time, wait time, time slices.
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  }
  return ns / 1e9;
}

/** Bytes of a process in memory, shared ones included: a `SharedArrayBuffer` may count as either. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(line?.[1]) * 1024;
}

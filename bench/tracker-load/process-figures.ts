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

/** The same split by user and system, in ticks of 10 ms: for the share of each in a second and more. */
export function cpuTicks(pid: number): { user: number; system: number } {
  // The name in parentheses may hold anything; state and ten numbers follow before the two.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
  return { user: Number(fields[11]), system: Number(fields[12]) };
}

const RESERVED_KIB_MIN = 256 * 1024;

/** Bytes in memory of those mappings of a process that reserve 256 MiB and more: stores that grow in place. */
export function reservedBytes(pid: number): number {
  let sizeKib = 0;
  let sum = 0;
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'latin1').split('\n')) {
    const [head = '', value = ''] = line.split(/\s+/, 2);
    if (head === 'Size:') sizeKib = Number(value);
    else if (head === 'Rss:' && sizeKib >= RESERVED_KIB_MIN) sum += Number(value) * 1024;
  }
  return sum;
}

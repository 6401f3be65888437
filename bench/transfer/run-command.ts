import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { figure } from './transfers.ts';

const GIB = 2 ** 30;
const POLL_MS = 10;

/**
 * Runs a command to its end and times it. CPU is of the command and of its children that it has waited for, from the kernel's count of
 * our own children: no two commands may be timed at once.
 *
 * @param bytes that it worked on
 * @throws where it ends with another code than 0
 */
export async function timeCommand(command: readonly string[], bytes: number): Promise<Record<string, number>> {
  const [file = '', ...args] = command;
  const before = childrenTicks();
  const startedAt = performance.now();
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C.UTF-8' } });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said = (said + text.toString()).slice(-4000);
  });
  let peakMib = 0;
  const timer = setInterval(() => {
    peakMib = Math.max(peakMib, ownMib(child.pid as number));
  }, POLL_MS);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const seconds = (performance.now() - startedAt) / 1000;
  clearInterval(timer);
  if (code !== 0) throw new Error(`${command.join(' ')} ended with code ${code}: ${said}`);
  const after = childrenTicks();
  const [userSec, systemSec] = [(after.user - before.user) / 100, (after.system - before.system) / 100];
  return {
    [figure.wall]: seconds,
    [figure.rate]: bytes / 1e6 / seconds,
    [figure.cpu]: ((userSec + systemSec) * GIB) / bytes,
    [figure.user]: (userSec * GIB) / bytes,
    [figure.system]: (systemSec * GIB) / bytes,
    [figure.own]: peakMib,
  };
}

/** Ticks of all children that have ended. */
function childrenTicks(): { user: number; system: number } {
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1)?.split(' ') ?? [];
  return { user: Number(fields[13]), system: Number(fields[14]) };
}

/** Of the process that was started; 0 where it is gone. */
function ownMib(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readMemory, type Usage } from './meter.ts';
import { toFigures } from './transfers.ts';

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
  let [peakMib, ownMib] = [0, 0];
  const timer = setInterval(() => {
    const now = memoryOf(child.pid as number);
    [peakMib, ownMib] = [Math.max(peakMib, now.peakMib), Math.max(ownMib, now.ownMib)];
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
  return toFigures(seconds, { userSec, systemSec, peakMib, ownMib }, bytes);
}

/** Ticks of all children that have ended. */
function childrenTicks(): { user: number; system: number } {
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1)?.split(' ') ?? [];
  return { user: Number(fields[13]), system: Number(fields[14]) };
}

/** Of the process that was started; nothing where it is gone. */
function memoryOf(pid: number): Pick<Usage, 'peakMib' | 'ownMib'> {
  try {
    return readMemory(pid);
  } catch {
    return { peakMib: 0, ownMib: 0 };
  }
}

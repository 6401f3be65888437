import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ForeignClient } from './foreign.ts';
import { inside, type NetworkSide } from './network.ts';
import { Program } from './program.ts';

const run = promisify(execFile);
// Every port is free in a namespace of its own.
const rpcPort = 9091;
const pollMs = 200;

export const transmission: ForeignClient = {
  name: 'transmission',
  knowsPadFiles: false,
  needs: ['transmission-daemon --version', 'transmission-remote --version'],
  async start({ side, input, folder, workFolder }) {
    const config = join(workFolder, 'transmission');
    await mkdir(config, { recursive: true });
    const program = new Program(side, [
      'transmission-daemon',
      '--foreground',
      '--config-dir',
      config,
      '--download-dir',
      folder,
      '--port',
      `${rpcPort}`,
      '--no-auth',
      '--rpc-bind-address',
      '127.0.0.1',
      '--no-watch-dir',
      '--no-incomplete-dir',
      '--no-dht',
      '--no-lpd',
      '--no-portmap',
      '--log-info',
    ]);
    const over = new AbortController();
    const remote = (...args: string[]) => askDaemon(side, args);
    const details = async () => `${await remote('-t', 'all', '-i')}\n${await remote('-t', 'all', '-pi')}`;
    const complete = (async () => {
      while (!(await remote('-si').then(isGood, () => false))) await sleep(pollMs / 4, undefined, over);
      await remote('--add', input);
      while (!isComplete(await remote('-t', 'all', '-i'))) await sleep(pollMs, undefined, over);
    })();
    return {
      program,
      complete: Promise.race([complete, program.untilItDies()]),
      report: async () => `${await details().catch(String)}\n${program.output}`,
      [Symbol.asyncDispose]: async () => {
        over.abort();
        await complete.catch(() => {});
        await program[Symbol.asyncDispose]();
      },
    };
  },
};

async function askDaemon(side: NetworkSide, args: readonly string[]): Promise<string> {
  const [file, ...rest] = [...inside(side), 'transmission-remote', `127.0.0.1:${rpcPort}`, ...args];
  const { stdout } = await run(file as string, rest, { timeout: 10_000, env: { ...process.env, LC_ALL: 'C.UTF-8' } });
  return stdout;
}

function isGood(): boolean {
  return true;
}

function isComplete(details: string): boolean {
  return /^\s*Percent Done: 100%/m.test(details) && /^\s*State: (?:Seeding|Idle|Finished)/m.test(details);
}

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
  makesEmptyFiles: false,
  needs: ['transmission-daemon --version', 'transmission-remote --version', 'transmission-show --version'],
  // It looks at its peers every 10 s.
  casesAtOnce: 6,
  async misreads(torrentFile, hashV1) {
    try {
      const { stdout } = await run('transmission-show', [torrentFile]);
      const found = /^\s*Hash: ([0-9a-f]{40})$/m.exec(stdout)?.[1];
      return found === hashV1 ? undefined : `takes ${found} for its info-hash`;
    } catch {
      return 'does not read it';
    }
  },
  async start({ side, input, folder, workFolder, trusts }) {
    const config = join(workFolder, 'transmission');
    await mkdir(config, { recursive: true });
    const command = [
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
      // It waits for minutes on a peer that does not answer by uTP before it tries TCP.
      '--no-utp',
      '--no-portmap',
      '--log-info',
    ];
    const env = trusts === undefined ? {} : { CURL_CA_BUNDLE: trusts };
    const program = new Program(side, command, { env });
    const over = new AbortController();
    const remote = (...args: string[]) => askDaemon(side, args);
    const details = async () =>
      (await Promise.all(['-i', '-pi', '-it'].map((what) => remote('-t', 'all', what)))).join('\n');
    const isUp = () =>
      remote('-si').then(
        () => true,
        () => false,
      );
    const complete = (async () => {
      while (!(await isUp())) await sleep(pollMs / 4, undefined, over);
      await remote('--add', input);
      // Busy, it does not answer in time now and then.
      while (!isComplete(await remote('-t', 'all', '-i').catch(String))) await sleep(pollMs, undefined, over);
    })();
    return {
      program,
      complete: Promise.race([complete, program.untilItDies()]),
      // Told to end, it does not always tell its tracker.
      leave: async () => void (await remote('-t', 'all', '--stop')),
      announce: async () => void (await remote('-t', 'all', '--reannounce')),
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

function isComplete(details: string): boolean {
  return /^\s*Percent Done: 100%/m.test(details) && /^\s*State: (?:Seeding|Idle|Finished)/m.test(details);
}

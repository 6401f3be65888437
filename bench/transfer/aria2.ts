import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { findFreePort, waitForListener } from '../support/ports.ts';
import type { Leecher, Side, SideOrder, TransferProgram } from './program.ts';

const HOST = '127.0.0.1';

/**
 * aria2 cannot be told of a peer: it finds everybody by the tracker, and asks that 2 s after its start. What it waits is part of what its
 * users wait, and so of its time.
 */
export const aria2: TransferProgram = {
  name: 'aria2',
  missing: ({ format }) => {
    if (spawnSync('aria2c', ['--version']).status !== 0) return 'not installed (tools/install-interop.sh)';
    return format === 'v1' ? undefined : `not able to read ${format} torrents`;
  },
  async seed(order): Promise<Side> {
    const port = await findFreePort();
    const child = startAria2(order, port, ['--bt-seed-unverified=true', '--seed-ratio=0.0']);
    const running = side(child, port);
    await waitForListener(child, running.address);
    return running;
  },
  async leech(order): Promise<Leecher> {
    const port = await findFreePort();
    // There is no way to have it up and waiting: it is started when it is to fetch, stopped until then.
    const child = startAria2(order, port, ['--seed-ratio=0.0', '--on-bt-download-complete=/bin/echo']);
    child.kill('SIGSTOP');
    return {
      ...side(child, port),
      fetch: async () => {
        const startedAt = performance.now();
        const completed = new Promise<void>((resolve, reject) => {
          const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
          lines.on('line', (line) => {
            if (/^[0-9a-f]{16} \d+ /.test(line)) resolve();
          });
          child.once('exit', (code) => reject(new Error(`aria2c ended with code ${code}`)));
        });
        child.kill('SIGCONT');
        await completed;
        return (performance.now() - startedAt) / 1000;
      },
    };
  },
};

function startAria2({ torrentFile, folder }: SideOrder, port: number, more: readonly string[]): ChildProcess {
  const options = [
    '--no-conf',
    '--enable-color=false',
    '--show-console-readout=false',
    '--log-level=notice',
    `--dir=${folder}`,
    '--file-allocation=none',
    '--enable-dht=false',
    '--enable-dht6=false',
    `--listen-port=${port}`,
    ...more,
  ];
  return spawn('aria2c', [...options, torrentFile], { stdio: ['ignore', 'pipe', 'inherit'] });
}

function side(child: ChildProcess, port: number): Side {
  return {
    pid: child.pid as number,
    address: { host: HOST, port },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

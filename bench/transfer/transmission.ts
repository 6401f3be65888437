import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findFreePort, waitForListener } from '../support/ports.ts';
import type { Leecher, Side, SideOrder, TransferProgram } from './program.ts';

const HOST = '127.0.0.1';
const POLL_MS = 50;
/** Of a torrent, in answers of its RPC. */
const SEEDING = 6;

/**
 * It dials no address of this machine, whoever tells it of one: the other side dials. Slow, since it asks one fast peer for little at a
 * time and looks at its peers every 10 s only.
 */
export const transmission: TransferProgram = {
  name: 'transmission',
  isSlow: true,
  isDialled: true,
  missing: ({ format }) => {
    if (spawnSync('transmission-daemon', ['--version']).error !== undefined)
      return 'not installed (tools/install-interop.sh)';
    return format === 'v1' ? undefined : `not able to read ${format} torrents`;
  },
  async seed(order): Promise<Side> {
    const daemon = await Daemon.start(order);
    await daemon.untilComplete();
    return daemon;
  },
  async leech(order): Promise<Leecher> {
    const daemon = await Daemon.start(order);
    return Object.assign(daemon, {
      fetch: async () => {
        const startedAt = performance.now();
        await daemon.untilComplete();
        return (performance.now() - startedAt) / 1000;
      },
    });
  },
};

/** The daemon with one torrent in it. */
class Daemon implements Side {
  readonly pid: number;
  readonly address: Side['address'];
  readonly #child: ChildProcess;
  readonly #rpcUrl: string;
  #session = '';

  private constructor(child: ChildProcess, { port, rpcPort }: { port: number; rpcPort: number }) {
    this.#child = child;
    this.pid = child.pid as number;
    this.address = { host: HOST, port };
    this.#rpcUrl = `http://${HOST}:${rpcPort}/transmission/rpc`;
  }

  static async start({ torrentFile, folder, work }: SideOrder): Promise<Daemon> {
    const config = join(work, 'transmission');
    await mkdir(config);
    const [port, rpcPort] = [await findFreePort(), await findFreePort()];
    const options = [
      ...['--foreground', '--config-dir', config, '--download-dir', folder, '--no-watch-dir', '--no-incomplete-dir'],
      ...['--port', `${rpcPort}`, '--rpc-bind-address', HOST, '--no-auth', '--allowed', HOST],
      ...['--peerport', `${port}`, '--bind-address-ipv4', HOST, '--no-portmap', '--no-dht', '--no-lpd', '--no-utp'],
    ];
    const child = spawn('transmission-daemon', options, { stdio: 'ignore' });
    const daemon = new Daemon(child, { port, rpcPort });
    await waitForListener(child, { host: HOST, port: rpcPort });
    await daemon.#ask('torrent-add', { filename: torrentFile });
    return daemon;
  }

  async untilComplete(): Promise<void> {
    for (;;) {
      const { torrents } = await this.#ask('torrent-get', {
        fields: ['status', 'leftUntilDone', 'errorString', 'error'],
      });
      const [torrent] = torrents as { status: number; leftUntilDone: number; error: number; errorString: string }[];
      // 1 and 2 are a tracker's troubles.
      if (torrent !== undefined && torrent.error > 2) throw new Error(`transmission: ${torrent.errorString}`);
      if (torrent?.status === SEEDING && torrent.leftUntilDone === 0) return;
      await delay(POLL_MS);
    }
  }

  async #ask(method: string, params: object): Promise<Record<string, unknown>> {
    const body = JSON.stringify({ method, arguments: params });
    for (;;) {
      const answer = await fetch(this.#rpcUrl, {
        method: 'POST',
        headers: { 'X-Transmission-Session-Id': this.#session },
        body,
      });
      // It wants to hear again what it says here.
      this.#session = answer.headers.get('X-Transmission-Session-Id') ?? this.#session;
      if (answer.status === 409) continue;
      const { result, arguments: said } = (await answer.json()) as {
        result: string;
        arguments: Record<string, unknown>;
      };
      if (result !== 'success') throw new Error(`transmission, ${method}: ${result}`);
      return said;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

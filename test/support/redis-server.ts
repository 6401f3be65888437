import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Why tests with a Redis are skipped here, or false. */
export const lacksRedis: string | false = (() => {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'redis-server is not installed';
  }
})();

/** A Redis of the test's own, on a Unix socket in a folder of its own. */
export class RedisServer {
  readonly socket: string;
  /** Where its data are. */
  readonly folder: string;
  readonly #options: readonly string[];
  readonly #sentinelFile: string | undefined;
  #process: ChildProcess | undefined;

  /**
   * @param folder removed by the test
   * @param options more of the command line; later ones count, so that `--port` gives it a port
   * @param sentinelFile its configuration, where it is to be a Sentinel
   */
  constructor(folder: string, options: readonly string[] = [], sentinelFile?: string) {
    this.#sentinelFile = sentinelFile;
    this.folder = folder;
    this.socket = join(folder, 'redis.sock');
    this.#options = options;
  }

  get url(): string {
    return `redis://${this.socket}`;
  }

  /** Starts it, or starts it again with the data it had written. Resolves when it answers. */
  async start(): Promise<void> {
    const settings =
      this.#sentinelFile === undefined
        ? ['--port', '0', '--unixsocket', this.socket, '--dir', this.folder, '--save', '']
        : [this.#sentinelFile, '--sentinel'];
    const child = spawn('redis-server', [...settings, ...this.#options], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = child;
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (/eady to accept|\+monitor/.test(line)) {
        child.stdout.resume();
        return;
      }
    }
    throw new Error(`redis-server did not start:\n${lines.join('\n')}`);
  }

  /** Ends it at once, as a machine that loses power. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(name);
  }
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CliProcess } from './cli-process.ts';
import { type CliResult, runCli } from './run-cli.ts';
import { makeBytes, makeTempFolder, writeTree } from './temp-folder.ts';

const anywhere = '127.0.0.1:0';

/** Files of several sizes, none of which ends where a 16 KiB piece does. */
const sizes: Readonly<Record<string, number>> = { 'a.bin': 300_001, 'b/c.bin': 70_003, 'b/d.bin': 5, 'e.bin': 0 };

/** A folder with content to share, and `eider` in it: on this machine only, with resume data of its own for each client. */
export class TransferPlace {
  readonly folder: string;
  readonly #t: TestContext;
  #clients = 0;

  constructor(t: TestContext) {
    this.#t = t;
    this.folder = makeTempFolder(t);
    const files = Object.entries(sizes).map(([path, size], i) => [path, makeBytes(size, i)] as const);
    writeTree(this.path('share'), Object.fromEntries(files));
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** @returns events come in while it runs */
  start(...args: readonly string[]): CliProcess {
    return new CliProcess(this.#t, args, { cwd: this.folder });
  }

  /** To its end, for people: no --json. */
  run(...args: readonly string[]): Promise<CliResult> {
    return runCli(args, { cwd: this.folder, env: { EIDER_STATE_DIR: this.path('state') } });
  }

  /** A tracker on both protocols. @returns its announce URLs */
  async tracker(): Promise<{ http: string; udp: string; process: CliProcess }> {
    const process = this.start('tracker', '--http', anywhere, '--udp', anywhere);
    await process.waitFor('ready');
    const [http, udp] = await Promise.all([process.address('http'), process.address('udp')]);
    return { http: `http://${http}/announce`, udp: `udp://${udp}/announce`, process };
  }

  /** Seeds `share` (or another path), ready when this resolves; the torrent is in `<name>.torrent`. */
  async seed(path = 'share', ...args: readonly string[]): Promise<CliProcess> {
    const state = ['--state-dir', this.path('seeder-state')];
    const seeder = this.start('seed', path, '--listen', anywhere, '--piece-length', '16K', ...state, ...args);
    await seeder.waitFor('ready');
    return seeder;
  }

  /** A client with a state folder of its own, unless one is named. */
  download(torrent: string, ...args: readonly string[]): CliProcess {
    const state = args.includes('--state-dir') ? [] : ['--state-dir', this.path(`state-${++this.#clients}`)];
    return this.start('download', torrent, '--listen', anywhere, ...state, ...args);
  }

  read(...parts: readonly string[]): Buffer {
    return readFileSync(this.path(...parts));
  }

  /** Names of the shared files that `dir/share` does not have byte for byte. */
  differences(dir: string): string[] {
    return Object.keys(sizes).filter((path) => {
      try {
        return !this.read(dir, 'share', path).equals(this.read('share', path));
      } catch {
        return true;
      }
    });
  }
}

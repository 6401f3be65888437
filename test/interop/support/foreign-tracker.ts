import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkSide } from './network.ts';
import { Program } from './program.ts';

/** Every port is free in a namespace of its own. */
const port = 6969;
const portInProc = `:${port.toString(16).toUpperCase()} `;
const pollMs = 50;
const npmFolder = join(import.meta.dirname, '../../../interop-npm');

/** A tracker of somebody else, on port 6969 of HTTP and UDP. */
export interface ForeignTracker {
  readonly name: string;
  /** Its `scrape` over HTTP can be read. */
  readonly scrapesByHttp: boolean;
  /** Counts downloads that were completed. */
  readonly countsDownloads: boolean;
  /** Why it cannot run here; undefined = it can. */
  missing(): string | undefined;
  /** @param infoHash the one torrent, in hex */
  start(side: NetworkSide, folder: string, infoHash: string): Promise<Program>;
}

export const openTracker: ForeignTracker = {
  name: 'opentracker',
  scrapesByHttp: true,
  countsDownloads: true,
  missing() {
    try {
      execFileSync('opentracker', ['-h'], { stdio: 'ignore' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'opentracker is not installed';
    }
    return undefined;
  },
  async start(side, folder, infoHash) {
    // It changes to this folder and to a user who must be able to read it. Debian's build serves only what is listed.
    await chmod(folder, 0o755);
    await writeFile(join(folder, 'allowed'), `${infoHash}\n`);
    const config = [
      'access.whitelist allowed',
      `tracker.rootdir ${folder}`,
      'tracker.user nobody',
      `listen.tcp ${side.host}:${port}`,
      `listen.udp ${side.host}:${port}`,
    ];
    const file = join(folder, 'opentracker.conf');
    await writeFile(file, `${config.join('\n')}\n`);
    return untilListens(new Program(side, ['opentracker', '-f', file]));
  },
};

export const bittorrentTracker: ForeignTracker = {
  name: "npm's bittorrent-tracker",
  // 11.2.3 writes the info-hash of the answer as UTF-8 of its bytes: longer than 20 wherever one is above 127.
  scrapesByHttp: false,
  // It says how many seeders there are.
  countsDownloads: false,
  missing: () =>
    existsSync(join(npmFolder, 'node_modules/bittorrent-tracker'))
      ? undefined
      : 'node tools/install-interop-npm.mjs has not been run',
  start(side) {
    const script = join(import.meta.dirname, 'bittorrent-tracker.js');
    return untilListens(new Program(side, [process.execPath, script, npmFolder, side.host, `${port}`]));
  },
};

export function announceUrl(side: NetworkSide, protocol: 'http' | 'udp'): string {
  return `${protocol}://${side.host}:${port}/announce`;
}

/** Asks the system: the process is in a network that we are not in. */
async function untilListens(program: Program): Promise<Program> {
  const hasPort = (kind: string, state: string) =>
    readFileSync(`/proc/${program.pid}/net/${kind}`, 'utf8')
      .split('\n')
      .some((line) => line.includes(portInProc) && line.includes(state));
  const listens = async () => {
    while (!(hasPort('tcp', ' 0A ') && hasPort('udp', ' 07 '))) await sleep(pollMs);
  };
  try {
    await Promise.race([listens(), program.untilItDies()]);
  } catch (error) {
    const said = program.output;
    await program[Symbol.asyncDispose]();
    throw new Error(`the tracker does not listen: ${said}`, { cause: error });
  }
  return program;
}

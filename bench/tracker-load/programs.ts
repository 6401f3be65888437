import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PeerAddress, toHex } from '#base';
import { findFreePort, waitForListener } from '../support/ports.ts';
import { eiderCommand, JsonChild } from '../support/processes.ts';
import { type EiderVariant, writeEiderConfig } from './eider-config.ts';
import type { TrackerRules } from './judge.ts';

/** What a tracker is told before it starts. */
export interface TrackerOrder {
  /** 20 bytes each: a tracker with a list of allowed torrents gets these. */
  readonly hashes: Uint8Array;
  readonly nodeArgs?: readonly string[];
}

export interface RunningTracker {
  readonly pid: number;
  readonly udp: PeerAddress;
  readonly http: PeerAddress;
  /** Ends the process and waits for that. */
  stop(): Promise<void>;
}

/** A tracker program that the load runs against. */
export interface TrackerProgram {
  readonly name: string;
  /** For the table. */
  readonly title: string;
  readonly rules: TrackerRules;
  /** Gets a tenth of the load and no swarms of more than 1,000 peers, where it begins to forget some: it would take hours otherwise. */
  readonly isSlow: boolean;
  /** It runs on Node: its garbage is collected before its memory is read. */
  readonly collectsGarbage: boolean;
  /** Phases that it answers wrong, by name. */
  readonly cannot?: readonly string[];
  /** @returns why it cannot run here, or undefined */
  missing(): string | undefined;
  start(order: TrackerOrder): Promise<RunningTracker>;
}

/** For programs on Node. */
const collectorArgs = ['--expose-gc', '--import', new URL('./collect-garbage.js', import.meta.url).href];
const HOST = '127.0.0.1';
const ownRules: TrackerRules = { seedersToSeeders: false, mayGiveSelf: false, countsDownloads: true };

/** @param folder where the tracker keeps its files; one that stays makes a restart possible */
export async function startEider(
  folder: string,
  options: { variant?: EiderVariant; env?: Readonly<Record<string, string>>; nodeArgs?: readonly string[] } = {},
): Promise<RunningTracker> {
  const { nodeArgs = [], env = {} } = options;
  const config = await writeEiderConfig(folder, options.variant ?? {});
  const cli = new JsonChild(eiderCommand, ['tracker', '--config', config, '--json', '--quiet'], {
    nodeArgs,
    env,
  });
  const places = new Map<string, PeerAddress>();
  for (;;) {
    const line = await cli.nextLine();
    if (line === undefined) throw new Error('the tracker ended before it was ready');
    if (line['event'] === 'listening' && line['host'] === HOST) places.set(String(line['protocol']), toAddress(line));
    if (line['event'] === 'ready') break;
  }
  return {
    pid: cli.child.pid as number,
    udp: places.get('udp') as PeerAddress,
    http: places.get('http') as PeerAddress,
    stop: () => cli.end('SIGTERM'),
  };
}

function toAddress(line: Record<string, unknown>): PeerAddress {
  return { host: String(line['host']), port: Number(line['port']) };
}

function eider(name: string, title: string, env: Readonly<Record<string, string>>): TrackerProgram {
  return {
    name,
    title,
    rules: ownRules,
    isSlow: false,
    collectsGarbage: true,
    missing: () => undefined,
    async start({ nodeArgs = [] }) {
      const folder = await mkdtemp(join(tmpdir(), 'eider-load-'));
      const tracker = await startEider(folder, { env, nodeArgs: [...collectorArgs, ...nodeArgs] });
      return {
        ...tracker,
        stop: async () => {
          await tracker.stop();
          await rm(folder, { recursive: true });
        },
      };
    },
  };
}

const openTracker: TrackerProgram = {
  name: 'opentracker',
  title: 'opentracker',
  rules: { seedersToSeeders: true, mayGiveSelf: true, countsDownloads: false },
  isSlow: false,
  collectsGarbage: false,
  missing: () =>
    spawnSync('opentracker', ['-h']).error === undefined ? undefined : 'not installed (tools/install-interop.sh)',
  async start({ hashes }) {
    const folder = await mkdtemp(join(tmpdir(), 'eider-opentracker-'));
    // As root it changes to this folder and another user, who must be able to read it.
    await chmod(folder, 0o755);
    const port = await findFreePort();
    const list: string[] = [];
    for (let at = 0; at < hashes.length; at += 20) list.push(`${toHex(hashes.subarray(at, at + 20))}\n`);
    await writeFile(join(folder, 'allowed'), list.join(''));
    const config = [
      // Debian's build serves only what is listed.
      'access.whitelist allowed',
      `tracker.rootdir ${folder}`,
      'tracker.user nobody',
      `listen.tcp ${HOST}:${port}`,
      `listen.udp ${HOST}:${port}`,
    ];
    const file = join(folder, 'opentracker.conf');
    await writeFile(file, `${config.join('\n')}\n`);
    const child = spawn('opentracker', ['-f', file], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const at = { host: HOST, port };
    await waitForListener(child, at);
    return {
      pid: child.pid as number,
      udp: at,
      http: at,
      stop: async () => {
        await end(child);
        await rm(folder, { recursive: true });
      },
    };
  },
};

/** Relative to the folder of the built file. */
const npmFolder = join(import.meta.dirname, '../../interop-npm');

const bittorrentTracker: TrackerProgram = {
  name: 'bittorrent-tracker',
  title: 'bittorrent-tracker',
  rules: { seedersToSeeders: true, mayGiveSelf: true, countsDownloads: false },
  isSlow: true,
  collectsGarbage: true,
  // 11.2.3 writes the info-hash of an HTTP scrape as UTF-8 of its bytes: longer than 20 wherever one is above 127.
  cannot: ['HTTP scrape, keep-alive'],
  missing: () =>
    existsSync(join(npmFolder, 'node_modules/bittorrent-tracker'))
      ? undefined
      : 'not installed (node tools/install-interop-npm.mjs)',
  async start() {
    return startChild(
      new JsonChild('../tracker-load/bittorrent-tracker-runner.js', [npmFolder], {
        nodeArgs: [...collectorArgs, '--max-old-space-size=4096'],
      }),
    );
  },
};

async function startChild(child: JsonChild): Promise<RunningTracker> {
  const ready = await child.next('ready');
  return {
    pid: child.child.pid as number,
    udp: ready['udp'] as PeerAddress,
    http: ready['http'] as PeerAddress,
    stop: () => child.end(),
  };
}

export const programs: readonly TrackerProgram[] = [
  eider('eider', 'Eider', {}),
  eider('eider-dgram', 'Eider, node:dgram', { EIDER_WITHOUT: 'koffi' }),
  openTracker,
  bittorrentTracker,
];

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await once(child, 'exit');
  clearTimeout(timer);
}

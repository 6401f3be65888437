import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { eiderCommand, JsonChild } from '../support/processes.ts';
import { digestOf, type MadeContent, writeTorrent } from './content.ts';
import { Meter, type Usage } from './meter.ts';
import type { Leecher, SideOrder, TransferProgram } from './program.ts';

export interface TransferOrder {
  readonly content: MadeContent;
  /** For this run alone; is made. The caller removes it. */
  readonly folder: string;
  readonly seeder: TransferProgram;
  readonly leecher: TransferProgram;
  readonly leechers: number;
}

export interface TransferResult {
  /** Until the last leecher has everything. */
  readonly seconds: number;
  readonly seeder: Usage;
  /** All leechers together. */
  readonly leecher: Usage;
}

/** One seeder, one or more leechers, each a process; every copy is compared with the original. */
export async function runTransfer(order: TransferOrder): Promise<TransferResult> {
  const { content, folder } = order;
  await mkdir(folder);
  const running: AsyncDisposable[] = [];
  const keep = <T extends AsyncDisposable>(one: T): T => {
    running.push(one);
    return one;
  };
  try {
    const torrentFile = join(folder, 'content.torrent');
    const tracker = keep(await startTracker());
    await writeTorrent(torrentFile, content, tracker.url);
    const seeder = keep(
      await order.seeder.seed(await place(folder, 'seeder', { torrentFile, content: content.folder })),
    );
    const leechers: Leecher[] = [];
    for (let i = 0; i < order.leechers; i++) {
      leechers.push(keep(await order.leecher.leech(await place(folder, leecherName(i), { torrentFile }))));
    }
    const meter = new Meter([
      { pid: seeder.pid, role: 'seeder' },
      ...leechers.map(({ pid }) => ({ pid, role: 'leecher' })),
    ]);
    // A pair is introduced, so that no tracker is part of the figure; a swarm finds itself.
    const peers = leechers.length === 1 ? [seeder.address] : [];
    const fetching = Promise.all(leechers.map((leecher) => leecher.fetch(peers)));
    if (order.leecher.isDialled === true) for (const { address } of leechers) seeder.dial?.(address);
    const times = await fetching;
    const usage = meter.read();
    for (let i = 0; i < leechers.length; i++) {
      if (digestOf(join(folder, leecherName(i))) !== content.digest) {
        throw new Error(`${order.leecher.name}: the copy differs from the original`);
      }
    }
    return {
      seconds: Math.max(...times),
      seeder: usage.get('seeder') as Usage,
      leecher: usage.get('leecher') as Usage,
    };
  } finally {
    for (const one of running.reverse()) await one[Symbol.asyncDispose]();
  }
}

function leecherName(i: number): string {
  return `leecher-${i}`;
}

async function place(
  folder: string,
  name: string,
  { torrentFile, content }: { readonly torrentFile: string; readonly content?: string },
): Promise<SideOrder> {
  const own = join(folder, name);
  const work = join(folder, `${name}-work`);
  await mkdir(own);
  await mkdir(work);
  return { torrentFile, folder: content ?? own, work };
}

async function startTracker(): Promise<AsyncDisposable & { readonly url: string }> {
  const args = ['tracker', '--http', '127.0.0.1:0', '--json', '--quiet'];
  const child = new JsonChild(eiderCommand, args);
  const { port } = await child.next('listening');
  return { url: `http://127.0.0.1:${port}/announce`, [Symbol.asyncDispose]: () => child.end('SIGTERM') };
}

import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createTorrent, verifyTorrent } from '#create';
import type { TorrentFormat } from '#metainfo';
import { readCountsInOrder } from '../support/arguments.ts';

/**
 * Hashing a file in the page cache, as `create` and `verify` do it: GB/s over all threads and CPU-seconds a GiB.
 *
 *     npm run bench -- create-hash [GIB] [PATH]
 *
 * GIB (default 1) of made-up data in the temporary folder, or the file or folder PATH.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} });
  const [gib] = readCountsInOrder(positionals.slice(0, 1), [1]);
  const folder = mkdtempSync(join(tmpdir(), 'eider-bench-'));
  try {
    const path = positionals[1] ?? makeFile(join(folder, 'data'), gib);
    const rows = [];
    for (const format of ['v1', 'v2', 'hybrid'] satisfies TorrentFormat[]) {
      const work = async () => (await createTorrent(path, { format })).torrent.info.totalLength;
      rows.push({ what: `create ${format}`, ...(await measure(work)) });
    }
    const { torrent } = await createTorrent(path);
    const work = async () => {
      await verifyTorrent(torrent, dirname(resolve(path)));
      return torrent.info.totalLength;
    };
    rows.push({ what: 'verify v1', ...(await measure(work)) });
    console.table(rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Best of three: the others were disturbed. @param work returns the bytes it went through */
async function measure(work: () => Promise<number>): Promise<Record<string, number>> {
  let best = { seconds: Number.POSITIVE_INFINITY, cpuSeconds: 0, bytes: 0 };
  for (let i = 0; i < 3; i++) {
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    const bytes = await work();
    const seconds = (performance.now() - startedAt) / 1000;
    const used = process.cpuUsage(cpu);
    if (seconds < best.seconds) best = { seconds, cpuSeconds: (used.user + used.system) / 1e6, bytes };
  }
  const round = (n: number) => Math.round(n * 100) / 100;
  return {
    'GB/s': round(best.bytes / 1e9 / best.seconds),
    'CPU-s/GiB': round(best.cpuSeconds / (best.bytes / 2 ** 30)),
    seconds: round(best.seconds),
  };
}

function makeFile(path: string, gib: number): string {
  const fd = openSync(path, 'w');
  const block = Buffer.alloc(1 << 20);
  for (let i = 0; i < block.length; i += 4) block.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i);
  for (let i = 0; i < gib * 1024; i++) writeSync(fd, block);
  return path;
}

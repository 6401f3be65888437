/**
 * `npm run bench -- self [--runs 5] [--mib 1024] [--format v1]`: one file from Eider to Eider over loopback, each side a process of its
 * own, files in the page cache. Prints wall time and CPU-seconds per GiB (user + system, all threads) of both sides; every run is compared
 * byte for byte.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createTorrent } from 'eider/create';
import { JsonChild, median, spread } from './support/processes.ts';

/** What the issue asks for, CPU-seconds per GiB on Node 20. */
const targets = { downloader: 2.5, seeder: 1.3 };

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string' },
      mib: { type: 'string' },
      format: { type: 'string' },
      profile: { type: 'boolean' },
    },
  });
  const runs = Number(values.runs ?? 5);
  const mib = Number(values.mib ?? 1024);
  const folder = await mkdtemp(join(tmpdir(), 'eider-bench-'));
  try {
    const seedDir = join(folder, 'seed');
    await mkdir(seedDir);
    const content = join(seedDir, 'content.bin');
    writeContent(content, mib);
    const digest = await hashFile(content);
    const torrentFile = join(folder, 'content.torrent');
    const format = (values.format ?? 'v1') as 'v1' | 'v2' | 'hybrid';
    const made = await createTorrent(content, { format, pieceLength: 1024 * 1024 });
    await writeFile(torrentFile, made.bytes);
    const rows: { seconds: number; downloader: number; seeder: number; peakMiB: number; seederPeakMiB: number }[] = [];
    for (let i = 0; i < runs; i++) {
      const dir = join(folder, `leech-${i}`);
      await mkdir(dir);
      const options = (name: string) =>
        values.profile === true ? { nodeArgs: ['--cpu-prof', `--cpu-prof-name=${name}.cpuprofile`] } : {};
      const seeder = new JsonChild('./transfer-peer.js', ['seed', torrentFile, seedDir], options('seeder'));
      const { port } = await seeder.next('ready');
      const leecher = new JsonChild(
        './transfer-peer.js',
        ['leech', torrentFile, dir, `127.0.0.1:${port}`],
        options('leecher'),
      );
      const down = await leecher.next('result');
      await leecher.end();
      seeder.child.stdin?.end();
      const up = await seeder.next('result');
      await seeder.end();
      if ((await hashFile(join(dir, 'content.bin'))) !== digest) throw new Error('the copy differs from the original');
      await rm(dir, { recursive: true });
      const perGib = (r: Record<string, unknown>) => ((Number(r['userSec']) + Number(r['systemSec'])) * 1024) / mib;
      const row = {
        seconds: Number(down['seconds']),
        downloader: perGib(down),
        seeder: perGib(up),
        peakMiB: Number(down['peakMiB']) - Number(down['idleMiB']),
        seederPeakMiB: Number(up['peakMiB']) - Number(up['idleMiB']),
      };
      rows.push(row);
      const user = (r: Record<string, unknown>) =>
        `${Number(r['userSec']).toFixed(2)} user + ${Number(r['systemSec']).toFixed(2)} system`;
      process.stdout.write(
        `run ${i + 1}: ${row.seconds.toFixed(2)} s, ${(mib / row.seconds).toFixed(0)} MiB/s; downloader ${user(down)}; seeder ${user(up)}\n`,
      );
    }
    const column = (key: keyof (typeof rows)[number]) => rows.map((row) => row[key]);
    const verdict = (key: 'downloader' | 'seeder') => (median(column(key)) <= targets[key] ? 'reached' : 'MISSED');
    process.stdout.write(
      `\n${mib} MiB ${format}, Node ${process.versions.node}, median (min - max) of ${runs}\n` +
        `wall seconds            ${spread(column('seconds'))}\n` +
        `downloader CPU-s/GiB    ${spread(column('downloader'))}   at most ${targets.downloader}: ${verdict('downloader')}\n` +
        `seeder CPU-s/GiB        ${spread(column('seeder'))}   at most ${targets.seeder}: ${verdict('seeder')}\n` +
        `own memory MiB          ${spread(column('peakMiB'), 0)} downloader, ${spread(column('seederPeakMiB'), 0)} seeder\n`,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Bytes that neither compress nor repeat, made fast: a counter-seeded hash stream, one MiB at a time. */
function writeContent(path: string, mib: number): void {
  const fd = openSync(path, 'w');
  try {
    const block = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < mib; i++) {
      let x = (i + 1) * 0x9e3779b1;
      for (let at = 0; at < block.length; at += 4) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        block.writeInt32LE(x | 0, at);
      }
      writeSync(fd, block);
    }
  } finally {
    closeSync(fd);
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

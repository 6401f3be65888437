/**
 * `npm run bench -- connections [--counts 1,10,100,500] [--runs 3] [--mib 512]`: one file from so many seeders at once, which are bare
 * and together one process; what a connection costs the leecher. Its CPU time, and what it holds, must not grow much with their number.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { JsonChild } from './support/processes.ts';
import { digestOf, type MadeContent, makeContent, writeTorrent } from './transfer/content.ts';
import { eiderProgram } from './transfer/eider.ts';
import { Meter, type Usage } from './transfer/meter.ts';
import { formatReport, makeReport, type Row } from './transfer/report.ts';
import { toFigures } from './transfer/transfers.ts';

const nowhere = 'http://127.0.0.1:9/announce';

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      counts: { type: 'string', default: '1,10,100,500' },
      runs: { type: 'string', default: '3' },
      mib: { type: 'string', default: '512' },
    },
  });
  const counts = values.counts.split(',').map(Number);
  const folder = await mkdtemp(join(tmpdir(), 'eider-bench-'));
  try {
    const plan = {
      format: 'v1',
      fileCount: 1,
      fileBytes: Number(values.mib) * 1_048_576,
      pieceLength: 2 ** 20,
    } as const;
    const content = await makeContent(join(folder, 'original'), plan);
    const torrentFile = join(folder, 'content.torrent');
    await writeTorrent(torrentFile, content, nowhere);
    const rows: Row[] = [];
    for (let round = 0; round < Number(values.runs); round++) {
      for (const count of counts) {
        const place = join(folder, `leecher-${rows.length}`);
        const figures = await leechFrom(count, { content, torrentFile, place });
        if (digestOf(place) !== content.digest) throw new Error('the copy differs from the original');
        await rm(place, { recursive: true });
        rows.push({ program: `${count} connections`, round, figures });
      }
    }
    rows.sort((a, b) => Number.parseInt(a.program, 10) - Number.parseInt(b.program, 10) || a.round - b.round);
    const report = makeReport('connections', `${values.mib} MiB downloaded from bare seeders`, rows);
    process.stdout.write(formatReport(report, []));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function leechFrom(
  count: number,
  { content, torrentFile, place }: { content: MadeContent; torrentFile: string; place: string },
): Promise<Record<string, number>> {
  const work = `${place}-work`;
  await mkdir(work);
  await mkdir(place);
  const seeders = new JsonChild('./bare-seeders.js', [torrentFile, join(content.folder, 'content'), String(count)]);
  try {
    const ports = (await seeders.next('ready'))['ports'] as number[];
    await using leecher = await eiderProgram({ connections: count }).leech({ torrentFile, folder: place, work });
    const meter = new Meter([{ pid: leecher.pid, role: 'leecher' }]);
    const seconds = await leecher.fetch(ports.map((port) => ({ host: '127.0.0.1', port })));
    return toFigures(seconds, meter.read().get('leecher') as Usage, content.bytes);
  } finally {
    await seeders.end();
  }
}

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { JsonChild } from '../support/processes.ts';
import { digestOf, makeContent, nowhere, writeTorrent } from '../transfer/content.ts';
import { eiderProgram } from '../transfer/eider.ts';
import { Meter, type Usage } from '../transfer/meter.ts';
import { figure, toFigures } from '../transfer/transfers.ts';
import type { Scale } from './scale.ts';

/** The seeders are bare and together one process: what differs is what a connection costs the leecher. */
export const connections: Scale = {
  name: 'connections',
  work: 'a file downloaded from so many bare seeders at once',
  unit: 'connection',
  sizes: [1, 10, 100, 500],
  label: (count) => `${count} connections`,
  async prepare({ folder, mib }) {
    const plan = { format: 'v1', fileCount: 1, fileBytes: mib * 1_048_576, pieceLength: 2 ** 20 } as const;
    const content = await makeContent(join(folder, 'original'), plan);
    const torrentFile = join(folder, 'content.torrent');
    await writeTorrent(torrentFile, content, nowhere);
    return {
      close: async () => {},
      async measure(count, place) {
        const work = `${place}-work`;
        await mkdir(work);
        await mkdir(place);
        const seeders = new JsonChild('./bare-seeders.js', [
          torrentFile,
          join(content.folder, 'content'),
          String(count),
        ]);
        try {
          const ports = (await seeders.next('ready'))['ports'] as number[];
          await using leecher = await eiderProgram({ connections: count }).leech({ torrentFile, folder: place, work });
          const meter = new Meter([{ pid: leecher.pid, role: 'leecher' }]);
          const seconds = await leecher.fetch(ports.map((port) => ({ host: '127.0.0.1', port })));
          const figures = toFigures(seconds, meter.read().get('leecher') as Usage, content.bytes);
          if (digestOf(place) !== content.digest) throw new Error('the copy differs from the original');
          const { [figure.wall]: wall, [figure.cpu]: cpu, [figure.own]: own } = figures as Record<string, number>;
          return { [figure.wall]: wall, [figure.cpu]: cpu, [figure.own]: own } as Record<string, number>;
        } finally {
          await seeders.end();
        }
      },
    };
  },
};

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eiderCommand } from '../support/processes.ts';
import { eiderChecker, timeCheck, withTorrent } from '../transfer/check.ts';
import { type MadeContent, makeContent } from '../transfer/content.ts';
import { eiderProgram } from '../transfer/eider.ts';
import { timeCommand } from '../transfer/run-command.ts';
import { runTransfer } from '../transfer/run-transfer.ts';
import { figure, toFigures } from '../transfer/transfers.ts';
import { type Scale, toMicros } from './scale.ts';

const FILE_BYTES = 16_384;

/** Ever more small files: made, verified, checked by a session, and downloaded from Eider itself. */
export const files: Scale = {
  name: 'files',
  work: 'so many files of 16 KiB in pieces of 256 KiB',
  unit: 'file',
  keepsRuns: true,
  sizes: [1, 100, 1_000, 5_000, 20_000, 50_000],
  label: (count) => `${count} files`,
  async prepare({ folder, sizes }) {
    const contents = new Map<number, MadeContent>();
    for (const fileCount of sizes) {
      const plan = { format: 'v1', fileCount, fileBytes: FILE_BYTES, pieceLength: 2 ** 18 } as const;
      contents.set(fileCount, await makeContent(join(folder, `original-${fileCount}`), plan));
    }
    return {
      close: async () => {},
      async measure(count, place) {
        const content = contents.get(count) as MadeContent;
        const { bytes } = content;
        const micros = (figures: Record<string, number>) => toMicros(figures[figure.cpu] as number, { bytes, count });
        const made = await byCommands(content, `${place}-commands`);
        const checked = await withTorrent(content, `${place}-check`, (torrentFile) =>
          timeCheck(eiderChecker(torrentFile, content.folder), bytes),
        );
        const eider = eiderProgram();
        const result = await runTransfer({ content, folder: place, seeder: eider, leecher: eider, leechers: 1 });
        return {
          'create us/file': micros(made.create),
          'verify us/file': micros(made.verify),
          'recheck us/file': micros(checked),
          'leecher us/file': micros(toFigures(result.seconds, result.leecher, bytes)),
          'seeder us/file': micros(toFigures(result.seconds, result.seeder, bytes)),
          'download s': result.seconds,
          'leecher own MiB': result.leecher.ownMib,
        };
      },
    };
  },
};

type Figures = Record<string, number>;

async function byCommands(content: MadeContent, folder: string): Promise<{ create: Figures; verify: Figures }> {
  await mkdir(folder);
  const torrent = join(folder, 'made.torrent');
  const eider = [process.execPath, eiderCommand];
  const source = join(content.folder, 'content');
  const create = await timeCommand([...eider, 'create', source, '-o', torrent, '--quiet'], content.bytes);
  const verify = await timeCommand([...eider, 'verify', torrent, '--dir', content.folder, '--quiet'], content.bytes);
  await rm(folder, { recursive: true });
  return { create, verify };
}

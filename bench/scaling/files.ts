import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { JsonChild } from '../support/processes.ts';
import { type MadeContent, makeContent, writeTorrent } from '../transfer/content.ts';
import { eiderProgram } from '../transfer/eider.ts';
import { toLeecher } from '../transfer/json-side.ts';
import { Meter, type Usage } from '../transfer/meter.ts';
import { timeCommand } from '../transfer/run-command.ts';
import { runTransfer } from '../transfer/run-transfer.ts';
import { figure, toFigures } from '../transfer/transfers.ts';
import { type Scale, toMicros } from './scale.ts';

const command = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const nowhere = 'http://127.0.0.1:9/announce';
const FILE_BYTES = 16_384;

/** Ever more small files: made, verified, checked by a session, and downloaded from Eider itself. */
export const files: Scale = {
  name: 'files',
  work: 'so many files of 16 KiB in pieces of 256 KiB',
  unit: 'file',
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
        const checked = await check(content, `${place}-check`);
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
  const eider = [process.execPath, command];
  const source = join(content.folder, 'content');
  const create = await timeCommand([...eider, 'create', source, '-o', torrent, '--quiet'], content.bytes);
  const verify = await timeCommand([...eider, 'verify', torrent, '--dir', content.folder, '--quiet'], content.bytes);
  await rm(folder, { recursive: true });
  return { create, verify };
}

/** A session is given files without a record of them. */
async function check(content: MadeContent, folder: string): Promise<Figures> {
  await mkdir(folder);
  const torrentFile = join(folder, 'content.torrent');
  await writeTorrent(torrentFile, content, nowhere);
  const figures = await inSession(torrentFile, content);
  await rm(folder, { recursive: true });
  return figures;
}

async function inSession(torrentFile: string, { folder, bytes }: MadeContent): Promise<Figures> {
  const child = new JsonChild('./transfer-peer.js', ['leech', torrentFile, folder, dirname(torrentFile)]);
  await using side = await toLeecher(child, () => '');
  const meter = new Meter([{ pid: side.pid, role: 'checker' }]);
  const seconds = await side.fetch([]);
  return toFigures(seconds, meter.read().get('checker') as Usage, bytes);
}

import { join } from 'node:path';
import { type MadeContent, makeContent } from '../transfer/content.ts';
import { eiderProgram } from '../transfer/eider.ts';
import { runTransfer } from '../transfer/run-transfer.ts';
import { figure, toFigures } from '../transfer/transfers.ts';
import { type Scale, toMicros } from './scale.ts';

const KIB = 1024;

/** The same bytes in ever more pieces, from Eider to itself. */
export const pieces: Scale = {
  name: 'pieces',
  work: 'a file from Eider to itself, in pieces of so many KiB',
  unit: 'piece',
  sizes: [16_384, 4_096, 1_024, 256, 64, 16],
  label: (kib) => (kib >= KIB ? `${kib / KIB} MiB` : `${kib} KiB`),
  async prepare({ folder, sizes, mib }) {
    const contents = new Map<number, MadeContent>();
    for (const kib of sizes) {
      const plan = {
        format: 'v1',
        fileCount: 1,
        fileBytes: mib * KIB * KIB,
        pieceLength: kib * KIB,
      } as const;
      contents.set(kib, await makeContent(join(folder, `original-${kib}`), plan));
    }
    return {
      close: async () => {},
      async measure(kib, place) {
        const content = contents.get(kib) as MadeContent;
        const eider = eiderProgram();
        const result = await runTransfer({ content, folder: place, seeder: eider, leecher: eider, leechers: 1 });
        const of = (role: 'leecher' | 'seeder') => toFigures(result.seconds, result[role], content.bytes);
        const [down, up] = [of('leecher')[figure.cpu] as number, of('seeder')[figure.cpu] as number];
        const count = content.torrent.info.pieceCount;
        return {
          [figure.wall]: result.seconds,
          'leecher CPU-s/GiB': down,
          'leecher us/piece': toMicros(down, { bytes: content.bytes, count }),
          'seeder CPU-s/GiB': up,
          'seeder us/piece': toMicros(up, { bytes: content.bytes, count }),
          'leecher own MiB': result.leecher.ownMib,
        };
      },
    };
  },
};

/**
 * `npm run bench -- small-files [arguments of leech]`: 5,000 files of 16 KiB from a libtorrent seeder. CPU and memory are the leecher's.
 */
import { compare } from './transfer/compare-programs.ts';
import { libtorrent } from './transfer/libtorrent.ts';
import { clients, eiderOn, figure, transferAs } from './transfer/transfers.ts';

export function run(args: readonly string[]): Promise<void> {
  return compare(
    {
      bench: 'small-files',
      work: 'downloaded from libtorrent',
      plan: { format: 'v1', fileCount: 5000, fileBytes: 16_384, pieceLength: 2 ** 18 },
      competitors: clients.map((client) => transferAs('leecher', client, { other: libtorrent })),
      onNode: (node) => [transferAs('leecher', eiderOn(node), { other: libtorrent })],
      keepsRuns: true,
      targets: [{ figure: figure.wall, to: 'libtorrent', most: 1.2 }],
    },
    args,
  );
}

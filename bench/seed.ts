/**
 * `npm run bench -- seed [arguments of leech]`: one file to a libtorrent leecher over loopback. CPU and memory are the seeder's.
 */
import { compare } from './transfer/compare-programs.ts';
import { libtorrent } from './transfer/libtorrent.ts';
import { clients, eiderOn, figure, transferAs } from './transfer/transfers.ts';

export function run(args: readonly string[]): Promise<void> {
  return compare(
    {
      bench: 'seed',
      work: 'seeded to libtorrent',
      plan: { format: 'v1', fileCount: 1, fileBytes: 2 ** 30, pieceLength: 2 ** 20 },
      competitors: clients.map((client) => transferAs('seeder', client, { other: libtorrent })),
      onNode: (node) => [transferAs('seeder', eiderOn(node), { other: libtorrent })],
      targets: [{ figure: figure.cpu, to: 'libtorrent', most: 0.5 }],
    },
    args,
  );
}

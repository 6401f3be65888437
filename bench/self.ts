/**
 * `npm run bench -- self [arguments of leech]`: one file from each program to itself over loopback. CPU of both sides together.
 */
import { compare } from './transfer/compare-programs.ts';
import { clients, eiderOn, figure, transferToItself } from './transfer/transfers.ts';

export function run(args: readonly string[]): Promise<void> {
  return compare(
    {
      bench: 'self',
      work: 'from each program to itself',
      plan: { format: 'v1', fileCount: 1, fileBytes: 2 ** 30, pieceLength: 2 ** 20 },
      competitors: clients.map((client) => transferToItself(client, 1)),
      onNode: (node) => [transferToItself(eiderOn(node), 1)],
      targets: [{ figure: figure.wall, to: 'libtorrent', most: 0.8 }],
    },
    args,
  );
}

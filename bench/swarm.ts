/**
 * `npm run bench -- swarm [arguments of leech]`: one seeder and six leechers of one program find each other by a tracker, over loopback.
 * Wall time until the last has everything; CPU of all seven, by bytes received; the largest memory of one.
 */
import { compare } from './transfer/compare-programs.ts';
import { clients, eiderOn, figure, transferToItself } from './transfer/transfers.ts';

const LEECHERS = 6;

export function run(args: readonly string[]): Promise<void> {
  return compare(
    {
      bench: 'swarm',
      work: `1 seeder and ${LEECHERS} leechers`,
      plan: { format: 'v1', fileCount: 1, fileBytes: 2 ** 28, pieceLength: 2 ** 20 },
      competitors: clients.map((client) => transferToItself(client, LEECHERS)),
      onNode: (node) => [transferToItself(eiderOn(node), LEECHERS)],
      targets: [{ figure: figure.wall, to: 'libtorrent', most: 1 }],
    },
    args,
  );
}

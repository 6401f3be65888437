/**
 * `npm run bench -- leech [--runs 5] [--mib 1024] [--files 1] [--piece-kib 1024] [--format v1] [--programs eider,libtorrent] [--node PATH]
 * [--newest-node] [--json FILE]`: one file from a libtorrent seeder over loopback. CPU and memory are the leecher's. `--node` runs Eider on another
 * Node too, `--newest-node` on the one that tools/install-interop-npm.mjs installs. Transmission is slow, and runs where `--programs` names it.
 */
import { compare } from './transfer/compare-programs.ts';
import { libtorrent } from './transfer/libtorrent.ts';
import { clients, eiderOn, figure, transferAs } from './transfer/transfers.ts';

export function run(args: readonly string[]): Promise<void> {
  return compare(
    {
      bench: 'leech',
      work: 'downloaded from libtorrent',
      plan: { format: 'v1', fileCount: 1, fileBytes: 2 ** 30, pieceLength: 2 ** 20 },
      competitors: clients.map((client) => transferAs('leecher', client, { other: libtorrent })),
      onNode: (node) => [transferAs('leecher', eiderOn(node), { other: libtorrent })],
      targets: [
        { figure: figure.cpu, to: 'libtorrent', most: 0.9 },
        { figure: figure.wall, to: 'libtorrent', most: 1.2 },
      ],
    },
    args,
  );
}

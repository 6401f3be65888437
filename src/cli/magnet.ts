import type { Command } from 'commander';
import { formatMagnet, toMagnet } from '../metainfo/index.ts';
import type { Cli } from './context.ts';
import { loadTorrent } from './torrent-input.ts';

interface MagnetOptions {
  readonly bare?: boolean;
}

const examples = `
Examples:
  eider magnet ubuntu.torrent
  eider magnet ubuntu.torrent --bare      nothing but hashes and name

Whoever has the link fetches the rest from peers.`;

export function defineMagnet(command: Command, cli: Cli): void {
  command
    .description('Prints the magnet link of a torrent: its hashes, name, trackers and web seeds.')
    .argument('<torrent>', 'the .torrent file')
    .option('--bare', 'leave trackers and web seeds out')
    .addHelpText('after', examples)
    .action(async (path: string, options: MagnetOptions) => {
      const { torrent } = await loadTorrent(path);
      const magnet = toMagnet(torrent);
      cli.print(`${formatMagnet(options.bare === true ? { ...magnet, trackers: [], webSeeds: [] } : magnet)}\n`);
    });
}

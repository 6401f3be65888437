import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CreatedTorrent, CreateOptions, LeftOut } from '../create/index.ts';
import { BLOCK_LENGTH, metainfoLimits, type TorrentFormat } from '../metainfo/index.ts';
import type { Cli } from './context.ts';
import { formatPlural, formatRoundBytes, printable } from './format.ts';
import { many, parseSize, parseUrl } from './options.ts';

/** How a torrent is to be made: what `create` and `seed PATH` have in common. */
export interface TorrentOptions {
  readonly output?: string;
  readonly format: TorrentFormat;
  readonly pieceLength?: number | 'auto';
  readonly exclude?: readonly string[];
  readonly tracker?: readonly (readonly string[])[];
  readonly webSeed?: readonly string[];
  readonly private?: boolean;
  readonly source?: string;
  readonly comment?: string;
  readonly date: boolean;
}

/** @param content options about the content that only one of the commands has, put with their like */
export function addTorrentOptions(command: Command, content: (command: Command) => Command = (c) => c): Command {
  command
    .optionsGroup('Content:')
    .addOption(
      new Option('--format <format>', 'v1 works with every client; v2 has a hash tree for each file; hybrid is both')
        .choices(['v1', 'v2', 'hybrid'])
        .default('v1'),
    )
    .option('--piece-length <size>', 'a power of two from 16K on, or "auto" (default: auto)', parsePieceLength);
  return content(command)
    .option('--exclude <glob>', 'leave out what matches; may be given several times', many(String))
    .optionsGroup('Peers:')
    .option('--tracker <url>', 'announce here; each use is a tier, "URL,URL" shares one', many(parseTier))
    .option(
      '--web-seed <url>',
      'also to be had here (BEP 19); may be given several times',
      many(parseUrl(['http', 'https'])),
    )
    .option('--private', 'only peers from the trackers: no DHT, no peer exchange (BEP 27)')
    .optionsGroup('About it:')
    .option('--source <text>', 'a tag that changes the info-hash, for cross-seeding')
    .option('--comment <text>', 'a word to whoever looks')
    .option('--no-date', 'leave the creation date out: same input, same bytes');
}

/** @param output where the torrent goes: never a part of its own content */
export function toCreateOptions(options: TorrentOptions, output: string): CreateOptions {
  return {
    format: options.format,
    pieceLength: options.pieceLength === 'auto' ? undefined : options.pieceLength,
    exclude: options.exclude,
    ignorePaths: [output],
    ...(options.tracker !== undefined && { trackers: options.tracker }),
    ...(options.webSeed !== undefined && { webSeeds: options.webSeed }),
    isPrivate: options.private,
    source: options.source,
    ...(options.comment !== undefined && { comment: options.comment }),
    noDate: !options.date,
  };
}

/** The torrent's name where none is given. */
export function defaultName(path: string): string {
  return resolve(path).split(/[/\\]/).at(-1) || 'root';
}

/** Tells of what the maker of a torrent may not expect. */
export function warnOfTorrent(cli: Cli, { torrent, leftOut }: CreatedTorrent): void {
  const count = (why: LeftOut['why']) => leftOut.filter((l) => l.why === why).length;
  const special = leftOut.find((l) => l.why === 'special');
  if (special !== undefined) {
    cli.warn(
      `left out ${formatPlural(count('special'), 'thing')} that are no files, such as ${printable(special.path)}`,
    );
  }
  const renamed = torrent.info.files.filter((f) => f.originalPath !== undefined);
  const first = renamed[0]?.originalPath;
  if (first !== undefined) {
    const names = formatPlural(renamed.length, 'name');
    cli.warn(
      `${names} will be changed by whoever downloads, such as ${JSON.stringify(first)}: rename before you share`,
    );
  }
  if (torrent.info.isPrivate && torrent.trackers.length === 0) {
    cli.warn('a private torrent without a tracker finds no peers: add one with --tracker');
  }
}

/** "auto" stands for no choice of ours. */
function parsePieceLength(text: string): number | 'auto' {
  // Not undefined: commander takes that for an option without a value.
  if (text === 'auto') return text;
  const length = parseSize(text);
  const isPowerOfTwo = 2 ** Math.round(Math.log2(length)) === length;
  if (!isPowerOfTwo || length < BLOCK_LENGTH || length > metainfoLimits.pieceLengthMax) {
    throw new InvalidArgumentError(
      `Give "auto" or a power of two from 16K to ${formatRoundBytes(metainfoLimits.pieceLengthMax).replace(' ', '')}.`,
    );
  }
  return length;
}

/** Commas before a scheme part URLs of one tier; others belong to the URL. */
function parseTier(text: string): readonly string[] {
  return text.split(/,(?=[a-z][a-z0-9+.-]*:\/\/)/i).map(parseUrl(['http', 'https', 'udp', 'ws', 'wss']));
}

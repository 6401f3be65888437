import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type CreatedTorrent, createTorrent, type HashProgress, type LeftOut } from '../create/index.ts';
import { BLOCK_LENGTH, formatMagnet, metainfoLimits, type TorrentFormat, toMagnet } from '../metainfo/index.ts';
import { addOutputOptions, type Cli, type OutputOptions } from './context.ts';
import { formatBytes, formatPlural, formatRoundBytes, printable } from './format.ts';
import { createHashStatus } from './hash-status.ts';
import { many, parseSize, parseUrl } from './options.ts';
import { checkOutput, writeOutput } from './output-file.ts';

interface CreateCommandOptions extends OutputOptions {
  readonly output?: string;
  readonly format: TorrentFormat;
  readonly pieceLength?: number;
  readonly name?: string;
  readonly exclude?: readonly string[];
  readonly tracker?: readonly (readonly string[])[];
  readonly webSeed?: readonly string[];
  readonly private?: boolean;
  readonly source?: string;
  readonly comment?: string;
  readonly date: boolean;
}

const notes = `
What is taken: all files of a folder, hidden ones too, in an order that is the same
on every system. Left out are what --exclude matches, empty folders, and litter of
desktops (.DS_Store, Thumbs.db, desktop.ini, …). A symbolic link stands for what it
points to. A file or folder that cannot be read, or that changes meanwhile, is an
error and no torrent is written.

Patterns: * any characters, ** any folders, ? one character, [a-z], {a,b}. Without a
slash a pattern is tried on every name, with one on the path below PATH; a slash at
the end means folders only.

Examples:
  eider create film.mkv
  eider create photos/ -o photos-2026.torrent --format hybrid --exclude '*.tmp'
  eider create dist/ --tracker udp://a.example:6969/announce --web-seed https://a.example/files/
  eider create dist/ --no-date --json         the same bytes every time; events for scripts`;

export function defineCreate(command: Command, cli: Cli): void {
  command
    .description('Makes a .torrent file from a file or a folder, hashing on all cores.')
    .argument('<path>', 'the file or folder to share')
    .option('-o, --output <file>', 'where to write it (default: <name>.torrent here)')
    .optionsGroup('Content:')
    .addOption(
      new Option('--format <format>', 'v1 works with every client; v2 has a hash tree for each file; hybrid is both')
        .choices(['v1', 'v2', 'hybrid'])
        .default('v1'),
    )
    .option('--piece-length <size>', 'a power of two from 16K on, or "auto" (default: auto)', parsePieceLength)
    .option('--name <name>', 'name of the torrent (default: the last part of the path)')
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
  addOutputOptions(command, 'events on stdout: progress, then done or error');
  command.addHelpText('after', notes).action(async (path: string, options: CreateCommandOptions) => {
    cli.configure(options);
    await runCreate(cli, path, options);
  });
}

async function runCreate(cli: Cli, path: string, options: CreateCommandOptions): Promise<void> {
  const output = options.output ?? `${options.name ?? defaultName(path)}.torrent`;
  await checkOutput(output, path);
  const signal = cli.watchInterrupts('stopping');
  const show = createHashStatus(`hashing ${printable(path)}`);
  const onProgress = (progress: HashProgress) => {
    cli.events?.progress(() => ({ ...progress }));
    cli.status(show(progress));
  };
  let created: CreatedTorrent;
  try {
    created = await createTorrent(
      path,
      {
        format: options.format,
        pieceLength: options.pieceLength,
        name: options.name,
        exclude: options.exclude,
        ignorePaths: [output],
        ...(options.tracker !== undefined && { trackers: options.tracker }),
        ...(options.webSeed !== undefined && { webSeeds: options.webSeed }),
        isPrivate: options.private,
        source: options.source,
        ...(options.comment !== undefined && { comment: options.comment }),
        noDate: !options.date,
      },
      { signal, onProgress },
    );
  } finally {
    cli.endStatus('erase');
  }
  warnOf(cli, created);
  await writeOutput(output, created.bytes);
  report(cli, output, created);
}

function defaultName(path: string): string {
  return resolve(path).split(/[/\\]/).at(-1) || 'root';
}

/** "auto" stands for no choice of ours. */
function parsePieceLength(text: string): number | undefined {
  if (text === 'auto') return undefined;
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

function warnOf(cli: Cli, { torrent, leftOut }: CreatedTorrent): void {
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

function report(cli: Cli, output: string, { bytes, torrent }: CreatedTorrent): void {
  const { info } = torrent;
  const magnet = formatMagnet(toMagnet(torrent));
  cli.events?.emit('done', {
    path: output,
    bytes: bytes.length,
    format: info.format,
    infoHashV1: info.hashV1 ?? null,
    infoHashV2: info.hashV2 ?? null,
    name: info.name,
    totalLength: info.totalLength,
    fileCount: info.files.length,
    pieceLength: info.pieceLength,
    pieceCount: info.pieceCount,
    private: info.isPrivate,
    magnet,
  });
  if (cli.events !== undefined) return;
  const rows: [string, string | undefined][] = [
    ['Torrent', output],
    ['Info-hash v1', info.hashV1],
    ['Info-hash v2', info.hashV2],
    ['Content', `${formatPlural(info.files.length, 'file')}, ${formatBytes(info.totalLength)}`],
    ['Pieces', `${formatPlural(info.pieceCount, 'piece')} of ${formatRoundBytes(info.pieceLength)}`],
    ['Magnet', magnet],
  ];
  for (const [label, text] of rows) {
    if (text !== undefined) cli.print(`${cli.paintOut('bold', label.padEnd(12))}  ${text}\n`);
  }
}

import type { Command } from 'commander';
import { type CreatedTorrent, createTorrent, type HashProgress } from '../create/index.ts';
import { formatMagnet, toMagnet } from '../metainfo/index.ts';
import { addOutputOptions, type Cli, type OutputOptions } from './context.ts';
import {
  addTorrentOptions,
  defaultName,
  type TorrentOptions,
  toCreateOptions,
  warnOfTorrent,
} from './create-options.ts';
import { formatBytes, formatPlural, formatRoundBytes, printable } from './format.ts';
import { createHashStatus } from './hash-status.ts';
import { checkOutput, writeOutput } from './output-file.ts';

interface CreateCommandOptions extends OutputOptions, TorrentOptions {
  readonly name?: string;
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
    .option('-o, --output <file>', 'where to write it (default: <name>.torrent here)');
  addTorrentOptions(command, (c) =>
    c.option('--name <name>', 'name of the torrent (default: the last part of the path)'),
  );
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
      { ...toCreateOptions(options, output), name: options.name },
      { signal, onProgress },
    );
  } finally {
    cli.endStatus('erase');
  }
  warnOfTorrent(cli, created);
  await writeOutput(output, created.bytes);
  report(cli, output, created);
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

import { Argument, type Command } from 'commander';
import type { TorrentInput } from '../client/index.ts';
import type { Cli } from './context.ts';
import { addOutputOptions } from './context.ts';
import { type FileRange, parseFileList, parseSeconds } from './options.ts';
import { fetchTorrent, isMagnet, isUrl, loadTorrent } from './torrent-input.ts';
import { checkFileList, Transfer } from './transfer.ts';
import { addTransferOptions, type TransferOptions } from './transfer-options.ts';

interface DownloadOptions extends TransferOptions {
  readonly dir: string;
  readonly files?: readonly FileRange[];
  readonly seed?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
}

const notes = `
A file ubuntu.iso is written to DIR/ubuntu.iso, a folder photos to DIR/photos/. What is
there already is checked and kept, so the same command resumes a download that was
interrupted, whatever interrupted it. Files that --files leaves out are never created;
their share of a piece at a border waits in DIR/.<info-hash>.parts.

A full disk or a folder that may not be written to ends it, with a message; with --seed it
waits and goes on by itself.

When everything is there and verified, the trackers are told and the command ends;
with --seed it stays and gives to others until Ctrl-C. The first Ctrl-C ends in order
(3 s at most), a second one at once. The place of the content is printed on stdout.

Examples:
  eider download ubuntu.torrent
  eider download ubuntu.torrent --dir ~/Downloads --seed --upload-limit 500K
  eider download 'magnet:?xt=urn:btih:…' --files 1,3-5
  eider download https://a.example/film.torrent --peer 192.0.2.7:6881 --timeout 5m
  eider download ubuntu.torrent --json | jq .event

Events of --json: listening, metadata (magnet links), checking, ready (what is on disk
is known), progress, done (once: complete and verified), warning, stopped, error.`;

export function defineDownload(command: Command, cli: Cli): void {
  command
    .description('Downloads a torrent, and resumes what was begun.')
    .addArgument(new Argument('<torrent>', 'a .torrent file, a magnet link, or an http(s) URL of a .torrent file'))
    .option('-d, --dir <dir>', "the folder that gets the torrent's file or folder", '.')
    .option('--files <list>', 'only these, like 1,3-5; `eider info` shows the numbers', parseFileList)
    .option('--seed', 'when complete, stay and give to others until Ctrl-C')
    .option('--timeout <time>', 'give up when nothing has come for so long, like 90, 5m or 2h', parseSeconds);
  addTransferOptions(command);
  addOutputOptions(command, 'events on stdout, one JSON object a line');
  command.addHelpText('after', notes).action(async (torrent: string, options: DownloadOptions) => {
    cli.configure(options);
    await runDownload(cli, torrent, options);
  });
}

async function runDownload(cli: Cli, text: string, options: DownloadOptions): Promise<void> {
  const signal = cli.watchInterrupts('stopping');
  const input = await resolveInput(text, options, signal);
  const transfer = await Transfer.open(cli, options, signal);
  try {
    await transfer.run({
      input,
      dir: options.dir,
      role: 'download',
      keepSeeding: options.seed === true,
      files: options.files,
      timeoutMs: options.timeout,
    });
  } finally {
    await transfer.close();
  }
}

/** Everything that can be wrong with the torrent shows here, before anything is opened. */
async function resolveInput(text: string, options: DownloadOptions, signal: AbortSignal): Promise<TorrentInput> {
  if (isMagnet(text)) return text.trim();
  const { torrent } = isUrl(text) ? await fetchTorrent(text.trim(), signal) : await loadTorrent(text);
  if (options.files !== undefined) checkFileList(options.files, torrent.info.files.length);
  return torrent;
}

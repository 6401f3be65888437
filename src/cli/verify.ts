import type { Command } from 'commander';
import {
  type FileStatus,
  type HashProgress,
  type VerifiedFile,
  type VerifyResult,
  verifyTorrent,
} from '../create/index.ts';
import type { TorrentFile } from '../metainfo/index.ts';
import { addOutputOptions, type Cli, type OutputOptions } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { formatBytes, formatPlural, printable, printablePath } from './format.ts';
import { createHashStatus } from './hash-status.ts';
import { loadTorrent } from './torrent-input.ts';

interface VerifyOptions extends OutputOptions {
  readonly dir: string;
  readonly verbose?: boolean;
}

const examples = `
Examples:
  eider verify ubuntu.torrent                       the data lies here
  eider verify film.torrent --dir ~/Downloads       … in ~/Downloads/<name of the torrent>
  eider verify film.torrent --dir ~/Downloads -v    lists good files and bad pieces too

Nothing is changed on disk. Exit code 0 means that every file is complete and right, 5 that something is not.`;

export function defineVerify(command: Command, cli: Cli): void {
  command
    .description('Checks data on disk against a torrent, file by file and piece by piece.')
    .argument('<torrent>', 'the .torrent file')
    .option('-d, --dir <dir>', "the folder that holds the torrent's file or folder", '.')
    .option('-v, --verbose', 'list every file, and the numbers of bad pieces');
  addOutputOptions(command, 'events on stdout: checking, progress, file (one each), then done or error');
  command.addHelpText('after', examples).action(async (path: string, options: VerifyOptions) => {
    cli.configure(options);
    const { torrent } = await loadTorrent(path);
    const signal = cli.watchInterrupts('stopping');
    const result = await verifyWithProgress(cli, torrent, options.dir, signal);
    report(cli, torrent, result, options);
  });
}

async function verifyWithProgress(
  cli: Cli,
  torrent: TorrentFile,
  dir: string,
  signal: AbortSignal,
): Promise<VerifyResult> {
  const { info } = torrent;
  cli.events?.emit('checking', {
    name: info.name,
    infoHashV1: info.hashV1 ?? null,
    infoHashV2: info.hashV2 ?? null,
    totalLength: info.totalLength,
  });
  const show = createHashStatus(`verifying ${printable(info.name)}`);
  const onProgress = (progress: HashProgress) => {
    cli.events?.progress(() => ({ ...progress }));
    cli.status(show(progress));
  };
  try {
    return await verifyTorrent(torrent, dir, { signal, onProgress });
  } finally {
    cli.endStatus('erase');
  }
}

function report(cli: Cli, torrent: TorrentFile, result: VerifyResult, options: VerifyOptions): void {
  const { info } = torrent;
  for (const f of result.files) cli.events?.emit('file', toJson(f));
  const wrong = result.files.filter((f) => f.status !== 'ok');
  if (cli.events === undefined) {
    for (const f of options.verbose === true ? result.files : wrong)
      cli.print(describe(cli, f, options.verbose === true));
  }
  for (const piece of result.contradictions.slice(0, 1)) {
    cli.warn(
      `the torrent's v1 and v2 hashes contradict each other (first at piece ${piece}): the torrent itself is wrong`,
    );
  }
  const pieces = `${result.goodPieceCount} of ${formatPlural(info.pieceCount, 'piece')}`;
  if (!result.ok) {
    if (cli.events === undefined && result.files.every((f) => f.status === 'missing')) {
      cli.note(`hint: --dir is the folder that holds ${JSON.stringify(info.name)}, not that folder itself`);
    }
    const count = wrong.length > 0 ? `${formatPlural(wrong.length, 'file')} of ${result.files.length}` : 'the torrent';
    throw new CliError(exitCodes.verifyFailed, 'cli/verify-failed', `${count} not right, ${pieces} good`);
  }
  cli.events?.emit('done', {
    ok: true,
    fileCount: result.files.length,
    pieceCount: info.pieceCount,
    goodPieceCount: result.goodPieceCount,
    totalLength: info.totalLength,
  });
  if (cli.events === undefined) {
    const files = formatPlural(result.files.length, 'file');
    cli.print(`${printable(info.name)}: all good, ${files}, ${formatBytes(info.totalLength)}, ${pieces}\n`);
  }
}

function toJson(f: VerifiedFile): Record<string, unknown> {
  return {
    index: f.file.index,
    path: f.file.path.join('/'),
    status: f.status,
    length: f.file.length,
    foundLength: f.foundLength ?? null,
    badPieces: f.badPieces,
    missingPieces: f.missingPieces,
    ...(f.what !== undefined && { message: f.what }),
  };
}

const sayings: Readonly<Record<FileStatus, string>> = {
  ok: 'ok',
  missing: 'missing',
  short: 'too short',
  long: 'too long',
  bad: 'bad data',
  unchecked: 'shares pieces with missing files',
  'not-a-file': 'not a regular file',
  outside: 'a link leads out of the folder',
  unreadable: 'cannot be read',
};

function describe(cli: Cli, f: VerifiedFile, isVerbose: boolean): string {
  const said = f.status === 'ok' ? cli.paintOut('green', 'ok') : cli.paintOut('red', sayings[f.status]);
  const details: string[] = [];
  if (f.status === 'short' || f.status === 'long') details.push(`${f.foundLength} of ${f.file.length} bytes`);
  if (f.what !== undefined) details.push(printable(f.what));
  if (f.badPieces.length > 0) {
    const list = isVerbose ? `: ${formatRanges(f.badPieces)}` : '';
    details.push(`${formatPlural(f.badPieces.length, 'bad piece')}${list}`);
  }
  if (isVerbose && f.missingPieces.length > 0) details.push(`pieces not there: ${formatRanges(f.missingPieces)}`);
  const tail = details.length > 0 ? ` (${details.join('; ')})` : '';
  return `${said}  ${printablePath(f.file.path)}${tail}\n`;
}

/** `1,3-5`: ascending numbers with runs joined. */
export function formatRanges(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; i++) {
    const first = numbers[i] as number;
    while (i + 1 < numbers.length && numbers[i + 1] === (numbers[i] as number) + 1) i++;
    const last = numbers[i] as number;
    parts.push(first === last ? String(first) : `${first}-${last}`);
  }
  return parts.join(',');
}

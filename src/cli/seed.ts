import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { type CreatedTorrent, createTorrent, type HashProgress } from '../create/index.ts';
import { toDiskError } from '../hash/index.ts';
import { formatMagnet, type Magnet, type TorrentFile, toMagnet } from '../metainfo/index.ts';
import { addOutputOptions, type Cli } from './context.ts';
import { addTorrentOptions, type TorrentOptions, toCreateOptions, warnOfTorrent } from './create-options.ts';
import { CliError, exitCodes, withExitCode } from './exit.ts';
import { printable } from './format.ts';
import { createHashStatus } from './hash-status.ts';
import { isAnyAddress } from './listen.ts';
import { checkOutput, writeOutput } from './output-file.ts';
import { checkContent, findContent, type Place } from './seed-content.ts';
import { loadTorrent } from './torrent-input.ts';
import { Transfer } from './transfer.ts';
import { addTransferOptions, type TransferOptions } from './transfer-options.ts';

interface SeedOptions extends TransferOptions, TorrentOptions {
  readonly dir?: string;
}

const notes = `
With a .torrent file (or anything, if --dir is given): shares what it names, from
DIR/<name of the torrent>. All of it must be there and right; it is checked first,
unless it was and has not changed since.

With any other file or folder: makes a torrent of it as \`eider create\` does, writes it
to <name>.torrent here (or --output), prints the magnet link on stdout, and shares the
content from where it lies. Symbolic links inside are refused.

Shares until Ctrl-C: the first ends in order (3 s at most), a second one at once.

Examples:
  eider seed film.torrent --dir ~/Downloads --upload-limit 2MiB
  eider seed photos/ --tracker http://192.0.2.7:6969/announce
  eider seed film.mkv --listen 192.0.2.7:6881     found without a tracker: the link names the peer

Events of --json: listening, created (where content was given: path, magnet, info-hashes),
checking, ready (the data is checked), done (so it is complete), progress, warning,
stopped, error.`;

export function defineSeed(command: Command, cli: Cli): void {
  command
    .description('Shares the content of a torrent, or makes a torrent of a file or folder and shares it.')
    .argument('<torrent|path>', 'a .torrent file, or the file or folder to share')
    .option('-d, --dir <dir>', "the folder that holds the torrent's file or folder (default: here)")
    .option('-o, --output <file>', 'where to write a torrent that is made (default: <name>.torrent here)');
  addTransferOptions(command);
  addTorrentOptions(command);
  addOutputOptions(command, 'events on stdout, one JSON object a line');
  command.addHelpText('after', notes).action(async (path: string, options: SeedOptions) => {
    cli.configure(options);
    if (await isTorrent(path, options)) {
      checkOptions(command);
      await seedTorrent(cli, path, options);
    } else await seedContent(cli, path, options);
  });
}

/** `seed` takes both: by its name, for a film must not have to be read to find out. */
async function isTorrent(path: string, options: SeedOptions): Promise<boolean> {
  const found = await stat(path).catch((error: unknown) => {
    throw withExitCode(exitCodes.notFound, toDiskError(error, path));
  });
  if (found.isDirectory() && options.dir !== undefined) {
    throw new CliError(
      exitCodes.usage,
      'cli/usage',
      `${path} is a folder: --dir goes with a .torrent file, leave it out`,
    );
  }
  return !found.isDirectory() && (options.dir !== undefined || /\.torrent$/i.test(path));
}

/** Options that make a torrent do nothing to one that is made already; --tracker adds to those that it names. */
function checkOptions(command: Command): void {
  const making = ['output', 'format', 'pieceLength', 'exclude', 'webSeed', 'private', 'source', 'comment', 'date'];
  const given = making.find((name) => command.getOptionValueSource(name) === 'cli');
  if (given === undefined) return;
  const flag = command.options.find((o) => o.attributeName() === given)?.long ?? given;
  throw new CliError(exitCodes.usage, 'cli/usage', `${flag} is for making a torrent, and this one is made already`);
}

async function seedTorrent(cli: Cli, path: string, options: SeedOptions): Promise<void> {
  const signal = cli.watchInterrupts('stopping');
  const dir = options.dir ?? '.';
  const { torrent } = await loadTorrent(path);
  await checkContent(torrent.info, dir);
  const transfer = await Transfer.open(cli, options, signal);
  try {
    const trackers = options.tracker?.flat();
    await transfer.run({ input: torrent, dir, role: 'seed', keepSeeding: true, trackers });
  } finally {
    await transfer.close();
  }
}

async function seedContent(cli: Cli, path: string, options: SeedOptions): Promise<void> {
  const signal = cli.watchInterrupts('stopping');
  const place = await findContent(path, options.exclude);
  const output = options.output ?? `${place.name}.torrent`;
  await checkOutput(output, place.path);
  // Listening comes first: hours of hashing for a port that is in use would be a pity.
  const transfer = await Transfer.open(cli, options, signal);
  try {
    const created = await create(cli, { place, output, options, signal });
    tell(cli, { created, output, addresses: transfer.addresses });
    await transfer.run({ input: created.torrent, dir: place.dir, role: 'seed', keepSeeding: true, verified: true });
  } finally {
    await transfer.close();
  }
}

async function create(
  cli: Cli,
  job: { place: Place; output: string; options: SeedOptions; signal: AbortSignal },
): Promise<CreatedTorrent> {
  const { place, output, options, signal } = job;
  const show = createHashStatus(`hashing ${printable(place.name)}`);
  const onProgress = (progress: HashProgress) => {
    cli.events?.progress(() => ({ state: 'hashing', ...progress }));
    cli.status(show(progress));
  };
  try {
    const created = await createTorrent(place.path, toCreateOptions(options, output), { signal, onProgress });
    warnOfTorrent(cli, created);
    // Names that had to be made safe are not what lies on disk.
    await checkContent(created.torrent.info, place.dir);
    await writeOutput(output, created.bytes);
    return created;
  } finally {
    cli.endStatus('erase');
  }
}

function tell(cli: Cli, made: { created: CreatedTorrent; output: string; addresses: Transfer['addresses'] }): void {
  const { torrent } = made.created;
  const { hashV1, hashV2, name } = torrent.info;
  const link = formatMagnet(withPeers(torrent, made.addresses));
  cli.events?.emit('created', {
    path: made.output,
    name,
    infoHashV1: hashV1 ?? null,
    infoHashV2: hashV2 ?? null,
    magnet: link,
  });
  if (cli.events !== undefined) return;
  cli.print(`${link}\n`);
  cli.note(`the torrent is in ${printable(made.output)}`);
  const place = made.addresses[0];
  if (torrent.trackers.length === 0 && place !== undefined && isAnyAddress(place.host)) {
    cli.note(`without --tracker others need to be told where to find you: --peer <this machine>:${place.port}`);
  }
}

/** A place to listen that others can dial goes into the link (x.pe): it works without any tracker. */
function withPeers(torrent: TorrentFile, addresses: Transfer['addresses']): Partial<Magnet> {
  const peers = addresses.filter((a) => !isAnyAddress(a.host));
  return { ...toMagnet(torrent), ...(peers.length > 0 && !torrent.info.isPrivate && { peers }) };
}

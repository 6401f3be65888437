import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import {
  BtError,
  createSession,
  type Session,
  type SessionEvent,
  type Torrent,
  type TorrentInput,
} from '../client/index.ts';
import { addOutputOptions, type Cli } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { warnOfFewDescriptors } from './few-descriptors.ts';
import { formatPlural, printable } from './format.ts';
import { resolveListen } from './listen.ts';
import { parseInteger } from './options.ts';
import { createRunStatus, lookAt, type RunLook, runToJson } from './run-view.ts';
import { openStateFolder } from './state-folder.ts';
import { fetchTorrent, isMagnet, isUrl, loadTorrent } from './torrent-input.ts';
import { addTransferOptions, type TransferOptions } from './transfer-options.ts';

interface RunOptions extends Omit<TransferOptions, 'trace'> {
  readonly dir: string;
  readonly activeDownloads?: number;
  readonly activeSeeds?: number;
}

const tickMs = 1_000;
/** Downloads at work at a time, where nobody says otherwise: more share one line, and each takes longer. */
const activeDownloadsDefault = 5;

const notes = `
What is added stays: the state folder remembers every torrent with its place on disk, and
the next \`eider run\` goes on with all of them. Only one process at a time uses a state
folder so; \`download\` and \`seed\` neither need nor change what is remembered.

Downloads wait for a place in the order in which they were added; one that gets nothing for
five minutes lets others go first. A torrent that is complete sleeps until somebody
connects: it is announced and found, and takes a few KiB of memory. Thousands are no
trouble. --active-seeds bounds how many of them serve at a time.

Runs until Ctrl-C: the first ends in order (3 s at most), a second one at once.

Examples:
  eider run                                       everything that was added before
  eider run ubuntu.torrent 'magnet:?xt=…' --dir ~/Downloads
  eider run --active-downloads 3 --upload-limit 2MiB

Events of --json: listening, restored, added, metadata, checking, ready, done, waking,
resting, progress, warning, stopped, error.`;

export function defineRun(command: Command, cli: Cli): void {
  command
    .description('Runs all torrents that were added before, and those given, until it is stopped.')
    .argument('[torrent|magnet|url...]', 'torrents to add')
    .option('-d, --dir <dir>', 'where the content of those given goes', '.');
  addTransferOptions(command, { trace: false });
  command
    .optionsGroup('Queue:')
    .option('--active-downloads <count>', 'downloads at work at a time, or "all"', parseCount, activeDownloadsDefault)
    .option('--active-seeds <count>', 'complete torrents that serve at a time (default: all)', parseCount);
  addOutputOptions(command, 'events on stdout, one JSON object a line');
  command.addHelpText('after', notes).action(async (inputs: readonly string[], options: RunOptions) => {
    cli.configure(options);
    await runAll(cli, inputs, options);
  });
}

function parseCount(text: string): number {
  if (text === 'all') return Number.POSITIVE_INFINITY;
  try {
    return parseInteger(1)(text);
  } catch {
    throw new InvalidArgumentError('Give a whole number of at least 1, or "all".');
  }
}

async function runAll(cli: Cli, inputs: readonly string[], options: RunOptions): Promise<void> {
  const signal = cli.watchInterrupts('stopping');
  const startedAt = performance.now();
  const session = await open(cli, options);
  const look = () => lookAt(session, performance.now() - startedAt);
  let timer: NodeJS.Timeout | undefined;
  try {
    const following = follow(cli, session);
    const known = session.torrents.length;
    cli.events?.emit('restored', { torrentCount: known });
    if (cli.events === undefined && known > 0) cli.note(`${formatPlural(known, 'torrent')} from before`);
    await addAll(cli, session, inputs, options, signal);
    if (session.torrents.length === 0) {
      const what = 'there is nothing to run yet: name a torrent or a magnet link, it is remembered';
      throw new CliError(exitCodes.usage, 'cli/usage', what);
    }
    timer = setInterval(() => show(cli, look()), tickMs);
    show(cli, look());
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    clearInterval(timer);
    const last = look();
    await session.close();
    await following;
    cli.events?.emit('stopped', runToJson(last));
    if (session.stateError !== undefined) throw session.stateError;
  } finally {
    clearInterval(timer);
    cli.endStatus('erase');
    await session.close();
  }
}

async function open(cli: Cli, options: RunOptions): Promise<Session> {
  const places = (await Promise.all((options.listen ?? []).map((place) => resolveListen(place)))).flat();
  const stateDir = await openStateFolder(cli, options.stateDir);
  if (stateDir === undefined) {
    const what = 'without a state folder nothing can be remembered: --state-dir names one that can be written to';
    throw new CliError(exitCodes.failure, 'disk/access', what);
  }
  const session = await createSession({
    stateDir,
    remember: true,
    ...(places.length > 0 && { listen: places }),
    ...(options.uploadLimit !== undefined && { uploadLimit: options.uploadLimit }),
    ...(options.downloadLimit !== undefined && { downloadLimit: options.downloadLimit }),
    ...(options.activeDownloads !== undefined && { activeDownloads: options.activeDownloads }),
    ...(options.activeSeeds !== undefined && { activeSeeds: options.activeSeeds }),
  }).catch((error: unknown) => {
    if (!BtError.is(error, 'swarm/state-damaged')) throw error;
    const torrents = join(stateDir, 'torrents');
    const what = `${error.message}: move it away to begin without, and add what lies in ${torrents} again`;
    throw new CliError(exitCodes.failure, error.code, what, { cause: error });
  });
  warnOfFewDescriptors(cli, session);
  for (const { host, port } of session.addresses) cli.events?.emit('listening', { host, port, protocol: 'tcp' });
  return session;
}

/** @throws what is wrong with an input: nothing of it is remembered, what was added before it is */
async function addAll(
  cli: Cli,
  session: Session,
  inputs: readonly string[],
  options: RunOptions,
  signal: AbortSignal,
): Promise<void> {
  for (const text of inputs) {
    const input = await read(text, signal);
    try {
      const { peer: peers } = options;
      const torrent = await session.add(input, { path: options.dir, signal, ...(peers !== undefined && { peers }) });
      cli.events?.emit('added', { ...named(torrent), dir: torrent.path });
    } catch (error) {
      if (!BtError.is(error, 'client/duplicate')) throw error;
      cli.note(`${printable(text)} is here already`);
    }
  }
}

async function read(text: string, signal: AbortSignal): Promise<TorrentInput> {
  if (isMagnet(text)) return text;
  if (isUrl(text)) return (await fetchTorrent(text, signal)).torrent;
  return (await loadTorrent(text)).torrent;
}

function named(torrent: Torrent): Record<string, unknown> {
  return {
    name: torrent.name,
    infoHashV1: torrent.infoHashV1 ?? null,
    infoHashV2: torrent.infoHashV2 ?? null,
  };
}

/** Tells what happens to each torrent. Trouble of one ends nothing but that one. */
async function follow(cli: Cli, session: Session): Promise<void> {
  for await (const event of session.events()) tell(cli, event);
}

function tell(cli: Cli, event: SessionEvent): void {
  const { torrent } = event;
  const { events } = cli;
  const name = printable(torrent.name);
  switch (event.type) {
    case 'torrent.metadata':
    case 'torrent.ready':
      events?.emit(event.type.slice('torrent.'.length), named(torrent));
      return;
    case 'torrent.checking':
      events?.emit('checking', { ...named(torrent), pieces: event.pieces });
      return;
    case 'torrent.done':
      events?.emit('done', { ...named(torrent), dir: torrent.path });
      if (events === undefined) cli.note(`done: ${name}`);
      return;
    case 'torrent.waking':
      events?.emit('waking', { ...named(torrent), reason: event.reason });
      return;
    case 'torrent.resting':
      events?.emit('resting', { ...named(torrent), phase: event.phase, reason: event.reason });
      return;
    case 'torrent.waiting':
      cli.warn(`${name}: ${event.error.message}; it goes on by itself when that is over`);
      return;
    case 'torrent.error':
      cli.warn(`${name}: ${event.error.message}`);
      return;
    default:
  }
}

function show(cli: Cli, look: RunLook): void {
  cli.events?.progress(() => runToJson(look));
  cli.status(createRunStatus(look));
}

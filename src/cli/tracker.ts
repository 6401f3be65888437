import type { Command } from 'commander';
import { BtError, formatAddress, type HostPort, type PeerAddress } from '../base/index.ts';
import { startTracker, type Tracker, type TrackerEvent } from '../trackerd/index.ts';
import { addOutputOptions, type Cli, type OutputOptions } from './context.ts';
import { formatCount, formatDuration, formatPlural } from './format.ts';
import { isAnyAddress, resolveListen } from './listen.ts';
import { many, parseListen } from './options.ts';

interface TrackerCommandOptions extends OutputOptions {
  readonly http?: readonly HostPort[];
  readonly udp?: readonly HostPort[];
}

const examples = `
Without --http and --udp the tracker listens on port 6969 of both, on all addresses.

Examples:
  eider tracker
  eider tracker --http 127.0.0.1:8000 --udp 127.0.0.1:0
  eider tracker --http '[::]:6969' --udp '[::]:6969' --json

Announce URLs are http://HOST:PORT/announce and udp://HOST:PORT/announce. A page
with numbers is at http://HOST:PORT/. Ctrl-C ends the tracker; what it knows is in
memory, and clients announce again within half an hour.`;

/** The port that trackers are looked for at. */
const defaultPort = 6969;
const statusEveryMs = 1000;

export function defineTracker(command: Command, cli: Cli): void {
  command
    .description('Runs a tracker over HTTP and UDP.')
    .option('--http <host:port>', 'listen for HTTP here; may be given several times', many(parseListen))
    .option('--udp <host:port>', 'listen for UDP here; may be given several times', many(parseListen));
  addOutputOptions(command, 'events on stdout: listening (one an address), ready, progress, error');
  command.addHelpText('after', examples).action(async (options: TrackerCommandOptions) => {
    cli.configure(options);
    await runTracker(cli, options);
  });
}

async function runTracker(cli: Cli, options: TrackerCommandOptions): Promise<void> {
  const isDefault = options.http === undefined && options.udp === undefined;
  const anywhere: readonly HostPort[] = isDefault ? [{ host: undefined, port: defaultPort }] : [];
  const signal = cli.watchInterrupts('stopping the tracker');
  const tracker = await startTracker({
    http: await resolveAll(options.http ?? anywhere),
    udp: await resolveAll(options.udp ?? anywhere),
    signal,
    onEvent: (event) => tell(cli, event),
  });
  const timer = setInterval(() => showStats(cli, tracker), statusEveryMs);
  try {
    showStats(cli, tracker);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  } finally {
    clearInterval(timer);
    cli.endStatus('erase');
    await tracker.close();
  }
}

async function resolveAll(places: readonly HostPort[]): Promise<PeerAddress[]> {
  return (await Promise.all(places.map((place) => resolveListen(place)))).flat();
}

function tell(cli: Cli, event: TrackerEvent): void {
  if (event.type === 'listening') {
    const { host, port, protocol } = event;
    cli.events?.emit('listening', { host, port, protocol });
    if (cli.events !== undefined) return;
    // The announce URL is what people came for: it is the result, and goes to stdout.
    const isAnywhere = isAnyAddress(host);
    cli.print(`${protocol}://${isAnywhere ? `localhost:${port}` : formatAddress({ host, port })}/announce\n`);
    if (isAnywhere) cli.note('  that is on all addresses: elsewhere, put the name of this machine for localhost');
  } else if (event.type === 'ready') cli.events?.emit('ready');
  else if ('error' in event) {
    const message = event.error instanceof Error ? event.error.message : String(event.error);
    const code = BtError.is(event.error) ? event.error.code : 'cli/internal';
    cli.events?.emit('error', { code, message });
    cli.note(`the tracker met a bug and goes on: ${message}`);
  }
}

function showStats(cli: Cli, tracker: Tracker): void {
  const s = tracker.stats();
  const announceCount = s.http.announces + s.udp.announces;
  cli.events?.progress(() => ({
    swarmCount: s.swarmCount,
    peerCount: s.peerCount4 + s.peerCount6,
    seederCount: s.seederCount,
    announceCount,
  }));
  const line = () =>
    `${formatPlural(s.swarmCount, 'torrent')}, ${formatPlural(s.peerCount4 + s.peerCount6, 'peer')} ` +
    `(${formatPlural(s.seederCount, 'seeder')}), ${formatCount(announceCount)} announces, up ${formatDuration(s.uptimeMs / 1000)}`;
  cli.status({ state: 'running', lines: () => [line()], plain: line });
}

import type { Command } from 'commander';
import { BtError, formatAddress, formatHostPort, type HostPort, type PeerAddress } from '../base/index.ts';
import { type Log, openLog } from '../node/index.ts';
import {
  checkTrackerConfig,
  compareTrackerConfigs,
  type OpenedConfig,
  openTrackerConfig,
  showExampleConfig,
  showTrackerConfig,
  startTracker,
  type Tracker,
  type TrackerEvent,
  type TrackerSettings,
} from '../trackerd/index.ts';
import { addOutputOptions, type Cli } from './context.ts';
import { formatCount, formatDuration, formatPlural } from './format.ts';
import { isAnyAddress, resolveListen } from './listen.ts';
import { dropPrivileges, findIdentity, type Identity, isRoot } from './privileges.ts';
import { ServiceManager } from './service-manager.ts';
import { addTrackerOptions, type TrackerCommandOptions, toConfigSources } from './tracker-options.ts';

const examples = `
Without any place the tracker listens on port 6969 of HTTP and UDP, on all addresses.

Examples:
  eider tracker
  eider tracker --http 127.0.0.1:8000 --udp 127.0.0.1:0
  eider tracker --http '[::]:6969' --udp '[::]:6969' --json
  eider tracker --example-config > tracker.toml
  eider tracker --config tracker.toml --check-config

Announce URLs are http://HOST:PORT/announce and udp://HOST:PORT/announce. A page
with numbers is at http://HOST:PORT/. Every key of the configuration can also be
set by --set section.key=value or by the environment, EIDER_TRACKER_SECTION_KEY;
docs/tracker.md explains them all. Ctrl-C ends the tracker, SIGHUP makes it read
its configuration, lists, users and certificates again.`;

const statusEveryMs = 1000;

export function defineTracker(command: Command, cli: Cli): void {
  command.description('Runs a tracker over HTTP, HTTPS, UDP and WebSocket.');
  addTrackerOptions(command);
  addOutputOptions(command, 'events on stdout: listening (one an address), ready, progress, reloaded, error');
  command.addHelpText('after', examples).action(async (options: TrackerCommandOptions) => {
    cli.configure(options);
    if (options.exampleConfig === true) return cli.print(await showExampleConfig());
    const opened = await openTrackerConfig(toConfigSources(options));
    for (const warning of opened.warnings) cli.warn(warning);
    if (options.printConfig === true) cli.print(await showTrackerConfig(opened));
    else if (options.checkConfig === true) {
      await checkTrackerConfig(opened);
      findRunIdentity(opened.settings);
      cli.print(describeConfig(opened.settings));
    } else await runTracker(cli, options, opened);
  });
}

/** What a good configuration leads to, in a few lines. */
function describeConfig({ listen }: TrackerSettings): string {
  const places = (['http', 'https', 'udp', 'web'] as const).flatMap((kind) =>
    listen[kind].map((place) => `${kind} ${formatHostPort(place)}\n`),
  );
  return ['ok\n', ...places, ...(listen.unix === undefined ? [] : [`unix ${listen.unix}\n`])].join('');
}

/** @throws CliError where there is no such user or group */
function findRunIdentity({ run }: TrackerSettings): Identity | undefined {
  return run === undefined ? undefined : findIdentity(run.user, run.group);
}

async function runTracker(cli: Cli, options: TrackerCommandOptions, opened: OpenedConfig): Promise<void> {
  const { settings } = opened;
  const identity = findRunIdentity(settings);
  const log = await openLog({
    level: options.quiet === true ? 'error' : settings.log.level,
    format: settings.log.format,
    write: (line) => cli.log(line),
  });
  const service = new ServiceManager();
  const reader = new ConfigReader(options, opened, log);
  let tracker: Tracker | undefined;
  const signal = cli.watchInterrupts('stopping the tracker', () => {
    if (tracker !== undefined) void reload(cli, { tracker, log, service });
  });
  const { listen, ...rest } = settings;
  tracker = await startTracker({
    ...rest,
    http: await resolveAll(listen.http),
    https: await resolveAll(listen.https),
    udp: await resolveAll(listen.udp),
    web: await resolveAll(listen.web),
    ...(listen.unix !== undefined && { unix: listen.unix }),
    trustedProxies: listen.trustedProxies,
    reopen: () => reader.read(),
    log,
    signal,
    onEvent: (event) => tell(cli, log, event),
  });
  const running = tracker;
  cli.lastWords = () => running.close();
  try {
    // Every place is bound: root's rights are no longer needed.
    if (identity !== undefined) dropPrivileges(identity);
    else if (isRoot())
      log.part('run')('warning', 'the tracker runs as root: start it as another user, or set run.user');
    service.tell('ready', 'serving');
    if (cli.events === undefined && tracker.addresses.some(({ host }) => isAnyAddress(host)))
      cli.note('  that is on all addresses: elsewhere, put the name of this machine for localhost');
    await serve(cli, tracker, signal);
  } finally {
    service.tell('stopping', 'stopping');
    await tracker.close();
    await service.settle();
    log.close();
  }
}

/** Until a signal comes: the status line for people, progress for programs. */
async function serve(cli: Cli, tracker: Tracker, signal: AbortSignal): Promise<void> {
  cli.events?.emit('ready');
  const timer = setInterval(() => showStats(cli, tracker), statusEveryMs);
  try {
    showStats(cli, tracker);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  } finally {
    clearInterval(timer);
    cli.endStatus('erase');
  }
}

/** Reads the configuration again and says what that changes. */
class ConfigReader {
  readonly #options: TrackerCommandOptions;
  readonly #log: Log;
  #opened: OpenedConfig;

  constructor(options: TrackerCommandOptions, opened: OpenedConfig, log: Log) {
    this.#options = options;
    this.#opened = opened;
    this.#log = log;
  }

  async read(): Promise<TrackerSettings> {
    const next = await openTrackerConfig(toConfigSources(this.#options));
    const say = this.#log.part('config');
    for (const warning of next.warnings) say('warning', '{warning}', { warning });
    const { live, needRestart } = compareTrackerConfigs(this.#opened, next);
    if (live.length > 0) say('info', 'changed: {keys}', { keys: live.join(', ') });
    if (needRestart.length > 0) {
      say('warning', 'changed, but needs a restart: {keys}', { keys: needRestart.join(', ') });
    }
    if (this.#options.quiet !== true) this.#log.level = next.settings.log.level;
    this.#opened = next;
    return next.settings;
  }
}

/** Tells the outcome in every way; a reload that fails leaves the tracker as it was. */
async function reload(cli: Cli, o: { tracker: Tracker; log: Log; service: ServiceManager }): Promise<void> {
  const say = o.log.part('config');
  o.service.tell('reloading', 'reading the configuration again');
  try {
    const { done, failed } = await o.tracker.reload();
    for (const what of done) say('info', 'reloaded: {what}', { what });
    for (const what of failed) say('error', 'not reloaded: {what}', { what });
    cli.events?.emit('reloaded', { done, failed });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    say('error', 'nothing was reloaded: {message}', { message });
    cli.events?.emit('reloaded', { done: [], failed: [message] });
  }
  o.service.tell('ready', 'serving');
}

async function resolveAll(places: readonly HostPort[]): Promise<PeerAddress[]> {
  return (await Promise.all(places.map((place) => resolveListen(place)))).flat();
}

function tell(cli: Cli, log: Log, event: TrackerEvent): void {
  if (event.type === 'listening') {
    const { host, port, protocol } = event;
    cli.events?.emit('listening', { host, port, protocol });
    if (cli.events !== undefined) return;
    if (protocol === 'unix') return cli.note(`HTTP for a proxy: ${host}`);
    if (protocol === 'web') return cli.note(`numbers, metrics and API: http://${formatAddress({ host, port })}/`);
    // The announce URL is what people came for: it is the result, and goes to stdout.
    cli.print(`${protocol}://${isAnyAddress(host) ? `localhost:${port}` : formatAddress({ host, port })}/announce\n`);
  } else if (event.type === 'udp.mode') {
    const { mode, threads, reason } = event;
    const why = reason === '' ? '' : ` (${reason})`;
    log.part('udp')('info', 'UDP is served {mode}{why}, threads: {threads}', { mode, why, threads });
  } else if (event.type === 'udp.worker-restarted') {
    const { thread, error } = event;
    log.part('udp')('error', 'thread {thread} has died and is replaced: {error}', { thread, error });
  } else if (event.type === 'notice') log.part(event.part)(event.level, '{text}', { text: event.text });
  else if (event.type === 'error') {
    const message = event.error instanceof Error ? event.error.message : String(event.error);
    const code = BtError.is(event.error) ? event.error.code : 'cli/internal';
    cli.events?.emit('error', { code, message });
    const stack = event.error instanceof Error ? event.error.stack : undefined;
    log.part('tracker')('error', 'the tracker met a bug and goes on: {message}', { message });
    if (stack !== undefined) log.part('tracker')('debug', '{stack}', { stack });
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
  // In a file the log speaks; a line that renews itself is for a terminal.
  if (process.stderr.isTTY !== true) return;
  const line = () =>
    `${formatPlural(s.swarmCount, 'torrent')}, ${formatPlural(s.peerCount4 + s.peerCount6, 'peer')} ` +
    `(${formatPlural(s.seederCount, 'seeder')}), ${formatCount(announceCount)} announces, up ${formatDuration(s.uptimeMs / 1000)}`;
  cli.status({ state: 'running', lines: () => [line()], plain: line });
}

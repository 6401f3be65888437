import type { Command } from 'commander';
import { formatHostPort, type HostPort } from '../base/index.ts';
import type { ConfigPlaces } from '../trackerd/index.ts';
import type { OutputOptions } from './context.ts';
import { many, parseInteger, parseListen } from './options.ts';

export interface TrackerCommandOptions extends OutputOptions {
  readonly http?: readonly HostPort[];
  readonly https?: readonly HostPort[];
  readonly udp?: readonly HostPort[];
  readonly web?: readonly HostPort[];
  readonly cert?: string;
  readonly key?: string;
  readonly threads?: number;
  readonly snapshot?: string;
  readonly config?: string;
  readonly set?: readonly string[];
  readonly checkConfig?: boolean;
  readonly printConfig?: boolean;
  readonly exampleConfig?: boolean;
}

/** Short forms of what one needs most; `--set` reaches every key. */
export function addTrackerOptions(command: Command): Command {
  return command
    .optionsGroup('Places:')
    .option('--http <host:port>', 'listen for HTTP here; may be given several times', many(parseListen))
    .option('--https <host:port>', 'listen for HTTPS here; needs --cert and --key', many(parseListen))
    .option('--udp <host:port>', 'listen for UDP here; may be given several times', many(parseListen))
    .option('--web <host:port>', 'numbers, metrics and API here, and not on the places above', many(parseListen))
    .option('--cert <file>', 'certificate chain for HTTPS, PEM')
    .option('--key <file>', 'its private key, PEM')
    .optionsGroup('Tracker:')
    .option('--threads <n>', 'threads that answer UDP', parseInteger(1))
    .option('--snapshot <file>', 'keep the swarms in this file over a restart')
    .optionsGroup('Configuration:')
    .option('--config <file>', 'read this TOML file (also EIDER_TRACKER_CONFIG)')
    .option('--set <section.key=value>', 'set a key; may be given several times', many(String))
    .option('--check-config', 'say whether the configuration is good, and end')
    .option('--print-config', 'print what is in force and where it comes from, and end')
    .option('--example-config', 'print a file with every key, explained, and end');
}

/** Names the file, where no option does: for containers. */
const configVariable = 'EIDER_TRACKER_CONFIG';

/** The options as a source of the configuration. */
export function toConfigSources(o: TrackerCommandOptions): ConfigPlaces {
  const places = (list: readonly HostPort[] | undefined) => list?.map(formatHostPort);
  const { [configVariable]: named, ...env } = process.env;
  const file = o.config ?? (named === '' ? undefined : named);
  return {
    ...(file !== undefined && { file }),
    env,
    assignments: o.set ?? [],
    values: new Map<string, unknown>([
      ['listen.http', places(o.http)],
      ['listen.https', places(o.https)],
      ['listen.udp', places(o.udp)],
      ['listen.web', places(o.web)],
      ['tls.cert', o.cert],
      ['tls.key', o.key],
      ['udp.threads', o.threads],
      ['snapshot.file', o.snapshot],
    ]),
  };
}

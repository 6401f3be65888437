import { type Command, Option } from 'commander';
import type { HostPort } from '../base/index.ts';
import type { OutputOptions } from './context.ts';
import { many, parseListen, parsePeer, parseRate } from './options.ts';

/** What `download` and `seed` have in common. Rates in bytes per second, undefined = no limit. */
export interface TransferOptions extends OutputOptions {
  readonly listen?: readonly HostPort[];
  readonly peer?: readonly { readonly host: string; readonly port: number }[];
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
  readonly stateDir?: string;
  /** File that gets the trace. */
  readonly trace?: string;
}

/** @param options `trace` false: for a command with more torrents than one trace can tell of */
export function addTransferOptions(command: Command, options: { readonly trace?: boolean } = {}): Command {
  command
    .optionsGroup('Network:')
    .option(
      '--listen <host:port>',
      'take connections here; may be given several times; port 0 = any (default: all addresses, any port)',
      many(parseListen),
    )
    .option('--peer <host:port>', 'connect to this peer too; may be given several times', many(parsePeer))
    .option('--upload-limit <rate>', 'payload a second, like 500K or 2MiB', parseRate)
    .option('--download-limit <rate>', 'payload a second, like 500K or 2MiB', parseRate)
    .optionsGroup('State:')
    .addOption(
      new Option('--state-dir <dir>', 'what is done is remembered here (default: ~/.local/state/eider)').env(
        'EIDER_STATE_DIR',
      ),
    );
  if (options.trace === false) return command;
  return command.option(
    '--trace <file>',
    'write down every decision and its reason (docs/tracing.md), at the end or on failure',
  );
}

import type { Command } from 'commander';
import { type HostPort, many, parseListen, parsePeer, parseRate } from './options.ts';

/** What `download` and `seed` have in common. Rates in bytes per second, undefined = no limit. */
export interface TransferOptions {
  readonly listen?: readonly HostPort[];
  readonly peer?: readonly { readonly host: string; readonly port: number }[];
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
}

export function addTransferOptions(command: Command): Command {
  return command
    .optionsGroup('Network:')
    .option(
      '--listen <host:port>',
      'take connections here; may be given several times; port 0 = any (default: all addresses, any port)',
      many(parseListen),
    )
    .option('--peer <host:port>', 'connect to this peer too; may be given several times', many(parsePeer))
    .option('--upload-limit <rate>', 'like 500K or 2MiB, a second', parseRate)
    .option('--download-limit <rate>', 'like 500K or 2MiB, a second', parseRate);
}

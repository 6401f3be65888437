import { formatAddress } from '#base';
import { JsonChild } from '../support/processes.ts';
import { toLeecher, toSide } from './json-side.ts';
import type { Leecher, Side, SideOrder, TransferProgram } from './program.ts';

/** @param nodeArgs of Node, for profiles */
export function eiderProgram(
  options: {
    readonly name?: string;
    readonly nodeArgs?: readonly string[];
    /** Connections that are allowed; as for users where absent. */
    readonly connections?: number;
    readonly program?: string;
  } = {},
): TransferProgram {
  const { name = 'eider', nodeArgs = [], program, connections } = options;
  const start = (role: string, { torrentFile, folder, work }: SideOrder) =>
    new JsonChild(
      './transfer-peer.js',
      [role, torrentFile, folder, work, ...(connections === undefined ? [] : [String(connections)])],
      {
        nodeArgs,
        ...(program === undefined ? {} : { program }),
      },
    );
  return {
    name,
    missing: () => undefined,
    seed: (order): Promise<Side> => toSide(start('seed', order)),
    leech: (order): Promise<Leecher> => toLeecher(start('leech', order), (peers) => peers.map(formatAddress).join(' ')),
  };
}

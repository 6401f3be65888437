import { spawnSync } from 'node:child_process';
import { formatAddress, type PeerAddress } from '#base';
import { JsonChild } from '../support/processes.ts';
import { toLeecher, toSide } from './json-side.ts';
import type { TransferProgram } from './program.ts';

/** Debian's own Python: its libtorrent is not seen by any other. */
const python = '/usr/bin/python3';
/** Scripts are not built: they are read where they are kept. */
const script = '../../../bench/transfer/libtorrent_side.py';

export function libtorrentSide(role: 'seed' | 'leech' | 'recheck', torrentFile: string, folder: string): JsonChild {
  return new JsonChild(script, [role, torrentFile, folder], { program: python });
}

export const libtorrent: TransferProgram = {
  name: 'libtorrent',
  missing: () =>
    spawnSync(python, ['-c', 'import libtorrent']).status === 0
      ? undefined
      : 'not installed (tools/install-interop.sh)',
  seed: async ({ torrentFile, folder }) => {
    const child = libtorrentSide('seed', torrentFile, folder);
    const dial = (peer: PeerAddress) => void child.child.stdin?.write(`${formatAddress(peer)}\n`);
    return { ...(await toSide(child)), dial };
  },
  leech: ({ torrentFile, folder }) =>
    toLeecher(libtorrentSide('leech', torrentFile, folder), (peers) => peers.map(formatAddress).join(' ')),
};

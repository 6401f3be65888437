/**
 * `npm run bench -- recheck [--runs 5] [--mib 2048] [--piece-kib 1024] [--format v1] [--newest-node]`: all of a file in the page cache is hashed. `eider`
 * is a session that finds data without a record of it, `eider verify` the command; aria2's is its command too.
 */
import { eiderCommand, type JsonChild } from './support/processes.ts';
import { aria2 } from './transfer/aria2.ts';
import { eiderChecker, timeCheck, withTorrent } from './transfer/check.ts';
import { type Competitor, compare } from './transfer/compare-programs.ts';
import { libtorrent, libtorrentSide } from './transfer/libtorrent.ts';
import { timeCommand } from './transfer/run-command.ts';
import { figure } from './transfer/transfers.ts';

/** A client that is up, then is given a torrent whose data is there. */
function inSession(
  name: string,
  missing: Competitor['missing'],
  start: (torrentFile: string, folder: string) => JsonChild,
): Competitor {
  return {
    name,
    missing,
    run: ({ content, folder }) =>
      withTorrent(content, folder, (torrentFile) => timeCheck(start(torrentFile, content.folder), content.bytes)),
  };
}

function byCommand(
  name: string,
  missing: Competitor['missing'],
  command: (torrent: string, folder: string) => readonly string[],
): Competitor {
  return {
    name,
    missing,
    run: ({ content, folder }) =>
      withTorrent(content, folder, (torrentFile) => timeCommand(command(torrentFile, content.folder), content.bytes)),
  };
}

/** A session and the command, on one Node. */
function eiderOn(node: string, toName: (name: string) => string): Competitor[] {
  const session = (torrentFile: string, folder: string) => eiderChecker(torrentFile, folder, node);
  const verify = (torrent: string, folder: string) => [
    ...[node, eiderCommand, 'verify', torrent, '--dir', folder, '--quiet'],
  ];
  return [
    inSession(toName('eider'), () => undefined, session),
    byCommand(toName('eider verify'), () => undefined, verify),
  ];
}

export function run(args: readonly string[]): Promise<void> {
  return compare(
    {
      bench: 'recheck',
      work: 'hashed again',
      plan: { format: 'v1', fileCount: 1, fileBytes: 2 ** 31, pieceLength: 2 ** 20 },
      competitors: [
        ...eiderOn(process.execPath, (name) => name),
        inSession('libtorrent', libtorrent.missing, (torrentFile, folder) =>
          libtorrentSide('recheck', torrentFile, folder),
        ),
        byCommand('aria2', aria2.missing, (torrent, folder) => [
          ...['aria2c', '--no-conf', '--enable-dht=false', '--enable-dht6=false', '--check-integrity=true'],
          ...['--hash-check-only=true', '--seed-time=0', '--show-console-readout=false', `--dir=${folder}`, torrent],
        ]),
      ],
      onNode: ({ path, toName }) => eiderOn(path, toName),
      targets: [{ figure: figure.rate, to: 'libtorrent', least: 1.5 }],
    },
    args,
  );
}

/**
 * `npm run bench -- recheck [--runs 5] [--mib 2048] [--piece-kib 1024] [--format v1] [--newest-node]`: all of a file in the page cache is hashed. `eider`
 * is a session that finds data without a record of it, `eider verify` the command; aria2's is its command too.
 */
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { JsonChild } from './support/processes.ts';
import { aria2 } from './transfer/aria2.ts';
import { type Competitor, compare } from './transfer/compare-programs.ts';
import { type MadeContent, writeTorrent } from './transfer/content.ts';
import { toLeecher } from './transfer/json-side.ts';
import { libtorrent, libtorrentSide } from './transfer/libtorrent.ts';
import { Meter, type Usage } from './transfer/meter.ts';
import { timeCommand } from './transfer/run-command.ts';
import { figure, toFigures } from './transfer/transfers.ts';

const eiderCommand = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Nobody is asked: there is no need to. */
const nowhere = 'http://127.0.0.1:9/announce';

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
      withTorrent(content, folder, async (torrentFile) => {
        await using side = await toLeecher(start(torrentFile, content.folder), () => '');
        const meter = new Meter([{ pid: side.pid, role: 'checker' }]);
        const seconds = await side.fetch([]);
        return toFigures(seconds, meter.read().get('checker') as Usage, content.bytes);
      }),
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

async function withTorrent<T>(
  content: MadeContent,
  folder: string,
  act: (torrentFile: string) => Promise<T>,
): Promise<T> {
  await mkdir(folder);
  const torrentFile = join(folder, 'content.torrent');
  await writeTorrent(torrentFile, content, nowhere);
  try {
    return await act(torrentFile);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A session and the command, on one Node. */
function eiderOn(node: string, toName: (name: string) => string): Competitor[] {
  const session = (torrentFile: string, folder: string) =>
    new JsonChild('./transfer-peer.js', ['leech', torrentFile, folder, dirname(torrentFile)], { program: node });
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

import type { Command } from 'commander';
import type { Magnet, TorrentFile } from '../metainfo/index.ts';
import { parseMagnet } from '../metainfo/index.ts';
import type { Cli } from './context.ts';
import { exitCodes, withExitCode } from './exit.ts';
import { formatFileTree } from './file-tree.ts';
import { formatBytes, formatCount, formatDate, formatPlural, formatRoundBytes, padWidth, printable } from './format.ts';
import { magnetToJson, torrentToJson } from './info-json.ts';
import { isMagnet, loadTorrent } from './torrent-input.ts';

const examples = `
Examples:
  eider info ubuntu.torrent
  eider info 'magnet:?xt=urn:btih:…'                quotes keep the shell away from & and ?
  eider info film.torrent --json | jq '.files[].path'

A link or torrent is only read: nothing is fetched, nobody is contacted. The numbers
before the files are those of \`eider download --files\`.`;

export function defineInfo(command: Command, cli: Cli): void {
  command
    .description('Shows what a .torrent file or a magnet link says.')
    .argument('<torrent|magnet>', 'the .torrent file, or a magnet link')
    .optionsGroup('Output:')
    .option('--json', 'one JSON object on stdout')
    .addHelpText('after', examples)
    .action(async (what: string, options: { readonly json?: boolean }) => {
      const isJson = options.json === true;
      if (isMagnet(what)) {
        const magnet = readMagnet(what);
        cli.print(isJson ? toLine(magnetToJson(magnet)) : describeMagnet(cli, magnet));
      } else {
        const { torrent } = await loadTorrent(what);
        cli.print(isJson ? toLine(torrentToJson(torrent)) : describeTorrent(cli, torrent));
      }
    });
}

function readMagnet(text: string): Magnet {
  try {
    return parseMagnet(text);
  } catch (error) {
    throw withExitCode(exitCodes.notFound, error);
  }
}

function toLine(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

type Row = readonly [label: string, text: string];

function describeTorrent(cli: Cli, torrent: TorrentFile): string {
  const { info } = torrent;
  const exact = `${formatCount(info.totalLength)} bytes`;
  const rows: Row[] = [
    ['Name', printable(info.name)],
    ...hashRows(info),
    ['Format', info.format],
    ['Size', `${formatBytes(info.totalLength)} (${exact}) in ${formatPlural(info.files.length, 'file')}`],
    ['Pieces', `${formatCount(info.pieceCount)} of ${formatRoundBytes(info.pieceLength)}`],
    ['Private', info.isPrivate ? 'yes: peers come from its trackers only' : 'no'],
    ...textRow('Source', info.source),
    ...textRow('Created', describeCreation(torrent)),
    ...textRow('Comment', torrent.comment),
    ...torrent.trackers.map((tier, i): Row => [i === 0 ? 'Trackers' : '', tier.map(printable).join(', ')]),
    ...listRows('Web seeds', torrent.webSeeds),
    ...listRows(
      'DHT nodes',
      torrent.dhtNodes.map(({ host, port }) => `${host}:${port}`),
    ),
  ];
  return `${formatRows(cli, rows)}\n${formatFileTree(info.files).join('\n')}\n`;
}

function describeMagnet(cli: Cli, magnet: Magnet): string {
  const rows: Row[] = [
    ...textRow('Name', magnet.name),
    ...hashRows(magnet),
    ...listRows('Trackers', magnet.trackers),
    ...listRows('Web seeds', magnet.webSeeds),
    ...listRows(
      'Peers',
      magnet.peers.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)),
    ),
    ...textRow('Files', magnet.selectOnly?.map((index) => index + 1).join(', ')),
    ...textRow('Keywords', magnet.keywords.join(' ') || undefined),
  ];
  return formatRows(cli, rows);
}

function hashRows(of: Pick<Magnet, 'hashV1' | 'hashV2'>): Row[] {
  return [...textRow('Info-hash v1', of.hashV1), ...textRow('Info-hash v2', of.hashV2)];
}

function describeCreation({ creationDate, createdBy }: TorrentFile): string | undefined {
  const said: string[] = [];
  if (creationDate !== undefined) said.push(formatDate(creationDate));
  if (createdBy !== undefined) said.push(`by ${createdBy}`);
  return said.length > 0 ? said.join(' ') : undefined;
}

function textRow(label: string, text: string | undefined): Row[] {
  return text === undefined || text === '' ? [] : [[label, printable(text)]];
}

function listRows(label: string, texts: readonly string[]): Row[] {
  return texts.map((text, i) => [i === 0 ? label : '', printable(text)]);
}

function formatRows(cli: Cli, rows: readonly Row[]): string {
  const columns = rows.reduce((max, [label]) => Math.max(max, label.length), 0);
  return rows.map(([label, text]) => `${cli.paintOut('bold', padWidth(label, columns))}  ${text}\n`).join('');
}

/**
 * `npm run bench -- create [--runs 5] [--mib 4096] [--piece-kib 1024] [--format v1] [--newest-node]`: the torrent of one file in the page cache, by
 * commands, from their start to their end. The pieces that they make must be the same.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeCrypto } from 'eider/create';
import { equalBytes } from '#base';
import { type Info, parseTorrentFile } from '#metainfo';
import { eiderCommand } from './support/processes.ts';
import { type Competitor, compare } from './transfer/compare-programs.ts';
import { type ContentPlan, formats } from './transfer/content.ts';
import { timeCommand } from './transfer/run-command.ts';
import { figure } from './transfer/transfers.ts';

interface Making {
  readonly source: string;
  readonly torrent: string;
  readonly pieceLength: number;
  readonly format: string;
}

const createTorrentCommand = fileURLToPath(
  new URL('../interop-npm/node_modules/create-torrent/bin/cmd.js', import.meta.url),
);

interface Maker {
  readonly name: string;
  readonly check: readonly string[];
  readonly formats: readonly ContentPlan['format'][];
  command(made: Making): readonly string[];
}

function eiderMaker(name: string, node: string): Maker {
  return {
    name,
    check: [node, eiderCommand, '--version'],
    formats,
    command: ({ source, torrent, pieceLength, format }) => [
      ...[node, eiderCommand, 'create', source, '-o', torrent, '--quiet'],
      ...['--format', format, '--piece-length', `${pieceLength / 1024}K`],
    ],
  };
}

const makers: readonly Maker[] = [
  eiderMaker('eider', process.execPath),
  {
    name: 'mktorrent',
    check: ['mktorrent', '-h'],
    formats: ['v1'],
    command: ({ source, torrent, pieceLength }) => [
      ...['mktorrent', '-t', '2', '-l', `${Math.log2(pieceLength)}`, '-a', 'http://127.0.0.1/announce', '-o', torrent],
      source,
    ],
  },
  {
    name: 'transmission',
    check: ['transmission-create', '--version'],
    formats: ['v1'],
    command: ({ source, torrent, pieceLength }) => [
      ...['transmission-create', '-s', `${pieceLength / 1024}`, '-o', torrent, source],
    ],
  },
  {
    name: 'create-torrent',
    check: [process.execPath, createTorrentCommand, '--help'],
    formats: ['v1'],
    command: ({ source, torrent, pieceLength }) => [
      ...[process.execPath, createTorrentCommand, source, '-o', torrent, '--pieceLength', `${pieceLength}`],
    ],
  },
];

function toCompetitor({ name, check, formats: known, command }: Maker): Competitor {
  const [file = '', ...args] = check;
  return {
    name,
    missing: ({ format }) => {
      if (!known.includes(format)) return `not able to make ${format} torrents`;
      if (spawnSync(file, args).status === 0) return undefined;
      return 'not installed (tools/install-interop.sh, tools/install-interop-npm.mjs)';
    },
    async run({ content, folder }) {
      await mkdir(folder);
      const torrent = join(folder, 'made.torrent');
      const { pieceLength, format } = content.plan;
      const source = join(content.folder, 'content');
      const figures = await timeCommand(command({ source, torrent, pieceLength, format }), content.bytes);
      const made = parseTorrentFile(readFileSync(torrent), nodeCrypto).info;
      // Names of other fields differ by program; what was hashed does not.
      if (!samePieces(made, content.torrent.info)) {
        throw new Error(`${name} made other pieces`);
      }
      return figures;
    },
  };
}

/** v2 hashes are of the program's own making, and only Eider makes them here. */
function samePieces({ pieces: a }: Info, { pieces: b }: Info): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

export function run(args: readonly string[]): Promise<void> {
  return compare(
    {
      bench: 'create',
      work: 'torrents made by commands',
      plan: { format: 'v1', fileCount: 1, fileBytes: 2 ** 32, pieceLength: 2 ** 20 },
      competitors: makers.map(toCompetitor),
      onNode: ({ path, toName }) => [toCompetitor(eiderMaker(toName('eider'), path))],
      targets: [{ figure: figure.rate, to: 'mktorrent', least: 1 }],
    },
    args,
  );
}

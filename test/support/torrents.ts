import {
  buildTorrent,
  parseTorrentFile,
  planTorrent,
  type SourceFile,
  type TorrentFile,
  type TorrentFormat,
} from '#metainfo';
import { content } from './content.ts';
import { hashPlan } from './hash-plan.ts';
import { nodeCrypto } from './node-crypto.ts';

export interface MadeTorrent {
  readonly bytes: Uint8Array;
  readonly torrent: TorrentFile;
  /** Bytes of a file by its index. */
  readonly contents: readonly Uint8Array[];
}

/**
 * A real torrent over made-up content.
 *
 * @param files  path (with '/') to length; `''` alone makes a single-file torrent
 */
export function makeTorrent(options: {
  readonly files: Readonly<Record<string, number>>;
  readonly format?: TorrentFormat;
  readonly pieceLength?: number;
  readonly name?: string;
}): MadeTorrent {
  const name = options.name ?? 'made';
  const files: SourceFile[] = Object.entries(options.files).map(([path, length]) => ({
    path: path === '' ? [] : path.split('/'),
    length,
  }));
  const plan = planTorrent({ files, format: options.format ?? 'v1', pieceLength: options.pieceLength ?? 32_768 });
  const read = (path: readonly string[]) =>
    content(`${name}/${path.join('/')}`, files.find((f) => f.path === path)!.length);
  const bytes = buildTorrent({ plan, name, ...hashPlan(plan, read) }, nodeCrypto);
  const contents = plan.entries.flatMap(({ file }) => (file === undefined ? [] : [read(file.path)]));
  return { bytes, torrent: parseTorrentFile(bytes, nodeCrypto), contents };
}

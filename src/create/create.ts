import { BtError } from '../base/index.ts';
import type { HashPlan } from '../hash/index.ts';
import { type HashOptions, hashPieces, nodeCrypto } from '../hash/index.ts';
import {
  buildTorrent,
  parseTorrentFile,
  planTorrent,
  type SourceFile,
  type TorrentFile,
  type TorrentFormat,
  type TorrentPlan,
  type TorrentShell,
} from '../metainfo/index.ts';
import { readVersion } from './version.ts';
import { checkUnchanged, type LeftOut, type Walk, type WalkedFile, type WalkOptions, walk } from './walk.ts';

export interface CreateOptions extends Omit<TorrentShell, 'createdBy'>, Omit<WalkOptions, 'signal'> {
  /** Default 'v1', which every client in use understands. */
  readonly format?: TorrentFormat | undefined;
  /** Bytes; v2 and hybrid want a power of two from 16 KiB on. Default: chosen by size, 1000 to 2000 pieces. */
  readonly pieceLength?: number | undefined;
  /** Default: the last part of the path. */
  readonly name?: string | undefined;
  readonly isPrivate?: boolean | undefined;
  readonly source?: string | undefined;
  /** Default: `Eider/<version>`; null leaves it out. */
  readonly createdBy?: string | null | undefined;
  /** Leaves the creation date out: the same content and options give the same bytes at any time. */
  readonly noDate?: boolean | undefined;
}

export interface CreatedTorrent {
  /** The .torrent file. */
  readonly bytes: Uint8Array;
  /** The same, parsed as everybody else will. */
  readonly torrent: TorrentFile;
  /** What was found and not taken; the first thousand. */
  readonly leftOut: readonly LeftOut[];
}

/**
 * Makes a torrent of a file or folder. Reads every byte once, on several threads where that pays; memory stays at a few MB and 52 bytes
 * a piece.
 *
 * File modes are not recorded: the same content gives the same torrent wherever it lies.
 *
 * @throws BtError `disk/not-found`, `disk/access`, `disk/io`; `disk/changed` where something wrote to a file meanwhile; `client/invalid`
 *   for options or content that make no torrent; `client/aborted`
 */
export async function createTorrent(
  path: string,
  options: CreateOptions = {},
  run: HashOptions = {},
): Promise<CreatedTorrent> {
  const found = await walk(path, { ...options, signal: run.signal });
  const sources = new Map<SourceFile, WalkedFile>();
  for (const file of found.files) sources.set({ path: file.parts, length: file.length }, file);
  const plan = explained(() =>
    planTorrent({
      files: [...sources.keys()],
      format: options.format ?? 'v1',
      pieceLength: options.pieceLength ?? 0,
    }),
  );
  const name = options.name ?? nameOf(found, path);
  const hashes = await hashPieces(toHashPlan(plan, sources), run);
  await checkUnchanged(found.files);
  return explained(() => {
    const bytes = buildTorrent({ ...toShell(options), ...toContent(options), plan, name, ...hashes }, nodeCrypto);
    return { bytes, torrent: parseTorrentFile(bytes, nodeCrypto), leftOut: found.leftOut };
  });
}

function nameOf(found: Walk, path: string): string {
  if (found.name !== '') return found.name;
  throw new BtError('client/invalid', { what: `${path} has no name of its own: give the torrent one` });
}

function toHashPlan(plan: TorrentPlan, sources: ReadonlyMap<SourceFile, WalkedFile>): HashPlan {
  const files = plan.entries.flatMap(({ file, offset, length }) => {
    const source = file === undefined ? undefined : sources.get(file);
    return source === undefined ? [] : [{ path: source.path, offset, length }];
  });
  const { pieceLength, spaceLength, format } = plan;
  return { files, pieceLength, spaceLength, v1: format !== 'v2', v2: format !== 'v1', onMissing: 'fail' };
}

function toShell(options: CreateOptions): TorrentShell {
  const createdBy = options.createdBy === undefined ? `Eider/${readVersion()}` : options.createdBy;
  const creationDate = options.noDate === true ? undefined : (options.creationDate ?? Math.floor(Date.now() / 1000));
  return {
    ...(options.trackers !== undefined && { trackers: options.trackers }),
    ...(options.webSeeds !== undefined && { webSeeds: options.webSeeds }),
    ...(options.comment !== undefined && { comment: options.comment }),
    ...(createdBy !== null && { createdBy }),
    ...(creationDate !== undefined && { creationDate }),
  };
}

function toContent(options: CreateOptions): { isPrivate: boolean; source?: string } {
  return { isPrivate: options.isPrivate === true, ...(options.source !== undefined && { source: options.source }) };
}

/** The pure half speaks of bad torrents; here it is the options or the content that are at fault. */
function explained<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!BtError.is(error) || !error.code.startsWith('metainfo/')) throw error;
    const what = `cannot make a torrent of this: ${error.message.replace(/^bad torrent: /, '')}`;
    throw new BtError('client/invalid', { what }, { cause: error });
  }
}

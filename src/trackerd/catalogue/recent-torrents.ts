import { readFile, stat } from 'node:fs/promises';
import { BtError } from '../../base/index.ts';
import { nodeCrypto, toDiskError } from '../../hash/index.ts';
import { parseTorrentFile, type TorrentFile } from '../../metainfo/index.ts';
import { catalogueLimits } from '../limits.ts';

interface Kept {
  readonly mtimeMs: number;
  readonly size: number;
  readonly torrent: Promise<TorrentFile>;
}

/**
 * Reads .torrent files, and keeps those that were read last: a large one takes a tenth of a second to read, in which the thread answers
 * nobody, and whoever looks at a page may do so as often as he likes.
 */
export class RecentTorrents {
  /** Read longest ago first. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  /** @throws BtError `disk/*`, `metainfo/*`, `client/invalid` for a file that is too large */
  async read(path: string): Promise<TorrentFile> {
    const { mtimeMs, size } = await stat(path).catch((error: unknown) => {
      throw toDiskError(error, path);
    });
    if (size > catalogueLimits.torrentBytesMax) throw tooLarge();
    const before = this.#kept.get(path);
    if (before !== undefined) this.#drop(path, before);
    const isSame = before?.mtimeMs === mtimeMs && before.size === size;
    const kept = isSame ? before : { mtimeMs, size, torrent: readTorrent(path) };
    this.#kept.set(path, kept);
    this.#bytes += size;
    for (const [oldest, its] of this.#kept) {
      if (this.#bytes <= catalogueLimits.recentBytesMax) break;
      this.#drop(oldest, its);
    }
    try {
      return await kept.torrent;
    } catch (error) {
      if (this.#kept.get(path) === kept) this.#drop(path, kept);
      throw error;
    }
  }

  #drop(path: string, kept: Kept): void {
    this.#kept.delete(path);
    this.#bytes -= kept.size;
  }
}

/** Reads a .torrent file of at most `torrentBytesMax`. @throws as `RecentTorrents.read` */
export async function readTorrent(path: string): Promise<TorrentFile> {
  return parseTorrentFile(await readBounded(path, catalogueLimits.torrentBytesMax), nodeCrypto);
}

/** @throws BtError `disk/*`, `client/invalid` for a larger file */
export async function readBounded(path: string, bytesMax: number): Promise<Buffer> {
  try {
    if ((await stat(path)).size > bytesMax) throw tooLarge();
    return await readFile(path);
  } catch (error) {
    throw BtError.is(error) ? error : toDiskError(error, path);
  }
}

export function tooLarge(): BtError {
  return new BtError('client/invalid', {
    what: `larger than ${catalogueLimits.torrentBytesMax} bytes: that is no torrent for a catalogue`,
  });
}

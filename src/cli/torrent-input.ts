import { open } from 'node:fs/promises';
import { BtError } from '../base/index.ts';
import { nodeCrypto, toDiskError } from '../hash/index.ts';
import { metainfoLimits, parseTorrentFile, type TorrentFile } from '../metainfo/index.ts';
import { exitCodes, withExitCode } from './exit.ts';

export interface LoadedTorrent {
  readonly torrent: TorrentFile;
  /** The whole file as it was read. */
  readonly bytes: Uint8Array;
}

/**
 * Reads and parses a .torrent file.
 *
 * @throws CliError with exit code 3 whatever is wrong: not there, not readable, no torrent, cut off
 */
export async function loadTorrent(path: string): Promise<LoadedTorrent> {
  try {
    const { buffer, byteOffset, byteLength } = await readBounded(path);
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    return { torrent: parseTorrentFile(bytes, nodeCrypto), bytes };
  } catch (error) {
    throw withExitCode(exitCodes.notFound, explain(error, path));
  }
}

/** Not more than a torrent may have: somebody may name the film instead of its torrent. */
async function readBounded(path: string): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      const stat = await file.stat();
      if (stat.isDirectory()) throw new BtError('disk/access', { path, what: 'is a folder, not a .torrent file' });
      if (stat.size > metainfoLimits.torrentBytesMax) {
        throw new BtError('metainfo/limit', { field: 'file', what: `${stat.size} bytes are more than a torrent has` });
      }
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw toDiskError(error, path);
  }
}

/** Errors of the parser do not know which file they are about. */
function explain(error: unknown, path: string): unknown {
  if (!BtError.is(error) || error.code.startsWith('disk/')) return error;
  return new NamedError(error, path);
}

/** A BtError whose message begins with the file's name. */
class NamedError extends BtError {
  constructor(error: BtError, path: string) {
    super(error.code, error.detail, { cause: error });
    this.message = `${path} is not a torrent that can be used: ${error.message.replace(/^bad torrent: /, '')}`;
  }
}

/**
 * Fetches a .torrent file by HTTP or HTTPS.
 *
 * @throws CliError with exit code 3 whatever is wrong; BtError `client/aborted`
 */
export async function fetchTorrent(url: string, signal: AbortSignal): Promise<LoadedTorrent> {
  // Loaded only now: files on disk need nothing of the network.
  const { fetchBytes } = await import('../node/index.ts');
  try {
    const bytes = await fetchBytes(url, { signal, bytesMax: metainfoLimits.torrentBytesMax });
    return { torrent: parseTorrentFile(bytes, nodeCrypto), bytes };
  } catch (error) {
    if (signal.aborted) throw new BtError('client/aborted', { what: `fetching ${url}` }, { cause: error });
    const explained = BtError.is(error) && !error.code.startsWith('net/') ? explain(error, url) : error;
    throw withExitCode(exitCodes.notFound, explained);
  }
}

/** A magnet link, or a bare info-hash in hex. */
export function isMagnet(text: string): boolean {
  return /^\s*(?:magnet:|[0-9a-f]{40}\s*$|[0-9a-f]{64}\s*$)/i.test(text);
}

export function isUrl(text: string): boolean {
  return /^\s*https?:\/\//i.test(text);
}

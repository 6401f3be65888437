import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { JsonChild } from '../support/processes.ts';
import { type MadeContent, nowhere, writeTorrent } from './content.ts';
import { toLeecher } from './json-side.ts';
import { Meter, type Usage } from './meter.ts';
import { toFigures } from './transfers.ts';

/** The content's .torrent file in a folder that is made for it, and removed in the end. */
export async function withTorrent<T>(
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

/** A session of Eider that will find the content without a record of it. */
export function eiderChecker(torrentFile: string, content: string, program: string = process.execPath): JsonChild {
  return new JsonChild('./transfer-peer.js', ['leech', torrentFile, content, dirname(torrentFile)], { program });
}

/** A client that is up, then is given a torrent whose data is there. @param bytes of that data */
export async function timeCheck(child: JsonChild, bytes: number): Promise<Record<string, number>> {
  await using side = await toLeecher(child, () => '');
  const meter = new Meter([{ pid: side.pid, role: 'checker' }]);
  const seconds = await side.fetch([]);
  return toFigures(seconds, meter.read().get('checker') as Usage, bytes);
}

/** Fetches what a magnet link stands for and saves it as a .torrent file: node build/examples/magnet-to-torrent.js MAGNET FILE */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSession } from 'eider';

const [magnet = '', file = 'out.torrent'] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'eider-'));
{
  await using session = await createSession({ path: folder });
  const torrent = await session.add(magnet);
  await writeFile(file, await torrent.torrentFile({ signal: AbortSignal.timeout(60_000) }));
  console.log(`${torrent.name} is in ${file}`);
}
// The content began to come in as soon as the files were known.
await rm(folder, { recursive: true });

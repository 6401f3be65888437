/** Writes one file of a torrent to stdout while it is still coming in: node build/examples/stream.js MAGNET PATH | player - */
import { pipeline } from 'node:stream/promises';
import { createSession } from 'eider';

const [magnet = '', path = '', folder = '.'] = process.argv.slice(2);
await using session = await createSession({ path: folder });
const torrent = await session.add(magnet);
await torrent.metadata();
await pipeline(torrent.file(path).stream(), process.stdout, { end: false });

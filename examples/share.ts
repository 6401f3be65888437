/** Makes a torrent of a file or folder and seeds it until Ctrl-C: node build/examples/share.js PATH ANNOUNCE-URL */
import { once } from 'node:events';
import { dirname, resolve } from 'node:path';
import { createSession, formatMagnet, toMagnet } from 'eider';
import { createTorrent } from 'eider/create';

const [path = '.', tracker = ''] = process.argv.slice(2);
const made = await createTorrent(path, { trackers: [[tracker]] });
await using session = await createSession({ path: dirname(resolve(path)) });
const torrent = await session.add(made.bytes, { verified: true });
await torrent.done();
console.log(formatMagnet(toMagnet(made.torrent)));
await once(process, 'SIGINT');

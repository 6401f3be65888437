/** A program that remembers one torrent and then does nothing, until it is killed: STATE-DIR TORRENT FOLDER. */
import { readFileSync } from 'node:fs';
import { createSession } from 'eider';

const [stateDir, torrentFile, path] = process.argv.slice(2) as [string, string, string];
const session = await createSession({ stateDir, remember: true, listen: { host: '127.0.0.1', port: 0 } });
const torrent = session.torrents[0] ?? (await session.add(readFileSync(torrentFile), { path }));
await torrent.done();
process.stdout.write('done');

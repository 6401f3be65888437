/** Downloads a torrent and tells how far it is: node build/examples/download.js FILE.torrent|MAGNET FOLDER */
import { readFile } from 'node:fs/promises';
import { createSession } from 'eider';

const [source = '', folder = '.'] = process.argv.slice(2);
await using session = await createSession({ path: folder });
const torrent = await session.add(source.startsWith('magnet:') ? source : await readFile(source));
for await (const state of torrent.progress({ every: 1000 })) {
  console.log(`${state.phase} ${Math.floor(state.progress * 100)} %, ${state.peersConnected} peers`);
}
await torrent.done();
console.log(`${torrent.name} is here`);

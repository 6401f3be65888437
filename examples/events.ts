/** Tells what happens to a download: node build/examples/events.js FILE.torrent FOLDER */
import { readFile } from 'node:fs/promises';
import { createSession } from 'eider';

const [file = '', folder = '.'] = process.argv.slice(2);
await using session = await createSession({ path: folder });
const events = session.events();
await session.add(await readFile(file));
for await (const event of events) {
  if (event.type === 'torrent.piece') console.log(event.type, event.piece);
  else console.log(event.type, 'error' in event ? event.error : '');
  if (event.type === 'torrent.done' || event.type === 'torrent.error') break;
}

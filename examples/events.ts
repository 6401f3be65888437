/** Tells what happens to a download: node build/examples/events.js FILE.torrent FOLDER */
import { readFile } from 'node:fs/promises';
import { createSession } from 'eider';

const [file = '', folder = '.'] = process.argv.slice(2);
await using session = await createSession({ path: folder });
await session.add(await readFile(file));
for await (const event of session.events()) {
  if (event.type === 'listening') continue;
  console.log(event.type, event['piece'] ?? event['error'] ?? '');
  if (event.type === 'torrent.done' || event.type === 'torrent.error') break;
}

/**
 * A session under a low limit of descriptors, as a process of its own: `seed|leech FOLDER TORRENTS [HOST:PORT]` with the .torrent files
 * of FOLDER. Says `ready` with its port, `done` when a leecher has everything, and answers each line of input with what it has open; `hog`
 * takes every descriptor that is left before, `free` gives them back.
 */
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createSession } from 'eider';

const [role = '', folder = '', torrents = '', peer] = process.argv.slice(2);
const say = (line: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(line)}\n`);
const session = await createSession({ path: folder, listen: { host: '127.0.0.1', port: 0 } });
const peers = peer === undefined ? [] : [{ host: '127.0.0.1', port: Number(peer.split(':')[1]) }];
const added = await Promise.all(
  readdirSync(torrents)
    .filter((name) => name.endsWith('.torrent'))
    .map((name) => session.add(readFileSync(join(torrents, name)), { peers, verified: role === 'seed' })),
);
await Promise.all(added.map((torrent) => torrent.ready()));
say({ event: 'ready', port: session.addresses[0]?.port, descriptors: session.descriptors });
const hogged: number[] = [];
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { heldBack } = session.budgets;
    // Looking takes one too.
    const open = hogged.length > 0 ? undefined : readdirSync('/proc/self/fd').length;
    if (line === 'free') for (const fd of hogged.splice(0)) closeSync(fd);
    try {
      while (line === 'hog') hogged.push(openSync('/dev/null', 'r'));
    } catch {
      // There is none left.
    }
    say({ event: 'open', open, connections: session.connectionCount, heldBack });
  })
  .on('close', () => void session.close());
if (role === 'leech') {
  await Promise.all(added.map((torrent) => torrent.done()));
  say({ event: 'done' });
}

/**
 * Eider as one side of a transfer: `seed TORRENT DIR STATE` or `leech TORRENT DIR STATE`; resume data goes to STATE, as it does for users;
 * a fifth argument allows so many connections. Says `ready` with its port as a JSON line on stdout. A leecher then waits for a line with
 * addresses, adds the torrent, and says `complete` with the seconds it took. Ends with its standard input.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createSession } from 'eider';
import { type PeerAddress, parseAddress } from '#base';

const [role, torrentFile, dir, stateDir, connections] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string?,
];
const say = (fields: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(fields)}\n`);

const session = await createSession({
  listen: { host: '127.0.0.1', port: 0 },
  stateDir,
  ...(connections === undefined
    ? {}
    : { connectionsMax: Number(connections) + 10, connectionsPerTorrentMax: Number(connections) + 10 }),
});
const ready = () => say({ event: 'ready', port: session.addresses[0]?.port });

if (role === 'seed') {
  const torrent = await session.add(readFileSync(torrentFile), { path: dir, verified: true });
  await torrent.ready();
  ready();
}
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const peers = line.split(' ').flatMap((text) => (text === '' ? [] : [parseAddress(text) as PeerAddress]));
  void fetchAll(peers);
});
lines.on('close', () => void session.close());
if (role === 'leech') ready();

async function fetchAll(peers: readonly PeerAddress[]): Promise<void> {
  const startedAt = performance.now();
  const torrent = await session.add(readFileSync(torrentFile), { path: dir, peers });
  await torrent.done();
  const { downloaded, wasted } = torrent.state;
  say({ event: 'complete', seconds: (performance.now() - startedAt) / 1000, downloaded, wasted });
}

/**
 * The other side of `limits`, as a process of its own: `seed TORRENT DIR COUNT` or `leech TORRENT DIR COUNT HOST:PORT`, so many sessions
 * without limits. Ends when its standard input ends.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSession } from 'eider';
import { parseAddress } from '#base';

const [role, torrentFile, dir, count, peer] = process.argv.slice(2) as [string, string, string, string, string?];
const say = (fields: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(fields)}\n`);

const sessions = await Promise.all(
  Array.from({ length: Number(count) }, () => createSession({ listen: { host: '127.0.0.1', port: 0 } })),
);
for (const [i, session] of sessions.entries()) {
  const path = role === 'seed' ? dir : join(dir, String(i));
  mkdirSync(path, { recursive: true });
  const torrent = await session.add(readFileSync(torrentFile), {
    path,
    verified: role === 'seed',
    ...(peer === undefined ? {} : { peers: [parseAddress(peer) as { host: string; port: number }] }),
  });
  await torrent.ready();
}
say({ event: 'ready', ports: sessions.map((session) => session.addresses[0]?.port) });
process.stdin.resume();
process.stdin.on('end', () => void Promise.all(sessions.map((session) => session.close())).then(() => process.exit(0)));

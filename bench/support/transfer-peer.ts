/**
 * One side of a transfer benchmark, as a process of its own: `seed TORRENT DIR` or `leech TORRENT DIR HOST:PORT`. Speaks JSON lines on
 * stdout; ends when its standard input ends. CPU time is user and system of all threads, from the moment the data has been looked at.
 */
import { readFileSync } from 'node:fs';
import { createSession } from 'eider';
import { parseAddress } from '#base';

const [role, torrentFile, dir, peer] = process.argv.slice(2) as [string, string, string, string?];
const say = (fields: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(fields)}\n`);
const peakMiB = () => Math.round(process.resourceUsage().maxRSS / 1024);

const idleMiB = peakMiB();
const session = await createSession({ listen: { host: '127.0.0.1', port: 0 } });
const before = process.cpuUsage();
const startedAt = performance.now();
const torrent = await session.add(readFileSync(torrentFile), {
  path: dir,
  verified: role === 'seed',
  ...(peer === undefined ? {} : { peers: [parseAddress(peer) as { host: string; port: number }] }),
});

function report(): void {
  const { user, system } = process.cpuUsage(before);
  say({
    event: 'result',
    seconds: (performance.now() - startedAt) / 1000,
    userSec: user / 1e6,
    systemSec: system / 1e6,
    idleMiB,
    peakMiB: peakMiB(),
    downloaded: torrent.state.downloaded,
    uploaded: torrent.state.uploaded,
    wasted: torrent.state.wasted,
  });
}

if (role === 'seed') {
  await torrent.ready();
  say({ event: 'ready', port: session.addresses[0]?.port });
} else {
  await torrent.done();
  await torrent.stop();
  report();
}
process.stdin.resume();
process.stdin.on('end', () => {
  if (role === 'seed') report();
  void session.close();
});

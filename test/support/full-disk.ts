import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSession } from 'eider';

/**
 * Downloads to a file system that is too small because of a file of somebody else, waits until it is full, makes room, and waits for the
 * end. Says what happened as JSON: FOLDER TORRENT HOST PORT BALLAST_BYTES
 */
const [folder = '', torrentPath = '', host = '', port = '', ballastBytes = ''] = process.argv.slice(2);
const ballast = join(folder, 'ballast');
writeFileSync(ballast, new Uint8Array(Number(ballastBytes)).fill(1));
await using session = await createSession({ path: folder, listen: { host: '127.0.0.1', port: 0 } });
const events = session.events({ types: ['torrent.waiting'] });
const torrent = await session.add(readFileSync(torrentPath), { peers: [{ host, port: Number(port) }] });
const { value } = await events.next();
const atWaiting = {
  phase: torrent.state.phase,
  code: value?.type === 'torrent.waiting' ? value.error.code : undefined,
  doneBytes: torrent.state.doneBytes,
};
rmSync(ballast);
await torrent.done({ signal: AbortSignal.timeout(25_000) });
const { downloaded, waitingFor } = torrent.state;
process.stdout.write(`${JSON.stringify({ atWaiting, downloaded, isWaiting: waitingFor !== undefined })}\n`);

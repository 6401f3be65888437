/** Runs a tracker that knows only the torrents it is given, until Ctrl-C: node build/examples/tracker.js INFO-HASH... */
import { once } from 'node:events';
import { startTracker } from 'eider/trackerd';

const known = new Set(process.argv.slice(2));
const at = [{ host: '127.0.0.1', port: 0 }];
await using tracker = await startTracker({
  http: at,
  udp: at,
  hooks: [
    {
      preAnnounce: ({ infoHash }) =>
        known.has(Buffer.from(infoHash).toString('hex')) ? undefined : { reason: 'unknown torrent' },
    },
  ],
});
for (const { protocol, host, port } of tracker.addresses) console.log(`${protocol}://${host}:${port}/announce`);
await once(process, 'SIGINT');

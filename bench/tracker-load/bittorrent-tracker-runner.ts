/**
 * npm's bittorrent-tracker as the load meets it: `bittorrent-tracker-runner.js FOLDER`, where `tools/install-interop-npm.mjs` has put
 * it. Ends when its standard input ends.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface ForeignServer {
  readonly http: { address(): AddressInfo };
  readonly udp: { address(): AddressInfo };
  on(event: 'error' | 'warning', listener: (error: Error) => void): void;
  once(event: 'listening', listener: () => void): void;
  listen(port: number, hosts: { http: string; udp: string; udp6: string }): void;
  close(): void;
}

const folder = process.argv[2] as string;
const path = join(folder, 'node_modules/bittorrent-tracker/server.js');
const { default: Server } = (await import(pathToFileURL(path).href)) as { default: new (o: object) => ForeignServer };
const server = new Server({ udp: true, http: true, ws: false, stats: false, trustProxy: false, interval: 1_800_000 });
server.on('warning', ({ message }) => process.stderr.write(`bittorrent-tracker: ${message}\n`));
server.listen(0, { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' });
await once(server as never, 'listening');
const at = (address: AddressInfo) => ({ host: '127.0.0.1', port: address.port });
process.stdout.write(
  `${JSON.stringify({ event: 'ready', udp: at(server.udp.address()), http: at(server.http.address()) })}\n`,
);
process.stdin.resume();
process.stdin.on('end', () => process.exit());

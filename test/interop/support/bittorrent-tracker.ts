/** npm's bittorrent-tracker as a process: `FOLDER HOST PORT`, where FOLDER holds the foreign packages. Ends with its input. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface ForeignServer {
  on(event: 'error' | 'warning', listener: (error: Error) => void): void;
  listen(port: number, hosts: { http: string; udp: string; udp6: string }): void;
}

const [folder = '', host = '', port] = process.argv.slice(2);
const path = join(folder, 'node_modules/bittorrent-tracker/server.js');
const { default: Server } = (await import(pathToFileURL(path).href)) as { default: new (o: object) => ForeignServer };
const server = new Server({ udp: true, http: true, ws: false, stats: false });
server.on('warning', ({ message }) => process.stderr.write(`${message}\n`));
server.on('error', ({ message }) => process.stderr.write(`${message}\n`));
server.listen(Number(port), { http: host, udp: host, udp6: '::1' });
process.stdin.resume().once('end', () => process.exit(0));

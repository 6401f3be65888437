/**
 * One end of many idle connections, as a process of its own: `session TORRENT DIR` seeds a torrent; `transport` takes connections and does
 * nothing; `net` does so with bare sockets of Node. Reports its memory for each line of input; ends when that ends.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { createSession } from 'eider';
import { TcpTransport } from '#node';

const [kind, torrentFile = '', dir = '.'] = process.argv.slice(2);
const host = '127.0.0.1';
const connectionsMax = 1_000_000;
const say = (fields: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(fields)}\n`);

interface Place {
  readonly port: number;
  readonly count: () => number;
  readonly close: () => Promise<void> | void;
}

const places: Readonly<Record<string, () => Promise<Place>>> = {
  session: async () => {
    const session = await createSession({
      listen: { host, port: 0 },
      connectionsMax,
      connectionsPerTorrentMax: connectionsMax,
    });
    const torrent = await session.add(readFileSync(torrentFile), { path: dir, verified: true });
    await torrent.ready();
    return {
      port: session.addresses[0]?.port ?? 0,
      count: () => torrent.state.peersConnected,
      close: () => session.close(),
    };
  },
  transport: async () => {
    const transport = new TcpTransport();
    let count = 0;
    const listener = await transport.listen({ host, port: 0 }, () => {
      count++;
      return { onOpen: () => {}, onBytes: () => {}, onWritten: () => {}, onClosed: () => {} };
    });
    return { port: listener.address.port, count: () => count, close: () => transport.close() };
  },
  net: async () => {
    const sockets: unknown[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen({ host, port: 0 }, resolve));
    const { port } = server.address() as { port: number };
    return { port, count: () => sockets.length, close: () => process.exit(0) };
  },
};

const place = await places[kind ?? '']?.();
if (place === undefined) throw new Error(`no kind ${kind}`);
say({ event: 'ready', port: place.port });

createInterface({ input: process.stdin })
  .on('line', () => {
    // Garbage is no cost of a connection.
    for (let i = 0; i < 3; i++) globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    say({ event: 'memory', rss, heapUsed, external, connections: place.count() });
  })
  .on('close', () => void place.close());
